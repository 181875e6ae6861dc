// What callers are told whose base URL, key or protocol is not the gateway's: the right URL by name, both headers that hold
// keys, and no WebSocket. And Azure's own client, whose paths name the model.

import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AzureOpenAI } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startInProcess } from '../../setup/server-in-process.js';
import { chatAnswer, type Gateway, json, startGateway } from '../gateway-fixture.js';

const BUDGETS = `
  - { id: day, match: { tenant: acme }, unit: usd, limit: "10", window: day }
`;
const CHAT = { model: 'small', messages: [{ role: 'user', content: 'hi' }] };
const USED = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };

let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ budgets: BUDGETS });
  gateway.provider.answer = json(chatAnswer(USED));
});
afterAll(() => gateway.close());

async function told(method: string, path: string, headers: Record<string, string> = {}) {
  const response = await fetch(gateway.url + path, {
    method,
    headers: { authorization: `Bearer ${gateway.key}`, ...headers },
    ...(method === 'POST' ? { body: JSON.stringify(CHAT) } : {}),
  });
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  return { status: response.status, ...error };
}

describe('gateway: a path that is not one of its routes', () => {
  test.each([
    ['/openai/chat/completions', 'POST /openai/v1/chat/completions'],
    ['/openai/v1/v1/chat/completions', 'POST /openai/v1/chat/completions'],
    ['/openai/v1/chat/completions/', 'POST /openai/v1/chat/completions'],
    ['/openai//v1//chat/completions', 'POST /openai/v1/chat/completions'],
    ['/openai/openai/v1/chat/completions', 'POST /openai/v1/chat/completions'],
    ['/openai/api/v1/chat/completions?x=1', 'POST /openai/v1/chat/completions'],
    ['/openai/v1beta/openai/chat/completions', 'POST /openai/v1/chat/completions'],
    ['/openai/V1/Chat/Completions', 'POST /openai/v1/chat/completions'],
    ['/openai/responses', 'POST /openai/v1/responses'],
    ['/openai/deployments/small/chat/completions', 'api-version'],
    ['/anthropic/messages', 'POST /anthropic/v1/messages'],
    ['/anthropic/v1/v1/messages', 'POST /anthropic/v1/messages'],
    ['/anthropic/v1/messages/', 'POST /anthropic/v1/messages'],
    ['/openai/v1/messages', 'POST /anthropic/v1/messages'],
    ['/openai/v1/messages/count_tokens', 'POST /anthropic/v1/messages/count_tokens'],
    ['/anthropic/v1/chat/completions', 'POST /openai/v1/chat/completions'],
    ['/anthropic/v1/responses', 'POST /openai/v1/responses'],
  ])('paths: POST %s → 404 that names %s', async (path, right) => {
    const { status, code, message } = await told('POST', path);
    expect([status, code]).toEqual([404, 'route_not_metered']);
    expect(message).toContain(right.includes(' ') ? `Use ${right};` : right);
    expect(gateway.provider.calls).toHaveLength(0);
  });

  test('paths: the message says what a base URL ends in, in each dialect', async () => {
    expect((await told('POST', '/openai/chat/completions')).message).toBe(
      "There is no /openai/chat/completions here. Use POST /openai/v1/chat/completions; an OpenAI client's base URL ends in /openai/v1.",
    );
    expect((await told('POST', '/anthropic/messages')).message).toContain(
      "an Anthropic client's base URL ends in /anthropic.",
    );
  });

  test('paths: another method on a route → the method that it takes', async () => {
    expect((await told('GET', '/openai/v1/chat/completions')).message).toBe(
      'GET is not taken by /openai/v1/chat/completions: send POST.',
    );
  });

  test('paths: what is not metered at all → said so, and a long path is not repeated whole', async () => {
    expect((await told('POST', '/openai/v1/files')).message).toContain('/openai/v1/files is none of them');
    const { message } = await told('POST', `/openai/${'x'.repeat(2_000)}`);
    expect(message.length).toBeLessThan(500);
  });

  test('paths: a model by its name, in a list of another base URL → the URL with that name', async () => {
    expect((await told('GET', '/openai/models/org/Name')).message).toContain(
      'GET /openai/v1/models/org/Name',
    );
  });

  test('paths: the body of a request to no route is not read', async () => {
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    socket.write('POST /openai/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n\r\n{');
    const answer = await read(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
  });

  test('paths: base URLs, and the path that Claude Code opens its connection with, answer GET and HEAD', async () => {
    for (const path of ['/openai', '/openai/v1', '/anthropic', '/anthropic/', '/anthropic/api/hello'])
      for (const method of ['GET', 'HEAD'])
        expect([path, (await fetch(gateway.url + path, { method })).status]).toEqual([path, 200]);
  });
});

describe('gateway: paths at the root of a server', () => {
  test('paths: without a prefix → the dialect of the endpoint or of the headers, in its own words', async () => {
    const dataPath = mkdtempSync(join(tmpdir(), 'bursar-paths-'));
    const server = await startInProcess({ dataPath });
    const ask = async (method: string, path: string, headers: Record<string, string> = {}) => {
      const response = await fetch(server.url + path, { method, headers });
      return { status: response.status, body: (await response.json()) as Record<string, never> };
    };
    try {
      const chat = await ask('POST', '/v1/chat/completions');
      expect(chat).toMatchObject({ status: 404, body: { error: { code: 'route_not_metered' } } });
      expect(JSON.stringify(chat.body)).toContain('Use POST /openai/v1/chat/completions;');
      const messages = await ask('POST', '//v1/messages');
      expect(messages.body).toMatchObject({ type: 'error', error: { type: 'not_found_error' } });
      expect(JSON.stringify(messages.body)).toContain('Use POST /anthropic/v1/messages;');
      expect(JSON.stringify((await ask('GET', '/models')).body)).toContain(
        'Use GET /openai/v1/models or GET /anthropic/v1/models;',
      );
      const claude = await ask('GET', '/v1/models', { 'anthropic-version': '2023-06-01' });
      expect(claude.body).toMatchObject({ type: 'error' });
      expect(await ask('GET', '/v1/nothing')).toMatchObject({ status: 404, body: { code: 'not_found' } });
      for (const path of ['/v1/realtime', '/openai/v1/responses', '/'])
        expect(await handshake(server.url, path)).toMatch(/^HTTP\/1\.1 426 /);
    } finally {
      await server.stop();
      rmSync(dataPath, { recursive: true });
    }
  });
});

/** All that comes until the other side ends it. */
function read(socket: ReturnType<typeof connect>): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.on('data', (piece) => {
      text += piece.toString();
    });
    socket.on('end', () => resolve(text));
    socket.on('error', reject);
  });
}

