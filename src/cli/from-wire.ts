// Turns answers of a server back into the library's values: decimal texts into steps of their unit, ISO 8601 into epoch
// ms. The inverse of json.ts, so that a command prints the same whichever way it was answered. Called by remote-ledger.ts.

import { parseAmount } from '../core/amount.js';
import { INSTANTS, type Scales, unitOf } from './json.js';

/** Fields that hold an amount of the object's unit, or amounts by unit. */
const AMOUNTS = new Set([
  'limit',
  'granted',
  'spent',
  'held',
  'remaining',
  'requested',
  'perHoldMax',
  'heldMax',
  'amount',
  'authorized',
  'charged',
  'returned',
  'spentSinceLast',
  'by',
]);

/** What callers and commands named themselves: a label called `limit` is no limit. */
const OPAQUE = new Set(['labels', 'values', 'match', 'details']);

/** @throws SyntaxError for a text that is no amount or instant: the server speaks something else */
export function fromWire<T>(value: unknown, scales: Scales): T {
  return walk({ value, key: '', unit: null, scales }) as T;
}

interface At {
  readonly value: unknown;
  readonly key: string;
  /** What amounts count here; null where nothing has said so. */
  readonly unit: string | null;
  readonly scales: Scales;
}

function walk(at: At): unknown {
  const { value, key, unit, scales } = at;
  if (typeof value === 'string') {
    if (INSTANTS.has(key)) return instantOf(value);
    // "default" is the limit of an account that has none of its own.
    if (!AMOUNTS.has(key) || value === 'default') return value;
    return stepsOf(value, unit === null ? 0 : (scales.get(unit) ?? 0));
  }
  if (value === null || typeof value !== 'object' || OPAQUE.has(key)) return value;
  if (Array.isArray(value)) return value.map((item) => walk({ ...at, value: item }));
  const byUnit = AMOUNTS.has(key);
  const own = unitOf(value) ?? unit;
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name,
      walk({ value: field, key: byUnit ? key : name, unit: byUnit ? name : own, scales }),
    ]),
  );
}

// A balance that overran has less than nothing left: answers have signs, which requests never do.
function stepsOf(text: string, scale: number): bigint {
  return text.startsWith('-') ? -parseAmount(text.slice(1), scale) : parseAmount(text, scale);
}

function instantOf(text: string): number {
  const at = Date.parse(text);
  if (Number.isNaN(at))
    throw new SyntaxError(`the server answered ${JSON.stringify(text)} where an instant belongs`);
  return at;
}
