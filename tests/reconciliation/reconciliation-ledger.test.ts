// The ledger beside a report: what it charged by day and model, the gap and its causes, and what a posting makes of it.
// A real ledger in memory, with the test's clock.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Ledger, openLedger, usd } from '#bursar/index.js';
import { dayRange } from '#bursar/reconciliation/days.js';
import { type Reconciliation, reconcile } from '#bursar/reconciliation/reconcile.js';
import { reconciliationOut } from '#bursar/reconciliation/reconciliation-api.js';
import { reconciliationText } from '#bursar/reconciliation/reconciliation-text.js';
import { parseTolerance } from '#bursar/reconciliation/tolerance.js';
import { TestClock } from '../scenario/scenario.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.parse('2026-11-01T09:00:00Z');

const clock = new TestClock(START);
let ledger: Ledger;
beforeEach(async () => {
  clock.at = START;
  ledger = await openLedger({ path: ':memory:', clock });
  await ledger.putBudget({ id: 'all', match: {}, unit: 'usd', limit: null, window: 'day' });
  await ledger.putBudget({
    id: 'openai',
    match: { provider: 'openai' },
    unit: 'usd',
    limit: null,
    window: 'month',
  });
  await ledger.putBudget({
    id: 'tenants',
    match: { tenant: '*' },
    unit: 'usd',
    limit: null,
    window: 'month',
  });
});
afterEach(() => ledger.close());

interface Call {
  readonly model?: string;
  readonly provider?: string;
  readonly estimated?: boolean;
  readonly unpriced?: readonly string[];
  readonly outcome?: 'completed' | 'cancelled' | 'failed';
  readonly cost?: readonly (readonly [string, number, string, string])[];
  readonly tokens?: bigint;
}

/** A call as the gateway books it: candidates, and a note of how the charge came about. */
async function call(holdId: string, amount: string, how: Call = {}): Promise<void> {
  const {
    model = 'gpt-5',
    provider = 'openai',
    estimated = false,
    outcome = 'completed',
    tokens = 10n,
  } = how;
  const cost = how.cost ?? [['input', 10, '1', amount]];
  await ledger.authorize({
    holdId,
    labels: { tenant: 'acme' },
    amounts: { usd: usd('5'), tokens: 100n },
    candidates: [{ labels: { tenant: 'acme', provider, model } }],
    onExpiry: 'charge',
  });
  const note = JSON.stringify({ prices: 'v1', cost, estimated, end: outcome, unpriced: how.unpriced });
  await ledger.settle({ holdId, amounts: { usd: usd(amount), tokens }, outcome, note });
}

interface Asked {
  readonly from?: string;
  readonly to?: string;
  readonly tolerance?: string;
  readonly post?: boolean;
  readonly labels?: Record<string, string>;
}

function ask(csv: string, asked: Asked = {}): Promise<Reconciliation> {
  const { from = '2026-11-01', to = '2026-11-01', tolerance = '0', post = false, labels = {} } = asked;
  const options = {
    provider: 'openai',
    range: dayRange(from, to),
    source: { csv: once(csv), name: 'bill.csv' },
    tolerance: parseTolerance(tolerance),
    now: clock.now(),
  };
  return reconcile(ledger, options, post ? { ledger, actor: null, labels } : null);
}

async function* once(csv: string) {
  yield csv;
}

/** `day item gap: causes`, of rows that are apart. */
function apart({ gaps }: Reconciliation): string[] {
  return gaps.rows
    .filter(({ deviationUsd }) => deviationUsd > 0n)
    .map(
      ({ day, item, gapUsd, causes }) =>
        `${day} ${item} ${gapUsd}: ${causes.map(({ cause }) => cause).join(' ')}`,
    );
}

const spent = (budgetId: string) =>
  ledger.balances({ budgetId, current: false }).reduce((sum, balance) => sum + balance.spent, 0n);

