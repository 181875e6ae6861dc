// Every way in which a call of the gateway ends, as one table: what the caller sees, how the hold ends, and what is charged
// (rule Q9; field problems 7, 14, 15, 18). Prices: small 1 and 10 USD a million tokens, claude 3 and 15.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Answer,
  chatAnswer,
  chatChunk,
  DONE,
  events,
  type Gateway,
  json,
  startGateway,
} from '../gateway-fixture.js';

const BUDGETS = `
  - { id: day, match: { tenant: acme }, unit: usd, limit: "1000", window: day }
  - { id: calls, match: { tenant: acme }, unit: calls, limit: "100000", window: day }
`;
const PROVIDERS = `
  impatient: { dialect: openai, baseUrl: "PROVIDER", pricedAs: main, firstByteTimeout: 300ms, idleTimeout: 300ms }
  down: { dialect: openai, baseUrl: "http://127.0.0.1:1", pricedAs: main }
  throttled: { dialect: openai, baseUrl: "PROVIDER", pricedAs: main }
  searcher: { dialect: openai, baseUrl: "PROVIDER" }
  keyless: { dialect: openai, baseUrl: "PROVIDER", pricedAs: main, keyFrom: NOT_SET }
`;
const ROUTES = `
  - { model: impatient, candidates: [{ provider: impatient, model: small }] }
  - { model: down, candidates: [{ provider: down, model: small }] }
  - { model: throttled, candidates: [{ provider: throttled, model: small }] }
  - { model: search, candidates: [{ provider: searcher }] }
  - { model: keyless, candidates: [{ provider: keyless, model: small }] }
`;

const OWN_PRICES = `
  - { provider: searcher, model: search, input: "1", output: "10", webSearch: "25", contextWindow: 100000, outputTokensMax: 8000 }
`;

const USAGE = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const ZERO = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
const LAST = { ...chatChunk(''), choices: [], usage: USAGE };
const RESPONSE = {
  id: 'r',
  object: 'response',
  status: 'completed',
  output: [],
  usage: { input_tokens: 10, output_tokens: 5 },
};
const MESSAGE = { id: 'm', type: 'message', role: 'assistant', content: [{ type: 'text', text: 'Hello.' }] };
const MESSAGE_USAGE = { input_tokens: 10, cache_read_input_tokens: 100, output_tokens: 5 };

const CHAT = [
  '/openai/v1/chat/completions',
  { model: 'small', messages: [{ role: 'user', content: 'hi' }] },
] as const;
const RESPONSES = ['/openai/v1/responses', { model: 'small', input: 'hi' }] as const;
const EMBEDDINGS = ['/openai/v1/embeddings', { model: 'small', input: 'hi' }] as const;
const MESSAGES = [
  '/anthropic/v1/messages',
  { model: 'claude', max_tokens: 100, messages: [{ role: 'user', content: 'hi' }] },
] as const;
const COUNT = [
  '/anthropic/v1/messages/count_tokens',
  { model: 'claude', messages: [{ role: 'user', content: 'hi' }] },
] as const;

function named(...list: { readonly type: string }[]): string[] {
  return list.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
}

const MESSAGE_START = {
  type: 'message_start',
  message: { ...MESSAGE, content: [], usage: { input_tokens: 10, output_tokens: 1 } },
};
const TEXT = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'x'.repeat(400) } };
const MESSAGE_END = [
  { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 5 } },
  { type: 'message_stop' },
];

interface Scenario {
  readonly title: string;
  readonly call: readonly [string, object];
  /** Laid over the body. */
  readonly with?: object;
  readonly answer?: Answer;
  /** When the caller leaves: before the answer, or at its first bytes. */
  readonly leaves?: 'at_once' | 'midway';
  /** What the caller sees: a status, and whether the body breaks off. */
  readonly sees?: number | 'broken';
  readonly hold: 'settled' | 'released' | 'reversed';
  /** Steps of usd; `estimate` is what the hold would have been charged had it expired. */
  readonly charged: bigint | 'estimate';
  readonly end?: string;
  readonly estimated?: boolean;
  /** Whether `charged` has the input in it. */
  readonly wholeCharge?: true;
  /** How the calls-budget counts it. */
  readonly calls?: 0n;
}

