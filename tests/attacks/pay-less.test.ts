// Callers who try to pay less than the provider bills: they leave at every event of a stream and at moments of an answer in
// one piece, in each dialect, with hidden reasoning, stored context, files, images by URL, billed tools and several
// choices; while streams are cut, attempts fail over, and the server stops. The provider keeps its own bill. What is
// charged is never below it by more than docs/gateway.md allows, and equal to it where the usage is stated and read on.

import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LedgerEvent } from '#bursar/core/outcomes.js';
import { type Gateway, type GatewayOptions, startGateway } from '../gateway/gateway-fixture.js';
import {
  type AfterLeave,
  BillingProvider,
  chatScript,
  LAG_STEPS,
  messageScript,
  RATES,
  responseScript,
  type Script,
} from './billing-provider.js';

const BUDGETS = '  - { id: day, match: { tenant: acme }, unit: usd, limit: "100000", window: day }';
const SILENT = '\n  - { id: silent, match: { provider: silent }, unit: usd, limit: "100000", window: day }';
const MODELS: NonNullable<GatewayOptions['models']> = [
  { models: ['think*'], outputTokensMax: null, thinking: 'unseen', thinksUnasked: true },
  { models: ['*'], outputTokensMax: null, thinking: 'never', thinksUnasked: false },
];
const PRICED = 'input: "1", output: "10", webSearch: "25", contextWindow: 400000, outputTokensMax: 32000';
const PRICES = ['main', 'spare', 'claude']
  .flatMap((provider) =>
    ['plain', 'thinker'].map((model) => `\n  - { provider: ${provider}, model: ${model}, ${PRICED} }`),
  )
  .join('');
const PROVIDERS = `
  silent: { dialect: openai, baseUrl: "PROVIDER/silent", pricedAs: main, firstByteTimeout: 300ms }
`;
const ROUTES = `
  - { model: failing, candidates: [{ provider: silent, model: thinker }, { provider: spare, model: thinker }] }
  - { model: plain, candidates: [{ provider: main }, { provider: claude }] }
  - { model: thinker, candidates: [{ provider: main }, { provider: claude }] }
`;

const clock = { now: () => Date.now() };

const CHAT = '/openai/v1/chat/completions';
const RESPONSES = '/openai/v1/responses';
const MESSAGES = '/anthropic/v1/messages';
const HI = [{ role: 'user', content: 'hello there' }];
const SEARCH = { type: 'web_search' };
const PDF = { type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } };
const IMAGE = { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } };
const FILE = { type: 'input_file', file_id: 'file-1' };
const IMAGE_PART = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } };
const user = (...content: object[]) => [{ role: 'user', content }];

interface Attack {
  readonly what: string;
  readonly path: string;
  readonly body: object;
  readonly script: Script;
  /** Whether everything that is billed can be seen as it comes: then leaving stops the provider, and saves money. */
  readonly isSeen?: true;
}

/** Below the likely input of the requests, so that what is missing of a charge is not made up for by an estimate. */
const FEW = 100;

