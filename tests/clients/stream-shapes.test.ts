// Streams of unusual shape, as the client libraries read them: the cost as a last comment, a stream without [DONE], comments
// before and between the events, usage that nobody asked for. None of them may trip over what Bursar adds or takes out.

import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import Anthropic from '@anthropic-ai/sdk';
import { streamText } from 'ai';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type Answer,
  chatChunk,
  DONE,
  events,
  type Gateway,
  startGateway,
} from '../gateway/gateway-fixture.js';

const BUDGETS = '  - { id: day, match: { tenant: acme }, unit: usd, limit: "1000", window: day }';
const USED = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const ASKING = { 'bursar-cost-event': 'true' };
const HI = [{ role: 'user' as const, content: 'hi' }];

const finished = (more = {}) => ({
  ...chatChunk(''),
  choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
  ...more,
});
const named = (data: { type: string } & Record<string, unknown>) =>
  `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;

const SHAPES: [string, Answer][] = [
  [
    'usage in a chunk of its own, nulls before it',
    events([
      chatChunk('Hi', { usage: null }),
      finished({ usage: null }),
      { ...finished(), choices: [], usage: USED },
      DONE,
    ]),
  ],
  ['no [DONE]', events([chatChunk('Hi'), finished({ usage: USED })])],
  [
    'comments before and between',
    events([': OPENROUTER PROCESSING\n\n', chatChunk('Hi'), ': ping\n\n', finished({ usage: USED }), DONE]),
  ],
  ['the connection stays open', events([chatChunk('Hi'), finished({ usage: USED }), DONE], { end: 'open' })],
];

const MESSAGE = [
  named({
    type: 'message_start',
    message: {
      id: 'm',
      type: 'message',
      role: 'assistant',
      model: 'claude',
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: 10, output_tokens: 1 },
    },
  }),
  named({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
  named({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } }),
  named({ type: 'content_block_stop', index: 0 }),
  named({
    type: 'message_delta',
    delta: { stop_reason: 'end_turn', stop_sequence: null },
    usage: { output_tokens: 5 },
  }),
  named({ type: 'message_stop' }),
];

let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ budgets: BUDGETS });
});
afterAll(() => gateway.close());

const charged = async () => {
  await gateway.settled();
  return gateway.ledger.holds().at(-1)?.charged?.usd;
};

test.each(SHAPES)(
  'openai: %s, with the cost as a comment → the text, each chunk with a choice',
  async (_, answer) => {
    gateway.provider.answer = answer;
    const openai = new OpenAI({
      apiKey: gateway.key,
      baseURL: `${gateway.url}/openai/v1`,
      maxRetries: 0,
      defaultHeaders: ASKING,
    });
    let text = '';
    for await (const chunk of await openai.chat.completions.create({
      model: 'small',
      messages: HI,
      stream: true,
    }))
      text += chunk.choices[0].delta.content ?? '';
    expect(text).toBe('Hi');
    expect(await charged()).toBe(6_000n);
  },
);

test.each(SHAPES)('ai: %s, with the cost as a comment → the text', async (_, answer) => {
  gateway.provider.answer = answer;
  const openai = createOpenAI({ apiKey: gateway.key, baseURL: `${gateway.url}/openai/v1`, headers: ASKING });
  const result = streamText({ model: openai.chat('small'), prompt: 'hi', maxRetries: 0 });
  expect(await result.text).toBe('Hi');
  expect(await result.finishReason).toBe('stop');
  expect(await charged()).toBe(6_000n);
});

test.each(['clean', 'open'] as const)(
  'anthropic: an end that is %s, with the cost as a comment → the message',
  async (end) => {
    gateway.provider.answer = events(MESSAGE, { end });
    const anthropic = new Anthropic({
      apiKey: gateway.key,
      baseURL: `${gateway.url}/anthropic`,
      maxRetries: 0,
      defaultHeaders: ASKING,
    });
    const message = await anthropic.messages
      .stream({ model: 'claude', max_tokens: 100, messages: HI })
      .finalMessage();
    expect(message.content).toMatchObject([{ type: 'text', text: 'Hi' }]);
    expect(await charged()).toBe(10_500n);
  },
);

test('ai with Anthropic: the cost as a comment → the text', async () => {
  gateway.provider.answer = events(MESSAGE);
  const anthropic = createAnthropic({
    apiKey: gateway.key,
    baseURL: `${gateway.url}/anthropic/v1`,
    headers: ASKING,
  });
  const result = streamText({
    model: anthropic('claude'),
    prompt: 'hi',
    maxOutputTokens: 100,
    maxRetries: 0,
  });
  expect(await result.text).toBe('Hi');
  expect(await charged()).toBe(10_500n);
});

test('openai responses: the cost as a comment → the last event', async () => {
  const response = { id: 'r1', object: 'response', status: 'in_progress', output: [] as unknown[] };
  const usage = { input_tokens: 10, output_tokens: 5, total_tokens: 15 };
  gateway.provider.answer = events([
    named({ type: 'response.created', sequence_number: 0, response }),
    named({
      type: 'response.output_text.delta',
      sequence_number: 1,
      item_id: 'i',
      output_index: 0,
      content_index: 0,
      delta: 'Hi',
    }),
    named({
      type: 'response.completed',
      sequence_number: 2,
      response: { ...response, status: 'completed', usage },
    }),
  ]);
  const openai = new OpenAI({
    apiKey: gateway.key,
    baseURL: `${gateway.url}/openai/v1`,
    maxRetries: 0,
    defaultHeaders: ASKING,
  });
  const types: string[] = [];
  for await (const event of await openai.responses.create({ model: 'small', input: 'hi', stream: true }))
    types.push(event.type);
  expect(types).toEqual(['response.created', 'response.output_text.delta', 'response.completed']);
  expect(await charged()).toBe(6_000n);
});
