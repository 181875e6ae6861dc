// Goals as their users have them: over HTTP with real parallel requests, by the client, on the command line, and carried by
// calls through the gateway.

import { afterEach, describe, expect, test } from 'vitest';
import { BursarClient } from '#bursar/client/index.js';
import { chatAnswer, type Gateway, json, startGateway } from '../gateway/gateway-fixture.js';
import { HttpStage } from '../http/http-setup.js';
import { runInProcess } from '../setup/server-in-process.js';

const clientOf = (stage: HttpStage, key: string) =>
  new BursarClient({ baseUrl: stage.url, apiKey: key, maxRetries: 0 });

describe('goals over HTTP', () => {
  test('goals over HTTP: parallel requests of one owner leave one active goal, and one end', async () => {
    const stage = await HttpStage.open();
    const key = await stage.key({ labels: { tenant: 'acme', user: 'ann' }, callerLabels: [] });
    const created = await Promise.all(
      Array.from({ length: 12 }, (_, index) => stage.post('/v1/goals', { text: `goal ${index}` }, { key })),
    );
    expect(created.map(({ status }) => status)).toEqual(Array(12).fill(201));
    const resumed = created.map(({ body }) => stage.post(`/v1/goals/${body.id}/resume`, {}, { key }));
    expect((await Promise.all(resumed)).map(({ status }) => status)).toEqual(Array(12).fill(200));
    const { items } = (await stage.get('/v1/goals?limit=100', key)).body;
    const active = items.filter(({ state }: { state: string }) => state === 'active');
    expect(active).toHaveLength(1);
    expect((await stage.get('/v1/goals/active', key)).body.goal).toMatchObject({ id: active[0].id });
    const ends = await Promise.all(
      ['complete', 'clear', 'clear', 'complete'].map((end) =>
        stage.post(`/v1/goals/${active[0].id}/${end}`, {}, { key }),
      ),
    );
    expect(ends.map(({ status }) => status).sort()).toEqual([200, 200, 409, 409]);
    expect((await stage.get('/v1/goals/active', key)).body).toEqual({ goal: null });
  });

  test('goals over HTTP: usage pauses at the budget, the same key counts once, and a paused goal is no error', async () => {
    const stage = await HttpStage.open();
    const key = await stage.key({ labels: { tenant: 'acme', user: 'ann' }, callerLabels: [] });
    const goal = (await stage.post('/v1/goals', { text: 'reach it', tokenBudget: '100' }, { key })).body;
    expect(goal).toMatchObject({ state: 'active', tokenBudget: '100', tokensLeft: '100', turns: 0 });
    expect(goal.prompt).toContain('reach it');
    const note = (tokens: unknown, idempotencyKey: string) =>
      stage.post(`/v1/goals/${goal.id}/usage`, { tokens }, { key, idempotencyKey });
    const twice = await Promise.all([note(60, 'turn-1'), note(60, 'turn-1')]);
    expect(twice.map(({ body }) => [body.counted, body.goal.tokensUsed])).toEqual(
      Array(2).fill([true, '60']),
    );
    expect((await note('60', 'turn-2')).body).toMatchObject({
      counted: true,
      goal: { state: 'paused', tokensUsed: '120' },
    });
    const after = await note('60', 'turn-3');
    expect([after.status, after.body.counted, after.body.reason]).toEqual([200, false, 'paused']);
    expect((await stage.post(`/v1/goals/${goal.id}/resume`, {}, { key })).body).toMatchObject({
      status: 409,
      code: 'conflict',
    });
    for (const bad of ['1.5', -1, '1e3'])
      expect((await note(bad, `bad-${bad}`)).body.code).toBe('invalid_request');
    await stage.restart();
    expect((await stage.get(`/v1/goals/${goal.id}`, key)).body).toMatchObject({
      state: 'paused',
      tokensUsed: '120',
      turns: 2,
    });
  });

  test('goals over HTTP: another tenant’s and another user’s are 404, and a key that only reads changes nothing', async () => {
    const stage = await HttpStage.open();
    const key = await stage.key({ labels: { tenant: 'acme', user: 'ann' }, callerLabels: [] });
    const { id } = (await stage.post('/v1/goals', { text: 'mine' }, { key })).body;
    for (const other of [
      await stage.key({ labels: { tenant: 'acme', user: 'ben' }, callerLabels: [] }),
      stage.keys.other,
    ]) {
      const answers = await Promise.all([
        stage.post(`/v1/goals/${id}/clear`, {}, { key: other }),
        stage.post(`/v1/goals/${id}/usage`, { tokens: 1 }, { key: other }),
        stage.post(`/v1/goals/${id}/budget`, { tokenBudget: null }, { key: other }),
      ]);
      expect(answers.map(({ status }) => status)).toEqual([404, 404, 404]);
    }
    const reader = await stage.key({ scopes: ['read'], labels: { tenant: 'acme' } });
    expect((await stage.get(`/v1/goals/${id}`, reader)).status).toBe(200);
    expect((await stage.post(`/v1/goals/${id}/pause`, {}, { key: reader })).status).toBe(403);
  });

  test('goals over HTTP: a hold, spend, batch or turn that carries another’s goal is 404, and counts nothing there', async () => {
    const stage = await HttpStage.open();
    const ann = await stage.key({ labels: { tenant: 'acme', user: 'ann' }, callerLabels: ['goal'] });
    const { id } = (await stage.post('/v1/goals', { text: 'mine', tokenBudget: 100 }, { key: ann })).body;
    const body = { labels: { goal: id }, amounts: { tokens: 90 } };
    for (const labels of [
      { tenant: 'acme', user: 'ben' },
      { tenant: 'other', user: 'ann' },
    ]) {
      const key = await stage.key({ labels, callerLabels: ['goal'] });
      const chat = (await stage.post('/v1/chats', {}, { key })).body;
      const answers = await Promise.all([
        stage.post('/v1/holds', body, { key }),
        stage.post('/v1/spend', body, { key }),
        stage.post('/v1/batch', { commands: [{ command: 'record_spend', ...body }] }, { key }),
        stage.post(`/v1/chats/${chat.id}/turns`, { requestId: 'r', text: 'hi', ...body }, { key }),
      ]);
      expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 404]);
    }
    expect((await stage.post('/v1/spend', body, { key: ann })).status).toBe(201);
    expect((await stage.get(`/v1/goals/${id}`, ann)).body).toMatchObject({
      tokensUsed: '90',
      state: 'active',
    });
  });

  test('goals over HTTP: another’s goal among the labels of any candidate is 404, alone and in a batch, and counts nothing there', async () => {
    const stage = await HttpStage.open();
    const ann = await stage.key({ labels: { tenant: 'acme', user: 'ann' }, callerLabels: ['goal'] });
    const ben = await stage.key({ labels: { tenant: 'acme', user: 'ben' }, callerLabels: ['goal'] });
    const { id } = (await stage.post('/v1/goals', { text: 'mine', tokenBudget: 100 }, { key: ann })).body;
    const own = (await stage.post('/v1/goals', { text: 'ben’s' }, { key: ben })).body;
    for (const candidates of [
      [{ labels: { goal: id } }],
      [{}, { labels: { goal: own.id } }, { labels: { goal: id }, amounts: { tokens: 1 } }],
    ]) {
      for (const labels of [{}, { goal: own.id }]) {
        const hold = { labels, amounts: { tokens: 90 }, candidates };
        const commands = [
          { command: 'record_spend', amounts: { tokens: 1 } },
          { command: 'authorize_hold', ...hold },
        ];
        expect((await stage.post('/v1/holds', hold, { key: ben })).status).toBe(404);
        const batch = await stage.post('/v1/batch', { commands }, { key: ben });
        expect([batch.status, batch.body.field]).toEqual([404, 'commands[1].labels.goal']);
      }
    }
    const state = await stage.get(`/v1/goals/${id}`, ann);
    expect(state.body).toMatchObject({ tokensUsed: '0', state: 'active' });
    expect((await stage.post('/v1/check', { labels: { goal: id } }, { key: ben })).status).toBe(404);
    const fits = { amounts: { usd: 1, tokens: 90 }, candidates: [{ labels: { goal: own.id } }] };
    expect((await stage.post('/v1/holds', fits, { key: ben })).status).toBe(201);
  });

  test('goals by the client and on the command line: created, noted, raised, resumed and completed', async () => {
    const stage = await HttpStage.open();
    const key = await stage.key({
      scopes: ['spend', 'read'],
      labels: { tenant: 'acme', user: 'ann' },
      callerLabels: [],
    });
    const { goals } = clientOf(stage, key);
    const goal = await goals.create({ text: 'reach it', tokenBudget: 100 });
    expect((await goals.noteUsage(goal.id, { tokens: 150 })).goal?.state).toBe('paused');
    await expect(goals.resume(goal.id)).rejects.toMatchObject({ code: 'conflict' });
    const cli = async (line: string) => (await runInProcess(line, { url: stage.url, key })).stdout;
    expect(await cli(`goals budget ${goal.id} 400`)).toContain('250');
    expect(await cli(`goals resume ${goal.id}`)).toContain('active');
    expect(await cli('goals active')).toContain('tokens_left="250"');
    expect(await cli(`goals usage ${goal.id} 5`)).toContain('counted');
    expect(JSON.parse(await cli(`goals show ${goal.id} --json`))).toMatchObject({
      turns: 2,
      tokensUsed: '155',
    });
    expect(await cli(`goals complete ${goal.id}`)).toContain('completed');
    expect(await goals.active()).toBeNull();
    expect(await cli('goals create next~one --tokens 10')).toContain('next one');
    expect(await cli('goals list')).toMatch(/next one[\s\S]*reach it/);
  });
});

