// Turns that a policy counts: conversations and quotas together, over real files.

import { expect, test } from 'vitest';
import { ANN, PLATFORM } from '../files-setup.js';
import { Talk } from './turns-setup.js';

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

async function withPolicy(): Promise<Talk> {
  const talk = await Talk.open();
  const { policy } = await talk.quotas.policies.put(PLATFORM, POLICY);
  await talk.quotas.policies.activate(PLATFORM, policy.number);
  return talk;
}

/** Micro-credits of ann's day: [held, spent]. */
function credits(talk: Talk): [bigint, bigint] {
  const [balance] = talk.ledger.balances({ budgetId: 'quota/daily/total', values: { user: 'ann' } });
  return [balance.held, balance.spent];
}

const start = (talk: Talk, chat: string, requestId: string) =>
  talk.start(chat, requestId, { wish: { amounts: { usd: 1_000_000n } } });

test('quota: a turn gets its tier from the policy, the next one a lower tier, and each is charged by its own price', async () => {
  const talk = await withPolicy();
  const chat = await talk.chat();
  const first = await start(talk, chat, 'r1');
  if (first.started !== 'now') throw new Error(first.started);
  expect(first.turn).toMatchObject({
    meteredBy: 'quota',
    terms: { policy: 1, tier: 'premium', model: 'large', reasons: [] },
  });
  const usage = { inputTokens: 100, outputTokens: 200 };
  const end = (turnId: string) =>
    talk.turns.end(ANN, { chatId: chat, turnId }, 'completed', {
      text: 'hi',
      usage,
      amounts: { usd: 300_000n },
    });
  const { turn } = await end(first.turn.id);
  // 100 × 3 + 200 × 15 micro-credits, and the other unit as it was said.
  expect(turn.charged).toMatchObject({ credits: 3_300n, tokens: 300n, usd: 300_000n });
  const second = await start(talk, chat, 'r2');
  if (second.started !== 'now') throw new Error(second.started);
  expect(second.turn.terms).toMatchObject({
    tier: 'standard',
    model: 'small',
    reasons: ['premium_quota_exhausted'],
  });
  expect((await end(second.turn.id)).turn.charged?.credits).toBe(330n);
  expect(credits(talk)).toEqual([0n, 3_630n]);
  expect(talk.faults).toEqual([]);
});

test('quota: a turn is settled under the policy that it started with, also over a restart; an orphan at its estimate', async () => {
  const talk = await withPolicy();
  const chat = await talk.chat();
  await start(talk, chat, 'r1');
  await talk.restart();
  const dearer = POLICY.models.map((model) => ({ ...model, outputMultiplier: 10_000_000_000 }));
  const { policy } = await talk.quotas.policies.put(PLATFORM, { ...POLICY, models: dearer });
  await talk.quotas.policies.activate(PLATFORM, policy.number);
  const turn = talk.turns.running(ANN, chat);
  expect(turn?.terms).toMatchObject({ policy: 1, tier: 'premium', model: 'large' });
  const usage = { inputTokens: 100, outputTokens: 200 };
  await talk.turns.end(ANN, { chatId: chat, turnId: turn?.id as string }, 'completed', { usage });
  expect(credits(talk)).toEqual([0n, 3_300n]);
  // An orphan is charged its estimate, not its reserve.
  await talk.quotas.policies.activate(PLATFORM, 1);
  const orphan = await start(talk, await talk.chat(), 'r1');
  if (orphan.started !== 'now') throw new Error(orphan.started);
  talk.clock.at += 300_000;
  expect(await talk.chats.watchdog.sweep(talk.clock.at)).toBe(1);
  const [, spent] = credits(talk);
  const reserve = orphan.turn.terms?.held.credits as bigint;
  expect(spent - 3_300n).toBeGreaterThan(0n);
  expect(spent - 3_300n).toBeLessThan(reserve);
});

test('quota: an end states no amounts of what the policy counts, and the turn runs on', async () => {
  const talk = await withPolicy();
  const chat = await talk.chat();
  const first = await start(talk, chat, 'r1');
  if (first.started !== 'now') throw new Error(first.started);
  const ref = { chatId: chat, turnId: first.turn.id };
  for (const unit of ['credits', 'tokens', 'calls'])
    await expect(
      talk.turns.end(ANN, ref, 'completed', { text: 'hi', amounts: { usd: 1n, [unit]: 1n } }),
    ).rejects.toThrow(`amounts.${unit}: is counted by the policy`);
  expect((await talk.turns.get(ANN, ref)).turn.state).toBe('running');
});