describe('reconcile: the gap', () => {
  test('the bill is what was charged → no gap, and nothing to post', async () => {
    await call('h1', '1.5');
    await call('h2', '0.5', { model: 'gpt-5-mini' });
    await call('h3', '9', { provider: 'other' });
    const done = await ask('day,usd,model\n2026-11-01,1.5,gpt-5-2025-08-07\n2026-11-01,0.5,gpt-5-mini\n', {
      post: true,
    });
    expect([done.gaps.gapUsd, done.isWithin, apart(done)]).toEqual([0n, true, []]);
    expect(done.posting).toEqual({
      recorded: { count: 0, usd: 0n },
      lowered: { count: 0, usd: 0n },
      notPosted: [],
    });
  });

  test('a provider by another name of it → the same account', async () => {
    await ledger.putDefinitions({ aliases: { provider: { 'oai-eu': 'openai' } } });
    await call('h1', '1', { provider: 'oai-eu' });
    expect((await ask('day,usd\n2026-11-01,1\n')).gaps.gapUsd).toBe(0n);
  });

  test('each day and model has its own gap: the reverse one of another does not hide it', async () => {
    await call('h1', '2');
    clock.at = START + DAY;
    await call('h2', '1');
    const csv = 'day,usd,model\n2026-11-01,1,gpt-5\n2026-11-02,2,gpt-5\n';
    const done = await ask(csv, { to: '2026-11-02', tolerance: '1%' });
    expect([done.gaps.gapUsd, done.gaps.deviationUsd, done.isWithin]).toEqual([0n, usd('2'), false]);
    expect(apart(done)).toHaveLength(2);
  });

  test('a midnight between the hold and its settlement → the call is of the day on which it was charged', async () => {
    clock.at = Date.parse('2026-11-01T23:59:59.999Z');
    await ledger.authorize({
      holdId: 'h1',
      labels: { provider: 'openai', model: 'gpt-5' },
      amounts: { usd: usd('1') },
    });
    clock.at += 1;
    await ledger.settle({ holdId: 'h1', amounts: { usd: usd('1') } });
    const done = await ask('day,usd,model\n2026-11-02,1,gpt-5\n', { to: '2026-11-02' });
    expect(apart(done)).toEqual([]);
  });

  test('costs that were rounded up by parts → no gap; one step more is one', async () => {
    const cost = [
      ['input', 1, '1', '0.5'],
      ['output', 1, '1', '0.5'],
    ] as const;
    await call('h1', '1', { cost });
    expect((await ask('day,usd,model\n2026-11-01,0.99999997,gpt-5\n')).isWithin).toBe(true);
    expect((await ask('day,usd,model\n2026-11-01,0.99999996,gpt-5\n')).isWithin).toBe(false);
    expect((await ask('day,usd,model\n2026-11-01,1.00000002,gpt-5\n')).isWithin).toBe(false);
  });

  test('a tool that is billed apart → stands apart from its model on both sides', async () => {
    const cost = [
      ['input', 10, '1', '1'],
      ['web_search', 3, '10000', '0.03'],
    ] as const;
    await call('h1', '1.03', { cost });
    expect(
      apart(await ask('day,usd,model,item\n2026-11-01,1,gpt-5,\n2026-11-01,0.03,,web search tool calls\n')),
    ).toEqual([]);
  });

  test('corrected, settled late, expired, reversed and released holds → their last word, on their first day', async () => {
    await call('h1', '1');
    const held = {
      labels: { provider: 'openai', model: 'gpt-5' },
      amounts: { usd: usd('2') },
      ttlMs: 10_000,
    };
    await ledger.authorize({ ...held, holdId: 'late', onExpiry: 'charge' });
    await ledger.authorize({ ...held, holdId: 'gone', onExpiry: 'charge' });
    await ledger.authorize({ ...held, holdId: 'back' });
    await ledger.reverse({ holdId: 'back' });
    await ledger.authorize({ ...held, holdId: 'freed' });
    await ledger.release({ holdId: 'freed' });
    clock.at = START + 11_000;
    await call('h2', '0');
    clock.at = START + DAY;
    await ledger.correct({ holdId: 'h1', amounts: { usd: usd('0.25') }, reason: 'an invoice' });
    await ledger.settle({ holdId: 'late', amounts: { usd: usd('0.5') } });
    const done = await ask('day,usd,model\n2026-11-01,0,gpt-5\n', { to: '2026-11-02' });
    expect(apart(done)).toEqual(['2026-11-01 gpt-5 -275000000: expired_calls late_calls']);
    const [row] = done.gaps.rows;
    expect([row?.ledger?.counts.expired, row?.ledger?.counts.late]).toEqual([
      { calls: 1, usd: usd('2') },
      { calls: 1, usd: usd('0.5') },
    ]);
  });

  test('recorded spend → on the day that it names', async () => {
    clock.at = START + DAY;
    await ledger.record({
      labels: { provider: 'openai', model: 'gpt-5' },
      amounts: { usd: usd('1') },
      occurredAt: START,
    });
    const done = await ask('day,usd,model\n2026-11-01,3,gpt-5\n', { to: '2026-11-02' });
    expect(apart(done)).toEqual(['2026-11-01 gpt-5 200000000: recorded_spend']);
  });

  test('causes come with the calls and the money that they touch, the largest first', async () => {
    await call('h1', '1');
    await call('h2', '0.5', { estimated: true });
    await call('h3', '0.25', { estimated: true, outcome: 'cancelled' });
    const csv = 'day,usd,model,requests,tier\n2026-11-01,2,gpt-5,4,priority\n2026-11-01,7,gpt-6,9,\n';
    const { causes } = reconciliationOut('r1', await ask(csv));
    expect(causes).toEqual([
      { cause: 'not_in_ledger', calls: 9, usd: '7' },
      { cause: 'other_prices', calls: null, usd: '2' },
      { cause: 'estimated_calls', calls: 2, usd: '0.75' },
      { cause: 'calls_not_in_ledger', calls: 1, usd: '0.5' },
      { cause: 'cancelled_calls', calls: 1, usd: '0.25' },
    ]);
  });

  test('a tier without a known price → named beside the estimate', async () => {
    await call('h1', '1', { estimated: true, unpriced: ['service_tier=scale'] });
    expect(apart(await ask('day,usd,model\n2026-11-01,2,gpt-5\n'))).toEqual([
      '2026-11-01 gpt-5 100000000: estimated_calls unpriced_calls',
    ]);
  });

  test('the tokens agree and the money does not → the price is named; nothing on the bill → that is', async () => {
    await call('h1', '1');
    await call('h2', '1', { model: 'gpt-4' });
    const done = await ask('day,usd,model,requests,tokens\n2026-11-01,0.5,gpt-5,1,10\n');
    expect(apart(done)).toEqual([
      '2026-11-01 gpt-4 -100000000: not_in_report',
      '2026-11-01 gpt-5 -50000000: price_differs',
    ]);
  });

  test.each([
    ['0', false],
    ['1%', true],
    ['0.99%', false],
    ['0.01', true],
    ['0.00999999', false],
  ])('a gap of 0.01 on a bill of 1 at the tolerance %s → within: %s', async (tolerance, within) => {
    await call('h1', '0.99');
    expect((await ask('day,usd,model\n2026-11-01,1,gpt-5\n', { tolerance })).isWithin).toBe(within);
  });

  test('the table names the day, the model, the gap and its causes', async () => {
    await call('h1', '0.5', { estimated: true });
    const shown = reconciliationText(
      reconciliationOut('r1', await ask('day,usd,model\n2026-11-01,1.5,gpt-5\n')),
    );
    expect(shown).toMatch(/2026-11-01 +gpt-5 +0\.5 +1\.5 +\+1 +1 estimated calls \(0\.5 usd\)/);
    expect(shown).toContain('BEYOND the tolerance: off by 1 usd');
  });

  test.each([
    ['2026-11-02', '2026-11-01', 'to'],
    ['2026-11-01', '2027-11-02', 'to'],
    ['2026-02-30', '2026-11-01', 'from'],
    ['yesterday', '2026-11-01', 'from'],
  ])('the days %s to %s → refused, naming %s', (from, to, field) => {
    expect(() => dayRange(from, to)).toThrow(new RegExp(`^${field}: `));
  });

  test.each(['101%', '-1', '1e2', 'all', ''])('the tolerance %j → refused', (written) => {
    expect(() => parseTolerance(written)).toThrow(/^tolerance: /);
  });
});

