// What the property test, and reading for it, has found: each failure as a scenario of its own (style rule 15).

import { describe, expect, test } from 'vitest';
import type { Ledger } from '#bursar/authority/api.js';
import { openLedger } from '#bursar/authority/open.js';
import { AMOUNT_MAX } from '#bursar/core/amount.js';
import type { Authorized, Denied, Settled } from '#bursar/core/outcomes.js';
import type { BudgetSpec } from '#bursar/core/requests.js';
import { MemoryStore, openMemoryJournal } from '#bursar/journal/memory/journal.js';

const START = Date.parse('2026-01-10T12:00:00Z');
const HOUR_MS = 3_600_000;

interface Bench {
  readonly ledger: Ledger;
  readonly store: MemoryStore;
  tick(ms: number): void;
  reopen(retentionMs?: number): Promise<Ledger>;
}

async function opened(budgets: readonly BudgetSpec[] = [], retentionMs = 10 * HOUR_MS): Promise<Bench> {
  const store = new MemoryStore();
  let now = START;
  const open = (keepMs: number) =>
    openLedger({
      path: ':memory:',
      clock: { now: () => now },
      retentionMs: keepMs,
      journal: (options) => openMemoryJournal(store, options),
    });
  const ledger = await open(retentionMs);
  if (budgets.length > 0) await ledger.putDefinitions({ budgets });
  return {
    ledger,
    store,
    tick: (ms) => {
      now += ms;
    },
    reopen: (keepMs = retentionMs) => {
      store.crash();
      return open(keepMs);
    },
  };
}

const METERED: BudgetSpec = { id: 'm', match: { tenant: 'a' }, unit: 'usd', limit: null, window: 'day' };
const CAPPED: BudgetSpec = { id: 'b', match: { tenant: 'a' }, unit: 'usd', limit: 100n, window: 'hour' };
const A = { tenant: 'a' };

describe('found: lines show the balance as it is', () => {
  test('settle: a metered budget → its line has no granted, no remaining and is uncapped', async () => {
    const { ledger } = await opened([METERED]);
    await ledger.authorize({ holdId: 'h', labels: A, amounts: { usd: 10n } });
    const settled = (await ledger.settle({ holdId: 'h', amounts: { usd: 4n } })) as Settled;
    expect(settled.lines[0]).toMatchObject({
      limit: null,
      granted: null,
      remaining: null,
      verdict: 'uncapped',
      spent: 4n,
    });
  });

  test('set balance limit: to metered and back → the line shows the new limit', async () => {
    const { ledger } = await opened([CAPPED]);
    await ledger.record({ labels: A, amounts: { usd: 4n } });
    const off = await ledger.setBalanceLimit({ budgetId: 'b', limit: null });
    expect(off).toMatchObject({
      lines: [{ limit: null, granted: null, remaining: null, verdict: 'uncapped' }],
    });
    const on = await ledger.setBalanceLimit({ budgetId: 'b', limit: 5n });
    expect(on).toMatchObject({ lines: [{ limit: 5n, granted: 5n, remaining: 1n, verdict: 'near' }] });
  });

  test('exhaust: the budget is forced exhausted → its line, and those of settlements meanwhile, say exhausted', async () => {
    const { ledger } = await opened([CAPPED]);
    await ledger.authorize({ holdId: 'h', labels: A, amounts: { usd: 10n } });
    expect(await ledger.exhaust({ budgetId: 'b' })).toMatchObject({
      lines: [{ verdict: 'exhausted', remaining: 90n }],
    });
    expect(await ledger.settle({ holdId: 'h', amounts: { usd: 1n } })).toMatchObject({
      verdict: 'exhausted',
    });
  });

  test('record: a late record for a window that has rolled → forced exhaustion of the one in force is not its verdict', async () => {
    const { ledger, tick } = await opened([CAPPED]);
    await ledger.record({ labels: A, amounts: { usd: 4n } });
    tick(HOUR_MS);
    await ledger.exhaust({ budgetId: 'b' });
    const late = await ledger.record({ labels: A, amounts: { usd: 1n }, occurredAt: START });
    expect(late).toMatchObject({ verdict: 'within', lines: [{ spent: 5n, verdict: 'within' }] });
  });

  test('authorize: a unit is missing → every other violated cap is gathered too, and a metered line stays uncapped', async () => {
    const { ledger } = await opened([METERED, CAPPED]);
    await ledger.setBudgetStatus({ budgetId: 'b', status: 'paused' });
    const denied = (await ledger.authorize({ holdId: 'h', labels: A, amounts: { tokens: 1n } })) as Denied;
    expect(denied.reason).toBe('unit_missing');
    expect(denied.lines[0]).toMatchObject({
      granted: null,
      verdict: 'uncapped',
      violations: ['unit_missing'],
    });
    expect(denied.lines[1]!.violations).toEqual(['unit_missing', 'paused']);
  });

  test('authorize: a candidate was skipped → its lines show the figures that it was judged by, not those after', async () => {
    const { ledger } = await opened([CAPPED]);
    const candidates = [{ amounts: { usd: 101n } }, { amounts: { usd: 60n } }];
    const one = (await ledger.authorize({
      holdId: 'h',
      labels: A,
      amounts: { usd: 1n },
      candidates,
    })) as Authorized;
    expect(one.lines[0]).toMatchObject({ held: 60n, remaining: 40n });
    expect(one.skipped[0]!.lines[0]).toMatchObject({ held: 0n, remaining: 100n, requested: 101n });
  });
});

