// What an error of a provider is (rule P9): throttle before flake, else unknown, by patterns of the configuration. They are
// RE2 patterns, matched in time linear in the text, so that no message and no pattern stops the process. Called by the
// gateway for each failed attempt, and by the configuration, which refuses a pattern that does not compile.

import { RE2JS, RE2JSException } from 're2js';
import { shown } from '../../core/labels.js';
import type { SignatureSettings } from '../settings/settings.js';
import { RESET_AHEAD_MAX_MS, statedReset } from './reset-times.js';
import type { ErrorClass } from './route.js';

/** Matched against `STATUS MESSAGE`. A caller's own text can stand in messages of status 400: none is trusted there. */
export const THROTTLE_PATTERNS_DEFAULT: readonly string[] = [
  '^(?:402|429)\\b',
  '^(?:0|200|403|503|529) .*(?:rate.?limit|usage limit|limit reached|hit your limit|quota|too many requests)',
  '^400 (?:\\w+: )?your credit balance is too low',
];
export const FLAKE_PATTERNS_DEFAULT: readonly string[] = [
  '^(?:408|409|425|5\\d\\d)\\b',
  '^(?:0|200) .*(?:overloaded|server.?error|timed.?out|timeout|terminated|aborted|socket|connection|\\be(?:conn|pipe|ai_again|notfound|hostunreach|netunreach)|und_err)',
];

/** Alternatives join into one pattern; more than this is a list that nobody reviews. */
export const PATTERNS_MAX = 16;
export const PATTERN_LENGTH_MAX = 1_000;
/** Instructions of a compiled pattern: with both lists full, at most 8,000 × 4,096 steps a message, about half a second. */
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
  /** `until` is the reset that the message states, else the headers', else now and the configured default. */
  classify(error: ProviderError, now: number): ErrorClass;
}

/** For patterns that `patternProblem` has nothing against, as those of settings that were read. */
export function compileSignatures(settings: SignatureSettings): Signatures {
  const [throttle, flake] = [settings.throttle, settings.flake].map((list) => list.map(compiled));
  return {
    classify(error, now) {
      const subject = cut(`${error.status} ${error.text}`);
      if (throttle.some((pattern) => pattern.test(subject))) {
        return throttled(subject, error.retryAfterMs ?? null, now, settings.throttleDefaultMs);
      }
      return { class: flake.some((pattern) => pattern.test(subject)) ? 'flake' : 'unknown' };
    },
  };
}

function throttled(subject: string, retryAfterMs: number | null, now: number, defaultMs: number): ErrorClass {
  const inHeaders =
    retryAfterMs !== null && retryAfterMs > 0 && retryAfterMs <= RESET_AHEAD_MAX_MS
      ? now + retryAfterMs
      : null;
  const stated = statedReset(subject, now) ?? inHeaders;
  return { class: 'throttle', until: Math.ceil(stated ?? now + defaultMs), stated: stated !== null };
}

/** What is wrong with a text as a pattern, or null. */
export function patternProblem(text: string): string | null {
  try {
    const pattern = compiled(text);
    if (pattern.test('')) return `the pattern ${shown(text)} matches every message`;
    const steps = pattern.programSize();
    if (steps <= PATTERN_STEPS_MAX) return null;
    return `the pattern ${shown(text)} compiles to ${steps} steps; at most ${PATTERN_STEPS_MAX} are taken`;
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    return `the pattern ${shown(text)} does not compile: ${error.message}`;
  }
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
