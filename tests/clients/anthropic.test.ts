// The `@anthropic-ai/sdk` package against the running server: messages, their streams and tools, counting tokens, models,
// and what an exhausted budget looks like to it. Input totals exclude what was cached here, unlike in OpenAI's dialect.

import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { events, json } from '../gateway/gateway-fixture.js';
import type { Tenant } from '../setup/server-process.js';
import { cost, countingFetch, rejection, startWorld, type World } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await startWorld();
  world.mock.onMessage('hello', {
    content: 'Hello yourself, and welcome.',
    usage: { input_tokens: 11, output_tokens: 7 },
  });
});
afterAll(() => world.end());

function clientOf(
  tenant: Pick<Tenant, 'key'>,
  options: ConstructorParameters<typeof Anthropic>[0] = {},
): Anthropic {
  return new Anthropic({ apiKey: tenant.key, baseURL: `${world.server.url}/anthropic`, ...options });
}
const BASE = {
  model: 'mock-claude',
  max_tokens: 100,
  messages: [{ role: 'user' as const, content: 'hello' }],
};
const COUNTED = { usd: cost({ input: 11, output: 7 }), tokens: '18', calls: '1' };

describe('anthropic: calls', () => {
  test('anthropic: messages, plain and streamed → the provider’s answer, charged what it counted', async () => {
    const tenant = await world.server.tenant({ usd: '1' });
    const anthropic = clientOf(tenant);
    const { data, response } = await anthropic.messages.create(BASE).withResponse();
    expect(data.content).toMatchObject([{ type: 'text', text: 'Hello yourself, and welcome.' }]);
    expect(response.headers.get('bursar-cost')).toBe(COUNTED.usd);
    const streamed = await anthropic.messages.stream(BASE).finalMessage();
    expect(streamed.content).toEqual(data.content);
    expect((await tenant.ended()).map(({ charged }) => charged)).toEqual([COUNTED, COUNTED]);
  });

  test('anthropic: tools → pass both ways', async () => {
    const call = { name: 'weather', arguments: '{"city":"Köln"}' };
    world.mock.onMessage('weather', { toolCalls: [call], usage: { input_tokens: 90, output_tokens: 15 } });
    const tenant = await world.server.tenant({ usd: '1' });
    const tools = [{ name: 'weather', input_schema: { type: 'object' as const } }];
    const messages = [{ role: 'user' as const, content: 'weather?' }];
    const answer = await clientOf(tenant)
      .messages.stream({ ...BASE, messages, tools })
      .finalMessage();
    expect(answer.content).toMatchObject([{ type: 'tool_use', name: 'weather', input: { city: 'Köln' } }]);
    expect(await tenant.only()).toMatchObject({ charged: { usd: cost({ input: 90, output: 15 }) } });
  });

  test('anthropic: the tool runner, which asks for a thread first → goes on without one, charged once a round', async () => {
    const usage = { input_tokens: 90, output_tokens: 15 };
    world.raw.answer = (request, response) => {
      const isSecond = request.text.includes('"tool_result"');
      const content = isSecond
        ? { type: 'text', text: 'Rain.' }
        : { type: 'tool_use', id: 'toolu_1', name: 'forecast', input: { city: 'Köln' } };
      const stop_reason = isSecond ? 'end_turn' : 'tool_use';
      const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'raw-claude' };
      return json({ ...message, content: [content], stop_reason, usage })(request, response);
    };
    const tenant = await world.server.tenant({ usd: '1' });
    const { fetch, statuses } = countingFetch();
    const answer = await clientOf(tenant, { fetch }).beta.messages.toolRunner({
      ...BASE,
      model: 'raw-claude',
      tools: [
        {
          type: 'custom',
          name: 'forecast',
          input_schema: { type: 'object' },
          run: async () => 'Rain.',
          parse: (input: unknown) => input,
        },
      ],
    });
    expect(answer.content).toMatchObject([{ type: 'text', text: 'Rain.' }]);
    expect(statuses).toEqual([400, 200, 200]);
    const charged = { usd: cost({ input: 90, output: 15 }) };
    expect(await tenant.ended()).toMatchObject([{ charged }, { charged }]);
  });

  test('anthropic: cached input → counted beside the input, at its own prices, plain and streamed', async () => {
    const usage = {
      input_tokens: 20,
      cache_read_input_tokens: 1_000,
      cache_creation_input_tokens: 200,
      output_tokens: 30,
    };
    const tenant = await world.server.tenant({ usd: '1' });
    const anthropic = clientOf(tenant);
    const system = [
      { type: 'text' as const, text: 'Be brief.', cache_control: { type: 'ephemeral' as const } },
    ];
    const request = { ...BASE, model: 'raw-claude', system };
    world.raw.answer = json({ ...MESSAGE, usage });
    expect((await anthropic.messages.create(request)).usage).toEqual(usage);
    expect(world.raw.calls.at(-1)?.text).toBe(JSON.stringify(request));
    world.raw.answer = events(
      streamOf({ ...usage, output_tokens: 1 }, { output_tokens: usage.output_tokens }),
    );
    const final = await anthropic.messages.stream(request).finalMessage();
    expect(final.usage).toEqual(usage);
    const charged = {
      usd: cost({ input: 20, cacheRead: 1_000, cacheWrite: 200, output: 30 }),
      tokens: '1250',
      calls: '1',
    };
    expect((await tenant.ended()).map((hold) => hold.charged)).toEqual([charged, charged]);
  });

  test('anthropic: counting tokens → answered, authorised, and free', async () => {
    world.raw.answer = json({ input_tokens: 42 });
    const tenant = await world.server.tenant({ usd: '1' });
    const { max_tokens: _, ...request } = { ...BASE, model: 'raw-claude' };
    expect(await clientOf(tenant).messages.countTokens(request)).toEqual({ input_tokens: 42 });
    expect(world.raw.calls.at(-1)?.path).toBe('/v1/messages/count_tokens');
    expect((await tenant.figures()).spent).toBe('0');
  });

  test('anthropic: models → those that routes name', async () => {
    const tenant = await world.server.tenant({ usd: '1' });
    const listed = [];
    for await (const model of clientOf(tenant).models.list()) listed.push(model.id);
    expect(listed).toEqual(['mock-small']);
    expect(await clientOf(tenant).models.retrieve('mock-small')).toMatchObject({
      type: 'model',
      id: 'mock-small',
    });
  });

  test('anthropic: the provider gets its own key, the caller’s version and beta, and nothing else', async () => {
    world.raw.answer = json({ ...MESSAGE, usage: { input_tokens: 1, output_tokens: 1 } });
    const tenant = await world.server.tenant({ usd: '1' });
    const request = { ...BASE, model: 'raw-claude', betas: ['token-efficient-tools-2025-02-19'] };
    const headers = { 'anthropic-version': '2023-06-01', cookie: 'session=1', 'x-forwarded-for': '10.0.0.1' };
    await clientOf(tenant).beta.messages.create(request, { headers });
    const sent = world.raw.calls.at(-1)!.headers;
    expect(sent).toMatchObject({
      'x-api-key': 'sk-raw-0123456789',
      'anthropic-version': '2023-06-01',
      'anthropic-beta': 'token-efficient-tools-2025-02-19',
    });
    for (const name of ['authorization', 'cookie', 'x-forwarded-for']) expect(sent).not.toHaveProperty(name);
    expect(JSON.stringify(sent)).not.toContain(tenant.key);
  });
});

