// Budget windows: their stated form, their canonical form, and which one an instant falls into. Pure integer calendar
// arithmetic (proleptic Gregorian); what a time zone's clocks show comes in through the port ZoneOffset. The windows of
// one spec tile time: they are contiguous, none overlaps, and every instant is in exactly one (start included, end not).
// Called by the authority when it opens a window; bounds are then journalled, so replay calls nothing here.

import { InvalidInputError } from './errors.js';
import type { WindowInput } from './requests.js';

export type CalendarPeriod = 'hour' | 'day' | 'week' | 'month';

/** A window in its canonical form: every field stated, nothing redundant. */
export type WindowSpec =
  | { readonly kind: 'lifetime' }
  | CalendarWindow
  | { readonly kind: 'every'; readonly lengthMs: number; readonly anchorMs: number };

export interface CalendarWindow {
  readonly kind: 'calendar';
  readonly period: CalendarPeriod;
  /** 'UTC' or an IANA name. */
  readonly timeZone: string;
  /** 1 … 31, the day on which a month window begins (clamped to the month's last day); 1 for other periods. */
  readonly anchorDay: number;
}

/** A port: how far a zone's clocks are ahead of UTC at an instant, in ms; between −16 h and +16 h. */
export type ZoneOffset = (timeZone: string, instantMs: number) => number;

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** The first and the last instant that ECMAScript dates can show: the bounds of a lifetime. */
export const BEGINNING_MS = -8.64e15;
export const NEVER_MS = 8.64e15;

/** Below a minute, opening windows would cost more than what they bound. */
export const EVERY_MIN_MS = MINUTE_MS;
/** A leap year; what is longer is a lifetime budget with top-ups. */
export const EVERY_MAX_MS = 366 * DAY_MS;

/** The longest IANA name has 32 characters; the rest is room for new ones. */
const TIME_ZONE_LENGTH_MAX = 64;
/** "P366DT23H59M59S" and an instant with ms and zone have fewer; it keeps the patterns below on short texts. */
const TEXT_LENGTH_MAX = 40;
/** A wrong value is shown in a message up to here, so that a hostile one cannot fill a log. */
const SHOWN_LENGTH_MAX = 60;

/**
 * No zone has ever been further from UTC than 15 h 57 min (Manila before 1844). A local time is looked for this far on
 * both sides, and those 32 hours have at most one change of clocks: since 1900 no two in one zone were under 7 days apart.
 */
const OFFSET_MAX_MS = 16 * HOUR_MS;

const PERIODS: readonly string[] = ['hour', 'day', 'week', 'month'];
const ANCHOR_DEFAULT_MS = 0;
// Years 0001 … 9999: what the four-digit form can state, and far inside the range where sums stay exact integers.
const ANCHOR_MIN_MS = daysFromCivil(1, 1, 1) * DAY_MS;
const ANCHOR_MAX_MS = daysFromCivil(10_000, 1, 1) * DAY_MS - 1;

/**
 * Reads a window as its owner states it. Whether a time zone exists is not checked here but by the zone port's adapter.
 * @throws InvalidInputError naming the field below `field`, the value and the bound.
 */
export function parseWindow(input: WindowInput, field: string): WindowSpec {
  // Typed for callers in TypeScript, but it comes from JSON and YAML: nothing about its shape is taken on trust.
  const value: unknown = input;
  if (value === 'lifetime') return { kind: 'lifetime' };
  if (isPeriod(value)) return { kind: 'calendar', period: value, timeZone: 'UTC', anchorDay: 1 };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidInputError(
      field,
      `${shown(value)} is no window; state lifetime, hour, day, week, month, {calendar: …} or {every: …}`,
    );
  }
  const fields = new Map<string, unknown>(Object.entries(value));
  if (fields.has('calendar') && !fields.has('every')) return parseCalendar(fields, field);
  if (fields.has('every') && !fields.has('calendar')) return parseEvery(fields, field);
  throw new InvalidInputError(field, `${shown(value)} is no window; state exactly one of calendar and every`);
}

