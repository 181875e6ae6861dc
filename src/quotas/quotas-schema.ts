// Policies and quotas of a chat product on the wire. Shapes and plain bounds; what depends on the rest of a policy is
// checked by policy-check.ts.

import { type Static, Type } from 'typebox';
import {
  AmountIn,
  AmountOut,
  AmountsIn,
  AmountsOut,
  CLOSED,
  InstantOut,
  listOf,
  oneOf,
  orNull,
  Whole,
} from '../kit/schema-parts.js';
import { MULTIPLIER_MAX, TOKENS_MAX } from './credits.js';
import { OVERSHOOT_TOLERANCE_MAX_PERCENT, PERIODS, POLICY_MODELS_MAX, TIERS_MAX, TOOLS } from './policy.js';
import { DOWNGRADES } from './reserve.js';

const Name = Type.String({ minLength: 1, maxLength: 64 });
const PeriodWord = oneOf(PERIODS as readonly ['daily', 'monthly']);

const Model = Type.Object(
  {
    name: Name,
    tier: Name,
    inputMultiplier: Type.Integer({
      minimum: 1,
      maximum: MULTIPLIER_MAX,
      description: 'Micro-credits for a million input tokens.',
    }),
    outputMultiplier: Type.Integer({
      minimum: 1,
      maximum: MULTIPLIER_MAX,
      description: 'Micro-credits for a million output tokens.',
    }),
    outputTokensMax: Type.Integer({
      minimum: 1,
      maximum: TOKENS_MAX,
      description: 'The most that one answer of the model can have.',
    }),
  },
  CLOSED,
);

/** Every model and tier has a limit at most, and the total. */
const BUCKETS_MAX = POLICY_MODELS_MAX + TIERS_MAX + 1;
const BucketLimits = Type.Unsafe<Readonly<Record<string, string | number>>>({
  type: 'object',
  maxProperties: BUCKETS_MAX,
  additionalProperties: AmountIn,
  description: 'Credits by bucket, `total`, `tier:NAME` or `model:NAME`; a bucket left out has no limit.',
});
const BucketLimitsOut = Type.Unsafe<Record<string, string>>({
  type: 'object',
  additionalProperties: { type: 'string' },
});

const WholeOrNull = Type.Unsafe<number | null>({
  type: ['integer', 'null'],
  minimum: 0,
  maximum: 1_000_000_000,
  description: 'null: no limit.',
});
const ToolLimits = Type.Partial(Type.Object({ daily: WholeOrNull, perTurn: WholeOrNull }, CLOSED), CLOSED);
const ToolLimitsOut = Type.Object({ daily: orNull(Type.Integer()), perTurn: orNull(Type.Integer()) });

const estimateFields = {
  bytesPerToken: Whole,
  fixedTokens: Whole,
  safetyPercent: Whole,
  imageTokens: Whole,
  toolTokens: Whole,
  webSearchTokens: Whole,
  codeInterpreterTokens: Whole,
  outputTokensMin: Whole,
};

const Tiers = Type.Array(Name, {
  minItems: 1,
  maxItems: TIERS_MAX,
  description: 'The best first; a request that does not fit one is tried in the next.',
});
const Models = Type.Array(Model, { minItems: 1, maxItems: POLICY_MODELS_MAX });
const switchFields = {
  disablePremiumTier: Type.Boolean({ description: 'Nobody gets the first tier.' }),
  forceStandardTier: Type.Boolean({ description: 'Everybody gets the last tier.' }),
  disabledModels: Type.Array(Name, { maxItems: POLICY_MODELS_MAX }),
};
const Tolerance = Type.Integer({
  minimum: 0,
  maximum: OVERSHOOT_TOLERANCE_MAX_PERCENT,
  description:
    'How far above its reserve a turn is charged as it was; above, the charge stops at the reserve.',
});

export const PolicyRequest = Type.Object(
  {
    tiers: Tiers,
    models: Models,
    limits: Type.Optional(
      Type.Partial(Type.Object({ daily: BucketLimits, monthly: BucketLimits }, CLOSED), CLOSED),
    ),
    toolLimits: Type.Optional(
      Type.Partial(
        Type.Object({ webSearches: ToolLimits, codeInterpreterCalls: ToolLimits }, CLOSED),
        CLOSED,
      ),
    ),
    killSwitches: Type.Optional(Type.Partial(Type.Object(switchFields, CLOSED), CLOSED)),
    overshootTolerancePercent: Type.Optional(Tolerance),
    estimate: Type.Optional(Type.Partial(Type.Object(estimateFields, CLOSED), CLOSED)),
  },
  CLOSED,
);
export type PolicyRequest = Static<typeof PolicyRequest>;

export const PolicyDocumentOut = Type.Object({
  tiers: Tiers,
  models: Models,
  limits: Type.Object({ daily: BucketLimitsOut, monthly: BucketLimitsOut }),
  toolLimits: Type.Object({ webSearches: ToolLimitsOut, codeInterpreterCalls: ToolLimitsOut }),
  killSwitches: Type.Object(switchFields),
  overshootTolerancePercent: Tolerance,
  estimate: Type.Object(estimateFields),
});

export const PolicyView = Type.Object({
  number: Type.Integer(),
  active: Type.Boolean({ description: 'Whether turns that start now are decided by it.' }),
  digest: Type.String({ description: 'SHA-256 of the document, hex.' }),
  author: Type.String({ description: 'The key that put it.' }),
  createdAt: InstantOut,
  activatedAt: orNull(InstantOut),
  document: PolicyDocumentOut,
});
export type PolicyView = Static<typeof PolicyView>;
export const PolicyList = listOf(PolicyView);
export type PolicyList = Static<typeof PolicyList>;

