// What an answer is priced by: the candidate at the price of what the answer states of tier, place and speed, without the
// parts that nobody can price; or the cost that the provider states itself, where the configuration takes its word.
// Called by charge.ts.

import type { UsageReading } from '../dialects/dialect.js';
import { rateOf } from '../prices/cost.js';
import { priceOfAnswer } from '../prices/modifiers.js';
import type { Component, Cost, Quantities } from '../prices/price.js';
import type { PricedCandidate } from './candidates.js';

export interface AnsweredCandidate {
  readonly candidate: PricedCandidate;
  readonly usage: UsageReading | null;
  /** What nobody can price, as `service_tier priority` or `web_search`; empty as a rule. */
  readonly unpriced: readonly string[];
}

/** Tools that a provider may run unasked: an answer that states them is charged without them where they have no price. */
const TOOLS: readonly Component[] = ['web_search', 'code_interpreter', 'file_search'];

export function asAnswered(candidate: PricedCandidate, usage: UsageReading | null): AnsweredCandidate {
  const { price, model, provider, facts } = candidate;
  const of = { price, model, profile: provider.profile };
  const answer = priceOfAnswer(of, usage?.modifiers, facts.modifiersAsked);
  const missing = usage === null ? [] : withoutRate(answer.price.rates, usage.quantities);
  return {
    candidate: answer.price === price ? candidate : { ...candidate, price: answer.price },
    usage: usage === null || missing.length === 0 ? usage : without(usage, missing),
    unpriced: missing.length === 0 ? answer.unpriced : [...answer.unpriced, ...missing],
  };
}

function withoutRate(rates: PricedCandidate['price']['rates'], quantities: Quantities): readonly Component[] {
  return TOOLS.filter((tool) => quantities[tool] !== undefined && rateOf(rates, tool, 0) === null);
}

function without(usage: UsageReading, missing: readonly Component[]): UsageReading {
  const left = Object.entries(usage.quantities).filter(
    ([component]) => !missing.includes(component as Component),
  );
  return { ...usage, quantities: Object.fromEntries(left) as Quantities };
}

const MILLION = 1_000_000n;

/** The provider's own cost; null where it is not asked for, or not stated. */
export function providerCost({ provider }: PricedCandidate, usage: UsageReading | null): Cost | null {
  if (provider.charge !== 'provider-cost' || usage?.cost === undefined) return null;
  const { cost } = usage;
  return {
    total: cost,
    components: [{ component: 'provider_cost', quantity: 1, perMillion: cost * MILLION, cost }],
  };
}
