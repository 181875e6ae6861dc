// The backtest against a ledger: one small trace whose every figure is worked out by hand, and larger ones whose report
// must say what the ledger says.

import { describe, expect, test } from 'vitest';
import { runBacktest, TraceClock } from '#bursar/backtest/backtest.js';
import { type CostModel, completionOf, EXAMPLE_COSTS, worstCaseOf } from '#bursar/backtest/backtest-costs.js';
import type { BacktestReport } from '#bursar/backtest/backtest-report.js';
import { backtestText } from '#bursar/backtest/backtest-text.js';
import { mergeTraces, readTraceText, type Trace } from '#bursar/backtest/trace.js';
import { generateTrace } from '#bursar/backtest/trace-generated.js';
import { type BalanceView, type BudgetSpec, type Ledger, openLedger, usd } from '#bursar/index.js';

// One token read or written costs 0.001 USD; a call takes 1 s and 10 ms for each token written.
const COSTS: CostModel = {
  prices: { m: { inputPerMillion: usd('1000'), outputPerMillion: usd('1000') } },
  maxOutputTokens: 100,
  latency: { baseMs: 1_000, perTokenMs: 10 },
};

const USER_HOUR: BudgetSpec = {
  id: 'user-hour',
  match: { tenant: '*', user: '*' },
  unit: 'usd',
  limit: usd('0.6'),
  window: 'hour',
};
const OPEN: BudgetSpec = {
  id: 'open',
  match: { tenant: '*' },
  unit: 'usd',
  limit: null,
  window: 'lifetime',
  heldMax: usd('0.75'),
};

// Worst case = (input + 100 tokens, or more if more were written) × 0.001 USD.
const BY_HAND = `timestamp,context_tokens,generated_tokens,tenant,user,model
2026-03-01T09:59:00.000Z,100,50,a,u1,m
2026-03-01T09:59:01.000Z,200,50,a,u1,m
2026-03-01T09:59:01.000Z,50,150,a,u2,m
2026-03-01T09:59:01.500Z,100,10,a,u1,m
2026-03-01T09:59:03.000Z,300,10,a,u1,m
2026-03-01T09:59:03.600Z,550,0,a,u1,m
2026-03-01T09:59:59.500Z,50,50,a,u1,m
2026-03-01T10:00:00.500Z,300,100,a,u1,m
2026-03-01T10:00:01.000Z,10,0,a,u2,m
2026-03-01T10:00:01.500Z,300,0,a,u2,m
`;

async function traceOf(text: string): Promise<Trace> {
  async function* whole() {
    yield text;
  }
  return mergeTraces([await readTraceText(whole(), 'by-hand.csv')], {
    tenants: 1,
    users: 1,
    models: ['m'],
    seed: 1,
  });
}

interface Run {
  readonly report: BacktestReport;
  readonly balances: readonly BalanceView[];
  readonly ledger: Ledger;
}

async function backtest(
  trace: Trace,
  budgets: readonly BudgetSpec[],
  costs: CostModel,
  mode?: 'foresight',
): Promise<Run> {
  const main = await openOnTrace(trace);
  const foresight = mode === undefined ? undefined : await openOnTrace(trace);
  const definitions = { budgets };
  const report = await runBacktest({ ...main, trace, costs, definitions, ...(foresight && { foresight }) });
  await foresight?.ledger.close();
  return { report, balances: main.ledger.balances({ current: false, max: 100_000 }), ledger: main.ledger };
}

async function openOnTrace(trace: Trace): Promise<{ ledger: Ledger; clock: TraceClock }> {
  const clock = new TraceClock(trace.requests[0].at);
  return { clock, ledger: await openLedger({ path: ':memory:', clock, authorityId: 'test' }) };
}

