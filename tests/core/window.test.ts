// Calendar windows: their stated forms, their edges across clock changes, and that they tile time in every zone.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assertTimeZone, zoneOffset } from '#bursar/authority/time-zones.js';
import type { WindowInput } from '#bursar/core/requests.js';
import {
  BEGINNING_MS,
  NEVER_MS,
  parseWindow,
  type WindowSpec,
  windowAt,
  windowInputOf,
  windowLabel,
  windowLengthRank,
} from '#bursar/core/window.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

function windowOf(input: WindowInput, instant: string): string {
  const { startMs, endMs } = windowAt(parseWindow(input, 'window'), Date.parse(instant), zoneOffset);
  return `${shortText(startMs)} … ${shortText(endMs)}`;
}

// "2026-03-01" for a midnight, "2026-03-01T04:30" for a whole minute, else the full instant; all in UTC.
function shortText(instantMs: number): string {
  return new Date(instantMs)
    .toISOString()
    .replace(/:00\.000Z$/, '')
    .replace(/T00:00$/, '');
}

function problemOf(input: unknown): string {
  try {
    parseWindow(input as WindowInput, 'window');
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
}

describe('windowAt: UTC calendar', () => {
  test.each<[WindowInput, string, string]>([
    ['hour', '2026-07-04T10:59:59.999Z', '2026-07-04T10:00 … 2026-07-04T11:00'],
    ['hour', '2026-07-04T11:00:00Z', '2026-07-04T11:00 … 2026-07-04T12:00'],
    ['day', '2026-12-31T23:59:59.999Z', '2026-12-31 … 2027-01-01'],
    ['day', '1969-12-31T23:59:59.999Z', '1969-12-31 … 1970-01-01'],
    ['week', '2026-10-04T23:59:59.999Z', '2026-09-28 … 2026-10-05'],
    ['week', '2026-10-05T00:00:00Z', '2026-10-05 … 2026-10-12'],
    ['week', '1970-01-01T00:00:00Z', '1969-12-29 … 1970-01-05'],
    ['month', '2026-01-31T23:59:59.999Z', '2026-01-01 … 2026-02-01'],
    ['month', '2026-02-28T12:00:00Z', '2026-02-01 … 2026-03-01'],
    ['month', '2024-02-29T12:00:00Z', '2024-02-01 … 2024-03-01'],
    ['month', '2026-12-01T00:00:00Z', '2026-12-01 … 2027-01-01'],
  ])('%j at %s is %s', (input, instant, expected) => {
    expect(windowOf(input, instant)).toBe(expected);
  });

  test.each<[number, string, string]>([
    [15, '2026-03-14T23:59:59.999Z', '2026-02-15 … 2026-03-15'],
    [15, '2026-03-15T00:00:00Z', '2026-03-15 … 2026-04-15'],
    [15, '2027-01-01T00:00:00Z', '2026-12-15 … 2027-01-15'],
    [29, '2026-02-27T23:59:59.999Z', '2026-01-29 … 2026-02-28'],
    [29, '2026-02-28T00:00:00Z', '2026-02-28 … 2026-03-29'],
    [29, '2024-02-28T23:59:59.999Z', '2024-01-29 … 2024-02-29'],
    [30, '2024-02-29T00:00:00Z', '2024-02-29 … 2024-03-30'],
    [30, '2026-03-29T00:00:00Z', '2026-02-28 … 2026-03-30'],
    [31, '2026-04-29T23:59:59.999Z', '2026-03-31 … 2026-04-30'],
    [31, '2026-04-30T00:00:00Z', '2026-04-30 … 2026-05-31'],
    [31, '2100-02-28T00:00:00Z', '2100-02-28 … 2100-03-31'],
    [31, '2000-02-29T00:00:00Z', '2000-02-29 … 2000-03-31'],
  ])('a month from day %i at %s is %s', (anchorDay, instant, expected) => {
    expect(windowOf({ calendar: 'month', anchorDay }, instant)).toBe(expected);
  });

  test('UTC asks no time-zone table', () => {
    const noTable = () => {
      throw new Error('asked');
    };
    expect(windowAt(parseWindow('month', 'window'), 0, noTable)).toEqual({ startMs: 0, endMs: 31 * DAY_MS });
  });

  test('calendar dates agree with Date for every day from 1899 to 2101', () => {
    const month = parseWindow('month', 'window');
    for (let at = Date.UTC(1899, 0, 1); at < Date.UTC(2101, 0, 1); at += DAY_MS) {
      const date = new Date(at);
      const [year, monthIndex] = [date.getUTCFullYear(), date.getUTCMonth()];
      const { startMs, endMs } = windowAt(month, at, zoneOffset);
      if (startMs !== Date.UTC(year, monthIndex, 1) || endMs !== Date.UTC(year, monthIndex + 1, 1)) {
        expect.fail(`${date.toISOString()}: ${startMs} … ${endMs}`);
      }
    }
  });
});

describe('windowAt: local calendars', () => {
  test.each<[string, string, string, string]>([
    [
      'the day clocks go forward has 23 hours',
      'Europe/Berlin',
      '2026-03-29T12:00:00Z',
      '2026-03-28T23:00 … 2026-03-29T22:00',
    ],
    [
      'the day clocks go back has 25 hours',
      'Europe/Berlin',
      '2026-10-25T12:00:00Z',
      '2026-10-24T22:00 … 2026-10-25T23:00',
    ],
    ['a zone of half an hour', 'Asia/Kolkata', '2026-05-05T18:30:00Z', '2026-05-05T18:30 … 2026-05-06T18:30'],
    [
      'a zone of three quarters',
      'Asia/Kathmandu',
      '2026-05-05T18:14:59Z',
      '2026-05-04T18:15 … 2026-05-05T18:15',
    ],
    [
      'midnight skipped: the day begins at 01:00',
      'America/Sao_Paulo',
      '2018-11-04T12:00:00Z',
      '2018-11-04T03:00 … 2018-11-05T02:00',
    ],
    [
      'midnight skipped: the day before ends there',
      'America/Sao_Paulo',
      '2018-11-04T02:59:59.999Z',
      '2018-11-03T03:00 … 2018-11-04T03:00',
    ],
    [
      'midnight skipped in Cairo',
      'Africa/Cairo',
      '2024-04-26T12:00:00Z',
      '2024-04-25T22:00 … 2024-04-26T21:00',
    ],
    [
      'midnight skipped in Beirut',
      'Asia/Beirut',
      '2022-03-27T12:00:00Z',
      '2022-03-26T22:00 … 2022-03-27T21:00',
    ],
    [
      'the hour before midnight twice: one day of 25 hours',
      'America/Sao_Paulo',
      '2018-02-18T02:30:00Z',
      '2018-02-17T02:00 … 2018-02-18T03:00',
    ],
    [
      'midnight twice: the day begins at the first',
      'America/St_Johns',
      '2010-11-07T02:30:00Z',
      '2010-11-07T02:30 … 2010-11-08T03:30',
    ],
    [
      'midnight twice: the date shown again stays in the new day',
      'America/St_Johns',
      '2010-11-07T03:00:00Z',
      '2010-11-07T02:30 … 2010-11-08T03:30',
    ],
    [
      'a date that never was has no window: before',
      'Pacific/Apia',
      '2011-12-30T09:59:59.999Z',
      '2011-12-29T10:00 … 2011-12-30T10:00',
    ],
    [
      'a date that never was has no window: after',
      'Pacific/Apia',
      '2011-12-30T10:00:00Z',
      '2011-12-30T10:00 … 2011-12-31T10:00',
    ],
    [
      'clocks back by half an hour',
      'Australia/Lord_Howe',
      '2026-04-05T00:00:00Z',
      '2026-04-04T13:00 … 2026-04-05T13:30',
    ],
  ])('day: %s', (_title, timeZone, instant, expected) => {
    expect(windowOf({ calendar: 'day', timeZone }, instant)).toBe(expected);
  });

  test('a week and a month begin on local dates, in the offsets of their own ends', () => {
    const timeZone = 'America/New_York';
    expect(windowOf({ calendar: 'week', timeZone }, '2026-03-08T12:00:00Z')).toBe(
      '2026-03-02T05:00 … 2026-03-09T04:00',
    );
    expect(windowOf({ calendar: 'month', timeZone, anchorDay: 31 }, '2026-11-01T12:00:00Z')).toBe(
      '2026-10-31T04:00 … 2026-11-30T05:00',
    );
  });

  test.each<[string, string, string, string]>([
    [
      'begins at the local hour',
      'Asia/Kolkata',
      '2026-05-05T10:00:00Z',
      '2026-05-05T09:30 … 2026-05-05T10:30',
    ],
    [
      'skipped by clocks going forward: hours follow on',
      'Europe/Berlin',
      '2026-03-29T01:00:00Z',
      '2026-03-29T01:00 … 2026-03-29T02:00',
    ],
    [
      'repeated: the first is a window',
      'Europe/Berlin',
      '2026-10-25T00:30:00Z',
      '2026-10-25 … 2026-10-25T01:00',
    ],
    [
      'repeated: the second is another',
      'Europe/Berlin',
      '2026-10-25T01:30:00Z',
      '2026-10-25T01:00 … 2026-10-25T02:00',
    ],
    [
      'cut when clocks go back by 30 minutes: whole before',
      'Australia/Lord_Howe',
      '2026-04-04T14:59:59Z',
      '2026-04-04T14:00 … 2026-04-04T15:00',
    ],
    [
      'cut when clocks go back by 30 minutes: half after',
      'Australia/Lord_Howe',
      '2026-04-04T15:00:00Z',
      '2026-04-04T15:00 … 2026-04-04T15:30',
    ],
    [
      'cut when clocks go forward by 30 minutes',
      'Australia/Lord_Howe',
      '2026-10-03T15:45:00Z',
      '2026-10-03T15:30 … 2026-10-03T16:00',
    ],
    [
      'cut in the middle, the part before',
      'Asia/Pyongyang',
      '2015-08-14T14:50:00Z',
      '2015-08-14T14:00 … 2015-08-14T15:00',
    ],
    [
      'cut in the middle, the part after',
      'Asia/Pyongyang',
      '2015-08-14T15:10:00Z',
      '2015-08-14T15:00 … 2015-08-14T15:30',
    ],
  ])('hour: %s', (_title, timeZone, instant, expected) => {
    expect(windowOf({ calendar: 'hour', timeZone }, instant)).toBe(expected);
  });

  test('an unknown zone is refused by name', () => {
    expect(() => assertTimeZone('Europe/Atlantis', 'window.timeZone')).toThrow(
      'window.timeZone: "Europe/Atlantis" is no known time zone',
    );
    expect(() => windowOf({ calendar: 'day', timeZone: 'Europe/Atlantis' }, '2026-01-01T00:00:00Z')).toThrow(
      'no known time zone',
    );
    expect(() => assertTimeZone('Europe/Berlin', 'window.timeZone')).not.toThrow();
  });

  test('offsets are exact to the second where a zone once had seconds', () => {
    expect(zoneOffset('America/New_York', Date.UTC(1880, 0, 1))).toBe(-(4 * 3600 + 56 * 60 + 2) * 1000);
    expect(zoneOffset('UTC', 0)).toBe(0);
    expect(zoneOffset('Asia/Kathmandu', Date.UTC(2026, 0, 1))).toBe(5.75 * HOUR_MS);
  });
});

describe('windowAt: fixed lengths and lifetimes', () => {
  test.each<[WindowInput, string, string]>([
    [{ every: 'PT5H' }, '1970-01-01T04:59:59.999Z', '1970-01-01 … 1970-01-01T05:00'],
    [{ every: 'PT5H' }, '1969-12-31T23:00:00Z', '1969-12-31T19:00 … 1970-01-01'],
    [
      { every: 'P1W', anchor: '2026-01-01T06:00:00+02:00' },
      '2026-01-08T03:59:59Z',
      '2026-01-01T04:00 … 2026-01-08T04:00',
    ],
    [
      { every: 'P1W', anchor: '2026-01-01T06:00:00+02:00' },
      '2026-01-01T03:59:59Z',
      '2025-12-25T04:00 … 2026-01-01T04:00',
    ],
  ])('%j at %s is %s', (input, instant, expected) => {
    expect(windowOf(input, instant)).toBe(expected);
  });

  test('a lifetime has all of time', () => {
    expect(windowAt({ kind: 'lifetime' }, 0, zoneOffset)).toEqual({ startMs: BEGINNING_MS, endMs: NEVER_MS });
  });

  test('edges are exact at the far end of time', () => {
    const spec: WindowSpec = { kind: 'every', lengthMs: 61_000, anchorMs: Date.UTC(1, 0, 1) };
    const near = windowAt(spec, NEVER_MS - 10_000_000, zoneOffset).startMs;
    for (let count = 0; count < 100; count += 1) {
      const startMs = near + count * 61_000;
      expect(windowAt(spec, startMs, zoneOffset)).toEqual({ startMs, endMs: startMs + 61_000 });
      expect(windowAt(spec, startMs - 1, zoneOffset).endMs).toBe(startMs);
    }
  });

  test('bounds stay within the instants that dates can show', () => {
    for (const input of [
      'day',
      'month',
      { every: 'P366D' },
      { calendar: 'week', timeZone: 'Asia/Tokyo' },
    ] as const) {
      const spec = parseWindow(input, 'window');
      expect(windowAt(spec, NEVER_MS - 1, zoneOffset).endMs).toBe(NEVER_MS);
      expect(windowAt(spec, BEGINNING_MS, zoneOffset).startMs).toBe(BEGINNING_MS);
    }
  });
});

// biome-ignore format: a list reads better packed
// Zones of every habit: half hours, 45 minutes, 30 minutes' daylight saving, skipped and repeated midnights, the date line.
const ZONES = [
  'UTC', 'Europe/Berlin', 'Europe/London', 'Europe/Dublin', 'Europe/Moscow', 'Europe/Lisbon', 'America/New_York',
  'America/St_Johns', 'America/Sao_Paulo', 'America/Asuncion', 'America/Havana', 'America/Santiago', 'America/Caracas',
  'America/Noronha', 'America/Nuuk', 'America/Scoresbysund', 'Africa/Cairo', 'Africa/Casablanca', 'Asia/Beirut',
  'Asia/Gaza', 'Asia/Amman', 'Asia/Tehran', 'Asia/Kolkata', 'Asia/Kathmandu', 'Asia/Pyongyang', 'Asia/Dili',
  'Australia/Lord_Howe', 'Australia/Eucla', 'Antarctica/Troll', 'Antarctica/Casey', 'Pacific/Apia', 'Pacific/Kwajalein',
  'Pacific/Kiritimati', 'Pacific/Enderbury', 'Pacific/Chatham', 'Pacific/Norfolk', 'Pacific/Bougainville',
];

const FROM_MS = Date.UTC(1990, 0, 1);
const TO_MS = Date.UTC(2040, 0, 1);

const changes = new Map<string, readonly number[]>();
/** The instants between FROM_MS and TO_MS at which a zone's clocks change, found without the code under test. */
function changesOf(timeZone: string): readonly number[] {
  const known = changes.get(timeZone);
  if (known !== undefined) return known;
  const found: number[] = [];
  for (let at = FROM_MS; at < TO_MS; at += 3 * DAY_MS) {
    const before = zoneOffset(timeZone, at);
    let [low, high] = [at, at + 3 * DAY_MS];
    if (zoneOffset(timeZone, high) === before) continue;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (zoneOffset(timeZone, middle) === before) low = middle;
      else high = middle;
    }
    found.push(high);
  }
  changes.set(timeZone, found);
  return found;
}

