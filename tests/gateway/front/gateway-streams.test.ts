// Streams through the gateway: bytes unchanged and unbuffered, back-pressure, usage that nobody asked for, output beyond
// what is held, ends of the server and of its callers (field problems 7, 12, 14).

import { once } from 'node:events';
import { type IncomingMessage, request, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { OverloadedError } from '#bursar/core/errors.js';
import {
  chatAnswer,
  chatChunk,
  DONE,
  events,
  type Gateway,
  type GatewayOptions,
  json,
  startGateway,
} from '../gateway-fixture.js';

const BUDGETS = '  - { id: day, match: { tenant: acme }, unit: usd, limit: "1000", window: day }';
const CHAT = { model: 'small', stream: true, messages: [{ role: 'user', content: 'hi' }] };
const MESSAGE = {
  model: 'claude',
  max_tokens: 100,
  stream: true,
  messages: [{ role: 'user', content: 'hi' }],
};
const USED = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const LAST = { ...chatChunk(''), choices: [], usage: USED };

let gateway: Gateway;
afterEach(() => gateway.close());

const start = async (options: Partial<GatewayOptions> = {}) => {
  gateway = await startGateway({ budgets: BUDGETS, ...options });
};
const chat = (more: object = {}) => gateway.post('/openai/v1/chat/completions', { ...CHAT, ...more });
const tick = (ms = 2) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await tick();
}

/** A caller that sees raw HTTP: trailers, and bytes only when it takes them. */
async function rawCall(body: object, headers: Record<string, string> = {}): Promise<IncomingMessage> {
  const sent = request(`${gateway.url}/openai/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.key}`, ...headers },
  });
  sent.on('error', () => undefined);
  sent.end(JSON.stringify(body));
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return response;
}