describe('found: candidates', () => {
  test('authorize: candidates count towards different budgets, none with an open window → the second is judged', async () => {
    const { ledger } = await opened([CAPPED, { ...CAPPED, id: 'c', match: { tenant: 'c' } }]);
    const candidates = [{ amounts: { usd: 101n } }, { labels: { tenant: 'c' } }];
    const one = await ledger.authorize({ holdId: 'h', labels: A, amounts: { usd: 1n }, candidates });
    expect(one).toMatchObject({ outcome: 'authorized', candidate: 1, lines: [{ budgetId: 'c' }] });
  });

  test('authorize: a candidate states calls where the request does not → its own statement is judged (rule L3)', async () => {
    const { ledger } = await opened();
    const none = { holdId: 'h', labels: A, amounts: { usd: 1n }, candidates: [{ amounts: { calls: 0n } }] };
    expect(await ledger.authorize(none)).toMatchObject({ code: 'invalid_amount' });
    const three = {
      holdId: 'i',
      labels: A,
      amounts: { usd: 1n },
      candidates: [{ amounts: { usd: 0n, calls: 3n } }],
    };
    expect(await ledger.authorize(three)).toMatchObject({ outcome: 'authorized' });
  });

  test('expire: an estimate is charged to a candidate in more units than the request → the hold expires', async () => {
    const { ledger, tick, reopen } = await opened();
    await ledger.putDefinitions({ units: [{ name: 'gpu', scale: 2 }] });
    await ledger.authorize({
      holdId: 'h',
      labels: A,
      amounts: { usd: 9n },
      ttlMs: 10,
      onExpiry: { charge: { usd: 5n } },
      candidates: [{ amounts: { usd: 9n, tokens: 3n, gpu: 4n } }],
    });
    tick(1_000);
    const expired = { status: 'expired', charged: { usd: 5n, tokens: 3n, calls: 1n, gpu: 4n } };
    const again = await reopen();
    expect(again.hold('h')).toMatchObject(expired);
  });

  test('expire: an estimate in one unit, extended in another → the unit not stated is charged as it was held', async () => {
    const { ledger, tick } = await opened();
    const amounts = { usd: 9n, tokens: 3n };
    await ledger.authorize({ holdId: 'h', labels: A, amounts, ttlMs: 10, onExpiry: { charge: { usd: 5n } } });
    await ledger.extend({ holdId: 'h', add: { tokens: 4n } });
    tick(1_000);
    expect(ledger.hold('h')).toMatchObject({
      status: 'expired',
      charged: { usd: 5n, tokens: 7n, calls: 1n },
    });
  });
});

