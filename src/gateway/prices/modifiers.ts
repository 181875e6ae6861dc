// Applies tiers, places and speeds to a price: by own prices first, then by the provider's profile. A request is held at the
// values that it asks for. An answer is charged at the values that it states, since the provider bills those. Called by calls/.

import { AMOUNT_MAX } from '../../core/amount.js';
import { RefusedError } from '../../kit/refusals.js';
import { COMPONENTS, type Component } from '../metering/usage.js';
import { matchesModel } from './model-pattern.js';
import type { ModelPrice, Rates, RateTier } from './price.js';

/**
 * A field of the request or the answer that changes the price of tokens. A value that is not listed for a model has no
 * known price: a request that asks for it is refused, and a charge for an answer that states it is marked `estimated`.
 */
export interface Modifier {
  /** The field of the request, and its name in own prices. */
  readonly name: string;
  /** Dotted paths in the answer. What the answer states comes before what was asked. */
  readonly stated: readonly string[];
  /** The first whose patterns match the model and that lists the value counts. */
  readonly prices: readonly ModifierPrice[];
  /** Values without a known price that are no dearer than the usual one: a request may ask for them. */
  readonly noDearer: readonly string[];
}

export interface ModifierPrice {
  /** Model names; a trailing `*` matches any ending. */
  readonly models: readonly string[];
  /** By value, how many times the usual price: a decimal (`"1.1"`) or a fraction (`"5/3"`). */
  readonly times: Readonly<Record<string, string>>;
}

/** A price with the own prices and the profile that may change it. */
interface ModifiedPrice {
  readonly price: ModelPrice;
  /** The provider's name for the model. */
  readonly model: string;
  /** The provider's profile. */
  readonly profile: { readonly modifiers: readonly Modifier[] };
}

/** Values by the modifier's name, as a request or an answer states them. */
type ModifierValues = Readonly<Record<string, string>>;

/** How many times the usual price a value costs; null where that is unknown. */
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
 * The price at which a request is held: the price of the values that it asks for, and at least the usual price, since a request
 * for a cheaper tier may be served by the usual one.
 * @throws RefusedError `price_unknown` for a value without a known price
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

interface AnswerPrice {
  readonly price: ModelPrice;
  /** Stated values without a known price, such as `service_tier priority`. The usual price is taken for them. */
  readonly unpriced: readonly string[];
}

const NONE: readonly string[] = [];

/** The price of an answer. Where it does not state a value, the requested value counts. */
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

/** A fraction, not necessarily in lowest terms. */
interface Times {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

const ONCE: Times = { numerator: 1n, denominator: 1n };

/** The largest factor of a usual price. */
const TIMES_MAX = 1_000n;
const FORM = /^(\d{1,4})(?:\.(\d{1,6}))?(?:\/(\d{1,6}))?$/;

/** Reads `"1.1"`, `"0"` or `"5/3"`; null for any other text, and above 1,000. */
export function parseTimes(text: string): Times | null {
  const match = FORM.exec(text);
  if (match === null) return null;
  const [, whole, fraction = '', under = '1'] = match;
  const numerator = BigInt(whole + fraction);
  const denominator = 10n ** BigInt(fraction.length) * BigInt(under);
  if (denominator === 0n || numerator > TIMES_MAX * denominator) return null;
  return { numerator, denominator };
}

function multiplied(left: Times, right: Times): Times {
  return {
    numerator: left.numerator * right.numerator,
    denominator: left.denominator * right.denominator,
  };
}

/** Fees for calls are the same in every tier, place and speed. */
const FEES: ReadonlySet<Component> = new Set(['request', 'web_search', 'code_interpreter', 'file_search']);

/** The price with the rates of its tokens multiplied. Its fees stay. */
function priceTimes(price: ModelPrice, times: Times): ModelPrice {
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
