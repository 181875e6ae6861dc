// Reads the section `prices` of the configuration: a user's own prices, which take precedence over the price data. Amounts are
// decimal texts and become exact steps of usd for a million units. Called by settings-file.ts.

import { AMOUNT_MAX } from '../../core/amount.js';
import { amount, listOf, nameOf, type Reader, type Section, whole } from '../../kit/file-value.js';
import { parseInstant } from '../../kit/instants.js';
import type { Component } from '../metering/usage.js';
import { modelPattern } from './model-pattern.js';
import { parseTimes } from './modifiers.js';
import type { OwnPrice, PriceModifiers, RateTier } from './price.js';

/** Ten times the models that the price data knows. */
const PRICES_MAX = 10_000;
/** Providers price by up to four sizes of input. */
const TIERS_MAX = 7;
/** Far above any model's window; a whole number that a float holds exactly. */
const TOKENS_MAX = 1_000_000_000;
const USD_SCALE = 8;

/** Fields whose amounts are usd for a million tokens, or characters. */
const TOKEN_FIELDS = {
  input: 'input',
  cacheRead: 'cache_read',
  cacheWrite: 'cache_write',
  cacheWrite1h: 'cache_write_1h',
  inputAudio: 'input_audio',
  cacheReadAudio: 'cache_read_audio',
  inputImage: 'input_image',
  cacheReadImage: 'cache_read_image',
  output: 'output',
  reasoning: 'reasoning',
  outputAudio: 'output_audio',
  outputImage: 'output_image',
  character: 'character',
} as const satisfies Record<string, Component>;

/** Fields whose amounts are usd for a thousand calls, seconds, or images. */
const THOUSAND_FIELDS = {
  request: 'request',
  webSearch: 'web_search',
  codeInterpreter: 'code_interpreter',
  fileSearch: 'file_search',
  audioSecond: 'audio_second',
  image: 'image',
} as const satisfies Record<string, Component>;

// Every component has a field here: a new component fails to compile until it has one.
type Priced =
  | (typeof TOKEN_FIELDS)[keyof typeof TOKEN_FIELDS]
  | (typeof THOUSAND_FIELDS)[keyof typeof THOUSAND_FIELDS];
const RATE_FIELDS: Readonly<Record<string, Component>> = {
  ...TOKEN_FIELDS,
  ...THOUSAND_FIELDS,
} satisfies Record<string, Component extends Priced ? Component : never>;
const PER_THOUSAND: ReadonlySet<string> = new Set(Object.keys(THOUSAND_FIELDS));

const PRICE_FIELDS = [
  ...['provider', 'model', 'from', 'contextWindow', 'outputTokensMax', 'tiers', 'modifiers'],
  ...Object.keys(RATE_FIELDS),
];
const TIER_FIELDS = ['fromInputTokens', ...Object.keys(RATE_FIELDS)];

/** @param pricedAs the names under which the configured providers are priced */
export function ownPrices(pricedAs: readonly string[]): Reader<readonly OwnPrice[]> {
  const read = ownPrice(nameOf(pricedAs, (name) => `no provider is priced as ${name}`));
  const offsets = new Map<string, number>();
  return listOf(PRICES_MAX, (value) => {
    const price = read(value);
    if (price === undefined) return undefined;
    const key = JSON.stringify([price.provider, price.model, price.from]);
    const first = offsets.get(key);
    if (first === undefined) offsets.set(key, value.node.offset);
    else {
      const line = value.findings.lineOf(first);
      value.problem(`stands on line ${line} already: same provider, model and from`);
    }
    return price;
  });
}

function ownPrice(pricedProvider: Reader<string>): Reader<OwnPrice> {
  return (value) => {
    const section = value.section(PRICE_FIELDS);
    const provider = section.required('provider', pricedProvider);
    const model = section.required('model', modelPattern);
    const from = section.read('from', startInstant) ?? 0;
    const rates = readRates(section);
    if (section.at('input') === undefined)
      section.problem('input', 'is required; "0" for a model that costs nothing');
    const contextWindow = section.read('contextWindow', whole(1, TOKENS_MAX)) ?? null;
    const outputTokensMax = section.read('outputTokensMax', whole(1, TOKENS_MAX)) ?? null;
    const modifiers = section.read('modifiers', priceModifiers);
    if (provider === undefined || model === undefined) return undefined;
    const price = { provider, model, from, rates, contextWindow, outputTokensMax };
    return modifiers === undefined ? price : { ...price, modifiers };
  };
}

const priceModifiers: Reader<PriceModifiers> = (value) => {
  const entries = value.entries();
  if (entries === undefined) return undefined;
  const read = [...entries].map(([name, entry]) => [name, timesByValue(entry)] as const);
  return Object.fromEntries(read.flatMap(([name, times]) => (times === undefined ? [] : [[name, times]])));
};

const startInstant: Reader<number> = (value) => {
  const instantMs = parseInstant(value.text);
  if (instantMs !== null && instantMs >= 0) return instantMs;
  return value.problem(`${value.described} is no date or instant from 1970 on, such as "2026-01-01"`);
};

function readRates(section: Section): OwnPrice['rates'] {
  const rates: Partial<Record<Component, RateTier[]>> = {};
  for (const [name, component] of Object.entries(RATE_FIELDS)) {
    const perMillion = section.read(name, rate);
    if (perMillion !== undefined) rates[component] = [{ fromInputTokens: 0, perMillion }];
  }
  let below = 0;
  section.read(
    'tiers',
    listOf(TIERS_MAX, (value) => {
      const tier = value.section(TIER_FIELDS);
      const fromInputTokens = tier.required('fromInputTokens', whole(below + 1, TOKENS_MAX));
      if (fromInputTokens === undefined) return undefined;
      below = fromInputTokens;
      for (const [name, component] of Object.entries(RATE_FIELDS)) {
        const perMillion = tier.read(name, rate);
        if (perMillion === undefined) continue;
        const tiers = rates[component];
        if (tiers === undefined)
          tier.problem(name, `has no price for less input; state ${name} beside tiers too`);
        else tiers.push({ fromInputTokens, perMillion });
      }
      return fromInputTokens;
    }),
  );
  return rates;
}

const rate: Reader<bigint> = (value) => {
  const steps = amount(USD_SCALE)(value);
  if (steps === undefined) return undefined;
  const perMillion = PER_THOUSAND.has(value.name) ? steps * 1_000n : steps;
  if (perMillion <= AMOUNT_MAX) return perMillion;
  return value.problem(`${value.described} usd for a thousand is more than can be charged`);
};

/** How many times the usual price, by what is stated: in a profile's modifiers and in those of own prices. */
export const timesByValue: Reader<Readonly<Record<string, string>>> = (value) => {
  const entries = value.entries();
  if (entries === undefined) return undefined;
  const times: Record<string, string> = {};
  for (const [stated, entry] of entries) {
    const factor = entry.node.kind === 'scalar' ? String(entry.scalar ?? '') : '';
    if (parseTimes(factor) !== null) times[stated.toLowerCase()] = factor;
    else
      entry.problem(
        `${entry.described} is not how many times the usual price it costs, such as "1.1", "0.5" or "5/3", at most 1000`,
      );
  }
  return times;
};