function parseCalendar(fields: ReadonlyMap<string, unknown>, field: string): CalendarWindow {
  refuseUnknown(fields, ['calendar', 'timeZone', 'anchorDay'], field);
  const period = fields.get('calendar');
  if (!isPeriod(period)) {
    throw new InvalidInputError(`${field}.calendar`, `${shown(period)} is not one of ${PERIODS.join(', ')}`);
  }
  const anchorDay = fields.get('anchorDay');
  if (anchorDay !== undefined && period !== 'month') {
    throw new InvalidInputError(`${field}.anchorDay`, `goes with calendar month only, not with ${period}`);
  }
  if (anchorDay !== undefined && !isWholeNumber(anchorDay, 1, 31)) {
    throw new InvalidInputError(
      `${field}.anchorDay`,
      `${shown(anchorDay)} is not a whole number from 1 to 31`,
    );
  }
  const timeZone = parseTimeZone(fields.get('timeZone'), `${field}.timeZone`);
  return { kind: 'calendar', period, timeZone, anchorDay: anchorDay ?? 1 };
}

function parseTimeZone(value: unknown, field: string): string {
  if (value === undefined) return 'UTC';
  const wellFormed =
    typeof value === 'string' &&
    value.length <= TIME_ZONE_LENGTH_MAX &&
    /^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9][A-Za-z0-9_+-]*){0,2}$/.test(value);
  if (!wellFormed) {
    throw new InvalidInputError(
      field,
      `${shown(value)} is no time zone name such as "Europe/Berlin" (at most ${TIME_ZONE_LENGTH_MAX} characters)`,
    );
  }
  return value.toUpperCase() === 'UTC' ? 'UTC' : value;
}

function parseEvery(fields: ReadonlyMap<string, unknown>, field: string): WindowSpec {
  refuseUnknown(fields, ['every', 'anchor'], field);
  const every = fields.get('every');
  const lengthMs = typeof every === 'string' ? durationMs(every) : null;
  if (lengthMs === null) {
    throw new InvalidInputError(
      `${field}.every`,
      `${shown(every)} is no ISO 8601 duration in weeks, days, hours, minutes and seconds, such as "PT5H"`,
    );
  }
  if (lengthMs < EVERY_MIN_MS || lengthMs > EVERY_MAX_MS) {
    throw new InvalidInputError(
      `${field}.every`,
      `${shown(every)} is not from 1 minute (PT1M) to 366 days (P366D)`,
    );
  }
  const anchor = fields.get('anchor');
  if (anchor === undefined) return { kind: 'every', lengthMs, anchorMs: ANCHOR_DEFAULT_MS };
  const anchorMs = typeof anchor === 'string' ? isoInstantMs(anchor) : null;
  if (anchorMs === null) {
    throw new InvalidInputError(
      `${field}.anchor`,
      `${shown(anchor)} is no ISO 8601 instant with its zone, years 0001 to 9999, such as "2026-01-01T00:00:00Z"`,
    );
  }
  return { kind: 'every', lengthMs, anchorMs };
}

/** The canonical text of a window, for people: "lifetime", "day", "month Europe/Berlin from day 15", "every PT5H from …". */
export function windowLabel(spec: WindowSpec): string {
  if (spec.kind === 'lifetime') return 'lifetime';
  if (spec.kind === 'every')
    return `every ${durationText(spec.lengthMs)} from ${isoInstantText(spec.anchorMs)}`;
  const zone = spec.timeZone === 'UTC' ? '' : ` ${spec.timeZone}`;
  const anchor = spec.anchorDay === 1 ? '' : ` from day ${spec.anchorDay}`;
  return spec.period + zone + anchor;
}

