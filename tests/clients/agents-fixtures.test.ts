// What the agents and libraries of docs/clients.md send, as `scripts/record-fixtures.mjs` recorded its shape from their
// packages: each request is made up again, and must be accepted, held within what a budget of 5 USD a day allows, and charged
// what the provider bills. Models and prices are the real ones of the price data.

import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { usd } from '#bursar/core/amount.js';
import { type Answer, events, type Gateway, json, startGateway } from '../gateway/gateway-fixture.js';
import type { Json } from '../setup/json.js';

const FOLDER = new URL('../fixtures/requests/', import.meta.url);
/** Of one day: no single call of an agent may need more. */
const DAY_USD = '5';
/** USD for a million tokens: the providers' list prices on 2026-12-01. */
const PRICES: Readonly<Record<string, { input: number; output: number }>> = {
  'gpt-5.5': { input: 5, output: 30 },
  'gpt-6-sol': { input: 2, output: 10 },
  'gpt-5.4-nano': { input: 0.2, output: 1.25 },
  'claude-sonnet-5': { input: 2, output: 10 },
  'claude-opus-5-5': { input: 4, output: 20 },
  'claude-haiku-4-5': { input: 1, output: 5 },
};
const USED = { input: 50, output: 40 };

interface Recorded {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Json;
}

/** A body of a recorded shape: texts as long as they were, and schemas as large. */
function madeUp(shape: Json): Json {
  if (Array.isArray(shape)) return shape.map(madeUp);
  if (shape === null || typeof shape !== 'object') return shape;
  if ('$text' in shape) return 'lorem ipsum '.repeat(Math.ceil(shape.$text / 12)).slice(0, shape.$text);
  if ('$number' in shape) return 1_790_000_000.25;
  if ('$schema' in shape) return { type: 'object', description: 'x'.repeat(Math.max(0, shape.$schema - 34)) };
  return Object.fromEntries(Object.entries(shape).map(([key, value]) => [key, madeUp(value)]));
}

function answerTo(path: string, body: Json): Answer {
  const { input, output } = USED;
  if (path.endsWith('/messages')) {
    const usage = { input_tokens: input, output_tokens: output };
    const message = { id: 'msg_1', type: 'message', role: 'assistant', model: body.model, stop_reason: null };
    if (body.stream !== true)
      return json({ ...message, content: [{ type: 'text', text: 'Hi.' }], stop_reason: 'end_turn', usage });
    return events([
      { type: 'message_start', message: { ...message, content: [], usage: { ...usage, output_tokens: 1 } } },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi.' } },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: output } },
      { type: 'message_stop' },
    ]);
  }
  if (path.endsWith('/responses')) {
    const usage = { input_tokens: input, output_tokens: output, total_tokens: input + output };
    const text = { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Hi.' }] };
    const response = { id: 'resp_1', object: 'response', status: 'completed', output: [text], usage };
    if (body.stream !== true) return json(response);
    const created = { ...response, status: 'in_progress', output: [], usage: null };
    return events([
      { type: 'response.created', response: created },
      { type: 'response.output_text.delta', output_index: 0, content_index: 0, delta: 'Hi.' },
      { type: 'response.completed', response },
    ]);
  }
  const usage = { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
  if (body.stream !== true) {
    const message = { role: 'assistant', content: 'Hi.' };
    return json({ id: 'c1', choices: [{ index: 0, message, finish_reason: 'stop' }], usage });
  }
  const chunk = (choices: object[], more = {}) => ({
    id: 'c1',
    object: 'chat.completion.chunk',
    choices,
    ...more,
  });
  return events([
    chunk([{ index: 0, delta: { role: 'assistant', content: 'Hi.' }, finish_reason: null }]),
    chunk([{ index: 0, delta: {}, finish_reason: 'stop' }]),
    chunk([], { usage }),
    'data: [DONE]\n\n',
  ]);
}

let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({
    budgets: `\n  - { id: day, match: { tenant: acme }, unit: usd, limit: "${DAY_USD}", window: day }`,
    providers: `
  openai: { dialect: openai, baseUrl: "PROVIDER" }
  anthropic: { dialect: anthropic, baseUrl: "PROVIDER" }`,
    routes: `
  - { model: gpt-*, candidates: [{ provider: openai }] }
  - { model: claude-*, candidates: [{ provider: anthropic }] }`,
  });
});
afterAll(() => gateway.close());

const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
const requests = files.flatMap((name) => {
  const fixture = JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8')) as {
    readonly client: string;
    readonly requests: readonly Recorded[];
  };
  return fixture.requests.map((recorded, index) => ({
    title: `${fixture.client}, request ${index + 1}`,
    recorded,
    body: madeUp(recorded.body),
  }));
});

async function sent({ recorded, body }: (typeof requests)[number]) {
  const { path, query, headers } = recorded;
  gateway.provider.answer = answerTo(path, body);
  const response = await gateway.post(query === '' ? path : `${path}?${query}`, body, headers);
  const text = await response.text();
  await gateway.settled();
  return { status: response.status, text };
}

const isThread = ({ body }: (typeof requests)[number]) => body.thread !== undefined;
const posted = requests.filter(({ body }) => body !== null);

describe('the requests of real clients', () => {
  test('the fixtures are of the clients that are tried, in the versions that are pinned', async () => {
    // By its address, since it is no TypeScript.
    const { CLIENTS, SETS } = await import(new URL('../../agents/clients.mjs', import.meta.url).href);
    const pinned = CLIENTS.map(({ name, set }: Json) => [name, SETS[set]]);
    const recorded = files.map((file) => JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')));
    expect(new Map(recorded.map(({ client, packages }: Json) => [client, packages]))).toEqual(
      new Map(pinned),
    );
  });

  test.each(posted.filter((one) => !isThread(one)))(
    '$title → is accepted, held within 5 USD, and charged what the provider bills',
    async (one) => {
      const { status, text } = await sent(one);
      expect([status, text.slice(0, 300)]).toEqual([200, expect.anything()]);
      const [settled] = (await gateway.events('hold_settled')).slice(-1);
      const price = PRICES[Object.keys(PRICES).find((model) => one.body.model.startsWith(model)) ?? ''];
      const charged = BigInt(Math.round((USED.input * price.input + USED.output * price.output) * 100));
      expect(settled?.lines[0].requested).toBe(charged);
      const [held] = (await gateway.events('hold_authorized')).slice(-1);
      expect(held?.lines[0].requested).toBeGreaterThanOrEqual(charged);
      expect(held?.lines[0].requested).toBeLessThanOrEqual(usd(DAY_USD));
    },
  );

  test.each(posted.filter(isThread))(
    '$title asks for a thread → refused in the words on which its client goes on without one',
    async (one) => {
      const { status, text } = await sent(one);
      expect(status).toBe(400);
      const details = { error_code: 'thread_unsupported_request', unsupported: ['thread'] };
      expect(JSON.parse(text).error.details).toEqual(details);
    },
  );
});
