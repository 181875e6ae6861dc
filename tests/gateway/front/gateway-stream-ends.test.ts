// Where a stream begins and where it ends: what comes before an answer waits for it while another candidate could take the
// call, and what comes after its stated end neither reaches the caller nor keeps the hold.

import { once } from 'node:events';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type Answer,
  chatChunk,
  DONE,
  events,
  type Gateway,
  type GatewayOptions,
  type ProviderCall,
  startGateway,
} from '../gateway-fixture.js';

const BUDGETS = '  - { id: day, match: { tenant: acme }, unit: usd, limit: "1000", window: day }';
const CHAT = { model: 'both', stream: true, messages: [{ role: 'user', content: 'hi' }] };
const USED = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const FINISHED = { ...chatChunk(''), choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: USED };
const STREAM = [chatChunk('Hi'), FINISHED, DONE];
const SHOWN = `data: ${JSON.stringify(STREAM[0])}\n\ndata: ${JSON.stringify(FINISHED)}\n\n${DONE}`;
const OVERLOADED = { error: { code: 503, message: 'overloaded' } };

const TWO_CLAUDES: Partial<GatewayOptions> = {
  providers: '  claude2: { dialect: anthropic, baseUrl: "PROVIDER/spare", keyFrom: CLAUDE_KEY }\n',
  routes:
    '\n  - { model: claudes, candidates: [{ provider: claude, model: claude }, { provider: claude2, model: claude }] }',
  prices:
    '  - { provider: claude2, model: claude, input: "3", output: "15", contextWindow: 100000, outputTokensMax: 8000 }\n',
};

let gateway: Gateway;
afterEach(() => gateway.close());

const start = async (options: Partial<GatewayOptions> = {}) => {
  gateway = await startGateway({ budgets: BUDGETS, ...options });
};
const chat = (more: object = {}) => gateway.post('/openai/v1/chat/completions', { ...CHAT, ...more });
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** The first candidate answers so, the others as `then` says. */
function first(answer: Answer, then: Answer = events(STREAM)): void {
  gateway.provider.answer = (call: ProviderCall, response: ServerResponse) =>
    call.path.startsWith('/spare') ? then(call, response) : answer(call, response);
}

const charges = () => gateway.ledger.holds().map(({ charged }) => charged?.usd ?? 0n);

describe('gateway: what comes before an answer', () => {
  test.each([
    ['comments', [': OPENROUTER PROCESSING\n\n', ': OPENROUTER PROCESSING\n\n']],
    ['comments and empty lines', [': keep-alive\r\n\r\n', '\n', '\n']],
    ['an event without data', ['event: ping\n\n', 'retry: 100\n\n', 'data:\n\n']],
    [
      'the role',
      [
        {
          ...chatChunk(''),
          choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
        },
      ],
    ],
    ['results of a filter', [{ choices: [], prompt_filter_results: [] }]],
  ])('%s, and then an error → the next candidate answers, and is charged alone', async (_, foreword) => {
    await start();
    first(events([...foreword, OVERLOADED]));
    const response = await chat();
    expect(await response.text()).toBe(SHOWN);
    expect(response.headers.get('bursar-provider')).toBe('spare');
    await gateway.settled();
    expect(charges()).toEqual([0n, 12_000n]);
  });

  test.each(['broken', 'clean'] as const)(
    'a comment, and then a %s end → the next candidate answers',
    async (end) => {
      await start();
      first(events([': OPENROUTER PROCESSING\n\n'], { end }));
      expect(await (await chat()).text()).toBe(SHOWN);
      await gateway.settled();
    },
  );

  test('a comment, an error, and no candidate that takes the call → both reach the caller', async () => {
    await start();
    const overloaded = events([': OPENROUTER PROCESSING\n\n', OVERLOADED]);
    first(overloaded, overloaded);
    const response = await chat();
    expect(response.headers.get('bursar-provider')).toBe('spare');
    expect(await response.text()).toBe(`: OPENROUTER PROCESSING\n\ndata: ${JSON.stringify(OVERLOADED)}\n\n`);
    await gateway.settled();
    expect(charges()).toEqual([0n, 0n]);
  });

  test('text, and then an error → is the answer of this candidate', async () => {
    await start();
    first(events([': OPENROUTER PROCESSING\n\n', chatChunk('x'.repeat(400)), OVERLOADED]));
    const response = await chat();
    expect(await response.text()).toContain('overloaded');
    expect(response.headers.get('bursar-provider')).toBe('main');
    await gateway.settled();
  });

  test.each([
    ['ping', [{ type: 'ping' }]],
    [
      'the start of a message',
      [
        { type: 'message_start', message: { usage: { input_tokens: 10, output_tokens: 1 } } },
        { type: 'ping' },
      ],
    ],
    [
      'an empty block',
      [
        { type: 'message_start', message: { usage: { input_tokens: 10, output_tokens: 1 } } },
        { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      ],
    ],
  ])('messages: %s, and then overloaded → the next candidate answers', async (_, foreword) => {
    await start(TWO_CLAUDES);
    const named = (data: { type: string }) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
    const overloaded = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    const whole = [
      { type: 'message_start', message: { usage: { input_tokens: 10, output_tokens: 1 } } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 5 } },
      { type: 'message_stop' },
    ].map(named);
    first(events([...foreword, overloaded].map((data) => named(data as { type: string }))), events(whole));
    const body = {
      model: 'claudes',
      max_tokens: 100,
      stream: true,
      messages: [{ role: 'user', content: 'hi' }],
    };
    const response = await gateway.post('/anthropic/v1/messages', body);
    expect(await response.text()).toBe(whole.join(''));
    await gateway.settled();
    expect(charges()).toEqual([0n, 10_500n]);
  });

  test('comments for longer than a caller can wait → go out, and the candidate is kept', async () => {
    let now = Date.now();
    await start({ clock: { now: () => now } });
    let goOn: () => void = () => undefined;
    first(async (_call, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(': OPENROUTER PROCESSING\n\n');
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
      response.end(`data: ${JSON.stringify(OVERLOADED)}\n\n`);
    });
    const answered = chat();
    while (gateway.provider.calls.length === 0) await turn();
    for (let turns = 0; turns < 50; turns += 1) await turn();
    now += 5_000;
    const response = await answered;
    const reader = response.body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe(': OPENROUTER PROCESSING\n\n');
    goOn();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toContain('overloaded');
    expect(response.headers.get('bursar-provider')).toBe('main');
    await gateway.settled();
  });

  test('more comments than are kept → go out', async () => {
    await start();
    const comment = `: ${'x'.repeat(1_000)}\n\n`;
    first(events([...Array.from({ length: 80 }, () => comment), OVERLOADED]));
    const response = await chat();
    expect(response.headers.get('bursar-provider')).toBe('main');
    expect(await response.text()).toContain('overloaded');
    await gateway.settled();
  });

  test('a comment of the only candidate → reaches the caller at once', async () => {
    await start();
    gateway.provider.answer = events([': OPENROUTER PROCESSING\n\n'], { end: 'open' });
    const response = await chat({ model: 'small' });
    const reader = response.body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe(': OPENROUTER PROCESSING\n\n');
    await reader?.cancel();
    await gateway.settled();
  });
});

