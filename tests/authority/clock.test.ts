// The ledger's time against a clock that does anything: jumps both ways, months' ends, a leap day, changes of the clocks
// (invariant 8). Holds never expire early, and always in the order of their expiry.

import { describe, expect, test } from 'vitest';
import type { Ledger } from '#bursar/authority/api.js';
import { openLedger } from '#bursar/authority/open.js';
import type { WindowInput } from '#bursar/core/requests.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

class Clocked {
  now: number;
  ledger!: Ledger;

  constructor(at: string) {
    this.now = Date.parse(at);
  }

  static async open(at: string, window: WindowInput = 'lifetime'): Promise<Clocked> {
    const one = new Clocked(at);
    one.ledger = await openLedger({ path: ':memory:', clock: { now: () => one.now } });
    await one.ledger.putBudget({ id: 'b', match: {}, unit: 'usd', limit: 100n, window });
    return one;
  }

  at(instant: string): void {
    this.now = Date.parse(instant);
  }

  /** Spends one step now; gives the window that it was booked to and what is spent there. */
  async spend(): Promise<string> {
    const outcome = await this.ledger.record({ labels: {}, amounts: { usd: 1n } });
    if (outcome.outcome !== 'settled') throw new Error(outcome.code);
    const { window, spent } = outcome.lines[0]!;
    return `${shown(window.start)} … ${shown(window.end)} spent ${spent}`;
  }
}

function shown(instant: number | null): string {
  return new Date(instant ?? 0).toISOString().replace(/:00\.000Z$/, '');
}

const hold = (holdId: string, ttlMs: number) => ({ holdId, labels: {}, amounts: { usd: 1n }, ttlMs });

describe('a clock that jumps', () => {
  test('clock falls back: time in the ledger never falls, and a hold does not live the hour twice', async () => {
    const clocked = await Clocked.open('2026-05-01T12:00:00Z');
    const { ledger } = clocked;
    await ledger.authorize(hold('h', 2 * HOUR_MS));
    clocked.at('2026-05-01T09:00:00Z');
    const second = await ledger.authorize(hold('i', HOUR_MS));
    expect(second).toMatchObject({
      at: Date.parse('2026-05-01T12:00:00Z'),
      expiresAt: Date.parse('2026-05-01T13:00:00Z'),
    });
    clocked.at('2026-05-01T12:59:59.999Z');
    expect(ledger.holds({ status: 'open' })).toHaveLength(2);
    clocked.at('2026-05-01T13:00:00Z');
    expect(ledger.hold('i')).toMatchObject({
      status: 'expired',
      endedAt: Date.parse('2026-05-01T13:00:00Z'),
    });
    clocked.at('2020-01-01T00:00:00Z');
    const times: number[] = [];
    await clocked.spend();
    for await (const event of ledger.events()) times.push(event.at);
    expect(times).toEqual([...times].sort((left, right) => left - right));
    expect((await ledger.verify()).ok).toBe(true);
  });

  test('clock jumps forward and back: what expired meanwhile stays expired, and nothing expires early after', async () => {
    const clocked = await Clocked.open('2026-05-01T12:00:00Z');
    const { ledger } = clocked;
    await ledger.authorize(hold('short', 1_000));
    await ledger.authorize(hold('long', 3 * DAY_MS));
    clocked.at('2026-05-02T12:00:00Z');
    expect(ledger.hold('short')).toMatchObject({ status: 'expired' });
    clocked.at('2026-05-01T12:00:01Z');
    await ledger.authorize(hold('after', 1_000));
    expect(ledger.hold('after')).toMatchObject({
      status: 'open',
      expiresAt: Date.parse('2026-05-02T12:00:01Z'),
    });
    clocked.at('2026-05-02T12:00:00.999Z');
    expect(ledger.hold('after')).toMatchObject({ status: 'open' });
    clocked.at('2026-05-02T12:00:01Z');
    expect(ledger.hold('after')).toMatchObject({ status: 'expired' });
    expect(ledger.hold('long')).toMatchObject({ status: 'open' });
    expect(await ledger.settle({ holdId: 'short', amounts: { usd: 1n } })).toMatchObject({ late: true });
  });

  test('clock falls back across a window’s end: spend goes on in the newer window', async () => {
    const clocked = await Clocked.open('2026-05-01T12:30:00Z', 'hour');
    expect(await clocked.spend()).toBe('2026-05-01T12:00 … 2026-05-01T13:00 spent 1');
    clocked.at('2026-05-01T13:10:00Z');
    expect(await clocked.spend()).toBe('2026-05-01T13:00 … 2026-05-01T14:00 spent 1');
    clocked.at('2026-05-01T12:50:00Z');
    expect(await clocked.spend()).toBe('2026-05-01T13:00 … 2026-05-01T14:00 spent 2');
  });

  test('long sleep: many holds are due at once → they expire in the order of their expiry, ties in that of opening', async () => {
    const clocked = await Clocked.open('2026-05-01T12:00:00Z');
    const { ledger } = clocked;
    const ttls = [500, 300, 900, 300, 100, 900, 700];
    for (const [index, ttlMs] of ttls.entries()) await ledger.authorize(hold(`h${index}`, ttlMs));
    await ledger.extend({ holdId: 'h4', ttlMs: 800 });
    clocked.now += 40 * DAY_MS;
    await clocked.spend();
    const order: (string | null)[] = [];
    for await (const event of ledger.events({ type: 'hold_expired' })) order.push(event.holdId);
    expect(order).toEqual(['h1', 'h3', 'h0', 'h6', 'h4', 'h2', 'h5']);
    expect(ledger.balances()[0]).toMatchObject({ held: 0n, openHolds: 0 });
    expect((await ledger.verify()).ok).toBe(true);
  });

  test('expiry: a hold extended at its last millisecond lives on; at the one after it is too late', async () => {
    const clocked = await Clocked.open('2026-05-01T12:00:00Z');
    const { ledger } = clocked;
    await ledger.authorize(hold('h', 1_000));
    await ledger.authorize(hold('i', 1_000));
    clocked.now += 999;
    expect(await ledger.extend({ holdId: 'h', ttlMs: 5_000 })).toMatchObject({ outcome: 'done' });
    clocked.now += 1;
    expect(await ledger.extend({ holdId: 'i', ttlMs: 5_000 })).toMatchObject({
      code: 'hold_already_expired',
    });
    expect(ledger.hold('h')).toMatchObject({ status: 'open' });
  });
});

