// Rule Q10 over a real ledger: how a user stands, limits on tools, and limits of a user's own.

import { expect, test } from 'vitest';
import { killedBeforeEachStep } from '../setup/files-setup.js';
import { ACME, ANN, DAY_MS, limited, ONE_TIER, PLATFORM, QuotasStage, refused } from './quotas-setup.js';

test.each([
  [79_999, 'within'],
  [80_000, 'warning'],
  [99_999, 'warning'],
  [100_000, 'exhausted'],
])('Q10: %i of 100000 used → %s', async (used, state) => {
  const stage = await QuotasStage.open({ ...ONE_TIER, limits: { daily: { total: '0.1' } } });
  await stage.used(used - 10);
  await stage.running(10);
  const { buckets, policy } = await stage.quotas.status(ACME, ANN);
  expect(policy).toBe(1);
  const total = buckets.find(({ bucket, period }) => bucket === 'total' && period === 'daily');
  expect(total).toMatchObject({
    used: BigInt(used),
    held: 10n,
    spent: BigInt(used - 10),
    left: BigInt(100_000 - used),
    state,
  });
});

test('Q10: a user who has used nothing has all of it, and the status of one is not another’s', async () => {
  const stage = await QuotasStage.open({ ...ONE_TIER, limits: { daily: { total: '0.1' } } });
  await stage.used(1000);
  const { buckets, tools } = await stage.quotas.status(ACME, { user: 'ben' });
  const resetsAt = Math.ceil((stage.clock.now() + 1) / DAY_MS) * DAY_MS;
  expect(buckets[0]).toMatchObject({ limit: 100_000n, used: 0n, left: 100_000n, state: 'within', resetsAt });
  expect(buckets[1]).toMatchObject({ bucket: 'tier:premium', limit: null, left: null, state: 'unlimited' });
  expect(tools.webSearches).toMatchObject({ daily: { limit: 75n, left: 75n }, perTurn: 2 });
  expect(tools.codeInterpreterCalls).toMatchObject({ daily: { limit: 50n }, perTurn: 10 });
});

test.each([
  ['webSearches', 2, 75],
  ['codeInterpreterCalls', 10, 50],
] as const)(
  'Q10: %s are limited to %i a turn and %i a day, by use and not by ability',
  async (tool, perTurn, daily) => {
    const stage = await QuotasStage.open(ONE_TIER);
    const ask = (count: number) => stage.hold({ inputTokens: 0, outputTokensMax: 10, [tool]: count });
    expect((await ask(perTurn + 1)).decision).toMatchObject({ outcome: 'denied', reason: 'too_large' });
    for (let used = 0; used < daily - 1; used += 1) {
      // Able to use the most of a turn, used one.
      await stage.settle(await stage.running(10, { [tool]: perTurn }), 'completed', {
        inputTokens: 0,
        outputTokens: 1,
        [tool]: 1,
      });
      if (daily - 1 - used - 1 < perTurn) break;
    }
    const status = async () => (await stage.quotas.status(ACME, ANN)).tools[tool].daily;
    const left = Number((await status()).left);
    expect(left).toBeGreaterThan(0);
    expect((await ask(left)).decision.outcome).toBe('authorized');
    expect((await ask(1)).decision).toMatchObject({ outcome: 'denied' });
    expect(await status()).toMatchObject({ left: 0n, state: 'exhausted' });
    expect((await ask(0)).decision.outcome).toBe('authorized');
  },
);

