// Errors of a provider, wherever they stand: a status, a whole answer of status 200, an event of a stream. Before any output
// nothing is charged and the next candidate is tried; after some, what came is charged (rule Q9).

import { afterEach, describe, expect, test } from 'vitest';
import {
  type Answer,
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
const MESSAGES = [{ role: 'user', content: 'hi' }];
const CHAT = ['/openai/v1/chat/completions', { model: 'small', messages: MESSAGES }] as const;
const CHAT_STREAM = [CHAT[0], { ...CHAT[1], stream: true }] as const;
const RESPONSES = ['/openai/v1/responses', { model: 'small', input: 'hi' }] as const;
const RESPONSES_STREAM = [RESPONSES[0], { ...RESPONSES[1], stream: true }] as const;
const CLAUDE = ['/anthropic/v1/messages', { model: 'claude', max_tokens: 100, messages: MESSAGES }] as const;
const CLAUDE_STREAM = [CLAUDE[0], { ...CLAUDE[1], stream: true }] as const;
const USED = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };

let gateway: Gateway;
afterEach(() => gateway.close());

const start = async (options: Partial<GatewayOptions> = {}) => {
  gateway = await startGateway({ budgets: BUDGETS, ...options });
};

function named(...list: { readonly type: string }[]): string[] {
  return list.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
}

function raw(status: number, body: string, headers: Record<string, string> = {}): Answer {
  return (_call, response) => void response.writeHead(status, headers).end(body);
}

const FAILED = (usage: object | null) =>
  named({
    type: 'response.failed',
    response: { id: 'r', status: 'failed', error: { code: 'server_error', message: 'oh' }, usage },
  } as { type: string });
const STARTED = {
  type: 'message_start',
  message: { id: 'm', role: 'assistant', content: [], usage: { input_tokens: 10, output_tokens: 1 } },
};
const OVERLOADED = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };

const EXPLICIT: readonly (readonly [string, readonly [string, object], Answer])[] = [
  ['a 529', CLAUDE, json(OVERLOADED, 529)],
  ['a 503', CHAT, json({ error: { message: 'busy' } }, 503)],
  ['a 502 page of a proxy', CHAT, raw(502, '<html>Bad Gateway</html>', { 'content-type': 'text/html' })],
  ['a 500 without a body', CHAT, raw(500, '')],
  ['a 504 of a proxy', CHAT, raw(504, 'upstream timed out')],
  ['a 524 of a proxy', CHAT_STREAM, raw(524, 'a timeout occurred')],
  ['a 408', CHAT, json({ error: { message: 'Request timed out' } }, 408)],
  ['a 503 to a stream', CHAT_STREAM, json({ error: { message: 'busy' } }, 503)],
  [
    'a 503 as an event stream',
    CHAT_STREAM,
    raw(503, 'data: {"error":{"message":"busy"}}\n\n', { 'content-type': 'text/event-stream' }),
  ],
  ['an error of more than a megabyte', CHAT, raw(500, 'x'.repeat(1_200_000))],
  [
    'an error that breaks off after its status',
    CHAT,
    (_call, response) => {
      response.writeHead(529, { 'content-type': 'application/json', 'content-length': '1000' });
      response.write('{"error":');
      setTimeout(() => response.destroy(), 20);
    },
  ],
  ['a first event of a chat stream', CHAT_STREAM, events([{ error: { message: 'oh', code: 500 } }])],
  ['a first event that is followed by the end', CHAT_STREAM, events([{ error: { message: 'oh' } }, DONE])],
  ['a first event of a message stream', CLAUDE_STREAM, events(named(OVERLOADED))],
  ['an event right after the start of a message', CLAUDE_STREAM, events(named(STARTED, OVERLOADED))],
  ['response.failed without usage', RESPONSES_STREAM, events(FAILED(null))],
  [
    'response.failed after the response was created',
    RESPONSES_STREAM,
    events([
      ...named({ type: 'response.created', response: { id: 'r', status: 'in_progress' } } as {
        type: string;
      }),
      ...FAILED(null),
    ]),
  ],
  [
    'an error event of the Responses API',
    RESPONSES_STREAM,
    events(named({ type: 'error', code: 'server_error', message: 'oh' } as { type: string })),
  ],
  [
    'a 200 with an error of OpenRouter',
    CHAT,
    json({ error: { code: 502, message: 'Provider returned error: overloaded' } }),
  ],
  ['a 200 with an error as text', CHAT, json({ error: 'model is loading' })],
  [
    'a 200 with a list of one error, as Gemini',
    CHAT,
    json([{ error: { code: 503, status: 'UNAVAILABLE', message: 'try later' } }]),
  ],
  ['a 200 with an error of Anthropic', CLAUDE, json(OVERLOADED)],
  [
    'a 200 with an error of vLLM',
    CHAT,
    json({ object: 'error', message: 'out of memory', type: 'InternalServerError', code: 500 }),
  ],
  [
    'a 200 with an error in its choice',
    CHAT,
    json({
      choices: [
        {
          error: { code: 502, message: 'oh' },
          finish_reason: 'error',
          message: { role: 'assistant', content: '' },
        },
      ],
    }),
  ],
  [
    'a 200 with a list of errors',
    CHAT,
    json({ success: false, errors: [{ code: 10, message: 'no capacity' }] }),
  ],
  ['a 200 with a code and a message alone', CHAT, json({ code: 'Throttling', message: 'slow down' })],
  [
    'a 200 with an error beside a usage of zero',
    CHAT,
    json({ error: { message: 'oh' }, usage: { prompt_tokens: 0, completion_tokens: 0 } }),
  ],
  [
    'a response that failed and states no usage',
    RESPONSES,
    json({
      id: 'r',
      object: 'response',
      status: 'failed',
      error: { code: 'server_error', message: 'oh' },
      output: [],
      usage: null,
    }),
  ],
];