describe('a trace worked out by hand', () => {
  // Calls 1, 2 and 3 are under way when call 4 comes: 0.15 spent, 0.3 held, 0.2 asked of 0.6 → held. Call 5: 0.4 spent,
  // 0.4 asked → exhausted. Call 6 asks 0.65 → too large. Call 7 crosses into the next hour and is booked to its own.
  // Call 10: 0.4 + 0.11 held of at most 0.75, 0.4 asked → held.
  test('backtest: by hand → who was refused, when, by which budget and cap', async () => {
    const { report, ledger } = await backtest(await traceOf(BY_HAND), [USER_HOUR, OPEN], COSTS);
    expect(report.totals).toMatchObject({
      requests: 10,
      authorized: 6,
      settled: 6,
      refused: 4,
      refusedPercent: '40.0',
      peakOpen: 3,
    });
    expect(report.refusals).toMatchObject({
      first: '2026-03-01T09:59:01.500Z',
      last: '2026-03-01T10:00:01.500Z',
      byReason: [
        { reason: 'held', refusals: 2 },
        { reason: 'exhausted', refusals: 1 },
        { reason: 'too_large', refusals: 1 },
      ],
      byCap: [
        {
          budgetId: 'user-hour',
          cap: 'limit',
          refusals: 3,
          tenants: 1,
          users: 1,
          first: '2026-03-01T09:59:01.500Z',
          last: '2026-03-01T09:59:03.600Z',
        },
        {
          budgetId: 'open',
          cap: 'held_max',
          refusals: 1,
          tenants: 1,
          users: 1,
          first: '2026-03-01T10:00:01.500Z',
          last: '2026-03-01T10:00:01.500Z',
        },
      ],
      byTenant: [{ tenant: 'a', requests: 10, refused: 4, refusedPercent: '40.0', usersRefused: 2 }],
      users: { all: 2, refused: 2 },
      mostRefusedUsers: [
        {
          tenant: 'a',
          user: 'u1',
          requests: 7,
          refused: 3,
          first: '2026-03-01T09:59:01.500Z',
          last: '2026-03-01T09:59:03.600Z',
        },
        { tenant: 'a', user: 'u2', requests: 3, refused: 1 },
      ],
    });
    const { histogram } = report.refusals;
    expect(histogram.reduce((sum, bin) => sum + bin.requests, 0)).toBe(10);
    expect(histogram.filter((bin) => bin.refused > 0)).toEqual([
      { start: '2026-03-01T09:59:00.000Z', end: '2026-03-01T09:59:05.000Z', requests: 6, refused: 3 },
      { start: '2026-03-01T10:00:00.000Z', end: '2026-03-01T10:00:05.000Z', requests: 3, refused: 1 },
    ]);
    await ledger.close();
  });

  test('backtest: by hand → spend against limit, each window its own', async () => {
    const { report, ledger } = await backtest(await traceOf(BY_HAND), [USER_HOUR, OPEN], COSTS);
    expect(report.totals.heldInAll).toEqual({ usd: '1.36', tokens: '1360', calls: '6' });
    expect(report.totals.spent).toEqual({ usd: '1.11', tokens: '1110', calls: '6' });
    expect(report.totals.refusedFinalCost).toEqual({ usd: '1.27', tokens: '1270', calls: '4' });
    expect(
      report.mostUsedBalances.map(({ values, windowStart, spent, usedPercent, peakPercent, refusals }) => [
        values.user,
        windowStart,
        spent,
        usedPercent,
        peakPercent,
        refusals,
      ]),
    ).toEqual([
      ['u1', '2026-03-01T09:00:00.000Z', '0.5', '83.3', '91.6', 3],
      ['u1', '2026-03-01T10:00:00.000Z', '0.4', '66.6', '66.6', 0],
      ['u2', '2026-03-01T09:00:00.000Z', '0.2', '33.3', '33.3', 0],
      ['u2', '2026-03-01T10:00:00.000Z', '0.01', '1.6', '18.3', 0],
    ]);
    expect(report.budgets).toMatchObject([
      {
        budgetId: 'user-hour',
        limit: '0.6',
        window: 'hour',
        balances: 4,
        spent: '1.11',
        granted: '2.4',
        usedPercent: '46.2',
        refusals: 3,
      },
      {
        budgetId: 'open',
        limit: null,
        window: 'lifetime',
        balances: 1,
        spent: '1.11',
        granted: null,
        usedPercent: null,
        refusals: 1,
      },
    ]);
    await ledger.close();
  });

  // Held × time: 0.2·1.5 + 0.3·1.5 + 0.2·2.5 + 0.15·1.5 + 0.4·2 + 0.11·1 = 2.385 USD·s over 62.5 s; final costs: 2.06.
  test('backtest: by hand → what holding worst cases cost', async () => {
    const { report, ledger } = await backtest(await traceOf(BY_HAND), [USER_HOUR, OPEN], COSTS);
    expect(report.trace.lastCompletion).toBe('2026-03-01T10:00:02.500Z');
    expect(report.headroom).toMatchObject({ refusedHeld: 2, wouldHaveFitted: 2, foreseen: null });
    expect(report.headroom.units[0]).toEqual({
      of: 'usd',
      unit: 'usd',
      peakHeld: '0.7',
      peakAt: '2026-03-01T09:59:01.000Z',
      peakFinalCost: '0.6',
      meanHeld: '0.03816',
      meanFinalCost: '0.03296',
      unusedPercent: '13.6',
    });
    await ledger.close();
  });

  // With final costs known, call 4 fits; then call 7 does not (0.51 spent + 0.1 of 0.6), and call 10 does.
  test('backtest: by hand, with foresight → the same trace with every final cost known beforehand', async () => {
    const trace = await traceOf(BY_HAND);
    const { report, ledger } = await backtest(trace, [USER_HOUR, OPEN], COSTS, 'foresight');
    expect(report.headroom.foreseen).toEqual({
      refused: 3,
      spent: { usd: '1.42', tokens: '1420', calls: '7' },
    });
    expect(report.totals.refused).toBe(4);
    await ledger.close();
  });

  test('backtest: by hand → the text names the refused, the budgets and the figures', async () => {
    const { report, ledger } = await backtest(await traceOf(BY_HAND), [USER_HOUR, OPEN], COSTS);
    const text = backtestText(report);
    for (const part of [
      '10 requests: 6 authorised and settled, 4 refused (40.0 %)',
      'by reason: held 2, exhausted 1, too_large 1',
      'tenant=a user=u1 from 2026-03-01 09:00:00',
      '2 of 4 refusals were for amounts held by other calls',
    ]) {
      expect(text).toContain(part);
    }
    await ledger.close();
  });
});

