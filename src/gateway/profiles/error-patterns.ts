// The patterns that classify a provider's errors, and their bounds. They are RE2, which runs in linear time: neither a message
// nor a pattern of the configuration can block the process. Called where settings are read and where errors are classified.

import { RE2JS, RE2JSException } from 're2js';
import { quoted } from '../../core/labels.js';
import { type Reader, text } from '../../kit/file-value.js';

/** Nobody reviews a longer list; alternatives can be joined into one pattern. */
export const PATTERNS_MAX = 16;
const PATTERN_LENGTH_MAX = 1_000;
/** Instructions of a compiled pattern. A full list then takes at most 4,000 × 4,096 steps a message, about 250 ms. */
const PATTERN_STEPS_MAX = 250;

/** Why a text cannot be a pattern; null when it can. */
export function patternProblem(text: string): string | null {
  try {
    const pattern = compilePattern(text);
    if (pattern.test('')) return `the pattern ${quoted(text)} matches every message`;
    const steps = pattern.programSize();
    if (steps <= PATTERN_STEPS_MAX) return null;
    return `the pattern ${quoted(text)} compiles to ${steps} steps; at most ${PATTERN_STEPS_MAX} are taken`;
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    return `the pattern ${quoted(text)} does not compile: ${error.message}`;
  }
}

export function compilePattern(text: string): RE2JS {
  return RE2JS.compile(text, RE2JS.CASE_INSENSITIVE | RE2JS.DOTALL);
}

/** Reads a pattern from the configuration. */
export const errorPattern: Reader<string> = (value) => {
  const pattern = text(PATTERN_LENGTH_MAX)(value);
  const problem = pattern === undefined ? null : patternProblem(pattern);
  return problem === null ? pattern : value.problem(problem);
};
