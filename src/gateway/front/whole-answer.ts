// What an answer in one piece says, whether it is an answer or an error, and the status that its caller is shown. Called by
// exchange.ts.

import { type HiddenError, hiddenError, withoutErrors } from '../dialects/hidden-error.js';
import { type Endpoint, PLAIN_ENDPOINTS } from '../metering/endpoints.js';
import type { UsageReading } from '../metering/usage.js';

/** What an answer says; undefined where it cannot be read. Sound says nothing, and plain text is its own text. */
export function answerIn(
  body: Buffer,
  { endpoint, contentType }: { readonly endpoint: Endpoint; readonly contentType: string | undefined },
): unknown {
  const answer = parsed(body);
  if (answer !== undefined || !PLAIN_ENDPOINTS.has(endpoint) || body.length === 0) return answer;
  return contentType?.startsWith('text/') === true ? { text: body.toString('utf8') } : {};
}

const BYTE_ORDER_MARK = 0xfeff;

function parsed(body: Buffer): unknown {
  try {
    const text = body.toString('utf8');
    // A byte order mark is no JSON, and some proxies write one.
    const answer: unknown = JSON.parse(text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text);
    return answer !== null && typeof answer === 'object' ? answer : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The error that an answer is, or null. One that states a usage beside its error, or has some output, is an answer that
 * failed midway.
 */
export function errorIn(
  answer: unknown,
  usage: UsageReading | null,
  outputOf: (answer: unknown) => number,
): HiddenError | null {
  const error = hiddenError(answer);
  if (error === null) return null;
  const { inputTokens, outputTokens } = usage ?? NO_USAGE;
  const isFree = (inputTokens.total ?? 0) === 0 && (outputTokens.total ?? 0) === 0;
  return isFree && outputOf(withoutErrors(answer)) === 0 ? error : null;
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
