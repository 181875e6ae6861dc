// What an ended call is charged (rule Q9): what the provider reported, else an estimate that never passes what was held.
// Integer arithmetic alone; changes nothing. Called by call.ts, before the settlement, so that the cost can be told.

import type { Usage } from '../../core/requests.js';
import type { UsageReading } from '../dialects/dialect.js';
import { costOf } from '../prices/cost.js';
import type { Component, Cost, Quantities } from '../prices/price.js';
import { RefusedError } from '../refusals.js';
import { lesser, OUTPUT_TOKENS_FLOOR, type PricedCandidate } from './candidates.js';

/**
 * How a call ended. The first two are charged nothing: the provider was never reached, or it refused and ran nothing.
 * completed: an answer came whole. cancelled: the caller or the operator ended it. failed_at_provider: it broke, timed
 * out or answered an error of its own. malformed: an answer came that cannot be read. unknown: nobody can say.
 */
export type CallEnd =
  | 'failed_before'
  | 'refused_by_provider'
  | 'completed'
  | 'cancelled'
  | 'failed_at_provider'
  | 'malformed'
  | 'unknown';

export interface EndOfCall {
  readonly end: CallEnd;
  /** What the provider said so far; null when nothing. */
  readonly usage: UsageReading | null;
  /** Whether `usage` is about the whole call, its output included. */
  readonly usageFinal: boolean;
  /** Output tokens estimated from what came; stands in where the usage is silent. */
  readonly outputTokensSoFar: number;
}

export interface Charge {
  readonly end: CallEnd;
  /** Steps of usd. */
  readonly usd: bigint;
  readonly tokens: bigint;
  /** Its parts, as costed; they sum to `usd` unless it is an estimate that was cut to what was held. */
  readonly cost: Cost;
  /** Whether any part of it is an estimate. */
  readonly estimated: boolean;
  readonly usage: Usage;
}

export const NOTHING_CHARGED: Omit<Charge, 'end'> = {
  usd: 0n,
  tokens: 0n,
  cost: { total: 0n, components: [] },
  estimated: false,
  usage: {},
};

const OUTPUT_COMPONENTS: readonly Component[] = ['output', 'reasoning', 'output_audio', 'output_image'];

const BILLED_TOOLS = ['web_search', 'code_interpreter', 'file_search'] as const;

/** What a call is charged; an explicit zero of the provider is a fact (field problems 15). */
export function chargeOf(candidate: PricedCandidate, ended: EndOfCall): Charge {
  const { end } = ended;
  if (end === 'failed_before' || end === 'refused_by_provider') return { end, ...NOTHING_CHARGED };
  // Counting tokens is free, and what its answer counts was not used.
  if (candidate.facts.endpoint === 'count_tokens') return { end, ...NOTHING_CHARGED };
  const reading = readingOf(candidate, ended);
  const usage = usageOf(ended.usage, reading);
  try {
    const cost = costOf(candidate.price.rates, reading.quantities, reading.inputTokens);
    const actual = { usd: cost.total, tokens: BigInt(reading.inputTokens + reading.outputTokens) };
    const { usd, tokens } = reading.estimated ? capped(actual, candidate) : actual;
    return { end, usd, tokens, cost, estimated: reading.estimated, usage };
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    // A usage that no price or no reason fits: what was held is charged, which was meant as the most it can be.
    const { usd, tokens } = candidate.held;
    return { end, usd, tokens, cost: candidate.worst.cost, estimated: true, usage: {} };
  }
}

interface Reading {
  readonly quantities: Quantities;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly estimated: boolean;
}

// The provider's figures, with estimates where it is silent.
function readingOf({ worst, facts }: PricedCandidate, ended: EndOfCall): Reading {
  const quantities: { -readonly [component in Component]?: number } = { ...ended.usage?.quantities };
  let estimated = false;
  let inputTokens = wholeOrNull(ended.usage?.inputTokens.total);
  if (inputTokens === null) {
    inputTokens = facts.inputTokensEstimate;
    quantities.input = inputTokens;
    estimated = true;
  }
  const told = wholeOrNull(ended.usage?.outputTokens.total);
  let outputTokens = told ?? 0;
  if ((told === null || !ended.usageFinal) && worst.outputTokens > 0) {
    const floor = Math.min(OUTPUT_TOKENS_FLOOR, worst.outputTokens);
    outputTokens = Math.max(outputTokens, ended.outputTokensSoFar, floor);
    for (const component of OUTPUT_COMPONENTS) delete quantities[component];
    quantities.output = outputTokens;
    estimated = true;
  }
  // A provider that bills a tool and does not say how often it ran: as often as was held for.
  const toolsUntold = ended.usage === null ? ended.end === 'completed' : ended.usage.toolCalls === null;
  if (toolsUntold) {
    for (const tool of BILLED_TOOLS) {
      const held = Object.hasOwn(facts.billedTools, tool) ? (worst.quantities[tool] ?? 0) : 0;
      if (held === 0 || quantities[tool] !== undefined) continue;
      quantities[tool] = held;
      estimated = true;
    }
  }
  return { quantities, inputTokens, outputTokens, estimated };
}

// Providers are believed about figures, not about their form.
function wholeOrNull(figure: number | null | undefined): number | null {
  return typeof figure === 'number' && Number.isSafeInteger(figure) && figure >= 0 ? figure : null;
}

// Rule Q9: an estimate is at most what was held. What the provider reports is recorded whatever it is.
function capped(
  actual: { readonly usd: bigint; readonly tokens: bigint },
  { held }: PricedCandidate,
): { readonly usd: bigint; readonly tokens: bigint } {
  return { usd: lesser(actual.usd, held.usd), tokens: lesser(actual.tokens, held.tokens) };
}

function usageOf(reading: UsageReading | null, { inputTokens, outputTokens }: Reading): Usage {
  const cacheReadTokens = wholeOrNull(reading?.inputTokens.cacheRead);
  const cacheWriteTokens = wholeOrNull(reading?.inputTokens.cacheWrite);
  const reasoningTokens = wholeOrNull(reading?.outputTokens.reasoning);
  const toolCalls = wholeOrNull(reading?.toolCalls);
  const usage: { -readonly [Field in keyof Usage]: Usage[Field] } = { inputTokens, outputTokens };
  if (cacheReadTokens !== null) usage.cacheReadTokens = cacheReadTokens;
  if (cacheWriteTokens !== null) usage.cacheWriteTokens = cacheWriteTokens;
  if (reasoningTokens !== null) usage.reasoningTokens = reasoningTokens;
  if (toolCalls !== null) usage.toolCalls = toolCalls;
  return usage;
}
