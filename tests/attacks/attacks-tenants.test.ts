// One tenant against another over HTTP: ids of the other on every native route there is, lists, streams and answers
// searched for the other's names; forged labels; and no secret in a log, an event, a metric or an error.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cost, SECRETS, startWorld, type World } from '../clients/setup.js';
import { chatChunk, DONE, json } from '../gateway/gateway-fixture.js';
import type { Json } from '../setup/json.js';
import { type Answer, type Tenant, until } from '../setup/server-process.js';

/** What only the victim has, in its labels and budgets. Its ids are known to the thief, who tries them. */
const MARK = 'victim-mark';

let world: World;
let victim: Tenant;
let thief: Tenant;
/** Keys of the thief: one that spends and reads, one that governs its tenant. */
let thieves: string[];
/** By noun, what the parameters of its routes are, in their order. */
let ids: Readonly<Record<string, readonly string[]>>;
/** A chat of the thief's own. */
let ownChat: string;
/** Keys, and secrets of webhooks. */
const issued: string[] = [];

beforeAll(async () => {
  world = await startWorld();
  const { server } = world;
  world.raw.answer = json({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 5 } });
  // A budget of the platform's that both tenants' spend counts towards.
  const platform = { match: {}, unit: 'usd', limit: '4242.42', window: 'lifetime' };
  await server.ok('PUT', '/v1/budgets/platform-all', platform);
  victim = await server.tenant({ usd: '77.77' }, { labels: { user: MARK }, callerLabels: ['goal'] });
  thief = await server.tenant({ usd: '5' }, { callerLabels: ['goal'] });
  const owner = await server.makeKey({ labels: { tenant: victim.name }, scopes: ['tenant_admin'] });
  const governor = await server.makeKey({ labels: { tenant: thief.name }, scopes: ['tenant_admin'] });
  thieves = [thief.key, governor];
  issued.push(victim.key, thief.key, owner, governor, server.adminKey);
  const budget = 'guessed-budget';
  const spec = { match: { tenant: victim.name, goal: MARK }, unit: 'usd', limit: '7', window: 'lifetime' };
  expect((await server.api('PUT', `/v1/budgets/${budget}`, spec, owner)).status).toBe(200);
  const hold = 'guessed-hold';
  const opened = await call('POST', '/v1/holds', victim.key, {
    holdId: hold,
    amounts: { usd: '1.25' },
    labels: { goal: MARK },
  });
  expect(opened.status).toBe(201);
  await chat(victim.key);
  const { items } = (await server.api('GET', '/v1/keys', undefined, owner)).body;
  ids = {
    holds: [hold],
    budgets: [budget],
    keys: [items[0].id],
    decisions: [opened.body.decisionId],
    chats: await spokenChat(),
    agents: [await made('/v1/agents', owner, { name: MARK, limits: { usd: '1' } })],
    goals: [await made('/v1/goals', victim.key, { text: MARK, tokenBudget: '1000' })],
    notices: [await spentNotice(owner, budget)],
    webhooks: [await made('/v1/webhooks', owner, { url: `https://${MARK}.invalid/` })],
  };
  const speaker = await server.makeKey({ labels: { tenant: thief.name, user: 'thief' } });
  ownChat = await made('/v1/chats', speaker, {});
});
afterAll(() => world.end());

/** A notice of the victim's, which no webhook is there for yet. */
async function spentNotice(owner: string, budgetId: string): Promise<string> {
  const stated = await call('POST', '/v1/notices/thresholds', owner, { budgetId, percents: [10] });
  const spent = { amounts: { usd: '1' }, labels: { goal: MARK } };
  expect([stated.status, (await call('POST', '/v1/spend', victim.key, spent)).status]).toEqual([200, 201]);
  let items: Json[] = [];
  await until(async () => {
    items = (await call('GET', '/v1/notices', owner)).body.items;
    return items.length > 0;
  });
  return items[0].id;
}

