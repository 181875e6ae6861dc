// Classifies an error of a provider (rule P9): the request's fault, the account's, a throttle, a flake, or unknown. The patterns
// come from the configuration and from the provider's profile (profiles/error-patterns.ts). Called for each failed attempt.

import type { RE2JS } from 're2js';
import { compilePattern } from '../profiles/error-patterns.js';
import type { ErrorProfile } from '../profiles/profile.js';
import type { SignatureSettings } from './error-settings.js';
import { statedReset } from './reset-times.js';
import type { ErrorClass } from './route.js';

/** UTF-8 bytes of `STATUS MESSAGE` that are looked at; what is wrong stands at the beginning of a message. */
export const MESSAGE_BYTES_MAX = 4_096;

/** An attempt that failed. */
export interface ProviderError {
  /** The status of the answer, 200 for an error within a stream; 0 when none came. */
  readonly status: number;
  /** The provider's message, or that of the failed connection with its code. */
  readonly text: string;
  /** From the answer's headers (`readRetryAfter`). */
  readonly retryAfterMs?: number | null;
}

type ErrorKind = 'request' | 'account' | 'throttle' | 'flake';
type KindPatterns = Readonly<Record<ErrorKind, readonly string[]>>;

/**
 * A limit that this request alone would pass. It says nothing of smaller requests, so nobody else is kept from the
 * provider; another candidate may have room.
 */
const WOULD_EXCEED = /^(?:200|429|503) .{0,200}\bthis request would exceed\b/is;
/** A limit and what was asked for: more than the limit ever allows is the fault of the request, whoever else calls. */
const LIMIT_AND_REQUESTED =
  /\b(?:limit|max(?:imum)?)(?: is| of)?[:=]? {0,2}(?<limit>\d[\d,]{0,15}).{0,80}?\b(?:requested|got)[:=]? {0,2}(?<asked>\d[\d,]{0,15})/is;
/** The same the other way round: `your request of 52000 tokens exceeds the limit of 30000`. */
const REQUESTED_AND_LIMIT =
  /\b(?:this|your|the) (?:request|prompt|input)\b[^.;\d]{0,60}(?<asked>\d[\d,]{0,15}) {0,2}tokens?\b[^.;\d]{0,60}\bexceed[^.;\d]{0,80}(?<limit>\d[\d,]{0,15})/is;
/** What it says of tokens "per request" is said of this one. */
const LIMIT_PER_REQUEST = /^(?:200|4\d\d) .*?\btokens.{0,3}per.{0,3}request\b/is;

/** A text in quotes; an apostrophe within a word opens none. */
const QUOTED = /"[^"]*"|`[^`]*`|(?<=[\s(:=[])'[^']*'(?=$|[\s.,;:)\]])/g;

/**
 * What an error is, by the patterns of the provider's profile and by the common ones of the configuration. `until` is the
 * reset that the message states, else the headers', as far as it is believed; without either it is the configured default
 * from now on.
 */
export function classifyError(
  error: ProviderError,
  by: { readonly settings: SignatureSettings; readonly profile?: ErrorProfile; readonly now: number },
): ErrorClass {
  const { settings, profile, now } = by;
  const subject = cut(`${error.status} ${error.text}`);
  switch (kindOf(subject, profile === undefined ? [settings] : [profile, settings])) {
    case 'request':
      return { class: 'request' };
    case 'account':
      return { class: 'account', ...resetOf(error, subject, { now, ...accountBounds(settings) }) };
    case 'throttle':
      return { class: 'throttle', ...resetOf(error, subject, { now, ...pairBounds(settings) }) };
    case 'flake':
      return { class: 'flake' };
    case null:
      return { class: 'unknown' };
  }
}

// What a caller can bring about comes first, since it must shut nobody out. What is said of the account is more precise than
// what is said of limits, and a status alone (429) says least.
function kindOf(subject: string, lists: readonly KindPatterns[]): ErrorKind | null {
  const is = (kind: ErrorKind, text = subject) =>
    lists.some((list) => compiled(list[kind]).some((pattern) => pattern.test(text)));
  if (is('request') || asksTooMuch(subject)) return 'request';
  // What a caller wrote stands in quotes: its words put nobody out.
  const unquoted = subject.replaceAll(QUOTED, "''");
  if (is('account', unquoted)) return 'account';
  if (WOULD_EXCEED.test(subject)) return 'flake';
  if (is('throttle', unquoted)) return 'throttle';
  return is('flake') ? 'flake' : null;
}

function asksTooMuch(subject: string): boolean {
  if (LIMIT_PER_REQUEST.test(subject)) return true;
  return [LIMIT_AND_REQUESTED, REQUESTED_AND_LIMIT].some((pattern) => {
    const { limit, asked } = pattern.exec(subject)?.groups ?? {};
    return limit !== undefined && numberOf(asked) > numberOf(limit);
  });
}

function numberOf(digits: string): number {
  return Number(digits.replaceAll(',', ''));
}

/** A throttle that states no reset is over at most so many times its default; for an account it is at once. */
export const THROTTLE_GROWTH_MAX = 32;

interface ResetBounds {
  readonly now: number;
  readonly believedMs: number;
  readonly unlessStatedMs: number;
}

function accountBounds({ accountResetMaxMs, throttleDefaultMs }: SignatureSettings) {
  return { believedMs: accountResetMaxMs, unlessStatedMs: throttleDefaultMs * THROTTLE_GROWTH_MAX };
}

function pairBounds({ resetMaxMs, throttleDefaultMs }: SignatureSettings) {
  return { believedMs: resetMaxMs, unlessStatedMs: throttleDefaultMs };
}

function resetOf(
  { retryAfterMs }: ProviderError,
  subject: string,
  { now, believedMs, unlessStatedMs }: ResetBounds,
): { readonly until: number; readonly stated: boolean } {
  const inHeaders = typeof retryAfterMs === 'number' && retryAfterMs > 0 ? now + retryAfterMs : null;
  const stated = statedReset(subject, now) ?? inHeaders;
  const until = Math.min(stated ?? now + unlessStatedMs, now + believedMs);
  return { until: Math.ceil(until), stated: stated !== null };
}

// Cut by bytes without making bytes of a long text first; a sign that would be cut in two is left out.
function cut(text: string): string {
  const start = text.slice(0, MESSAGE_BYTES_MAX);
  const bytes = Buffer.byteLength(start);
  if (bytes <= MESSAGE_BYTES_MAX) return start;
  return Buffer.from(start)
    .subarray(0, MESSAGE_BYTES_MAX)
    .toString('utf8')
    .replace(/\ufffd+$/, '');
}

/**
 * Whether a provider bills an error although it answers nothing: a filter that read the prompt, a proxy's time-out. Its
 * profile has the patterns. Every other explicit error before any output costs nothing (rule Q9).
 */
export function isBilledError({ billed }: Pick<ErrorProfile, 'billed'>, error: ProviderError): boolean {
  if (billed.length === 0) return false;
  const subject = `${error.status} ${error.text.slice(0, MESSAGE_BYTES_MAX)}`;
  return compiled(billed).some((pattern) => pattern.test(subject));
}

const COMPILED = new WeakMap<readonly string[], readonly RE2JS[]>();

/** The patterns of a list, compiled the first time that they are asked for. */
function compiled(list: readonly string[]): readonly RE2JS[] {
  let patterns = COMPILED.get(list);
  if (patterns === undefined) {
    patterns = list.map(compilePattern);
    COMPILED.set(list, patterns);
  }
  return patterns;
}
