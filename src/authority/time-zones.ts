// The adapter for the core's ZoneOffset port, on the time-zone tables of the JavaScript engine (Intl). Called by the
// authority when it opens a window, and by whatever takes a window from a user and must know that its zone exists.
// Nothing that replays a journal comes here: bounds of windows are in the journal.

import { InvalidInputError } from '../core/errors.js';
import type { ZoneOffset } from '../core/window.js';

/** A formatter takes tens of kilobytes; 64 are more zones than one deployment's budgets are likely to name. */
const FORMATTERS_MAX = 64;

// In order of last use, oldest first, by zone name as stated.
const formatters = new Map<string, Intl.DateTimeFormat>();

/** ms by which the zone's clocks are ahead of UTC at an instant. @throws InvalidInputError for an unknown zone. */
export const zoneOffset: ZoneOffset = (timeZone, instantMs) => {
  // "9/15/2026, GMT+02:00"; seconds appear where a zone had them ("GMT-04:56:02"), and UTC is "GMT+00:00" or "GMT".
  const text = formatterOf(timeZone, 'timeZone').format(instantMs);
  const match = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(text);
  if (match === null) throw new Error(`the engine wrote ${JSON.stringify(text)}, which states no offset`);
  const seconds = Number(match[2] ?? 0) * 3_600 + Number(match[3] ?? 0) * 60 + Number(match[4] ?? 0);
  return match[1] === '-' ? -seconds * 1_000 : seconds * 1_000;
};

/** @throws InvalidInputError naming `field` when the engine knows no such time zone. */
export function assertTimeZone(name: string, field: string): void {
  formatterOf(name, field);
}

function formatterOf(timeZone: string, field: string): Intl.DateTimeFormat {
  const cached = formatters.get(timeZone);
  const formatter = cached ?? newFormatter(timeZone, field);
  if (cached !== undefined) formatters.delete(timeZone);
  else if (formatters.size >= FORMATTERS_MAX) formatters.delete(formatters.keys().next().value ?? '');
  formatters.set(timeZone, formatter);
  return formatter;
}

function newFormatter(timeZone: string, field: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const shown = JSON.stringify(timeZone.slice(0, 64));
    throw new InvalidInputError(
      field,
      `${shown} is no known time zone; use an IANA name such as "Europe/Berlin"`,
    );
  }
}