test('Q10: a user’s own limits come before the policy’s, before its first use and after a new policy too', async () => {
  const stage = await QuotasStage.open(limited({ total: '1', 'tier:premium': '1' }));
  const limits = { limits: { daily: { total: 500n } }, toolLimits: { webSearches: 1n } };
  const status = await stage.quotas.putLimits(PLATFORM, ANN, limits);
  expect(status.buckets[0]).toMatchObject({ bucket: 'total', limit: 500n });
  expect(status.tools.webSearches.daily.limit).toBe(1n);
  const denied = async () => (await stage.hold({ inputTokens: 0, outputTokensMax: 501 })).decision.outcome;
  expect(await denied()).toBe('denied');
  await stage.activate(limited({ total: '2' }));
  expect(await denied()).toBe('denied');
  // What is left out is the policy's again.
  const after = await stage.quotas.putLimits(PLATFORM, ANN, {
    limits: { monthly: { 'tier:premium': null } },
  });
  expect(after.buckets[0].limit).toBe(2_000_000n);
  expect(after.tools.webSearches.daily.limit).toBe(75n);
  expect(await denied()).toBe('authorized');
});

test('Q10: limits that the platform gave a user are not for the tenant’s keys to change', async () => {
  const stage = await QuotasStage.open(limited({ total: '1' }));
  const put = (caller: typeof ACME, total: bigint | undefined, user = 'ann') =>
    refused(() =>
      stage.quotas.putLimits(
        caller,
        { user, tenant: 'acme' },
        { limits: { daily: total === undefined ? {} : { total } } },
      ),
    );
  expect(await put(PLATFORM, 300_000n)).toBe('nothing was refused');
  expect(await put(ACME, 1_000_000n)).toMatch(/^forbidden: the limit was set by a key with the scope admin/);
  expect(await put(ACME, undefined)).toMatch(/^forbidden/);
  expect(await put(ACME, 300_000n, 'ben')).toBe('nothing was refused');
  expect(await put(ACME, 900_000n, 'ben')).toBe('nothing was refused');
  expect(await put(PLATFORM, 2_000_000n)).toBe('nothing was refused');
});

test('Q10: a tenant’s key lowers its users’ limits and never raises them, and no other tenant’s', async () => {
  const stage = await QuotasStage.open(limited({ total: '1' }));
  const put = (daily: Record<string, bigint | null>, account: { user: string; tenant?: string } = ANN) =>
    refused(() => stage.quotas.putLimits(ACME, account, { limits: { daily } }));
  expect(await put({ total: 1_000_000n })).toBe('nothing was refused');
  expect(await put({ total: 1_000_001n })).toMatch(
    /^forbidden: limits.daily.total: 1.000001 is above the 1 of the policy/,
  );
  expect(await put({ total: null })).toMatch(/^forbidden: limits.daily.total: no limit/);
  expect(await put({ total: 1n }, { user: 'ann', tenant: 'other' })).toMatch(/^not_found/);
  expect(await put({ 'model:none': 1n })).toMatch(
    /^invalid_request: limits.daily: "model:none" is none of the buckets/,
  );
  const ann = { ...ACME, labels: { ...ACME.labels, user: 'ann' } };
  expect(await refused(() => stage.quotas.status(ann, { user: 'ben' }))).toMatch(/^not_found/);
  expect(await refused(() => stage.quotas.status(PLATFORM, { user: 'ann' }))).toMatch(
    /^invalid_request: tenant/,
  );
  expect(await refused(() => stage.quotas.status(PLATFORM, { user: '*', tenant: 'acme' }))).toMatch(
    /^invalid_request: user/,
  );
});

test('Q10: a user’s own limits that are killed anywhere are all set, with who set them, or none is', async () => {
  const limits = { limits: { daily: { total: 500_000n }, monthly: { total: 900_000n } } };
  const steps = await killedBeforeEachStep({
    ready: () => QuotasStage.open(limited({ total: '1' })),
    act: (stage) => stage.quotas.putLimits(PLATFORM, ANN, limits),
    check: async (stage, isDone) => {
      const { buckets } = await stage.quotas.status(ACME, ANN);
      const totals = buckets.filter(({ bucket }) => bucket === 'total').map(({ limit }) => limit);
      expect(totals).toEqual(isDone ? [500_000n, 900_000n] : [1_000_000n, null]);
      const byTenant = await refused(() => stage.quotas.putLimits(ACME, ANN, {}));
      expect(byTenant).toMatch(isDone ? /^forbidden/ : /^nothing was refused/);
    },
  });
  expect(steps).toBe(1);
});
