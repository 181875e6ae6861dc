// Checks and orders a user's own prices, and names them by a digest. Within a provider an exact name precedes patterns, a longer
// pattern precedes a shorter one, and a newer price precedes an older one. Called by price-book.ts.

import { createHash } from 'node:crypto';
import { AMOUNT_MAX } from '../../core/amount.js';
import { RefusedError } from '../../kit/refusals.js';
import { COMPONENTS } from '../metering/usage.js';
import { isModelPattern } from './model-pattern.js';
import type { OwnPrice, PriceModifiers, RateTier } from './price.js';

/** Tiers of one component; the longest list that a provider publishes has four. */
const TIERS_MAX = 8;

/** Hexadecimal digits of SHA-256 in a version: 48 bits, and a configuration changes a few times a day. */
const DIGEST_DIGITS = 12;

/**
 * In the order in which they count.
 * @throws RefusedError `invalid_request` for tiers that do not begin at 0 and ascend, a rate outside 0 … 2^63−1 steps, a
 *   price without any rate, and two prices of one name from one instant.
 */
export function orderedOwnPrices(own: readonly OwnPrice[]): readonly OwnPrice[] {
  const seen = new Set<string>();
  for (const price of own) {
    checkRates(price);
    const key = JSON.stringify([price.provider, price.model, price.from]);
    if (seen.has(key)) throw wrong(price, `is stated twice from ${new Date(price.from).toISOString()}`);
    seen.add(key);
  }
  return [...own].sort(
    (left, right) =>
      byText(left.provider, right.provider) ||
      Number(isModelPattern(left.model)) - Number(isModelPattern(right.model)) ||
      right.model.length - left.model.length ||
      byText(left.model, right.model) ||
      right.from - left.from,
  );
}

/** The same prices give the same digest, in whatever order and layout the configuration states them. */
export function ownPricesDigest(ordered: readonly OwnPrice[]): string {
  const canonical = ordered.map(
    ({ provider, model, from, rates, contextWindow, outputTokensMax, modifiers }) => [
      provider,
      model,
      from,
      contextWindow,
      outputTokensMax,
      COMPONENTS.flatMap((component) => {
        const tiers = rates[component];
        return tiers === undefined
          ? []
          : [[component, tiers.map(({ fromInputTokens, perMillion }) => [fromInputTokens, `${perMillion}`])]];
      }),
      // Left out where absent, so that prices without modifiers keep the digest that they had before modifiers existed.
      ...(modifiers === undefined ? [] : [inOrder(modifiers)]),
    ],
  );
  return createHash('sha256').update(JSON.stringify(canonical)).digest('hex').slice(0, DIGEST_DIGITS);
}

function inOrder(modifiers: PriceModifiers): unknown {
  const sorted = <Value>(of: Readonly<Record<string, Value>>) =>
    Object.entries(of).sort(([left], [right]) => byText(left, right));
  return sorted(modifiers).map(([name, times]) => [name, sorted(times)]);
}

function checkRates(price: OwnPrice): void {
  const components = COMPONENTS.filter((component) => price.rates[component] !== undefined);
  if (components.length === 0) throw wrong(price, 'has no rate');
  for (const component of components) {
    const tiers = price.rates[component] as readonly RateTier[];
    if (tiers.length === 0 || tiers.length > TIERS_MAX) {
      throw wrong(price, `has ${tiers.length} tiers for ${component}; 1 to ${TIERS_MAX} are possible`);
    }
    let above = -1;
    for (const { fromInputTokens: from, perMillion } of tiers) {
      if (!Number.isSafeInteger(from) || from <= above || (above === -1 && from !== 0)) {
        throw wrong(
          price,
          `has a tier for ${component} from ${from} input tokens; the first is from 0, and they ascend`,
        );
      }
      above = from;
      if (perMillion < 0n || perMillion > AMOUNT_MAX) {
        throw wrong(
          price,
          `has a rate for ${component} of ${perMillion} steps; 0 to ${AMOUNT_MAX} are possible`,
        );
      }
    }
  }
}

function wrong(price: OwnPrice, what: string): RefusedError {
  const name = JSON.stringify(`${price.provider}/${price.model}`);
  return new RefusedError('invalid_request', `prices: the price of ${name} ${what}.`, { field: 'prices' });
}

function byText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