/** A chat of the victim's, under a quota policy, and the turn that runs in it. */
async function spokenChat(): Promise<readonly string[]> {
  const model = { name: 'm', tier: 'all', inputMultiplier: 1_000_000, outputMultiplier: 1_000_000 };
  const policy = { tiers: ['all'], models: [{ ...model, outputTokensMax: 1_000 }] };
  const { number } = await world.server.ok('POST', '/v1/policies', policy);
  await world.server.ok('POST', `/v1/policies/${number}/activate`, {});
  const chat = await made('/v1/chats', victim.key, { title: MARK });
  const asked = { requestId: 'guessed-request', text: MARK, amounts: { usd: '0.01' } };
  return [chat, await made(`/v1/chats/${chat}/turns`, victim.key, asked)];
}

/** Makes something, whose secret, if it has one, is looked for in the end. @returns its id */
async function made(path: string, key: string, body: unknown): Promise<string> {
  const answer = await call('POST', path, key, body);
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  for (const secret of [answer.body.key, answer.body.secret]) if (secret !== undefined) issued.push(secret);
  return answer.body.id;
}

/** A request with a fresh Idempotency-Key. */
let requests = 0;
async function call(
  method: string,
  path: string,
  key: string,
  body?: unknown,
  idempotencyKey?: string,
): Promise<Answer> {
  requests += 1;
  const response = await fetch(world.server.url + path, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      'idempotency-key': idempotencyKey ?? `"${requests}"`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
}

async function chat(key: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  return fetch(`${world.server.url}/openai/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, ...headers },
    body: JSON.stringify({ model: 'raw-small', messages: [{ role: 'user', content: 'hi' }] }),
  });
}

/** All that the victim has. */
async function booksOfVictim(): Promise<Json> {
  const { server } = world;
  const of = (items: Json[]) => items.filter((item) => JSON.stringify(item).includes(victim.name));
  return {
    budgets: of(await server.list('/v1/budgets')).map(({ balances: _, ...budget }) => budget),
    balances: of(await server.list('/v1/balances')),
    holds: of(await server.list('/v1/holds')),
    keys: of(await server.list('/v1/keys')).map(({ lastUsedAt: _, ...key }) => key),
    chats: (await server.ok('GET', `/v1/chats?tenant=${victim.name}`)).items,
    turns: (await server.ok('GET', `/v1/chats/${ids.chats[0]}/turns`)).items,
    said: (await server.ok('GET', `/v1/chats/${ids.chats[0]}/messages`)).items,
    agents: of(await server.list('/v1/agents')),
    goals: await server.list(`/v1/goals?tenant=${victim.name}`),
    notices: of(await server.list('/v1/notices')),
    quota: await server.ok('GET', `/v1/users/${MARK}/quota?tenant=${victim.name}`),
  };
}

interface Operation {
  readonly method: string;
  readonly path: string;
}

async function operations(): Promise<Operation[]> {
  const { paths } = (await (await fetch(`${world.server.url}/openapi.json`)).json()) as Json;
  return Object.entries(paths as Json).flatMap(([path, methods]) =>
    Object.keys(methods as object).map((method) => ({ method: method.toUpperCase(), path })),
  );
}

/** Providers and policies are the platform's; what a tenant's users are named is not an id, see the test of quotas. */
const NOT_OF_TENANTS = ['providers', 'policies', 'users', 'reconciliations'];

/** A path with its parameters in their order. */
function filled(path: string, values: readonly string[]): string {
  const left = [...values];
  return path.replaceAll(/\{[^}]+\}/g, () => encodeURIComponent(left.shift() as string));
}

/** Bodies that would be taken if the id were the caller's own, by the last part of a path, or its noun and that. */
const BODIES: Readonly<Record<string, unknown>> = {
  extend: { ttlMs: 60_000 },
  release: {},
  reverse: {},
  settle: { amounts: { usd: '0.01' } },
  correct: { amounts: { usd: '0.01' }, reason: 'mine' },
  status: { status: 'closed' },
  'top-up': { amount: '1' },
  exhaust: {},
  'balance-limit': { limit: '0' },
  rotate: {},
  revoke: {},
  close: {},
  key: {},
  raise: { limits: { usd: '1' } },
  turns: { requestId: 'mine', text: 'mine' },
  'chats/complete': { text: 'mine' },
  'goals/complete': {},
  pause: {},
  resume: {},
  clear: {},
  budget: { tokenBudget: null },
  usage: { tokens: '1' },
  redeliver: {},
  test: {},
  fail: { reachedProvider: false },
  cancel: {},
  progress: {},
  retry: { requestId: 'mine' },
  edit: { requestId: 'mine', text: 'mine' },
};

function bodyOf({ method, path }: Operation): unknown {
  if (method !== 'POST') return undefined;
  const [noun, last] = [path.split('/')[2], path.split('/').at(-1) as string];
  const body = BODIES[`${noun}/${last}`] ?? BODIES[last];
  expect(body, `a body for ${path}`).toBeDefined();
  return body;
}

describe('attacks: another tenant’s ids', () => {
  test('attacks: every route with an id, each spelling of the victim’s → not found, and nothing of it changes', async () => {
    const before = await booksOfVictim();
    const { server } = world;
    const tried: string[] = [];
    for (const { method, path } of await operations()) {
      const noun = path.split('/')[2];
      if (!path.startsWith('/v1/') || !path.includes('{') || NOT_OF_TENANTS.includes(noun)) continue;
      expect(ids, `ids for ${path}`).toHaveProperty(noun);
      const [id, ...below] = ids[noun];
      const full = `tenant/${victim.name}/${id}`;
      const spellings = [id, full, `../${victim.name}/${id}`, `tenant%2F${victim.name}%2F${id}`];
      for (const key of thieves)
        for (const spelling of spellings) {
          const target = filled(path, [spelling, ...below]);
          if (method === 'PUT') {
            // A budget of its own of that name, for its own tenant: nothing of the victim's.
            const spec = { match: { tenant: victim.name }, unit: 'usd', limit: '0', window: 'lifetime' };
            expect((await call('PUT', target, key, spec)).status, target).toBeOneOf([400, 403, 404, 409]);
            continue;
          }
          const body = bodyOf({ method, path });
          const answer = await call(method, target, key, body);
          expect(answer.status, `${method} ${target}`).toBeOneOf([403, 404]);
          expect(JSON.stringify(answer.body).replaceAll(spelling, ''), `${method} ${target}`).not.toContain(
            MARK,
          );
          // Ids that nobody has look the same.
          const nobodys = filled(path, [spelling.replace(id, 'nobodys'), ...below]);
          const unknown = await call(method, nobodys, key, body);
          expect({ status: answer.status, code: answer.body.code }).toEqual({
            status: unknown.status,
            code: unknown.body.code,
          });
          tried.push(`${method} ${path}`);
        }
    }
    expect(new Set(tried).size).toBeGreaterThanOrEqual(39);
    expect(await booksOfVictim()).toEqual(before);
    await server.verify();
  });

  test('attacks: the victim’s turn in a chat of one’s own → not found, and the turn runs on', async () => {
    const before = await booksOfVictim();
    const [, turn] = ids.chats;
    for (const { method, path } of await operations()) {
      if (!path.includes('{turn}')) continue;
      const body = bodyOf({ method, path });
      for (const key of thieves) {
        const answer = await call(method, filled(path, [ownChat, turn]), key, body);
        const unknown = await call(method, filled(path, [ownChat, 'nobodys']), key, body);
        expect([answer.status, answer.body.code], path).toEqual([unknown.status, unknown.body.code]);
        expect(answer.status, path).toBeOneOf([403, 404]);
      }
    }
    expect(await booksOfVictim()).toEqual(before);
  });

  test('attacks: a user of the victim’s name → a user of one’s own, and another tenant cannot be named', async () => {
    const before = await booksOfVictim();
    const limits = { limits: { daily: { total: '0' } } };
    for (const key of thieves) {
      const own = await call('GET', `/v1/users/${MARK}/quota`, key);
      expect([own.status, own.body.tenant, own.body.tokens?.daily.used]).toEqual([200, thief.name, '0']);
      const tenant = `?tenant=${victim.name}`;
      const asked = { user: MARK, tenant: victim.name };
      for (const answer of [
        await call('GET', `/v1/users/${MARK}/quota${tenant}`, key),
        await call('PUT', `/v1/users/${MARK}/quota-limits${tenant}`, key, limits),
        await call('POST', '/v1/quota/preflight', key, asked),
        await call('POST', '/v1/chats', key, asked),
        await call('GET', `/v1/chats${tenant}`, key),
        await call('POST', '/v1/goals', key, { owner: MARK, tenant: victim.name, text: 'mine' }),
        await call('GET', `/v1/goals${tenant}`, key),
        await call('GET', `/v1/goals/active${tenant}&owner=${MARK}`, key),
        await call('POST', '/v1/notices/thresholds', key, { budgetId: ids.budgets[0], percents: [1] }),
      ])
        expect(answer.status, JSON.stringify(answer.body)).toBeOneOf([400, 403, 404]);
    }
    expect(await booksOfVictim()).toEqual(before);
  });

  test('attacks: batches → each command is refused like its own route', async () => {
    const before = await booksOfVictim();
    const commands = [ids.holds[0], `tenant/${victim.name}/${ids.holds[0]}`, `turn/${ids.chats[1]}`].flatMap(
      (holdId) => [
        { command: 'settle_hold', holdId, amounts: { usd: '0' } },
        { command: 'release_hold', holdId },
        { command: 'extend_hold', holdId, ttlMs: 1 },
      ],
    );
    for (const key of thieves) {
      const answer = await call('POST', '/v1/batch', key, { commands });
      for (const { status, body } of answer.body.outcomes ?? [{ status: answer.status, body: answer.body }])
        expect([status, body.code]).toBeOneOf([
          [404, 'not_found'],
          [404, 'hold_not_found'],
          [400, 'invalid_request'],
        ]);
    }
    expect(await booksOfVictim()).toEqual(before);
  });

  test('attacks: the victim’s Idempotency-Key → an answer of one’s own', async () => {
    const body = { amounts: { usd: '0.01' } };
    const first = await call('POST', '/v1/holds', victim.key, body, '"shared"');
    const second = await call('POST', '/v1/holds', thief.key, body, '"shared"');
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.headers.get('idempotency-replayed')).toBeNull();
    expect(second.body.decisionId).not.toBe(first.body.decisionId);
    for (const { key, hold } of [
      { key: victim.key, hold: first.body.holdId },
      { key: thief.key, hold: second.body.holdId },
    ])
      expect((await call('POST', `/v1/holds/${encodeURIComponent(hold)}/release`, key, {})).status).toBe(200);
  });

  test('attacks: every list and stream → no name, id or figure of another tenant', async () => {
    const secrets = [
      MARK,
      '77.77',
      '4242.42',
      `"${victim.name}"`,
      `${victim.name}-usd`,
      `tenant/${victim.name}/`,
    ];
    const texts: string[] = [];
    for (const key of thieves)
      for (const { method, path } of await operations()) {
        if (
          method !== 'GET' ||
          path.includes('{') ||
          path === '/v1/events/stream' ||
          path === '/openapi.json'
        )
          continue;
        const response = await fetch(`${world.server.url}${path}`, {
          headers: { authorization: `Bearer ${key}` },
        });
        texts.push(`${path} ${response.status} ${await response.text()}`);
      }
    for (const filter of [`label=tenant%3D${victim.name}`, `label=user%3D${MARK}`])
      for (const path of ['/v1/holds', '/v1/balances'])
        texts.push(JSON.stringify((await call('GET', `${path}?${filter}`, thief.key)).body));
    texts.push(await someEvents(thief.key));
    const denied = await call('POST', '/v1/holds', thief.key, { amounts: { usd: '5000' } });
    expect(denied.status).toBe(402);
    texts.push(
      JSON.stringify(denied.body),
      JSON.stringify((await call('POST', '/v1/check', thief.key, { amounts: { usd: '5000' } })).body),
    );
    const answer = await chat(thief.key);
    texts.push(JSON.stringify([...answer.headers]), await answer.text());
    for (const text of texts)
      for (const secret of secrets) expect(text.includes(secret) ? text : '').toBe('');
    expect(texts.some((text) => text.includes('platform-all'))).toBe(true);
  });
});

/** The events that a key is sent from the beginning on, until nothing more comes. */
async function someEvents(key: string): Promise<string> {
  const abort = new AbortController();
  const response = await fetch(`${world.server.url}/v1/events/stream?after=0`, {
    headers: { authorization: `Bearer ${key}` },
    signal: abort.signal,
  });
  let text = '';
  const quiet = () => setTimeout(() => abort.abort(), 500);
  let timer = quiet();
  try {
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(piece).toString();
      clearTimeout(timer);
      timer = quiet();
    }
  } catch (error) {
    if ((error as Error).name !== 'AbortError') throw error;
  }
  expect(text).toContain(`"tenant":"${thief.name}"`);
  return text;
}

describe('attacks: forged labels', () => {
  test.each([
    [{ tenant: 'other' }, 'label_forbidden'],
    [{ user: 'root' }, 'label_forbidden'],
    [{ provider: 'none' }, 'label_forbidden'],
    [{ model: 'free' }, 'label_forbidden'],
    [{ TENANT: 'other' }, 'label_forbidden'],
    [{ 'tenant ': 'other' }, 'label_forbidden'],
    [{ 'ten\u0430nt': 'other' }, 'label_forbidden'],
  ])('attacks: %j in a body → refused on every route that takes labels', async (labels, code) => {
    const amounts = { usd: '0.01' };
    const before = await thief.figures();
    for (const [path, body] of [
      ['/v1/holds', { amounts, labels }],
      ['/v1/spend', { amounts, labels }],
      ['/v1/check', { amounts, labels }],
    ] as const) {
      const answer = await call('POST', path, thief.key, body);
      expect([answer.status, answer.body.code], path).toEqual([403, code]);
    }
    const batch = { commands: [{ command: 'record_spend', amounts, labels }] };
    const answer = await call('POST', '/v1/batch', thief.key, batch);
    expect(answer.body.code ?? answer.body.outcomes[0].body.code).toBe(code);
    expect(await thief.figures()).toEqual(before);
  });

  test('attacks: scopes that a key lacks → forbidden, and no key begets more than itself', async () => {
    const reader = await world.server.makeKey({ labels: { tenant: thief.name }, scopes: ['read'] });
    expect((await chat(reader)).status).toBe(403);
    expect((await call('POST', '/v1/holds', reader, { amounts: { usd: '0.01' } })).status).toBe(403);
    const [spender, governor] = thieves;
    for (const path of ['/v1/verify', '/v1/certificates', '/v1/reload'])
      for (const key of thieves) expect((await call('POST', path, key, {})).status, path).toBe(403);
    expect((await call('POST', '/v1/keys', spender, { name: 'x', scopes: ['spend'] })).status).toBe(403);
    for (const spec of [
      { scopes: ['admin'] },
      { scopes: ['spend'], labels: { tenant: victim.name } },
      { scopes: ['admin'], labels: { tenant: thief.name } },
    ])
      expect((await call('POST', '/v1/keys', governor, { name: 'x', ...spec })).status).toBeOneOf([400, 403]);
    const budget = { match: { tenant: victim.name }, unit: 'usd', limit: '0', window: 'lifetime' };
    const definitions = { budgets: [{ id: 'x', ...budget }], close: [ids.budgets[0]] };
    expect((await call('POST', '/v1/definitions', governor, definitions)).status).toBeOneOf([400, 403, 404]);
  });

  test('attacks: a revoked key → refused at once', async () => {
    const created = await world.server.ok('POST', '/v1/keys', {
      name: 'brief',
      scopes: ['spend'],
      labels: { tenant: thief.name },
    });
    issued.push(created.key);
    expect((await chat(created.key)).status).toBe(200);
    await world.server.ok('POST', `/v1/keys/${created.id}/revoke`, {});
    expect((await chat(created.key)).status).toBe(401);
  });
});

describe('attacks: one’s own calls', () => {
  test('attacks: ending the hold of a call that is on, or making it small → refused, the call is charged in full', async () => {
    let finish = () => {};
    world.raw.answer = async (_call, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${JSON.stringify(chatChunk('Hello'))}\n\n`);
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      const usage = { prompt_tokens: 5, completion_tokens: 100 };
      response.end(`data: ${JSON.stringify({ ...chatChunk(''), choices: [], usage })}\n\n${DONE}`);
    };
    const tenant = await world.server.tenant({ usd: '1' });
    const governor = await world.server.makeKey({
      labels: { tenant: tenant.name },
      scopes: ['tenant_admin'],
    });
    const response = await fetch(`${world.server.url}/openai/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tenant.key}` },
      body: JSON.stringify({ model: 'patient', stream: true, messages: [{ role: 'user', content: 'hi' }] }),
    });
    for (const key of [tenant.key, governor]) {
      const [{ holdId }] = (await call('GET', '/v1/holds?status=open', key)).body.items;
      for (const [command, body] of [
        ['settle', { amounts: { usd: '0' } }],
        ['release', {}],
        ['reverse', {}],
        ['release', { amounts: { usd: '0.01' } }],
        ['extend', { ttlMs: 1 }],
      ] as const) {
        const answer = await call('POST', `/v1/holds/${encodeURIComponent(holdId)}/${command}`, key, body);
        expect(answer.status, command).toBeOneOf([400, 403, 404]);
      }
      const commands = [{ command: 'settle_hold', holdId, amounts: { usd: '0' } }];
      const batch = await call('POST', '/v1/batch', key, { commands });
      expect(batch.body.outcomes?.[0].status ?? batch.status).toBeOneOf([400, 403, 404]);
    }
    finish();
    expect(await response.text()).toContain(DONE);
    const charged = { usd: cost({ input: 5, output: 100 }), tokens: '105', calls: '1' };
    const hold = await tenant.only();
    expect(hold).toMatchObject({ status: 'settled', charged });
    // Nor is it corrected afterwards.
    const path = `/v1/holds/${encodeURIComponent(hold.holdId.replace(`tenant/${tenant.name}/`, ''))}/correct`;
    for (const key of [tenant.key, governor])
      expect((await call('POST', path, key, { amounts: { usd: '0' }, reason: 'no' })).status).toBeOneOf([
        400, 403, 404,
      ]);
    expect((await tenant.figures()).spent).toBe(charged.usd);
  });
});

