// Holds and spend over HTTP: the schemas and the routes. commands-in.ts makes commands of the ledger of them.

import { type Static, Type } from 'typebox';
import { CORRECTORS, ID_PARAMS, routes, SPENDERS, SPENDERS_AND_READERS } from '../kit/route.js';
import {
  AmountIn,
  AmountsIn,
  AmountsOut,
  CLOSED,
  Id,
  InstantIn,
  InstantOut,
  LabelsIn,
  LabelsOut,
  Lease,
  listOf,
  Note,
  oneOf,
  orNull,
  PAGE,
  Usage,
  Whole,
} from '../kit/schema-parts.js';
import { AccountCommand } from './budgets-api.js';
import {
  type Authorized,
  AuthorizedRef,
  type DENIAL_REASONS,
  type Done,
  DoneRef,
  HOLD_ENDINGS,
  HOLD_STATUSES,
  Line,
  LineRef,
  type Problem,
  ProblemRef,
  type Settled,
  SettledRef,
  VerdictWord,
} from './outcomes-schema.js';

/** Thirty days, as the ledger's own bound. */
const TtlMs = Type.Integer({ minimum: 1, maximum: 2_592_000_000 });

const OnExpiry = Type.Unsafe<'release' | 'charge' | { readonly charge: Static<typeof AmountsIn> }>({
  type: ['string', 'object'],
  description: '`release` (the default), `charge`, or {"charge": amounts}: what an expired hold is charged.',
});
const Overrun = Type.Unsafe<
  'record' | 'reject' | 'forbid' | { readonly cap: { readonly tolerancePercent: number } }
>({
  type: ['string', 'object'],
  description:
    '`record` (the default), `reject`, `forbid` or {"cap":{"tolerancePercent":10}}: what a settlement above the hold does.',
});

const Candidate = Type.Object({ labels: Type.Optional(LabelsIn), amounts: Type.Optional(AmountsIn) }, CLOSED);

const GrantCaps = Type.Object(
  {
    capability: Type.String({ minLength: 1, maxLength: 256 }),
    grant: Type.String({ minLength: 1, maxLength: 256 }),
    unit: Type.String(),
    maxCalls: Type.Optional(Whole),
    maxPerHold: Type.Optional(AmountIn),
    maxTotal: Type.Optional(AmountIn),
  },
  CLOSED,
);

const AUTHORIZE = {
  holdId: Type.Optional(Id),
  labels: Type.Optional(LabelsIn),
  amounts: AmountsIn,
  ttlMs: Type.Optional(TtlMs),
  onExpiry: Type.Optional(OnExpiry),
  overrun: Type.Optional(Overrun),
  candidates: Type.Optional(Type.Array(Candidate, { minItems: 1, maxItems: 16 })),
  require: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 32 })),
  grants: Type.Optional(Type.Array(GrantCaps, { maxItems: 16 })),
  authority: Type.Optional(Lease),
  note: Type.Optional(Note),
};
/** Without `holdId` the hold is named by the Idempotency-Key, so that a repeat names the same one. */
export const AuthorizeRequest = Type.Object(AUTHORIZE, CLOSED);
export type AuthorizeRequest = Static<typeof AuthorizeRequest>;

/** What is stated of a hold must be true of it, else the command is refused (rules H7, H8). */
const ON_HOLD = {
  labels: Type.Optional(LabelsIn),
  grant: Type.Optional(
    Type.Object(
      { capability: Type.String({ maxLength: 256 }), grant: Type.String({ maxLength: 256 }) },
      CLOSED,
    ),
  ),
  authority: Type.Optional(Lease),
};

const EXTEND = { ...ON_HOLD, ttlMs: Type.Optional(TtlMs), add: Type.Optional(AmountsIn) };
const RELEASE = { ...ON_HOLD, amounts: Type.Optional(AmountsIn) };
const SETTLE = {
  ...ON_HOLD,
  amounts: AmountsIn,
  exposure: Type.Optional(AmountsIn),
  usage: Type.Optional(Usage),
  outcome: Type.Optional(oneOf(HOLD_ENDINGS)),
  note: Type.Optional(Note),
};
const CORRECT = {
  ...ON_HOLD,
  amounts: AmountsIn,
  reason: Type.String({ minLength: 1, maxLength: 512 }),
  note: Type.Optional(Note),
};
export const ExtendRequest = Type.Object(EXTEND, CLOSED);
export const ReleaseRequest = Type.Object(RELEASE, CLOSED);
export const ReverseRequest = Type.Object(ON_HOLD, CLOSED);
export const SettleRequest = Type.Object(SETTLE, CLOSED);
export const CorrectRequest = Type.Object(CORRECT, CLOSED);
export type ExtendRequest = Static<typeof ExtendRequest>;
export type ReleaseRequest = Static<typeof ReleaseRequest>;
export type ReverseRequest = Static<typeof ReverseRequest>;
export type SettleRequest = Static<typeof SettleRequest>;
export type CorrectRequest = Static<typeof CorrectRequest>;

