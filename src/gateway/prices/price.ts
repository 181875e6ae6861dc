// The types of prices and costs. A price has the exact rates of one model of one provider. A rate is whole steps of usd
// (microcents, 1e-8 USD) for a million units, so that a cost is one multiplication and one division, rounded up.

import type { Component } from '../metering/usage.js';

/** A rate by the size of the input: the last tier counts whose `fromInputTokens` is not above the input's total. */
export interface RateTier {
  readonly fromInputTokens: number;
  /** Steps of usd for 1,000,000 units of the component. */
  readonly perMillion: bigint;
}

/** The tiers of each component that has a rate of its own; the first tier begins at 0. */
export type Rates = Readonly<Partial<Record<Component, readonly RateTier[]>>>;

export interface ModelPrice {
  readonly provider: string;
  /** The model's id in the data, or the name or pattern of the own price. */
  readonly model: string;
  readonly source: 'own' | 'genai-prices';
  readonly rates: Rates;
  /** The most input tokens that the model takes; null when unknown. */
  readonly contextWindow: number | null;
  /** The most output tokens that it gives; null when unknown. */
  readonly outputTokensMax: number | null;
  /** Own prices only: how many times the usual price a stated value costs, by modifier and value. */
  readonly modifiers?: PriceModifiers;
}

export type PriceModifiers = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface CostComponent {
  /** `provider_cost`: what the provider itself says that the call cost, once. */
  readonly component: Component | 'provider_cost';
  readonly quantity: number;
  readonly perMillion: bigint;
  /** Steps of usd: quantity × perMillion / 1,000,000, rounded up. */
  readonly cost: bigint;
}

export interface Cost {
  readonly total: bigint;
  readonly components: readonly CostComponent[];
}

export interface PriceBook {
  /** Names the content: the same version always has the same prices. It is written on each hold and settlement. */
  readonly version: string;
  /** The price in force at an instant (epoch ms); null = unknown, and the call is refused. */
  price(query: { readonly provider: string; readonly model: string; readonly at: number }): ModelPrice | null;
  /** The name that calls have in the label `model` (model-match.ts); null where no price has this name. */
  canonicalModel(named: { readonly provider: string; readonly model: string }): string | null;
}

/** A user's own price; it comes before the price data. */
export interface OwnPrice {
  readonly provider: string;
  /** A model name; a trailing `*` matches any ending. */
  readonly model: string;
  /** In force from this instant, epoch ms; 0 = always. */
  readonly from: number;
  readonly rates: Readonly<Partial<Record<Component, readonly RateTier[]>>>;
  readonly contextWindow: number | null;
  readonly outputTokensMax: number | null;
  /** Factors of tiers, places and speeds. They take precedence over those of the provider's profile. */
  readonly modifiers?: PriceModifiers;
}
