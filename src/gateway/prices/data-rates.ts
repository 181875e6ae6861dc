// Converts one model of the price data into exact rates with their dates. A price is rejected where a part of it is not
// understood, or where a part that the model bills is missing. The package's own arithmetic, in floats, is not used.

import type { ModelInfo } from '@pydantic/genai-prices';
import { AMOUNT_MAX } from '../../core/amount.js';
import type { Component } from '../metering/usage.js';
import type { ModelPrice, Rates, RateTier } from './price.js';

/** The price in force at an instant, epoch ms; null = unknown. */
export type DatedPrice = (at: number) => ModelPrice | null;

type DatedPrices = Extract<ModelInfo['prices'], readonly unknown[]>[number];
type Constraint = DatedPrices['constraint'];

/** The keys of the data that are understood. Its prices are for 10^6 tokens, for 10^3 calls, and for an hour. */
const KEYS: ReadonlyMap<string, Component> = new Map([
  ['input_mtok', 'input'],
  ['cache_read_mtok', 'cache_read'],
  ['cache_write_mtok', 'cache_write'],
  ['cache_write_1h_mtok', 'cache_write_1h'],
  ['input_audio_mtok', 'input_audio'],
  ['cache_audio_read_mtok', 'cache_read_audio'],
  ['input_image_mtok', 'input_image'],
  ['cache_image_read_mtok', 'cache_read_image'],
  ['output_mtok', 'output'],
  ['output_reasoning_mtok', 'reasoning'],
  ['output_audio_mtok', 'output_audio'],
  ['output_image_mtok', 'output_image'],
  ['requests_kcount', 'request'],
  ['web_searches_kcount', 'web_search'],
  ['code_executions_kcount', 'code_interpreter'],
  ['storage_searches_kcount', 'file_search'],
  ['input_audio_hours', 'audio_second'],
]);

/** The data also states a price of all audio. It is accepted where it equals the price of input audio. */
const SAME_AS: Readonly<Record<string, string>> = { audio_hours: 'input_audio_hours' };

const SECONDS_OF_HOUR = 3_600n;

/**
 * Components that a model bills according to its name. The data has some such models with rates of text alone:
 * gpt-4o-audio-preview, whose audio costs many times its text; search models without their fee for each call.
 */
const BILLED_BY_NAME: readonly { readonly name: RegExp; readonly needs: readonly Component[] }[] = [
  { name: /audio|realtime/, needs: ['input_audio', 'output_audio'] },
  // The output of OpenAI's image models is images alone, so that the rate of output is the rate of images.
  { name: /^(?!gpt-image).*image/, needs: ['output_image'] },
  { name: /(?<!re)search/, needs: ['request'] },
];

/** Decimal places of usd (a step is 10^-8 USD), and the three more that turn a price for 10^3 into one for 10^6. */
const USD_SCALE = 8;
const THOUSAND_SCALE = 3;

/** @param asked the requested name: an alias may contain a word that the model's id does not */
export function datedPrice(provider: string, model: ModelInfo, asked: string): DatedPrice {
  const priceOf = (prices: unknown): ModelPrice | null => {
    const rates = ratesOf(prices as Readonly<Record<string, unknown>>);
    if (rates === null || !coversName(rates, `${model.id} ${asked}`.toLowerCase())) return null;
    const contextWindow = model.context_window ?? null;
    return { provider, model: model.id, source: 'genai-prices', rates, contextWindow, outputTokensMax: null };
  };
  if (!Array.isArray(model.prices)) {
    const price = priceOf(model.prices);
    return () => price;
  }
  const dated = model.prices.map(({ constraint, prices }) => ({ constraint, price: priceOf(prices) }));
  if (!dated.every(({ constraint }) => isUnderstood(constraint))) return () => null;
  // The last price whose constraint holds counts; the first where none holds. That is the data's own rule.
  return (at) => (dated.findLast(({ constraint }) => holds(constraint, at)) ?? dated[0]).price;
}

/** The input rate of a model that is billed by the second. */
const FREE: readonly RateTier[] = [{ fromInputTokens: 0, perMillion: 0n }];

