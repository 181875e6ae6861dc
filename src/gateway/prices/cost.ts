// Works out what quantities cost by a model's rates: whole steps of usd, each component rounded up by itself. Nothing is free
// unless its price is zero. Worst cases, estimates and charges are all worked out here, so that they compare exactly.

import { AMOUNT_MAX, formatAmount } from '../../core/amount.js';
import { RefusedError } from '../../kit/refusals.js';
import type { RequestFacts } from '../metering/request-facts.js';
import { COMPONENTS, type Component, type Quantities } from '../metering/usage.js';
import type { Cost, CostComponent, ModelPrice, Rates, RateTier } from './price.js';

/** The most units of one component: a million times the largest context window. A larger quantity is an error. */
const QUANTITY_MAX = 1_000_000_000_000;

const MILLION = 1_000_000n;

/**
 * The component whose rate applies where a component has no rate of its own: the one that it is a part of. Tools, characters,
 * seconds and images are a part of no other component, and a model without a rate for `request` has no fee for a call.
 */
const COVERED_BY: Readonly<Partial<Record<Component, Component>>> = {
  cache_read: 'input',
  cache_write: 'input',
  cache_write_1h: 'cache_write',
  input_audio: 'input',
  cache_read_audio: 'cache_read',
  input_image: 'input',
  cache_read_image: 'cache_read',
  reasoning: 'output',
  output_audio: 'output',
  output_image: 'output',
};

/**
 * What a call costs. `inputTokensTotal` is all of its input, cached, written and audio included: it selects the tiers.
 * A negative quantity counts as 0 (a provider that reports more cached tokens than tokens); `request` counts 1 unless
 * stated, where the model has a fee for it.
 * @throws RefusedError `price_unknown` for a used component without a rate; `not_meterable` for a quantity that is not
 *   whole or above 10^12, and for a total above 2^63−1 steps.
 */
export function costOf(rates: Rates, quantities: Quantities, inputTokensTotal: number): Cost {
  const components: CostComponent[] = [];
  let total = 0n;
  for (const component of COMPONENTS) {
    const quantity = quantityOf(rates, quantities, component);
    if (quantity === 0) continue;
    const perMillion = rateOf(rates, component, inputTokensTotal);
    if (perMillion === null) {
      throw new RefusedError(
        'price_unknown',
        `The model has no price for ${component}, of which ${quantity} counted.`,
      );
    }
    const cost = costOfQuantity(quantity, perMillion);
    total += cost;
    components.push({ component, quantity, perMillion, cost });
  }
  if (total > AMOUNT_MAX) {
    throw new RefusedError(
      'not_meterable',
      `The cost, ${total} steps of usd, is above the largest amount, ${AMOUNT_MAX}.`,
    );
  }
  return { total, components };
}

/** Steps of usd for a quantity at a rate, rounded up. */
function costOfQuantity(quantity: number, perMillion: bigint): bigint {
  return (BigInt(quantity) * perMillion + MILLION - 1n) / MILLION;
}

/** The rate that applies to a component at a size of the input, its own or that of what covers it; null when unknown. */
export function rateOf(rates: Rates, component: Component, inputTokensTotal: number): bigint | null {
  for (let at: Component | undefined = component; at !== undefined; at = COVERED_BY[at]) {
    const tiers = rates[at];
    if (tiers !== undefined) return rateAt(tiers, inputTokensTotal);
  }
  return null;
}

function rateAt(tiers: readonly RateTier[], inputTokensTotal: number): bigint {
  let at = tiers.length - 1;
  while (at > 0 && tiers[at].fromInputTokens > inputTokensTotal) at -= 1;
  return tiers[at].perMillion;
}

function quantityOf(rates: Rates, quantities: Quantities, component: Component): number {
  if (component === 'request')
    return rates.request === undefined ? 0 : checked(quantities.request ?? 1, component);
  return checked(quantities[component] ?? 0, component);
}

function checked(quantity: number, component: Component): number {
  if (quantity <= 0) return 0;
  if (!Number.isInteger(quantity) || quantity > QUANTITY_MAX) {
    throw new RefusedError(
      'not_meterable',
      `${quantity} of ${component} is not a whole number up to ${QUANTITY_MAX}.`,
    );
  }
  return quantity;
}

type BilledBy = NonNullable<RequestFacts['billedBy']>;

/** What a call is billed by at this price; null where that is tokens. */
export function billedBy(
  { rates }: Pick<ModelPrice, 'rates'>,
  facts: Pick<RequestFacts, 'billedBy'>,
): BilledBy | null {
  const { billedBy: by } = facts;
  return by !== undefined && rates[by.component] !== undefined ? by : null;
}

/** The cost of a call that is billed by a component: of the stated quantity, else of the most that the request asks for. */
export function costBilledBy(
  { rates }: Pick<ModelPrice, 'rates'>,
  { component, most }: BilledBy,
  stated: Quantities | null,
): { readonly cost: Cost; readonly quantities: Quantities; readonly isStated: boolean } {
  const told = stated?.[component];
  const quantities = { [component]: told ?? most };
  // Characters are counted in the request itself.
  const isStated = told !== undefined || component === 'character';
  return { cost: costOf(rates, quantities, 0), quantities, isStated };
}

/** The quantities that a price by tokens knows. */
export function tokensOf({ character: _1, audio_second: _2, image: _3, ...tokens }: Quantities): Quantities {
  return tokens;
}

/** `[[component, quantity, "decimal usd for 1,000,000 of it", "decimal usd that it cost"], …]` */
export function costNote({ components }: Cost): string {
  let rows = '';
  for (const { component, quantity, perMillion, cost } of components) {
    if (rows !== '') rows += ',';
    rows += `["${component}",${quantity},"${formatAmount(perMillion, 8)}","${formatAmount(cost, 8)}"]`;
  }
  return `[${rows}]`;
}
