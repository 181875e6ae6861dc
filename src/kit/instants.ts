// Instants between texts (ISO 8601) and the ledger (epoch ms): the one parser of them outside the core.

import { invalid } from './refusals.js';

/**
 * An ISO 8601 date (its midnight in UTC) or an instant with its zone, as epoch ms; null for any other text. Parts of a
 * millisecond are cut off.
 */
export function parseInstant(text: string): number | null {
  const match = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+-]\d\d:\d\d))?$/.exec(text);
  if (match === null) return null;
  const [, date, time = '00:00', zone = 'Z'] = match;
  const instantMs = Date.parse(`${date}T${time}${zone}`);
  // JavaScript reads 30 February as 2 March. A date that it changed so is refused.
  const midnightMs = Date.parse(`${date}T00:00Z`);
  if (Number.isNaN(instantMs) || Number.isNaN(midnightMs)) return null;
  return new Date(midnightMs).toISOString().startsWith(date) ? instantMs : null;
}

/** Whether a text is an instant with its time and zone, and not a date alone. */
export function isInstant(text: string): boolean {
  return text.includes('T') && parseInstant(text) !== null;
}

/** Epoch ms of an instant as a request states it. @throws RefusedError invalid_request naming the field */
export function instantIn(value: string | number, field: string): number {
  if (typeof value === 'number') return value;
  if (isInstant(value)) return parseInstant(value) as number;
  throw invalid(
    field,
    `${JSON.stringify(value.slice(0, 64))} is no instant such as "2026-03-01T12:00:00Z" or milliseconds since 1970`,
  );
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
