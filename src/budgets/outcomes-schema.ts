// What commands are answered with: the ledger's outcomes on the wire, and the one form of every error (RFC 9457).

import { type Static, Type } from 'typebox';
import { EVENT_TYPES, METERING_PROFILE, VERDICTS } from '../core/outcomes.js';
import {
  AmountOut,
  AmountsOut,
  InstantOut,
  LabelsOut,
  oneOf,
  orNull,
  WindowOut,
} from '../kit/schema-parts.js';

export const GUARANTEES = [
  'advisory_posthoc',
  'single_node_atomic',
  'partition_escrowed',
  'ha_linearizable',
] as const;
export const VIOLATIONS = [
  'limit',
  'per_hold_max',
  'held_max',
  'unit_missing',
  'paused',
  'closed',
  'forced_exhausted',
] as const;
export const DENIAL_REASONS = [
  'no_budget',
  'unit_missing',
  'closed',
  'too_large',
  'paused',
  'exhausted',
  'held',
] as const;
export const HOLD_STATUSES = ['open', 'settled', 'released', 'reversed', 'expired'] as const;
export const HOLD_ENDINGS = ['completed', 'failed', 'cancelled', 'unknown'] as const;

export const VerdictWord = oneOf(VERDICTS);

export const Line = Type.Object(
  {
    budgetId: Type.String(),
    scope: oneOf(['tenant', 'platform'] as const, 'platform: the budget counts other tenants’ spend too'),
    unit: Type.String(),
    window: WindowOut,
    resetsAt: orNull(InstantOut),
    violated: Type.Unsafe<(typeof VIOLATIONS)[number] | null>({ type: ['string', 'null'] }),
    violations: Type.Array(oneOf(VIOLATIONS)),
    budgetVersion: Type.Optional(Type.Integer()),
    values: Type.Optional(LabelsOut),
    limit: Type.Optional(orNull(AmountOut)),
    granted: Type.Optional(orNull(AmountOut)),
    spent: Type.Optional(AmountOut),
    held: Type.Optional(AmountOut),
    remaining: Type.Optional(orNull(AmountOut)),
    requested: Type.Optional(AmountOut),
    verdict: Type.Optional(VerdictWord),
  },
  {
    $id: 'Line',
    description:
      'One balance’s part in an answer. A tenant’s key sees lines of the platform’s budgets without figures.',
  },
);

export type Line = Static<typeof Line>;
/** By reference: it is in almost every answer. */
export const LineRef = Type.Unsafe<Line>({ $ref: 'Line#' });

export const EVIDENCE = {
  sequence: Type.Integer({ description: 'The position of the command in the journal.' }),
  eventId: Type.String(),
  position: orNull(Type.Integer()),
  at: InstantOut,
  guarantee: oneOf(GUARANTEES),
  metering: Type.Literal(METERING_PROFILE),
  term: Type.String(),
  replayed: Type.Boolean({ description: 'The first answer to this Idempotency-Key, given again.' }),
};

export const Skipped = Type.Object({
  candidate: Type.Integer(),
  reason: oneOf(DENIAL_REASONS),
  lines: Type.Array(LineRef),
});

export const Authorized = Type.Object(
  {
    outcome: Type.Literal('authorized'),
    holdId: Type.String(),
    decisionId: Type.String(),
    candidate: orNull(Type.Integer()),
    skipped: Type.Array(Skipped),
    lines: Type.Array(LineRef),
    verdict: VerdictWord,
    expiresAt: InstantOut,
    holdStatus: Type.Unsafe<(typeof HOLD_STATUSES)[number] | null>({ type: ['string', 'null'] }),
    ...EVIDENCE,
  },
  { $id: 'Authorized' },
);
export type Authorized = Static<typeof Authorized>;

export const Done = Type.Object(
  {
    outcome: Type.Literal('done'),
    event: oneOf(EVENT_TYPES),
    holdId: orNull(Type.String()),
    lines: Type.Array(LineRef),
    ...EVIDENCE,
  },
  { $id: 'Done' },
);
export type Done = Static<typeof Done>;

export const Settled = Type.Object(
  {
    outcome: Type.Literal('settled'),
    event: oneOf(['hold_settled', 'hold_corrected', 'spend_recorded', 'spend_credited'] as const),
    holdId: orNull(Type.String()),
    late: Type.Boolean(),
    charged: AmountsOut,
    returned: AmountsOut,
    capped: Type.Array(Type.String()),
    lines: Type.Array(LineRef),
    verdict: VerdictWord,
    paused: Type.Array(Type.String()),
    ...EVIDENCE,
  },
  { $id: 'Settled' },
);
export type Settled = Static<typeof Settled>;

/** Figures of the budget that decided, as members of a problem: they add up to the answer. */
const FIGURES = {
  budget_id: Type.String(),
  scope: oneOf(['tenant', 'platform'] as const),
  unit: Type.String(),
  limit: orNull(AmountOut),
  spent: AmountOut,
  held: AmountOut,
  requested: AmountOut,
  resets_at: orNull(InstantOut),
  decision_id: Type.String(),
};

export const Problem = Type.Object(
  {
    type: Type.String({ description: '`urn:bursar:` and the code.' }),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({ description: 'For programs; see the table of errors.' }),
    detail: Type.String(),
    requestId: Type.Optional(Type.String()),
    field: Type.Optional(Type.String({ description: 'The field that is wrong.' })),
    ...Type.Partial(Type.Object(FIGURES)).properties,
    retryAfterMs: Type.Optional(Type.Integer()),
    outcome: Type.Optional(oneOf(['denied', 'rejected'] as const)),
    holdId: Type.Optional(Type.String()),
    reason: Type.Optional(oneOf(DENIAL_REASONS)),
    lines: Type.Optional(Type.Array(LineRef)),
    skipped: Type.Optional(Type.Array(Skipped)),
    unmet: Type.Optional(Type.Array(Type.String())),
    verdict: Type.Optional(VerdictWord),
    ...Type.Partial(Type.Object(EVIDENCE)).properties,
  },
  {
    $id: 'Problem',
    description:
      'RFC 9457. The figures of the deciding budget add up to the answer; a refused command has its outcome too.',
  },
);
export type Problem = Static<typeof Problem>;
export type Skipped = Static<typeof Skipped>;

/** Named once in OpenAPI, and referred to by `$ref`. */
export const SHARED_SCHEMAS = [Line, Authorized, Done, Settled, Problem];

const refTo = <T>(id: string) => Type.Unsafe<T>({ $ref: `${id}#` });
export const AuthorizedRef = refTo<Authorized>('Authorized');
export const DoneRef = refTo<Done>('Done');
export const SettledRef = refTo<Settled>('Settled');
export const ProblemRef = refTo<Problem>('Problem');
