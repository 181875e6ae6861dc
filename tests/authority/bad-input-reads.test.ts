// Hostile snapshots, definitions, filters and ids of decisions; and that what a ledger gives out is the caller's own.

import { describe, expect, test } from 'vitest';
import type { Aliases, BudgetSpec, Ledger, Snapshot } from '#bursar/index.js';
import { InvalidInputError, LedgerClosedError, openLedger } from '#bursar/index.js';
import { memoryPlace, onStage } from '../scenario/scenario.js';

const as = <T>(value: unknown) => value as T;

/** The ledger still works: nothing that was refused has stopped it. */
async function worksOn(ledger: Ledger): Promise<void> {
  const outcome = await ledger.authorize({ holdId: 'after', labels: {}, amounts: { usd: 1n } });
  expect(outcome.outcome).toBe('authorized');
}

describe('snapshots', () => {
  const window = { start: null, end: null };
  const row = { id: 'B', budgetId: 'B', values: {}, unit: 'usd', window, granted: 1n, held: 0n, spent: 0n };
  const rest = { remaining: 1n, openHolds: 0, mayBeNegative: false };
  const budgets = [{ id: 'B', match: {}, unit: 'usd', limit: 1n, window: 'lifetime' }];
  const head = { sequence: 0, hash: '' };
  const sound = {
    version: 1,
    head,
    at: 0,
    budgets,
    openHolds: 0,
    spent: {},
    balances: [{ ...row, ...rest }],
    digest: '',
  };

  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['text', 'snapshot'],
    ['an empty object', {}],
    ['balances that are no list', { ...sound, balances: {} }],
    ['a balance that is null', { ...sound, balances: [null] }],
    ['figures that are numbers', { ...sound, balances: [{ ...row, ...rest, spent: 0 }] }],
    [
      'a figure above 2^63−1',
      { ...sound, balances: [{ ...row, ...rest, granted: 2n ** 63n, remaining: 2n ** 63n }] },
    ],
    [
      'a balance of a budget that is not there',
      { ...sound, balances: [{ ...row, ...rest, id: 'X', budgetId: 'X' }] },
    ],
    [
      'a budget without match',
      { ...sound, budgets: [{ id: 'B', unit: 'usd', limit: 1n, window: 'lifetime' }] },
    ],
    ['a budget in an unknown unit', { ...sound, budgets: [{ ...budgets[0], unit: 'x' }] }],
    ['a budget with an unknown window', { ...sound, budgets: [{ ...budgets[0], window: 'fortnight' }] }],
    ['totals in an unknown unit', { ...sound, spent: { x: 1n } }],
    ['totals that are numbers', { ...sound, spent: { usd: 1 } }],
    ['a version that is no number', { ...sound, version: 'x' }],
  ])('restore: %s → refused, nothing changes, and the ledger goes on', (_what, snapshot) =>
    onStage(memoryPlace, async ({ ledger }) => {
      const before = ledger.head();
      const answer = await ledger.restoreSnapshot(as<Snapshot>(snapshot)).catch((error) => error);
      if (answer.outcome !== 'rejected') {
        expect(answer).toBeInstanceOf(InvalidInputError);
        expect(ledger.head()).toEqual(before);
      }
      expect(ledger.budgets()).toEqual([]);
      await worksOn(ledger);
    }),
  );
});

describe('definitions', () => {
  test.each<[string, unknown]>([
    ['text', 'x'],
    ['a field that is none, which would not be saved', { budget: [] }],
    ['units that are no list', { units: {} }],
    ['a unit without name', { units: [{ scale: 1 }] }],
    ['a unit named like a prototype', { units: [{ name: '__proto__', scale: 1 }] }],
    ['a scale of 19', { units: [{ name: 'x', scale: 19 }] }],
    ['32 units', { units: Array.from({ length: 29 }, (_, index) => ({ name: `u${index}`, scale: 0 })) }],
    ['aliases that are a list', { aliases: [] }],
    ['an alias to a number', { aliases: { provider: { a: 5 } } }],
    ['an alias of an alias', { aliases: { provider: { a: 'b', b: 'c' } } }],
    ['an alias of itself', { aliases: { provider: { a: 'a' } } }],
    ['an alias named like a prototype', { aliases: JSON.parse('{"provider": {"__proto__": "b"}}') }],
    ['an alias table named like a prototype', { aliases: JSON.parse('{"__proto__": {"a": "b"}}') }],
    ['budgets that are null', { budgets: [null] }],
    [
      'a budget twice',
      {
        budgets: ['B', 'B'].map((id) => ({ id, match: {}, unit: 'usd', limit: 1n, window: 'day' })),
      },
    ],
    ['close of a number', { close: [5] }],
  ])('put: %s → refused as input, nothing changes', (_what, definitions) =>
    onStage(memoryPlace, async ({ ledger }) => {
      const before = ledger.head();
      await expect(ledger.putDefinitions(as(definitions))).rejects.toBeInstanceOf(InvalidInputError);
      expect(ledger.head()).toEqual(before);
      await worksOn(ledger);
    }),
  );

  test('put: a file of aliases and a budget that closes what it does not know → rejected, nothing changes', () =>
    onStage(memoryPlace, async ({ ledger }) => {
      const outcome = await ledger.putDefinitions({ aliases: { a: { b: 'c' } }, close: ['NO'] });
      expect(outcome).toMatchObject({ code: 'budget_not_found' });
      expect(ledger.aliases()).toEqual({});
    }));
});

