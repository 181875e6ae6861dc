// A caller who leaves, or is cut off (rule Q9): where all that is billed was seen, the provider is stopped at once and what
// was seen is charged; elsewhere it is read on for its usage for a bounded time, with the hold kept. Then the larger of
// what was seen and the floor is charged. Prices: small 1 and 10 USD a million tokens, claude 3 and 15.

import type { ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type Answer,
  chatAnswer,
  chatChunk,
  DONE,
  type Gateway,
  type GatewayOptions,
  json,
  startGateway,
} from '../gateway-fixture.js';

const BUDGETS = '  - { id: day, match: { tenant: acme }, unit: usd, limit: "1000", window: day }';
const MODELS: NonNullable<GatewayOptions['models']> = [
  { models: ['think*'], outputTokensMax: null, thinking: 'unseen', thinksUnasked: true },
  { models: ['*'], outputTokensMax: null, thinking: 'never', thinksUnasked: false },
];
const PRICED = 'input: "1", output: "10", webSearch: "25", contextWindow: 100000, outputTokensMax: 8000';
const PRICES = `
  - { provider: main, model: thinker, ${PRICED} }
  - { provider: main, model: searcher, ${PRICED} }
`;
const ROUTES = `
  - { model: thinker, candidates: [{ provider: main }] }
  - { model: searcher, candidates: [{ provider: main }] }
`;
const HI = [{ role: 'user', content: 'hi' }];
const CHAT = '/openai/v1/chat/completions';
const RESPONSES = '/openai/v1/responses';
const MESSAGES = '/anthropic/v1/messages';
const TEXT = chatChunk('x'.repeat(400));
const USED = { prompt_tokens: 10, completion_tokens: 7_000, total_tokens: 7_010 };
const LAST = { ...chatChunk(''), choices: [], usage: USED };
/** 10 × 1 and 7,000 × 10 USD a million. */
const USED_STEPS = 1_000n + 7_000_000n;
const MESSAGE_START = {
  type: 'message_start',
  message: { id: 'm', role: 'assistant', content: [], usage: { input_tokens: 20_000, output_tokens: 1 } },
};

let now = 1_764_590_400_000;
let gateway: Gateway;
afterEach(() => gateway.close());

async function start(options: Partial<GatewayOptions> = {}): Promise<void> {
  gateway = await startGateway({
    budgets: BUDGETS,
    models: MODELS,
    prices: PRICES,
    routes: ROUTES,
    clock: { now: () => now },
    ...options,
  });
}

const tick = (ms = 2) => new Promise((resolve) => setTimeout(resolve, ms));
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await tick();
}

/** A provider that sends what the test says, when it says so. */
class Script {
  response: ServerResponse | null = null;
  isGone = false;
  readonly answer: Answer = (call, response) => {
    this.response = response;
    void call.aborted.then(() => {
      this.isGone = true;
    });
  };

  constructor(private readonly type = 'text/event-stream') {}

  async send(...list: readonly unknown[]): Promise<void> {
    await until(() => this.response !== null);
    const response = this.response as ServerResponse;
    if (!response.headersSent) response.writeHead(200, { 'content-type': this.type });
    for (const event of list)
      response.write(typeof event === 'string' ? event : `data: ${JSON.stringify(event)}\n\n`);
    await tick(10);
  }

  end(): void {
    this.response?.end();
  }
}

interface Caller {
  leave(): Promise<void>;
}

