// How many times the usual price something costs, as an exact fraction: a tier, a place, a speed. Rates are multiplied, each
// rounded up to a step, so that costs, worst cases and notes are worked out of the rates that were in force.

import { AMOUNT_MAX } from '../../core/amount.js';
import type { Component, ModelPrice, Rates, RateTier } from './price.js';
import { COMPONENTS } from './price.js';

/** A fraction in lowest terms does not matter: only its value does. */
export interface Times {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

export const ONCE: Times = { numerator: 1n, denominator: 1n };

/** Nothing that is sold costs more than this many times its usual price. */
const TIMES_MAX = 1_000n;
const FORM = /^(\d{1,4})(?:\.(\d{1,6}))?(?:\/(\d{1,6}))?$/;

/** Reads `"1.1"`, `"0"` or `"5/3"`; null when it is none, or above 1,000. */
export function parseTimes(text: string): Times | null {
  const match = FORM.exec(text);
  if (match === null) return null;
  const [, whole, fraction = '', under = '1'] = match;
  const numerator = BigInt(whole + fraction);
  const denominator = 10n ** BigInt(fraction.length) * BigInt(under);
  if (denominator === 0n || numerator > TIMES_MAX * denominator) return null;
  return { numerator, denominator };
}

export function multiplied(left: Times, right: Times): Times {
  return {
    numerator: left.numerator * right.numerator,
    denominator: left.denominator * right.denominator,
  };
}

/** Fees for calls are the same in every tier, place and speed. */
const FEES: ReadonlySet<Component> = new Set(['request', 'web_search', 'code_interpreter', 'file_search']);

/** The price with the rates of its tokens multiplied; its fees are as they were. */
export function priceTimes(price: ModelPrice, times: Times): ModelPrice {
  if (times.numerator === times.denominator) return price;
  const rates: Partial<Record<Component, readonly RateTier[]>> = {};
  for (const component of COMPONENTS) {
    const tiers = price.rates[component];
    if (tiers === undefined) continue;
    rates[component] = FEES.has(component) ? tiers : tiers.map((tier) => tierTimes(tier, times));
  }
  return { ...price, rates: rates as Rates };
}

function tierTimes({ fromInputTokens, perMillion }: RateTier, times: Times): RateTier {
  const most = (perMillion * times.numerator + times.denominator - 1n) / times.denominator;
  return { fromInputTokens, perMillion: most > AMOUNT_MAX ? AMOUNT_MAX : most };
}
