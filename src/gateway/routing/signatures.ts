// What an error of a provider is (rule P9): the fault of the request, the account's, a throttle, a flake, else unknown, by
// patterns of the configuration and of the provider's profile. They are RE2 patterns, matched in time linear in the text, so
// that no message and no pattern stops the process. Called by the gateway for each failed attempt, and by the configuration,
// which refuses a pattern that does not compile.

import { RE2JS, RE2JSException } from 're2js';
import { quoted } from '../../core/labels.js';
import type { ErrorProfile } from '../profiles/profile.js';
import type { SignatureSettings } from './gateway-settings.js';
import { statedReset } from './reset-times.js';
import type { ErrorClass } from './route.js';

/** Alternatives join into one pattern; more than this is a list that nobody reviews. */
export const PATTERNS_MAX = 16;
export const PATTERN_LENGTH_MAX = 1_000;
/** Instructions of a compiled pattern: with a list full, at most 4,000 × 4,096 steps a message, about a quarter of a second. */
export const PATTERN_STEPS_MAX = 250;
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

export interface Signatures {
  /**
   * By the common patterns and by `own`, the provider's. `until` is the reset that the message states, else the headers',
   * as far as it is believed, else now and the configured default.
   */
  classify(error: ProviderError, now: number, own?: ErrorProfile): ErrorClass;
}

type Kind = 'request' | 'account' | 'throttle' | 'flake';
type Compiled = Readonly<Record<Kind, readonly RE2JS[]>>;

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

/** For patterns that `patternProblem` has nothing against, as those of settings that were read. */
export function compileSignatures(settings: SignatureSettings): Signatures {
  const common = compiledAll(settings);
  const ofProfiles = new WeakMap<ErrorProfile, Compiled>();
  const ownOf = (profile: ErrorProfile): Compiled => {
    const known = ofProfiles.get(profile) ?? compiledAll(profile);
    ofProfiles.set(profile, known);
    return known;
  };
  return {
    classify(error, now, own) {
      const subject = cut(`${error.status} ${error.text}`);
      switch (kindOf(subject, own === undefined ? [common] : [ownOf(own), common])) {
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
    },
  };
}

// What a caller can bring about comes first, since it must shut nobody out. What is said of the account is more precise than
// what is said of limits, and a status alone (429) says least.
function kindOf(subject: string, lists: readonly Compiled[]): Kind | null {
  const is = (kind: Kind, text = subject) =>
    lists.some((list) => list[kind].some((pattern) => pattern.test(text)));
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

/** What is wrong with a text as a pattern, or null. */
export function patternProblem(text: string): string | null {
  try {
    const pattern = compiled(text);
    if (pattern.test('')) return `the pattern ${quoted(text)} matches every message`;
    const steps = pattern.programSize();
    if (steps <= PATTERN_STEPS_MAX) return null;
    return `the pattern ${quoted(text)} compiles to ${steps} steps; at most ${PATTERN_STEPS_MAX} are taken`;
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    return `the pattern ${quoted(text)} does not compile: ${error.message}`;
  }
}

function compiledAll({
  request,
  account,
  throttle,
  flake,
}: Readonly<Record<Kind, readonly string[]>>): Compiled {
  return {
    request: request.map(compiled),
    account: account.map(compiled),
    throttle: throttle.map(compiled),
    flake: flake.map(compiled),
  };
}

function compiled(text: string): RE2JS {
  return RE2JS.compile(text, RE2JS.CASE_INSENSITIVE | RE2JS.DOTALL);
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
