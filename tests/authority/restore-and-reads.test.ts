// Edges found on review: a snapshot with figures of grants restores, a read waits for the commit on its way, and lists are
// read page by page.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openLedger } from '#bursar/authority/open.js';
import { MemoryStore, openMemoryJournal } from '#bursar/journal/memory/journal.js';

test('restore: a snapshot with figures of grants → they go on from there', async () => {
  const first = await openLedger({ path: ':memory:' });
  const grants = [{ capability: 'c', grant: 'g', unit: 'usd', maxTotal: 10n }];
  await first.authorize({ holdId: 'h', labels: {}, amounts: { usd: 5n }, grants });
  await first.settle({ holdId: 'h', amounts: { usd: 4n } });
  const snapshot = first.snapshot();
  await first.close();

  const second = await openLedger({ path: ':memory:' });
  expect(await second.restoreSnapshot(snapshot)).toMatchObject({ outcome: 'done' });
  const spent = second.grants().map((balance) => [balance.id, balance.spent]);
  expect(spent).toEqual([
    ['grant/calls|c,g', 1n],
    ['grant/usd|c,g', 4n],
  ]);
  const over = await second.authorize({ holdId: 'h2', labels: {}, amounts: { usd: 7n }, grants });
  expect(over).toMatchObject({ outcome: 'denied', reason: 'exhausted' });
  expect((await second.verify()).ok).toBe(true);
  await second.close();
});

test('read: while a commit is on its way → it waits, and shows only what is durable (invariant 7)', async () => {
  const ledger = await openLedger({ path: ':memory:' });
  await ledger.putBudget({ id: 'b', match: {}, unit: 'usd', limit: 100n, window: 'lifetime' });
  const before = ledger.head().sequence;
  const answer = ledger.authorize({ holdId: 'h', labels: {}, amounts: { usd: 40n } });
  expect(ledger.balances()[0]).toMatchObject({ held: 40n });
  expect(ledger.head().sequence).toBe(before + 1);
  await answer;
  await ledger.close();
});

test('read: a budget or a balance by its id → itself; what is not there is undefined; a budget waits for no commit', async () => {
  const store = new MemoryStore();
  const ledger = await openLedger({ path: ':memory:', journal: (lease) => openMemoryJournal(store, lease) });
  await ledger.putBudget({ id: 'a|b', match: { user: '*' }, unit: 'usd', limit: 100n, window: 'day' });
  await ledger.record({ labels: { user: 'x,%y' }, amounts: { usd: 3n } });
  const [balance] = ledger.balances();
  expect(ledger.balance(balance.id)).toEqual(balance);
  expect(ledger.budget('a|b')).toEqual(ledger.budgets()[0]);
  for (const id of ['', 'a', 'a%7Cb', 'a%7Cb|z', `${balance.id}|`, 'a%7Cb|x|never'])
    expect(ledger.balance(id)).toBeUndefined();
  store.holdAppends();
  const head = ledger.head().sequence;
  const answer = ledger.record({ labels: { user: 'x' }, amounts: { usd: 1n } });
  for (const id of ['', 'b', 'grant/usd', 'grant/calls']) expect(ledger.budget(id)).toBeUndefined();
  expect(ledger.budget('a|b')).toMatchObject({ balances: 2 });
  expect(ledger.head().sequence).toBe(head);
  store.releaseAppends();
  await answer;
  await ledger.close();
});

test('read: pages of balances and budgets, of whatever size and filter → join to the whole list', async () => {
  const clock = { ms: Date.parse('2026-03-01T10:00:00Z'), now: () => clock.ms };
  const ledger = await openLedger({ path: ':memory:', clock });
  const budget = { unit: 'usd', limit: 1_000n, window: 'day' } as const;
  await ledger.putDefinitions({
    budgets: [
      { id: 'every', match: { tenant: '*', user: '*' }, ...budget },
      { id: 'acme', match: { tenant: 'acme' }, ...budget },
      { id: 'other', match: { tenant: 'other' }, ...budget },
      { id: 'users', match: { user: '*' }, ...budget },
    ],
  });
  for (let day = 0; day < 3; day += 1) {
    clock.ms += 86_400_000;
    for (let index = 0; index < 700; index += 1) {
      const labels = { tenant: index % 3 === 0 ? 'acme' : 'other', user: `u${(index * 7_919) % 701}` };
      void ledger.record({ labels, amounts: { usd: 1n } });
    }
  }
  await ledger.whenDurable(() => undefined);
  const all = { max: Number.POSITIVE_INFINITY };
  const filters = [
    {},
    { current: false },
    { current: false, budgetId: 'users' },
    { current: false, labels: { tenant: 'acme' } },
    { labels: { tenant: 'acme' }, values: { user: 'u0' }, current: false },
    { values: { tenant: 'other' }, current: false },
  ];
  const sizes = filters.map((filter) => ledger.balances({ ...all, ...filter }).length);
  expect(sizes).toEqual([1_402, 4_206, 2_100, 705, 3, 1_398]);
  const whole = ledger.balances({ ...all, current: false });
  const ofAcme = whole.filter(({ budgetId, values }) => budgetId === 'acme' || values.tenant === 'acme');
  expect(ledger.balances({ ...all, current: false, labels: { tenant: 'acme' } })).toEqual(ofAcme);
  const order = whole.map(({ budgetId, values, window }) =>
    [
      ledger.budgets().findIndex(({ id }) => id === budgetId),
      `${values.tenant ?? ''} ${values.user ?? ''}`,
      window.start,
    ].join(),
  );
  expect(new Set(order).size).toBe(order.length);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...filters),
      fc.integer({ min: 60, max: 2_000 }),
      async (filter, max) => {
        const expected = ledger.balances({ ...all, ...filter }).map(({ id }) => id);
        const found: string[] = [];
        for (;;) {
          const after = found.at(-1);
          const page = ledger.balances({ ...filter, max, ...(after === undefined ? {} : { after }) });
          found.push(...page.map(({ id }) => id));
          if (page.length < max || found.length > expected.length) break;
        }
        expect(found).toEqual(expected);
      },
    ),
    { numRuns: 12, seed: 4 },
  );
  const names = ledger.budgets().map(({ id }) => id);
  expect(names).toEqual(['every', 'acme', 'other', 'users']);
  expect(ledger.budgets({ after: 'acme', max: 1 }).map(({ id }) => id)).toEqual(['other']);
  expect(ledger.budgets({ after: 'users' })).toEqual([]);
  expect(() => ledger.budgets({ after: 'none' })).toThrow('after');
  expect(() => ledger.balances({ after: 'none' })).toThrow('after');
  await ledger.close();
});
