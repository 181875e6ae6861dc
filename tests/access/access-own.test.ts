// A key of a part of its tenant (a user's, a team's, an agent's) sees and ends what carries its labels, over every route,
// list, stream and batch; and nobody raises a limit that was set by one who can more.

import { beforeEach, describe, expect, test } from 'vitest';
import { HttpStage, said } from '../http/http-setup.js';
import type { Json } from '../setup/json.js';

const USD = { amounts: { usd: '1' } };

let stage: HttpStage;
let ann: string;
let ben: string;
let annsHold: Json;
beforeEach(async () => {
  stage = await HttpStage.open();
  ann = await stage.key({
    scopes: ['spend', 'read', 'correct'],
    labels: { tenant: 'acme', user: 'ann' },
    callerLabels: ['goal'],
  });
  ben = await stage.key({
    scopes: ['spend', 'read', 'correct'],
    labels: { tenant: 'acme', user: 'ben' },
    callerLabels: ['goal'],
  });
  annsHold = (await stage.post('/v1/holds', { holdId: 'anns', ...USD }, { key: ann })).body;
});

const COMMANDS: readonly (readonly [string, object])[] = [
  ['extend', { ttlMs: 900_000 }],
  ['release', {}],
  ['reverse', {}],
  ['settle', USD],
  ['correct', { ...USD, reason: 'r' }],
];

describe('access: holds of another user of the tenant', () => {
  test.each(COMMANDS)(
    '%s, alone and in a batch → as a hold that is not there, and nothing of it changes',
    async (name, body) => {
      for (const id of ['anns', 'none']) {
        const alone = await stage.post(`/v1/holds/${id}/${name}`, body, { key: ben });
        expect([alone.status, alone.body.code]).toEqual([404, 'not_found']);
        const commands = [{ command: `${name}_hold`, holdId: id, ...body }];
        const batch = await stage.post('/v1/batch', { commands }, { key: ben });
        expect(said(batch)).toBe('404 not_found commands[0].holdId');
      }
      const { status, held } = (await stage.get('/v1/holds/anns', ann)).body;
      expect([status, held.usd]).toEqual(['open', '1']);
    },
  );

  test('a user’s key reads, lists and explains its own alone; a key of the whole tenant all of them', async () => {
    await stage.post('/v1/holds', { holdId: 'bens', ...USD }, { key: ben });
    await stage.post('/v1/spend', USD, { key: ann });
    expect((await stage.get('/v1/holds/anns', ben)).status).toBe(404);
    const listed = async (key: string, query = '') =>
      (await stage.get(`/v1/holds${query}`, key)).body.items.map(({ holdId }: Json) => holdId);
    expect(await listed(ben)).toEqual(['bens']);
    expect(await listed(ann)).toEqual(['anns']);
    expect(await listed(stage.keys.acme as string)).toEqual(['anns', 'bens']);
    expect(said(await stage.get('/v1/holds?label=user%3Dann', ben))).toBe('403 label_forbidden labels.user');
    expect((await stage.get(`/v1/decisions/${annsHold.decisionId}`, ben)).status).toBe(404);
    const explained = (await stage.get(`/v1/decisions/${annsHold.decisionId}`, ann)).body;
    expect(explained.event.holdId).toBe('anns');
  });

  test('events of another user’s holds, spend and refusals are not shown, once they ended too', async () => {
    await stage.post('/v1/holds/anns/settle', USD, { key: ann });
    await stage.post('/v1/spend', USD, { key: ann });
    await stage.post('/v1/holds/anns/settle', USD, { key: ann });
    await stage.post('/v1/holds', { holdId: 'bens', ...USD }, { key: ben });
    const seen = async (key: string) =>
      (await stage.get('/v1/events', key)).body.items
        .filter(({ type }: Json) => !['definitions_put', 'window_opened'].includes(type))
        .map(({ type, holdId }: Json) => `${type} ${holdId}`);
    expect(await seen(ben)).toEqual(['hold_authorized bens']);
    expect(await seen(ann)).toEqual([
      'hold_authorized anns',
      'hold_settled anns',
      'spend_recorded null',
      'command_rejected anns',
    ]);
    expect(await seen(stage.keys.acme as string)).toHaveLength(5);
  });

  test('a line’s open holds are explained to a user’s key by its own alone', async () => {
    const bens = (await stage.post('/v1/holds', { holdId: 'bens', ...USD }, { key: ben })).body;
    const { lines } = (await stage.get(`/v1/decisions/${bens.decisionId}`, ben)).body;
    const each = lines.find(({ line }: Json) => line.budgetId === 'each');
    expect(each.holds.map(({ holdId }: Json) => holdId)).toEqual(['bens']);
    expect([each.openHolds, each.addsUp]).toEqual([2, true]);
  });

  test('a batch that opens a hold may end it', async () => {
    const commands = [
      { command: 'authorize_hold', holdId: 'own', ...USD },
      { command: 'settle_hold', holdId: 'own', ...USD },
    ];
    const { body } = await stage.post('/v1/batch', { commands }, { key: ben });
    expect(body.outcomes.map(({ status }: Json) => status)).toEqual([201, 200]);
    const others = [
      { command: 'authorize_hold', holdId: 'anns', ...USD },
      { command: 'settle_hold', holdId: 'anns', ...USD },
    ];
    expect(said(await stage.post('/v1/batch', { commands: others }, { key: ben }))).toBe(
      '404 not_found commands[1].holdId',
    );
  });

  test('an agent sees and ends its own holds and those of agents below it, and no other’s', async () => {
    const root = (
      await stage.post(
        '/v1/agents',
        { name: 'root', limits: { usd: '10' }, scopes: ['spend', 'read'] },
        { key: stage.keys.acme },
      )
    ).body;
    const child = async (mode: string) =>
      (await stage.post('/v1/agents', { name: mode, mode, limits: { usd: '2' } }, { key: root.key })).body;
    const [carved, shared] = [await child('carved'), await child('shared')];
    for (const [holdId, { key }] of Object.entries({ r: root, c: carved, s: shared }))
      expect((await stage.post('/v1/holds', { holdId, ...USD }, { key })).status).toBe(201);
    const listed = async (key: string) =>
      (await stage.get('/v1/holds', key)).body.items.map(({ holdId }: Json) => holdId);
    expect(await listed(root.key)).toEqual(['r', 'c', 's']);
    expect(await listed(carved.key)).toEqual(['c']);
    expect((await stage.post('/v1/holds/r/release', {}, { key: shared.key })).status).toBe(404);
    expect((await stage.post('/v1/holds/c/release', {}, { key: root.key })).status).toBe(200);
  });
});

