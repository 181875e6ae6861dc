// Rules Q1–Q3, Q6 and Q7 of the rule book over a real ledger: quotas are budgets of it, turns its holds.

import { expect, test } from 'vitest';
import type { PolicyInput } from '#bursar/quotas/policy.js';
import { killedBeforeEachStep } from '../setup/files-setup.js';
import {
  ACME,
  ANN,
  DAY_MS,
  limited,
  modelOf,
  ONE_TIER,
  PLATFORM,
  QuotasStage,
  refused,
  TWO_TIERS,
} from './quotas-setup.js';

test('Q1: one balance each tenant, user, period, start and bucket; first use makes it, later use adds to it', async () => {
  const stage = await QuotasStage.open({ ...ONE_TIER, limits: { daily: { 'model:big': '1' } } });
  expect(stage.ledger.balances({ values: ANN })).toEqual([]);
  await stage.used(700);
  await stage.used(300);
  await stage.hold({ inputTokens: 0, outputTokensMax: 5 }, 'ann', 'other');
  await stage.hold({ inputTokens: 0, outputTokensMax: 6 }, 'ben');
  const spent = stage.ledger
    .balances({ values: ANN })
    .filter(({ unit }) => unit === 'credits')
    .map(({ budgetId, spent, window }) => [
      budgetId,
      Number(spent),
      new Date(window.start ?? 0).toISOString(),
    ]);
  const day = new Date(Math.floor(stage.clock.now() / DAY_MS) * DAY_MS).toISOString();
  const month = `${day.slice(0, 8)}01T00:00:00.000Z`;
  expect(spent).toEqual([
    ['quota/daily/total', 1000, day],
    ['quota/daily/tier:premium', 1000, day],
    ['quota/daily/model:big', 1000, day],
    ['quota/monthly/total', 1000, month],
    ['quota/monthly/tier:premium', 1000, month],
  ]);
  expect(stage.figures('quota/daily/total', 'ann', 'other')).toEqual([5, 0]);
  expect(stage.figures('quota/daily/total', 'ben')).toEqual([6, 0]);
  stage.clock.at += DAY_MS;
  await stage.used(10);
  const days = stage.ledger.balances({ budgetId: 'quota/daily/total', values: ANN, current: false });
  expect(days.map(({ spent }) => Number(spent)).sort((a, b) => a - b)).toEqual([10, 1000]);
});

test('Q2: reserve 1000 and 500 → 1500 held; settle 2000 at 1500 → 0 held, 1500 spent, one call more', async () => {
  const stage = await QuotasStage.open(ONE_TIER);
  await stage.running(1000);
  await stage.running(500);
  expect(stage.figures('quota/daily/total')).toEqual([1500, 0]);
  const other = await stage.hold({ inputTokens: 0, outputTokensMax: 2000 }, 'ben');
  if (!('terms' in other)) throw new Error('it is held');
  await stage.settle(other, 'completed', { inputTokens: 500, outputTokens: 1000 });
  expect(stage.figures('quota/daily/total', 'ben')).toEqual([0, 1500]);
  expect(stage.figures('quota/daily/total/calls', 'ben')).toEqual([0, 1]);
});

test('Q2: settling what was never held is an error, and changes no figure', async () => {
  const stage = await QuotasStage.open(ONE_TIER);
  const turn = await stage.running(1000);
  const settled = await stage.settle({ ...turn, holdId: 'never' }, 'completed', {
    inputTokens: 1,
    outputTokens: 1,
  });
  expect(settled).toMatchObject({ outcome: 'rejected', code: 'hold_not_found' });
  expect(stage.figures('quota/daily/total')).toEqual([1000, 0]);
});