describe('gateway: what comes after the end', () => {
  /** Calls, and by which port of the gateway's each came. */
  function ports(answer: Answer): (number | undefined)[] {
    const seen: (number | undefined)[] = [];
    gateway.provider.answer = (call, response) => {
      seen.push(response.socket?.remotePort);
      return answer(call, response);
    };
    return seen;
  }

  test('[DONE] and the end of the body → the connection is used again', async () => {
    await start();
    const seen = ports(events(STREAM));
    for (let calls = 0; calls < 3; calls += 1) expect(await (await chat()).text()).toBe(SHOWN);
    await gateway.settled();
    expect(new Set(seen).size).toBe(1);
  });

  test('[DONE], the connection stays open → answer and hold end, the connection is closed and not used again', async () => {
    await start();
    const seen = ports(events(STREAM, { end: 'open' }));
    for (let calls = 0; calls < 2; calls += 1) expect(await (await chat()).text()).toBe(SHOWN);
    await gateway.settled();
    expect(charges()).toEqual([6_000n, 6_000n]);
    expect(new Set(seen).size).toBe(2);
    await Promise.all(gateway.provider.calls.map(({ aborted }) => aborted));
  });

  test('[DONE], and bytes without an end → the connection is closed', async () => {
    await start();
    gateway.provider.answer = async (call, response) => {
      await events(STREAM, { end: 'open' })(call, response);
      let isGone = false;
      void call.aborted.then(() => {
        isGone = true;
      });
      while (!isGone) {
        response.write(`data: ${'x'.repeat(4_000)}\n\n`);
        await turn();
      }
    };
    expect(await (await chat()).text()).toBe(SHOWN);
    await gateway.settled();
    await gateway.provider.calls[0].aborted;
    expect(charges()).toEqual([6_000n]);
  });

  test('[DONE], the connection stays open, in gzip → the same', async () => {
    const { createGzip, constants } = await import('node:zlib');
    await start();
    gateway.provider.answer = (_call, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' });
      const packer = createGzip({ flush: constants.Z_SYNC_FLUSH });
      packer.pipe(response);
      packer.write(SHOWN);
    };
    expect(await (await chat()).text()).toBe(SHOWN);
    await gateway.settled();
    await gateway.provider.calls[0].aborted;
    expect(charges()).toEqual([6_000n]);
  });

  test('a slow caller, and an end while it waits → it has every byte', async () => {
    await start();
    const long = chatChunk('x'.repeat(16_000));
    gateway.provider.answer = async (_call, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (let sent = 0; sent < 1_000; sent += 1)
        if (!response.write(`data: ${JSON.stringify(long)}\n\n`)) await once(response, 'drain');
      response.write(`data: ${JSON.stringify(FINISHED)}\n\n${DONE}`);
    };
    const sent = request(`${gateway.url}/openai/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.key}` },
    });
    sent.end(JSON.stringify({ ...CHAT, model: 'small' }));
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    await new Promise((resolve) => setTimeout(resolve, 100));
    const seen = await text(response);
    expect(seen.length).toBe(
      1_000 * `data: ${JSON.stringify(long)}\n\n`.length +
        `data: ${JSON.stringify(FINISHED)}\n\n${DONE}`.length,
    );
    await gateway.settled();
  });

  test('an error within a stream, and the connection stays open → the stream ends soon', async () => {
    await start();
    gateway.provider.answer = events([chatChunk('x'.repeat(400)), OVERLOADED], { end: 'open' });
    expect(await (await chat({ model: 'small' })).text()).toContain('overloaded');
    await gateway.settled();
    expect(gateway.ledger.holds()[0].ending).toBe('failed');
  });
});
