// Requests that race on purpose, against the real server: every end of one turn at once, agents that spend while those above
// them are ended, goals that are paused under calls, policies that change under turns. Whoever loses is told, nothing is
// answered with 5xx, and all books add up.

import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Json } from '../setup/json.js';
import { type Answer, ServerProcess } from '../setup/server-process.js';

let server: ServerProcess;
beforeAll(async () => {
  server = await ServerProcess.start('notices: { reach: any }');
});
afterAll(() => server.remove());

let ids = 0;
const fresh = () => {
  ids += 1;
  return `x${ids}`;
};

async function call(method: string, path: string, key: string, body?: unknown): Promise<Answer> {
  const response = await fetch(server.url + path, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      'idempotency-key': fresh(),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  expect(response.status, `${method} ${path}: ${text}`).toBeLessThan(500);
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
}

const post = (path: string, key: string, body: unknown = {}) => call('POST', path, key, body);

/** Decimals of at most 8 places, added without losing one. */
function steps(text: string | null): bigint {
  const [whole, part = ''] = (text ?? '0').split('.');
  return BigInt(whole + part.padEnd(8, '0'));
}

test('races: every end of a turn at once, with progress, edits and deletions → one end, one charge', async () => {
  const tenant = await server.tenant({ usd: '100' }, { labels: { user: 'ann' } });
  const { key } = tenant;
  let charged = 0n;
  for (let round = 0; round < 8; round += 1) {
    const chat = (await post('/v1/chats', key)).body.id;
    const turn = { requestId: 'r1', text: 'x', amounts: { usd: '1' } };
    const starts = await Promise.all(
      Array.from({ length: 10 }, () => post(`/v1/chats/${chat}/turns`, key, turn)),
    );
    expect(starts.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)]);
    const [{ id }] = starts.flatMap(({ status, body }) => (status === 201 ? [body] : []));
    const path = `/v1/chats/${chat}/turns/${id}`;
    const acts = [
      () => post(`${path}/complete`, key, { text: 'a', amounts: { usd: '0.25' } }),
      () => post(`${path}/cancel`, key),
      () => post(`${path}/fail`, key, { reachedProvider: false }),
      () => post(`${path}/progress`, key),
      () => post(`${path}/edit`, key, { requestId: fresh(), text: 'y', amounts: { usd: '1' } }),
      () => call('DELETE', path, key),
    ];
    const order = Array.from({ length: 24 }, (_, index) => acts[(index * (round + 1) + round) % acts.length]);
    const answers = await Promise.all(order.map((act) => act()));
    for (const { status } of answers) expect(status).toBeOneOf([200, 201, 404, 409]);
    for (const { id: left, state } of (await call('GET', `/v1/chats/${chat}/turns`, key)).body.items)
      if (state === 'running') await post(`/v1/chats/${chat}/turns/${left}/cancel`, key);
    const holds = (await server.list(`/v1/holds?label=tenant%3D${tenant.name}`)) as Json[];
    expect(holds.every(({ status }) => status === 'settled')).toBe(true);
    charged = holds.reduce((sum, hold) => sum + steps(hold.charged.usd), 0n);
  }
  const { spent, held } = await tenant.figures();
  expect([steps(spent), held]).toEqual([charged, '0']);
  await server.verify();
});

test('races: agents spend, raise and carve while those above them are revoked → no key works on, every figure adds up', async () => {
  const tenant = await server.tenant({});
  const admin = await server.makeKey({ labels: { tenant: tenant.name }, scopes: ['tenant_admin'] });
  const limits = (usd: string) => ({ limits: { usd } });
  const make = async (key: string, body: object): Promise<Json> =>
    (await post('/v1/agents', key, { name: 'an agent', ...body })).body;
  const root = await make(admin, limits('100'));
  const children: Json[] = [];
  for (let index = 0; index < 6; index += 1)
    children.push(await make(root.key, { mode: index % 2 ? 'carved' : 'shared', ...limits('10') }));
  const below = await Promise.all(children.map(({ key }) => make(key, { mode: 'carved', ...limits('3') })));
  let isOver = false;
  const spenders = [...children, ...below].map(async ({ key }) => {
    while (!isOver) {
      const holdId = fresh();
      const held = await post('/v1/holds', key, { holdId, amounts: { usd: '0.2' }, ttlMs: 1_000 });
      if (held.status === 401) return;
      if (held.status === 201) await post(`/v1/holds/${holdId}/settle`, key, { amounts: { usd: '0.1' } });
    }
  });
  await pause(150);
  const end = (agent: Json, how: string, key = root.key) => post(`/v1/agents/${agent.id}/${how}`, key);
  const acts = await Promise.all([
    end(children[0], 'revoke'),
    end(children[1], 'revoke'),
    post(`/v1/agents/${children[1].id}/raise`, root.key, limits('12')),
    post(`/v1/agents/${children[3].id}/raise`, root.key, limits('12')),
    end(children[3], 'revoke'),
    end(children[2], 'close'),
    post('/v1/agents', children[3].key, { name: 'late', mode: 'carved', ...limits('1') }),
  ]);
  for (const { status } of acts) expect(status).toBeOneOf([200, 201, 401, 402, 409, 429]);
  await pause(100);
  expect((await end(root, 'revoke', admin)).status).toBe(200);
  for (const { key } of [root, ...children, ...below])
    expect((await call('GET', '/v1/agents/self', key)).status).toBe(401);
  isOver = true;
  await Promise.all(spenders);
  await tenant.ended();
  const agents: Json[] = (await call('GET', '/v1/agents?limit=100', admin)).body.items;
  expect(agents.every(({ state }) => state === 'revoked')).toBe(true);
  for (const { id, figures } of agents) {
    const { limit, used, held, left, returned } = figures[0];
    const sum = [used, held, left, returned].reduce((all, one) => all + steps(one), 0n);
    expect([id, sum]).toEqual([id, steps(limit)]);
    expect(held).toBe('0');
  }
  await server.verify();
});