describe('access: corrections', () => {
  test('a key that only spends corrects nothing, alone or in a batch; one with the scope correct does, and does nothing else', async () => {
    const spender = await stage.key({ labels: { tenant: 'acme', user: 'ann' }, callerLabels: [] });
    const corrector = await stage.key({ scopes: ['correct'], labels: { tenant: 'acme' } });
    await stage.post('/v1/holds/anns/settle', USD, { key: spender });
    const correction = { amounts: { usd: '0.5' }, reason: 'invoice' };
    const commands = [{ command: 'correct_hold', holdId: 'anns', ...correction }];
    expect(said(await stage.post('/v1/holds/anns/correct', correction, { key: spender }))).toBe(
      '403 forbidden',
    );
    expect((await stage.post('/v1/batch', { commands }, { key: spender })).status).toBe(403);
    expect((await stage.post('/v1/holds', USD, { key: corrector })).status).toBe(403);
    expect(
      (await stage.post('/v1/batch', { commands: [{ command: 'record_spend', ...USD }] }, { key: corrector }))
        .status,
    ).toBe(403);
    expect((await stage.post('/v1/batch', { commands }, { key: corrector })).body.outcomes[0].status).toBe(
      200,
    );
    expect((await stage.post('/v1/holds/anns/correct', USD, { key: stage.keys.acme })).status).toBe(400);
    expect(
      (await stage.post('/v1/holds/anns/correct', { ...USD, reason: 'r' }, { key: stage.keys.acme })).status,
    ).toBe(200);
  });
});

describe('access: a decision about oneself', () => {
  test('a key that only spends explains its own refusals, and no event of a budget', async () => {
    const spender = await stage.key({ labels: { tenant: 'acme', user: 'ann' }, callerLabels: [] });
    const denied = await stage.post('/v1/holds', { amounts: { usd: '1000' } }, { key: spender });
    expect(denied.status).toBe(402);
    const explained = await stage.get(`/v1/decisions/${denied.body.decision_id}`, spender);
    expect([explained.status, explained.body.event.type]).toEqual([200, 'hold_denied']);
    const bens = (await stage.post('/v1/holds', USD, { key: ben })).body;
    expect((await stage.get(`/v1/decisions/${bens.decisionId}`, spender)).status).toBe(404);
    const own = { id: 'own', match: { tenant: 'acme' }, unit: 'usd', limit: '1', window: 'day' };
    const put = (await stage.post('/v1/definitions', { budgets: [own] }, { key: stage.keys.acme })).body;
    expect((await stage.get(`/v1/decisions/${put.eventId}`, stage.keys.acme as string)).status).toBe(200);
    expect((await stage.get(`/v1/decisions/${put.eventId}`, spender)).status).toBe(404);
  });
});