const SPEND = {
  labels: Type.Optional(LabelsIn),
  amounts: AmountsIn,
  occurredAt: Type.Optional(InstantIn),
  usage: Type.Optional(Usage),
  note: Type.Optional(Note),
};
export const SpendRequest = Type.Object(SPEND, CLOSED);
export type SpendRequest = Static<typeof SpendRequest>;

const CREDIT = {
  labels: Type.Optional(LabelsIn),
  amounts: AmountsIn,
  occurredAt: Type.Optional(InstantIn),
  reason: Type.String({ minLength: 1, maxLength: 512 }),
};
export const CreditRequest = Type.Object(CREDIT, CLOSED);
export type CreditRequest = Static<typeof CreditRequest>;

export const CheckRequest = Type.Object(
  { labels: Type.Optional(LabelsIn), amounts: Type.Optional(AmountsIn) },
  CLOSED,
);
export type CheckRequest = Static<typeof CheckRequest>;

export const CheckAnswer = Type.Object({
  verdict: VerdictWord,
  fits: Type.Boolean({
    description: 'Whether a hold of these amounts would be authorised now. Advice only.',
  }),
  reason: Type.Unsafe<(typeof DENIAL_REASONS)[number] | null>({ type: ['string', 'null'] }),
  worst: Type.Unsafe<Static<typeof Line> | null>({ ...Line, type: ['object', 'null'] }),
  lines: Type.Array(LineRef),
});
export type CheckAnswer = Static<typeof CheckAnswer>;

export const HoldView = Type.Object({
  holdId: Type.String(),
  status: oneOf(HOLD_STATUSES),
  labels: LabelsOut,
  held: AmountsOut,
  authorized: AmountsOut,
  charged: Type.Optional(AmountsOut),
  late: Type.Boolean(),
  openedAt: InstantOut,
  expiresAt: InstantOut,
  endedAt: orNull(InstantOut),
  openedSequence: Type.Integer(),
  ending: Type.Unsafe<(typeof HOLD_ENDINGS)[number] | null>({ type: ['string', 'null'] }),
  authority: Type.Unsafe<Static<typeof Lease> | null>({ ...Lease, type: ['object', 'null'] }),
  balances: Type.Array(Type.String()),
});
export type HoldView = Static<typeof HoldView>;

export const HoldList = listOf(HoldView);
export type HoldList = Static<typeof HoldList>;

export const HoldQuery = Type.Object(
  {
    ...PAGE,
    after: Type.Optional({ ...Whole, description: 'Only holds opened after this sequence number.' }),
    status: Type.Optional(oneOf(HOLD_STATUSES)),
    label: Type.Optional(
      Type.Unsafe<string | readonly string[]>({
        type: ['string', 'array'],
        items: { type: 'string' },
        description: '`key=value`; repeatable.',
      }),
    ),
  },
  CLOSED,
);
export type HoldQuery = Static<typeof HoldQuery>;

/** Commands of one batch, as the ledger's own bound. */
export const BATCH_COMMANDS_MAX = 10_000;

const HOLD = { holdId: Id };
/** Each command as on its own route, with its name. */
export const BatchCommand = {
  authorize_hold: Type.Object({ command: Type.Literal('authorize_hold'), ...AUTHORIZE }, CLOSED),
  extend_hold: Type.Object({ command: Type.Literal('extend_hold'), ...HOLD, ...EXTEND }, CLOSED),
  release_hold: Type.Object({ command: Type.Literal('release_hold'), ...HOLD, ...RELEASE }, CLOSED),
  reverse_hold: Type.Object({ command: Type.Literal('reverse_hold'), ...HOLD, ...ON_HOLD }, CLOSED),
  settle_hold: Type.Object({ command: Type.Literal('settle_hold'), ...HOLD, ...SETTLE }, CLOSED),
  correct_hold: Type.Object({ command: Type.Literal('correct_hold'), ...HOLD, ...CORRECT }, CLOSED),
  record_spend: Type.Object({ command: Type.Literal('record_spend'), ...SPEND }, CLOSED),
  credit_spend: Type.Object({ command: Type.Literal('credit_spend'), ...CREDIT }, CLOSED),
};
export type BatchCommand = {
  [Name in keyof typeof BatchCommand]: Static<(typeof BatchCommand)[Name]>;
}[keyof typeof BatchCommand];

/** A batch's command is checked against the schema of its own `command` only, so that a mistake is named by its field. */
const AnyCommand = Type.Unsafe<BatchCommand | AccountCommand>({
  type: 'object',
  required: ['command'],
  discriminator: { propertyName: 'command' },
  oneOf: [...Object.values(BatchCommand), ...Object.values(AccountCommand)],
});
export const BatchRequest = Type.Object(
  {
    commands: Type.Array(AnyCommand, { minItems: 1, maxItems: BATCH_COMMANDS_MAX }),
    answer: Type.Optional(
      oneOf(
        ['brief', 'full'] as const,
        '`brief` (the default): without the lines of what succeeded; `full`: what each own route answers.',
      ),
    ),
  },
  CLOSED,
);
export type BatchRequest = Static<typeof BatchRequest>;

