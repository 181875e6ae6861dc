// What an answer cost: its quantities at the price of what it states of tier, place and speed; or, where the configuration
// takes the provider's word, the cost that it states itself. What nobody can price is named, and makes the charge an estimate.
// Called by charge.ts.

import { COMPONENTS, type Component, type Cost, type Quantities } from '../prices/price.js';
import type { UsageReading } from '../dialects/dialect.js';
import { costOf, rateOf } from '../prices/cost.js';
import { priceOfAnswer } from '../prices/modifiers.js';
import type { PricedCandidate } from './candidates.js';

export interface AnswerCost {
  readonly cost: Cost;
  /** Modifiers and components that nobody can price, as `service_tier priority` or `web_search`; empty as a rule. */
  readonly unpriced: readonly string[];
  /** Whether the cost is the provider's own. */
  readonly isTold: boolean;
}

/** Tools that a provider may run unasked: an answer that states them is charged without them where they have no price. */
const TOOLS: readonly Component[] = ['web_search', 'code_interpreter', 'file_search'];

const MILLION = 1_000_000n;

/** @throws RefusedError as `costOf` does */
export function answerCost(
  { price, model, provider, facts }: Pick<PricedCandidate, 'price' | 'model' | 'provider' | 'facts'>,
  usage: UsageReading | null,
  used: { readonly quantities: Quantities; readonly inputTokens: number },
): AnswerCost {
  const told = provider.charge === 'provider-cost' ? usage?.cost : undefined;
  if (told !== undefined) return { cost: toldCost(told), unpriced: [], isTold: true };
  const of = { price, model, profile: provider.profile };
  const answer = priceOfAnswer(of, usage?.modifiers, facts.modifiersAsked);
  const missing = TOOLS.filter(
    (tool) => (used.quantities[tool] ?? 0) > 0 && rateOf(answer.price.rates, tool, used.inputTokens) === null,
  );
  const quantities = missing.length === 0 ? used.quantities : without(used.quantities, missing);
  const unpriced = missing.length === 0 ? answer.unpriced : [...answer.unpriced, ...missing];
  return { cost: costOf(answer.price.rates, quantities, used.inputTokens), unpriced, isTold: false };
}

function toldCost(total: bigint): Cost {
  return {
    total,
    components: [{ component: 'provider_cost', quantity: 1, perMillion: total * MILLION, cost: total }],
  };
}

function without(quantities: Quantities, missing: readonly Component[]): Quantities {
  const left: Partial<Record<Component, number>> = {};
  for (const component of COMPONENTS) {
    const quantity = quantities[component];
    if (quantity !== undefined && !missing.includes(component)) left[component] = quantity;
  }
  return left;
}
