// Label sets and ids as text. A label set's canonical text (keys sorted, parts joined by the unit separator U+001F) is
// its identity everywhere: in matching, in holds, in the journal. Text that could be mistaken for other text is refused.

import { InvalidInputError } from './errors.js';
import type { Labels } from './requests.js';

/** Ids of holds, budgets, commands: room for a UUID with a readable prefix. */
export const ID_LENGTH_MAX = 128;
export const LABEL_KEY_LENGTH_MAX = 64;
/** Room for a URL-like model name or an e-mail address. */
export const LABEL_VALUE_LENGTH_MAX = 256;
/** A set with more keys than this is some other data, not labels. */
export const LABELS_MAX = 32;

/** Joins the parts of canonical texts; a control character, so no valid part contains it. */
export const SEPARATOR = '\u001f';

const LABEL_KEY = /^[A-Za-z_][A-Za-z0-9_.:-]*$/;
// Controls, and characters that are invisible or reorder text: with them two different ids could look the same.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]/u;

/** What is wrong with a text as an id or label value, or null. */
export function textProblem(value: unknown, lengthMax: number): string | null {
  if (typeof value !== 'string') return `expected text, got ${value === null ? 'null' : typeof value}`;
  if (value.length === 0) return 'is empty';
  if (value.length > lengthMax) return `has ${value.length} characters; at most ${lengthMax} are allowed`;
  if (isVisibleAscii(value)) return null;
  if (!value.isWellFormed()) return 'is not well-formed Unicode';
  if (UNPRINTABLE.test(value)) return 'contains a control or invisible character';
  if (value.normalize('NFC') !== value) return 'is not in Unicode normal form C';
  return value.trim() === value ? null : 'begins or ends with a space';
}

function isVisibleAscii(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x21 || code > 0x7e) return false;
  }
  return true;
}

/** @throws InvalidInputError naming the field */
export function assertText(
  value: unknown,
  field: string,
  lengthMax = ID_LENGTH_MAX,
): asserts value is string {
  const problem = textProblem(value, lengthMax);
  if (problem !== null) throw new InvalidInputError(field, `${quoted(value)} ${problem}`);
}

/** What is wrong with a label key, or null. */
export function labelKeyProblem(key: string): string | null {
  if (key.length > LABEL_KEY_LENGTH_MAX)
    return `has ${key.length} characters; at most ${LABEL_KEY_LENGTH_MAX} are allowed`;
  if (key === '__proto__') return 'is a reserved name';
  return LABEL_KEY.test(key)
    ? null
    : 'may contain only letters, digits and _ . : - and begins with a letter or _';
}

/** Checks a label set at the edge. @throws InvalidInputError naming the label */
export function assertLabels(labels: unknown, field: string): asserts labels is Labels {
  if (labels === null || typeof labels !== 'object' || Array.isArray(labels)) {
    throw new InvalidInputError(field, 'expected an object of label keys and values');
  }
  const entries = Object.entries(labels);
  if (entries.length > LABELS_MAX)
    throw new InvalidInputError(field, `has ${entries.length} labels; at most ${LABELS_MAX}`);
  for (const [key, value] of entries) {
    const problem = labelKeyProblem(key);
    if (problem !== null) throw new InvalidInputError(`${field}.${quoted(key)}`, `the label key ${problem}`);
    assertText(value, `${field}.${key}`, LABEL_VALUE_LENGTH_MAX);
  }
}

/** The canonical text of a label set. Distinct for distinct valid sets; says nothing about validity. */
export function labelText(labels: Labels): string {
  const keys = Object.keys(labels);
  for (let index = 1; index < keys.length; index += 1) {
    if (keys[index - 1] > keys[index]) {
      keys.sort();
      break;
    }
  }
  let text = '';
  for (const key of keys) {
    text += text === '' ? key + SEPARATOR + labels[key] : SEPARATOR + key + SEPARATOR + labels[key];
  }
  return text;
}

/** The label set of a canonical text. */
export function labelsOf(text: string): Labels {
  const labels: Record<string, string> = {};
  if (text === '') return labels;
  const parts = text.split(SEPARATOR);
  for (let index = 0; index < parts.length; index += 2) labels[parts[index]] = parts[index + 1];
  return labels;
}

/** A value for an error message: text is quoted and cut to length, and an object is named by its kind alone. */
export function quoted(value: unknown): string {
  if (typeof value === 'string') {
    return value.length <= 80 ? JSON.stringify(value) : `${JSON.stringify(value.slice(0, 77))}…`;
  }
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value === 'function') return 'a function';
  const text = String(value);
  return text.length <= 80 ? text : `${text.slice(0, 77)}…`;
}