describe('found: grants that a request brings', () => {
  const grant = { capability: 'c', grant: '0' };

  test('authorize: one grant caps two units → the call is counted once', async () => {
    const { ledger } = await opened();
    const grants = [
      { ...grant, unit: 'usd', maxCalls: 4 },
      { ...grant, unit: 'tokens' },
    ];
    await ledger.authorize({ holdId: 'h', labels: {}, amounts: { usd: 1n, tokens: 3n }, grants });
    const calls = ledger.grants().find((one) => one.unit === 'calls');
    expect(calls).toMatchObject({ held: 1n, openHolds: 1 });
  });

  test('authorize: one grant is stated twice → it holds the amount once', async () => {
    const { ledger } = await opened();
    const grants = [
      { ...grant, unit: 'usd', maxTotal: 10n },
      { ...grant, unit: 'usd', maxTotal: 10n },
    ];
    await ledger.authorize({ holdId: 'h', labels: {}, amounts: { usd: 6n }, grants });
    expect(ledger.grants().find((one) => one.unit === 'usd')).toMatchObject({ held: 6n });
  });

  test('authorize: a grant in the unit calls → a call is one call of it', async () => {
    const { ledger } = await opened();
    await ledger.authorize({
      holdId: 'h',
      labels: {},
      amounts: {},
      grants: [{ ...grant, unit: 'calls', maxTotal: 1n }],
    });
    expect(ledger.grants().find((one) => one.unit === 'calls')).toMatchObject({ held: 1n });
  });
});

describe('found: replays and groups', () => {
  test('replay: the budget was made after the first answer → the first outcome again', async () => {
    const { ledger } = await opened();
    const request = { budgetId: 'b', amount: 5n, commandId: 'top-up-1' };
    expect(await ledger.topUp(request)).toMatchObject({ code: 'budget_not_found', replayed: false });
    await ledger.putBudget(CAPPED);
    expect(await ledger.topUp(request)).toMatchObject({ code: 'budget_not_found', replayed: true });
  });

  test('replay: a label of the request got an alias since → the first outcome again', async () => {
    const { ledger } = await opened([{ ...CAPPED, match: { provider: '*' } }]);
    await ledger.record({ labels: { provider: 'sonnet' }, amounts: { usd: 1n } });
    const request = { budgetId: 'b', values: { provider: 'sonnet' }, amount: 5n, commandId: 'top-up-1' };
    expect(await ledger.topUp(request)).toMatchObject({ outcome: 'done' });
    await ledger.putDefinitions({ aliases: { provider: { sonnet: 'claude' } } });
    expect(await ledger.topUp(request)).toMatchObject({ outcome: 'done', replayed: true });
  });

  test('replay: the hold is due to expire → its status is that of now', async () => {
    const { ledger, tick } = await opened();
    const request = { holdId: 'h', labels: A, amounts: { usd: 1n }, ttlMs: 10, commandId: 'one' };
    await ledger.authorize(request);
    tick(1_000);
    expect(await ledger.authorize(request)).toMatchObject({ replayed: true, holdStatus: 'expired' });
  });

  test('submit: a command of the group is a replay of an earlier one in it → the group is still one batch', async () => {
    const { ledger, store } = await opened();
    const spend = (commandId: string) =>
      ({ command: 'record_spend', labels: A, amounts: { usd: 1n }, commandId }) as const;
    const before = store.batches.length;
    const outcomes = await ledger.submit([spend('x'), spend('x'), spend('y')]);
    expect(outcomes.map((one) => one.replayed)).toEqual([false, true, false]);
    expect(store.batches.length - before).toBe(1);
  });
});