describe('gateway: streams', () => {
  test('events that come in odd pieces → the same bytes, without the usage chunk that the caller did not ask for', async () => {
    await start();
    const shown = `: ping\r\n\r\ndata: ${JSON.stringify(chatChunk('a\u00e9\u{1f600}'))}\n\ndata: ${JSON.stringify(chatChunk('b'))}\r\n\r\n`;
    const bytes = Buffer.from(`${shown}data: ${JSON.stringify(LAST)}\n\n${DONE}`);
    gateway.provider.answer = async (_call, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      for (let at = 0; at < bytes.length; at += 7) {
        response.write(bytes.subarray(at, at + 7));
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end();
    };
    const response = await chat();
    expect(await response.text()).toBe(shown + DONE);
    expect(gateway.provider.calls[0].body.stream_options).toEqual({ include_usage: true });
    await gateway.settled();
    expect(gateway.ledger.holds()[0].charged?.usd).toBe(6_000n);
  });

  test('usage that the caller asked for → is passed, and nothing is added to the request', async () => {
    await start();
    gateway.provider.answer = events([chatChunk('Hi'), LAST, DONE]);
    const body = { ...CHAT, max_tokens: 50, stream_options: { include_usage: true } };
    expect(await (await chat(body)).text()).toContain('"total_tokens":15');
    expect(gateway.provider.calls[0].text).toBe(JSON.stringify(body));
  });

  test('an event → reaches the caller before the next one exists', async () => {
    await start();
    let go: (() => void) | undefined;
    gateway.provider.answer = async (_call, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${JSON.stringify(chatChunk('first'))}\n\n`);
      await new Promise<void>((resolve) => {
        go = resolve;
      });
      response.end(DONE);
    };
    const response = await chat();
    const reader = response.body?.getReader();
    const first = await reader?.read();
    expect(Buffer.from(first?.value ?? []).toString()).toContain('first');
    go?.();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe(DONE);
  });

  test.each(['trailers', 'deflate;q=0.5, Trailers'])(
    'the cost of a stream, and a caller that takes trailers (TE: %s) → stands in them',
    async (te) => {
      await start();
      gateway.provider.answer = events([chatChunk('Hi'), LAST, DONE]);
      const response = await rawCall(CHAT, { te });
      response.resume();
      await once(response, 'end');
      expect(response.headers.trailer).toContain('bursar-cost');
      expect(response.trailers['bursar-cost']).toBe('0.00006');
      expect(response.trailers['bursar-cost-estimated']).toBe(undefined);
    },
  );

  test.each([{}, { te: 'gzip' }])(
    'the cost of a stream, and a caller that says %j → no trailers, but a decision to ask for',
    async (headers) => {
      await start();
      gateway.provider.answer = events([chatChunk('Hi'), LAST, DONE]);
      const response = await rawCall(CHAT, headers as Record<string, string>);
      expect(await text(response)).toBe(`data: ${JSON.stringify(chatChunk('Hi'))}\n\n${DONE}`);
      expect(response.headers.trailer).toBe(undefined);
      expect(response.trailers).toEqual({});
      expect(response.headers['bursar-decision-id']).toMatch(/./);
    },
  );

  test('the cost of a stream, asked for with bursar-cost-event → is its last comment', async () => {
    await start();
    gateway.provider.answer = events([chatChunk('Hi'), LAST, DONE]);
    const shown = `data: ${JSON.stringify(chatChunk('Hi'))}\n\n`;
    const stated = await rawCall(CHAT, { 'bursar-cost-event': 'true' });
    expect(await text(stated)).toBe(`${shown}${DONE}: bursar-cost: 0.00006\n\n`);
    gateway.provider.answer = events([
      chatChunk('Hi'),
      `data: ${JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}`,
    ]);
    const unstated = await rawCall(CHAT, { 'bursar-cost-event': 'true' });
    expect(await text(unstated)).toMatch(
      /"stop"\}\]\}\n\n: bursar-cost: 0\.\d+\n: bursar-cost-estimated: true\n\n$/,
    );
  });

  test('a caller behind a proxy that speaks HTTP/1.0 → has the whole stream, without trailers', async () => {
    await start();
    gateway.provider.answer = events([chatChunk('Hi'), LAST, DONE]);
    const body = JSON.stringify(CHAT);
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    socket.write(
      `POST /openai/v1/chat/completions HTTP/1.0\r\nauthorization: Bearer ${gateway.key}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1\.[01] 200 /);
    expect(answer.endsWith(`data: ${JSON.stringify(chatChunk('Hi'))}\n\n${DONE}`)).toBe(true);
    await gateway.settled();
    expect(gateway.ledger.holds()[0]).toMatchObject({ ending: 'completed', charged: { usd: 6_000n } });
  });

  test('a caller that reads slowly → pauses the provider, and loses nothing', async () => {
    await start();
    const event = `data: ${JSON.stringify(chatChunk('x'.repeat(16_000)))}\n\n`;
    const eventsSent = 4_000;
    let sent = 0;
    gateway.provider.answer = async (_call, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (; sent < eventsSent; sent += 1) {
        if (!response.write(event)) await once(response, 'drain');
      }
      response.end(DONE);
    };
    const response = await rawCall({ ...CHAT, max_tokens: 8_000 });
    let before = -1;
    // The kernel's buffers of two connections fill; then the provider stands still.
    while (sent !== before) {
      before = sent;
      await tick(200);
    }
    expect(sent).toBeLessThan(eventsSent / 2);
    let bytes = 0;
    for await (const chunk of response) bytes += (chunk as Buffer).length;
    expect(bytes).toBe(event.length * eventsSent + DONE.length);
  });

  test('a caller that takes nothing for two minutes → is taken for gone', async () => {
    let now = Date.now();
    await start({ clock: { now: () => now } });
    const event = `data: ${JSON.stringify(chatChunk('x'.repeat(16_000)))}\n\n`;
    gateway.provider.answer = async (call, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      let gone = false;
      void call.aborted.then(() => {
        gone = true;
        response.emit('drain');
      });
      while (!gone) {
        if (!response.write(event)) await once(response, 'drain');
      }
    };
    const response = await rawCall(CHAT);
    response.on('error', () => undefined);
    await tick(300);
    now += 121_000;
    await gateway.provider.calls[0].aborted;
    await gateway.settled();
    expect(gateway.ledger.holds()[0]).toMatchObject({ status: 'settled', ending: 'cancelled' });
  });

  test('a caller that takes nothing of a whole answer for two minutes → is let go of, though it is settled', async () => {
    await start();
    // Two minutes are a tenth of a second here: Node's own timers, which no clock of the test's moves.
    const { setTimeout: within } = ServerResponse.prototype;
    const limits: number[] = [];
    ServerResponse.prototype.setTimeout = function (ms, done) {
      limits.push(ms);
      return within.call(this, ms / 1_200, done);
    };
    try {
      // More than the kernel's buffers of a connection take.
      const large = { ...chatAnswer(USED), padding: 'x'.repeat(32 * 1024 * 1024) };
      gateway.provider.answer = json(large);
      const response = await rawCall({ ...CHAT, stream: false });
      await gateway.settled();
      expect(gateway.ledger.holds()[0]).toMatchObject({ status: 'settled', ending: 'completed' });
      expect(limits).toEqual([120_000]);
      let bytes = 0;
      const read = async () => {
        for await (const chunk of response) bytes += (chunk as Buffer).length;
      };
      await tick(500);
      await expect(read()).rejects.toThrow('aborted');
      expect(bytes).toBeLessThan(Number(response.headers['content-length']));
    } finally {
      ServerResponse.prototype.setTimeout = within;
    }
  });

  test('output that passes what was held → more is held, and a budget that has no more does not stop it', async () => {
    await start({
      budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "0.05", window: day }',
    });
    // 250 tokens where 100 are held; the provider does not keep to its limit.
    gateway.provider.answer = events([
      chatChunk('x'.repeat(1_000)),
      { ...LAST, usage: { ...USED, completion_tokens: 250 } },
      DONE,
    ]);
    await (await chat({ max_tokens: 100 })).text();
    await gateway.settled();
    const [extended] = await gateway.events('hold_extended');
    expect((extended.details.add as { usd: bigint }).usd).toBe(250_000n);
    expect(gateway.ledger.holds()[0]).toMatchObject({ status: 'settled', charged: { usd: 251_000n } });
  });

  test('an open stream → its hold is renewed while it lives', async () => {
    let now = Date.now();
    await start({ clock: { now: () => now }, more: 'gateway: { holdTtl: 10s }' });
    gateway.provider.answer = events([chatChunk('Hi')], { end: 'open' });
    const leaving = new AbortController();
    const response = await rawCall(CHAT);
    leaving.signal.addEventListener('abort', () => response.destroy());
    await once(response, 'data');
    for (let renewals = 1; renewals <= 3; renewals += 1) {
      now += 8_000;
      await until(async () => (await gateway.events('hold_extended')).length === renewals);
    }
    expect(gateway.ledger.holds()[0].status).toBe('open');
    leaving.abort();
    await gateway.settled();
    expect(gateway.ledger.holds()[0]).toMatchObject({ status: 'settled', ending: 'cancelled', late: false });
  });
});

