// When a provider says that it will take calls again (rule P9): reset times in its messages, and the Retry-After header.
// A clock time is the next one in the zone that the message names, in UTC when it names none. What lies in the past or
// beyond 31 days is taken for a misreading. Linear in the text: no pattern here repeats what it may match in two ways.

import { zoneOffset } from '../../authority/time-zones.js';
import { InvalidInputError } from '../../core/errors.js';
import { parseInstant } from '../../kit/instants.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** A month, the longest window that providers sell by. */
const RESET_AHEAD_MAX_MS = 31 * DAY_MS;
/** A message states one reset, some two; more words that lead to one say that it is something else. */
const ANCHORS_MAX = 16;
/** Days, hours, minutes, seconds, milliseconds, and one to spare. */
const DURATION_PARTS_MAX = 6;

/** Words that a reset time follows. */
const ANCHOR =
  /\b(?:resets?|resetting|try again|retry(?:ing)?|wait|available)(?: again)?(?:\s{1,3}(?:in|after|at|on|for))?\s{1,3}/gi;
/** A bare "in 4h 30m", looked for when nothing else is found. */
const BARE_ANCHOR = /\bin\s{1,3}/gi;
const PART =
  /(?:\s{0,2}(?:,|and\b)?\s{0,2})(\d{1,6}(?:\.\d{1,6})?)\s{0,2}(ms|msecs?|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)(?![a-z])/iy;
const CLOCK =
  /(\d{1,2})(?::(\d\d))?(?::\d\d)?\s?([ap])\.?m\b\.?(?:\s{0,2}\(?([a-z][\w+-]*(?:\/[\w+-]+){0,2})\)?)?|(\d{1,2}):(\d\d)(?::\d\d)?(?!\d)(?:\s{0,2}\(?([a-z][\w+-]*(?:\/[\w+-]+){0,2})\)?)?/iy;
const INSTANT = /(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.\d{1,9})?\s?(Z|UTC|GMT|[+-]\d\d:?\d\d)?/iy;

/** The instant at which a message says that calls are taken again, epoch ms; null when it states none in bounds. */
export function statedReset(text: string, now: number): number | null {
  for (const anchor of [ANCHOR, BARE_ANCHOR]) {
    let tried = 0;
    for (const match of text.matchAll(anchor)) {
      const reset = readReset(text, match.index + match[0].length, now);
      if (reset !== null && isInBounds(reset, now)) return reset;
      tried += 1;
      if (tried === ANCHORS_MAX) break;
    }
  }
  return null;
}

/**
 * Milliseconds that the headers of an answer ask to wait: `retry-after-ms`, else `Retry-After` in seconds or as an HTTP
 * date. Null when they state nothing that can be read, or nothing that lies ahead.
 */
export function readRetryAfter(
  headers: { readonly retryAfter?: string | null; readonly retryAfterMs?: string | null },
  now: number,
): number | null {
  const ms = Number(decimal(headers.retryAfterMs) ?? Number.NaN);
  if (isInBounds(now + ms, now)) return ms;
  const { retryAfter } = headers;
  const seconds = decimal(retryAfter);
  const waitMs = seconds === null ? Date.parse(retryAfter ?? '') - now : Math.ceil(Number(seconds) * 1_000);
  return isInBounds(now + waitMs, now) ? waitMs : null;
}

function decimal(text: string | null | undefined): string | null {
  return text !== null && text !== undefined && /^\d{1,9}(?:\.\d{1,6})?$/.test(text) ? text : null;
}

function isInBounds(reset: number, now: number): boolean {
  return reset > now && reset <= now + RESET_AHEAD_MAX_MS;
}

function readReset(text: string, start: number, now: number): number | null {
  const instant = matchAt(INSTANT, text, start);
  if (instant !== null) return instantOf(instant);
  const clock = matchAt(CLOCK, text, start);
  if (clock !== null) return nextClock(clock, now);
  const durationMs = readDuration(text, start);
  return durationMs === null ? null : now + Math.ceil(durationMs);
}

function matchAt(sticky: RegExp, text: string, start: number): RegExpExecArray | null {
  sticky.lastIndex = start;
  return sticky.exec(text);
}

function readDuration(text: string, start: number): number | null {
  let total: number | null = null;
  let at = start;
  for (let part = 0; part < DURATION_PARTS_MAX; part += 1) {
    const match = matchAt(PART, text, at);
    if (match === null) break;
    total = (total ?? 0) + Number(match[1]) * partMs(match[2].toLowerCase());
    at = PART.lastIndex;
  }
  return total;
}

function partMs(unit: string): number {
  if (unit.startsWith('ms') || unit.startsWith('mil')) return 1;
  if (unit.startsWith('s')) return 1_000;
  if (unit.startsWith('m')) return MINUTE_MS;
  return unit.startsWith('h') ? HOUR_MS : DAY_MS;
}

function instantOf([, date, time, zone = 'Z']: RegExpExecArray): number | null {
  const offset = /^[+-]/.test(zone) ? zone.replace(/^(...)(\d\d)$/, '$1:$2') : 'Z';
  return parseInstant(`${date}T${time}${offset}`);
}

function nextClock(match: RegExpExecArray, now: number): number | null {
  const [, hour12, minute12, half, zone12, hour24, minute24, zone24] = match;
  const isHalf = half !== undefined;
  const stated = Number(isHalf ? hour12 : hour24);
  const minute = Number((isHalf ? minute12 : minute24) ?? 0);
  if (minute > 59 || (isHalf ? stated < 1 || stated > 12 : stated > 23)) return null;
  const hour = isHalf ? (stated % 12) + (half.toLowerCase() === 'p' ? 12 : 0) : stated;
  return nextLocalTime(hour * HOUR_MS + minute * MINUTE_MS, zoneOf(zone12 ?? zone24), now);
}

// A word behind the time that is no zone ("11pm tomorrow") leaves it in UTC; one that looks like a zone must be one.
function zoneOf(word: string | undefined): string {
  if (word === undefined || /^(?:z|utc|gmt)$/i.test(word)) return 'UTC';
  return word.includes('/') || /^[A-Z]{2,5}$/.test(word) ? word : 'UTC';
}

function nextLocalTime(timeOfDayMs: number, zone: string, now: number): number | null {
  try {
    const localNow = now + offsetOf(zone, now);
    for (const days of [0, 1]) {
      const local = Math.floor(localNow / DAY_MS) * DAY_MS + days * DAY_MS + timeOfDayMs;
      const instant = local - offsetOf(zone, local - offsetOf(zone, now));
      if (instant > now) return instant;
    }
    return null;
  } catch (error) {
    if (error instanceof InvalidInputError) return null;
    throw error;
  }
}

function offsetOf(zone: string, instantMs: number): number {
  return zone === 'UTC' ? 0 : zoneOffset(zone, instantMs);
}
