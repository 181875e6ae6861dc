// Works out what an ended call is charged (rule Q9): what the provider reported, else the larger of what was seen and the
// floor. Pure integer arithmetic. Called by call.ts before the settlement, so that the caller can be told the cost.

import type { Usage } from '../../core/requests.js';
import { RefusedError } from '../../kit/refusals.js';
import { FREE_ENDPOINTS } from '../metering/endpoints.js';
import type { Component, UsageReading } from '../metering/usage.js';
import { billedBy, costBilledBy, costOf, tokensOf } from '../prices/cost.js';
import type { Cost } from '../prices/price.js';
import { type AnsweredCandidate, asAnswered, providerCost } from './answer-price.js';
import type { PricedCandidate } from './candidates.js';
import { seenOrFloor, wholeOrNull } from './floor.js';

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

export interface CallCharge {
  readonly end: CallEnd;
  /** Steps of usd. */
  readonly usd: bigint;
  readonly tokens: bigint;
  /** Its parts, as costed; they sum to `usd` unless it is an estimate that was cut to what was held. */
  readonly cost: Cost;
  /** Whether any part of it is an estimate. */
  readonly estimated: boolean;
  /** What of the answer nobody can price, as `service_tier priority`; empty as a rule. */
  readonly unpriced: readonly string[];
  readonly usage: Usage;
}

export const NOTHING_CHARGED: Omit<CallCharge, 'end'> = {
  usd: 0n,
  tokens: 0n,
  cost: { total: 0n, components: [] },
  estimated: false,
  unpriced: [],
  usage: {},
};

const BILLED_TOOLS = ['web_search', 'code_interpreter', 'file_search'] as const;

/** What a call is charged; an explicit zero of the provider is a fact (field problems 15). */
export function chargeOf(candidate: PricedCandidate, ended: EndOfCall): CallCharge {
  const { end } = ended;
  if (end === 'failed_before' || end === 'refused_by_provider') return { end, ...NOTHING_CHARGED };
  // Counting is free, and what its answer counts was not used.
  if (FREE_ENDPOINTS.has(candidate.facts.endpoint)) return { end, ...NOTHING_CHARGED };
  try {
    const by = billedBy(candidate.price, candidate.facts);
    if (by !== null) return asTold(candidate, ended, chargeBy(by, candidate, ended));
    const inTokens = withoutUnits(candidate, ended);
    const answered = asAnswered(candidate, inTokens);
    const about = answered.usage === inTokens.usage ? inTokens : { ...inTokens, usage: answered.usage };
    const charge = statedCharge(answered, about) ?? estimatedCharge(answered, about);
    return asTold(candidate, ended, charge);
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    // A usage that no price or no reason fits: what was held is charged, which was meant as the most it can be.
    const { usd, tokens } = candidate.held;
    return { end, usd, tokens, cost: candidate.worst.cost, estimated: true, unpriced: [], usage: {} };
  }
}

// The provider's own cost is the charge where the configuration says so, and the answer states it.
function asTold(
  candidate: PricedCandidate,
  { usage, usageFinal }: EndOfCall,
  charge: CallCharge,
): CallCharge {
  if (candidate.provider.charge !== 'provider-cost') return charge;
  const cost = usageFinal ? providerCost(candidate, usage) : null;
  if (cost === null) return { ...charge, estimated: true };
  return { ...charge, usd: cost.total, cost, estimated: false, unpriced: [] };
}

// Where the price is for what was made or heard, the tokens that an answer may state as well cost nothing.
function chargeBy(
  by: Parameters<typeof costBilledBy>[1],
  { price }: PricedCandidate,
  { end, usage: reading }: EndOfCall,
): CallCharge {
  const { cost, isStated } = costBilledBy(price, by, reading?.quantities ?? null);
  const inputTokens = wholeOrNull(reading?.inputTokens.total) ?? 0;
  const outputTokens = wholeOrNull(reading?.outputTokens.total) ?? 0;
  const usage = usageOf(reading, { inputTokens, outputTokens });
  const tokens = BigInt(inputTokens + outputTokens);
  return { end, usd: cost.total, tokens, cost, estimated: !isStated, unpriced: [], usage };
}

// A price for tokens knows no characters, seconds and images, which an answer may state as well.
function withoutUnits({ facts }: PricedCandidate, ended: EndOfCall): EndOfCall {
  if (facts.billedBy === undefined || ended.usage === null) return ended;
  return { ...ended, usage: { ...ended.usage, quantities: tokensOf(ended.usage.quantities) } };
}

// What the provider reports, whatever it is; null where it does not state the whole call.
function statedCharge(
  { candidate, unpriced, isSplit }: AnsweredCandidate,
  ended: EndOfCall,
): CallCharge | null {
  const { worst, facts, price } = candidate;
  const { end, usage: reading } = ended;
  const inputTokens = wholeOrNull(reading?.inputTokens.total);
  const told = wholeOrNull(reading?.outputTokens.total);
  const isWhole = worst.outputTokens === 0 || (ended.usageFinal && told !== null);
  if (reading === null || inputTokens === null || !isWhole) return null;
  const outputTokens = told ?? 0;
  const quantities: { -readonly [component in Component]?: number } = { ...reading.quantities };
  let estimated = isSplit || unpriced.length > 0;
  // A provider that bills a tool and does not say how often it ran: as often as was held for.
  for (const tool of reading.toolCalls === null ? BILLED_TOOLS : []) {
    const held = Object.hasOwn(facts.billedTools, tool) ? (worst.quantities[tool] ?? 0) : 0;
    if (held === 0 || quantities[tool] !== undefined) continue;
    quantities[tool] = held;
    estimated = true;
  }
  const cost = costOf(price.rates, quantities, inputTokens);
  const tokens = BigInt(inputTokens + outputTokens);
  const usage = usageOf(reading, { inputTokens, outputTokens });
  return { end, usd: cost.total, tokens, cost, estimated, unpriced, usage };
}

function estimatedCharge({ candidate, unpriced }: AnsweredCandidate, ended: EndOfCall): CallCharge {
  const { end, usage: reading, usageFinal, outputTokensSoFar } = ended;
  const outputIsFinal = usageFinal && wholeOrNull(reading?.outputTokens.total) !== null;
  const wasLeft = end === 'cancelled' || end === 'unknown';
  const seen = { usage: reading, outputTokens: outputTokensSoFar, outputIsFinal, wasLeft };
  const { usd, tokens, billed } = seenOrFloor(candidate, seen);
  return { end, usd, tokens, cost: billed.cost, estimated: true, unpriced, usage: usageOf(reading, billed) };
}

function usageOf(
  reading: UsageReading | null,
  { inputTokens, outputTokens }: { readonly inputTokens: number; readonly outputTokens: number },
): Usage {
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
