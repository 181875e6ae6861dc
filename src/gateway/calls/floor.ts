// The floor: the least that a call is charged when its provider states no usage (rule Q9). Every end without a usage is charged
// by it: a caller who left, a cut, a drain, a time-out, a broken connection, an expiry, an unknown end. Pure arithmetic. Called
// by candidates.ts, for the charge that a hold makes when it expires, and by charge.ts.

import { FREE_ENDPOINTS } from '../metering/endpoints.js';
import type { RequestFacts } from '../metering/request-facts.js';
import type { Component, Quantities, UsageReading } from '../metering/usage.js';
import { costOf } from '../prices/cost.js';
import type { Cost, ModelPrice } from '../prices/price.js';
import type { WorstCase } from '../prices/worst-case.js';
import type { ProviderProfile } from '../profiles/profile.js';
import { traitsOf, unseenThinking } from '../profiles/profiles.js';

/** The least that an answer generates (rule Q5); also the least that a clamped request still asks for. */
export const OUTPUT_TOKENS_FLOOR = 50;

const INPUT_COMPONENTS: readonly Component[] = [
  ...(['input', 'cache_read', 'cache_write', 'cache_write_1h', 'input_audio'] as const),
  ...(['cache_read_audio', 'input_image', 'cache_read_image'] as const),
];
const OUTPUT_COMPONENTS: readonly Component[] = ['output', 'reasoning', 'output_audio', 'output_image'];
const TOKENS: ReadonlySet<Component> = new Set([...INPUT_COMPONENTS, ...OUTPUT_COMPONENTS]);

/** What of a call can be billed without a byte that shows it. */
export interface UnseenOutput {
  /** Stored context, files by id, images by URL: the request's bytes do not bound it. */
  readonly input: boolean;
  /**
   * Reasoning that no event shows; and sound and images, whose tokens nobody can count. `maybe`, of a model that nobody
   * knows: it counts unless the provider ended the call, by which no caller gains.
   */
  readonly thinking: 'no' | 'maybe' | 'yes';
  /** Tools that the provider runs, each of which reads the input again. */
  readonly tools: boolean;
}

/** What an answer of sound or images may be billed by, instead of tokens. */
const UNCOUNTED: ReadonlySet<Component | undefined> = new Set(['character', 'image']);

export function unseenOf(facts: RequestFacts, profile: ProviderProfile, model: string): UnseenOutput {
  const { inputReads, billedTools } = facts;
  return {
    input: facts.inputIsStored,
    thinking: thinkingOf(facts, profile, model),
    tools: inputReads !== 1 || Object.keys(billedTools).length > 0,
  };
}

function thinkingOf(facts: RequestFacts, profile: ProviderProfile, model: string): UnseenOutput['thinking'] {
  if (facts.outputTokensStated === 0) return 'no';
  if (UNCOUNTED.has(facts.billedBy?.component)) return 'yes';
  return unseenThinking(traitsOf(profile, model), facts.thinkingAsked);
}

/** Whether more may be billed than what was seen so far. An answer in one piece is unseen until it comes. */
export function mayBillUnseen(
  { facts, unseen }: Pick<FlooredCandidate, 'facts' | 'unseen'>,
  { stated, streams }: { readonly stated: UsageReading | null; readonly streams: boolean },
): boolean {
  if (FREE_ENDPOINTS.has(facts.endpoint)) return false;
  const inputIsUnseen = unseen.input && wholeOrNull(stated?.inputTokens.total) === null;
  return !streams || unseen.thinking !== 'no' || unseen.tools || inputIsUnseen;
}

/** The parts of a priced candidate that its floor rests on. */
interface FlooredCandidate {
  readonly facts: RequestFacts;
  readonly price: ModelPrice;
  readonly worst: WorstCase;
  readonly held: { readonly usd: bigint; readonly tokens: bigint };
  readonly unseen: UnseenOutput;
}

/** What came of a call before it ended. */
interface PartialAnswer {
  /** What the provider stated so far. */
  readonly usage: UsageReading | null;
  /** Output tokens, estimated from what came. */
  readonly outputTokens: number;
  /** Whether the output that the usage states is all of it. */
  readonly outputIsFinal: boolean;
  /** Whether the provider would have gone on: its caller left, the operator stopped it, or nobody can say. */
  readonly wasLeft: boolean;
}

/** A usage, its parts as they are priced. */
interface BilledAmounts {
  readonly quantities: Quantities;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cost: Cost;
}

const NOTHING_SEEN: PartialAnswer = { usage: null, outputTokens: 0, outputIsFinal: false, wasLeft: true };

/** The floor: min(held, likely input + the least output), where what may be billed unseen counts as it was held. */
export function floorOf(candidate: FlooredCandidate): FlooredCandidate['held'] {
  return withinHold(billedAtLeast(candidate, NOTHING_SEEN), candidate);
}

