// What an answer in one piece says, whether it is an answer or an error, and the status that its caller is shown. Called by
// exchange.ts.

import { type Endpoint, PLAIN_ENDPOINTS, type UsageReading } from '../../service/dialects/dialect.js';

/** What an answer says; undefined where it cannot be read. Sound says nothing, and plain text is its own text. */
export function answerIn(
  body: Buffer,
  { endpoint, contentType }: { readonly endpoint: Endpoint; readonly contentType: string | undefined },
): unknown {
  const answer = parsed(body);
  if (answer !== undefined || !PLAIN_ENDPOINTS.has(endpoint) || body.length === 0) return answer;
  return contentType?.startsWith('text/') === true ? { text: body.toString('utf8') } : {};
}

function parsed(body: Buffer): unknown {
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

/** The tokens of an answer and of all that was read for it; null where the usage does not state both. */
export function tokensIn(usage: UsageReading | null): number | null {
  const input = usage?.inputTokens.total ?? null;
  const output = usage?.outputTokens.total ?? null;
  return input === null || output === null ? null : input + output;
}