describe('against the ledger', () => {
  const BUDGETS: readonly BudgetSpec[] = [
    { id: 'all', match: {}, unit: 'usd', limit: usd('20'), window: 'day' },
    {
      id: 'tenant',
      match: { tenant: '*' },
      unit: 'usd',
      limit: usd('2'),
      window: 'hour',
      heldMax: usd('0.05'),
    },
    { id: 'user-tokens', match: { tenant: '*', user: '*' }, unit: 'tokens', limit: 250_000n, window: 'day' },
    { id: 'user-calls', match: { user: '*' }, unit: 'calls', limit: 60n, window: 'hour' },
    { id: 'one-call', match: {}, unit: 'tokens', limit: null, window: 'lifetime', perHoldMax: 6_000n },
  ];
  const generated = () =>
    mergeTraces(generateTrace({ requests: 3_000, seed: 11 }), {
      tenants: 4,
      users: 40,
      models: ['large', 'small'],
      seed: 11,
    });

  test('backtest: the report’s figures are the ledger’s balances, nothing is left open, and the ledger verifies', async () => {
    const { report, balances, ledger } = await backtest(generated(), BUDGETS, EXAMPLE_COSTS);
    expect(report.totals.authorized).toBeGreaterThan(0);
    expect(report.refusals.byReason.map(({ reason }) => reason).sort()).toEqual([
      'exhausted',
      'held',
      'too_large',
    ]);
    expect(balances.every((balance) => balance.held === 0n && balance.openHolds === 0)).toBe(true);
    for (const row of report.budgets) {
      const own = balances.filter(({ budgetId }) => budgetId === row.budgetId);
      const scale = row.unit === 'usd' ? 8 : 0;
      expect([row.budgetId, row.balances]).toEqual([row.budgetId, own.length]);
      expect(stepsOf(row.spent, scale)).toBe(own.reduce((sum, { spent }) => sum + spent, 0n));
    }
    expect(report.totals.spent.usd).toBe(report.budgets[0].spent);
    expect(await ledger.verify()).toMatchObject({ ok: true, failure: null });
    const journalled = new Map<string, number>();
    for await (const { type } of ledger.events()) journalled.set(type, (journalled.get(type) ?? 0) + 1);
    expect(journalled.get('hold_authorized')).toBe(report.totals.authorized);
    expect(journalled.get('hold_denied')).toBe(report.totals.refused);
    expect(journalled.get('hold_settled')).toBe(report.totals.settled);
    expect(journalled.has('hold_expired')).toBe(false);
    await ledger.close();
  });

  test('backtest: the same trace and seed twice → the same report', async () => {
    const first = await backtest(generated(), BUDGETS, EXAMPLE_COSTS);
    const second = await backtest(generated(), BUDGETS, EXAMPLE_COSTS);
    expect(second.report).toEqual(first.report);
    expect(JSON.parse(JSON.stringify(first.report))).toEqual(first.report);
    await first.ledger.close();
    await second.ledger.close();
  });

  test('backtest: without budgets → nobody is refused', async () => {
    const { report, ledger } = await backtest(await traceOf(BY_HAND), [], COSTS);
    expect(report.totals).toMatchObject({ authorized: 10, refused: 0, refusedPercent: '0.0' });
    expect(backtestText(report)).toContain('Nobody was refused.');
    await ledger.close();
  });

  test('backtest: a ledger that is not on the trace’s clock → stops and says so', async () => {
    const trace = await traceOf(BY_HAND);
    const ledger = await openLedger({ path: ':memory:', clock: { now: () => 1_900_000_000_000 } });
    const run = runBacktest({ ledger, clock: new TraceClock(0), trace, costs: COSTS });
    await expect(run).rejects.toThrow("open the ledger with the trace's clock");
    await ledger.close();
  });

  test('backtest: stopped by its signal → ends with an error and the ledger can be closed', async () => {
    const trace = generated();
    const clock = new TraceClock(trace.requests[0].at);
    const ledger = await openLedger({ path: ':memory:', clock });
    const controller = new AbortController();
    const progress = (done: number) => {
      if (done > 100) controller.abort();
    };
    const run = runBacktest({
      ledger,
      clock,
      trace,
      costs: EXAMPLE_COSTS,
      progress,
      signal: controller.signal,
    });
    await expect(run).rejects.toThrow('aborted');
    await ledger.close();
  });
});