const ATTACKS: readonly Attack[] = [
  {
    what: 'a plain chat',
    path: CHAT,
    body: { model: 'plain', messages: HI },
    script: chatScript(FEW),
    isSeen: true,
  },
  {
    what: 'two choices',
    path: CHAT,
    body: { model: 'plain', n: 2, messages: HI },
    script: chatScript(FEW, { choices: 2 }),
    isSeen: true,
  },
  {
    what: 'a chat with hidden reasoning',
    path: CHAT,
    body: { model: 'thinker', messages: HI },
    script: chatScript(FEW, { thinking: 20_000 }),
  },
  {
    what: 'a chat with an image by URL',
    path: CHAT,
    body: { model: 'plain', messages: user({ type: 'text', text: 'what?' }, IMAGE_PART) },
    script: chatScript(1_200),
  },
  {
    what: 'a plain response',
    path: RESPONSES,
    body: { model: 'plain', input: 'hello there' },
    script: responseScript(FEW),
    isSeen: true,
  },
  {
    what: 'a response with hidden reasoning',
    path: RESPONSES,
    body: { model: 'thinker', input: 'hello there' },
    script: responseScript(FEW, { thinking: 20_000 }),
  },
  {
    what: 'a response on stored context',
    path: RESPONSES,
    body: { model: 'plain', input: 'hi', previous_response_id: 'resp_1' },
    script: responseScript(380_000),
  },
  {
    what: 'a response of a conversation',
    path: RESPONSES,
    body: { model: 'plain', input: 'hi', conversation: 'conv_1' },
    script: responseScript(200_000),
  },
  {
    what: 'a response with a file by id',
    path: RESPONSES,
    body: { model: 'plain', input: user(FILE) },
    script: responseScript(90_000),
  },
  {
    what: 'a response that searches',
    path: RESPONSES,
    body: { model: 'plain', input: 'hello there', tools: [SEARCH], max_tool_calls: 2 },
    script: responseScript(FEW, { searches: 2 }),
  },
  {
    what: 'a plain message',
    path: MESSAGES,
    body: { model: 'plain', max_tokens: 4_000, messages: HI },
    script: messageScript(FEW),
    isSeen: true,
  },
  {
    what: 'a message with hidden thinking',
    path: MESSAGES,
    body: {
      model: 'thinker',
      max_tokens: 30_000,
      thinking: { type: 'enabled', budget_tokens: 20_000 },
      messages: HI,
    },
    script: messageScript(FEW, { thinking: 20_000 }),
  },
  {
    what: 'a message with a document by URL',
    path: MESSAGES,
    body: { model: 'plain', max_tokens: 4_000, messages: user(PDF) },
    script: messageScript(90_000),
    // Its stream states the input as it begins.
    isSeen: true,
  },
  {
    what: 'a message with an image by URL',
    path: MESSAGES,
    body: { model: 'plain', max_tokens: 4_000, messages: user(IMAGE) },
    script: messageScript(1_500),
    // Its stream states the input as it begins.
    isSeen: true,
  },
  {
    what: 'a message that searches',
    path: MESSAGES,
    body: {
      model: 'plain',
      max_tokens: 4_000,
      messages: HI,
      tools: [{ type: 'web_search_20250305', name: 'web_search', max_uses: 2 }],
    },
    script: messageScript(FEW, { searches: 2 }),
  },
];

let gateway: Gateway;

const open = async (more = '') => {
  gateway = await startGateway({
    budgets: BUDGETS + SILENT,
    providers: PROVIDERS,
    models: MODELS,
    prices: PRICES,
    routes: ROUTES,
    clock,
    more,
  });
};
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await pause(2);
}

interface Outcome {
  readonly charged: bigint;
  readonly billed: bigint;
  readonly estimated: boolean;
  readonly isStopped: boolean;
}

interface Leaving {
  /** Once so many events have come; 0: with the head. */
  readonly events?: number;
  /** After so long, once the provider was asked. */
  readonly ms?: number;
  readonly isAsked?: () => boolean;
}

/** Calls, and hangs up as told. Resolves when the connection is gone, or the answer has ended. */
async function leaves(path: string, body: object, { events, ms, isAsked }: Leaving): Promise<void> {
  const headers = { authorization: `Bearer ${gateway.key}` };
  const sent = request(gateway.url + path, { method: 'POST', headers, agent: false });
  const gone = new Promise<void>((resolve) => {
    sent.on('error', () => resolve()).on('close', () => resolve());
  });
  sent.on('response', (response) => {
    let seen = 0;
    if (events === 0) sent.destroy();
    response.on('error', () => undefined);
    response.on('data', (bytes: Buffer) => {
      seen += bytes.toString().split('\n\n').length - 1;
      if (events !== undefined && seen >= events) sent.destroy();
    });
  });
  sent.end(JSON.stringify(body));
  if (ms !== undefined) {
    await pause(ms);
    await until(isAsked ?? (() => true));
    sent.destroy();
  }
  await gone;
}

