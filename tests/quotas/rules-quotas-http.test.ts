// Policies and quotas over HTTP and through the client: who may ask what, what is answered, and that parallel requests of
// one user never get more than the limit (rules Q6, Q7, Q10, T8).

import { expect, test } from 'vitest';
import { BursarClient } from '#bursar/client/index.js';
import { HttpStage, said } from '../http/http-setup.js';

const POLICY = {
  tiers: ['premium', 'standard'],
  models: [
    {
      name: 'big',
      tier: 'premium',
      inputMultiplier: 10_000_000,
      outputMultiplier: 10_000_000,
      outputTokensMax: 4_096,
    },
    {
      name: 'small',
      tier: 'standard',
      inputMultiplier: 1_000_000,
      outputMultiplier: 1_000_000,
      outputTokensMax: 4_096,
    },
  ],
  limits: { daily: { total: '0.5', 'tier:premium': 0.05 }, monthly: { total: 5 } },
};

async function opened(): Promise<{ readonly stage: HttpStage; readonly client: BursarClient }> {
  const stage = await HttpStage.open();
  return { stage, client: new BursarClient({ baseUrl: stage.url, apiKey: stage.admin, maxRetries: 0 }) };
}

async function inForce() {
  const { stage, client } = await opened();
  const { number } = await client.policies.put(POLICY);
  await client.policies.activate(number);
  return { stage, client };
}

test('Q7: over HTTP a policy is put, listed, compared and activated; one that is wrong names its fields', async () => {
  const { stage, client } = await opened();
  const first = await client.policies.put(POLICY);
  expect(first).toMatchObject({
    number: 1,
    active: false,
    activatedAt: null,
    document: { limits: { daily: { 'tier:premium': '0.05' } } },
  });
  const same = await stage.post('/v1/policies', POLICY);
  expect([same.status, same.body.number, same.body.digest]).toEqual([200, 1, first.digest]);
  await client.policies.put({ ...POLICY, overshootTolerancePercent: 0 });
  expect((await client.policies.compare(1, 2)).differences).toEqual([
    { path: 'overshootTolerancePercent', from: '10', to: '0' },
  ]);
  expect(await client.policies.activate(2)).toMatchObject({ number: 2, active: true });
  const page = await client.policies.list({ limit: 1 });
  expect([page.items.map(({ number }) => number), page.nextCursor]).toEqual([[1], expect.any(String)]);
  const numbers: number[] = [];
  for await (const { number } of client.policies.all()) numbers.push(number);
  expect(numbers).toEqual([1, 2]);
  const wrong = (change: object) => stage.post('/v1/policies', { ...POLICY, ...change });
  expect(said(await wrong({ tiers: ['premium'] }))).toBe('400 invalid_request models[1].tier');
  expect(said(await wrong({ limits: { daily: { total: '1.0000001' } } }))).toBe(
    '400 invalid_request limits.daily.total',
  );
  expect(said(await wrong({ limits: { daily: { total: -1 } } }))).toBe(
    '400 invalid_request limits.daily.total',
  );
  expect(said(await wrong({ models: [{ ...POLICY.models[0], inputMultiplier: 0 }] }))).toBe(
    '400 invalid_request models[0].inputMultiplier',
  );
  expect(said(await wrong({ surprise: 1 }))).toBe('400 invalid_request surprise');
  expect(
    said(
      await stage.post('/v1/policies', '{"tiers":["a"],"models":[],"limits":{"daily":{"__proto__":"1"}}}'),
    ),
  ).toMatch(/^400 invalid_request/);
  expect(said(await stage.get('/v1/policies/3'))).toBe('404 not_found policy');
  expect(said(await stage.get('/v1/policies/x'))).toBe('400 invalid_request n');
});

