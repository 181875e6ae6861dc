// Hostile and wrong input at the gateway: keys, labels, headers, routes, bodies; and that no secret gets out on any side
// (rule T8; field problems 21 and 23).

import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chatAnswer, chatChunk, events, type Gateway, json, startGateway } from '../gateway-fixture.js';

const BUDGETS = `
  - { id: day, match: { tenant: acme }, unit: usd, limit: "1000", window: day }
  - { id: goal, match: { tenant: acme, goal: "*" }, unit: calls, limit: "100", window: day }
`;
const CHAT = { model: 'small', messages: [{ role: 'user', content: 'hi' }] };
const MESSAGE = { model: 'claude', max_tokens: 100, messages: [{ role: 'user', content: 'hi' }] };
const USED = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };

let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ budgets: BUDGETS, more: 'gateway: { bodyBytesMax: 65536 }' });
});
afterAll(() => gateway.close());

const chat = (headers: Record<string, string> = {}, body: unknown = CHAT) => {
  gateway.provider.answer = json(chatAnswer(USED));
  return gateway.post('/openai/v1/chat/completions', body, headers);
};

/** What reached the provider by one call. */
async function forwarded(call: () => Promise<Response>) {
  const before = gateway.provider.calls.length;
  const response = await call();
  await response.text();
  return { response, calls: gateway.provider.calls.slice(before) };
}