describe('calls with a goal', () => {
  let gateway: Gateway;
  afterEach(() => gateway.close());
  const BUDGETS = '  - { id: day, match: { tenant: acme }, unit: usd, limit: "100", window: day }';
  const CHAT = { model: 'small', max_tokens: 100, messages: [{ role: 'user', content: 'hi' }] };
  const USED = { prompt_tokens: 10, completion_tokens: 50, total_tokens: 60 };

  test('calls: the gateway counts a call towards its goal, and tells the agent used, left and state', async () => {
    gateway = await startGateway({ budgets: BUDGETS });
    gateway.provider.answer = json(chatAnswer(USED));
    const caller = gateway.keyRing.authenticate(gateway.key);
    if (caller === null) throw new Error('the key is there');
    const goal = await gateway.goals.create(caller, { owner: 'ada', text: 'reach it', tokenBudget: 700n });
    const call = (id: string) =>
      gateway.post('/openai/v1/chat/completions', CHAT, { 'bursar-label-goal': id });
    const headersOf = (response: Response) =>
      ['state', 'tokens-used', 'tokens-left'].map((name) => response.headers.get(`bursar-goal-${name}`));
    const first = await call(goal.id);
    expect([first.status, headersOf(first)]).toEqual([200, ['active', '60', '640']]);
    await gateway.goals.note(caller, goal.id, { tokens: 650n });
    const refused = await call(goal.id);
    expect([refused.status, headersOf(refused)]).toEqual([402, ['paused', '710', '0']]);
    expect(await refused.json()).toMatchObject({ error: { code: 'budget_paused' } });
    expect(await gateway.goals.get(caller, goal.id)).toMatchObject({
      turns: 2n,
      tokensUsed: 710n,
      tokensHeld: 0n,
    });
    const without = await gateway.post('/openai/v1/chat/completions', CHAT);
    expect(headersOf(without)).toEqual([null, null, null]);
    expect(gateway.provider.calls).toHaveLength(2);
  });

  test('calls: a goal that is not there, or another’s, is refused before the provider; any other label value passes', async () => {
    gateway = await startGateway({ budgets: BUDGETS });
    gateway.provider.answer = json(chatAnswer(USED));
    const ben = gateway.keyRing.authenticate(await gateway.makeKey({ tenant: 'acme', user: 'ben' }));
    if (ben === null) throw new Error('the key is there');
    const { id } = await gateway.goals.create(ben, { text: 'of ben', tokenBudget: null });
    const statuses = [];
    for (const goal of [id, 'goal_none', 'ship'])
      statuses.push(
        (await gateway.post('/openai/v1/chat/completions', CHAT, { 'bursar-label-goal': goal })).status,
      );
    expect(statuses).toEqual([404, 404, 200]);
    expect(gateway.provider.calls).toHaveLength(1);
  });
});
