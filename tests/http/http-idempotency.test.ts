// Idempotency over HTTP (docs/http-api.md): a key names a command, its first answer comes again, durably, and nothing that
// changes money passes without one.

import { beforeEach, describe, expect, test } from 'vitest';
import { HttpStage, said } from './http-setup.js';

let stage: HttpStage;
let key: string;
beforeEach(async () => {
  stage = await HttpStage.open();
  key = stage.keys.acme;
});

const HOLD = { amounts: { usd: '1' } };

/** An answer without what belongs to one request, not to the outcome. */
const outcome = ({ replayed: _replayed, requestId: _requestId, ...rest }: Record<string, unknown>) => rest;

describe('http: Idempotency-Key', () => {
  test('the same request again → the first answer again, marked; one hold, and after a restart still', async () => {
    const asked = { key, idempotencyKey: 'once' };
    const first = await stage.post('/v1/holds', HOLD, asked);
    const second = await stage.post('/v1/holds', HOLD, asked);
    expect(second.status).toBe(201);
    expect(outcome(second.body)).toEqual(outcome(first.body));
    expect([first, second].map(({ headers }) => headers.get('idempotency-replayed'))).toEqual([null, 'true']);
    await stage.restart();
    const third = await stage.post('/v1/holds', HOLD, asked);
    expect([third.headers.get('idempotency-replayed'), third.body.decisionId]).toEqual([
      'true',
      first.body.decisionId,
    ]);
    expect((await stage.get('/v1/holds', key)).body.items).toHaveLength(1);
  });

  test('a key in quotes is the key without them', async () => {
    await stage.post('/v1/holds', HOLD, { key, idempotencyKey: '"quoted"' });
    const again = await stage.post('/v1/holds', HOLD, { key, idempotencyKey: 'quoted' });
    expect(again.headers.get('idempotency-replayed')).toBe('true');
  });

  test('refusals come again too: a denial stays one when there is money later, a rejection when the hold exists', async () => {
    const large = { holdId: 'large', amounts: { usd: '101' } };
    const denied = await stage.post('/v1/holds', large, { key, idempotencyKey: 'd' });
    const gone = await stage.post('/v1/holds/h9/settle', HOLD, { key, idempotencyKey: 's' });
    expect([said(denied), said(gone)]).toEqual(['402 request_exceeds_budget', '404 hold_not_found']);
    for (const id of ['all', 'each'])
      await stage.ask('PUT', `/v1/budgets/${id}`, {
        body: { match: id === 'all' ? {} : { tenant: '*' }, unit: 'usd', limit: '1000', window: 'day' },
      });
    await stage.hold('acme', 'h9');
    const again = [
      await stage.post('/v1/holds', large, { key, idempotencyKey: 'd' }),
      await stage.post('/v1/holds/h9/settle', HOLD, { key, idempotencyKey: 's' }),
    ];
    expect(again.map(said)).toEqual(['402 request_exceeds_budget', '404 hold_not_found']);
    expect(again.map(({ headers }) => headers.get('idempotency-replayed'))).toEqual(['true', 'true']);
    expect((await stage.post('/v1/holds', large, { key, idempotencyKey: 'd2' })).status).toBe(201);
  });

  test('the same key with another body, or on another route → 422, and nothing is changed', async () => {
    await stage.post('/v1/holds', HOLD, { key, idempotencyKey: 'k' });
    const other = await stage.post('/v1/holds', { amounts: { usd: '2' } }, { key, idempotencyKey: 'k' });
    const elsewhere = await stage.post('/v1/spend', HOLD, { key, idempotencyKey: 'k' });
    expect([other, elsewhere].map(said)).toEqual([
      '422 idempotency_key_reused',
      '422 idempotency_key_reused',
    ]);
    expect((await stage.get('/v1/balances?budgetId=each', key)).body.items).toMatchObject([
      { held: '1', spent: '0' },
    ]);
  });

  test('two tenants with the same key name two commands', async () => {
    const answers = [];
    for (const tenant of ['acme', 'other'] as const)
      answers.push(await stage.post('/v1/holds', HOLD, { key: stage.keys[tenant], idempotencyKey: 'same' }));
    expect(answers.map(({ headers }) => headers.get('idempotency-replayed'))).toEqual([null, null]);
  });

  test('50 requests with one key at once → one hold; each answer is that hold, or that it is being decided', async () => {
    const asked = { key, idempotencyKey: 'race' };
    const answers = await Promise.all(Array.from({ length: 50 }, () => stage.post('/v1/holds', HOLD, asked)));
    const held = answers.filter(({ status }) => status === 201);
    const waiting = answers.filter(({ status }) => status === 409);
    expect(held.length + waiting.length).toBe(50);
    expect(held.length).toBeGreaterThan(0);
    expect(new Set(held.map(({ body }) => body.decisionId)).size).toBe(1);
    for (const answer of waiting) {
      expect(said(answer)).toBe('409 idempotency_key_in_flight Idempotency-Key');
      expect(answer.headers.get('retry-after')).toBe('1');
    }
    expect((await stage.get('/v1/holds', key)).body.items).toHaveLength(1);
    const later = await stage.post('/v1/holds', HOLD, asked);
    expect(later.headers.get('idempotency-replayed')).toBe('true');
  });

  test('a batch again → all its first answers; one more command under the same key is a new one', async () => {
    const commands = [
      { command: 'authorize_hold', holdId: 'b1', ...HOLD },
      { command: 'settle_hold', holdId: 'b1', amounts: { usd: '0.5' } },
    ];
    const asked = { key, idempotencyKey: 'batch' };
    const first = await stage.post('/v1/batch', { commands }, asked);
    const second = await stage.post('/v1/batch', { commands }, asked);
    const sequences = ({ body }: typeof first) =>
      body.outcomes.map((one: { body: { sequence: number } }) => one.body.sequence);
    expect(sequences(second)).toEqual(sequences(first));
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    const changed = await stage.post(
      '/v1/batch',
      { commands: [commands[0], { ...commands[1], amounts: { usd: '0.6' } }] },
      asked,
    );
    expect(changed.body.outcomes[1]).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
  });

  test('without a key nothing that changes money is done: every such route says so', async () => {
    await stage.hold('acme', 'h1');
    const { body: before } = await stage.get('/v1/head');
    const routes: readonly [string, unknown][] = [
      ['/v1/holds', HOLD],
      ['/v1/holds/h1/extend', { ttlMs: 900_000 }],
      ['/v1/holds/h1/release', {}],
      ['/v1/holds/h1/reverse', {}],
      ['/v1/holds/h1/settle', HOLD],
      ['/v1/holds/h1/correct', { ...HOLD, reason: 'r' }],
      ['/v1/spend', HOLD],
      ['/v1/batch', { commands: [{ command: 'reverse_hold', holdId: 'h1' }] }],
      ['/v1/budgets/each/top-up', { values: { tenant: 'acme' }, amount: '1' }],
      ['/v1/providers/p/spend', { usd: '1' }],
    ];
    for (const [path, body] of routes)
      expect([path, said(await stage.post(path, body, { idempotencyKey: '' }))]).toEqual([
        path,
        '400 idempotency_key_required Idempotency-Key',
      ]);
    expect((await stage.get('/v1/head')).body).toEqual(before);
  });

  test.each([
    ['has 256 characters', 'x'.repeat(256)],
    ['is empty quotes', '""'],
    ['has a quote inside', 'a"b'],
    ['has two words', 'a b'],
  ])('a key that %s → 400', async (_what, idempotencyKey) => {
    expect(said(await stage.post('/v1/holds', HOLD, { key, idempotencyKey }))).toBe(
      '400 invalid_request Idempotency-Key',
    );
  });
});