/** What a command of a batch that succeeded is answered unless more is asked for: lines are most of an answer. */
export const BriefOutcome = Type.Object(
  {
    outcome: oneOf(['authorized', 'settled', 'done'] as const),
    holdId: orNull(Type.String()),
    sequence: Type.Integer(),
    replayed: Type.Boolean(),
    decisionId: Type.Optional(Type.String()),
    candidate: Type.Optional(orNull(Type.Integer())),
    expiresAt: Type.Optional(InstantOut),
    charged: Type.Optional(AmountsOut),
    returned: Type.Optional(AmountsOut),
  },
  { description: 'An outcome without its lines.' },
);
export type BriefOutcome = Static<typeof BriefOutcome>;

/** In the order of the commands: what each one's own route would have answered, in brief unless asked for in full. */
export const BatchAnswer = Type.Object({
  outcomes: Type.Array(
    Type.Object({
      status: Type.Integer(),
      body: Type.Unsafe<Authorized | Done | Settled | Problem | BriefOutcome>({
        anyOf: [AuthorizedRef, DoneRef, SettledRef, ProblemRef, BriefOutcome],
      }),
    }),
  ),
});
export type BatchAnswer = Static<typeof BatchAnswer>;

/** 10,000 commands of 1,600 bytes: several times an ordinary one. */
const BATCH_BYTES_MAX = 16 * 1024 * 1024;

const onHold = {
  method: 'POST',
  tag: 'holds',
  scopes: SPENDERS,
  idempotencyKey: 'required',
  params: ID_PARAMS,
} as const;

export const HOLD_ROUTES = routes({
  authorize: {
    command: 'authorize_hold',
    method: 'POST',
    path: '/v1/holds',
    tag: 'holds',
    summary: 'Hold the worst case of a call in every budget that it counts towards, or nothing',
    scopes: SPENDERS,
    idempotencyKey: 'required',
    body: AuthorizeRequest,
    answers: { 201: AuthorizedRef },
  },
  listHolds: {
    method: 'GET',
    path: '/v1/holds',
    tag: 'holds',
    summary: 'Holds in memory, in the order of their opening',
    scopes: SPENDERS_AND_READERS,
    query: HoldQuery,
    answers: { 200: HoldList },
  },
  getHold: {
    method: 'GET',
    path: '/v1/holds/:id',
    tag: 'holds',
    summary: 'One hold',
    scopes: SPENDERS_AND_READERS,
    params: ID_PARAMS,
    answers: { 200: HoldView },
  },
  extend: {
    ...onHold,
    command: 'extend_hold',
    path: '/v1/holds/:id/extend',
    summary: 'Give a hold a later expiry, a larger amount, or both',
    body: ExtendRequest,
    answers: { 200: DoneRef },
  },
  release: {
    ...onHold,
    command: 'release_hold',
    path: '/v1/holds/:id/release',
    summary: 'Give back what a hold holds, all of it or a part',
    body: ReleaseRequest,
    answers: { 200: DoneRef },
  },
  reverse: {
    ...onHold,
    command: 'reverse_hold',
    path: '/v1/holds/:id/reverse',
    summary: 'Undo an untouched hold as if it had never been, its call count too',
    body: ReverseRequest,
    answers: { 200: DoneRef },
  },
  settle: {
    ...onHold,
    command: 'settle_hold',
    path: '/v1/holds/:id/settle',
    summary: 'Book what a call cost; the rest of the hold goes back',
    body: SettleRequest,
    answers: { 200: SettledRef },
  },
  correct: {
    ...onHold,
    command: 'correct_hold',
    path: '/v1/holds/:id/correct',
    scopes: CORRECTORS,
    summary: 'Set the final amounts of a settled hold, by a posted difference',
    body: CorrectRequest,
    answers: { 200: SettledRef },
  },
  recordSpend: {
    command: 'record_spend',
    method: 'POST',
    path: '/v1/spend',
    tag: 'spend',
    summary: 'Book spend that nobody authorised; never denied',
    scopes: SPENDERS,
    idempotencyKey: 'required',
    body: SpendRequest,
    answers: { 201: SettledRef },
  },
  creditSpend: {
    command: 'credit_spend',
    method: 'POST',
    path: '/v1/spend/credits',
    tag: 'spend',
    summary: 'Take recorded spend back, off every balance that it counts towards, or nothing',
    scopes: ['admin'],
    idempotencyKey: 'required',
    body: CreditRequest,
    answers: { 200: SettledRef },
  },
  check: {
    method: 'POST',
    path: '/v1/check',
    tag: 'spend',
    summary: 'How the budgets of these labels stand; changes nothing, promises nothing',
    scopes: SPENDERS_AND_READERS,
    body: CheckRequest,
    answers: { 200: CheckAnswer },
  },
  batch: {
    method: 'POST',
    path: '/v1/batch',
    tag: 'spend',
    summary: 'Commands that are decided in order, each with its own outcome',
    scopes: ['spend', 'correct'],
    idempotencyKey: 'required',
    body: BatchRequest,
    bodyBytesMax: BATCH_BYTES_MAX,
    answers: { 200: BatchAnswer },
  },
});