export const PolicyComparison = Type.Object({
  from: Type.Integer(),
  to: Type.Integer(),
  differences: Type.Array(
    Type.Object({ path: Type.String(), from: orNull(Type.String()), to: orNull(Type.String()) }),
  ),
});
export type PolicyComparison = Static<typeof PolicyComparison>;

const PolicyNumber = Type.String({ pattern: '^[1-9][0-9]{0,8}$' });
export const POLICY_PARAMS = Type.Object({ n: PolicyNumber });
export const COMPARE_PARAMS = Type.Object({ n: PolicyNumber, m: PolicyNumber });

const Person = Type.String({ minLength: 1, maxLength: 256 });
const TenantOf = Type.String({
  minLength: 1,
  maxLength: 256,
  description: 'Whose user it is: for keys of the platform; others have their own.',
});
export const USER_PARAMS = Type.Object({ user: Person });
export const TenantQuery = Type.Object({ tenant: Type.Optional(TenantOf) }, CLOSED);
export type TenantQuery = Static<typeof TenantQuery>;

const OwnLimit = Type.Unsafe<string | number | null>({
  type: ['string', 'number', 'null'],
  maxLength: 40,
  description: 'null: no limit.',
});
const OwnLimits = Type.Unsafe<Readonly<Record<string, string | number | null>>>({
  type: 'object',
  maxProperties: BUCKETS_MAX,
  additionalProperties: OwnLimit,
  description: 'Credits by bucket; a bucket left out has the policy’s limit.',
});
export const UserLimitsRequest = Type.Object(
  {
    limits: Type.Optional(
      Type.Partial(Type.Object({ daily: OwnLimits, monthly: OwnLimits }, CLOSED), CLOSED),
    ),
    toolLimits: Type.Optional(
      Type.Partial(
        Type.Object({ webSearches: WholeOrNull, codeInterpreterCalls: WholeOrNull }, CLOSED),
        CLOSED,
      ),
    ),
  },
  CLOSED,
);
export type UserLimitsRequest = Static<typeof UserLimitsRequest>;

export const PreflightRequest = Type.Object(
  {
    user: Person,
    tenant: Type.Optional(TenantOf),
    model: Type.Optional(Name),
    tier: Type.Optional(Name),
    textBytes: Type.Optional(Whole),
    inputTokens: Type.Optional(Whole),
    images: Type.Optional(Whole),
    tools: Type.Optional(Whole),
    webSearches: Type.Optional(Whole),
    codeInterpreterCalls: Type.Optional(Whole),
    outputTokensMax: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })),
    amounts: Type.Optional(AmountsIn),
  },
  CLOSED,
);
export type PreflightRequest = Static<typeof PreflightRequest>;

const TooMuchOfTool = Type.Object(
  { name: oneOf(TOOLS), requested: AmountOut, perTurn: AmountOut },
  { description: 'Where one turn asks for more of a tool than any may use.' },
);
const Denial = Type.Object({
  reason: Type.String(),
  budgetId: orNull(Type.String()),
  bucket: orNull(Type.String()),
  period: Type.Unsafe<'daily' | 'monthly' | null>({ type: ['string', 'null'] }),
  resetsAt: orNull(InstantOut),
  tool: Type.Unsafe<Static<typeof TooMuchOfTool> | null>({ ...TooMuchOfTool, type: ['object', 'null'] }),
});
export const PreflightAnswer = Type.Object({
  fits: Type.Boolean(),
  policy: Type.Integer(),
  tier: orNull(Type.String()),
  model: orNull(Type.String()),
  reasons: Type.Array(oneOf(DOWNGRADES, 'Why not a better tier or the model wished for.')),
  reserve: Type.Unsafe<Record<string, string> | null>({ ...AmountsOut, type: ['object', 'null'] }),
  denial: Type.Unsafe<Static<typeof Denial> | null>({ ...Denial, type: ['object', 'null'] }),
});
export type PreflightAnswer = Static<typeof PreflightAnswer>;

const gaugeFields = {
  limit: orNull(AmountOut),
  used: AmountOut,
  spent: AmountOut,
  held: AmountOut,
  left: orNull(AmountOut),
  state: oneOf(
    ['unlimited', 'within', 'warning', 'exhausted'] as const,
    'warning: at most a fifth is left; exhausted: nothing.',
  ),
  resetsAt: orNull(InstantOut),
};
export const Gauge = Type.Object(gaugeFields);
export type Gauge = Static<typeof Gauge>;
const ToolStatus = Type.Object({ daily: Gauge, perTurn: orNull(Type.Integer()) });
const PerPeriod = Type.Object({ daily: Gauge, monthly: Gauge });

export const QuotaStatus = Type.Object({
  tenant: Type.String(),
  user: Type.String(),
  policy: orNull(Type.Integer({ description: 'The policy in force; null: none, and nothing is counted.' })),
  buckets: Type.Array(Type.Object({ period: PeriodWord, bucket: Type.String(), ...gaugeFields }), {
    description: 'In credits; used = spent + held.',
  }),
  webSearches: ToolStatus,
  codeInterpreterCalls: ToolStatus,
  tokens: PerPeriod,
  calls: PerPeriod,
});
export type QuotaStatus = Static<typeof QuotaStatus>;
