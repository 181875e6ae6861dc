// Prices over HTTP: their schemas and their route.

import { type Static, Type } from 'typebox';
import { READERS, routes } from '../../kit/route.js';
import { AmountOut, CLOSED, listOf, oneOf, orNull, PAGE } from '../../kit/schema-parts.js';
import { COMPONENTS } from '../metering/usage.js';
import { RATE_UNITS } from './price-list.js';

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

export const PRICE_ROUTES = routes({
  listPrices: {
    method: 'GET',
    path: '/v1/prices',
    tag: 'prices',
    summary: 'The price in force of a provider’s model; without both, the prices of your own',
    scopes: READERS,
    query: PriceQuery,
    answers: { 200: PriceList },
  },
});
