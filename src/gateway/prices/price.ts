// What a price is: exact rates of one model of one provider, and what a call costs by them. Rates are whole steps of usd
// (microcents, 1e-8 USD) for a million units, so that a cost is one multiplication and one division, rounded up.

import type { Component } from '../metering/usage.js';

/** A rate that depends on how large the input is: the last tier whose `fromInputTokens` is not above the input's total. */
export interface RateTier {
  readonly fromInputTokens: number;
  /** Steps of usd for 1,000,000 units of the component. */
  readonly perMillion: bigint;
}

/** For each component that has a price of its own: its tiers, the first from 0. */
export type Rates = Readonly<Partial<Record<Component, readonly RateTier[]>>>;

export interface ModelPrice {
  readonly provider: string;
  /** The data's id, or the name or pattern of the own price. */
  readonly model: string;
  readonly source: 'own' | 'genai-prices';
  readonly rates: Rates;
  /** The most input tokens that the model takes; null when unknown. */
  readonly contextWindow: number | null;
  /** The most output tokens that it gives; null when unknown. */
  readonly outputTokensMax: number | null;
  /** Of own prices: how many times the usual price what a request or an answer states costs, by modifier and value. */
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
  /** Names the content: the same version always gives the same prices. Written on each hold and settlement. */
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
  /** What tiers, places and speeds make of it; they come before those of the provider's profile. */
  readonly modifiers?: PriceModifiers;
}
