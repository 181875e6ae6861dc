// Calls of the gateway recorded as turns: each dialect, whole and streamed, bound to the call's own hold.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { BursarClient } from '#bursar/client/index.js';
import { type InProcess, startInProcess } from '../setup/server-in-process.js';

const servers: InProcess[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A server with the built-in provider, and a key of a user of the tenant demo. */
async function demo(labels: Record<string, string> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'bursar-recorded-'));
  folders.push(folder);
  const server = await startInProcess({ dataPath: folder });
  servers.push(server);
  const admin = new BursarClient({ baseUrl: server.url, apiKey: server.adminKey });
  const issued = await admin.keys.create({
    name: 'ann',
    scopes: ['spend', 'read'],
    labels: { tenant: 'demo', user: 'ann', ...labels },
  });
  const ann = new BursarClient({ baseUrl: server.url, apiKey: issued.key, maxRetries: 0 });
  const post = (path: string, body: object, headers: Record<string, string> = {}, signal?: AbortSignal) =>
    fetch(`${server.url}${path}`, {
      method: 'POST',
      headers: { 'x-api-key': issued.key, 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    });
  return { admin, ann, post };
}

const SYSTEM = 'be brief';
const USER = 'how many moons has Mars?';
const messages = [{ role: 'user', content: USER }];
const CALLS: readonly [string, string, object][] = [
  [
    'chat completions',
    '/openai/v1/chat/completions',
    { model: 'MODEL', messages: [{ role: 'system', content: SYSTEM }, ...messages] },
  ],
  [
    'responses',
    '/openai/v1/responses',
    {
      model: 'MODEL',
      instructions: SYSTEM,
      input: [{ role: 'user', content: [{ type: 'input_text', text: USER }] }],
    },
  ],
  ['messages', '/anthropic/v1/messages', { model: 'MODEL', max_tokens: 50, system: SYSTEM, messages }],
];

const withModel = (body: object) => JSON.parse(JSON.stringify(body).replace('MODEL', 'demo-small')) as object;

test.each(CALLS)(
  'recorded call: %s, whole and streamed, is a turn with its texts and its cost',
  async (_name, path, body) => {
    const { ann, post, admin } = await demo();
    const first = await post(path, withModel(body), { 'bursar-chat': 'new' });
    expect(first.status).toBe(200);
    const chatId = first.headers.get('bursar-chat') as string;
    await first.text();
    const second = await post(path, { ...withModel(body), stream: true }, { 'bursar-chat': chatId });
    expect(second.status).toBe(200);
    await second.text();
    const turns = ann.chats.turns(chatId);
    await ended(() => turns.list());
    const { items } = await turns.list();
    expect(items.map(({ state, end, meteredBy }) => [state, end, meteredBy])).toEqual([
      ['completed', 'completed', 'gateway'],
      ['completed', 'completed', 'gateway'],
    ]);
    expect(items.map(({ id }) => id)).toEqual([
      first.headers.get('bursar-turn'),
      second.headers.get('bursar-turn'),
    ]);
    const { items: said } = await ann.chats.messages(chatId).list();
    expect(said.map(({ role }) => role)).toEqual([
      'system',
      'user',
      'assistant',
      'system',
      'user',
      'assistant',
    ]);
    expect(said.slice(0, 2).map(({ text }) => text)).toEqual([SYSTEM, USER]);
    expect(said[2].text).toContain(USER);
    expect(said[5].text).toBe(said[2].text);
    expect(said[2].outputTokens).toBeGreaterThan(0);
    // One hold for each call, and its settlement has the turn's key.
    const keys: unknown[] = [];
    let holds = 0;
    for await (const { type, details } of admin.events.all()) {
      if (type === 'hold_authorized') holds += 1;
      if (type === 'hold_settled') keys.push(JSON.parse((details as { note: string }).note).turn.turn);
    }
    expect(holds).toBe(2);
    expect(keys).toEqual(items.map(({ id }) => id));
    expect(items[0].charged?.tokens).toBe(items[1].charged?.tokens);
  },
);

test('recorded call: a caller who leaves cancels the turn, with what came; a second call meanwhile is refused', async () => {
  const { ann, post } = await demo();
  const path = '/openai/v1/chat/completions';
  const body = withModel({
    model: 'MODEL',
    messages: [{ role: 'user', content: 'x'.repeat(1_500) }],
    stream: true,
  });
  const leaving = new AbortController();
  const streamed = await post(path, body, { 'bursar-chat': 'new' }, leaving.signal);
  const chatId = streamed.headers.get('bursar-chat') as string;
  await untilText(streamed);
  const refused = await post(path, body, { 'bursar-chat': chatId });
  expect([refused.status, refused.headers.get('x-should-retry')]).toEqual([400, 'false']);
  expect(await refused.text()).toContain('is running');
  leaving.abort();
  const turns = ann.chats.turns(chatId);
  await ended(() => turns.list());
  const { items } = await turns.list();
  expect(items.map(({ state }) => state)).toEqual(['cancelled']);
  expect((await ann.chats.messages(chatId).list()).items).toHaveLength(2);
  // Its end is the gateway's.
  await expect(turns.complete(items[0].id, { text: 'mine' })).rejects.toThrow('call of the gateway');
});

test('recorded call: a key can ask for it; another’s chat, a call without a user and a refused call record nothing', async () => {
  const { ann, post, admin } = await demo({ record: 'chats' });
  const path = '/openai/v1/chat/completions';
  const body = withModel({ model: 'MODEL', messages });
  await (await post(path, body)).text();
  await (await post(path, body)).text();
  expect((await ann.chats.list()).items).toHaveLength(2);
  const other = await admin.chats.create({ tenant: 'demo', user: 'ben' });
  expect((await post(path, body, { 'bursar-chat': other.id })).status).toBe(404);
  expect((await post(path, body, { 'bursar-chat': 'a b' })).status).toBe(400);
  const dear = { ...body, max_tokens: 100_000_000 };
  expect((await post(path, dear)).status).toBeGreaterThanOrEqual(400);
  expect((await ann.chats.list()).items).toHaveLength(2);
  expect((await admin.chats.turns(other.id).list()).items).toEqual([]);
});

/** Reads a stream until it has said something: its first event only names the role. */
async function untilText(streamed: Response): Promise<void> {
  const reader = (streamed.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  for (let said = ''; !/"content":"[^"]/.test(said); ) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`the stream ended with ${said}`);
    said += decoder.decode(value, { stream: true });
  }
}

/** A stream's settlement follows its last byte. */
async function ended(list: () => Promise<{ items: readonly { state: string }[] }>): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if ((await list()).items.every(({ state }) => state !== 'running')) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('a turn still runs');
}
