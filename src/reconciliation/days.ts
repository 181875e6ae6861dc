// UTC days as texts (`2026-11-30`), and the range of days that is reconciled. Both ends are included, as an invoice states
// its period.

import { InvalidInputError } from '../core/errors.js';
import { parseInstant } from '../kit/instants.js';

export const DAY_MS = 86_400_000;

/** A year and its leap day: more days are asked for one after another. */
const DAYS_MAX = 366;

export interface DayRange {
  readonly from: string;
  /** Included. */
  readonly to: string;
  /** Epoch ms. */
  readonly startAt: number;
  /** Epoch ms; not included. */
  readonly endAt: number;
}

export function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

/** Its first instant, epoch ms. */
export function startOfDay(day: string): number {
  return Date.parse(`${day}T00:00:00Z`);
}

/** @throws InvalidInputError naming the field */
export function dayRange(from: string, to: string): DayRange {
  const startAt = dayIn(from, 'from');
  const endAt = dayIn(to, 'to') + DAY_MS;
  if (endAt <= startAt) throw new InvalidInputError('to', `${JSON.stringify(to)} is before from, ${from}`);
  const days = (endAt - startAt) / DAY_MS;
  if (days > DAYS_MAX)
    throw new InvalidInputError(
      'to',
      `${days} days are from ${from} to ${to}; at most ${DAYS_MAX} are compared`,
    );
  return { from, to, startAt, endAt };
}

function dayIn(text: string, field: string): number {
  const at = /^\d{4}-\d\d-\d\d$/.test(text) ? parseInstant(text) : null;
  if (at !== null) return at;
  throw new InvalidInputError(field, `${JSON.stringify(text.slice(0, 40))} is no day such as 2026-11-30`);
}