describe('gateway: keys', () => {
  test.each([
    ['none', { authorization: '' }],
    ['unknown', { authorization: 'Bearer bur_abc_def' }],
    ['not a bearer', { authorization: 'Basic abc' }],
    ['unknown, in the other header', { authorization: '', 'x-api-key': 'sk-ant-123' }],
  ])('%s → 401 in the dialect of the route, and nothing goes out', async (_what, headers) => {
    const openai = await forwarded(() => chat(headers));
    expect(openai.response.status).toBe(401);
    expect(openai.calls).toEqual([]);
    const anthropic = await gateway.post('/anthropic/v1/messages', MESSAGE, headers);
    expect(await anthropic.json()).toMatchObject({
      type: 'error',
      error: { type: 'authentication_error', code: 'invalid_api_key' },
    });
  });

  test('the key in x-api-key, as Anthropic’s clients send it → is taken', async () => {
    gateway.provider.answer = json({ id: 'm', content: [], usage: { input_tokens: 1, output_tokens: 1 } });
    const response = await gateway.post('/anthropic/v1/messages', MESSAGE, {
      'x-api-key': gateway.key,
      authorization: '',
    });
    expect(response.status).toBe(200);
  });

  test('two different keys → 401, whichever is read first; the same one twice is taken', async () => {
    const other = await gateway.makeKey({ tenant: 'acme', user: 'bob' });
    expect((await chat({ 'x-api-key': other })).status).toBe(401);
    expect((await chat({ 'x-api-key': gateway.key })).status).toBe(200);
  });

  test('a key that may only read → 403, and nothing goes out', async () => {
    const reader = await gateway.makeKey({ tenant: 'acme' }, ['read']);
    const { response, calls } = await forwarded(() => chat({ authorization: `Bearer ${reader}` }));
    expect(response.status).toBe(403);
    expect(calls).toEqual([]);
  });

  test('what callers send beside the allow-list → stays here; the provider gets its own key', async () => {
    const { calls } = await forwarded(() =>
      chat({
        cookie: 'session=1',
        'openai-organization': 'org-other',
        'openai-beta': 'assistants=v2',
        'idempotency-key': '1',
        'x-forwarded-for': '1.2.3.4',
        'bursar-label-goal': 'ship',
      }),
    );
    expect(calls[0].headers.authorization).toBe('Bearer sk-main-secret');
    expect(calls[0].headers['openai-beta']).toBe('assistants=v2');
    expect(Object.keys(calls[0].headers).sort()).toEqual([
      'accept-encoding',
      'authorization',
      'connection',
      'content-length',
      'content-type',
      'host',
      'openai-beta',
    ]);
    expect(JSON.stringify(calls[0].headers)).not.toContain(gateway.key);
  });

  test('an Anthropic provider → gets its key, a version and the betas', async () => {
    gateway.provider.answer = json({ id: 'm', content: [], usage: { input_tokens: 1, output_tokens: 1 } });
    const { calls } = await forwarded(() =>
      gateway.post('/anthropic/v1/messages?beta=true&x=1', MESSAGE, { 'anthropic-beta': 'b-1' }),
    );
    expect(calls[0].path).toBe('/v1/messages?beta=true');
    expect(calls[0].headers).toMatchObject({
      'x-api-key': 'sk-claude-secret',
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'b-1',
    });
    expect(calls[0].headers.authorization).toBe(undefined);
  });

  test('the long context of Anthropic → goes out where the price has what it costs, other betas always', async () => {
    const own = await startGateway({
      budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "10000", window: day }',
      routes: ['wide', 'tiered', 'plain']
        .map((model) => `\n  - { model: ${model}, candidates: [{ provider: claude }] }`)
        .join(''),
      prices: `
  - { provider: claude, model: wide, input: "3", output: "15", contextWindow: 1000000 }
  - provider: claude
    model: tiered
    contextWindow: 200000
    input: "3"
    output: "15"
    tiers: [{ fromInputTokens: 200001, input: "6", output: "22.5" }]
  - { provider: claude, model: plain, input: "3", output: "15", contextWindow: 200000 }
`,
    });
    own.provider.answer = json({ id: 'm', content: [], usage: { input_tokens: 1, output_tokens: 1 } });
    const sent = async (model: string, content: unknown, betas = 'a-1, context-1m-2025-08-07,b-2') => {
      const body = { ...MESSAGE, model, messages: [{ role: 'user', content }] };
      expect((await own.post('/anthropic/v1/messages', body, { 'anthropic-beta': betas })).status).toBe(200);
      return own.provider.calls.at(-1)?.headers['anthropic-beta'];
    };
    // A document by its URL: nothing but the context window bounds it.
    const stored = [{ type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } }];
    const all = 'a-1, context-1m-2025-08-07,b-2';
    expect(await sent('wide', 'hi')).toBe(all);
    expect(await sent('wide', stored)).toBe(all);
    expect(await sent('tiered', 'hi')).toBe(all);
    expect(await sent('tiered', stored)).toBe('a-1,b-2');
    expect(await sent('plain', 'hi')).toBe('a-1,b-2');
    expect(await sent('plain', 'hi', 'context-1m-2025-08-07')).toBeUndefined();
    // At that tier the whole call is held and charged.
    const large = 'x'.repeat(250_000);
    await sent('tiered', large);
    const held = own.ledger.holds().at(-1);
    expect(held?.authorized.usd).toBeGreaterThan(250_000n * 600n);
    await own.close();
  });

  test('what a provider sends of its account, its cookies and its key → does not reach callers', async () => {
    gateway.provider.answer = json(chatAnswer(USED), 200, {
      'set-cookie': 'a=b',
      'openai-organization': 'org-ours',
      'x-ratelimit-remaining-requests': '5',
      'x-request-id': 'req_1',
    });
    const { headers } = await gateway.post('/openai/v1/chat/completions', CHAT);
    expect(headers.get('set-cookie')).toBe(null);
    expect(headers.get('openai-organization')).toBe(null);
    expect(headers.get('x-ratelimit-remaining-requests')).toBe(null);
    expect(headers.get('x-request-id')).toBe('req_1');

    gateway.provider.answer = json({ error: { message: 'Incorrect API key provided: sk-main-secret' } }, 401);
    const refused = await gateway.post('/openai/v1/chat/completions', CHAT);
    expect(await refused.text()).not.toContain('sk-main');
    for (const status of [400, 500]) {
      gateway.provider.answer = json({ error: { message: 'proxy saw Bearer sk-main-secret' } }, status);
      const hidden = await gateway.post('/openai/v1/chat/completions', CHAT);
      expect(hidden.status).toBe(502);
      expect(await hidden.text()).not.toContain('sk-main');
    }
    gateway.provider.answer = events([chatChunk('Hi'), { error: { message: 'proxy saw sk-main-secret' } }]);
    const broken = await gateway.post('/openai/v1/chat/completions', { ...CHAT, stream: true });
    await expect(broken.text()).rejects.toThrow();
    gateway.provider.answer = events([chatChunk('Hi'), 'data: {"error":{"message":"saw sk-main-secret"}}']);
    const unended = await gateway.post('/openai/v1/chat/completions', { ...CHAT, stream: true });
    await expect(unended.text()).rejects.toThrow();
    expect(JSON.stringify(gateway.logged)).not.toContain('sk-main');
  });
});

