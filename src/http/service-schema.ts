// What surrounds the ledger: providers, access keys, prices, reloading.

import { type Static, Type } from 'typebox';
import { Line, VerdictWord } from '../budgets/outcomes-schema.js';
import { COMPONENTS } from '../gateway/prices/price.js';
import { RATE_UNITS } from '../gateway/prices/price-list.js';
import { SCOPES } from '../kit/caller.js';
import {
  AmountIn,
  AmountOut,
  CLOSED,
  InstantIn,
  InstantOut,
  issuedOf,
  LabelsIn,
  LabelsOut,
  listOf,
  oneOf,
  orNull,
  PAGE,
} from '../kit/schema-parts.js';

export const PageQuery = Type.Object(PAGE, CLOSED);
export type PageQuery = Static<typeof PageQuery>;

const LineOrNull = Type.Unsafe<Static<typeof Line> | null>({ ...Line, type: ['object', 'null'] });
export const ProviderView = Type.Object({
  provider: Type.String(),
  verdict: VerdictWord,
  window: Type.Unsafe<'hour' | 'day' | null>({ type: ['string', 'null'] }),
  resetsAt: orNull(InstantOut),
  open: Type.Boolean(),
  hour: LineOrNull,
  day: LineOrNull,
});
export type ProviderView = Static<typeof ProviderView>;
export const ProviderList = listOf(ProviderView);
export type ProviderList = Static<typeof ProviderList>;

export const ProviderExhaustRequest = Type.Object({ until: Type.Optional(InstantIn) }, CLOSED);
export type ProviderExhaustRequest = Static<typeof ProviderExhaustRequest>;
export const ProviderSpendRequest = Type.Object(
  { usd: AmountIn, labels: Type.Optional(LabelsIn), occurredAt: Type.Optional(InstantIn) },
  CLOSED,
);
export type ProviderSpendRequest = Static<typeof ProviderSpendRequest>;

const ScopeList = Type.Array(oneOf(SCOPES), { minItems: 1, maxItems: SCOPES.length });
export const KeyRequest = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 128 }),
    scopes: ScopeList,
    labels: Type.Optional(LabelsIn),
    callerLabels: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 32 })),
    expiresAt: Type.Optional(InstantIn),
    amountMaxUsd: Type.Optional(AmountIn),
  },
  CLOSED,
);
export type KeyRequest = Static<typeof KeyRequest>;
export const KeyRotateRequest = Type.Object(
  {
    overlapMs: Type.Optional(
      Type.Integer({ minimum: 0, description: 'How long the secret before stays valid.' }),
    ),
  },
  CLOSED,
);
export type KeyRotateRequest = Static<typeof KeyRotateRequest>;

export const KeyView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  tenant: orNull(Type.String()),
  scopes: Type.Array(oneOf(SCOPES)),
  labels: LabelsOut,
  callerLabels: Type.Array(Type.String()),
  createdAt: InstantOut,
  expiresAt: orNull(InstantOut),
  revokedAt: orNull(InstantOut),
  createdBy: orNull(Type.String({ description: 'The key that made it; null: the command line.' })),
  overlapUntil: orNull(InstantOut),
  lastUsedAt: orNull(InstantOut),
  amountMaxUsd: orNull({
    ...AmountOut,
    description: 'The most that one command may state in USD; null: as much as the ledger takes.',
  }),
});
export type KeyView = Static<typeof KeyView>;
export const KeyIssued = issuedOf(KeyView);
export type KeyIssued = Static<typeof KeyIssued>;
export const KeyList = listOf(KeyView);
export type KeyList = Static<typeof KeyList>;

export const PriceQuery = Type.Object(
  {
    ...PAGE,
    provider: Type.Optional(Type.String({ maxLength: 128 })),
    model: Type.Optional(Type.String({ maxLength: 256 })),
    at: Type.Optional(
      Type.String({ maxLength: 40, description: 'The instant asked about; now when absent.' }),
    ),
  },
  CLOSED,
);
export type PriceQuery = Static<typeof PriceQuery>;

export const PriceView = Type.Object({
  provider: Type.String(),
  model: Type.String(),
  source: oneOf(['own', 'genai-prices'] as const),
  rates: Type.Array(
    Type.Object({
      component: oneOf(COMPONENTS),
      per: oneOf(RATE_UNITS),
      fromInputTokens: Type.Integer(),
      usd: AmountOut,
    }),
  ),
  contextWindow: orNull(Type.Integer()),
  outputTokensMax: orNull(Type.Integer()),
});
export type PriceView = Static<typeof PriceView>;
export const PriceList = Type.Object({
  version: Type.String({ description: 'The price book’s; on each hold and settlement.' }),
  ...listOf(PriceView).properties,
});
export type PriceList = Static<typeof PriceList>;

export const Reloaded = Type.Object({ reloaded: Type.Literal(true), message: Type.String() });
export type Reloaded = Static<typeof Reloaded>;
