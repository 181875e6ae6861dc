// Reads the fields of a request that bear on its cost, and refuses values that they cannot have. Each message names the field,
// the value and the limit. Called by both dialects.

import { Buffer } from 'node:buffer';
import { RefusedError } from '../../kit/refusals.js';
import type { RequestChanges } from './dialect.js';
import type { Json } from './json-scan.js';
import { BodyFields, type FieldEdits, LEFT_OUT, type RequestFields } from './request-body.js';

/** The longest name of a model; the longest in use are below 100 characters. */
const MODEL_CHARS_MAX = 256;
/** How many characters of a wrong value a message repeats. */
const SHOWN_CHARS_MAX = 80;

export function readModel(body: Json): string {
  const { model } = body;
  if (typeof model !== 'string' || model === '' || model.length > MODEL_CHARS_MAX || /\p{Cc}/u.test(model)) {
    throw invalid('model', model, `a name of 1 to ${MODEL_CHARS_MAX} characters without control characters`);
  }
  return model;
}

/** True or false; null and absent are false. */
export function readFlag(body: Json, field: string): boolean {
  const value = body[field];
  if (value === undefined || value === null) return false;
  if (typeof value !== 'boolean') throw invalid(field, value, 'true or false');
  return value;
}

/** A whole number within bounds; null where it is absent or null. */
export function readWhole(
  body: Json,
  field: string,
  bounds: { readonly min: number; readonly max: number },
): number | null {
  const value = body[field];
  if (value === undefined || value === null) return null;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < bounds.min || value > bounds.max) {
    throw invalid(field, value, `a whole number from ${bounds.min} to ${bounds.max}`);
  }
  return value;
}

/**
 * The user that a request names; null where it names none. Claude Code sends a JSON object with its installation and session
 * as text: that is no user.
 */
export function readUser(value: unknown): string | null {
  return typeof value === 'string' && value !== '' && !value.startsWith('{') ? value : null;
}

/** A list; empty where it is absent or null. */
export function readList(body: Json, field: string): readonly unknown[] {
  const value = body[field];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(field, value, 'a list');
  return value;
}

/** Refuses a setting whose price differs from the model's, or is not known. Absent and null pass. */
export function requirePriced(field: string, value: unknown, priced: readonly string[]): void {
  if (value === undefined || value === null || priced.includes(value as string)) return;
  throw new RefusedError(
    'price_unknown',
    `${field} is ${shown(value)}; the price is known for ${priced.join(', ')}.`,
    { field },
  );
}

/** The values of a request that change its price, by field. The candidate's provider decides what each costs. */
export function readModifiers(body: Json, fields: readonly string[]): Record<string, string> | undefined {
  let asked: Record<string, string> | undefined;
  for (const field of fields) {
    const value = body[field];
    if (value === undefined || value === null) continue;
    if (typeof value !== 'string') throw invalid(field, value, 'a text');
    asked ??= {};
    asked[field] = value;
  }
  return asked;
}

/** Writes the output limit into each of the fields. */
export function outputLimitEdits(fields: readonly string[], changes: RequestChanges): FieldEdits {
  const { outputTokensMax } = changes;
  if (outputTokensMax === undefined) return {};
  return Object.fromEntries(fields.map((field) => [field, String(outputTokensMax)]));
}

export function invalid(field: string, value: unknown, wanted: string): RefusedError {
  return new RefusedError('invalid_request', `${field} is ${shown(value)}; it must be ${wanted}.`, { field });
}

export function notMeterable(field: string, why: string): RefusedError {
  return new RefusedError('not_meterable', `${field} cannot be metered: ${why}.`, { field });
}

function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text;
}

/**
 * The new value of `stream_options`, by which a chat or legacy completion asks for the usage of its stream: the caller's options
 * with `include_usage`, or nothing for a provider that is not asked. `null` counts as no options.
 */
export function usageOptions(fields: RequestFields, asks: boolean): string {
  if (!asks) return LEFT_OUT;
  const options = fields.get('stream_options');
  if (options === null || options[0] !== '{'.charCodeAt(0)) return '{"include_usage":true}';
  return Buffer.from(BodyFields.of(options).with({ include_usage: 'true' })).toString('utf8');
}
