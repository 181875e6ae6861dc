// Part of what a hostile caller may cost others: the event loop is never kept for long, whatever one request brings.

import { describe, expect, test } from 'vitest';
import { HttpStage } from './http-setup.js';
import { type Kept, loopKept, type Sent } from './loop-delay.js';

const LOOP_KEPT_MAX_MS = 50;
/** Other processes run on this machine too: of several attempts the best says what the server itself needs. */
const ATTEMPTS = 5;

async function bestOf(send: (attempt: number) => Promise<Kept>): Promise<Kept> {
  let best: Kept | null = null;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const kept = await send(attempt);
    if (best === null || kept.longestMs < best.longestMs) best = kept;
    if (best.longestMs < LOOP_KEPT_MAX_MS) break;
  }
  return best as Kept;
}

function batchOf(stage: HttpStage, commands: string, key = stage.admin): Sent {
  return {
    url: `${stage.url}/v1/batch`,
    method: 'POST',
    key,
    headers: { 'idempotency-key': 'batch' },
    body: `JSON.stringify({ commands: Array.from({ length: 10_000 }, (_, index) => (${commands})) })`,
  };
}

const LARGEST: readonly (readonly [string, string])[] = [
  [
    'spend with amounts as numbers and notes of 700 characters',
    `{ command: 'record_spend', labels: { tenant: 'acme' }, amounts: { usd: (index % 1000) / 1e6, tokens: index }, note: 'n'.repeat(700) }`,
  ],
  [
    'authorisations with labels and two candidates',
    `{ command: 'authorize_hold', holdId: 'h' + index, labels: { tenant: 'acme', user: 'u' + (index % 500), goal: 'g' + index }, amounts: { usd: 0.0001 }, candidates: [{ labels: { model: 'm' + index } }, { amounts: { usd: 0.00005 } }] }`,
  ],
];

describe('http: the event loop is kept for less than 50 ms', () => {
  test('by 1,500 commands towards 240 budgets each, answered in full', async () => {
    const stage = await HttpStage.open();
    await stage.post('/v1/definitions', {
      budgets: Array.from({ length: 240 }, (_, index) => ({
        id: `w${index}`,
        match: { tenant: '*', user: '*' },
        unit: 'usd',
        limit: null,
        window: 'day',
      })),
    });
    const kept = await bestOf((attempt) =>
      loopKept({
        ...batchOf(stage, ''),
        headers: { 'idempotency-key': `wide${attempt}-` },
        body: `JSON.stringify({ answer: 'full', commands: Array.from({ length: 1_500 }, (_, index) => ({ command: 'record_spend', labels: { tenant: 'acme', user: 'u' + index }, amounts: { usd: '0.01' } })) })`,
      }),
    );
    expect(kept.statuses).toEqual([200]);
    expect(kept.longestMs).toBeLessThan(LOOP_KEPT_MAX_MS);
  });

  test('by a user’s key that lists its holds among 150,000 of others', async () => {
    const stage = await HttpStage.open();
    const hold = (index: number) => ({
      command: 'authorize_hold' as const,
      holdId: `tenant/acme/h${index}`,
      labels: { tenant: 'acme', user: `u${index % 3_000}` },
      amounts: { usd: 1n },
    });
    for (let done = 0; done < 150_000; done += 10_000)
      await stage.ledger.submit(Array.from({ length: 10_000 }, (_, index) => hold(done + index)));
    const key = await stage.key({
      scopes: ['read'],
      labels: { tenant: 'acme', user: 'u2999' },
      callerLabels: [],
    });
    const kept = await bestOf(() => loopKept({ url: `${stage.url}/v1/holds?limit=10`, method: 'GET', key }));
    expect(kept.statuses).toEqual([200]);
    expect(kept.text).toContain('"h2999"');
    expect(kept.longestMs).toBeLessThan(LOOP_KEPT_MAX_MS);
  });

  test.each(LARGEST)('by the largest batch: %s', async (_name, commands) => {
    const stage = await HttpStage.open();
    const kept = await bestOf((attempt) =>
      loopKept({ ...batchOf(stage, commands), headers: { 'idempotency-key': `b${attempt}-` } }),
    );
    expect(kept.statuses).toEqual([200]);
    expect(kept.longestMs).toBeLessThan(LOOP_KEPT_MAX_MS);
  });
});