describe('anthropic: refusals', () => {
  test('anthropic: an exhausted budget → a billing error, thrown once', async () => {
    const tenant = await world.server.tenant({ usd: '0.002' });
    const { fetch, statuses } = countingFetch();
    const anthropic = clientOf(tenant, { fetch });
    world.raw.answer = json({ ...MESSAGE, usage: { input_tokens: 1, output_tokens: 150 } });
    await anthropic.messages.create({ ...BASE, model: 'raw-claude' });
    const before = world.raw.calls.length;
    const refused = anthropic.messages.stream({ ...BASE, model: 'raw-claude' }).finalMessage();
    const error = await rejection(refused);
    expect(error).toBeInstanceOf(Anthropic.APIError);
    expect(error).toMatchObject({
      status: 402,
      error: {
        type: 'error',
        request_id: expect.any(String),
        error: {
          type: 'billing_error',
          code: 'budget_exhausted',
          budget_id: `${tenant.name}-usd`,
          limit: '0.002',
          spent: cost({ input: 1, output: 150 }),
        },
      },
    });
    expect(statuses).toEqual([200, 402]);
    expect(world.raw.calls).toHaveLength(before);
  });

  test.each([
    ['an unknown model', { model: 'claude-none' }, 404, 'not_found_error'],
    ['a limit of output below one', { max_tokens: -1 }, 400, 'invalid_request_error'],
  ])('anthropic: %s → refused once in its own words', async (_, change, status, type) => {
    const tenant = await world.server.tenant({ usd: '1' });
    const { fetch, statuses } = countingFetch();
    const refused = clientOf(tenant, { fetch }).messages.create({ ...BASE, ...change });
    await expect(refused).rejects.toMatchObject({ status, error: { type: 'error', error: { type } } });
    expect(statuses).toEqual([status]);
  });

  test('anthropic: batches and other routes → refused by name', async () => {
    const anthropic = clientOf(await world.server.tenant({ usd: '1' }), { maxRetries: 0 });
    const requests = [{ custom_id: 'a', params: BASE }];
    for (const call of [
      () => anthropic.messages.batches.create({ requests }),
      () => anthropic.beta.files.list(),
    ])
      await expect(call()).rejects.toMatchObject({
        status: 404,
        error: { error: { code: 'route_not_metered' } },
      });
  });
});

const MESSAGE = {
  id: 'msg_1',
  type: 'message' as const,
  role: 'assistant' as const,
  model: 'raw-claude',
  content: [{ type: 'text', text: 'Hi.' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
};

function streamOf(atStart: object, atEnd: object): string[] {
  return [
    { type: 'message_start', message: { ...MESSAGE, content: [], stop_reason: null, usage: atStart } },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi.' } },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: atEnd },
    { type: 'message_stop' },
  ].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
}
