// Instants between the wire (ISO 8601) and the ledger (epoch ms).

import { RefusedError } from './refusals.js';

const ISO = /^(\d{4})-(\d{2})-(\d{2})T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/;

/** Epoch ms of an instant as stated. @throws RefusedError invalid_request naming the field */
export function instantIn(value: string | number, field: string): number {
  if (typeof value === 'number') return value;
  const parts = ISO.exec(value);
  const at = parts === null ? Number.NaN : Date.parse(value);
  if (parts === null || Number.isNaN(at) || !isDay(Number(parts[1]), Number(parts[2]), Number(parts[3]))) {
    const shown = JSON.stringify(value.slice(0, 64));
    throw new RefusedError(
      'invalid_request',
      `${field}: ${shown} is no instant such as "2026-03-01T12:00:00Z" or milliseconds since 1970`,
      { field },
    );
  }
  return at;
}

// Date.parse takes the 30th of February for the 2nd of March.
function isDay(year: number, month: number, day: number): boolean {
  return new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day;
}

/** Instants remembered as texts: bounds of windows are in every line, and a batch has one instant for all its commands. */
const REMEMBERED_MAX = 1_024;
const remembered = new Map<number, string>();

/** ISO 8601, UTC, with milliseconds. */
export function instantOut(at: number): string {
  const known = remembered.get(at);
  if (known !== undefined) return known;
  if (remembered.size >= REMEMBERED_MAX) remembered.clear();
  const text = new Date(at).toISOString();
  remembered.set(at, text);
  return text;
}

export function instantOutOrNull(at: number | null): string | null {
  return at === null ? null : instantOut(at);
}
