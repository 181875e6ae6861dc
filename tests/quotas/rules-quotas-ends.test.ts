// Rules Q8 and Q9 over a real ledger: what a turn is charged, however it ends.

import { expect, test } from 'vitest';
import type { TurnEnd } from '#bursar/chats/turn.js';
import { ACME, ANN, limited, ONE_TIER, QuotasStage } from './quotas-setup.js';

test.each([
  [10, 1100, 1100, false],
  [10, 1101, 1000, true],
  [0, 1000, 1000, false],
  [0, 1001, 1000, true],
  [50, 1500, 1500, false],
  [50, 1501, 1000, true],
])(
  'Q8: a tolerance of %i per cent, reserve 1000, used %i → charged %i, flagged %s, and the turn is completed',
  async (overshootTolerancePercent, used, charged, flagged) => {
    const stage = await QuotasStage.open({ ...ONE_TIER, overshootTolerancePercent });
    const settled = await stage.settle(await stage.running(1000), 'completed', {
      inputTokens: 0,
      outputTokens: used,
    });
    expect([settled.outcome, settled.overshoot]).toEqual(['settled', flagged ? BigInt(used) : null]);
    expect(stage.figures('quota/daily/total')).toEqual([0, charged]);
    // What was used is counted as it was, and the event says how it ended.
    expect(stage.figures('quota/daily/total/tokens')).toEqual([0, used]);
    const event = (await stage.events()).find(({ type }) => type === 'hold_settled');
    expect(event?.details).toMatchObject({ outcome: 'completed' });
    expect(JSON.parse(String(event?.details.note)).overshoot).toBe(flagged ? String(used) : undefined);
  },
);

test('Q8: an overshoot that is tolerated is charged as it was, though it takes the bucket below its limit', async () => {
  const stage = await QuotasStage.open({ ...ONE_TIER, limits: { daily: { total: '0.001' } } });
  await stage.settle(await stage.running(1000), 'completed', { inputTokens: 0, outputTokens: 1100 });
  const { buckets } = await stage.quotas.status(ACME, ANN);
  expect(buckets[0]).toMatchObject({ bucket: 'total', used: 1100n, left: 0n, state: 'exhausted' });
});

test('Q8: a usage beyond the bounds of credits is charged at the reserve, never refused', async () => {
  const stage = await QuotasStage.open(ONE_TIER);
  const settled = await stage.settle(await stage.running(1000), 'completed', {
    inputTokens: 10_000_001,
    outputTokens: 0,
  });
  expect(settled).toMatchObject({ outcome: 'settled', overshoot: 1000n });
  expect(stage.figures('quota/daily/total')).toEqual([0, 1000]);
});

const USAGE = { inputTokens: 300, outputTokens: 40 };
// A reserve of 1000: 400 of estimated input and 600 of output; the estimate is 400 and the floor of 50.
test.each<[TurnEnd, typeof USAGE | null, number, boolean, string]>([
  ['completed', USAGE, 340, false, 'completed'],
  ['completed', null, 450, true, 'completed'],
  ['cancelled', USAGE, 340, false, 'cancelled'],
  ['cancelled', null, 450, true, 'cancelled'],
  ['failed_before', USAGE, 0, false, 'failed'],
  ['failed_before', null, 0, false, 'failed'],
  ['failed_at_provider', USAGE, 340, false, 'failed'],
  ['failed_at_provider', null, 450, true, 'failed'],
  ['orphaned', USAGE, 450, true, 'failed'],
  ['unknown', USAGE, 450, true, 'unknown'],
])(
  'Q9: %s, usage %j → charged %i, estimated %s, recorded as %s',
  async (end, usage, charged, estimated, outcome) => {
    const stage = await QuotasStage.open(ONE_TIER);
    const turn = await stage.running(600, { inputTokens: 400 });
    expect(turn.terms.held.credits).toBe(1000n);
    const settled = await stage.settle(turn, end, usage);
    expect([settled.outcome, settled.estimated, settled.alert]).toEqual([
      'settled',
      estimated,
      end === 'unknown',
    ]);
    expect(stage.figures('quota/daily/total')).toEqual([0, charged]);
    expect(stage.figures('quota/daily/total/calls')).toEqual([0, end === 'failed_before' ? 0 : 1]);
    expect(stage.alerts).toHaveLength(end === 'unknown' ? 1 : 0);
    const event = (await stage.events()).find(({ type }) => type === 'hold_settled');
    expect(event?.details).toMatchObject({ outcome });
  },
);

test('Q9: the estimate is at most the reserve, and a zero that the provider states is a fact', async () => {
  const stage = await QuotasStage.open(ONE_TIER);
  await stage.settle(await stage.running(20, { inputTokens: 400 }), 'orphaned', null);
  expect(stage.figures('quota/daily/total')).toEqual([0, 420]);
  const zero = await stage.settle(await stage.running(600), 'completed', { inputTokens: 0, outputTokens: 0 });
  expect(zero.estimated).toBe(false);
  expect(stage.figures('quota/daily/total')).toEqual([0, 420]);
});

test('Q9: a hold whose time is up is charged its estimate, and a settlement that comes later replaces it', async () => {
  const stage = await QuotasStage.open(ONE_TIER);
  const turn = await stage.running(600, { inputTokens: 400 });
  stage.clock.at += 600_001;
  await stage.hold({ inputTokens: 0, outputTokensMax: 1 }, 'ben');
  expect(stage.figures('quota/daily/total')).toEqual([0, 450]);
  const settled = await stage.settle(turn, 'completed', { inputTokens: 400, outputTokens: 100 });
  expect(settled).toMatchObject({ outcome: 'settled', late: true });
  expect(stage.figures('quota/daily/total')).toEqual([0, 500]);
});

test('Q9: the same end said again settles once, from what the ledger alone remembers of the hold', async () => {
  const stage = await QuotasStage.open(ONE_TIER);
  const turn = await stage.running(600, { inputTokens: 400 });
  const hold = stage.ledger.hold(turn.holdId);
  await stage.activate(limited({ total: '1' }));
  await stage.restart();
  const { tier, model, policy } = hold?.labels ?? {};
  const remembered = {
    ...turn,
    terms: { decisionId: null, held: hold?.authorized ?? {}, policy: Number(policy), tier, model },
  };
  const first = await stage.settle(remembered as typeof turn, 'orphaned', null);
  const again = await stage.settle(turn, 'orphaned', null);
  expect([first.outcome, again.outcome, again.outcome === 'settled' && again.replayed]).toEqual([
    'settled',
    'settled',
    true,
  ]);
  expect(stage.figures('quota/daily/total')).toEqual([0, 450]);
});