const calendarSpec: fc.Arbitrary<WindowSpec & { kind: 'calendar' }> = fc
  .record({
    period: fc.constantFrom('hour' as const, 'day' as const, 'week' as const, 'month' as const),
    timeZone: fc.constantFrom(...ZONES),
    day: fc.integer({ min: 1, max: 31 }),
  })
  .map(({ period, timeZone, day }) => ({
    kind: 'calendar',
    period,
    timeZone,
    anchorDay: period === 'month' ? day : 1,
  }));

const everySpec: fc.Arbitrary<WindowSpec> = fc.record({
  kind: fc.constant('every' as const),
  lengthMs: fc.integer({ min: 60, max: 366 * 86_400 }).map((seconds) => seconds * 1_000),
  anchorMs: fc.integer({ min: Date.UTC(1, 0, 1), max: Date.UTC(9999, 11, 31) }),
});

const instant = fc.integer({ min: FROM_MS, max: TO_MS });

/** Half of the instants are within 36 hours of a change of the zone's clocks, where mistakes live. */
function instantFor(spec: WindowSpec): fc.Arbitrary<number> {
  const near = spec.kind === 'calendar' ? changesOf(spec.timeZone) : [];
  if (near.length === 0) return instant;
  const around = fc.integer({ min: -36 * HOUR_MS, max: 36 * HOUR_MS });
  return fc.oneof(
    instant,
    fc
      .tuple(fc.constantFrom(...near), fc.oneof(around, fc.constantFrom(-1, 0, 1)))
      .map(([at, by]) => at + by),
  );
}

