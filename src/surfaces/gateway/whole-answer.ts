// What a whole answer is: JSON or not, an answer or an error, and the status that its caller is shown. Called by exchange.ts.

import type { UsageReading } from '../../service/dialects/dialect.js';

/** The JSON of an answer; undefined where it is none. */
export function parsed(body: Buffer): unknown {
  try {
    const answer: unknown = JSON.parse(body.toString('utf8'));
    return answer !== null && typeof answer === 'object' ? answer : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether an answer that states an error states no more than that: then it is an error. One that states a usage, or has
 * some output, is an answer that failed midway.
 */
export function generatedNothing(usage: UsageReading | null, outputTokens: number): boolean {
  const { inputTokens, outputTokens: stated } = usage ?? NO_USAGE;
  return outputTokens === 0 && (inputTokens.total ?? 0) === 0 && (stated.total ?? 0) === 0;
}

const NO_USAGE = { inputTokens: { total: null }, outputTokens: { total: null } } as const;

// 409 is the native API's for idempotency conflicts; client libraries try both statuses again. An error that says 200 of
// itself would be taken for an answer.
export function shownStatus(status: number): number {
  return status === 409 || status === 200 ? 502 : status;
}