describe('reads', () => {
  test('reads: what they return is the caller’s own: changing it changes nothing in the ledger', () =>
    onStage(memoryPlace, async ({ ledger }) => {
      const aliases = { provider: { a: 'b' } };
      const match = { tenant: 'acme' };
      const budget: BudgetSpec = { id: 'B', match, unit: 'usd', limit: 10n, window: 'lifetime' };
      await ledger.putDefinitions({ aliases, budgets: [budget] });
      const change = (labels: unknown) => {
        try {
          as<Record<string, unknown>>(labels).tenant = 'changed';
        } catch {
          // Frozen is as good.
        }
      };
      change(match);
      change(aliases.provider);
      change(ledger.aliases().provider);
      change(ledger.budgets()[0]?.match);
      change(ledger.snapshot().budgets[0]?.match);
      await ledger.authorize({ holdId: 'H', labels: { tenant: 'acme' }, amounts: { usd: 1n } });
      change(ledger.hold('H')?.labels);
      change(ledger.units()[0]);
      change(ledger.balances()[0]?.values);
      expect(ledger.aliases()).toEqual({ provider: { a: 'b' } } satisfies Aliases);
      expect(ledger.budgets()[0]?.match).toEqual({ tenant: 'acme' });
      expect(ledger.hold('H')?.labels).toEqual({ tenant: 'acme' });
      const explained = await ledger.explain('dec-3').catch(() => undefined);
      change(explained?.lines[0]?.budget.match);
      expect(ledger.budgets()[0]?.match).toEqual({ tenant: 'acme' });
    }));

  test.each([
    '',
    'dec-',
    'dec-x',
    'dec-0',
    'dec-99999',
    'dec-1e3',
    'DEC-1',
    'dec-1 ',
    '__proto__',
    'x'.repeat(1_000_000),
  ])('explain: an id that is none (%#) → refused as input', (id) =>
    onStage(memoryPlace, async ({ ledger }) => {
      const error = await ledger.explain(id).catch((thrown) => thrown);
      expect(error).toBeInstanceOf(InvalidInputError);
      expect(error.message.length).toBeLessThan(1_000);
    }),
  );

  test('holds: an unknown status → refused as input; a check of negative amounts too', () =>
    onStage(memoryPlace, async ({ ledger }) => {
      expect(() => ledger.holds({ status: as('constructor') })).toThrow(InvalidInputError);
      expect(() => ledger.check({ labels: {}, amounts: { usd: -1n } })).toThrow(InvalidInputError);
      expect(ledger.holds({ labels: { constructor: 'Object' } })).toEqual([]);
      expect(ledger.balances({ budgetId: '__proto__' })).toEqual([]);
    }));

  test('closed: every command and read of a closed ledger → LedgerClosedError', async () => {
    const ledger = await openLedger({ path: ':memory:' });
    await ledger.close();
    await ledger.close();
    const amounts = { usd: 1n };
    await expect(ledger.authorize({ holdId: 'H', labels: {}, amounts })).rejects.toThrow(LedgerClosedError);
    await expect(ledger.record({ labels: {}, amounts })).rejects.toThrow(LedgerClosedError);
    await expect(ledger.explain('dec-1')).rejects.toThrow(LedgerClosedError);
    await expect(ledger.verify()).rejects.toThrow(LedgerClosedError);
    for (const read of [
      () => ledger.head(),
      () => ledger.balances(),
      () => ledger.snapshot(),
      () => ledger.certify(),
    ])
      expect(read).toThrow(LedgerClosedError);
  });
});

describe('opening', () => {
  test.each([
    ['an empty path', { path: '' }],
    ['no path', {}],
    ['a colon in the authority', { authorityId: 'a:b' }],
    ['an empty authority', { authorityId: '' }],
    ['a negative retention', { retentionMs: -1 }],
    ['a retention of NaN', { retentionMs: Number.NaN }],
    ['a part of an ended hold', { endedHoldsMax: 0.5 }],
  ])('open: %s → refused as input', async (_what, change) => {
    const path = 'path' in change || Object.keys(change).length > 0 ? ':memory:' : undefined;
    await expect(openLedger(as({ path, ...change }))).rejects.toBeInstanceOf(InvalidInputError);
  });

  test('clock: one that fails to tell the time → no command is stamped with nonsense', () =>
    onStage(memoryPlace, async ({ ledger, clock }) => {
      const before = clock.at;
      for (const at of [Number.NaN, Number.POSITIVE_INFINITY, undefined as unknown as number, 1e300]) {
        clock.at = at;
        const outcome = await ledger.record({ labels: {}, amounts: { usd: 1n } }).catch(() => undefined);
        if (outcome !== undefined) expect(outcome.at).toBe(before);
      }
      clock.at = before;
    }));

  test('clock: parts of a millisecond and steps back → time never runs backwards', () =>
    onStage(memoryPlace, async ({ ledger, clock }) => {
      const at = clock.at;
      const times = [];
      for (const now of [at + 0.9, at - 5_000, at + 1.1, at - 1]) {
        clock.at = now;
        times.push((await ledger.record({ labels: {}, amounts: { usd: 1n } })).at - at);
      }
      expect(times).toEqual([0, 0, 1, 1]);
    }));
});
