// The price of an answer. The answer may state another tier, place or speed than the request, which changes the price; parts
// without a known price are left out and named. Where the configuration says so, the provider's own cost is taken instead.
// Called by charge.ts.

import type { Component, Quantities, UsageReading } from '../metering/usage.js';
import { rateOf } from '../prices/cost.js';
import { priceOfAnswer } from '../prices/modifiers.js';
import type { Cost } from '../prices/price.js';
import type { PricedCandidate } from './candidates.js';

export interface AnsweredCandidate {
  readonly candidate: PricedCandidate;
  readonly usage: UsageReading | null;
  /** What nobody can price, as `service_tier priority` or `web_search`; empty as a rule. */
  readonly unpriced: readonly string[];
  /** Whether input and output were told apart by what is likely: the answer states their total alone. */
  readonly isSplit: boolean;
}

/** Tools that a provider may run unasked: an answer that states them is charged without them where they have no price. */
const TOOLS: readonly Component[] = ['web_search', 'code_interpreter', 'file_search'];

/** @param outputTokensSoFar what the text of the answer amounts to */
export function asAnswered(
  candidate: PricedCandidate,
  came: { readonly usage: UsageReading | null; readonly outputTokensSoFar: number },
): AnsweredCandidate {
  const { usage: stated, outputTokensSoFar } = came;
  const { price, model, provider, facts } = candidate;
  const isSplit = stated?.allTokens !== undefined;
  const usage = isSplit ? split(stated, facts.inputTokensEstimate, outputTokensSoFar) : stated;
  const of = { price, model, profile: provider.profile };
  const answer = priceOfAnswer(of, usage?.modifiers, facts.modifiersAsked);
  const missing = usage === null ? [] : withoutRate(answer.price.rates, usage.quantities);
  return {
    candidate: answer.price === price ? candidate : { ...candidate, price: answer.price },
    usage: usage === null || missing.length === 0 ? usage : without(usage, missing),
    unpriced: missing.length === 0 ? answer.unpriced : [...answer.unpriced, ...missing],
    isSplit,
  };
}

// All of a total that stands alone is charged: what the likely input leaves of it is output, and the text that came at least.
function split(usage: UsageReading, inputTokensEstimate: number, outputTokensSoFar: number): UsageReading {
  const all = usage.allTokens ?? 0;
  const output = Math.min(all, Math.max(all - inputTokensEstimate, outputTokensSoFar));
  const input = all - output;
  return {
    ...usage,
    inputTokens: { ...usage.inputTokens, total: input },
    outputTokens: { ...usage.outputTokens, total: output },
    quantities: { ...usage.quantities, input, output },
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
