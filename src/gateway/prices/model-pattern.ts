// How the configuration names models: a name, or the beginning of names with a `*` behind it. Called by the sections
// that do so, and by routing and prices, so that a pattern means one thing.

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

/** Reports a `*` that is not at the end: it would match nothing, or more than it says. */
export const modelPattern: Reader<string> = (value) => {
  const pattern = text(LABEL_VALUE_LENGTH_MAX)(value);
  if (pattern === undefined || !pattern.slice(0, -1).includes('*')) return pattern;
  return value.problem(`${quoted(pattern)}: a "*" stands at the end only`);
};
