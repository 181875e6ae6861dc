// Works out the most that a call can cost before it goes out. However its input splits into plain, cached, written, audio and
// image tokens, and its output into text, reasoning, audio and images, it costs at most this. The gateway holds this amount.

import { RefusedError } from '../../kit/refusals.js';
import type { RequestFacts } from '../metering/request-facts.js';
import { COMPONENTS, type Component, type Quantities } from '../metering/usage.js';
import { billedBy, costBilledBy, costOf, rateOf } from './cost.js';
import type { Cost, ModelPrice, Rates } from './price.js';

interface WorstCaseLimits {
  /** Output tokens of one choice: what the request that goes out asks for. */
  readonly outputTokens: number;
  /** Rounds of tools that the provider runs itself: as many as are expected of a request that allows more. */
  readonly toolRounds: number;
  /** Tokens that each round is expected to add to the input. */
  readonly toolRoundTokens: number;
  /** Tokens that are expected of input which only the provider has. */
  readonly storedInputTokens: number;
  /** Whether the request asks for a longer context than the usual one: it is the bound where the price has rates beyond. */
  readonly longContext: boolean;
}

export interface WorstCase {
  /** The dearest usage. Its input may be less than `inputTokens`: a smaller input can fall into a dearer tier. */
  readonly quantities: Quantities;
  /**
   * What that usage costs. `total` is above the sum of `components` by a step for every further component that the same
   * tokens may be split into, since each is rounded up by itself.
   */
  readonly cost: Cost;
  /** The most tokens in all: what a budget of tokens holds. */
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Of `inputTokens`, what the first reading of the input has; the rest is for the rounds of tools. */
  readonly inputTokensOnce: number;
  /** Whether part of it is what is expected, and not the most: rounds of tools, documents, what the provider stores. */
  readonly isExpected: boolean;
}

/** Tokens that may be billed as any of these components, and how many of the input or output they can be. */
interface Share {
  readonly components: readonly Component[];
  readonly tokensMax: number;
}

/**
 * The worst case of a request at a model's price. Where the request does not bound its cost, the expected cost is taken: the
 * product of the bounds of rounds and input would be a hundred times what such a call costs.
 * @throws RefusedError `not_meterable` when the cost is above 2^63−1 steps; `price_unknown` when something that the request
 *   may use has no rate.
 */
export function worstCaseOf(price: ModelPrice, facts: RequestFacts, limits: WorstCaseLimits): WorstCase {
  const by = billedBy(price, facts);
  if (by !== null) {
    const { cost, quantities } = costBilledBy(price, by, null);
    return {
      quantities,
      cost,
      inputTokens: 0,
      outputTokens: 0,
      inputTokensOnce: 0,
      isExpected: by.component === 'audio_second',
    };
  }
  const read = readingOf(price, facts, limits);
  const inputTokens = read.once + sumOf(read.again);
  const outputTokens = limits.outputTokens * facts.choices;
  const rounds = read.again.length;
  const input = inputShares(facts, rounds + 1);
  const output = outputShares(facts);
  const tools = toolCalls(facts, rounds);
  let worst: Pick<WorstCase, 'quantities' | 'cost'> | null = null;
  for (const tokens of tierEnds(price.rates, inputTokens)) {
    const quantities = { ...tools };
    const roundingMax =
      addDearest(quantities, price.rates, input, { tokens, inputTokens: tokens }) +
      addDearest(quantities, price.rates, output, { tokens: outputTokens, inputTokens: tokens });
    const { total, components } = costOf(price.rates, quantities, tokens);
    const cost = { total: total + BigInt(roundingMax), components };
    if (worst === null || cost.total > worst.cost.total) worst = { quantities, cost };
  }
  const { quantities, cost } = worst as Pick<WorstCase, 'quantities' | 'cost'>;
  return {
    quantities,
    cost,
    inputTokens,
    outputTokens,
    inputTokensOnce: read.once,
    isExpected: read.isExpected,
  };
}

/** The readings of the input: once, and once more after each round of the provider's tools. */
interface Readings {
  readonly once: number;
  readonly again: readonly number[];
  readonly isExpected: boolean;
}

// A provider that runs its own tools reads the input again with each result, and bills every reading.
function readingOf(
  price: ModelPrice,
  facts: RequestFacts,
  { toolRounds, toolRoundTokens, storedInputTokens, longContext }: WorstCaseLimits,
): Readings {
  const { inputTokensMax, inputTokensHeld, inputIsUnbounded, inputReads } = facts;
  const goesOn = longContext && inputTokensMax !== null && hasRatesBeyond(price);
  const window = goesOn ? Number.POSITIVE_INFINITY : (price.contextWindow ?? Number.POSITIVE_INFINITY);
  const stored = facts.conversationIsStored ? window : inputIsUnbounded ? storedInputTokens : 0;
  const once = Math.min(inputTokensHeld + stored, window);
  if (once === Number.POSITIVE_INFINITY) throw unbounded(price.model);
  if (inputReads === 1) return { once, again: NONE, isExpected: inputTokensMax === null && once < window };
  const rounds = inputReads === null ? toolRounds : Math.min(inputReads - 1, toolRounds);
  const again = Array.from({ length: rounds }, (_, round) =>
    Math.min(once + (round + 1) * toolRoundTokens, window),
  );
  return { once, again, isExpected: true };
}