test('T8: policies are the platform’s, and quotas of a user are its tenant’s alone', async () => {
  const { stage } = await inForce();
  const acme = { key: stage.keys.acme };
  for (const path of ['/v1/policies', '/v1/policies/1', '/v1/policies/1/compare/1'])
    expect(said(await stage.get(path, stage.keys.acme))).toBe('403 forbidden');
  expect(said(await stage.post('/v1/policies', POLICY, acme))).toBe('403 forbidden');
  expect(said(await stage.post('/v1/policies/1/activate', {}, acme))).toBe('403 forbidden');
  expect((await stage.get('/v1/users/ann/quota', stage.keys.acme)).body).toMatchObject({
    tenant: 'acme',
    user: 'ann',
  });
  expect(said(await stage.get('/v1/users/ann/quota?tenant=other', stage.keys.acme))).toBe(
    '404 not_found user',
  );
  expect(said(await stage.get('/v1/users/ann/quota'))).toBe('400 invalid_request tenant');
  const ann = await stage.key({
    scopes: ['spend'],
    labels: { tenant: 'acme', user: 'ann' },
    callerLabels: [],
  });
  expect(said(await stage.get('/v1/users/ben/quota', ann))).toBe('404 not_found user');
  expect(said(await stage.post('/v1/quota/preflight', { user: 'ben' }, { key: ann }))).toBe(
    '404 not_found user',
  );
  expect((await stage.get('/v1/users/ann/quota', ann)).status).toBe(200);
  const limits = { limits: { daily: { total: '0.1' } } };
  expect(said(await stage.ask('PUT', '/v1/users/ann/quota-limits', { key: ann, body: limits }))).toBe(
    '403 forbidden',
  );
  const set = await stage.ask('PUT', '/v1/users/ann/quota-limits', { ...acme, body: limits });
  expect([set.status, set.body.buckets[0].limit]).toEqual([200, '0.1']);
  const more = await stage.ask('PUT', '/v1/users/ann/quota-limits', {
    ...acme,
    body: { limits: { daily: { total: 1 } } },
  });
  expect(said(more)).toBe('403 forbidden limits.daily.total');
});

test('Q6: preflight says tier, model, reserve and reasons, and changes nothing', async () => {
  const { stage, client } = await inForce();
  const head = (await client.head()).sequence;
  // Budgets of money apply to every tenant here: a turn that does not say what it costs would be refused by them.
  const bare = { user: 'ann', tenant: 'acme', textBytes: 4_000, outputTokensMax: 1_000 };
  expect(await client.quotas.preflight(bare)).toMatchObject({
    fits: false,
    denial: { reason: 'unit_missing', budgetId: 'all' },
  });
  const request = { ...bare, amounts: { usd: '0' } };
  // 1210 tokens of input and 1000 of output.
  expect(await client.quotas.preflight(request)).toEqual({
    fits: true,
    policy: 1,
    tier: 'premium',
    model: 'big',
    reasons: [],
    reserve: {
      credits: '0.0221',
      tokens: '2210',
      input_tokens: '1210',
      calls: '1',
      web_searches: '0',
      code_interpreter_calls: '0',
      usd: '0',
    },
    denial: null,
  });
  expect(await client.quotas.preflight({ ...request, outputTokensMax: 4_000 })).toMatchObject({
    tier: 'standard',
    reasons: ['premium_quota_exhausted'],
  });
  expect(await client.quotas.preflight({ ...request, webSearches: 3 })).toMatchObject({
    fits: false,
    denial: {
      reason: 'too_large',
      budgetId: 'quota/daily/total/web_searches',
      bucket: 'total',
      // Waiting does not help: the day has enough.
      ...{ period: null, resetsAt: null },
      tool: { name: 'webSearches', requested: '3', perTurn: '2' },
    },
  });
  expect(said(await stage.post('/v1/quota/preflight', { ...request, model: 'none' }))).toBe(
    '404 model_not_found model',
  );
  expect(said(await stage.post('/v1/quota/preflight', { ...request, model: 'big', tier: 'standard' }))).toBe(
    '400 invalid_request tier',
  );
  expect(said(await stage.post('/v1/quota/preflight', { ...request, amounts: { credits: '1' } }))).toBe(
    '400 invalid_request amounts.credits',
  );
  expect((await client.head()).sequence).toBe(head);
});