/** Exact rates of a price of the data; null where a part is not understood, or where there is none. */
export function ratesOf(prices: Readonly<Record<string, unknown>>): Rates | null {
  const rates: Partial<Record<Component, readonly RateTier[]>> = {};
  for (const [key, value] of Object.entries(prices)) {
    const same = SAME_AS[key];
    if (same !== undefined && prices[same] === value) continue;
    const component = KEYS.get(key);
    const tiers = component === undefined ? null : tiersOf(key, value);
    if (component === undefined || tiers === null) return null;
    rates[component] = tiers;
  }
  if (rates.audio_second !== undefined && rates.input === undefined) return { ...rates, input: FREE };
  return rates.input === undefined ? null : rates;
}

function tiersOf(key: string, value: unknown): RateTier[] | null {
  const scale = key.endsWith('_kcount') ? USD_SCALE + THOUSAND_SCALE : USD_SCALE;
  const found: { from: unknown; price: unknown }[] = [];
  if (
    typeof value === 'object' &&
    value !== null &&
    'base' in value &&
    'tiers' in value &&
    Array.isArray(value.tiers)
  ) {
    found.push({ from: 0, price: value.base });
    // A tier of the data applies to inputs *above* its start.
    for (const { start, price } of value.tiers) found.push({ from: start + 1, price });
  } else {
    found.push({ from: 0, price: value });
  }
  const tiers: RateTier[] = [];
  for (const { from, price } of found) {
    const perMillion = key.endsWith('_hours') ? perMillionSeconds(price) : stepsOf(price, scale);
    if (perMillion === null || !Number.isSafeInteger(from)) return null;
    tiers.push({ fromInputTokens: from as number, perMillion });
  }
  return tiers.sort((left, right) => left.fromInputTokens - right.fromInputTokens);
}

/** An hour's price as that of a million seconds, rounded up. */
function perMillionSeconds(price: unknown): bigint | null {
  const millionHours = stepsOf(price, USD_SCALE + 2 * THOUSAND_SCALE);
  return millionHours === null ? null : (millionHours + SECONDS_OF_HOUR - 1n) / SECONDS_OF_HOUR;
}

/** The longest text that is read as an amount of money. */
const DECIMAL_CHARS_MAX = 40;

/**
 * A decimal from outside, a text or a float, as a whole number of 10^-scale, rounded up. A float counts as its shortest
 * decimal. Null where it is no amount.
 */
export function stepsOf(price: unknown, scale: number): bigint | null {
  const text = typeof price === 'number' ? String(price) : typeof price === 'string' ? price : '';
  const match =
    text.length > DECIMAL_CHARS_MAX ? null : /^(\d+)(?:\.(\d+))?(?:e([+-]?\d{1,2}))?$/i.exec(text);
  if (match === null) return null;
  const [, whole, fraction = '', exponent = '0'] = match;
  const digits = BigInt(whole + fraction);
  const shift = Number(exponent) - fraction.length + scale;
  const divisor = 10n ** BigInt(Math.max(0, -shift));
  const steps = (digits * 10n ** BigInt(Math.max(0, shift)) + divisor - 1n) / divisor;
  return steps <= AMOUNT_MAX ? steps : null;
}

function coversName(rates: Rates, names: string): boolean {
  return BILLED_BY_NAME.every(
    ({ name, needs }) => !name.test(names) || needs.every((component) => rates[component] !== undefined),
  );
}

const TIME_OF_DAY = /^(\d{2}):(\d{2}):(\d{2})Z$/;
const DAY_MS = 86_400_000;

function isUnderstood(constraint: Constraint): boolean {
  if (constraint === undefined) return true;
  if (constraint.type === 'start_date') return Number.isFinite(Date.parse(constraint.start_date));
  return (
    constraint.type === 'time_of_date' &&
    TIME_OF_DAY.test(constraint.start_time) &&
    TIME_OF_DAY.test(constraint.end_time)
  );
}

// Dates are midnight UTC; times of day are UTC, the end excluded, and may pass midnight.
function holds(constraint: Constraint, at: number): boolean {
  if (constraint === undefined) return true;
  if (constraint.type === 'start_date') return at >= Date.parse(constraint.start_date);
  const now = ((at % DAY_MS) + DAY_MS) % DAY_MS;
  const start = timeOfDayMs(constraint.start_time);
  const end = timeOfDayMs(constraint.end_time);
  return end < start ? now >= start || now < end : now >= start && now < end;
}

function timeOfDayMs(text: string): number {
  const [hours, minutes, seconds] = text.slice(0, -1).split(':').map(Number);
  return ((hours * 60 + minutes) * 60 + seconds) * 1000;
}