/** The shortest input that states this window: parseWindow of it is deep-equal to `spec`. */
export function windowInputOf(spec: WindowSpec): WindowInput {
  if (spec.kind === 'lifetime') return 'lifetime';
  if (spec.kind === 'every') {
    const every = durationText(spec.lengthMs);
    return spec.anchorMs === ANCHOR_DEFAULT_MS ? { every } : { every, anchor: isoInstantText(spec.anchorMs) };
  }
  const { period, timeZone, anchorDay } = spec;
  if (timeZone === 'UTC' && anchorDay === 1) return period;
  return {
    calendar: period,
    ...(timeZone === 'UTC' ? {} : { timeZone }),
    ...(anchorDay === 1 ? {} : { anchorDay }),
  };
}

// A mean Gregorian month: 146,097 days in 4,800 months.
const MONTH_RANK_MS = (146_097 * DAY_MS) / 4_800;
const PERIOD_RANK_MS: Readonly<Record<CalendarPeriod, number>> = {
  hour: HOUR_MS,
  day: DAY_MS,
  week: 7 * DAY_MS,
  month: MONTH_RANK_MS,
};

/** The nominal length in ms, for saying which of two windows is the shorter (rule P2); a lifetime is Infinity. */
export function windowLengthRank(spec: WindowSpec): number {
  if (spec.kind === 'lifetime') return Number.POSITIVE_INFINITY;
  return spec.kind === 'every' ? spec.lengthMs : PERIOD_RANK_MS[spec.period];
}

/**
 * The window that an instant (BEGINNING_MS ≤ it < NEVER_MS) falls into.
 *
 * Days, weeks (from Monday) and months begin at the first instant whose local date is theirs or a later one: where local
 * midnight is skipped, at the first instant after the gap; where it occurs twice, at the first. A local date that never
 * was (Pacific/Apia, 30 December 2011) has no window. Hours are occurrences of a local clock hour: the hour that is
 * repeated when clocks go back is a window of its own, and each lasts 60 minutes of elapsed time, except where clocks
 * shift by what is no whole number of hours (Lord Howe Island: 30 minutes); such a shift ends one window and begins another.
 */
export function windowAt(
  spec: WindowSpec,
  instantMs: number,
  offsetOf: ZoneOffset,
): { startMs: number; endMs: number } {
  if (spec.kind === 'lifetime') return { startMs: BEGINNING_MS, endMs: NEVER_MS };
  if (spec.kind === 'every') {
    const startMs = instantMs - floorMod(instantMs - spec.anchorMs, spec.lengthMs);
    return bounded(startMs, startMs + spec.lengthMs);
  }
  const offsetAt: OffsetAt =
    spec.timeZone === 'UTC' ? () => 0 : (at) => offsetOf(spec.timeZone, clampedInstant(at));
  return spec.period === 'hour' ? hourAt(instantMs, offsetAt) : datesAt(spec, instantMs, offsetAt);
}

type OffsetAt = (instantMs: number) => number;

function hourAt(instantMs: number, offsetAt: OffsetAt): { startMs: number; endMs: number } {
  // Only the part of the offset that is no whole hour moves the hours' beginnings.
  const phaseAt: OffsetAt = (at) => floorMod(offsetAt(at), HOUR_MS);
  const phaseMs = phaseAt(instantMs);
  const startMs = instantMs - floorMod(instantMs + phaseMs, HOUR_MS);
  const endMs = startMs + HOUR_MS;
  return bounded(
    phaseAt(startMs) === phaseMs ? startMs : changeBetween(startMs, instantMs, phaseAt),
    phaseAt(endMs - 1) === phaseMs ? endMs : changeBetween(instantMs, endMs - 1, phaseAt),
  );
}

function datesAt(
  spec: CalendarWindow,
  instantMs: number,
  offsetAt: OffsetAt,
): { startMs: number; endMs: number } {
  const startOf = (index: number) => firstInstantOf(firstDayOfPeriod(spec, index) * DAY_MS, offsetAt);
  let index = periodOfDay(spec, floorDiv(instantMs + offsetAt(instantMs), DAY_MS));
  // Clocks set back across midnight show a date again that is over: its instants belong to the window already begun.
  while (startOf(index + 1) <= instantMs) index += 1;
  return bounded(startOf(index), startOf(index + 1));
}

