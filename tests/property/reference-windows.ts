// Windows as the reference model works them out: by asking what period an instant belongs to and searching for where
// that answer changes. No calendar arithmetic is shared with src/core/window.ts.

import type { WindowInput } from '#bursar/core/requests.js';

export interface ReferenceBounds {
  readonly start: number | null;
  readonly end: number | null;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** No window that is searched for is longer than this: a month, and a clock change. */
const SEARCH_MS = 33 * DAY_MS;

const formats = new Map<string, Intl.DateTimeFormat>();

/** Year, month and day that the zone's clocks show. */
function localDate(timeZone: string, instant: number): readonly [number, number, number] {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-CA', {
      timeZone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
    });
    formats.set(timeZone, format);
  }
  const [year, month, day] = format.format(instant).split('-').map(Number);
  return [year as number, month as number, day as number];
}

/** Months counted from year 0; a month that starts on an anchor day is named after the month in which it starts. */
function monthNumber(timeZone: string, anchorDay: number, instant: number): number {
  const [year, month, day] = localDate(timeZone, instant);
  const lastDay = new Date(Date.UTC(year, month, 0)).getUTCDate();
  return year * 12 + month - (day >= Math.min(anchorDay, lastDay) ? 0 : 1);
}

function dayNumber(timeZone: string, instant: number): number {
  const [year, month, day] = localDate(timeZone, instant);
  return Date.UTC(year, month - 1, day) / DAY_MS;
}

/** The first instant, to the minute, of the period that `period` gives for `instant`. */
function firstOf(period: (instant: number) => number, wanted: number, from: number, to: number): number {
  let [before, within] = [Math.floor(from / MINUTE_MS), Math.floor(to / MINUTE_MS)];
  while (within - before > 1) {
    const middle = Math.floor((before + within) / 2);
    if (period(middle * MINUTE_MS) >= wanted) within = middle;
    else before = middle;
  }
  return within * MINUTE_MS;
}

function searched(period: (instant: number) => number, instant: number): ReferenceBounds {
  const own = period(instant);
  return {
    start: firstOf(period, own, instant - SEARCH_MS, instant),
    end: firstOf(period, own + 1, instant, instant + SEARCH_MS),
  };
}

function periodOf(input: Exclude<WindowInput, 'lifetime'>): (instant: number) => number {
  if (typeof input === 'object' && 'every' in input) {
    const match = /^PT(\d+)H$/.exec(input.every);
    if (match === null) throw new Error(`the reference model knows no window of ${input.every}`);
    const anchor = input.anchor === undefined ? 0 : Date.parse(input.anchor);
    return (instant) => Math.floor((instant - anchor) / (Number(match[1]) * 3_600_000));
  }
  const calendar = typeof input === 'string' ? input : input.calendar;
  const timeZone = typeof input === 'string' ? 'UTC' : (input.timeZone ?? 'UTC');
  const anchorDay = typeof input === 'string' ? 1 : (input.anchorDay ?? 1);
  switch (calendar) {
    case 'hour':
      return (instant) => Math.floor(instant / 3_600_000);
    case 'day':
      return (instant) => dayNumber(timeZone, instant);
    case 'week':
      return (instant) => Math.floor((dayNumber(timeZone, instant) + 3) / 7);
    case 'month':
      return (instant) => monthNumber(timeZone, anchorDay, instant);
  }
}

export function referenceWindow(input: WindowInput, instant: number): ReferenceBounds {
  return input === 'lifetime' ? { start: null, end: null } : searched(periodOf(input), instant);
}

export function contains(bounds: ReferenceBounds, instant: number): boolean {
  return (bounds.start ?? -Infinity) <= instant && instant < (bounds.end ?? Infinity);
}
