// Explanations and verifications over HTTP: worked out beside the event loop, from near by, and shared out among keys.

import { describe, expect, test } from 'vitest';
import { Shares } from '#bursar/budgets/shares.js';
import { RefusedError } from '#bursar/kit/refusals.js';
import { HttpStage } from './http-setup.js';
import { type Kept, loopKept } from './loop-delay.js';

const RECORDS = 200_000;
const LOOP_KEPT_MAX_MS = 50;
/** Other processes run on this machine too: of several attempts the best says what the server itself needs. */
const ATTEMPTS = 5;

async function bestOf(send: () => Promise<Kept>): Promise<Kept> {
  let best: Kept | null = null;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const kept = await send();
    if (best === null || kept.longestMs < best.longestMs) best = kept;
    if (best.longestMs < LOOP_KEPT_MAX_MS) break;
  }
  return best as Kept;
}

describe('http: evidence of a journal of 200,000 records', () => {
  test('explaining its last decision, and verifying all of it, keep the event loop for less than 50 ms', async () => {
    const stage = await HttpStage.open();
    const spend = { command: 'record_spend', labels: { tenant: 'acme' }, amounts: { usd: 1n } } as const;
    for (let done = 0; done < RECORDS; done += 10_000)
      await stage.ledger.submit(Array.from({ length: 10_000 }, () => spend));
    const { body } = await stage.hold('acme', 'last');
    expect(body.sequence).toBeGreaterThan(RECORDS);
    const read = (path: string, method = 'GET') =>
      loopKept({
        url: stage.url + path,
        method,
        key: stage.admin,
        ...(method === 'POST' ? { body: '"{}"' } : {}),
      });
    const explained = await bestOf(() => read(`/v1/decisions/${body.decisionId}`));
    expect(explained.statuses).toEqual([200]);
    expect(explained.text).toContain('"hold_authorized"');
    expect(explained.longestMs).toBeLessThan(LOOP_KEPT_MAX_MS);
    const again = await read(`/v1/decisions/${body.decisionId}`);
    expect(again.statuses).toEqual([200]);
    const verified = await bestOf(() => read('/v1/verify', 'POST'));
    expect(verified.text).toContain('"ok":true');
    expect(verified.longestMs).toBeLessThan(LOOP_KEPT_MAX_MS);
    // The same decision by the library, in this process.
    const { sentence } = await stage.ledger.explain(body.decisionId);
    expect(explained.text).toContain(sentence);
  });

  test('a key asks for more than its share → 429 names the limit, and another key’s is answered', async () => {
    const stage = await HttpStage.open();
    const { body } = await stage.hold('acme', 'h');
    const { body: others } = await stage.hold('other', 'h');
    const asked = Array.from({ length: 12 }, () =>
      stage.get(`/v1/decisions/${body.decisionId}`, stage.keys.acme),
    );
    const answers = await Promise.all([
      ...asked,
      stage.get(`/v1/decisions/${others.decisionId}`, stage.keys.other),
    ]);
    expect(answers.at(-1)?.status).toBe(200);
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(5);
    for (const { body: problem, headers } of refused) {
      expect(problem.code).toBe('rate_limited');
      expect(problem.detail).toContain('at most 4 of one key');
      expect(headers.get('retry-after')).toBe('1');
    }
    expect((await stage.get('/v1/decisions/dec-999999')).status).toBe(404);
    expect((await stage.get('/v1/decisions/dec-0')).status).toBe(404);
  });
});

describe('shares: work of several keys', () => {
  test('shares: one key queues, another asks once → keys take turns, and a failure is its own asker’s', async () => {
    const shares = new Shares({ what: 'things', ofKeyMax: 3, max: 4 });
    const order: string[] = [];
    const ends: (() => void)[] = [];
    const work = (name: string) => () =>
      new Promise<string>((resolve, reject) => {
        order.push(name);
        ends.push(() => (name === 'a2' ? reject(new Error('no')) : resolve(name)));
      });
    const first = shares.take('a', work('a1'));
    const failing = shares.take('a', work('a2'));
    const third = shares.take('a', work('a3'));
    const other = shares.take('b', work('b1'));
    await expect(shares.take('a', work('a4'))).rejects.toThrow('things: at most 3 of one key');
    await expect(shares.take('c', work('c1'))).rejects.toBeInstanceOf(RefusedError);
    const told = Promise.allSettled([first, failing, third, other]);
    while (ends.length > 0) {
      ends.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await told).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
    expect(order).toEqual(['a1', 'a2', 'b1', 'a3']);
    const later = shares.take('a', async () => 'after');
    expect(await later).toBe('after');
  });
});