describe('an explicit error before any output', () => {
  test.each(EXPLICIT)('%s → nothing is charged, the call is counted', async (_what, [path, body], answer) => {
    await start();
    gateway.provider.answer = answer;
    const response = await gateway.post(path, body);
    await response.text();
    await gateway.settled();
    expect(gateway.ledger.holds()[0]).toMatchObject({ status: 'released', charged: { usd: 0n, calls: 1n } });
    expect(gateway.ledger.balances({ budgetId: 'day' })[0]).toMatchObject({ spent: 0n, held: 0n });
  });

  test('in a whole answer of status 200 → the caller sees the status that it should have had, and the body', async () => {
    await start();
    const error = { error: { code: 429, message: 'slow down' } };
    gateway.provider.answer = json(error);
    const response = await gateway.post(...CHAT);
    expect(response.status).toBe(429);
    expect(await response.json()).toEqual(error);
    gateway.provider.answer = json({ error: 'no status' });
    expect((await gateway.post(...CLAUDE)).status).toBe(502);
  });

  test('that its provider bills all the same → is charged as a time-out is', async () => {
    await start({
      providers:
        '\n  filtering: { dialect: openai, baseUrl: "PROVIDER", pricedAs: main, errors: { billed: ["^400 .*content_filter", "^504"] } }',
      routes: '\n  - { model: filtered, candidates: [{ provider: filtering, model: small }] }',
    });
    const answers: readonly [Answer, string][] = [
      [json({ error: { code: 'content_filter', message: 'The prompt was filtered' } }, 400), 'settled'],
      [raw(504, 'upstream timed out'), 'settled'],
      [json({ error: { code: 400, message: 'content_filter' } }), 'settled'],
      [json({ error: { message: 'max_tokens is too large' } }, 400), 'released'],
    ];
    for (const [answer, status] of answers) {
      gateway.provider.answer = answer;
      await (await gateway.post(CHAT[0], { ...CHAT[1], model: 'filtered' })).text();
      await gateway.settled();
      expect(gateway.ledger.holds().at(-1)?.status).toBe(status);
    }
    const floor = gateway.ledger.holds()[0].charged?.usd;
    expect(floor).toBeGreaterThan(50n * 1_000n);
    expect(gateway.ledger.balances({ budgetId: 'day' })[0].spent).toBe(3n * (floor ?? 0n));
  });
});