test('Q3: tokens, web searches and code-interpreter calls are counted on the total alone, and zero leaves them unchanged', async () => {
  const stage = await QuotasStage.open(ONE_TIER);
  await stage.settle(await stage.running(1000), 'completed', {
    inputTokens: 300,
    outputTokens: 200,
    webSearches: 2,
    codeInterpreterCalls: 7,
  });
  const counted = (counter: string) => stage.figures(`quota/daily/total/${counter}`);
  expect([counted('tokens'), counted('web_searches'), counted('code_interpreter_calls')]).toEqual([
    [0, 500],
    [0, 2],
    [0, 7],
  ]);
  await stage.settle(await stage.running(1000), 'completed', { inputTokens: 0, outputTokens: 0 });
  const status = await stage.quotas.status(ACME, ANN);
  expect(status.tools.codeInterpreterCalls.daily.used).toBe(7n);
  expect(status.tools.webSearches.daily.used).toBe(2n);
  expect(status.tokens.monthly.used).toBe(500n);
  const counters = stage.ledger.budgets().filter(({ unit }) => unit !== 'credits' && unit !== 'usd');
  expect(counters.every(({ id }) => /^quota\/(?:daily|monthly)\/total\//.test(id))).toBe(true);
});

test('Q6: a request passes up to exactly the limit of every bucket in every period, held amounts included', async () => {
  const stage = await QuotasStage.open({
    ...ONE_TIER,
    limits: { daily: { total: '0.001', 'model:big': '0.0007' }, monthly: { 'tier:premium': '0.0015' } },
  });
  const first = await stage.running(700);
  const day = await stage.hold({ inputTokens: 0, outputTokensMax: 1 });
  expect(day.decision).toMatchObject({ outcome: 'denied', reason: 'held' });
  const violated = (held: typeof day) =>
    'lines' in held.decision
      ? held.decision.lines.filter((line) => line.violated !== null).map((line) => line.budgetId)
      : [];
  expect(violated(day)).toEqual(['quota/daily/model:big']);
  await stage.settle(first, 'completed', { inputTokens: 0, outputTokens: 700 });
  stage.clock.at += DAY_MS;
  await stage.used(700);
  stage.clock.at += DAY_MS;
  const month = await stage.hold({ inputTokens: 0, outputTokensMax: 101 });
  expect(violated(month)).toEqual(['quota/monthly/tier:premium']);
  expect((await stage.hold({ inputTokens: 0, outputTokensMax: 100 })).decision.outcome).toBe('authorized');
});

test('Q6: the next tier is tried with its own price, and the decision says premium_quota_exhausted', async () => {
  const stage = await QuotasStage.open(limited({ 'tier:premium': '0.01', total: '0.0111' }));
  // 1000 tokens are 10000 micro-credits of premium and 1000 of standard.
  const premium = await stage.running(1000);
  expect(premium.terms).toMatchObject({
    tier: 'premium',
    model: 'big',
    reasons: [],
    held: { credits: 10_000n },
  });
  const standard = await stage.running(1000);
  expect(standard.terms).toMatchObject({
    tier: 'standard',
    model: 'small',
    reasons: ['premium_quota_exhausted'],
    held: { credits: 1_000n },
  });
  expect(stage.figures('quota/daily/tier:premium')).toEqual([10_000, 0]);
  expect(stage.figures('quota/daily/tier:standard')).toEqual([1_000, 0]);
  expect(stage.figures('quota/daily/total')).toEqual([11_000, 0]);
});

test('Q6: when no tier passes, the denial says which bucket and period, and when it resets; preflight said so before', async () => {
  const stage = await QuotasStage.open(limited({ total: '0.001' }));
  await stage.used(1000, { tier: 'standard' });
  const request = { textBytes: 0, inputTokens: 0, outputTokensMax: 500 };
  const asked = { request, further: {} };
  const head = stage.ledger.head().sequence;
  const before = stage.quotas.preflight(ACME, ANN, asked);
  expect(stage.ledger.head().sequence).toBe(head);
  const resetsAt = Math.ceil((stage.clock.now() + 1) / DAY_MS) * DAY_MS;
  expect(before).toMatchObject({
    fits: false,
    reasons: [],
    denial: { reason: 'exhausted', bucket: 'total', period: 'daily', resetsAt },
  });
  const denied = await stage.hold({ inputTokens: 0, outputTokensMax: 500 });
  expect(denied.decision).toMatchObject({
    outcome: 'denied',
    reason: 'exhausted',
    retryAfterMs: resetsAt - stage.clock.now(),
  });
  stage.clock.at = resetsAt;
  expect(
    stage.quotas.preflight(ACME, ANN, { ...asked, request: { ...request, outputTokensMax: 100 } }),
  ).toMatchObject({
    fits: true,
    tier: 'premium',
    model: 'big',
    reasons: [],
    reserve: { credits: 1000n, tokens: 100n },
  });
});

test.each([
  ['force_standard_tier', { forceStandardTier: true }, {}, 'small'],
  ['force_standard_tier', { forceStandardTier: true }, { model: 'big' }, 'small'],
  ['disable_premium_tier', { disablePremiumTier: true }, {}, 'small'],
  ['model_disabled', { disabledModels: ['big'] }, {}, 'other-big'],
  ['model_disabled', { disabledModels: ['big'] }, { model: 'big' }, 'other-big'],
  ['model_disabled', { disabledModels: ['big', 'other-big'] }, { tier: 'premium' }, 'small'],
] as const)('Q6: the kill switch for %s %j, asked for %j → %s', async (reason, killSwitches, wish, model) => {
  const models = [...TWO_TIERS.models, modelOf('other-big', 'premium')];
  const stage = await QuotasStage.open({ ...TWO_TIERS, models, killSwitches });
  const { terms } = await stage.running(10, wish);
  // A model of the same tier serves those who named none without a word.
  const told = model === 'other-big' && !('model' in wish) ? [] : [reason];
  expect([terms.model, terms.reasons]).toEqual([model, told]);
});

test('Q7: a turn is settled under the version it started with, in the periods it started in', async () => {
  const stage = await QuotasStage.open(ONE_TIER);
  stage.clock.at = Date.UTC(2026, 2, 31, 23, 59, 0);
  const turn = await stage.running(1000);
  const dearer = { ...ONE_TIER, models: [modelOf('big', 'premium', 3_000_000)] };
  expect(await stage.activate(dearer)).toBe(2);
  stage.clock.at += 120_000;
  await stage.settle(turn, 'completed', { inputTokens: 0, outputTokens: 1000 });
  const all = stage.ledger.balances({ values: ANN, current: false }).filter(({ unit }) => unit === 'credits');
  const spent = all.filter(({ spent }) => spent > 0n);
  expect(spent.map(({ window, spent }) => [new Date(window.end ?? 0).toISOString(), spent])).toEqual(
    spent.map(() => ['2026-04-01T00:00:00.000Z', 1000n]),
  );
  expect(spent).toHaveLength(4);
  expect((await stage.running(1000)).terms).toMatchObject({ policy: 2, held: { credits: 3000n } });
});

test('Q7: versions are numbered and never change, the same one again is no new one, and a restart keeps all', async () => {
  const stage = await QuotasStage.open(null);
  const { policies } = stage.quotas;
  expect(stage.quotas.turns.isActive).toBe(false);
  const first = await policies.put(PLATFORM, limited({ total: '1', 'tier:premium': '0.5' }));
  const again = await policies.put(ACME, limited({ 'tier:premium': '0.5', total: '1' }));
  expect([first.isNew, again.isNew, again.policy.number, again.policy.author]).toEqual([
    true,
    false,
    1,
    PLATFORM.keyId,
  ]);
  const second = await policies.put(
    PLATFORM,
    limited({ total: '2' }, { models: [modelOf('big', 'premium', 7), ...TWO_TIERS.models.slice(1)] }),
  );
  expect(policies.compare(1, second.policy.number)).toEqual([
    { path: 'models.big.inputMultiplier', from: '10000000', to: '7' },
    { path: 'models.big.outputMultiplier', from: '10000000', to: '7' },
    { path: 'limits.daily.tier:premium', from: '0.5', to: null },
    { path: 'limits.daily.total', from: '1', to: '2' },
  ]);
  await policies.activate(PLATFORM, 2);
  await policies.activate(PLATFORM, 1);
  for (const views of ['kept', 'deleted'] as const) {
    await stage.reopenedWith(views);
    const shown = stage.quotas.policies
      .list(0, 10)
      .policies.map(({ number, isActive }) => [number, isActive]);
    expect(shown).toEqual([
      [1, true],
      [2, false],
    ]);
    expect(stage.quotas.policies.get(1).document).toEqual(first.policy.document);
  }
  expect(await refused(() => stage.quotas.policies.get(3))).toBe('not_found: there is no policy 3');
});

test('Q7: a bucket that a newer policy lacks is counted on without a limit, and gets it back with the older one', async () => {
  const stage = await QuotasStage.open(limited({ 'model:big': '0.001' }));
  expect((await stage.running(101)).terms.tier).toBe('standard');
  await stage.activate(limited({ total: '5' }));
  expect((await stage.running(101)).terms.tier).toBe('premium');
  expect(stage.figures('quota/daily/model:big')).toEqual([1010, 0]);
  await stage.quotas.policies.activate(PLATFORM, 1);
  expect((await stage.running(1)).terms.tier).toBe('standard');
});

test('Q7: an activation that is killed anywhere changed the policy in force and all budgets, or neither', async () => {
  const steps = await killedBeforeEachStep({
    ready: async () => {
      const stage = await QuotasStage.open(limited({ total: '1' }));
      await stage.quotas.policies.put(PLATFORM, limited({ total: '2' }));
      return stage;
    },
    act: (stage) => stage.quotas.policies.activate(PLATFORM, 2),
    check: async (stage, isDone) => {
      const total = stage.ledger.budgets().find(({ id }) => id === 'quota/daily/total');
      const version = isDone ? 2 : 1;
      expect([stage.quotas.policies.active?.version, total?.limit]).toEqual([
        version,
        BigInt(version) * 1_000_000n,
      ]);
    },
  });
  expect(steps).toBe(1);
});

test('Q7: a policy whose budgets the ledger refuses is not in force', async () => {
  const stage = await QuotasStage.open(limited({ total: '1' }));
  await stage.quotas.policies.put(PLATFORM, limited({ total: '2' }));
  await stage.ledger.setBudgetStatus({ budgetId: 'quota/daily/total', status: 'closed' });
  expect(await refused(() => stage.quotas.policies.activate(PLATFORM, 2))).toMatch(
    /^conflict: the ledger does not take/,
  );
  await stage.restart();
  expect(stage.quotas.policies.active?.version).toBe(1);
});

test('a policy that is wrong is refused with every problem at its place', async () => {
  const stage = await QuotasStage.open(null);
  const models = [modelOf('big', 'none'), modelOf('big', 'standard', 0), modelOf('b\u0000d', 'premium')];
  const wrong: PolicyInput = {
    tiers: ['premium', 'premium', 'Standard'],
    models,
    limits: { daily: { __proto__x: '1', 'tier:gold': '1', total: '1.1234567' } },
    killSwitches: { disabledModels: ['gone'] },
    overshootTolerancePercent: 51,
    estimate: { bytesPerToken: 0 },
    toolLimits: { webSearches: { daily: -1 } },
  };
  const said = await refused(() => stage.quotas.policies.put(PLATFORM, wrong));
  for (const place of [
    'tiers[1]: "premium" is there already',
    'tiers[2]: "Standard"',
    'models[0].tier: "none" is none of',
    'models[1].name: "big" is there already',
    'models[1].inputMultiplier: 0 is no whole number from 1 to 10000000000',
    'models[2].name:',
    'models: none that is not disabled is in the last tier',
    'limits.daily."tier:gold": is no bucket',
    'limits.daily.total: "1.1234567" has 7 decimal digits; at most 6 fit',
    'killSwitches.disabledModels[0]: "gone" is no model of this policy',
    'overshootTolerancePercent: 51',
    'estimate.bytesPerToken: 0',
    'toolLimits.webSearches.daily: -1',
  ])
    expect(said).toContain(place);
});