describe('gateway: labels', () => {
  test.each([
    ['tenant', 'other'],
    ['user', 'eve'],
    ['provider', 'spare'],
    ['model', 'large'],
    ['agent', 'a1'],
    ['__proto__', 'x'],
  ])('a forged label %s → 403, and nothing goes out', async (name, value) => {
    const { response, calls } = await forwarded(() => chat({ [`bursar-label-${name}`]: value }));
    expect(response.status).toBe(403);
    expect(calls).toEqual([]);
  });

  test('a label that the key allows → counts, decoded; the key’s own may be repeated', async () => {
    const { response } = await forwarded(() =>
      chat({ 'bursar-label-goal': encodeURIComponent('größer'), 'bursar-label-user': 'ada' }),
    );
    expect(response.status).toBe(200);
    const [balance] = gateway.ledger.balances({ budgetId: 'goal', values: { goal: 'größer' } });
    expect(balance.spent).toBe(1n);
  });

  test.each([
    ['a line break', '%0d%0abursar-label-tenant:%20other'],
    ['a control character', '%00'],
    ['broken percent-encoding', '%zz'],
    ['bytes that are not UTF-8', '%ff'],
    ['two values', 'a, b'],
    ['nothing', ''],
  ])('a label value with %s → 400, and nothing goes out', async (_what, value) => {
    const { response, calls } = await forwarded(() => chat({ 'bursar-label-goal': value }));
    expect(response.status).toBe(400);
    expect(calls).toEqual([]);
  });

  test('a raw line break in a header → is not HTTP, and is refused before the gateway', async () => {
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    const body = JSON.stringify(CHAT);
    socket.write(
      `POST /openai/v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${gateway.key}\r\nbursar-label-goal: a\rbursar-label-tenant: other\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 400 /);
    socket.destroy();
  });
});

describe('gateway: routes', () => {
  test.each([
    ['POST', '/openai/v1/fine_tuning/jobs'],
    ['POST', '/openai/v1/conversations'],
    ['POST', '/openai/v1/batches'],
    ['POST', '/openai/v1/files'],
    ['GET', '/openai/v1/chat/completions/chatcmpl-1'],
    ['GET', '/openai/v1/chat/completions'],
    ['DELETE', '/openai/v1/models/small'],
    ['POST', '/openai/v1/chat/completions/'],
    ['POST', '/openai/v1/../v1/chat/completions'],
    ['POST', '/openai//v1/chat/completions'],
    ['POST', '/openai/v1%2fchat%2fcompletions'],
    ['POST', '/anthropic/v1/messages/batches'],
    ['POST', '/anthropic/v1/chat/completions'],
    ['POST', '/anthropic/v1/complete'],
  ])('problem 16, 21: %s %s → 404, not passed through', async (method, path) => {
    const before = gateway.provider.calls.length;
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    const body = method === 'GET' ? '' : '{}';
    // By hand: fetch would tidy the path up.
    socket.write(
      `${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer ${gateway.key}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(answer).toContain('route_not_metered');
    expect(gateway.provider.calls.length).toBe(before);
  });

  test('models → those of the routing table, for callers with a key', async () => {
    const get = (path: string, key = gateway.key) =>
      fetch(gateway.url + path, { headers: { authorization: `Bearer ${key}` } });
    const openai = await (await get('/openai/v1/models')).json();
    expect(openai).toMatchObject({
      object: 'list',
      data: [{ id: 'small', object: 'model' }, { id: 'both' }, { id: 'unpriced' }],
    });
    const anthropic = await (await get('/anthropic/v1/models')).json();
    expect(anthropic).toMatchObject({
      data: [{ id: 'claude', type: 'model' }],
      has_more: false,
      first_id: 'claude',
    });
    const one = await get('/openai/v1/models/small');
    expect([one.status, one.headers.get('bursar-cost')]).toEqual([200, '0']);
    expect((await get('/openai/v1/models/claude')).status).toBe(404);
    expect((await get('/openai/v1/models', 'none')).status).toBe(401);
    const unknown = await forwarded(() => chat({}, { ...CHAT, model: 'gpt-unknown' }));
    expect(unknown.response.status).toBe(404);
    expect(unknown.calls).toEqual([]);
  });
});

describe('gateway: bodies', () => {
  test.each<[string, unknown, number, string]>([
    ['nothing', '', 400, 'invalid_request'],
    ['no JSON', '{"model":', 400, 'invalid_request'],
    ['a list', '[]', 400, 'invalid_request'],
    ['a key twice', '{"model":"small","model":"large","messages":[]}', 400, 'invalid_request'],
    ['too many bytes', { ...CHAT, user: 'x'.repeat(70_000) }, 413, 'too_large'],
  ])('%s → refused, nothing goes out', async (_what, body, status, code) => {
    const { response, calls } = await forwarded(async () => {
      const refused = await chat({}, body);
      expect(await refused.clone().json()).toMatchObject({ error: { code } });
      return refused;
    });
    expect(response.status).toBe(status);
    expect(calls).toEqual([]);
  });

  test('a large body without a key → is refused before it has come', async () => {
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    socket.write(
      'POST /openai/v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n{"model":',
    );
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
  });

  test('an error of the provider without end → is given up, and not passed', async () => {
    gateway.provider.answer = json(`{"error":{"message":"${'x'.repeat(2_000_000)}"}}`, 400);
    const response = await gateway.post('/openai/v1/chat/completions', CHAT);
    expect(response.status).toBe(502);
    expect((await response.text()).length).toBeLessThan(1_000);
  });

  test('more open calls than the server takes → 503 before anything is held', async () => {
    const small = await startGateway({ budgets: BUDGETS, more: 'gateway: { openCallsMax: 1 }' });
    small.provider.answer = () => undefined;
    const open = small.post('/openai/v1/chat/completions', CHAT);
    while (small.provider.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    const refused = await small.post('/openai/v1/chat/completions', CHAT);
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ error: { code: 'overloaded' } });
    await small.server.endAll();
    await open;
    expect((await small.events('hold_authorized')).length).toBe(1);
    await small.close();
  });

  test('a compressed body → refused', async () => {
    expect((await chat({ 'content-encoding': 'gzip' })).status).toBe(400);
  });

  test('a body that is not called JSON → is read as what it is', async () => {
    expect((await chat({ 'content-type': 'text/plain' })).status).toBe(200);
  });
});