const specAndInstant = fc
  .oneof({ weight: 6, arbitrary: calendarSpec }, { weight: 1, arbitrary: everySpec })
  .chain((spec) => fc.tuple(fc.constant<WindowSpec>(spec), instantFor(spec)));

/** What a zone's clock shows at an instant, as Intl's calendar writes it: a second way to the same figures. */
function localClock(
  timeZone: string,
  instantMs: number,
): { date: string; dayOfMonth: number; minute: number } {
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    minute: '2-digit',
  }).formatToParts(instantMs);
  const part = (type: string) => parts.find((each) => each.type === type)?.value ?? '';
  return {
    date: `${part('year')}-${part('month')}-${part('day')}`,
    dayOfMonth: Number(part('day')),
    minute: Number(part('minute')),
  };
}

describe('windowAt: properties', () => {
  test('windows tile time: contiguous, none overlaps, every instant in exactly one', () => {
    fc.assert(
      fc.property(specAndInstant, ([spec, at]) => {
        const window = windowAt(spec, at, zoneOffset);
        expect(window.startMs).toBeLessThanOrEqual(at);
        expect(window.endMs).toBeGreaterThan(at);
        for (const inside of [
          window.startMs,
          Math.floor((window.startMs + window.endMs) / 2),
          window.endMs - 1,
        ]) {
          expect(windowAt(spec, inside, zoneOffset)).toEqual(window);
        }
        expect(windowAt(spec, window.startMs - 1, zoneOffset).endMs).toBe(window.startMs);
        expect(windowAt(spec, window.endMs, zoneOffset).startMs).toBe(window.endMs);
      }),
      { numRuns: 2_000 },
    );
  });

  test('a date window begins where the local date first reaches it, by the engine’s own calendar', () => {
    fc.assert(
      fc.property(
        calendarSpec
          .filter(({ period }) => period !== 'hour')
          .chain((spec) => fc.tuple(fc.constant(spec), instantFor(spec))),
        ([spec, at]) => {
          const { startMs } = windowAt(spec, at, zoneOffset);
          const [first, before] = [
            localClock(spec.timeZone, startMs),
            localClock(spec.timeZone, startMs - 1),
          ];
          expect(before.date < first.date).toBe(true);
          // Exactly Monday, or exactly the anchor, unless that very date was skipped (the date line).
          const skipped = Date.parse(first.date) - Date.parse(before.date) > DAY_MS;
          if (skipped || spec.period === 'day') return;
          if (spec.period === 'week') expect(new Date(first.date).getUTCDay()).toBe(1);
          else {
            const [year, month] = first.date.split('-').map(Number);
            const lastDay = new Date(Date.UTC(year, month, 0)).getUTCDate();
            expect(first.dayOfMonth).toBe(Math.min(spec.anchorDay, lastDay));
          }
        },
      ),
      { numRuns: 1_500 },
    );
  });

  test('an hour window lasts 60 minutes from a full local hour, except where a clock change cuts it', () => {
    fc.assert(
      fc.property(
        calendarSpec
          .filter(({ period }) => period === 'hour')
          .chain((spec) => fc.tuple(fc.constant(spec), instantFor(spec))),
        ([spec, at]) => {
          const { startMs, endMs } = windowAt(spec, at, zoneOffset);
          const isChange = (edge: number) => changesOf(spec.timeZone).includes(edge);
          expect(endMs - startMs).toBeLessThanOrEqual(HOUR_MS);
          if (endMs - startMs < HOUR_MS) expect(isChange(startMs) || isChange(endMs)).toBe(true);
          if (!isChange(startMs)) expect(localClock(spec.timeZone, startMs).minute).toBe(0);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test('windows tile time whatever a zone’s clocks do, date changes both ways included', () => {
    const offset = fc.integer({ min: -16 * 60, max: 16 * 60 }).map((minutes) => minutes * 60_000);
    const spec = calendarSpec.map((each): WindowSpec => ({ ...each, timeZone: 'Test/Zone' }));
    fc.assert(
      fc.property(
        spec,
        offset,
        offset,
        instant,
        fc.integer({ min: -3 * DAY_MS, max: 3 * DAY_MS }),
        (each, a, b, changeMs, by) => {
          const port = (_zone: string, at: number) => (at < changeMs ? a : b);
          const at = changeMs + by;
          const window = windowAt(each, at, port);
          expect(window.startMs <= at && at < window.endMs).toBe(true);
          expect(windowAt(each, window.startMs, port)).toEqual(window);
          expect(windowAt(each, window.endMs - 1, port)).toEqual(window);
          expect(windowAt(each, window.startMs - 1, port).endMs).toBe(window.startMs);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('parseWindow', () => {
  test.each<[WindowInput, WindowSpec, string]>([
    ['lifetime', { kind: 'lifetime' }, 'lifetime'],
    ['hour', { kind: 'calendar', period: 'hour', timeZone: 'UTC', anchorDay: 1 }, 'hour'],
    [
      { calendar: 'day', timeZone: 'utc' },
      { kind: 'calendar', period: 'day', timeZone: 'UTC', anchorDay: 1 },
      'day',
    ],
    [
      { calendar: 'month', timeZone: 'Europe/Berlin', anchorDay: 15 },
      { kind: 'calendar', period: 'month', timeZone: 'Europe/Berlin', anchorDay: 15 },
      'month Europe/Berlin from day 15',
    ],
    [
      { calendar: 'week', timeZone: 'America/Argentina/Buenos_Aires' },
      { kind: 'calendar', period: 'week', timeZone: 'America/Argentina/Buenos_Aires', anchorDay: 1 },
      'week America/Argentina/Buenos_Aires',
    ],
    [
      { every: 'PT300M' },
      { kind: 'every', lengthMs: 5 * HOUR_MS, anchorMs: 0 },
      'every PT5H from 1970-01-01T00:00:00Z',
    ],
    [
      { every: 'P1W1DT1H1M1S', anchor: '2026-02-28T23:30:00.250-01:30' },
      { kind: 'every', lengthMs: 8 * DAY_MS + 3_661_000, anchorMs: Date.UTC(2026, 2, 1, 1, 0, 0, 250) },
      'every P8DT1H1M1S from 2026-03-01T01:00:00.250Z',
    ],
    [
      { every: 'PT1M' },
      { kind: 'every', lengthMs: 60_000, anchorMs: 0 },
      'every PT1M from 1970-01-01T00:00:00Z',
    ],
    [
      { every: 'P366D' },
      { kind: 'every', lengthMs: 366 * DAY_MS, anchorMs: 0 },
      'every P366D from 1970-01-01T00:00:00Z',
    ],
  ])('%j is read to its canonical form', (input, spec, label) => {
    expect(parseWindow(input, 'window')).toEqual(spec);
    expect(windowLabel(spec)).toBe(label);
  });

  test('the canonical input of any window is read back as that window', () => {
    const lifetime = fc.constant<WindowSpec>({ kind: 'lifetime' });
    fc.assert(
      fc.property(fc.oneof(lifetime, calendarSpec, everySpec), (spec) => {
        expect(parseWindow(windowInputOf(spec), 'window')).toEqual(spec);
      }),
    );
    for (let year = 100; year <= 9_900; year += 100) {
      for (const monthDay of ['02-28', '03-01', '12-31', '01-01']) {
        const input = { every: 'P1D', anchor: `${String(year).padStart(4, '0')}-${monthDay}T00:00:00Z` };
        expect(windowInputOf(parseWindow(input, 'window'))).toEqual(input);
      }
    }
    expect(windowInputOf(parseWindow({ calendar: 'day' }, 'window'))).toBe('day');
    expect(windowInputOf(parseWindow({ every: 'P1W' }, 'window'))).toEqual({ every: 'P7D' });
  });

  test.each<[unknown, string]>([
    ['fortnight', 'window: "fortnight" is no window'],
    ['Day', 'window: "Day" is no window'],
    [null, 'window: null is no window'],
    [5, 'window: 5 is no window'],
    [['day'], 'window: a list is no window'],
    [{}, 'exactly one of calendar and every'],
    [{ calendar: 'day', every: 'PT1H' }, 'exactly one of calendar and every'],
    [{ calendar: 'year' }, 'window.calendar: "year" is not one of hour, day, week, month'],
    [{ calendar: 'day', anchorDay: 2 }, 'window.anchorDay: goes with calendar month only, not with day'],
    [{ calendar: 'month', anchorDay: 0 }, 'window.anchorDay: 0 is not a whole number from 1 to 31'],
    [{ calendar: 'month', anchorDay: 32 }, 'window.anchorDay: 32 is not'],
    [{ calendar: 'month', anchorDay: 1.5 }, 'window.anchorDay: 1.5 is not'],
    [{ calendar: 'month', anchorDay: '15' }, 'window.anchorDay: "15" is not'],
    [{ calendar: 'day', timeZone: '' }, 'window.timeZone: "" is no time zone name'],
    [{ calendar: 'day', timeZone: '+02:00' }, 'window.timeZone: "+02:00" is no'],
    [{ calendar: 'day', timeZone: '../etc/passwd' }, 'is no time zone name'],
    [{ calendar: 'day', timeZone: `A${'a'.repeat(64)}` }, 'at most 64 characters'],
    [{ calendar: 'day', zone: 'UTC' }, 'unknown field "zone"; known here: calendar, timeZone, anchorDay'],
    [JSON.parse('{"calendar":"day","__proto__":{"x":1}}'), 'unknown field "__proto__"'],
    [JSON.parse('{"every":"PT1H","constructor":1}'), 'unknown field "constructor"'],
    [Object.create({ calendar: 'day' }), 'exactly one of'],
    [{ calendar: { toString: () => 'day' } }, 'window.calendar: an object is not one of'],
    [{ every: 'P1M' }, 'window.every: "P1M" is no ISO 8601 duration'],
    [{ every: 'P1Y' }, 'is no ISO 8601 duration'],
    [{ every: 'P' }, 'is no ISO 8601 duration'],
    [{ every: 'P1DT' }, 'is no ISO 8601 duration'],
    [{ every: 'PT0.5H' }, 'is no ISO 8601 duration'],
    [{ every: '-PT1H' }, 'is no ISO 8601 duration'],
    [{ every: 3_600_000 }, 'window.every: 3600000 is no ISO 8601 duration'],
    [{ every: 'PT59S' }, 'window.every: "PT59S" is not from 1 minute (PT1M) to 366 days (P366D)'],
    [{ every: 'P366DT1S' }, 'is not from 1 minute'],
    [{ every: `P${'9'.repeat(30)}D` }, 'is not from 1 minute'],
    [{ every: 'PT1H', anchor: '2026-01-01' }, 'window.anchor: "2026-01-01" is no ISO 8601 instant'],
    [{ every: 'PT1H', anchor: '2026-01-01T00:00:00' }, 'is no ISO 8601 instant'],
    [{ every: 'PT1H', anchor: '2026-02-29T00:00:00Z' }, 'is no ISO 8601 instant'],
    [{ every: 'PT1H', anchor: '2026-13-01T00:00:00Z' }, 'is no ISO 8601 instant'],
    [{ every: 'PT1H', anchor: '2026-01-01T24:00:00Z' }, 'is no ISO 8601 instant'],
    [{ every: 'PT1H', anchor: '0001-01-01T00:00:00+01:00' }, 'is no ISO 8601 instant'],
    [{ every: 'PT1H', anchor: 0 }, 'window.anchor: 0 is no ISO 8601 instant'],
    [{ every: 'PT1H', anchorDay: 3 }, 'unknown field "anchorDay"; known here: every, anchor'],
  ])('refuses %j', (input, problem) => {
    expect(problemOf(input)).toContain(problem);
    expect(problemOf(input).length).toBeLessThan(300);
  });

  test('refuses a huge text with a short message', () => {
    const huge = '9'.repeat(1_000_000);
    for (const input of [
      huge,
      { calendar: huge },
      { every: `P${huge}D` },
      { every: 'PT1H', anchor: huge },
      { [huge]: 1, every: 'P1D' },
    ]) {
      expect(problemOf(input)).not.toBe('accepted');
      expect(problemOf(input).length).toBeLessThan(300);
    }
    expect(problemOf({ every: `P${huge}D` })).toContain('is no ISO 8601 duration');
  });

  test('the shorter of two windows is the one of lower rank', () => {
    const inputs: WindowInput[] = [
      'hour',
      { every: 'PT5H' },
      'day',
      'week',
      { every: 'P30D' },
      'month',
      'lifetime',
    ];
    const ranks = inputs.map((input) => windowLengthRank(parseWindow(input, 'window')));
    expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
    expect(new Set(ranks).size).toBe(ranks.length);
    expect(ranks.at(-1)).toBe(Number.POSITIVE_INFINITY);
  });
});