describe('access: limits are raised by whoever could set them', () => {
  const goalOf = async (key: string, tokenBudget: number | null, owner?: string) =>
    (
      await stage.post(
        '/v1/goals',
        {
          text: 'reach it',
          ...(tokenBudget === null ? {} : { tokenBudget }),
          ...(owner === undefined ? {} : { owner }),
        },
        { key },
      )
    ).body.id;
  const setBudget = (id: string, tokenBudget: number | null, key: string) =>
    stage.post(`/v1/goals/${id}/budget`, { tokenBudget }, { key });

  test('a goal’s budget that an administrator set: its user lowers it, and neither raises nor lifts it', async () => {
    const id = await goalOf(stage.keys.acme as string, 100, 'ann');
    for (const budget of [101, 1_000_000, null])
      expect([budget, (await setBudget(id, budget, ann)).status]).toEqual([budget, 403]);
    expect((await setBudget(id, 50, ann)).status).toBe(200);
    expect((await setBudget(id, 60, ann)).status).toBe(403);
    expect((await stage.get(`/v1/goals/${id}`, ann)).body.tokenBudget).toBe('50');
    expect((await setBudget(id, 500, stage.keys.acme as string)).status).toBe(200);
    expect((await setBudget(id, 1_000, stage.admin)).status).toBe(200);
    expect((await setBudget(id, 2_000, stage.keys.acme as string)).status).toBe(403);
  });

  test('a goal’s budget that its user set: the user raises it, an agent of the user does not, and an administrator lifts it', async () => {
    const id = await goalOf(ann, 100);
    const narrower = await stage.key({
      labels: { tenant: 'acme', user: 'ann', job: 'night' },
      callerLabels: [],
    });
    expect((await setBudget(id, 200, narrower)).status).toBe(403);
    expect((await setBudget(id, 200, ann)).status).toBe(200);
    expect(said(await setBudget(id, null, ann))).toBe('403 forbidden tokenBudget');
    expect((await setBudget(id, null, stage.keys.acme as string)).status).toBe(200);
    expect((await setBudget(id, 70, ann)).status).toBe(200);
  });

  test('a root agent that the platform made: the tenant’s administrator does not raise it', async () => {
    const body = { name: 'root', limits: { usd: '10' } };
    const byPlatform = (await stage.post('/v1/agents', { ...body, labels: { tenant: 'acme' } })).body;
    const byTenant = (await stage.post('/v1/agents', body, { key: stage.keys.acme })).body;
    const raise = (id: string, key?: string) =>
      stage.post(`/v1/agents/${id}/raise`, { limits: { usd: '20' } }, key === undefined ? {} : { key });
    expect((await raise(byPlatform.id, stage.keys.acme)).status).toBe(403);
    expect((await raise(byTenant.id, stage.keys.acme)).status).toBe(200);
    expect((await raise(byPlatform.id)).status).toBe(200);
  });

  test('an administrator of a part of the tenant changes budgets of that part alone', async () => {
    const team = await stage.key({ scopes: ['tenant_admin'], labels: { tenant: 'acme', team: 'red' } });
    const budget = (id: string, match: object, key?: string) =>
      stage.post(
        '/v1/definitions',
        { budgets: [{ id, match, unit: 'usd', limit: '1', window: 'day' }] },
        { key: key ?? stage.keys.acme },
      );
    await budget('whole', { tenant: 'acme' });
    expect(said(await budget('whole', { tenant: 'acme' }, team))).toBe('403 forbidden match.team');
    const raise = (id: string) => stage.post(`/v1/budgets/${id}/top-up`, { amount: '5' }, { key: team });
    expect(said(await raise('whole'))).toBe('403 forbidden budgetId');
    expect((await budget('reds', { tenant: 'acme', team: 'red' }, team)).status).toBe(200);
    await stage.post('/v1/spend', { ...USD, labels: { team: 'red' } }, { key: team });
    expect((await raise('reds')).status).toBe(200);
  });
});
