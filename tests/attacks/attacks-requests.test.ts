// Requests that no client library makes: paths, methods, headers and bodies meant to get past the meter, to another route,
// into a header or a log, or to make the server work for nothing. None reaches the provider, none costs, none is a 500.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startWorld, type World } from '../clients/setup.js';
import { json } from '../gateway/gateway-fixture.js';
import type { Tenant } from '../setup/server-process.js';
import { request, sendRaw } from './raw-http.js';

const CHAT = '/openai/v1/chat/completions';
const HELLO = { model: 'raw-small', messages: [{ role: 'user', content: 'hi' }] };
const BODY = JSON.stringify(HELLO);

let world: World;
let tenant: Tenant;
let auth: string;
beforeAll(async () => {
  world = await startWorld();
  world.raw.answer = json({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 5 } });
  tenant = await world.server.tenant({ usd: '1' }, { callerLabels: ['goal'] });
  auth = `Authorization: Bearer ${tenant.key}`;
});
afterAll(async () => {
  // Nothing of all this made the server fail, and it still serves.
  expect(world.server.output).not.toMatch(/"level":(?:50|60)/);
  await world.end();
});

function send(bytes: Buffer | string): ReturnType<typeof sendRaw> {
  return sendRaw(world.server.url, bytes);
}

/** Asserts that nothing reached the provider and nothing was held meanwhile. */
async function withoutEffect<T>(attack: () => Promise<T>): Promise<T> {
  const calls = world.raw.calls.length;
  const before = (await tenant.ended()).length;
  const result = await attack();
  expect(world.raw.calls).toHaveLength(calls);
  expect(await tenant.ended()).toHaveLength(before);
  return result;
}

describe('attacks: where a request goes', () => {
  test.each([
    '/openai/v1/../../v1/keys',
    '/openai/v1/%2e%2e/%2e%2e/v1/keys',
    '//v1/keys',
    '/openai//v1/chat/completions',
    '/openai/v1/chat%2fcompletions',
    '/OPENAI/v1/chat/completions',
    '/openai/v1/chat/completions/',
    '/openai/v1/chat/completions;x=1',
    '/openai/v1/chat/completions%00',
    '/openai/v1/chat/completions/../../../anthropic/v1/messages',
    '/openai/v1/responses/resp_1',
    '/openai/v1/responses/resp_1/cancel',
    '/openai/v1/files',
    '/openai/v1/fine_tuning/jobs',
    '/openai/v1/audio/speech',
    '/openai/v1/batches',
    '/openai/v1/files',
    '/anthropic/v1/messages/batches',
    '/anthropic/v1/complete',
    '/openai/v1/%zz',
    '*',
  ])('attacks: %s → no route', async (target) => {
    for (const method of ['POST', 'GET'])
      await withoutEffect(async () => {
        const { status, text } = await send(request(method, target, { headers: [auth], body: BODY }));
        expect([400, 404]).toContain(status);
        expect(text).not.toMatch(/bur_/);
      });
  });

  test.each([
    ['POST', '/openai/v1/%zz', 400, 'invalid_request'],
    ['GET', '/openai/v1/models/%ff', 400, 'invalid_request'],
    ['PROPFIND', '/openai/v1/chat/completions', 404, 'route_not_metered'],
    ['POST', '/openai', 404, 'route_not_metered'],
    ['POST', '/anthropic/v1/%zz', 400, 'invalid_request'],
    ['POST', '/anthropic?beta=true', 404, 'route_not_metered'],
  ])('attacks: %s %s → refused in the words of its dialect', async (method, path, status, code) => {
    const answer = await fetch(world.server.url + path, { method });
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    const { error, type, request_id: id } = (await answer.json()) as Record<string, unknown>;
    expect(error).toMatchObject({ code, message: expect.any(String) });
    if (path.startsWith('/openai')) return;
    expect(type).toBe('error');
    expect(id).toBe(answer.headers.get('x-request-id'));
  });

  test('attacks: other methods on a metered route → refused, whatever overrides they state', async () => {
    const override = ['X-HTTP-Method-Override: POST', 'X-HTTP-Method: POST', 'X-Method-Override: POST'];
    for (const method of [
      'GET',
      'PUT',
      'DELETE',
      'PATCH',
      'OPTIONS',
      'TRACE',
      'QUERY',
      'PROPFIND',
      'FOO',
      'CONNECT',
    ])
      await withoutEffect(async () => {
        const { status } = await send(request(method, CHAT, { headers: [auth, ...override], body: BODY }));
        expect([400, 404, null], method).toContain(status);
      });
  });
});

