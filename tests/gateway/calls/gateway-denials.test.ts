// Which of several refusals a caller is told: the budget that bears the reason, and of several candidates what can be had
// soonest (field problem 37). Denials come from a real ledger, so that its reading and this one cannot drift apart.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { openLedger } from '#bursar/authority/open.js';
import type { Denied } from '#bursar/core/outcomes.js';
import type { Authorize, BudgetSpec } from '#bursar/core/requests.js';
import { denialAnswer } from '#bursar/gateway/calls/denial.js';
import { QUOTA_BUDGETS } from '#bursar/quotas/buckets.js';

const NOON = Date.parse('2027-03-01T12:00:00Z');
const HOUR_MS = 3_600_000;

let ledger: Awaited<ReturnType<typeof openLedger>>;
beforeEach(async () => {
  ledger = await openLedger({ path: ':memory:', clock: { now: () => NOON } });
});
afterEach(() => ledger.close());

const usd = (id: string, limit: bigint, more: Partial<BudgetSpec> = {}): BudgetSpec => ({
  id,
  match: { tenant: 'acme' },
  unit: 'usd',
  limit,
  window: 'day',
  ...more,
});

async function denied(
  budgets: readonly BudgetSpec[],
  asked: Partial<Authorize>,
  before?: () => Promise<unknown>,
) {
  await ledger.putDefinitions({ budgets });
  await before?.();
  const decision = await ledger.authorize({
    holdId: 'h',
    labels: { tenant: 'acme' },
    amounts: { usd: 10n },
    ...asked,
  });
  expect(decision.outcome).toBe('denied');
  return denialAnswer(decision as Denied, {
    exhaustedStatus: 402,
    budgetOf: (id) => ledger.budget(id),
    quotas: QUOTA_BUDGETS,
  });
}

const hold = (amount: bigint, labels = {}) =>
  ledger.authorize({
    holdId: `before-${amount}`,
    labels: { tenant: 'acme', ...labels },
    amounts: { usd: amount },
  });
const spend = (amount: bigint, labels = {}) =>
  ledger.record({ labels: { tenant: 'acme', ...labels }, amounts: { usd: amount } });

test('one budget is held and another used up → the one that is used up', async () => {
  const budgets = [
    usd('team', 20n, { match: { tenant: 'acme', team: 'x' } }),
    usd('user', 30n, { match: { tenant: 'acme', user: 'ada' } }),
  ];
  const answer = await denied(budgets, { labels: { tenant: 'acme', team: 'x', user: 'ada' } }, async () => {
    await hold(15n, { team: 'x' });
    await spend(25n, { user: 'ada' });
  });
  expect(answer).toMatchObject({
    status: 402,
    code: 'budget_exhausted',
    final: true,
    line: { budgetId: 'user' },
  });
});

test('several are used up → the one that resets last, and when', async () => {
  const answer = await denied([usd('hour', 20n, { window: 'hour' }), usd('day', 20n)], {}, () => spend(15n));
  expect(answer).toMatchObject({
    code: 'budget_exhausted',
    line: { budgetId: 'day' },
    retryAfterMs: 12 * HOUR_MS,
  });
});

test('the cap of one hold, a pause, a forced exhaustion → each has its code', async () => {
  const large = await denied([usd('a', 100n, { perHoldMax: 9n })], {});
  expect(large).toMatchObject({
    ...{ code: 'request_exceeds_budget', line: { budgetId: 'a' }, cap: { max: 9n, tool: null } },
    sentence: 'this one request is larger than the budget allows any to be',
  });
  const paused = await denied([usd('a', 100n)], { holdId: 'h2' }, () =>
    ledger.setBudgetStatus({ budgetId: 'a', status: 'paused' }),
  );
  expect(paused).toMatchObject({ status: 402, code: 'budget_paused', final: true });
  const forced = await denied([usd('a', 100n)], { holdId: 'h3' }, async () => {
    await ledger.setBudgetStatus({ budgetId: 'a', status: 'active' });
    await ledger.exhaust({ budgetId: 'a', until: NOON + HOUR_MS });
  });
  expect(forced).toMatchObject({
    code: 'budget_exhausted',
    retryAfterMs: HOUR_MS,
    resetsAt: NOON + HOUR_MS,
    line: { resetsAt: NOON + 12 * HOUR_MS },
  });
});

test('a unit that the request does not state → says so', async () => {
  const answer = await denied([usd('a', 100n), { ...usd('t', 5n), unit: 'tokens' }], {});
  expect(answer).toMatchObject({ status: 402, code: 'unit_missing', line: { budgetId: 't' } });
});

test('several candidates → the answer is about the one that can be had soonest', async () => {
  const answer = await denied(
    [
      usd('a', 20n, { match: { tenant: 'acme', model: 'a' } }),
      usd('b', 5n, { match: { tenant: 'acme', model: 'b' } }),
    ],
    { candidates: [{ labels: { model: 'a' } }, { labels: { model: 'b' } }] },
    () => hold(15n, { model: 'a' }),
  );
  expect(answer).toMatchObject({ status: 429, code: 'budget_held', final: false, line: { budgetId: 'a' } });
  expect(answer.retryAfterMs).toBeGreaterThan(0);
});

test('a quota of a provider → 429, not its callers’ budget', async () => {
  const answer = await denied(
    [usd('provider/main/hour', 20n, { match: { provider: 'main' }, window: 'hour' })],
    { labels: { tenant: 'acme', provider: 'main' } },
    () => spend(15n, { provider: 'main' }),
  );
  expect(answer).toMatchObject({ status: 429, code: 'quota_exceeded', final: false, retryAfterMs: HOUR_MS });
});