/** Calls, and waits for its first byte where the provider sends one. */
async function call(path: string, body: object, sent: Script, first: readonly unknown[]): Promise<Caller> {
  gateway.provider.answer = sent.answer;
  const leaving = new AbortController();
  const answer = fetch(gateway.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.key}` },
    body: JSON.stringify(body),
    signal: leaving.signal,
  });
  answer.catch(() => undefined);
  await until(() => sent.response !== null);
  if (first.length > 0) {
    await sent.send(...first);
    await (await answer).body?.getReader().read();
  }
  return {
    async leave() {
      leaving.abort();
      await tick(40);
    },
  };
}

const chat = (model: string, more: object = {}) => ({ model, messages: HI, stream: true, ...more });
const hold = () => gateway.ledger.holds()[0];

/** The floor, which the hold states at its authorisation for when it expires. */
async function floor(): Promise<bigint> {
  const [opened] = await gateway.events('hold_authorized');
  return (opened.details as { onExpiry: { charge: { usd: bigint } } }).onExpiry.charge.usd;
}

async function note(): Promise<Record<string, unknown>> {
  const settled = (await gateway.events('hold_settled')).at(-1);
  return JSON.parse(String(settled?.details.note));
}

const PDF_URL = { type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } };
const SEEN: readonly (readonly [string, string, object, readonly unknown[], bigint])[] = [
  ['a model that never thinks', CHAT, chat('small'), [TEXT], 100n * 1_000n],
  [
    'several choices',
    CHAT,
    chat('small', { n: 2 }),
    [TEXT, { ...TEXT, choices: [{ index: 1, delta: { content: 'y'.repeat(400) } }] }],
    200n * 1_000n,
  ],
  [
    'a response',
    RESPONSES,
    { model: 'small', input: 'hi', stream: true },
    [{ type: 'response.output_text.delta', delta: 'x'.repeat(400) }],
    100n * 1_000n,
  ],
];

const UNSEEN: readonly (readonly [string, string, object, readonly unknown[]])[] = [
  ['a model that may think unseen', CHAT, chat('thinker'), [TEXT]],
  [
    'a response of such a model',
    RESPONSES,
    { model: 'thinker', input: 'hi', stream: true },
    [{ type: 'response.output_text.delta', delta: 'Hi' }],
  ],
  [
    'a stored conversation',
    RESPONSES,
    { model: 'small', input: 'hi', stream: true, previous_response_id: 'resp_1' },
    [{ type: 'response.output_text.delta', delta: 'Hi' }],
  ],
  [
    'a file by id',
    RESPONSES,
    {
      model: 'small',
      stream: true,
      input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'file-1' }] }],
    },
    [{ type: 'response.output_text.delta', delta: 'Hi' }],
  ],
  [
    'a billed tool',
    RESPONSES,
    { model: 'searcher', input: 'hi', stream: true, tools: [{ type: 'web_search' }] },
    [{ type: 'response.output_text.delta', delta: 'Hi' }],
  ],
  [
    'a document by URL, before its size is stated',
    MESSAGES,
    { model: 'claude', max_tokens: 100, stream: true, messages: [{ role: 'user', content: [PDF_URL] }] },
    [],
  ],
  ['an answer in one piece', CHAT, { ...chat('small'), stream: false }, []],
  ['embeddings', '/openai/v1/embeddings', { model: 'small', input: 'hi' }, []],
];

describe('a caller who leaves', () => {
  test.each(SEEN)(
    '%s → the provider is stopped at once, and what was seen is charged',
    async (_what, path, body, first, output) => {
      await start();
      const sent = new Script();
      const caller = await call(path, body, sent, first);
      await caller.leave();
      await gateway.settled();
      expect(sent.isGone).toBe(true);
      expect(hold()).toMatchObject({ status: 'settled', ending: 'cancelled' });
      expect(hold().charged?.usd).toBe((await floor()) - 50n * 1_000n + output);
    },
  );

  test('a provider that has stated its input → pays for that input, and the provider is stopped', async () => {
    await start();
    const sent = new Script();
    const body = {
      model: 'claude',
      max_tokens: 100,
      stream: true,
      messages: [{ role: 'user', content: [PDF_URL] }],
    };
    const delta = {
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'text_delta', text: 'x'.repeat(400) },
    };
    const caller = await call(MESSAGES, body, sent, [MESSAGE_START, delta]);
    await caller.leave();
    await gateway.settled();
    expect(sent.isGone).toBe(true);
    expect(hold().charged?.usd).toBe(20_000n * 300n + 100n * 1_500n);
  });

  test.each(UNSEEN)(
    '%s → the provider is read on, and stopped when the time is up: the floor is charged',
    async (_what, path, body, first) => {
      await start();
      const sent = new Script();
      const caller = await call(path, body, sent, first);
      await caller.leave();
      expect([sent.isGone, gateway.server.openCalls]).toEqual([false, 1]);
      now += 29_000;
      await tick(1_100);
      expect(sent.isGone).toBe(false);
      now += 2_000;
      await gateway.settled();
      await until(() => sent.isGone);
      expect(hold()).toMatchObject({ status: 'settled', ending: 'cancelled' });
      expect(hold().charged?.usd).toBe(await floor());
      expect(await note()).toMatchObject({ end: 'cancelled', estimated: true });
    },
  );

  test('a provider that is read on and states its usage → exactly that is charged', async () => {
    await start();
    const sent = new Script();
    const caller = await call(CHAT, chat('thinker'), sent, [TEXT]);
    await caller.leave();
    await sent.send({ ...TEXT, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }, LAST, DONE);
    sent.end();
    await gateway.settled();
    expect(hold().charged?.usd).toBe(USED_STEPS);
    expect(await note()).toMatchObject({ end: 'cancelled', estimated: false });
  });

  test('an answer in one piece that is read on → exactly its usage is charged', async () => {
    await start();
    const sent = new Script('application/json');
    const caller = await call(CHAT, { ...chat('thinker'), stream: false }, sent, []);
    await caller.leave();
    await sent.send(JSON.stringify(chatAnswer(USED)));
    sent.end();
    await gateway.settled();
    expect(hold()).toMatchObject({ ending: 'cancelled', charged: { usd: USED_STEPS } });
  });

  test('the floor of unseen parts → is what was held for them', async () => {
    await start();
    const sent = new Script();
    const caller = await call(CHAT, chat('thinker', { max_tokens: 3_000 }), sent, [TEXT]);
    expect(await floor()).toBeGreaterThan(3_000n * 1_000n);
    await caller.leave();
    now += 31_000;
    await gateway.settled();
    expect(hold().charged?.usd).toBe(await floor());
  });

  test.each([
    ['a chat', CHAT, chat('told', { reasoning_effort: 'none' }), [TEXT]],
    [
      'a response',
      RESPONSES,
      { model: 'told', input: 'hi', stream: true, reasoning: { effort: 'none' } },
      [{ type: 'response.output_text.delta', delta: 'Hi' }],
    ],
  ] as const)(
    'a model that was told not to think, in %s → is stopped at once',
    async (_what, path, body, first) => {
      // Only a provider that is known to heed these fields is believed.
      await start({
        providers: '  known: { profile: openai, baseUrl: "PROVIDER" }',
        routes: `${ROUTES}  - { model: told, candidates: [{ provider: known, model: thinker }] }`,
        prices: `${PRICES}  - { provider: known, model: thinker, ${PRICED} }`,
      });
      const sent = new Script();
      const caller = await call(path, body, sent, first);
      await caller.leave();
      await gateway.settled();
      expect(sent.isGone).toBe(true);
    },
  );

  test('the usage has been stated already → the provider is stopped, and that is charged', async () => {
    await start();
    const sent = new Script();
    const stop = { ...TEXT, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };
    const caller = await call(CHAT, chat('thinker'), sent, [TEXT, stop, LAST]);
    await caller.leave();
    await gateway.settled();
    expect(hold().charged?.usd).toBe(USED_STEPS);
  });

  test('the provider fails while it is read on → an explicit error without output costs nothing, a break the floor', async () => {
    await start();
    for (const fails of ['error', 'break'] as const) {
      const sent = new Script('application/json');
      const caller = await call(CHAT, { ...chat('thinker'), stream: false }, sent, []);
      await caller.leave();
      if (fails === 'break') sent.response?.destroy();
      else json({ error: { message: 'overloaded' } }, 529)({} as never, sent.response as ServerResponse);
      await gateway.settled();
      const ended = gateway.ledger.holds().at(-1);
      expect(ended).toMatchObject(
        fails === 'error'
          ? { status: 'released', charged: { usd: 0n } }
          : { status: 'settled', charged: { usd: await floor() } },
      );
    }
  });

  test('a hold that is read on → is kept alive', async () => {
    await start({ more: 'gateway: { holdTtl: 20s }' });
    const sent = new Script();
    const caller = await call(CHAT, chat('thinker'), sent, [TEXT]);
    await caller.leave();
    now += 12_000;
    await until(() => (hold().expiresAt ?? 0) >= now + 19_000);
    now += 10_000;
    await tick(1_100);
    expect(hold().status).toBe('open');
    await sent.send(LAST, DONE);
    sent.end();
    await gateway.settled();
    expect(hold().charged?.usd).toBe(USED_STEPS);
  });

  test('a hold that expired while it was read on → the late usage takes the place of the floor', async () => {
    await start({ more: 'gateway: { holdTtl: 20s, readOn: 10m }' });
    const sent = new Script();
    const caller = await call(CHAT, chat('thinker'), sent, [TEXT]);
    await caller.leave();
    // The process stood still: no sweep came in between.
    now += 60_000;
    await gateway.ledger.check({ labels: { tenant: 'acme' } });
    await sent.send(LAST, DONE);
    sent.end();
    await gateway.settled();
    expect(gateway.ledger.balances({ budgetId: 'day' })[0]).toMatchObject({ spent: USED_STEPS, held: 0n });
  });

  test('readOn: 0s, or more calls than readOnCallsMax → the provider is stopped at once, and the floor is charged', async () => {
    for (const more of ['gateway: { readOn: 0s }', 'gateway: { readOnCallsMax: 1 }']) {
      await start({ more });
      const first = new Script();
      await (await call(CHAT, chat('thinker'), first, [TEXT])).leave();
      const second = new Script();
      await (await call(CHAT, chat('thinker'), second, [TEXT])).leave();
      await until(() => second.isGone);
      expect(first.isGone).toBe(more.includes('0s'));
      now += 31_000;
      await gateway.settled();
      for (const { charged } of gateway.ledger.holds()) expect(charged?.usd).toBe(await floor());
      await gateway.close();
    }
    await start();
  });
});

test('a call that was read on, however it ended → makes room for another one', async () => {
  await start({ more: 'gateway: { readOnCallsMax: 1 }' });
  for (const ends of ['time', 'usage', 'time'] as const) {
    const sent = new Script();
    await (await call(CHAT, chat('thinker'), sent, [TEXT])).leave();
    expect(sent.isGone).toBe(false);
    if (ends === 'usage') {
      await sent.send(LAST, DONE);
      sent.end();
    } else now += 31_000;
    await gateway.settled();
  }
});

describe('a stream that is cut', () => {
  const more = 'gateway: { cutStreams: true }';
  const long = Array.from({ length: 10 }, () => TEXT);

  test('of a model that may think unseen → ends for its caller, is read on, and its usage is charged', async () => {
    await start({ more });
    const sent = new Script();
    gateway.provider.answer = sent.answer;
    const answer = gateway.post(CHAT, chat('thinker', { max_tokens: 500 }));
    await sent.send(...long);
    const text = await (await answer).text();
    expect(text).toContain('"finish_reason":"length"');
    expect(text.endsWith(DONE)).toBe(true);
    expect([sent.isGone, gateway.server.openCalls]).toEqual([false, 1]);
    await sent.send(LAST, DONE);
    sent.end();
    await gateway.settled();
    expect(hold()).toMatchObject({ ending: 'cancelled', charged: { usd: USED_STEPS } });
  });

  test('of a model that never thinks → the provider is stopped at once', async () => {
    await start({ more });
    const sent = new Script();
    gateway.provider.answer = sent.answer;
    const answer = gateway.post(CHAT, chat('small', { max_tokens: 500 }));
    await sent.send(...long);
    await (await answer).text();
    await gateway.settled();
    await until(() => sent.isGone);
    expect(hold().charged?.usd).toBe((await floor()) - 50_000n + 500_000n);
  });
});

describe('a server that stops', () => {
  test('reads on within its deadline, and then charges the larger of what was seen and the floor', async () => {
    await start();
    const [left, heard] = [new Script(), new Script()];
    await (await call(CHAT, chat('thinker'), left, [TEXT])).leave();
    await call(CHAT, chat('small'), heard, [TEXT]);
    gateway.drain();
    await tick(20);
    expect([left.isGone, heard.isGone, gateway.server.openCalls]).toEqual([false, false, 2]);
    await gateway.server.endAll();
    await until(() => left.isGone && heard.isGone);
    const [first, second] = gateway.ledger.holds();
    expect(first.charged?.usd).toBe(await floor());
    expect(second).toMatchObject({ status: 'settled', ending: 'cancelled' });
    expect(second.charged?.usd).toBeGreaterThan(100n * 1_000n);
  });
});

describe('a model that nobody knows', () => {
  const HEAD =
    'data: {"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":0,"total_tokens":100}}\n\n';
  const TEXTS = Array.from({ length: 20 }, () => chatChunk('x'.repeat(200)));

  test('unknown model: the provider breaks off → what came is charged', async () => {
    await start({ models: [] });
    gateway.provider.answer = async (_call, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(HEAD);
      for (const chunk of TEXTS) response.write(`data: ${JSON.stringify(chunk)}\n\n`);
      setTimeout(() => response.destroy(), 20);
    };
    const answer = await gateway.post(CHAT, { model: 'small', messages: HI, stream: true });
    await expect(answer.text()).rejects.toThrow();
    await gateway.settled();
    // 100 × 100 and 1,000 × 1,000 steps: 4,000 characters are 1,000 tokens.
    expect(hold().charged?.usd).toBe(1_010_000n);
  });

  test('unknown model: its caller leaves → the provider is read on, and its usage is charged', async () => {
    await start({ models: [] });
    const sent = new Script();
    const caller = await call(CHAT, { model: 'small', messages: HI, stream: true }, sent, [TEXT]);
    await caller.leave();
    expect(sent.isGone).toBe(false);
    await sent.send(
      { ...chatChunk(''), choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
      LAST,
      DONE,
    );
    sent.end();
    await gateway.settled();
    expect(hold().charged?.usd).toBe(USED_STEPS);
  });
});