describe('found: groups', () => {
  test('submit: the group makes a budget and tops it up → decided in order, as one after the other', async () => {
    const { ledger } = await opened();
    const [, toppedUp, spent] = await ledger.submit([
      { command: 'put_definitions', budgets: [CAPPED] },
      { command: 'top_up', budgetId: 'b', amount: 5n },
      { command: 'record_spend', labels: A, amounts: { usd: 1n } },
    ]);
    expect(toppedUp).toMatchObject({ outcome: 'done', lines: [{ granted: 105n }] });
    expect(spent).toMatchObject({ lines: [{ remaining: 104n }] });
  });
});

describe('found: sums, snapshots and retention', () => {
  test('expire: what expiry charges takes all charges past 2^63−1 → the sum does not wrap', async () => {
    const { ledger, tick } = await opened();
    await ledger.authorize({ holdId: 'h', labels: A, amounts: { usd: 10n }, ttlMs: 10, onExpiry: 'charge' });
    await ledger.record({ labels: A, amounts: { usd: AMOUNT_MAX } });
    tick(1_000);
    expect(ledger.snapshot().spent.usd).toBeGreaterThan(0n);
    expect((await ledger.verify()).ok).toBe(true);
  });

  test('definitions: the window that has rolled was topped up → the limit can still be raised to the largest amount', async () => {
    const { ledger, tick } = await opened([CAPPED]);
    await ledger.topUp({ budgetId: 'b', amount: 1n });
    tick(HOUR_MS);
    const put = await ledger.putDefinitions({ budgets: [{ ...CAPPED, limit: AMOUNT_MAX }] });
    expect(put).toMatchObject({ outcome: 'done' });
    expect(ledger.balances()[0]).toMatchObject({ granted: AMOUNT_MAX });
  });

  test('restore: the snapshot is in a unit that the new ledger does not have → refused or known, never a broken budget', async () => {
    const { ledger } = await opened();
    await ledger.putDefinitions({
      units: [{ name: 'gpu', scale: 2 }],
      budgets: [{ ...CAPPED, unit: 'gpu' }],
    });
    await ledger.record({ labels: A, amounts: { gpu: 7n } });
    const snapshot = ledger.snapshot();
    const { ledger: other } = await opened();
    const restored = await other.restoreSnapshot(snapshot);
    if (restored.outcome === 'rejected') return;
    expect(other.snapshot().spent.gpu).toBe(7n);
    expect(await other.record({ labels: A, amounts: { gpu: 1n } })).toMatchObject({
      lines: [{ spent: 8n, unit: 'gpu' }],
    });
  });

  test('restore: a window of the snapshot begins after now, and its time comes → it is in force then', async () => {
    const { ledger, tick } = await opened([CAPPED]);
    tick(2 * HOUR_MS);
    await ledger.record({ labels: A, amounts: { usd: 7n } });
    const snapshot = ledger.snapshot();
    const { ledger: behind, tick: tickBehind } = await opened();
    await behind.restoreSnapshot(snapshot);
    tickBehind(2 * HOUR_MS);
    const one = await behind.authorize({ holdId: 'h', labels: A, amounts: { usd: 1n } });
    expect(one).toMatchObject({ outcome: 'authorized', lines: [{ spent: 7n, held: 1n }] });
  });

  test('reopen: with a longer retention than a window was forgotten under → a late record does not begin it anew at zero', async () => {
    const { ledger, tick, reopen } = await opened([CAPPED], HOUR_MS);
    await ledger.record({ labels: A, amounts: { usd: 7n } });
    tick(5 * HOUR_MS);
    await ledger.record({ labels: A, amounts: { usd: 1n } });
    const again = await reopen(100 * HOUR_MS);
    const late = await again.record({ labels: A, amounts: { usd: 2n }, occurredAt: START });
    if (late.outcome === 'rejected') expect(late.code).toBe('occurred_too_early');
    else expect(late.lines[0]!.spent).toBe(9n);
  });
});