function handshake(url: string, path: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOpenAI-Beta: responses_websockets=2026-02-06\r\n\r\n`,
  );
  return read(socket);
}

describe('gateway: WebSockets', () => {
  test.each([
    '/openai/v1/responses',
    '/openai/v1/realtime?model=x',
    '/anthropic/v1/messages',
    '/openai/v1/v1/responses',
  ])('websocket: a handshake on %s → 426 at once, and the connection ends', async (path) => {
    const answer = await handshake(gateway.url, path);
    expect(answer).toMatch(/^HTTP\/1\.1 426 Upgrade Required\r\n/);
    expect(answer).toMatch(/\r\nupgrade: HTTP\/1\.1\r\n/i);
    expect(answer).toContain('websocket_not_taken');
  });

  test('websocket: the client of Node → refused, and the same request over HTTP goes on', async () => {
    const Socket = (globalThis as { WebSocket?: new (url: string) => EventTarget }).WebSocket;
    if (Socket !== undefined) {
      const socket = new Socket(`${gateway.url.replace('http', 'ws')}/openai/v1/responses`);
      await new Promise((resolve) => socket.addEventListener('error', resolve));
    }
    expect((await gateway.post('/openai/v1/chat/completions', CHAT)).status).toBe(200);
  });

  test('websocket: another upgrade that a client offers is left alone', async () => {
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    const body = JSON.stringify(CHAT);
    socket.write(
      `POST /openai/v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${gateway.key}\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    expect(await read(socket)).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe('gateway: keys', () => {
  const asked = async (headers: Record<string, string>) => {
    const response = await fetch(`${gateway.url}/openai/v1/models`, { headers });
    const body = (await response.json()) as { error?: { message: string } };
    return [response.status, body.error?.message];
  };

  test('keys: in Authorization, x-api-key or api-key, or the same in all of them → taken', async () => {
    const { key } = gateway;
    for (const headers of [
      { authorization: `Bearer ${key}` },
      { 'x-api-key': key },
      { 'api-key': key },
      { authorization: `bearer ${key}`, 'x-api-key': key, 'api-key': key },
    ] as Record<string, string>[])
      expect((await asked(headers))[0]).toBe(200);
  });

  test.each([
    ['authorization', 'x-api-key'],
    ['authorization', 'api-key'],
    ['x-api-key', 'api-key'],
  ])('keys: two different ones in %s and %s → both headers are named', async (one, other) => {
    const { key } = gateway;
    const value = (header: string, text: string) => (header === 'authorization' ? `Bearer ${text}` : text);
    expect(await asked({ [one]: value(one, 'sk-other'), [other]: value(other, key) })).toEqual([
      401,
      `The headers ${one} and ${other} hold two different keys; send one of them, or the same key in both.`,
    ]);
  });

  test("keys: none, a provider's own, and an unknown one → each is told apart, and no key is repeated", async () => {
    expect(await asked({})).toEqual([401, expect.stringContaining('There is no key')]);
    expect(await asked({ authorization: 'Basic YTpi' })).toEqual([
      401,
      expect.stringContaining('There is no key'),
    ]);
    expect(await asked({ authorization: 'Bearer sk-proj-1' })).toEqual([
      401,
      "This is not a key of Bursar, which begins with bur_; a provider's own key is not taken here.",
    ]);
    const unknown = `${gateway.key.slice(0, -1)}${gateway.key.endsWith('A') ? 'B' : 'A'}`;
    expect(await asked({ 'api-key': unknown })).toEqual([401, 'This key is unknown, revoked or expired.']);
  });
});

describe("gateway: Azure's client", () => {
  const client = (more: object = {}) =>
    new AzureOpenAI({
      endpoint: gateway.url,
      apiKey: gateway.key,
      apiVersion: '2024-10-21',
      maxRetries: 0,
      ...more,
    });

  test('azure: a chat completion by deployment → the model of the path is priced, and api-key is taken', async () => {
    const before = gateway.provider.calls.length;
    const messages = [{ role: 'user', content: 'hi' }] as const;
    const answer = await client().chat.completions.create({ model: 'small', messages: [...messages] });
    expect(answer.choices[0].message.content).toBe('Hello there.');
    for (const model of ['', 'other', undefined as never])
      await client({ deployment: 'small' }).chat.completions.create({ model, messages: [...messages] });
    const calls = gateway.provider.calls.slice(before);
    expect(calls.map(({ path, body }) => [path, body.model])).toEqual(
      Array.from({ length: 4 }, () => ['/v1/chat/completions', 'small']),
    );
    expect(gateway.ledger.holds().at(-1)?.charged?.usd).toBe(6_000n);
  });

  test('azure: the Responses API, whose path has no version → taken with api-version alone', async () => {
    gateway.provider.answer = json({
      id: 'resp_1',
      object: 'response',
      status: 'completed',
      output: [{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Hi' }] }],
      usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 },
    });
    const answer = await client().responses.create({ model: 'small', input: 'hi' });
    expect(answer.status).toBe('completed');
    expect(gateway.provider.calls.at(-1)?.path).toBe('/v1/responses');
  });

  test('azure: a body that names another model → goes out byte for byte, but for the name', async () => {
    gateway.provider.answer = json(chatAnswer(USED));
    const text = (model: string) =>
      `{"model": ${model}, "seed":1.50e1, "messages":[{"role":"user","content":"\\u0068i"}]}`;
    const path = '/openai/deployments/small/chat/completions?api-version=1';
    expect((await gateway.post(path, text('"other"'))).status).toBe(200);
    expect(gateway.provider.calls.at(-1)?.text).toBe(text('"small"'));
  });

  test('azure: a form → the model of the path, whatever the form names', async () => {
    for (const named of ['other', null]) {
      const form = new FormData();
      if (named !== null) form.append('model', named);
      form.append('file', new Blob(['x']), 'a.mp3');
      const path = '/openai/deployments/none/audio/transcriptions?api-version=1';
      const headers = { authorization: `Bearer ${gateway.key}` };
      const response = await fetch(gateway.url + path, { method: 'POST', headers, body: form });
      expect(await response.json()).toMatchObject({
        error: { code: 'model_not_found', message: expect.stringContaining('"none"') },
      });
    }
  });

  test('azure: a body that is no object → refused as everywhere', async () => {
    const response = await gateway.post('/openai/deployments/small/chat/completions?api-version=1', '[1]');
    expect(response.status).toBe(400);
  });
});