/** The first instant at which local clocks show `localMs` (ms since 1970 by the local clock) or later. */
function firstInstantOf(localMs: number, offsetAt: OffsetAt): number {
  const fromMs = localMs - OFFSET_MAX_MS;
  const toMs = localMs + OFFSET_MAX_MS;
  const [offsetMs, laterOffsetMs] = [offsetAt(fromMs), offsetAt(toMs)];
  if (offsetMs === laterOffsetMs) return localMs - offsetMs;
  const changeMs = changeBetween(fromMs, toMs, offsetAt);
  if (localMs - offsetMs < changeMs) return localMs - offsetMs;
  // Either the change skips that local time, so that it is the first instant after, or the time comes later.
  return Math.max(changeMs, localMs - laterOffsetMs);
}

/** The first instant after `fromMs` with the value that `toMs` has; between the two the value changes once. */
function changeBetween(fromMs: number, toMs: number, valueAt: OffsetAt): number {
  const before = valueAt(fromMs);
  let low = fromMs;
  let high = toMs;
  while (high - low > 1) {
    const middle = low + Math.floor((high - low) / 2);
    if (valueAt(middle) === before) low = middle;
    else high = middle;
  }
  return high;
}

// Periods are numbered so that the next one is index + 1; days count from 1970-01-01, which was a Thursday.
function periodOfDay(spec: CalendarWindow, day: number): number {
  if (spec.period === 'day') return day;
  if (spec.period === 'week') return floorDiv(day + 3, 7);
  const { year, month } = civilFromDays(day);
  const index = year * 12 + month - 1;
  return day >= firstDayOfPeriod(spec, index) ? index : index - 1;
}

function firstDayOfPeriod(spec: CalendarWindow, index: number): number {
  if (spec.period === 'day') return index;
  if (spec.period === 'week') return index * 7 - 3;
  const year = floorDiv(index, 12);
  const month = floorMod(index, 12) + 1;
  return daysFromCivil(year, month, Math.min(spec.anchorDay, daysInMonth(year, month)));
}

// Days since 1970-01-01 of a civil date and back, counted in 400-year eras from 1 March of year 0:
// https://howardhinnant.github.io/date_algorithms.html (days_from_civil, civil_from_days).
function daysFromCivil(year: number, month: number, day: number): number {
  const marchYear = month <= 2 ? year - 1 : year;
  const yearOfEra = floorMod(marchYear, 400);
  const dayOfYear = Math.floor((153 * floorMod(month + 9, 12) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return floorDiv(marchYear, 400) * 146_097 + dayOfEra - 719_468;
}

function civilFromDays(days: number): { year: number; month: number; day: number } {
  const dayOfEra = floorMod(days + 719_468, 146_097);
  const leapDays =
    Math.floor(dayOfEra / 1_460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096);
  const yearOfEra = Math.floor((dayOfEra - leapDays) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  const year = yearOfEra + floorDiv(days + 719_468, 146_097) * 400 + (month <= 2 ? 1 : 0);
  return { year, month, day: dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1 };
}

function daysInMonth(year: number, month: number): number {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
  return floorMod(year, 4) === 0 && (floorMod(year, 100) !== 0 || floorMod(year, 400) === 0) ? 29 : 28;
}

function durationMs(text: string): number | null {
  if (text.length > TEXT_LENGTH_MAX) return null;
  const match = /^P(?=[\dT])(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/.exec(text);
  if (match === null) return null;
  const [weeks, days, hours, minutes, seconds] = match.slice(1).map((digits) => Number(digits ?? 0));
  return (weeks * 7 + days) * DAY_MS + hours * HOUR_MS + minutes * MINUTE_MS + seconds * SECOND_MS;
}

function durationText(lengthMs: number): string {
  const part = (count: number, letter: string) => (count === 0 ? '' : `${count}${letter}`);
  const days = part(floorDiv(lengthMs, DAY_MS), 'D');
  const time =
    part(floorDiv(floorMod(lengthMs, DAY_MS), HOUR_MS), 'H') +
    part(floorDiv(floorMod(lengthMs, HOUR_MS), MINUTE_MS), 'M') +
    part(floorDiv(floorMod(lengthMs, MINUTE_MS), SECOND_MS), 'S');
  return `P${days}${time === '' ? '' : `T${time}`}`;
}

function isoInstantMs(text: string): number | null {
  if (text.length > TEXT_LENGTH_MAX) return null;
  const match =
    /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3}))?)?(?:Z|([+-])(\d\d):(\d\d))$/.exec(text);
  if (match === null) return null;
  const [year, month, day, hour, minute] = match.slice(1, 6).map(Number);
  const second = Number(match[6] ?? 0);
  const [zoneHour, zoneMinute] = [Number(match[9] ?? 0), Number(match[10] ?? 0)];
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return null;
  if (hour > 23 || minute > 59 || second > 59 || zoneHour > 23 || zoneMinute > 59) return null;
  const localMs =
    daysFromCivil(year, month, day) * DAY_MS +
    hour * HOUR_MS +
    minute * MINUTE_MS +
    second * SECOND_MS +
    Number((match[7] ?? '').padEnd(3, '0'));
  const zoneMs = zoneHour * HOUR_MS + zoneMinute * MINUTE_MS;
  const instantMs = match[8] === '-' ? localMs + zoneMs : localMs - zoneMs;
  return instantMs >= ANCHOR_MIN_MS && instantMs <= ANCHOR_MAX_MS ? instantMs : null;
}

