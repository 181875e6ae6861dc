// Credits and estimated tokens, exact (rules Q4, Q5): whole micro-credits and whole tokens, each component rounded up by
// itself. Values out of bounds are refused. Pure. Called by reserve.ts and charge.ts.

import { invalid } from '../kit/refusals.js';
import type { EstimateRules, PolicyModel } from './policy.js';

/** Bounds of rule Q4: together they keep any cost below 2 × 10^11 micro-credits, far from 2^63. */
export const TOKENS_MAX = 10_000_000;
export const MULTIPLIER_MAX = 10_000_000_000;

const TOKENS_PER_MULTIPLIER = 1_000_000n;

export interface Tokens {
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/**
 * What so many tokens cost, in micro-credits (rule Q4).
 * @throws RefusedError invalid_request for tokens or a multiplier out of bounds
 */
export function creditsOf(
  { inputTokens, outputTokens }: Tokens,
  model: Pick<PolicyModel, 'inputMultiplier' | 'outputMultiplier'>,
): bigint {
  return (
    component(inputTokens, 'inputTokens', model.inputMultiplier) +
    component(outputTokens, 'outputTokens', model.outputMultiplier)
  );
}

function component(tokens: number, field: string, multiplier: number): bigint {
  if (!isTokenCount(tokens))
    throw invalid(field, `${tokens} is no whole number from 0 to ${TOKENS_MAX} tokens`);
  if (!isMultiplier(multiplier))
    throw invalid('multiplier', `${multiplier} is no whole number from 1 to ${MULTIPLIER_MAX}`);
  return ceilDiv(BigInt(tokens) * BigInt(multiplier), TOKENS_PER_MULTIPLIER);
}

export function isTokenCount(tokens: number): boolean {
  return Number.isInteger(tokens) && tokens >= 0 && tokens <= TOKENS_MAX;
}

export function isMultiplier(multiplier: number): boolean {
  return Number.isInteger(multiplier) && multiplier >= 1 && multiplier <= MULTIPLIER_MAX;
}

/** The size of a request, known before it is sent. */
export interface RequestSize {
  /** UTF-8 bytes of its texts. */
  readonly textBytes: number;
  /** Tokens of its texts, where the caller has counted them. They are used in place of the bytes. */
  readonly inputTokens?: number;
  readonly images?: number;
  readonly tools?: number;
  readonly webSearches?: number;
  readonly codeInterpreterCalls?: number;
}

/**
 * Input tokens of a request (rule Q5): its texts and the fixed part with the safety on top, rounded up; then each image,
 * tool, web search and call of the code interpreter.
 * @throws RefusedError invalid_request when that is more than 10 million, or a count is no whole number
 */
export function inputTokensOf(size: RequestSize, rules: EstimateRules): number {
  const counts = sizes(size);
  const text =
    size.inputTokens === undefined
      ? ceilDiv(BigInt(counts.textBytes), BigInt(rules.bytesPerToken))
      : BigInt(counts.inputTokens);
  const safe = ceilDiv((text + BigInt(rules.fixedTokens)) * BigInt(100 + rules.safetyPercent), 100n);
  const tokens =
    safe +
    BigInt(counts.images) * BigInt(rules.imageTokens) +
    BigInt(counts.tools) * BigInt(rules.toolTokens) +
    BigInt(counts.webSearches) * BigInt(rules.webSearchTokens) +
    BigInt(counts.codeInterpreterCalls) * BigInt(rules.codeInterpreterTokens);
  if (tokens > BigInt(TOKENS_MAX))
    throw invalid(
      'inputTokens',
      `the request is estimated at ${tokens} tokens; at most ${TOKENS_MAX} are taken`,
    );
  return Number(tokens);
}

function sizes(size: RequestSize): Required<RequestSize> {
  const {
    textBytes,
    inputTokens = 0,
    images = 0,
    tools = 0,
    webSearches = 0,
    codeInterpreterCalls = 0,
  } = size;
  const counts = { textBytes, inputTokens, images, tools, webSearches, codeInterpreterCalls };
  for (const [field, count] of Object.entries(counts)) {
    if (!Number.isSafeInteger(count) || count < 0)
      throw invalid(field, `${count} is no whole number from 0 up`);
  }
  return counts;
}

/** The quotient of two positive numbers, rounded up. */
export function ceilDiv(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}