describe('costs', () => {
  const request = {
    at: 0,
    inputTokens: 3,
    outputTokens: 2_000,
    source: 's',
    tenant: 't',
    user: 'u',
    model: 'm',
  };

  test('costs: each component is rounded up by itself, and a longer answer raises the output limit', () => {
    const prices = { m: { inputPerMillion: 1n, outputPerMillion: 500_001n } };
    expect(worstCaseOf(request, { ...COSTS, prices })).toEqual({
      usd: 1n + 1_001n,
      tokens: 2_003n,
      calls: 1n,
    });
    expect(worstCaseOf({ ...request, outputTokens: 1 }, { ...COSTS, prices })).toEqual({
      usd: 1n + 51n,
      tokens: 103n,
      calls: 1n,
    });
  });

  test('costs: a model without a price → refused by name, unless "*" has one', () => {
    const costs = { ...COSTS, prices: { other: COSTS.prices.m } };
    expect(() => worstCaseOf(request, costs)).toThrow('price of model "m": none is stated; priced are other');
    expect(worstCaseOf(request, { ...COSTS, prices: { '*': COSTS.prices.m } }).usd).toBe(usd('2.003'));
  });

  test('costs: parts of a millisecond → a call ends at the next whole one', () => {
    expect(completionOf({ ...request, outputTokens: 3 }, { baseMs: 10, perTokenMs: 0.5 })).toBe(12);
  });
});

function stepsOf(decimal: string, scale: number): bigint {
  const [whole, fraction = ''] = decimal.split('.');
  return BigInt(whole + fraction.padEnd(scale, '0'));
}
