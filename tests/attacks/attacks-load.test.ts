// Callers and providers that mean to exhaust the server: slow headers and bodies, a reader that does not read, thousands of
// open streams, and errors that make a regular expression backtrack. Others are served meanwhile, memory stays bounded.

import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { rejection, startWorld, type World } from '../clients/setup.js';
import { chatChunk, DONE, json } from '../gateway/gateway-fixture.js';
import { ServerProcess, type Tenant, until } from '../setup/server-process.js';
import { open, request } from './raw-http.js';

const CHAT = '/openai/v1/chat/completions';
const ANSWER = { choices: [], usage: { prompt_tokens: 5, completion_tokens: 5 } };
const EVENT = `data: ${JSON.stringify(chatChunk('word '))}\n\n`;

let world: World;
beforeAll(async () => {
  // Patterns that take other engines exponential time.
  world = await startWorld("errors: { throttle: ['^500 (?:a+)+$', '(?:a|aa)+\\$'], flake: ['(?:.*a){8}b'] }");
});
afterAll(() => world.end());

function bodyOf(stream: boolean): string {
  return JSON.stringify({
    model: 'patient',
    stream,
    max_tokens: 50,
    messages: [{ role: 'user', content: 'hi' }],
  });
}
function callBytes(tenant: Tenant, stream = true): Buffer {
  return request('POST', CHAT, { headers: [`Authorization: Bearer ${tenant.key}`], body: bodyOf(stream) });
}

/** How long a plain call of another caller takes, in ms. */
async function callMs(tenant: Tenant): Promise<number> {
  const begun = performance.now();
  const response = await fetch(world.server.url + CHAT, {
    method: 'POST',
    headers: { authorization: `Bearer ${tenant.key}` },
    body: bodyOf(false),
  });
  await response.text();
  expect(response.status).toBe(200);
  return performance.now() - begun;
}

