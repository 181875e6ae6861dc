// What a tier, a place or a speed makes of a price: by own prices first, then by the provider's profile. A request is held at
// what it asks for; an answer is charged at what it states, since that is the bill. Called by calls/.

import { RefusedError } from '../../kit/refusals.js';
import type { ProviderProfile } from '../profiles/profile.js';
import { matchesModel } from './model-pattern.js';
import type { ModelPrice } from './price.js';
import { multiplied, ONCE, parseTimes, priceTimes, type Times } from './times.js';

/** A price, and what is needed to know what changes it. */
export interface ModifiedPrice {
  readonly price: ModelPrice;
  /** The provider's name for the model. */
  readonly model: string;
  readonly profile: Pick<ProviderProfile, 'modifiers'>;
}

/** Values by the modifier's name, as a request or an answer states them. */
export type ModifierValues = Readonly<Record<string, string>>;

/** How many times the usual price a value costs; null when nobody can tell. */
export function timesOf({ price, model, profile }: ModifiedPrice, name: string, value: string): Times | null {
  const stated = value.toLowerCase();
  const own = price.modifiers?.[name];
  if (own !== undefined && Object.hasOwn(own, stated)) return parseTimes(own[stated]);
  const modifier = profile.modifiers.find((one) => one.name === name);
  const found = modifier?.prices.find(
    ({ models, times }) =>
      Object.hasOwn(times, stated) && models.some((pattern) => matchesModel(pattern, model)),
  );
  return found === undefined ? null : parseTimes(found.times[stated]);
}

/**
 * The price at which a request is held: that of what it asks for, and at least the usual one, since a cheaper tier may be
 * served by the usual one.
 * @throws RefusedError `price_unknown` for a value that nobody can price
 */
export function priceHeld(of: ModifiedPrice, asked: ModifierValues | undefined): ModelPrice {
  let times = ONCE;
  for (const name in asked) {
    const value = asked[name];
    const one = timesOf(of, name, value);
    if (one === null && !isNoDearer(of, name, value)) throw unknown(of, name, value);
    if (one !== null && one.numerator > one.denominator) times = multiplied(times, one);
  }
  return priceTimes(of.price, times);
}

function isNoDearer({ profile }: ModifiedPrice, name: string, value: string): boolean {
  return profile.modifiers.some((one) => one.name === name && one.noDearer.includes(value.toLowerCase()));
}

function unknown({ model, price, profile }: ModifiedPrice, name: string, value: string): RefusedError {
  const listed = profile.modifiers.find((one) => one.name === name)?.prices ?? [];
  const known = listed
    .filter(({ models }) => models.some((pattern) => matchesModel(pattern, model)))
    .flatMap(({ times }) => Object.keys(times));
  const values = [...new Set([...Object.keys(price.modifiers?.[name] ?? {}), ...known])];
  const which = values.length === 0 ? 'no value' : values.join(', ');
  return new RefusedError(
    'price_unknown',
    `${name} is ${JSON.stringify(value.slice(0, 64))}; for ${model} the price is known for ${which}. ` +
      `Another can be stated under prices, as modifiers: { ${name}: … }.`,
    { field: name },
  );
}

export interface AnswerPrice {
  readonly price: ModelPrice;
  /** What the answer states and nobody can price, as `service_tier priority`; the usual price then stands in. */
  readonly unpriced: readonly string[];
}

const NONE: readonly string[] = [];

/** The price of an answer. What it does not state is as it was asked for. */
export function priceOfAnswer(
  of: ModifiedPrice,
  stated: ModifierValues | undefined,
  asked: ModifierValues | undefined,
): AnswerPrice {
  if (stated === undefined && asked === undefined) return { price: of.price, unpriced: NONE };
  let times = ONCE;
  let unpriced = NONE;
  const values = { ...asked, ...stated };
  for (const name in values) {
    const one = timesOf(of, name, values[name]);
    if (one === null) unpriced = [...unpriced, `${name} ${values[name]}`];
    else times = multiplied(times, one);
  }
  return { price: priceTimes(of.price, times), unpriced };
}