const never: Answer = () => undefined;
const stalls: Answer = (_call, response) =>
  void response.writeHead(200, { 'content-type': 'application/json' }).write('{');
const streamed = { stream: true };
const completed = { sees: 200, hold: 'settled', end: 'completed', estimated: false } as const;
const guessed = { hold: 'settled', charged: 'estimate', estimated: true } as const;

const SCENARIOS: readonly Scenario[] = [
  { title: 'chat, whole', call: CHAT, answer: json(chatAnswer(USAGE)), ...completed, charged: 6_000n },
  {
    title: 'chat, streamed',
    call: CHAT,
    with: streamed,
    answer: events([chatChunk('Hi'), LAST, DONE]),
    ...completed,
    charged: 6_000n,
  },
  { title: 'responses, whole', call: RESPONSES, answer: json(RESPONSE), ...completed, charged: 6_000n },
  {
    title: 'responses, streamed',
    call: RESPONSES,
    with: streamed,
    answer: events(named({ type: 'response.completed', response: RESPONSE } as { type: string })),
    ...completed,
    charged: 6_000n,
  },
  {
    title: 'embeddings',
    call: EMBEDDINGS,
    answer: json({ object: 'list', data: [], usage: { prompt_tokens: 10, total_tokens: 10 } }),
    ...completed,
    charged: 1_000n,
  },
  {
    title: 'messages, whole',
    call: MESSAGES,
    answer: json({ ...MESSAGE, usage: MESSAGE_USAGE }),
    ...completed,
    charged: 13_500n,
  },
  {
    title: 'messages, streamed',
    call: MESSAGES,
    with: streamed,
    answer: events(named(MESSAGE_START, TEXT, ...MESSAGE_END)),
    ...completed,
    charged: 10_500n,
  },
  { title: 'count_tokens', call: COUNT, answer: json({ input_tokens: 9 }), ...completed, charged: 0n },
  { title: 'a usage of zero', call: CHAT, answer: json(chatAnswer(ZERO)), ...completed, charged: 0n },
  {
    title: 'a usage of zero, streamed',
    call: CHAT,
    with: streamed,
    answer: events([chatChunk('Hi'), { ...LAST, usage: ZERO }, DONE]),
    ...completed,
    charged: 0n,
  },
  { title: 'no usage', call: CHAT, answer: json(chatAnswer()), ...guessed, sees: 200, end: 'completed' },
  {
    title: 'no usage, streamed',
    call: CHAT,
    with: streamed,
    answer: events([chatChunk('Hi'), DONE]),
    ...guessed,
    sees: 200,
    end: 'completed',
  },
  {
    title: 'more usage than was held',
    call: CHAT,
    with: { max_tokens: 1 },
    answer: json(chatAnswer({ prompt_tokens: 100_000, completion_tokens: 1_000 })),
    ...completed,
    charged: 11_000_000n,
  },
  {
    // 25 USD a thousand: the provider does not say whether it searched, so the one search that was held for is charged.
    title: 'a billed tool that the usage does not tell of',
    call: CHAT,
    with: { model: 'search', web_search_options: {} },
    answer: json(chatAnswer(USAGE)),
    sees: 200,
    hold: 'settled',
    charged: 6_000n + 2_500_000n,
    end: 'completed',
    estimated: true,
    wholeCharge: true,
  },
  {
    title: 'refused by the provider',
    call: CHAT,
    answer: json({ error: { message: 'bad' } }, 400),
    sees: 400,
    hold: 'released',
    charged: 0n,
  },
  {
    title: 'throttled by the provider',
    call: CHAT,
    with: { model: 'throttled' },
    answer: json({ error: { message: 'slow down, resets in 1s' } }, 429),
    sees: 429,
    hold: 'released',
    charged: 0n,
  },
  {
    title: 'a conflict at the provider',
    call: CHAT,
    answer: json({ error: { message: 'busy' } }, 409),
    sees: 502,
    hold: 'released',
    charged: 0n,
  },
  {
    title: 'the key refused by the provider',
    call: CHAT,
    answer: json({ error: { message: 'sk-…' } }, 401),
    sees: 502,
    hold: 'released',
    charged: 0n,
  },
  {
    title: 'redirected',
    call: CHAT,
    answer: json({}, 307, { location: 'http://127.0.0.1:9/' }),
    sees: 502,
    hold: 'released',
    charged: 0n,
  },
  {
    title: 'an error of the provider',
    call: CHAT,
    answer: json({ error: { message: 'oh' } }, 500),
    sees: 500,
    hold: 'released',
    charged: 0n,
  },
  {
    title: 'an answer that is no JSON',
    call: CHAT,
    answer: json('<html>'),
    ...guessed,
    sees: 502,
    end: 'malformed',
  },
  {
    title: 'an answer that breaks off',
    call: CHAT,
    answer: (_call, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      response.write('{"id":');
      setTimeout(() => response.destroy(), 20);
    },
    ...guessed,
    sees: 502,
    end: 'failed_at_provider',
  },
  {
    title: 'no first byte in time',
    call: CHAT,
    with: { model: 'impatient' },
    answer: never,
    ...guessed,
    sees: 504,
    end: 'failed_at_provider',
  },
  {
    title: 'no next byte in time',
    call: CHAT,
    with: { model: 'impatient' },
    answer: stalls,
    ...guessed,
    sees: 504,
    end: 'failed_at_provider',
  },
  {
    title: 'connection refused',
    call: CHAT,
    with: { model: 'down' },
    sees: 502,
    hold: 'reversed',
    charged: 0n,
    calls: 0n,
  },
  {
    title: 'no key for the provider',
    call: CHAT,
    with: { model: 'keyless' },
    sees: 502,
    hold: 'reversed',
    charged: 0n,
    calls: 0n,
  },
  {
    title: 'the provider dies within a stream',
    call: CHAT,
    with: streamed,
    // 400 characters are 100 tokens: 1 chunk of 400 bytes.
    answer: events([chatChunk('x'.repeat(400))], { end: 'broken' }),
    sees: 'broken',
    hold: 'settled',
    charged: 100n * 1_000n,
    end: 'failed_at_provider',
    estimated: true,
  },
  {
    title: 'the provider dies within a stream that told its input',
    call: MESSAGES,
    with: streamed,
    answer: events(named(MESSAGE_START, TEXT), { end: 'broken' }),
    sees: 'broken',
    hold: 'settled',
    charged: 10n * 300n + 100n * 1_500n,
    end: 'failed_at_provider',
    estimated: true,
  },
  {
    title: 'a stream that ends without its end',
    call: CHAT,
    with: streamed,
    answer: events([chatChunk('x'.repeat(400))]),
    sees: 'broken',
    hold: 'settled',
    charged: 100n * 1_000n,
    end: 'failed_at_provider',
    estimated: true,
  },
  {
    title: 'an error within a stream',
    call: MESSAGES,
    with: streamed,
    answer: events(
      named(MESSAGE_START, TEXT, { type: 'error', error: { type: 'api_error', message: 'oh' } } as {
        type: string;
      }),
    ),
    sees: 200,
    hold: 'settled',
    charged: 10n * 300n + 100n * 1_500n,
    end: 'failed_at_provider',
    estimated: true,
  },
  {
    title: 'a stream of nothing',
    call: CHAT,
    with: streamed,
    answer: events([]),
    ...guessed,
    sees: 502,
    end: 'failed_at_provider',
  },
  {
    title: 'no next byte of a stream in time',
    call: CHAT,
    with: { model: 'impatient', stream: true },
    answer: events([chatChunk('x'.repeat(400))], { end: 'open' }),
    sees: 'broken',
    hold: 'settled',
    charged: 100n * 1_000n,
    end: 'failed_at_provider',
    estimated: true,
  },
  {
    title: 'the caller leaves before the answer',
    call: CHAT,
    answer: never,
    leaves: 'at_once',
    ...guessed,
    end: 'cancelled',
  },
  {
    title: 'the caller leaves before the stream',
    call: CHAT,
    with: streamed,
    answer: never,
    leaves: 'at_once',
    ...guessed,
    end: 'cancelled',
  },
  {
    title: 'the caller leaves within a stream',
    call: CHAT,
    with: streamed,
    answer: events([chatChunk('x'.repeat(400))], { end: 'open' }),
    leaves: 'midway',
    hold: 'settled',
    charged: 100n * 1_000n,
    end: 'cancelled',
    estimated: true,
  },
];