/** Calls, and leaves once `leaves` says so of how many events came and how long it has been. */
async function attack(
  { path, body, script }: Pick<Attack, 'path' | 'body' | 'script'>,
  how: {
    readonly stream: boolean;
    readonly events?: number;
    readonly ms?: number;
    readonly afterLeave: AfterLeave;
  },
): Promise<Outcome> {
  const provider = new BillingProvider(script, how.afterLeave);
  gateway.provider.answer = provider.answer;
  await leaves(path, { ...body, stream: how.stream }, { ...how, isAsked: () => provider.bills.length > 0 });
  await gateway.settled();
  await until(() => provider.isIdle);
  const settled = (await gateway.events('hold_settled')).at(-1) as LedgerEvent;
  const { charged, note } = settled.details as { charged: { usd: bigint }; note: string };
  const [bill] = provider.bills;
  return {
    charged: charged.usd,
    billed: BigInt(bill.steps),
    isStopped: bill.isStopped,
    estimated: JSON.parse(note).estimated,
  };
}

/** What a stopped provider generates before it notices: the dearest steps of the script. */
function lagAllowance({ steps }: Script): bigint {
  const dearest = Math.max(...steps.slice(1).map(({ output = 0 }) => output));
  // One more may have been on its way when the caller left.
  return BigInt((LAG_STEPS + 1) * dearest * RATES.output);
}

describe('a caller who leaves a stream', () => {
  beforeAll(() => open());
  afterAll(() => gateway.close());

  test.each(ATTACKS)('$what, at each of its events → pays what the provider bills', async (tried) => {
    const events = tried.script.steps.length;
    for (const afterLeave of ['stops', 'goes_on'] as const) {
      const outcomes: Outcome[] = [];
      for (let at = 0; at <= events + 1; at += 1)
        outcomes.push(await attack(tried, { stream: true, events: at, afterLeave }));
      for (const [at, { charged, billed, estimated, isStopped }] of outcomes.entries()) {
        const about = `${tried.what}, left at ${at}, the provider ${afterLeave}`;
        if (!estimated) expect(charged, about).toBe(billed);
        else if (tried.isSeen && afterLeave === 'stops')
          expect(charged, about).toBeGreaterThanOrEqual(billed - lagAllowance(tried.script));
        // A provider that bills on after it was disconnected is the operator's to know: what was seen is charged.
        else if (!tried.isSeen) expect(charged, about).toBeGreaterThanOrEqual(billed);
        if (isStopped) expect(estimated, about).toBe(true);
      }
      // An honest stop saves money where the model does not think unseen.
      if (tried.isSeen && afterLeave === 'stops') {
        expect(outcomes[1].isStopped).toBe(true);
        expect(outcomes[1].billed).toBeLessThan(outcomes[events + 1].billed);
        expect(outcomes[1].charged).toBeLessThan(outcomes[events + 1].charged);
      }
    }
  });

  test.each(ATTACKS)(
    '$what in one piece, at several moments → pays exactly what the provider bills',
    async (tried) => {
      for (const ms of [0, 6, 15, 60]) {
        const { charged, billed, isStopped } = await attack(tried, {
          stream: false,
          ms,
          afterLeave: 'stops',
        });
        expect(isStopped, `${tried.what}, left after ${ms} ms`).toBe(false);
        expect(charged, `${tried.what}, left after ${ms} ms`).toBe(billed);
      }
    },
  );

  test('240 callers at once, each as the usage is about to come → the sum is the provider’s', async () => {
    const tried = ATTACKS.find(({ what }) => what === 'a chat with hidden reasoning') as Attack;
    const provider = new BillingProvider(tried.script, 'goes_on');
    gateway.provider.answer = provider.answer;
    const before = gateway.ledger.balances({ budgetId: 'day' })[0].spent;
    await Promise.all(
      Array.from({ length: 240 }, () =>
        leaves(tried.path, { ...tried.body, stream: true }, { events: tried.script.steps.length }),
      ),
    );
    await gateway.settled();
    await until(() => provider.isIdle);
    const billed = provider.bills.reduce((sum, { steps }) => sum + steps, 0);
    expect(gateway.ledger.balances({ budgetId: 'day' })[0].spent - before).toBe(BigInt(billed));
  });
});