describe('reconcile: posting', () => {
  const BILL = 'day,usd,model\n2026-11-01,3,gpt-5\n';

  test('a shortfall → recorded under the provider, on its day, and the gap is gone', async () => {
    await call('h1', '1');
    clock.at = START + DAY;
    const done = await ask(BILL, { post: true, labels: { tenant: 'platform' } });
    expect([done.posting?.recorded, done.gapLeftUsd, done.isWithin]).toEqual([
      { count: 1, usd: usd('2') },
      0n,
      true,
    ]);
    expect([spent('openai'), spent('all'), spent('tenants')]).toEqual([usd('3'), usd('3'), usd('3')]);
    const tenants = ledger
      .balances({ budgetId: 'tenants' })
      .map(({ values, spent: own }) => [values.tenant, own]);
    expect(tenants).toEqual([
      ['acme', usd('1')],
      ['platform', usd('2')],
    ]);
    const days = ledger.balances({ budgetId: 'all', current: false });
    expect(days.map(({ window, spent: own }) => [window.start, own])).toEqual([[START - 9 * HOUR, usd('3')]]);
    const events = [];
    for await (const event of ledger.events({ type: 'spend_recorded' })) events.push(event.details);
    expect(events).toMatchObject([
      {
        labels: { provider: 'openai', model: 'gpt-5', metering: 'reconciliation', tenant: 'platform' },
        note: JSON.stringify({
          reconciliation: { report: done.report.digest, day: '2026-11-01', item: 'gpt-5', kind: 'model' },
        }),
      },
    ]);
  });

  test('recorded spend that was taken back → the ledger’s side is lower by it, on the day that it was recorded for', async () => {
    await call('h1', '3');
    const labels = { provider: 'openai', model: 'gpt-5' };
    const recorded = { labels, amounts: { usd: usd('2') }, occurredAt: clock.at };
    await ledger.record(recorded);
    clock.at = START + DAY;
    await ledger.credit({ ...recorded, amounts: { usd: usd('1.5') }, reason: 'twice' });
    const [row] = (await ask(BILL)).gaps.rows;
    expect(row).toMatchObject({ ledgerUsd: usd('3.5'), gapUsd: -usd('0.5') });
    await ledger.credit({ ...recorded, amounts: { usd: usd('0.5') }, reason: 'twice' });
    expect(await ask(BILL)).toMatchObject({ gapLeftUsd: 0n, isWithin: true });
  });

  test('the same report again → nothing is booked; two at once → one of them books', async () => {
    await call('h1', '1');
    clock.at = START + DAY;
    await Promise.all([ask(BILL, { post: true }), ask(BILL, { post: true })]);
    expect(spent('openai')).toBe(usd('3'));
    const again = await ask(BILL, { post: true });
    expect([spent('openai'), again.posting?.recorded.count, again.isWithin]).toEqual([usd('3'), 0, true]);
  });

  test('an excess → taken off the charges themselves, estimates first, and the tenant gets it back', async () => {
    await call('h1', '2');
    await call('h2', '1', { estimated: true });
    await call('h3', '0.5', { outcome: 'cancelled', estimated: true });
    clock.at = START + DAY;
    const done = await ask('day,usd,model\n2026-11-01,1.75,gpt-5\n', { post: true });
    expect([done.posting?.lowered, done.posting?.notPosted]).toEqual([{ count: 3, usd: usd('1.75') }, []]);
    expect(['h1', 'h2', 'h3'].map((id) => ledger.hold(id)?.charged?.usd)).toEqual([usd('1.75'), 0n, 0n]);
    expect([spent('tenants'), done.gapLeftUsd, done.isWithin]).toEqual([usd('1.75'), 0n, true]);
    const reasons = [];
    for await (const { details } of ledger.events({ type: 'hold_corrected' })) reasons.push(details.reason);
    expect(reasons[0]).toBe(`reconciliation with openai's report ${done.report.digest} of 2026-11-01`);
    const again = await ask('day,usd,model\n2026-11-01,1.75,gpt-5\n', { post: true });
    expect([again.posting?.lowered.count, spent('tenants')]).toEqual([0, usd('1.75')]);
  });

  test('an excess beyond the estimates → taken off the others in proportion, to the microcent', async () => {
    await call('e1', '0.2', { estimated: true });
    await call('f1', '2');
    await call('f2', '1');
    await call('f3', '0.00000001');
    clock.at = START + DAY;
    const done = await ask('day,usd,model\n2026-11-01,2.99999999,gpt-5\n', { post: true });
    // 0.2 of the estimate, and two microcents of the rest: one step each would be less than a share.
    expect([done.posting?.notPosted, done.gapLeftUsd]).toEqual([[], 0n]);
    const half = await ask('day,usd,model\n2026-11-01,1.5,gpt-5\n', { post: true });
    expect([half.posting?.notPosted, half.gapLeftUsd]).toEqual([[], 0n]);
    const charged = ['e1', 'f1', 'f2', 'f3'].map((id) => ledger.hold(id)?.charged?.usd ?? 0n);
    // A third and two thirds of 1.5, but for the microcents that no share can be divided into.
    expect(charged).toEqual([0n, 99_999_998n, 50_000_001n, 1n]);
  });

  test('an excess that was recorded without a hold → is not taken off the charges of others', async () => {
    await call('h1', '1');
    await ledger.record({ labels: { provider: 'openai', model: 'gpt-5' }, amounts: { usd: usd('2') } });
    clock.at = START + DAY;
    const done = await ask('day,usd,model\n2026-11-01,1,gpt-5\n', { post: true });
    expect(done.posting?.notPosted).toMatchObject([{ usd: -usd('2') }]);
    expect(ledger.hold('h1')?.charged?.usd).toBe(usd('1'));
  });

  test('an attempt that another candidate followed → is of the model that its note names, estimated and failed', async () => {
    const note = JSON.stringify({
      prices: 'v1',
      cost: [['input', 10, '1', '0.5']],
      estimated: true,
      end: 'failed_at_provider',
      attempt: 1,
      model: 'gpt-5',
      hold: 'h0',
    });
    await ledger.record({ labels: { provider: 'openai' }, amounts: { usd: usd('0.5'), calls: 1n }, note });
    const { gaps } = await ask('day,usd,model\n2026-11-01,0.25,gpt-5-2025-08-07\n');
    expect(
      gaps.rows.map(({ item, ledger: own, causes }) => [item, own?.calls, causes.map(({ cause }) => cause)]),
    ).toEqual([['gpt-5', 1, ['estimated_calls', 'failed_calls']]]);
  });

  test('an excess in a tool and in its model → each is taken off its own part of the charge', async () => {
    const cost = [
      ['input', 10, '1', '1'],
      ['web_search', 5, '10000', '0.05'],
    ] as const;
    await call('h1', '1.05', { cost, estimated: true });
    clock.at = START + DAY;
    const csv = 'day,usd,model,item\n2026-11-01,0.75,gpt-5,\n2026-11-01,0.02,,web search tool calls\n';
    const done = await ask(csv, { post: true });
    expect([done.posting?.lowered, done.isWithin]).toEqual([{ count: 2, usd: usd('0.28') }, true]);
    expect(ledger.hold('h1')?.charged?.usd).toBe(usd('0.77'));
    expect(apart(await ask(csv))).toEqual([]);
  });

  test('an excess that an expired hold charged → it is settled late at what was billed', async () => {
    await ledger.authorize({
      holdId: 'lost',
      labels: { provider: 'openai', model: 'gpt-5', tenant: 'acme' },
      amounts: { usd: usd('4') },
      onExpiry: 'charge',
    });
    clock.at = START + HOUR;
    await call('h1', '1');
    clock.at = START + DAY;
    const done = await ask('day,usd,model\n2026-11-01,1.5,gpt-5\n', { post: true });
    expect([done.isWithin, ledger.hold('lost')?.charged?.usd, spent('tenants')]).toEqual([
      true,
      usd('0.5'),
      usd('1.5'),
    ]);
  });

  test('a day whose windows are long gone → booked now, and the next reconciliation counts it on its day', async () => {
    await call('h1', '1');
    clock.at = START + 10 * DAY;
    const done = await ask(BILL, { post: true });
    expect([done.isWithin, done.posting?.recorded.usd, done.posting?.notPosted]).toEqual([
      true,
      usd('2'),
      [],
    ]);
    const again = await ask(BILL, { post: true, to: '2026-11-11' });
    expect([again.posting?.recorded.count, again.gapLeftUsd]).toEqual([0, 0n]);
  });

  test('an excess whose holds have left the memory → said, and nothing is invented', async () => {
    await call('h1', '4');
    clock.at = START + 10 * DAY;
    await call('h2', '0');
    const before = ledger.head().sequence;
    const done = await ask(BILL, { post: true, tolerance: '0.5' });
    expect(done.posting?.notPosted).toMatchObject([{ day: '2026-11-01', item: 'gpt-5', usd: -usd('1') }]);
    expect([done.isWithin, ledger.head().sequence]).toEqual([false, before]);
  });

  test('a day that is not over: a shortfall is booked, an excess is not taken off', async () => {
    await call('h1', '1');
    await call('h2', '1', { model: 'gpt-4' });
    clock.at = START + HOUR;
    const done = await ask(BILL, { post: true });
    expect(done.posting?.recorded).toEqual({ count: 1, usd: usd('2') });
    expect(done.posting?.notPosted).toMatchObject([{ item: 'gpt-4', usd: -usd('1') }]);
    expect(done.posting?.notPosted[0]?.why).toContain('not over');
  });

  test('a report by day alone → the whole day is compared, and booked without a model', async () => {
    await call('h1', '1', { estimated: true });
    await call('h2', '1', { model: 'gpt-4' });
    clock.at = START + DAY;
    const more = await ask('day,usd\n2026-11-01,3\n', { post: true });
    expect([more.gapLeftUsd, more.posting?.recorded.usd]).toEqual([0n, usd('1')]);
    const less = await ask('day,usd\n2026-11-01,2.5\n', { post: true });
    expect([less.gapLeftUsd, ledger.hold('h1')?.charged?.usd]).toEqual([0n, usd('0.5')]);
  });

  test('a report that takes a posting back: what the holds do not cover is said', async () => {
    clock.at = START + DAY;
    await ask(BILL, { post: true });
    const done = await ask('day,usd,model\n2026-11-01,1,gpt-5\n', { post: true });
    expect(done.posting?.notPosted).toMatchObject([{ usd: -usd('2') }]);
    expect(done.posting?.notPosted[0]?.why).toContain('were no holds');
  });
});