describe('gateway: a ledger that is full for a moment', () => {
  test('the renewal of a hold that failed → is tried again at once, not at half of its time', async () => {
    let now = Date.now();
    await start({ clock: { now: () => now }, more: 'gateway: { holdTtl: 10s }' });
    gateway.provider.answer = events([chatChunk('Hi')], { end: 'open' });
    const response = await rawCall(CHAT);
    response.on('error', () => undefined);
    await once(response, 'data');
    const { submit } = gateway.ledger;
    let refusals = 1;
    gateway.ledger.submit = (commands) => {
      refusals -= 1;
      if (refusals >= 0) return Promise.reject(new OverloadedError('full'));
      return submit.call(gateway.ledger, commands);
    };
    now += 8_000;
    await until(async () => (await gateway.events('hold_extended')).length === 1);
    expect(gateway.ledger.holds()[0].status).toBe('open');
    expect(gateway.logged.map(({ message }) => message)).toEqual(['holds could not be extended']);
    response.destroy();
    await gateway.settled();
  });
});

describe('gateway: cutStreams', () => {
  const CUT = { more: 'gateway: { cutStreams: true }' };
  const endless = (list: readonly unknown[]) => events(list, { end: 'open' });
  const long = Array.from({ length: 20 }, () => chatChunk('x'.repeat(100)));

  test('chat → ends as one that reached its limit, the provider is stopped, and at most what was held is charged', async () => {
    await start(CUT);
    gateway.provider.answer = endless(long);
    const text = await (await chat({ max_tokens: 100 })).text();
    await gateway.provider.calls[0].aborted;
    const lines = text.trim().split('\n\n');
    expect(lines.at(-1)).toBe('data: [DONE]');
    const last = JSON.parse(lines.at(-2)?.slice(6) ?? '');
    expect(last).toMatchObject({
      id: 'c1',
      model: 'small',
      choices: [{ index: 0, delta: {}, finish_reason: 'length' }],
    });
    expect(lines.length).toBeLessThan(long.length);
    await gateway.settled();
    const [hold] = gateway.ledger.holds();
    expect(hold.ending).toBe('cancelled');
    expect(hold.charged?.usd).toBeLessThanOrEqual(hold.authorized.usd);
    expect(hold.charged?.usd).toBeGreaterThan(100_000n);
  });

  test('messages → the open block is closed, and the reason is max_tokens', async () => {
    await start(CUT);
    const named = (event: { type: string }) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
    const block = { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } };
    const delta = {
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'text_delta', text: 'x'.repeat(300) },
    };
    gateway.provider.answer = endless([
      named({
        type: 'message_start',
        message: { id: 'm', usage: { input_tokens: 10, output_tokens: 1 } },
      } as { type: string }),
      named(block),
      named(delta),
      named(delta),
      named(delta),
    ]);
    const text = await (await gateway.post('/anthropic/v1/messages', MESSAGE)).text();
    const types = [...text.matchAll(/^event: (.*)$/gm)].map(([, type]) => type);
    expect(types.slice(-3)).toEqual(['content_block_stop', 'message_delta', 'message_stop']);
    expect(text).toContain('"stop_reason":"max_tokens"');
  });

  test('responses → ends incomplete', async () => {
    await start(CUT);
    const named = (event: { type: string; sequence_number: number }) =>
      `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
    const delta = { type: 'response.output_text.delta', sequence_number: 1, delta: 'x'.repeat(300) };
    gateway.provider.answer = endless([
      named({
        type: 'response.created',
        sequence_number: 0,
        response: { id: 'r1', status: 'in_progress' },
      } as never),
      named(delta),
      named({ ...delta, sequence_number: 2 }),
    ]);
    const response = await gateway.post('/openai/v1/responses', {
      model: 'small',
      input: 'hi',
      stream: true,
      max_output_tokens: 100,
    });
    const last = (await response.text()).trim().split('\n\n').at(-1) ?? '';
    expect(JSON.parse(last.slice(last.indexOf('{')))).toEqual({
      type: 'response.incomplete',
      sequence_number: 3,
      response: { id: 'r1', status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } },
    });
  });
});

describe('gateway: a server that stops', () => {
  test('a call that is authorised only then → reaches no provider, its hold is given back', async () => {
    await start();
    const { run } = gateway.ledger;
    let asked = false;
    let goOn: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    gateway.ledger.run = async (command, rider) => {
      asked = true;
      await held;
      return run.call(gateway.ledger, command, rider) as never;
    };
    const late = chat();
    await until(() => asked);
    await gateway.server.endAll();
    goOn();
    expect((await late).status).toBe(503);
    await gateway.settled();
    expect(gateway.provider.calls).toEqual([]);
    expect(gateway.ledger.holds().map(({ status }) => status)).toEqual(['reversed']);
  });

  test('new calls are refused, open ones are ended and settled', async () => {
    await start();
    gateway.provider.answer = events([chatChunk('x'.repeat(400))], { end: 'open' });
    const streamed = await rawCall(CHAT);
    await once(streamed, 'data');
    gateway.provider.answer = () => undefined;
    const whole = chat({ stream: false });
    await until(() => gateway.provider.calls.length === 2);
    gateway.drain();
    const refused = await chat();
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).not.toBe(null);
    expect(await refused.json()).toMatchObject({ error: { code: 'draining' } });

    const broke = once(streamed, 'error');
    await gateway.server.endAll();
    expect(gateway.server.openCalls).toBe(0);
    expect(gateway.ledger.holds().map(({ status, ending }) => [status, ending])).toEqual([
      ['settled', 'cancelled'],
      ['settled', 'cancelled'],
    ]);
    await broke;
    expect((await whole).status).toBe(503);
  });

  test('a ledger that can decide nothing → 503, and nothing goes out', async () => {
    await start();
    await gateway.ledger.close();
    const response = await chat();
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: { code: 'ledger_unavailable' } });
    expect(gateway.provider.calls).toEqual([]);
  });

  test('a ledger that fails while a call is open → its caller has the answer, and the fault is logged', async () => {
    await start();
    gateway.provider.answer = async (call, response) => {
      await gateway.ledger.close();
      json({ id: 'c', choices: [], usage: USED })(call, response);
    };
    const response = await chat({ stream: false });
    expect(response.status).toBe(200);
    expect(gateway.logged.map(({ message }) => message)).toEqual([
      expect.stringContaining('will expire with the floor'),
    ]);
  });
});
