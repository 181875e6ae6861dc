// The section `prices` of the configuration: a user's own prices, which come before the price data. Amounts are decimal
// texts; what they become is exact steps of usd for a million units. Called by settings-file.ts.

import { AMOUNT_MAX } from '../../core/amount.js';
import {
  described,
  type Findings,
  type Located,
  nearest,
  readAmount,
  readMap,
  readWholeNumber,
} from '../../kit/located-values.js';
import { Section } from '../../kit/settings-section.js';
import { parseInstant } from '../../kit/time-texts.js';
import type { Component } from '../metering/usage.js';
import { readModelPattern } from './model-pattern.js';
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

// Every component can be priced here: one that is new to price.ts fails to compile until it has a field.
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
export function readPrices(sections: Section, pricedAs: readonly string[], findings: Findings): OwnPrice[] {
  const offsets = new Map<string, number>();
  const read = (item: Located, field: string) => {
    const price = readPrice(item, field, pricedAs, findings);
    if (price === undefined) return undefined;
    const key = JSON.stringify([price.provider, price.model, price.from]);
    const first = offsets.get(key);
    if (first === undefined) offsets.set(key, item.offset);
    else
      findings.add(
        item.offset,
        field,
        `stands on line ${findings.lineOf(first)} already: same provider, model and from`,
      );
    return price;
  };
  return sections.list('prices', PRICES_MAX, read) ?? [];
}

function readPrice(
  item: Located,
  field: string,
  pricedAs: readonly string[],
  findings: Findings,
): OwnPrice | undefined {
  const section = Section.read(item, field, PRICE_FIELDS, findings);
  const provider = section.required('provider', (node, at) =>
    readPricedProvider(node, at, pricedAs, findings),
  );
  const model = section.required('model', (node, at) => readModelPattern(node, at, findings));
  const from = readFrom(section);
  const rates = readRates(section);
  if (section.node('input') === undefined)
    section.add('input', 'is required; "0" for a model that costs nothing');
  const bounds = { min: 1, max: TOKENS_MAX };
  const contextWindow = section.wholeOrNull('contextWindow', bounds);
  const outputTokensMax = section.wholeOrNull('outputTokensMax', bounds);
  const modifiers = readModifiers(section);
  if (provider === null || model === null) return undefined;
  const price = { provider, model, from, rates, contextWindow, outputTokensMax };
  return modifiers === null ? price : { ...price, modifiers };
}

function readModifiers(section: Section): PriceModifiers | null {
  const node = section.node('modifiers');
  const field = section.path('modifiers');
  const entries = node === undefined ? undefined : readMap(node, field, section.findings);
  if (entries === undefined) return null;
  const modifiers: Record<string, Readonly<Record<string, string>>> = {};
  for (const [name, { value }] of entries) {
    const times = readTimes(value, `${field}.${name}`, section.findings);
    if (times !== undefined) modifiers[name] = times;
  }
  return modifiers;
}

function readPricedProvider(
  node: Located,
  field: string,
  pricedAs: readonly string[],
  findings: Findings,
): string | undefined {
  const name = node.kind === 'scalar' ? String(node.value) : '';
  if (pricedAs.includes(name)) return name;
  const near = nearest(name, pricedAs);
  const hint = near === null ? `known here: ${pricedAs.join(', ') || 'none'}` : `did you mean "${near}"?`;
  return findings.add(node.offset, field, `no provider is priced as ${described(node)}; ${hint}`);
}

function readFrom(section: Section): number {
  const node = section.node('from');
  if (node === undefined) return 0;
  const instantMs =
    node.kind === 'scalar' && typeof node.value === 'string' ? parseInstant(node.value) : null;
  if (instantMs !== null && instantMs >= 0) return instantMs;
  section.add('from', `${described(node)} is no date or instant from 1970 on, such as "2026-01-01"`);
  return 0;
}

function readRates(section: Section): OwnPrice['rates'] {
  const rates: Partial<Record<Component, RateTier[]>> = {};
  for (const [name, component] of Object.entries(RATE_FIELDS)) {
    const perMillion = readRate(section, name);
    if (perMillion !== null) rates[component] = [{ fromInputTokens: 0, perMillion }];
  }
  let below = 0;
  section.list('tiers', TIERS_MAX, (item, field) => {
    const tier = Section.read(item, field, TIER_FIELDS, section.findings);
    const bounds = { min: below + 1, max: TOKENS_MAX };
    const fromInputTokens = tier.required('fromInputTokens', (node, at) =>
      readWholeNumber(node, at, bounds, section.findings),
    );
    if (fromInputTokens === null) return undefined;
    below = fromInputTokens;
    for (const [name, component] of Object.entries(RATE_FIELDS)) {
      const perMillion = readRate(tier, name);
      if (perMillion === null) continue;
      const tiers = rates[component];
      if (tiers === undefined) tier.add(name, `has no price for less input; state ${name} beside tiers too`);
      else tiers.push({ fromInputTokens, perMillion });
    }
    return fromInputTokens;
  });
  return rates;
}

function readRate(section: Section, name: string): bigint | null {
  const node = section.node(name);
  if (node === undefined) return null;
  const steps = readAmount(node, section.path(name), USD_SCALE, section.findings);
  if (steps === undefined) return null;
  const perMillion = PER_THOUSAND.has(name) ? steps * 1_000n : steps;
  if (perMillion <= AMOUNT_MAX) return perMillion;
  return section.add(name, `${described(node)} usd for a thousand is more than can be charged`) ?? null;
}

/** How many times the usual price, by value. Also of own prices. */
export function readTimes(
  node: Located,
  field: string,
  findings: Findings,
): Readonly<Record<string, string>> | undefined {
  const entries = readMap(node, field, findings);
  if (entries === undefined) return undefined;
  const times: Record<string, string> = {};
  for (const [value, { value: text }] of entries) {
    const at = `${field}.${value}`;
    const source = text.kind === 'scalar' ? String(text.value ?? '') : '';
    if (parseTimes(source) !== null) times[value.toLowerCase()] = source;
    else
      findings.add(
        text.offset,
        at,
        `${described(text)} is not how many times the usual price it costs, such as "1.1", "0.5" or "5/3", at most 1000`,
      );
  }
  return times;
}