test('reconcile: more rows than are shown → those with the largest gaps, by day; the sums have all', async () => {
  const lines = Array.from({ length: 5_010 }, (_none, index) => `2026-11-01,${index + 1},m${index}x`);
  const view = reconciliationOut('r1', await ask(`day,usd,model\n${lines.join('\n')}\n`));
  expect([view.rows.length, view.rowsLeftOut, view.gapUsd]).toEqual([5_000, 10, '12552555']);
  expect(view.rows.some(({ item }) => item === 'm9x')).toBe(false);
  expect(reconciliationText(view)).toContain('10 with smaller gaps, or none, are not shown');
});

test('reconcile: a long journal is read in slices, so that timers run meanwhile', async () => {
  const commands = Array.from({ length: 5_000 }, (_none, index) => ({
    command: 'record_spend' as const,
    labels: { provider: 'openai', model: `m${index % 7}` },
    amounts: { usd: 1n },
  }));
  await ledger.submit(commands);
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 0);
  const progress: number[] = [];
  await reconcile(ledger, {
    provider: 'openai',
    range: dayRange('2026-11-01', '2026-11-01'),
    source: { csv: once('day,usd\n2026-11-01,0.00005\n'), name: 'bill.csv' },
    tolerance: parseTolerance('0'),
    now: clock.now(),
    progress: (done, total) => progress.push(done / total),
  });
  clearInterval(timer);
  expect(turns).toBeGreaterThan(5);
  expect(progress.at(-1)).toBe(1);
});
