// What one key reports cannot stop another's calls: one command has a bound, and a budget without a limit refuses nobody.

import { beforeEach, describe, expect, test } from 'vitest';
import { HttpStage, said } from '../http/http-setup.js';
import type { Json } from '../setup/json.js';

const LARGEST = '92233720368.54775807';

let stage: HttpStage;
let spender: string;
beforeEach(async () => {
  stage = await HttpStage.open();
  spender = await stage.key({ scopes: ['spend', 'correct'], labels: { tenant: 'acme' } });
  await stage.post('/v1/definitions', {
    budgets: [{ id: 'meter', match: {}, unit: 'usd', limit: null, window: 'lifetime' }],
  });
});

describe('access: the most that one command may state', () => {
  test('a million USD unless the key states another, on every route and in batches; nothing above it is booked', async () => {
    const over = { amounts: { usd: '1000000.00000001' } };
    const post = (path: string, body: object) => stage.post(path, body, { key: spender });
    expect(said(await post('/v1/spend', over))).toBe('403 forbidden amounts.usd');
    expect(said(await post('/v1/spend', { amounts: { usd: LARGEST } }))).toBe('403 forbidden amounts.usd');
    expect(said(await post('/v1/holds', over))).toBe('403 forbidden amounts.usd');
    expect(said(await post('/v1/holds', { amounts: { usd: '1' }, candidates: [{}, over] }))).toBe(
      '403 forbidden candidates[1].amounts.usd',
    );
    await post('/v1/holds', { holdId: 'h', amounts: { usd: '1' } });
    expect(said(await post('/v1/holds/h/settle', over))).toBe('403 forbidden amounts.usd');
    expect(said(await post('/v1/holds/h/extend', { add: { usd: '1000001' } }))).toBe('403 forbidden add.usd');
    await post('/v1/holds/h/settle', { amounts: { usd: '1' } });
    expect(said(await post('/v1/holds/h/correct', { ...over, reason: 'r' }))).toBe(
      '403 forbidden amounts.usd',
    );
    const commands = [
      { command: 'record_spend', amounts: { usd: 1 } },
      { command: 'record_spend', ...over },
    ];
    expect(said(await post('/v1/batch', { commands }))).toBe('403 forbidden commands[1].amounts.usd');
    expect(said(await post('/v1/spend', { amounts: { tokens: '9223372036854776' } }))).toBe(
      '403 forbidden amounts.tokens',
    );
    const [meter] = (await stage.get('/v1/balances?budgetId=meter')).body.items;
    expect(meter.spent).toBe('1');
    expect((await post('/v1/spend', { amounts: { usd: '1000000' } })).status).toBe(201);
  });

  test('a key may state a bound of its own, which its maker’s bounds, and those that it makes have', async () => {
    const make = (body: object, key = stage.admin) =>
      stage.post('/v1/keys', { name: 'k', scopes: ['spend'], labels: { tenant: 'acme' }, ...body }, { key });
    const admin = (await make({ scopes: ['tenant_admin'], amountMaxUsd: '5' })).body;
    expect(admin.amountMaxUsd).toBe('5');
    expect(said(await make({ amountMaxUsd: 6 }, admin.key))).toBe('403 forbidden amountMaxUsd');
    const made = (await make({}, admin.key)).body;
    expect(made.amountMaxUsd).toBe('5');
    const spend = (usd: string, key: string) => stage.post('/v1/spend', { amounts: { usd } }, { key });
    expect((await spend('5', made.key)).status).toBe(201);
    expect((await spend('5.01', made.key)).status).toBe(403);
    const rich = (await make({ amountMaxUsd: LARGEST })).body;
    expect((await spend('2000000', rich.key)).status).toBe(201);
    expect((await make({})).body.amountMaxUsd).toBe('1000000');
    expect((await make({ scopes: ['admin'], labels: {} })).body.amountMaxUsd).toBe(null);
    await stage.restart();
    expect((await spend('5.01', made.key)).status).toBe(403);
  });
});

describe('access: a full meter', () => {
  test('a budget without a limit that somebody has filled refuses no call of others, and says that its figure stopped', async () => {
    const tokens = { id: 'tokens', match: {}, unit: 'tokens', limit: null, window: 'lifetime' };
    await stage.post('/v1/definitions', { budgets: [tokens] });
    const largest = { amounts: { tokens: '9223372036854775807' }, labels: { tenant: 'other' } };
    for (let time = 0; time < 2; time += 1) expect((await stage.post('/v1/spend', largest)).status).toBe(201);
    const post = (path: string, body: object) => stage.post(path, body, { key: spender });
    const used = { amounts: { usd: '1', tokens: '300' } };
    expect((await post('/v1/holds', { holdId: 'h', ...used })).status).toBe(201);
    const more = { amounts: { usd: '1', tokens: '400' } };
    expect((await post('/v1/holds/h/settle', more)).status).toBe(200);
    expect((await post('/v1/spend', used)).status).toBe(201);
    expect((await post('/v1/holds/h/correct', { ...used, reason: 'r' })).status).toBe(200);
    expect((await post('/v1/holds', { holdId: 'g', ...used })).status).toBe(201);
    const figures = async () => {
      const [{ spent, held, saturated }] = (await stage.get('/v1/balances?budgetId=tokens')).body
        .items as Json[];
      return { spent, held, saturated };
    };
    const stopped = { spent: '9223372036854775507', held: '300', saturated: true };
    expect(await figures()).toEqual(stopped);
    expect((await stage.post('/v1/verify', {})).body).toMatchObject({ ok: true, failure: null });
    await stage.restart();
    expect(await figures()).toEqual(stopped);
  });

  test('the platform takes back what somebody recorded, and nobody else may, alone or in a batch', async () => {
    const tokens = { id: 'tokens', match: {}, unit: 'tokens', limit: null, window: 'lifetime' };
    await stage.post('/v1/definitions', { budgets: [tokens] });
    const recorded = { amounts: { tokens: '9223372036854775807' }, labels: { tenant: 'other' } };
    await stage.post('/v1/spend', recorded);
    const credit = { ...recorded, reason: 'filled by mistake' };
    const { key } = (
      await stage.post('/v1/keys', { name: 't', scopes: ['tenant_admin'], labels: { tenant: 'acme' } })
    ).body as Json;
    for (const mine of [{ amounts: { tokens: 1 }, reason: 'r' }, credit])
      expect(said(await stage.post('/v1/spend/credits', mine, { key }))).toMatch(/^403 forbidden/);
    const batch = { commands: [{ command: 'credit_spend', amounts: { tokens: 1 }, reason: 'r' }] };
    expect(said(await stage.post('/v1/batch', batch, { key }))).toMatch(/^403 forbidden/);
    const { reason: _reason, ...unexplained } = credit;
    expect(said(await stage.post('/v1/spend/credits', unexplained))).toBe('400 invalid_request reason');
    const done = await stage.post('/v1/spend/credits', credit);
    expect(done).toMatchObject({
      status: 200,
      body: { event: 'spend_credited', returned: recorded.amounts },
    });
    const [balance] = (await stage.get('/v1/balances?budgetId=tokens')).body.items as Json[];
    expect(balance).toMatchObject({ spent: '0', held: '0' });
    const again = await stage.post('/v1/spend/credits', credit);
    expect(again).toMatchObject({ status: 409, body: { code: 'credit_exceeds_spent' } });
    expect((await stage.post('/v1/verify', {})).body).toMatchObject({ ok: true, failure: null });
  });
});