let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({
    budgets: BUDGETS,
    providers: PROVIDERS,
    routes: ROUTES,
    prices: OWN_PRICES,
    // A provider that never answers is read on when its caller leaves.
    more: 'gateway: { readOn: 1s }',
  });
});
afterAll(() => gateway.close());

interface Seen {
  readonly status: number | null;
  readonly broken: boolean;
}

async function called(scenario: Scenario): Promise<Seen> {
  const [path, body] = scenario.call;
  const leaving = new AbortController();
  const asked = gateway.provider.calls.length;
  const answer = fetch(gateway.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.key}` },
    body: JSON.stringify({ ...body, ...scenario.with }),
    signal: leaving.signal,
  });
  if (scenario.leaves === 'at_once') {
    answer.catch(() => undefined);
    while (gateway.provider.calls.length === asked) await new Promise((resolve) => setTimeout(resolve, 2));
    leaving.abort();
    await gateway.provider.calls[asked].aborted;
    return { status: null, broken: true };
  }
  const response = await answer;
  if (scenario.leaves === 'midway') {
    await response.body?.getReader().read();
    leaving.abort();
    await gateway.provider.calls[asked].aborted;
    return { status: response.status, broken: true };
  }
  const broken = await response.text().then(
    () => false,
    () => true,
  );
  return { status: response.status, broken };
}

describe('gateway: every end of a call', () => {
  test.each(SCENARIOS)('ends: $title → the hold is $hold, charged $charged', async (scenario) => {
    gateway.provider.answer = scenario.answer ?? json({});
    const callsBefore = gateway.ledger.balances({ budgetId: 'calls' })[0]?.spent ?? 0n;
    const seen = await called(scenario);
    await gateway.settled();

    if (scenario.sees === 'broken') expect(seen).toEqual({ status: 200, broken: true });
    else if (scenario.sees !== undefined) expect(seen).toEqual({ status: scenario.sees, broken: false });
    const hold = gateway.ledger.holds().at(-1);
    const journal = (await gateway.events()).filter(({ holdId }) => holdId === hold?.holdId);
    expect(hold?.status).toBe(scenario.hold);
    const opened = journal[0].details as { onExpiry: { charge: { usd: bigint; tokens: bigint } } };
    const promised = opened.onExpiry.charge.usd;
    const input = promised - 50n * 1_000n;
    const whole =
      scenario.estimated === true &&
      scenario.wholeCharge !== true &&
      scenario.call !== MESSAGES &&
      scenario.charged !== 'estimate';
    const charged = scenario.charged === 'estimate' ? promised : scenario.charged + (whole ? input : 0n);
    expect(hold?.charged?.usd ?? 0n).toBe(charged);
    if (scenario.end !== undefined) {
      const note = JSON.parse(String(journal.at(-1)?.details.note));
      expect(note).toMatchObject({ end: scenario.end, estimated: scenario.estimated });
    }
    expect(gateway.ledger.totals().openHolds).toBe(0);
    const callsAfter = gateway.ledger.balances({ budgetId: 'calls' })[0].spent;
    expect(callsAfter - callsBefore).toBe(scenario.calls ?? 1n);
  });
});