describe('a caller who leaves, where nothing is read on', () => {
  // The floor then rests on what is held: also of files by their id, which are held at what is expected of them elsewhere.
  beforeAll(() => open('gateway: { readOn: 0s, storedInputTokens: 10000000 }'));
  afterAll(() => gateway.close());

  test.each(ATTACKS.filter(({ isSeen }) => !isSeen))(
    '$what → the floor is at least what the provider bills',
    async (tried) => {
      for (const stream of [true, false]) {
        for (const at of [1, 3]) {
          const how = stream ? { events: at } : { ms: 6 * at };
          const { charged, billed } = await attack(tried, { stream, ...how, afterLeave: 'goes_on' });
          expect(charged, `${tried.what}, left at ${at}, streamed ${stream}`).toBeGreaterThanOrEqual(billed);
        }
      }
    },
  );
});

describe('a caller who is cut off, or whose server stops', () => {
  test.each(ATTACKS.filter(({ path, isSeen }) => path === CHAT || isSeen !== true))(
    '$what with cutStreams → pays what the provider bills',
    async (tried) => {
      await open('gateway: { cutStreams: true }');
      // Below what is generated visibly, so that the stream is cut.
      const limit =
        tried.path === CHAT
          ? { max_tokens: 100 }
          : tried.path === MESSAGES
            ? { max_tokens: 100 }
            : { max_output_tokens: 100 };
      const body = {
        ...tried.body,
        ...limit,
        ...('thinking' in tried.body
          ? { thinking: { type: 'enabled', budget_tokens: 1_024 }, max_tokens: 1_100 }
          : {}),
      };
      const { charged, billed, estimated } = await attack(
        { ...tried, body },
        { stream: true, afterLeave: 'goes_on' },
      );
      if (tried.isSeen !== true) expect([charged, estimated]).toEqual([billed, false]);
      await gateway.close();
    },
  );

  test.each(ATTACKS)(
    '$what and the server stops at once → at least what was billed by then is charged',
    async (tried) => {
      await open('gateway: { storedInputTokens: 10000000 }');
      const provider = new BillingProvider(tried.script, 'stops');
      gateway.provider.answer = provider.answer;
      const gone = leaves(tried.path, { ...tried.body, stream: true }, {});
      await until(() => provider.bills.length > 0);
      await pause(12);
      await gateway.server.endAll();
      await gone;
      await until(() => provider.isIdle);
      const allowance = tried.isSeen === true ? lagAllowance(tried.script) : 0n;
      const charged = gateway.ledger.holds()[0].charged?.usd ?? 0n;
      expect(charged).toBeGreaterThanOrEqual(BigInt(provider.bills[0].steps) - allowance);
      await gateway.close();
    },
  );
});

describe('a caller whose call fails over', () => {
  beforeAll(() => open());
  afterAll(() => gateway.close());

  test('and who leaves the second attempt at each of its events → both providers have what they bill', async () => {
    const script = chatScript(FEW, { thinking: 20_000 });
    const body = { model: 'failing', stream: true, messages: HI, max_tokens: 21_000 };
    // The first one thinks, and bills, and never answers.
    const lost = BigInt(FEW * RATES.input + 20_000 * RATES.output);
    for (let at = 0; at <= script.steps.length; at += 2) {
      const spare = new BillingProvider(script, 'goes_on');
      gateway.provider.answer = (call, response) =>
        call.path.startsWith('/silent') ? undefined : spare.answer(call, response);
      const before = spentOf('silent');
      await leaves(CHAT, body, { events: at });
      await gateway.settled();
      await until(() => spare.isIdle);
      expect(spentOf('silent') - before).toBeGreaterThanOrEqual(lost);
      expect(gateway.ledger.holds().at(-1)?.charged?.usd).toBe(BigInt(spare.bills[0].steps));
    }
  });
});

const spentOf = (budgetId: string) => gateway.ledger.balances({ budgetId })[0]?.spent ?? 0n;