function unbounded(model: string): RefusedError {
  const why = `part of it is stored by the provider, and the context window of ${model} is unknown`;
  return new RefusedError(
    'not_meterable',
    `Nothing bounds the input: ${why}; state contextWindow for its price.`,
  );
}

function hasRatesBeyond({ rates, contextWindow }: ModelPrice): boolean {
  return contextWindow !== null && tierStarts(rates).some((from) => from > contextWindow);
}

const NONE: readonly number[] = [];

function sumOf(figures: readonly number[]): number {
  let sum = 0;
  for (const figure of figures) sum += figure;
  return sum;
}

/**
 * The largest inputs of each tier that the input can reach. Within a tier a larger input costs more; across tiers it
 * may cost less, so that each of them has to be looked at.
 */
function tierEnds(rates: Rates, inputTokens: number): number[] {
  const ends = [inputTokens];
  for (const from of tierStarts(rates)) if (from <= inputTokens) ends.push(from - 1);
  return ends;
}

/** Where tiers begin above 0. Most prices have none; rates are the price book's, and the same for every call. */
function tierStarts(rates: Rates): readonly number[] {
  const known = TIER_STARTS.get(rates);
  if (known !== undefined) return known;
  const starts = new Set<number>();
  for (const component of COMPONENTS) {
    for (const { fromInputTokens } of rates[component] ?? [])
      if (fromInputTokens > 0) starts.add(fromInputTokens);
  }
  const found = [...starts];
  TIER_STARTS.set(rates, found);
  return found;
}

const TIER_STARTS = new WeakMap<Rates, readonly number[]>();

const TEXT_INPUT: Readonly<Record<RequestFacts['cacheWrite'], readonly Component[]>> = {
  none: ['input', 'cache_read'],
  short: ['input', 'cache_read', 'cache_write'],
  hour: ['input', 'cache_read', 'cache_write', 'cache_write_1h'],
};
const AUDIO_INPUT: readonly Component[] = ['input_audio', 'cache_read_audio'];
const IMAGE_INPUT: readonly Component[] = ['input_image'];

function inputShares(facts: RequestFacts, reads: number): Share[] {
  // Of input that the provider stores, any part may be audio or images.
  const most = (tokens: number) => (facts.inputIsUnbounded ? Number.POSITIVE_INFINITY : tokens * reads);
  return [
    { components: TEXT_INPUT[facts.cacheWrite], tokensMax: Number.POSITIVE_INFINITY },
    { components: AUDIO_INPUT, tokensMax: most(facts.inputAudioTokensMax) },
    { components: IMAGE_INPUT, tokensMax: most(facts.inputImageTokensMax) },
  ];
}

const TEXT_OUTPUT: readonly Share[] = [
  { components: ['output', 'reasoning'], tokensMax: Number.POSITIVE_INFINITY },
];

function outputShares(facts: RequestFacts): readonly Share[] {
  if (!facts.outputAudio && !facts.outputImage) return TEXT_OUTPUT;
  const components: Component[] = ['output', 'reasoning'];
  if (facts.outputAudio) components.push('output_audio');
  if (facts.outputImage) components.push('output_image');
  return [{ components, tokensMax: Number.POSITIVE_INFINITY }];
}

function toolCalls(facts: RequestFacts, rounds: number): Quantities {
  const calls: Partial<Record<Component, number>> = {};
  for (const tool of ['web_search', 'code_interpreter', 'file_search'] as const) {
    const most = facts.billedTools[tool];
    if (most !== undefined) calls[tool] = most === null ? rounds : Math.min(most, rounds);
  }
  return calls;
}

/**
 * Adds the dearest way to bill some tokens: the dearest share as far as it goes, then the next. Answers how many steps
 * another way can cost more only because it is rounded up in more places.
 */
function addDearest(
  quantities: Partial<Record<Component, number>>,
  rates: Rates,
  shares: readonly Share[],
  of: { readonly tokens: number; readonly inputTokens: number },
): number {
  if (of.tokens === 0) return 0;
  let places = 0;
  const dearestFirst: { component: Component; rate: bigint; tokensMax: number }[] = [];
  for (const { components, tokensMax } of shares) {
    if (tokensMax === 0) continue;
    let dearest = { component: components[0], rate: -1n, tokensMax };
    for (const component of components) {
      const rate = knownRate(rates, component, of.inputTokens);
      if (rate > 0n) places += 1;
      if (rate > dearest.rate) dearest = { component, rate, tokensMax };
    }
    dearestFirst.push(dearest);
  }
  if (dearestFirst.length > 1)
    dearestFirst.sort((left, right) => (left.rate > right.rate ? -1 : left.rate < right.rate ? 1 : 0));
  let left = of.tokens;
  for (const { component, tokensMax } of dearestFirst) {
    const tokens = Math.min(left, tokensMax);
    if (tokens > 0) quantities[component] = tokens;
    left -= tokens;
  }
  return Math.max(0, Math.min(places, of.tokens) - 1);
}

function knownRate(rates: Rates, component: Component, inputTokens: number): bigint {
  const rate = rateOf(rates, component, inputTokens);
  if (rate === null) throw new RefusedError('price_unknown', `The model has no price for ${component}.`);
  return rate;
}
