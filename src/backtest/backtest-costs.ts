// The stated assumptions of a backtest: what a call may cost at worst, what it did cost, and how long it took.
// Prices are whole steps of usd for a million tokens; each component is rounded up by itself. Called by backtest.ts.

import type { Amounts } from '../core/amount.js';
import { InvalidInputError } from '../core/errors.js';
import type { TraceRequest } from './trace-spread.js';

const PRICED_TOKENS = 1_000_000n;

/** usd steps for a million tokens read, and for a million written. */
export interface TokenPrice {
  readonly inputPerMillion: bigint;
  readonly outputPerMillion: bigint;
}

/** By model; `'*'` is the price of every model that is not named. A model with neither has no price, and is an error. */
export type TokenPrices = Readonly<Record<string, TokenPrice>>;

/** For backtests without stated prices: a large and a small model, at round figures that are no vendor's. */
export const EXAMPLE_PRICES: TokenPrices = {
  large: { inputPerMillion: 250_000_000n, outputPerMillion: 1_000_000_000n },
  small: { inputPerMillion: 15_000_000n, outputPerMillion: 60_000_000n },
};

/** A call is under way for `baseMs`, and `perTokenMs` for each token that it writes. */
export interface LatencyModel {
  readonly baseMs: number;
  readonly perTokenMs: number;
}

export interface CostModel {
  readonly prices: TokenPrices;
  /** The output limit that each request is taken to have stated; one that wrote more is taken to have stated that. */
  readonly maxOutputTokens: number;
  readonly latency: LatencyModel;
}

export const EXAMPLE_COSTS: CostModel = {
  prices: EXAMPLE_PRICES,
  maxOutputTokens: 1_000,
  latency: { baseMs: 300, perTokenMs: 20 },
};

/** What is held: the input is known exactly before the call, the output only by its limit. */
export function worstCaseOf(request: TraceRequest, model: CostModel): Amounts {
  return amountsOf(request, {
    ...model,
    outputTokens: Math.max(model.maxOutputTokens, request.outputTokens),
  });
}

/** What is settled: what the trace says. */
export function actualCostOf(request: TraceRequest, model: CostModel): Amounts {
  return amountsOf(request, { ...model, outputTokens: request.outputTokens });
}

/** When the call ends, epoch ms. */
export function completionOf(request: TraceRequest, latency: LatencyModel): number {
  return request.at + Math.ceil(latency.baseMs + latency.perTokenMs * request.outputTokens);
}

/** @throws InvalidInputError for a model that has no price: it is never free, and never priced as another. */
export function priceOf(model: string, prices: TokenPrices): TokenPrice {
  const price = Object.hasOwn(prices, model) ? prices[model] : prices['*'];
  if (price === undefined) {
    throw new InvalidInputError(
      `price of model ${JSON.stringify(model)}`,
      `none is stated; priced are ${Object.keys(prices).join(', ')} ("*" prices every model that is not named)`,
    );
  }
  return price;
}

/** Models that requests without one are spread over. */
export function pricedModels(prices: TokenPrices): readonly string[] {
  const named = Object.keys(prices).filter((model) => model !== '*');
  return named.length > 0 ? named : ['default'];
}

function amountsOf(request: TraceRequest, bounded: { prices: TokenPrices; outputTokens: number }): Amounts {
  const price = priceOf(request.model, bounded.prices);
  return {
    usd:
      costOf(request.inputTokens, price.inputPerMillion) +
      costOf(bounded.outputTokens, price.outputPerMillion),
    tokens: BigInt(request.inputTokens + bounded.outputTokens),
    calls: 1n,
  };
}

function costOf(tokens: number, perMillion: bigint): bigint {
  return (BigInt(tokens) * perMillion + PRICED_TOKENS - 1n) / PRICED_TOKENS;
}