function isoInstantText(instantMs: number): string {
  const digits = (value: number, count: number) => String(value).padStart(count, '0');
  const { year, month, day } = civilFromDays(floorDiv(instantMs, DAY_MS));
  const timeMs = floorMod(instantMs, DAY_MS);
  const hour = digits(floorDiv(timeMs, HOUR_MS), 2);
  const minute = digits(floorDiv(floorMod(timeMs, HOUR_MS), MINUTE_MS), 2);
  const second = digits(floorDiv(floorMod(timeMs, MINUTE_MS), SECOND_MS), 2);
  const millisecond = floorMod(timeMs, SECOND_MS);
  const fraction = millisecond === 0 ? '' : `.${digits(millisecond, 3)}`;
  return `${digits(year, 4)}-${digits(month, 2)}-${digits(day, 2)}T${hour}:${minute}:${second}${fraction}Z`;
}

function refuseUnknown(fields: ReadonlyMap<string, unknown>, known: readonly string[], field: string): void {
  const unknown = [...fields.keys()].find((key) => !known.includes(key));
  if (unknown === undefined) return;
  throw new InvalidInputError(field, `unknown field ${shown(unknown)}; known here: ${known.join(', ')}`);
}

function isPeriod(value: unknown): value is CalendarPeriod {
  return typeof value === 'string' && PERIODS.includes(value);
}

function isWholeNumber(value: unknown, min: number, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}

// Never the value's own toString or toJSON, which a hostile object could bring.
function shown(value: unknown): string {
  if (typeof value === 'string') {
    return JSON.stringify(value.length > SHOWN_LENGTH_MAX ? `${value.slice(0, SHOWN_LENGTH_MAX)}…` : value);
  }
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  return typeof value === 'function' || typeof value === 'symbol' ? `a ${typeof value}` : String(value);
}

function clampedInstant(instantMs: number): number {
  return Math.min(Math.max(instantMs, BEGINNING_MS), NEVER_MS);
}

function bounded(startMs: number, endMs: number): { startMs: number; endMs: number } {
  return { startMs: clampedInstant(startMs), endMs: clampedInstant(endMs) };
}

function floorMod(value: number, by: number): number {
  return ((value % by) + by) % by;
}

// Exact while |value| is below 2^53, as all here are: no quotient of such numbers rounds up to the next whole one.
function floorDiv(value: number, by: number): number {
  return Math.floor(value / by);
}
