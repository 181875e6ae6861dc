// The `ai` package, with its OpenAI and Anthropic providers, against the running server: texts, streams, a loop of tools
// over several steps, and an abort in the middle of a stream.

import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import {
  APICallError,
  generateText,
  jsonSchema,
  type LanguageModel,
  stepCountIs,
  streamText,
  tool,
} from 'ai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Tenant } from '../setup/server-process.js';
import { cost, countingFetch, rejection, startWorld, type World } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await startWorld();
  world.mock.onMessage('hello', { content: 'Hello yourself, and welcome.', usage: usage(11, 7) });
  world.mock.on(
    { userMessage: 'weather', hasToolResult: false },
    { toolCalls: [{ name: 'weather', arguments: '{"city":"Köln"}' }], usage: usage(50, 10) },
  );
  world.mock.on(
    { userMessage: 'weather', hasToolResult: true },
    { content: 'It rains.', usage: usage(80, 5) },
  );
  // Anthropic's streams begin with a usage of their own, in which next to nothing is generated yet.
  const atStart = { input_tokens: 10, output_tokens: 1 };
  const long = { content: 'drip '.repeat(2_000), usage: { ...usage(10, 2_000), ...atStart } };
  world.mock.onMessage('long', long, { chunkSize: 100, latency: 20 });
});
afterAll(() => world.end());

function usage(input: number, output: number) {
  return { prompt_tokens: input, completion_tokens: output, input_tokens: input, output_tokens: output };
}

type ModelOf = (tenant: Tenant, fetcher?: typeof fetch) => LanguageModel;
const MODELS: readonly (readonly [string, ModelOf])[] = [
  ['openai responses', (tenant, fetch) => openaiOf(tenant, fetch).responses('mock-small')],
  ['openai chat', (tenant, fetch) => openaiOf(tenant, fetch).chat('mock-small')],
  ['anthropic', (tenant, fetch) => anthropicOf(tenant, fetch)('mock-small')],
];
function openaiOf({ key }: Tenant, fetcher?: typeof fetch) {
  return createOpenAI({
    apiKey: key,
    baseURL: `${world.server.url}/openai/v1`,
    ...(fetcher && { fetch: fetcher }),
  });
}
function anthropicOf({ key }: Tenant, fetcher?: typeof fetch) {
  return createAnthropic({
    apiKey: key,
    baseURL: `${world.server.url}/anthropic/v1`,
    ...(fetcher && { fetch: fetcher }),
  });
}

test.each(MODELS)(
  'ai %s: a text and a stream → both charged what the provider counted',
  async (_, modelOf) => {
    const tenant = await world.server.tenant({ usd: '1' });
    const model = modelOf(tenant);
    const { text, usage } = await generateText({ model, prompt: 'hello' });
    expect(text).toBe('Hello yourself, and welcome.');
    expect(usage).toMatchObject({ inputTokens: 11, outputTokens: 7 });
    const stream = streamText({ model, prompt: 'hello' });
    expect(await stream.text).toBe(text);
    // Asked for by the package where the dialect streams usage only when asked.
    expect(await stream.usage).toMatchObject({ inputTokens: 11, outputTokens: 7 });
    const counted = { usd: cost({ input: 11, output: 7 }), tokens: '18', calls: '1' };
    expect((await tenant.ended()).map(({ charged }) => charged)).toEqual([counted, counted]);
  },
);

test.each(MODELS)('ai %s: a loop of tools → each step is a call of its own', async (_, modelOf) => {
  const tenant = await world.server.tenant({ usd: '1', calls: '10' });
  const weather = tool({
    description: 'The weather in a city.',
    inputSchema: jsonSchema<{ city: string }>({
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    }),
    execute: async ({ city }) => `rain in ${city}`,
  });
  const { text, steps } = await generateText({
    model: modelOf(tenant),
    prompt: 'weather?',
    tools: { weather },
    stopWhen: stepCountIs(5),
  });
  expect(text).toBe('It rains.');
  expect(steps).toHaveLength(2);
  expect((await tenant.ended()).map(({ charged }) => charged?.usd)).toEqual([
    cost({ input: 50, output: 10 }),
    cost({ input: 80, output: 5 }),
  ]);
  expect((await tenant.figures('calls')).spent).toBe('2');
});

test.each(MODELS)('ai %s: an abort mid-stream → what came is charged', async (_, modelOf) => {
  const tenant = await world.server.tenant({ usd: '1' });
  const abort = new AbortController();
  const stream = streamText({
    model: modelOf(tenant),
    prompt: 'long',
    abortSignal: abort.signal,
    onError() {},
  });
  let length = 0;
  for await (const text of stream.textStream) {
    length += text.length;
    if (length >= 1_000) {
      abort.abort();
      break;
    }
  }
  const hold = await tenant.only();
  expect(hold).toMatchObject({ status: 'settled', ending: 'cancelled' });
  const charged = Number(hold.charged?.usd);
  // Between what this caller saw, at four characters a token, and what a whole stream costs.
  expect(charged).toBeGreaterThan((length / 4) * 0.5 * 1e-5);
  expect(charged).toBeLessThan(Number(cost({ input: 10, output: 2_000 })));
});

test.each(MODELS)('ai %s: an exhausted budget → thrown once', async (_, modelOf) => {
  const tenant = await world.server.tenant({ calls: '1' });
  const { fetch, statuses } = countingFetch();
  const model = modelOf(tenant, fetch);
  await generateText({ model, prompt: 'hello' });
  const error = await rejection(generateText({ model, prompt: 'hello' }));
  expect(APICallError.isInstance(error)).toBe(true);
  expect(error).toMatchObject({ statusCode: 402, isRetryable: false });
  expect((error as Error).message).toContain(`"${tenant.name}-calls"`);
  expect(statuses).toEqual([200, 402]);
});