test.each([
  ['webSearches', 3, '2', 'web_searches'],
  ['codeInterpreterCalls', 11, '10', 'code_interpreter_calls'],
] as const)(
  'Q10: a turn that asks for more %s than one may → the field, what was asked and the limit of a turn',
  async (tool, asked, limit, unit) => {
    const { stage } = await inForce();
    const key = stage.keys.acme;
    const chat = (await stage.post('/v1/chats', { user: 'ann' }, { key })).body;
    const turn = { requestId: 'r1', text: 'hi', amounts: { usd: '0' }, [tool]: asked };
    const refused = await stage.post(`/v1/chats/${chat.id}/turns`, turn, { key });
    expect(said(refused)).toBe(`402 request_exceeds_budget ${tool}`);
    expect(refused.body).toMatchObject({
      ...{ budget_id: `quota/daily/total/${unit}`, limit, requested: String(asked), resets_at: null },
      title: `One turn may not use so much of a tool (${tool}).`,
    });
    expect(refused.body.detail).toContain(
      `${tool}: ${asked} ${unit} asked; at most ${limit} ${unit} a turn.`,
    );
    // What is left of the day is not why.
    expect(refused.body).not.toHaveProperty('spent');
    const most = { ...turn, requestId: 'r2', [tool]: Number(limit) };
    expect((await stage.post(`/v1/chats/${chat.id}/turns`, most, { key })).status).toBe(201);
  },
);

test('holds: one that is larger than a budget allows any to be → that is the limit told', async () => {
  const { stage, client } = await opened();
  await client.budgets.put('big', {
    ...{ match: { tenant: 'acme' }, unit: 'tokens', limit: '1000', window: 'day', perHoldMax: '10' },
  });
  const asked = { holdId: 'h', amounts: { usd: '1', tokens: '11' } };
  const refused = await stage.post('/v1/holds', asked, { key: stage.keys.acme });
  expect(said(refused)).toBe('402 request_exceeds_budget');
  expect(refused.body).toMatchObject({ limit: '10', requested: '11', resets_at: null });
  expect(refused.body.detail).toContain('11 tokens asked; at most 10 tokens a hold.');
});

test('Q6: 40 parallel requests of one user get what the limit allows and no more, and the rest are told when to come back', async () => {
  const { stage } = await inForce();
  // A quota is a budget: whoever states its labels is counted by it, over HTTP as by a turn.
  const key = await stage.key({
    scopes: ['spend'],
    labels: { tenant: 'acme', user: 'ann', quota: 'chat' },
    callerLabels: [],
  });
  const amounts = {
    credits: '0.03',
    tokens: '1',
    input_tokens: '1',
    web_searches: '0',
    code_interpreter_calls: '0',
    usd: '0',
  };
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      stage.post('/v1/holds', { holdId: `h${index}`, amounts }, { key }),
    ),
  );
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(16);
  expect(new Set(answers.filter(({ status }) => status !== 201).map(said))).toEqual(
    new Set(['429 budget_held']),
  );
  const ids = answers.flatMap(({ status, body }) => (status === 201 ? [body.holdId as string] : []));
  const spent = {
    credits: '0.03',
    tokens: '9',
    input_tokens: '5',
    web_searches: '1',
    code_interpreter_calls: '0',
    usd: '0',
  };
  await Promise.all(ids.map((id) => stage.post(`/v1/holds/${id}/settle`, { amounts: spent }, { key })));
  const late = await stage.post('/v1/holds', { holdId: 'late', amounts }, { key });
  expect(said(late)).toBe('429 quota_exceeded');
  expect(late.body).toMatchObject({
    budget_id: 'quota/daily/total',
    limit: '0.5',
    spent: '0.48',
    resets_at: '2026-01-16T00:00:00.000Z',
  });
  expect(late.headers.get('retry-after')).toBe(String(14 * 3_600));
  const status = (await stage.get('/v1/users/ann/quota', stage.keys.acme)).body;
  expect(status.buckets[0]).toMatchObject({
    period: 'daily',
    bucket: 'total',
    used: '0.48',
    left: '0.02',
    state: 'warning',
  });
  expect(status.webSearches).toMatchObject({ daily: { used: '16', left: '59' }, perTurn: 2 });
  expect(status.tokens.daily.used).toBe('144');
});

test('Q10: without a policy in force a status says so, and what needs one is a conflict', async () => {
  const { stage } = await opened();
  const status = await stage.get('/v1/users/ann/quota', stage.keys.acme);
  expect(status.body).toMatchObject({
    policy: null,
    buckets: [],
    tokens: { daily: { used: '0', state: 'unlimited' } },
  });
  expect(said(await stage.post('/v1/quota/preflight', { user: 'ann' }, { key: stage.keys.acme }))).toBe(
    '409 conflict',
  );
});