/** Resident memory of the server in MiB. */
function memoryMiB(): number {
  const status = readFileSync(`/proc/${world.server.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

test('attacks: 300 callers who never finish their request → others are served, nothing is held, slow headers are cut off', async () => {
  world.raw.answer = json(ANSWER);
  const slow = await world.server.tenant({ usd: '1' });
  const other = await world.server.tenant({ usd: '1' });
  const bytes = callBytes(slow);
  const headerEnd = bytes.indexOf('\r\n\r\n');
  const sockets: Socket[] = [];
  const inHeaders: Promise<unknown>[] = [];
  for (let number = 0; number < 300; number += 1) {
    const socket = open(world.server.url);
    const cut = number % 2 === 0 ? headerEnd - 10 : bytes.length - 10;
    socket.write(bytes.subarray(0, cut));
    sockets.push(socket);
    if (number % 2 === 0) inHeaders.push(new Promise((resolve) => socket.on('close', resolve)));
    socket.resume();
  }
  // A byte now and then does not keep a header alive.
  const drip = setInterval(() => {
    for (const socket of sockets.slice(0, 20)) socket.write('x');
  }, 1_000);
  try {
    await pause(200);
    for (let number = 0; number < 5; number += 1) expect(await callMs(other)).toBeLessThan(3_000);
    expect(await slow.ended()).toEqual([]);
    await Promise.all(inHeaders);
    expect(await slow.ended()).toEqual([]);
  } finally {
    clearInterval(drip);
    for (const socket of sockets) socket.destroy();
  }
}, 40_000);

test('attacks: a caller that does not read its stream → the provider is paused, memory stays, and leaving ends it', async () => {
  const offered = 64 * 1024 * 1024;
  const piece = Buffer.from(EVENT.repeat(256));
  let written = 0;
  let gone = false;
  world.raw.answer = async (call, response) => {
    if (!call.body.stream) return json(ANSWER)(call, response);
    response.on('close', () => {
      gone = true;
    });
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    while (written < offered && !gone) {
      written += piece.length;
      if (!response.write(piece))
        await Promise.race([new Promise((drained) => response.once('drain', drained)), pause(20_000)]);
    }
  };
  const tenant = await world.server.tenant({ usd: '100' });
  const before = memoryMiB();
  const socket = open(world.server.url);
  socket.write(callBytes(tenant));
  socket.pause();
  let last = -1;
  // Until the provider has written nothing more for a while.
  while (last !== written) {
    last = written;
    await pause(600);
  }
  expect(written).toBeGreaterThan(0);
  expect(written).toBeLessThan(offered / 2);
  expect(memoryMiB() - before).toBeLessThan(64);
  expect(await callMs(tenant)).toBeLessThan(3_000);
  socket.destroy();
  await until(() => gone);
  const [hold] = await tenant.ended();
  expect(hold).toMatchObject({ status: 'settled', ending: 'cancelled' });
});

test('attacks: 2,000 open streams → all served, others too, some 100 KiB each, and all settled', async () => {
  const streams = 2_000;
  const waiting: (() => void)[] = [];
  world.raw.answer = async (call, response) => {
    if (!call.body.stream) return json(ANSWER)(call, response);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(EVENT);
    await new Promise<void>((resolve) => waiting.push(resolve));
    response.end(`data: ${JSON.stringify({ ...chatChunk(''), ...ANSWER })}\n\n${DONE}`);
  };
  const tenant = await world.server.tenant({ usd: '100', calls: '10000' });
  const bytes = callBytes(tenant);
  const before = memoryMiB();
  let begun = 0;
  let whole = 0;
  const sockets: Socket[] = [];
  const openOne = () => {
    const socket = open(world.server.url);
    let text = '';
    socket.on('data', (data) => {
      if (text === '') begun += 1;
      text += data.toString('latin1');
    });
    socket.on('close', () => {
      if (text.includes(DONE)) whole += 1;
    });
    socket.write(bytes);
    sockets.push(socket);
  };
  try {
    // In waves: it is about streams that are open, and not about how many connections a system takes in one moment.
    while (sockets.length < streams) {
      for (let wave = 0; wave < 250; wave++) openOne();
      await until(() => begun === sockets.length && waiting.length === sockets.length, 60_000);
    }
    const memory = memoryMiB() - before;
    console.log(`attacks: ${streams} open streams take ${memory.toFixed(0)} MiB`);
    expect(memory).toBeLessThan((streams * 100) / 1024);
    expect(await tenant.figures('calls')).toMatchObject({ held: String(streams) });
    expect(await callMs(tenant)).toBeLessThan(2_000);
    for (const finish of waiting) finish();
    await until(() => whole === streams, 60_000);
    await tenant.ended();
    expect(await tenant.figures('calls')).toMatchObject({ held: '0', spent: String(streams + 1) });
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}, 150_000);

test('attacks: a provider whose event never ends → refused as too large, memory stays, the estimate is charged', async () => {
  let gone = false;
  world.raw.answer = async (_call, response) => {
    response.on('close', () => {
      gone = true;
    });
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: ');
    for (let pieces = 0; pieces < 4_000 && !gone; pieces += 1)
      if (!response.write('x'.repeat(64 * 1024)))
        await Promise.race([new Promise((drained) => response.once('drain', drained)), until(() => gone)]);
    response.end();
  };
  const tenant = await world.server.tenant({ usd: '1' });
  const before = memoryMiB();
  const answer = await fetch(world.server.url + CHAT, {
    method: 'POST',
    headers: { authorization: `Bearer ${tenant.key}` },
    body: bodyOf(true),
  });
  expect([answer.status, await answer.json()]).toMatchObject([502, { error: { code: 'provider_failed' } }]);
  expect(memoryMiB() - before).toBeLessThan(128);
  expect(await tenant.only()).toMatchObject({ status: 'settled', ending: 'failed' });
});

test('attacks: an error of a provider that makes patterns backtrack → classified at once', async () => {
  const tenant = await world.server.tenant({ usd: '1' });
  for (const message of [`${'a'.repeat(500_000)}!`, `${'ab'.repeat(250_000)}c`]) {
    world.raw.answer = json({ error: { message } }, 500);
    const begun = performance.now();
    const response = await fetch(world.server.url + CHAT, {
      method: 'POST',
      headers: { authorization: `Bearer ${tenant.key}` },
      body: bodyOf(false),
    });
    await response.text();
    expect(response.status).toBe(500);
    expect(performance.now() - begun).toBeLessThan(3_000);
  }
  world.raw.answer = json(ANSWER);
  expect(await callMs(tenant)).toBeLessThan(3_000);
});

test('attacks: a configuration with a pattern that only a backtracking engine matches → the server does not start', async () => {
  const error = (await rejection(ServerProcess.start('errors: { throttle: ["(a)\\\\1"] }'))) as Error;
  expect(error.message).toMatch(/errors\.throttle/);
});