describe('attacks: secrets', () => {
  test('attacks: after all of this → no key in the log, the events, the metrics or an error', async () => {
    const { server, raw } = world;
    const forged = 'bur_forgedforgedforg_0123456789012345678901234567890123456789012';
    expect((await chat(forged)).status).toBe(401);
    expect(
      (
        await fetch(`${server.url}/v1/holds?key=${victim.key}`, {
          headers: { authorization: `Bearer ${forged}` },
        })
      ).status,
    ).toBe(401);
    // A provider that repeats its key to whoever asks, in errors of every kind.
    const answers: string[] = [];
    for (const status of [400, 401, 403, 418, 500]) {
      raw.answer = json(
        { error: { message: `Incorrect API key provided: ${SECRETS.RAW_KEY}. ${status}` } },
        status,
        {
          'x-echo': SECRETS.RAW_KEY,
        },
      );
      const answer = await chat(victim.key);
      answers.push(`${answer.status} ${await answer.text()} ${JSON.stringify([...answer.headers])}`);
    }
    const log = () => server.output.slice(server.output.indexOf('"msg":"listening"'));
    await until(() => log().includes('418'));
    const events = JSON.stringify(await server.list('/v1/events'));
    const metrics = await (
      await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${server.adminKey}` } })
    ).text();
    expect(metrics).toContain('bursar_spent_usd_total');
    const places = { log: log(), events, metrics };
    for (const [place, text] of Object.entries(places)) {
      for (const key of [...issued, forged]) {
        expect(text.includes(key), `a key of Bursar’s in ${place}`).toBe(false);
        const secret = key.slice(-40);
        expect(text.includes(secret), `a secret part in ${place}`).toBe(false);
      }
      for (const secret of Object.values(SECRETS))
        expect(text.includes(secret), `a provider’s key in ${place}`).toBe(false);
    }
    for (const answer of answers) expect(answer).not.toContain(SECRETS.RAW_KEY);
  });
});