describe('attacks: smuggled requests', () => {
  const chunked = `${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`;
  test.each([
    ['a length and chunks', 'Content-Length: 4\r\nTransfer-Encoding: chunked', chunked],
    ['two lengths', 'Content-Length: 4\r\nContent-Length: 6', 'abcdef'],
    ['a list of lengths', 'Content-Length: 4, 6', 'abcdef'],
    ['a signed length', 'Content-Length: +4', 'abcd'],
    ['a space in a header’s name', 'Content-Length : 4', 'abcd'],
    ['two encodings', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity', chunked],
    ['an unknown encoding', 'Transfer-Encoding: xchunked', chunked],
    ['a chunk length that is none', 'Transfer-Encoding: chunked', `zz\r\n${BODY}\r\n0\r\n\r\n`],
    ['a folded header', `X-A: b\r\n c: d\r\nContent-Length: ${BODY.length}`, BODY],
  ])('attacks: %s → refused, and the connection is closed', async (_, framing, body) => {
    const smuggled = `GET /v1/keys HTTP/1.1\r\nHost: bursar\r\nAuthorization: Bearer ${world.server.adminKey}\r\n\r\n`;
    const head = `POST ${CHAT} HTTP/1.1\r\nHost: bursar\r\n${auth}\r\nContent-Type: application/json\r\n${framing}\r\n\r\n`;
    await withoutEffect(async () => {
      const { status, text, answers } = await send(`${head}${body}${smuggled}`);
      expect(status).toBe(400);
      expect(answers).toBe(1);
      expect(text).not.toContain('createdAt');
    });
  });
});

test('attacks: requests sent behind each other on one connection → answered in order, each metered', async () => {
  const { length } = await tenant.ended();
  const one = request('POST', CHAT, { headers: [auth], body: BODY }).toString();
  const { text, answers } = await send(one.replace('Connection: close\r\n', '').repeat(3));
  expect(answers).toBe(3);
  const decisions = [...text.matchAll(/bursar-decision-id: dec-(\d+)/g)].map((match) => Number(match[1]));
  expect(decisions).toEqual([...decisions].sort((a, b) => a - b));
  expect(await tenant.ended()).toHaveLength(length + 3);
});

describe('attacks: headers', () => {
  test.each([
    ['line breaks, percent-encoded', 'Bursar-Label-goal: a%0d%0aX-Evil:%201', 400],
    ['a bare carriage return', 'Bursar-Label-goal: a\rX-Evil: 1', 400],
    ['a bare line feed', 'Bursar-Label-goal: a\nX-Evil: 1', 400],
    ['a NUL', 'Bursar-Label-goal: a\0b', 400],
    ['a NUL, percent-encoded', 'Bursar-Label-goal: %00', 400],
    ['no UTF-8', 'Bursar-Label-goal: %ff%fe', 400],
    ['raw bytes', 'Bursar-Label-goal: \u00e4', 400],
    ['two values', 'Bursar-Label-goal: x\r\nBursar-Label-goal: y', 400],
    ['two values in one', 'Bursar-Label-goal: x,y', 400],
    ['a value too long', `Bursar-Label-goal: ${'a'.repeat(5_000)}`, 400],
    ['nothing', 'Bursar-Label-goal:', 400],
    ['the prototype', 'Bursar-Label-__proto__: x', 403],
    ['no name', 'Bursar-Label-: x', 403],
    ['a name that the key does not allow', 'Bursar-Label-user: root', 403],
    ['another tenant', 'Bursar-Label-tenant: other', 403],
    ['a provider', 'Bursar-Label-provider: mock', 403],
    ['a model', 'Bursar-Label-model: free', 403],
    ['headers of 20 KiB', `X-A: ${'a'.repeat(20_000)}`, 431],
    ['a compressed body', 'Content-Encoding: gzip', 400],
  ])('attacks: a label or header with %s → refused', async (_, header, expected) => {
    await withoutEffect(async () => {
      const bytes = request('POST', CHAT, { headers: [auth, header], body: BODY });
      const { status, text } = await send(bytes);
      expect(status).toBe(expected);
      expect(text).not.toMatch(/^x-evil/im);
    });
  });

  test('attacks: a request id with line breaks or of any length → not repeated', async () => {
    for (const id of ['a%0d%0aX-Evil: 1', 'a'.repeat(500), '<script>']) {
      const { text } = await send(
        request('GET', '/openai/v1/models', { headers: [auth, `X-Request-Id: ${id}`] }),
      );
      expect(text).toMatch(/^x-request-id: req-/m);
      expect(text).not.toContain(id);
    }
  });

  test('attacks: a label with anything that headers cannot hold → kept in the ledger as it was meant', async () => {
    const goal = 'fix „login" · 修复 😀 %0d';
    const header = `Bursar-Label-goal: ${encodeURIComponent(goal)}`;
    expect((await send(request('POST', CHAT, { headers: [auth, header], body: BODY }))).status).toBe(200);
    expect((await tenant.ended()).at(-1)?.labels).toMatchObject({
      goal,
      tenant: tenant.name,
      provider: 'raw',
    });
  });
});

describe('attacks: bodies', () => {
  const many = Array.from({ length: 100_000 }, (_, index) => `"k${index}":1`).join(',');
  const bad: readonly (readonly [string, string | Buffer])[] = [
    ['nothing', ''],
    ['null', 'null'],
    ['a list', '[]'],
    ['half of it', BODY.slice(0, -1)],
    ['two objects', `${BODY}${BODY}`],
    ['a byte-order mark', `\ufeff${BODY}`],
    ['UTF-16', Buffer.from(BODY, 'utf16le')],
    [
      'no UTF-8',
      Buffer.concat([Buffer.from(BODY.slice(0, -4)), Buffer.from([0xc0, 0x80]), Buffer.from('"}]}')]),
    ],
    ['a NUL in the model', BODY.replace('raw-small', 'raw-small\\u0000')],
    ['line breaks in the model', BODY.replace('raw-small', 'raw\\r\\nX-Evil: 1')],
    ['a model of 100,000 characters', BODY.replace('small', 'a'.repeat(100_000))],
    ['a model that is an object', BODY.replace('"raw-small"', '{"toString":"raw-small"}')],
    ['lists 100,000 deep', `{"model":"raw-small","messages":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    ['objects 50,000 deep', `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`],
    ['100,000 fields', `${BODY.slice(0, -1)},${many}}`],
    ['a limit stated twice', `${BODY.slice(0, -1)},"max_tokens":1,"max_tokens":8000}`],
    ['a model stated twice', `${BODY.slice(0, -1)},"\\u006dodel":"mock-unpriced"}`],
    ['the prototype', `{"__proto__":{"model":"raw-small"},"messages":[]}`],
    ['a limit of 1e999', `${BODY.slice(0, -1)},"max_tokens":1e999}`],
    ['a negative limit', `${BODY.slice(0, -1)},"max_tokens":-1}`],
    ['a limit that is text', `${BODY.slice(0, -1)},"max_tokens":"1"}`],
    ['two limits', `${BODY.slice(0, -1)},"max_tokens":0,"max_completion_tokens":8000}`],
    ['100,000 choices', `${BODY.slice(0, -1)},"n":100000}`],
    ['a stream that is text', `${BODY.slice(0, -1)},"stream":"true"}`],
    ['work in the background', `${BODY.slice(0, -1)},"background":true}`],
    ['a service tier with another price', `${BODY.slice(0, -1)},"service_tier":"priority"}`],
  ];
  test.each(bad)('attacks: a body with %s → 400, at once', async (_, body) => {
    const begun = Date.now();
    await withoutEffect(async () => {
      const { status } = await send(request('POST', CHAT, { headers: [auth], body }));
      expect(status).toBe(400);
    });
    expect(Date.now() - begun).toBeLessThan(3_000);
  });

  test('attacks: a body above the limit → 413 without being read', async () => {
    await withoutEffect(async () => {
      const head = `POST ${CHAT} HTTP/1.1\r\nHost: bursar\r\n${auth}\r\nContent-Length: 999999999999\r\n\r\n{`;
      expect((await send(head)).status).toBe(413);
      const native = `POST /v1/holds HTTP/1.1\r\nHost: bursar\r\n${auth}\r\nContent-Type: application/json\r\nContent-Length: 9999999\r\n\r\n{`;
      expect((await send(native)).status).toBe(413);
    });
  });

  test('attacks: a large body without a key → 401 without being read', async () => {
    for (const key of ['X-A: b', 'Authorization: Bearer bur_wrong'])
      await withoutEffect(async () => {
        const head = `POST ${CHAT} HTTP/1.1\r\nHost: bursar\r\n${key}\r\nContent-Length: 30000000\r\n\r\n{`;
        expect((await send(head)).status).toBe(401);
      });
  });

  test('attacks: hostile bodies on the native API → 400 naming the field', async () => {
    const holds: readonly (readonly [string | Buffer, RegExp])[] = [
      ['{"amounts":{"usd":"-1"}}', /usd/],
      ['{"amounts":{"usd":"1e3"}}', /usd/],
      ['{"amounts":{"usd":0.123456789}}', /usd/],
      ['{"amounts":{"usd":"NaN"}}', /usd/],
      ['{"amounts":{"usd":"99999999999999999999999"}}', /usd/],
      ['{"amounts":{"__proto__":"1"}}', /./],
      ['{"amounts":{"usd":"1"},"labels":{"goal":"a\\u0000b"}}', /goal/],
      ['{"amounts":{"usd":"1"},"labels":{"constructor":"x"}}', /constructor/],
      ['{"amounts":{"usd":"1"},"labels":{"tenant":"other"}}', /tenant/],
      ['{"amounts":{"usd":"1"},"holdId":"../x\\n"}', /holdId/],
      ['{"amounts":{"usd":"1"},"holdID":"x"}', /holdID/],
      [`{"amounts":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, /./],
      [Buffer.from([0x7b, 0xff, 0x7d]), /./],
    ];
    for (const [body, named] of holds)
      await withoutEffect(async () => {
        const headers = [auth, 'Content-Type: application/json', 'Idempotency-Key: k'];
        const { status, text } = await send(request('POST', '/v1/holds', { headers, body }));
        expect([400, 403], String(body).slice(0, 80)).toContain(status);
        expect(text.slice(text.indexOf('{'))).toMatch(named);
      });
  });
});