describe('the calendar', () => {
  const berlin = (calendar: 'day' | 'month' | 'hour', anchorDay?: number): WindowInput =>
    anchorDay === undefined
      ? { calendar, timeZone: 'Europe/Berlin' }
      : { calendar, timeZone: 'Europe/Berlin', anchorDay };

  test.each<[string, WindowInput, readonly (readonly [string, string])[]]>([
    [
      'a month’s end',
      'month',
      [
        ['2026-01-31T23:59:59.999Z', '2026-01-01T00:00 … 2026-02-01T00:00 spent 1'],
        ['2026-02-01T00:00:00Z', '2026-02-01T00:00 … 2026-03-01T00:00 spent 1'],
        ['2026-12-31T23:59:59Z', '2026-12-01T00:00 … 2027-01-01T00:00 spent 1'],
        ['2027-01-01T00:00:00Z', '2027-01-01T00:00 … 2027-02-01T00:00 spent 1'],
      ],
    ],
    [
      'a leap day',
      'day',
      [
        ['2028-02-28T23:59:59Z', '2028-02-28T00:00 … 2028-02-29T00:00 spent 1'],
        ['2028-02-29T00:00:00Z', '2028-02-29T00:00 … 2028-03-01T00:00 spent 1'],
        ['2028-02-29T23:59:59Z', '2028-02-29T00:00 … 2028-03-01T00:00 spent 2'],
        ['2028-03-01T00:00:00Z', '2028-03-01T00:00 … 2028-03-02T00:00 spent 1'],
      ],
    ],
    [
      'the day of 23 hours',
      berlin('day'),
      [
        ['2026-03-28T22:59:59Z', '2026-03-27T23:00 … 2026-03-28T23:00 spent 1'],
        ['2026-03-28T23:00:00Z', '2026-03-28T23:00 … 2026-03-29T22:00 spent 1'],
        ['2026-03-29T21:59:59Z', '2026-03-28T23:00 … 2026-03-29T22:00 spent 2'],
        ['2026-03-29T22:00:00Z', '2026-03-29T22:00 … 2026-03-30T22:00 spent 1'],
      ],
    ],
    [
      'the day of 25 hours',
      berlin('day'),
      [
        ['2026-10-24T22:00:00Z', '2026-10-24T22:00 … 2026-10-25T23:00 spent 1'],
        ['2026-10-25T22:59:59Z', '2026-10-24T22:00 … 2026-10-25T23:00 spent 2'],
        ['2026-10-25T23:00:00Z', '2026-10-25T23:00 … 2026-10-26T23:00 spent 1'],
      ],
    ],
    [
      'a month that starts on the 31st, across the clock change and short months',
      berlin('month', 31),
      [
        ['2026-01-30T22:59:59Z', '2025-12-30T23:00 … 2026-01-30T23:00 spent 1'],
        ['2026-01-30T23:00:00Z', '2026-01-30T23:00 … 2026-02-27T23:00 spent 1'],
        ['2026-02-27T23:00:00Z', '2026-02-27T23:00 … 2026-03-30T22:00 spent 1'],
        ['2026-03-30T22:00:00Z', '2026-03-30T22:00 … 2026-04-29T22:00 spent 1'],
      ],
    ],
    [
      'a month that starts on the 29th, with a leap day',
      berlin('month', 29),
      [
        ['2027-02-27T22:59:59Z', '2027-01-28T23:00 … 2027-02-27T23:00 spent 1'],
        ['2028-02-28T22:59:59Z', '2028-01-28T23:00 … 2028-02-28T23:00 spent 1'],
        ['2028-02-28T23:00:00Z', '2028-02-28T23:00 … 2028-03-28T22:00 spent 1'],
      ],
    ],
  ])('windows: %s → spend is booked to the right one', async (_name, window, steps) => {
    const clocked = await Clocked.open(steps[0]![0], window);
    for (const [instant, expected] of steps) {
      clocked.at(instant);
      expect(await clocked.spend(), instant).toBe(expected);
    }
    expect((await clocked.ledger.verify()).ok).toBe(true);
  });

  test('hold over a clock change: it lives exactly its time, and settles to the day that it began in', async () => {
    const clocked = await Clocked.open('2026-03-29T00:30:00Z', berlin('day'));
    const { ledger } = clocked;
    await ledger.authorize(hold('h', 2 * HOUR_MS));
    clocked.at('2026-03-29T02:29:59.999Z');
    expect(ledger.hold('h')).toMatchObject({ status: 'open' });
    await ledger.extend({ holdId: 'h', ttlMs: DAY_MS });
    clocked.at('2026-03-29T22:30:00Z');
    const settled = await ledger.settle({ holdId: 'h', amounts: { usd: 1n } });
    expect(settled).toMatchObject({
      lines: [{ window: { end: Date.parse('2026-03-29T22:00:00Z') }, spent: 1n }],
    });
    expect(ledger.balances()).toEqual([]);
  });
});
