// Model patterns of the configuration: a name, or the beginning of names followed by a `*`. Every section, routing and prices use
// these functions, so that a pattern has one meaning.

import { LABEL_VALUE_LENGTH_MAX, quoted } from '../../core/labels.js';
import { type Reader, text } from '../../kit/file-value.js';

export function isModelPattern(text: string): boolean {
  return text.endsWith('*');
}

export function matchesModel(pattern: string, model: string): boolean {
  return isModelPattern(pattern) ? model.startsWith(pattern.slice(0, -1)) : pattern === model;
}

/** Whether every model that `narrow` matches is matched by `wide`. */
export function coversPattern(wide: string, narrow: string): boolean {
  if (!isModelPattern(wide)) return wide === narrow;
  return narrow.startsWith(wide.slice(0, -1));
}

/** Reads a pattern, and reports a `*` that is not at the end: it would match nothing. */
export const modelPattern: Reader<string> = (value) => {
  const pattern = text(LABEL_VALUE_LENGTH_MAX)(value);
  if (pattern === undefined || !pattern.slice(0, -1).includes('*')) return pattern;
  return value.problem(`${quoted(pattern)}: a "*" stands at the end only`);
};