/** The larger of what was seen and the floor, in steps. What was seen is charged also where it passes what was held. */
export function seenOrFloor(
  candidate: FlooredCandidate,
  seen: PartialAnswer,
): FlooredCandidate['held'] & { readonly billed: BilledAmounts } {
  const billed = billedAtLeast(candidate, seen);
  const least = withinHold(billed, candidate);
  if (least.usd === billed.cost.total && least.tokens === tokensOf(billed)) return { ...least, billed };
  const shown = billedAsSeen(candidate, seen);
  return {
    usd: larger(least.usd, shown.cost.total),
    tokens: larger(least.tokens, tokensOf(shown)),
    billed,
  };
}

function withinHold(billed: BilledAmounts, { held }: FlooredCandidate): FlooredCandidate['held'] {
  return { usd: lesser(billed.cost.total, held.usd), tokens: lesser(tokensOf(billed), held.tokens) };
}

function tokensOf({ inputTokens, outputTokens }: BilledAmounts): bigint {
  return BigInt(inputTokens + outputTokens);
}

type Parts = { -readonly [component in Component]?: number };

// Part by part, the larger of what was seen and what is to be expected.
function billedAtLeast(candidate: FlooredCandidate, seen: PartialAnswer): BilledAmounts {
  const { worst, facts, unseen, price } = candidate;
  const quantities: Parts = { ...seen.usage?.quantities };
  const stated = wholeOrNull(seen.usage?.inputTokens.total);
  let inputTokens = stated ?? facts.inputTokensEstimate;
  let tierTokens = inputTokens;
  const isHeldInFull = unseen.tools || (unseen.input && stated === null);
  if (isHeldInFull && inputTokens < worst.inputTokens) {
    inputTokens = worst.inputTokens;
    tierTokens = takeOver(quantities, worst.quantities, INPUT_COMPONENTS);
  } else if (stated === null) quantities.input = inputTokens;
  let outputTokens = shownOutput(candidate, seen);
  if (!seen.outputIsFinal) {
    outputTokens = Math.max(outputTokens, Math.min(OUTPUT_TOKENS_FLOOR, worst.outputTokens));
    const isHeld = unseen.thinking === 'yes' || (unseen.thinking === 'maybe' && seen.wasLeft);
    if (isHeld && outputTokens < worst.outputTokens) {
      outputTokens = worst.outputTokens;
      takeOver(quantities, worst.quantities, OUTPUT_COMPONENTS);
    } else asText(quantities, outputTokens);
  }
  // What is counted by itself (calls of tools, seconds, images): as it was held.
  for (const component of Object.keys(worst.quantities) as Component[]) {
    if (TOKENS.has(component)) continue;
    quantities[component] = Math.max(worst.quantities[component] ?? 0, quantities[component] ?? 0);
  }
  return { quantities, inputTokens, outputTokens, cost: costOf(price.rates, quantities, tierTokens) };
}

// What the provider stated and what came, with the likely input where it stated none.
function billedAsSeen(candidate: FlooredCandidate, seen: PartialAnswer): BilledAmounts {
  const { facts, price } = candidate;
  const quantities: Parts = { ...seen.usage?.quantities };
  const stated = wholeOrNull(seen.usage?.inputTokens.total);
  const inputTokens = stated ?? facts.inputTokensEstimate;
  if (stated === null) quantities.input = inputTokens;
  const outputTokens = shownOutput(candidate, seen);
  if (!seen.outputIsFinal) asText(quantities, outputTokens);
  return { quantities, inputTokens, outputTokens, cost: costOf(price.rates, quantities, inputTokens) };
}

function shownOutput(
  { worst }: FlooredCandidate,
  { usage, outputTokens, outputIsFinal }: PartialAnswer,
): number {
  // An endpoint without output has none, whatever came.
  if (worst.outputTokens === 0) return 0;
  const stated = wholeOrNull(usage?.outputTokens.total) ?? 0;
  return outputIsFinal ? stated : Math.max(outputTokens, stated);
}

function asText(quantities: Parts, tokens: number): void {
  for (const component of OUTPUT_COMPONENTS) delete quantities[component];
  if (tokens > 0) quantities.output = tokens;
}

/** @returns how many tokens the parts are, which says the tier of an input */
function takeOver(quantities: Parts, from: Quantities, components: readonly Component[]): number {
  let tokens = 0;
  for (const component of components) {
    delete quantities[component];
    const held = from[component];
    if (held === undefined) continue;
    quantities[component] = held;
    tokens += held;
  }
  return tokens;
}

/** Providers are believed about figures, not about their form. */
export function wholeOrNull(figure: number | null | undefined): number | null {
  return typeof figure === 'number' && Number.isSafeInteger(figure) && figure >= 0 ? figure : null;
}

/** Math.min for steps. */
export function lesser(left: bigint, right: bigint): bigint {
  if (left < right) return left;
  return right;
}

function larger(left: bigint, right: bigint): bigint {
  return left < right ? right : left;
}