test('races: goals made, paused, resumed and noted under running calls → at most one is active, and all is counted', async () => {
  const { name } = await server.tenant({});
  const key = await server.makeKey({ labels: { tenant: name, user: 'gus' }, callerLabels: ['goal'] });
  await Promise.all(
    Array.from({ length: 10 }, () => post('/v1/goals', key, { text: 'a goal', tokenBudget: 1_000 })),
  );
  const goals = async (): Promise<Json[]> => (await call('GET', '/v1/goals', key)).body.items;
  const isActive = ({ state }: Json) => state === 'active';
  const [goal, other] = await goals();
  const answers = await Promise.all(
    Array.from({ length: 60 }, (_, index) => {
      const at = (what: string, which = goal) => `/v1/goals/${which.id}/${what}`;
      switch (index % 5) {
        case 0:
          return post('/v1/holds', key, {
            holdId: fresh(),
            labels: { goal: goal.id },
            amounts: { tokens: '50' },
          });
        case 1:
          return post(at('pause'), key);
        case 2:
          return post(at('resume'), key);
        case 3:
          return post(at('usage'), key, { tokens: 30 });
        default:
          return post(at('resume', other), key);
      }
    }),
  );
  expect((await goals()).filter(isActive).length).toBeLessThanOrEqual(1);
  const counted = answers.filter(({ body }) => body.counted === true).length;
  const held = answers.flatMap(({ status, body }) => (status === 201 ? [body.holdId as string] : []));
  await post(`/v1/goals/${goal.id}/pause`, key);
  // Under way when it was paused: counted all the same, and past the budget there is no way back without more.
  for (const holdId of held) await post(`/v1/holds/${holdId}/settle`, key, { amounts: { tokens: '20' } });
  await post(`/v1/goals/${goal.id}/resume`, key);
  expect((await post(`/v1/goals/${goal.id}/usage`, key, { tokens: 2_000 })).body.counted).toBe(true);
  const used = (await call('GET', `/v1/goals/${goal.id}`, key)).body;
  expect([used.state, used.tokensUsed]).toEqual(['paused', String(counted * 30 + held.length * 20 + 2_000)]);
  expect((await post(`/v1/goals/${goal.id}/resume`, key)).status).toBe(409);
  await server.verify();
});

test('races: policies are activated while turns run → each turn ends under its own, one is in force, limits below what is spent leave 0', async () => {
  const { name } = await server.tenant({});
  const policy = (multiplier: number, total: string) => ({
    tiers: ['premium'],
    models: [
      {
        name: 'big',
        tier: 'premium',
        inputMultiplier: multiplier,
        outputMultiplier: multiplier,
        outputTokensMax: 500,
      },
    ],
    limits: { daily: { total } },
  });
  const numbers: number[] = [];
  for (const [multiplier, total] of [
    [1_000_000, '500'],
    [2_000_000, '400'],
    [2_000_000, '0.0001'],
  ] as const)
    numbers.push((await server.ok('POST', '/v1/policies', policy(multiplier, total))).number);
  const putInForce = (number: number) => server.api('POST', `/v1/policies/${number}/activate`, {});
  const activate = (index: number) => putInForce(numbers[index % 2]);
  await activate(0);
  const keys = await Promise.all(
    Array.from({ length: 6 }, (_, index) => server.makeKey({ labels: { tenant: name, user: `u${index}` } })),
  );
  const turns: Json[] = [];
  let isOver = false;
  const users = keys.map(async (key) => {
    const chat = (await post('/v1/chats', key)).body.id;
    while (!isOver) {
      const started = await post(`/v1/chats/${chat}/turns`, key, { requestId: fresh(), text: 'hello' });
      if (started.status !== 201) continue;
      const usage = { inputTokens: 50, outputTokens: 400 };
      const end = `/v1/chats/${chat}/turns/${started.body.id}/complete`;
      const { body } = await post(end, key, { text: 'x', usage });
      turns.push({ ...body, startedUnder: started.body.policy });
    }
  });
  for (let index = 1; index < 12; index += 1) {
    await pause(30);
    expect((await activate(index)).status).toBe(200);
  }
  const atOnce = await Promise.all(Array.from({ length: 10 }, (_, index) => activate(index)));
  expect(atOnce.map(({ status }) => status)).toEqual(Array(10).fill(200));
  isOver = true;
  await Promise.all(users);
  expect(new Set(turns.map(({ policy: number }) => number)).size).toBe(2);
  for (const turn of turns) {
    expect(turn.policy).toBe(turn.startedUnder);
    expect(steps(turn.charged.credits)).toBe(steps('0.00045') * BigInt(turn.policy === numbers[0] ? 1 : 2));
  }
  const active = (await server.list('/v1/policies')).filter((one) => one.active);
  expect(active).toHaveLength(1);
  const budget = (await server.list('/v1/budgets')).find(({ id }) => id === 'quota/daily/total');
  expect(budget.limit).toBe(active[0].document.limits.daily.total);
  await putInForce(numbers[2]);
  const { buckets } = (await call('GET', '/v1/users/u0/quota', keys[0])).body;
  expect(buckets[0]).toMatchObject({ limit: '0.0001', held: '0', left: '0', state: 'exhausted' });
  await server.verify();
});
