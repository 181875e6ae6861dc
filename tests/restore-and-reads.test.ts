// Two edges found on review: a snapshot with figures of grants restores, and a read waits for the commit on its way.

import { expect, test } from 'vitest';
import { openLedger } from '#bursar/authority/open.js';

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
