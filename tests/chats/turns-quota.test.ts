// Turns that a policy counts: conversations and quotas together, over real files.

import { expect, test } from 'vitest';
import { ANN, PLATFORM } from '../setup/files-setup.js';
import { ChatsStage } from './turns-setup.js';

const POLICY = {
  tiers: ['premium', 'standard'],
  models: [
    {
      name: 'large',
      tier: 'premium',
      inputMultiplier: 3_000_000,
      outputMultiplier: 15_000_000,
      outputTokensMax: 1_000,
    },
    {
      name: 'small',
      tier: 'standard',
      inputMultiplier: 300_000,
      outputMultiplier: 1_500_000,
      outputTokensMax: 1_000,
    },
  ],
  limits: { daily: { 'tier:premium': '0.018', total: '1' }, monthly: {} },
};

async function withPolicy(): Promise<ChatsStage> {
  const stage = await ChatsStage.open();
  const { policy } = await stage.quotas.policies.put(PLATFORM, POLICY);
  await stage.quotas.policies.activate(PLATFORM, policy.number);
  return stage;
}

/** Micro-credits of ann's day: [held, spent]. */
function credits(stage: ChatsStage): [bigint, bigint] {
  const [balance] = stage.ledger.balances({ budgetId: 'quota/daily/total', values: { user: 'ann' } });
  return [balance.held, balance.spent];
}

const start = (stage: ChatsStage, chat: string, requestId: string) =>
  stage.start(chat, requestId, { wish: { amounts: { usd: 1_000_000n } } });

test('quota: a turn gets its tier from the policy, the next one a lower tier, and each is charged by its own price', async () => {
  const stage = await withPolicy();
  const chat = await stage.chat();
  const first = await start(stage, chat, 'r1');
  if (first.started !== 'now') throw new Error(first.started);
  expect(first.turn).toMatchObject({
    meteredBy: 'quota',
    terms: { policy: 1, tier: 'premium', model: 'large', reasons: [] },
  });
  const usage = { inputTokens: 100, outputTokens: 200 };
  const end = (turnId: string) =>
    stage.turns.end(ANN, { chatId: chat, turnId }, 'completed', {
      text: 'hi',
      usage,
      amounts: { usd: 300_000n },
    });
  const { turn } = await end(first.turn.id);
  // 100 × 3 + 200 × 15 micro-credits, and the other unit as it was said.
  expect(turn.charged).toMatchObject({ credits: 3_300n, tokens: 300n, usd: 300_000n });
  const second = await start(stage, chat, 'r2');
  if (second.started !== 'now') throw new Error(second.started);
  expect(second.turn.terms).toMatchObject({
    tier: 'standard',
    model: 'small',
    reasons: ['premium_quota_exhausted'],
  });
  expect((await end(second.turn.id)).turn.charged?.credits).toBe(330n);
  expect(credits(stage)).toEqual([0n, 3_630n]);
  expect(stage.faults).toEqual([]);
});

test('quota: a turn is settled under the policy that it started with, also over a restart; an orphan at its estimate', async () => {
  const stage = await withPolicy();
  const chat = await stage.chat();
  await start(stage, chat, 'r1');
  await stage.restart();
  const dearer = POLICY.models.map((model) => ({ ...model, outputMultiplier: 10_000_000_000 }));
  const { policy } = await stage.quotas.policies.put(PLATFORM, { ...POLICY, models: dearer });
  await stage.quotas.policies.activate(PLATFORM, policy.number);
  const turn = stage.turns.running(ANN, chat);
  expect(turn?.terms).toMatchObject({ policy: 1, tier: 'premium', model: 'large' });
  const usage = { inputTokens: 100, outputTokens: 200 };
  await stage.turns.end(ANN, { chatId: chat, turnId: turn?.id as string }, 'completed', { usage });
  expect(credits(stage)).toEqual([0n, 3_300n]);
  // An orphan is charged its estimate, not its reserve.
  await stage.quotas.policies.activate(PLATFORM, 1);
  const orphan = await start(stage, await stage.chat(), 'r1');
  if (orphan.started !== 'now') throw new Error(orphan.started);
  stage.clock.at += 300_000;
  expect(await stage.chats.watchdog.sweep(stage.clock.at)).toBe(1);
  const [, spent] = credits(stage);
  const reserve = orphan.turn.terms?.held.credits as bigint;
  expect(spent - 3_300n).toBeGreaterThan(0n);
  expect(spent - 3_300n).toBeLessThan(reserve);
});

test('quota: an end states no amounts of what the policy counts, and the turn runs on', async () => {
  const stage = await withPolicy();
  const chat = await stage.chat();
  const first = await start(stage, chat, 'r1');
  if (first.started !== 'now') throw new Error(first.started);
  const ref = { chatId: chat, turnId: first.turn.id };
  for (const unit of ['credits', 'tokens', 'calls'])
    await expect(
      stage.turns.end(ANN, ref, 'completed', { text: 'hi', amounts: { usd: 1n, [unit]: 1n } }),
    ).rejects.toThrow(`amounts.${unit}: is counted by the policy`);
  expect((await stage.turns.get(ANN, ref)).turn.state).toBe('running');
});