describe('an error after output', () => {
  const text = chatChunk('x'.repeat(400));
  const delta = { type: 'response.output_text.delta', delta: 'x'.repeat(400) };
  test.each([
    ['a chat stream', CHAT_STREAM, [text, { error: { message: 'oh' } }], 100n * 1_000n],
    ['a response that states no usage', RESPONSES_STREAM, [...named(delta), ...FAILED(null)], 100n * 1_000n],
    [
      'a response that states its usage',
      RESPONSES_STREAM,
      [...named(delta), ...FAILED({ input_tokens: 10, output_tokens: 5 })],
      null,
    ],
  ] as const)('%s → what came is charged', async (_what, [path, body], list, output) => {
    await start();
    gateway.provider.answer = events(list);
    await (await gateway.post(path, body)).text();
    await gateway.settled();
    const [hold] = gateway.ledger.holds();
    const [opened] = await gateway.events('hold_authorized');
    const floor = (opened.details as { onExpiry: { charge: { usd: bigint } } }).onExpiry.charge.usd;
    expect(hold.status).toBe('settled');
    expect(hold.charged?.usd).toBe(output === null ? 6_000n : floor - 50n * 1_000n + output);
  });
});

test('an error after a tool of the provider had run → is charged as if that output had come', async () => {
  await start({
    prices:
      '\n  - { provider: main, model: searching, input: "1", output: "10", webSearch: "25", contextWindow: 100000, outputTokensMax: 8000 }',
    routes: '\n  - { model: searching, candidates: [{ provider: main }] }',
  });
  const item = { type: 'web_search_call', status: 'completed', action: { type: 'search' } };
  const done = { type: 'response.output_item.done', item } as { type: string };
  gateway.provider.answer = events([...named(done), ...FAILED(null)]);
  const body = { ...RESPONSES_STREAM[1], model: 'searching', tools: [{ type: 'web_search' }] };
  await (await gateway.post(RESPONSES[0], body)).text();
  await gateway.settled();
  const [opened] = await gateway.events('hold_authorized');
  const { usd } = (opened.details as { onExpiry: { charge: { usd: bigint } } }).onExpiry.charge;
  expect(gateway.ledger.holds()[0].charged?.usd).toBe(usd);
  // 25 USD a thousand.
  expect(usd).toBeGreaterThan(2_500_000n);
});

describe('answers that look like errors', () => {
  test.each([
    ['a null error', CHAT, { ...chatAnswer(USED), error: null }],
    ['an empty error', CHAT, { ...chatAnswer(USED), error: {} }],
    [
      'a stored response that failed and states its usage',
      RESPONSES,
      {
        id: 'r',
        object: 'response',
        status: 'failed',
        error: { code: 'server_error', message: 'oh' },
        output: [],
        usage: { input_tokens: 10, output_tokens: 5 },
      },
    ],
    ['an error beside text', CHAT, { ...chatAnswer(USED), error: { message: 'cut short' } }],
  ] as const)('%s → is an answer, charged by its usage', async (_what, [path, body], answer) => {
    await start();
    gateway.provider.answer = json(answer);
    const response = await gateway.post(path, body);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual(answer);
    expect(gateway.ledger.holds()[0].charged?.usd).toBe(6_000n);
  });
});

