// What an answer in one piece says, whether it is an answer or an error, and the status that its caller is shown. Called by
// exchange.ts.

import type { Dialect } from '../dialects/dialect.js';
import { type HiddenError, hiddenError, isFailedResponse, withoutErrors } from '../dialects/hidden-error.js';
import { type Endpoint, PLAIN_ENDPOINTS } from '../metering/endpoints.js';
import type { UsageReading } from '../metering/usage.js';
import type { ProviderProfile } from '../profiles/profile.js';
import type { ProviderError } from '../routing/signatures.js';

/** What an answer in one piece is. */
type WholeAnswer =
  | { readonly is: 'unreadable' }
  /** The provider failed, and answered nothing. */
  | { readonly is: 'error'; readonly error: ProviderError }
  | {
      readonly is: 'answer';
      /** The answer itself, parsed. */
      readonly said: object;
      readonly usage: UsageReading | null;
      /** Output tokens, estimated where the usage does not state them. */
      readonly outputTokens: number;
      /** Where it states a usage or some output beside an error: it failed midway. */
      readonly error: ProviderError | null;
    };

export function wholeAnswer(
  body: Buffer,
  {
    dialect,
    endpoint,
    profile,
    contentType,
  }: {
    readonly dialect: Dialect;
    readonly endpoint: Endpoint;
    readonly profile: ProviderProfile;
    readonly contentType: string | undefined;
  },
): WholeAnswer {
  const said = answerIn(body, { endpoint, contentType });
  if (said === undefined) return { is: 'unreadable' };
  const usage = dialect.readUsage(endpoint, said, profile);
  const outputOf = (of: unknown) => dialect.estimateOutput(endpoint, of);
  const error = errorIn(said, usage, outputOf);
  if (error !== null && !isFailedResponse(said)) return { is: 'error', error };
  const outputTokens = usage?.outputTokens.total == null ? outputOf(said) : 0;
  return { is: 'answer', said, usage, outputTokens, error };
}

// Undefined where it cannot be read. Sound says nothing, and plain text is its own text.
function answerIn(
  body: Buffer,
  { endpoint, contentType }: { readonly endpoint: Endpoint; readonly contentType: string | undefined },
): object | undefined {
  const answer = parsed(body);
  if (answer !== undefined || !PLAIN_ENDPOINTS.has(endpoint) || body.length === 0) return answer;
  return contentType?.startsWith('text/') === true ? { text: body.toString('utf8') } : {};
}

const BYTE_ORDER_MARK = 0xfeff;

function parsed(body: Buffer): object | undefined {
  try {
    const text = body.toString('utf8');
    // A byte order mark is no JSON, and some proxies write one.
    const answer: unknown = JSON.parse(text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text);
    return answer !== null && typeof answer === 'object' ? answer : undefined;
  } catch {
    return undefined;
  }
}

// The error that an answer is, or null. One that states a usage beside its error, or has some output, is an answer that failed
// midway.
function errorIn(
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