test('a stored response that failed without a usage → is an answer of status 200, and nothing is charged', async () => {
  await start();
  const answer = {
    id: 'r',
    object: 'response',
    status: 'failed',
    error: { code: 'server_error', message: 'oh' },
    output: [],
    usage: null,
  };
  gateway.provider.answer = json(answer);
  const response = await gateway.post(...RESPONSES);
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual(answer);
  expect(gateway.ledger.holds()[0]).toMatchObject({ status: 'released', charged: { usd: 0n, calls: 1n } });
});

test('a whole answer behind a byte order mark → is read, and charged by its usage', async () => {
  await start();
  gateway.provider.answer = json(`\ufeff${JSON.stringify(chatAnswer(USED))}`);
  const response = await gateway.post(...CHAT);
  expect(response.status).toBe(200);
  await response.text();
  expect(gateway.ledger.holds()[0].charged?.usd).toBe(6_000n);
});

test('an error that repeats a name which its caller chose → is not taken for what that name says', async () => {
  await start({
    routes: '\n  - { model: "tuned-*", candidates: [{ provider: main }] }',
    prices: '\n  - { provider: main, model: "tuned-*", input: "1", output: "10", contextWindow: 1000 }',
  });
  const model = 'tuned-insufficient_quota';
  gateway.provider.answer = json({ error: { message: `You may not use the model ${model}.` } }, 403);
  await gateway.post(CHAT[0], { ...CHAT[1], model });
  gateway.provider.answer = json(chatAnswer(USED));
  expect((await gateway.post(...CHAT)).status).toBe(200);
});

describe('an error hidden in an answer, with another candidate', () => {
  const both = (body: object) => gateway.post(CHAT[0], { ...CHAT[1], model: 'both', ...body });
  const first = (answer: Answer) => {
    gateway.provider.answer = (call, response) =>
      call.path.startsWith('/spare') ? json(chatAnswer(USED))(call, response) : answer(call, response);
  };

  test.each([
    ['in a whole answer', {}, json({ error: { code: 502, message: 'Provider returned error: overloaded' } })],
    [
      'as Gemini states it',
      {},
      json([{ error: { code: 503, status: 'UNAVAILABLE', message: 'try later' } }]),
    ],
    ['as Anthropic states it', {}, json(OVERLOADED)],
    ['in words that no pattern knows', {}, json({ errors: [{ message: 'bad gateway' }] })],
    ['in a stream, in such words', { stream: true }, events([{ error: { message: 'oh' } }])],
  ] as const)('%s → the next candidate answers, and is charged alone', async (_what, body, answer) => {
    await start();
    first(answer);
    const response = await both(body);
    expect(response.status).toBe(200);
    expect(response.headers.get('bursar-provider')).toBe('spare');
    expect(gateway.ledger.holds().map(({ status, charged }) => [status, charged?.usd])).toEqual([
      ['reversed', 0n],
      ['settled', 12_000n],
    ]);
    expect((await gateway.events('spend_recorded')).length).toBe(0);
  });

  test.each([
    ['a whole answer', {}, json({ error: { code: 429, message: 'Provider returned error' } })],
    ['a stream', { stream: true }, events([{ error: { code: 429, message: 'Provider returned error' } }])],
  ] as const)('a 429 hidden in %s → throttles', async (_what, body, answer) => {
    await start();
    first(answer);
    await (await both(body)).text();
    expect(gateway.logged.map(({ message }) => message)).toContain('a provider throttles a model');
  });

  test('a 200 after a failover → carries no header of the provider that failed', async () => {
    await start();
    first(
      json({ error: { message: 'slow down, resets in 20s' } }, 429, {
        'retry-after': '20',
        'x-request-id': 'theirs',
        'x-should-retry': 'true',
      }),
    );
    for (const body of [{}, { stream: true }]) {
      const response = await both(body);
      expect(response.status).toBe(200);
      for (const name of ['retry-after', 'retry-after-ms', 'x-should-retry'])
        expect([name, response.headers.get(name)]).toEqual([name, null]);
      expect(response.headers.get('x-request-id')).not.toBe('theirs');
      await response.text();
    }
  });
});
