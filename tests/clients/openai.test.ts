// The `openai` package against the running server: what its users see of answers, streams and refusals, and what each call
// is charged. The provider is aimock; what it counted is what is settled.

import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chatChunk, DONE, json } from '../gateway/gateway-fixture.js';
import type { Json } from '../setup/json.js';
import type { Tenant } from '../setup/server-process.js';
import { cost, countingFetch, rejection, startWorld, type World } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await startWorld();
  world.mock.onMessage('hello', { content: 'Hello yourself, and welcome.', usage: usage(11, 7) });
});
afterAll(() => world.end());

function usage(input: number, output: number) {
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
}
function clientOf(
  tenant: Pick<Tenant, 'key'>,
  options: ConstructorParameters<typeof OpenAI>[0] = {},
): OpenAI {
  return new OpenAI({ apiKey: tenant.key, baseURL: `${world.server.url}/openai/v1`, ...options });
}
const HELLO = [{ role: 'user' as const, content: 'hello' }];
const BASE = { model: 'mock-small', messages: HELLO };
const COUNTED = { usd: cost({ input: 11, output: 7 }), tokens: '18', calls: '1' };

describe('openai: calls', () => {
  test('openai: a chat completion → the provider’s answer, charged what it counted, told in headers', async () => {
    const tenant = await world.server.tenant({ usd: '1' });
    const { data, response } = await clientOf(tenant).chat.completions.create(BASE).withResponse();
    expect(data.choices[0].message.content).toBe('Hello yourself, and welcome.');
    expect(data.usage).toEqual(usage(11, 7));
    expect(await tenant.only()).toMatchObject({ status: 'settled', ending: 'completed', charged: COUNTED });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'bursar-cost': COUNTED.usd,
      'bursar-remaining': '0.999919',
      'bursar-remaining-budget': `${tenant.name}-usd`,
      'bursar-decision-id': expect.stringMatching(/^dec-\d+$/),
      ratelimit: expect.stringContaining(`"${tenant.name}-usd";r=99991900`),
    });
    // The model keeps to its own limit of output: none is added.
    const sent = world.mock.getLastRequest()?.body;
    expect(sent).toMatchObject(BASE);
    expect(sent).not.toHaveProperty('max_completion_tokens');
  });

  test('openai: a stream without trailers → what it cost is found by its decision, with the same key', async () => {
    const tenant = await world.server.tenant({ usd: '1' });
    const asked = clientOf(tenant).chat.completions.create({ ...BASE, stream: true });
    const { data, response } = await asked.withResponse();
    for await (const _ of data);
    await tenant.ended();
    const get = async (path: string) => {
      const found = await fetch(world.server.url + path, {
        headers: { authorization: `Bearer ${tenant.key}` },
      });
      return (await found.json()) as Record<string, Json>;
    };
    const decision = await get(`/v1/decisions/${response.headers.get('bursar-decision-id')}`);
    const hold = await get(`/v1/holds/${encodeURIComponent(decision.event.holdId)}`);
    expect(hold).toMatchObject({ status: 'settled', charged: COUNTED });
  });

  test('openai: a stream → usage is settled, and its chunk is there only when it was asked for', async () => {
    const tenant = await world.server.tenant({ usd: '1' });
    const openai = clientOf(tenant);
    const plain = [];
    for await (const chunk of await openai.chat.completions.create({ ...BASE, stream: true }))
      plain.push(chunk);
    expect(plain.map((chunk) => chunk.choices.length)).toEqual(plain.map(() => 1));
    expect(plain.some((chunk) => chunk.usage)).toBe(false);
    const asked = [];
    const withUsage = { ...BASE, stream: true, stream_options: { include_usage: true } } as const;
    for await (const chunk of await openai.chat.completions.create(withUsage)) asked.push(chunk);
    expect(asked).toHaveLength(plain.length + 1);
    expect(asked.at(-1)).toMatchObject({ choices: [], usage: usage(11, 7) });
    expect((await tenant.ended()).map(({ charged }) => charged)).toEqual([COUNTED, COUNTED]);
  });

  test('openai: the streaming helper with tools → the call comes whole', async () => {
    const call = { name: 'weather', arguments: '{"city":"Köln"}' };
    world.mock.onMessage('weather', { toolCalls: [call], usage: usage(90, 15) });
    const tenant = await world.server.tenant({ usd: '1' });
    const tools = [
      { type: 'function' as const, function: { name: 'weather', parameters: { type: 'object' } } },
    ];
    const request = { ...BASE, messages: [{ role: 'user' as const, content: 'weather?' }], tools };
    const message = await clientOf(tenant).chat.completions.stream(request).finalMessage();
    expect(message.tool_calls).toMatchObject([{ type: 'function', function: call }]);
    const sent = world.mock.getLastRequest()?.body as { tools: unknown; messages: unknown };
    expect(sent).toMatchObject({ tools, messages: request.messages });
    expect(await tenant.only()).toMatchObject({ charged: { usd: cost({ input: 90, output: 15 }) } });
  });

  test('openai: images, a schema and unknown fields → pass untouched, cached and reasoning tokens counted', async () => {
    const used = {
      ...usage(1_000, 200),
      prompt_tokens_details: { cached_tokens: 600 },
      completion_tokens_details: { reasoning_tokens: 150 },
    };
    world.raw.answer = json({ ...COMPLETION, usage: used });
    const tenant = await world.server.tenant({ usd: '1' });
    const image_url = { url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'low' as const };
    const request = {
      model: 'raw-small',
      messages: [{ role: 'user' as const, content: [{ type: 'image_url' as const, image_url }] }],
      response_format: { type: 'json_object' as const },
      max_tokens: 300,
      verbosity: 'low' as const,
      'x-future-field': 'ü\u2028',
    };
    const answer = await clientOf(tenant).chat.completions.create(request);
    expect(answer).toEqual({ ...COMPLETION, usage: used });
    // Not a byte of the request changes where a limit of output is stated.
    expect(world.raw.calls.at(-1)?.text).toBe(JSON.stringify(request));
    expect(await tenant.only()).toMatchObject({
      charged: { usd: cost({ input: 400, cacheRead: 600, output: 200 }), tokens: '1200' },
    });
  });

  test('openai: n choices → all of them are held', async () => {
    world.raw.answer = json({ ...COMPLETION, usage: usage(10, 40) });
    const tenant = await world.server.tenant({ usd: '1', tokens: '10000' });
    await clientOf(tenant).chat.completions.create({
      ...BASE,
      model: 'raw-small',
      n: 4,
      max_completion_tokens: 1_000,
    });
    const { authorized, charged } = await tenant.only();
    expect(Number(authorized.tokens)).toBeGreaterThanOrEqual(4_000 + 10);
    expect(charged).toMatchObject({ tokens: '50' });
  });

  test('openai: responses, plain and streamed → charged what the provider counted', async () => {
    const tenant = await world.server.tenant({ usd: '1' });
    const openai = clientOf(tenant);
    const answer = await openai.responses.create({ model: 'mock-small', input: 'hello' });
    expect(answer.output_text).toBe('Hello yourself, and welcome.');
    const final = await openai.responses.stream({ model: 'mock-small', input: 'hello' }).finalResponse();
    expect(final.output_text).toBe(answer.output_text);
    expect((await tenant.ended()).map(({ charged }) => charged)).toEqual([COUNTED, COUNTED]);
  });

  test('openai: embeddings → charged for their input', async () => {
    world.raw.answer = json({
      object: 'list',
      model: 'raw-embed',
      data: [{ object: 'embedding', index: 0, embedding: [0.25, 0.5] }],
      usage: { prompt_tokens: 9, total_tokens: 9 },
    });
    const tenant = await world.server.tenant({ usd: '1' });
    const answer = await clientOf(tenant).embeddings.create({
      model: 'raw-embed',
      input: ['hello', 'there'],
      encoding_format: 'float',
    });
    expect(answer.data[0].embedding).toEqual([0.25, 0.5]);
    expect(await tenant.only()).toMatchObject({
      charged: { usd: cost({ input: 9 }), tokens: '9', calls: '1' },
    });
  });

  test('openai: models → those that routes name, and no charge', async () => {
    const tenant = await world.server.tenant({ usd: '1' });
    const openai = clientOf(tenant);
    const listed = [];
    for await (const model of openai.models.list()) listed.push(model.id);
    expect(listed).toEqual(['mock-small', 'mock-unpriced', 'throttled', 'fallback']);
    expect(await openai.models.retrieve('mock-anything')).toMatchObject({
      id: 'mock-anything',
      object: 'model',
    });
    await expect(openai.models.retrieve('gpt-none')).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
    expect(await tenant.ended()).toEqual([]);
  });
});

describe('openai: refusals', () => {
  test('openai: an exhausted budget → thrown once, with figures that add up, and one request is made', async () => {
    const tenant = await world.server.tenant({ usd: '0.05' });
    const { fetch, statuses } = countingFetch();
    const openai = clientOf(tenant, { fetch });
    world.raw.answer = json({ ...COMPLETION, usage: usage(0, 4_000) });
    await openai.chat.completions.create({ ...BASE, model: 'raw-small', max_tokens: 4_000 });
    const before = world.raw.calls.length;
    const refused = openai.chat.completions.create({ ...BASE, model: 'raw-small', max_tokens: 4_000 });
    const error = (await rejection(refused)) as InstanceType<typeof OpenAI.APIError>;
    expect(error).toBeInstanceOf(OpenAI.APIError);
    expect(error).toMatchObject({ status: 402, code: 'budget_exhausted', type: 'insufficient_quota' });
    const figures = error.error as Record<string, string>;
    expect(figures).toMatchObject({
      budget_id: `${tenant.name}-usd`,
      limit: '0.05',
      spent: '0.04',
      held: '0',
      resets_at: null,
      decision_id: expect.stringMatching(/^dec-/),
    });
    expect(Number(figures.spent) + Number(figures.requested)).toBeGreaterThan(Number(figures.limit));
    expect(error.message).toContain(`"${tenant.name}-usd"`);
    expect(statuses).toEqual([200, 402]);
    expect(world.raw.calls).toHaveLength(before);
  });

  test('openai: what other calls hold → 429, and the client comes back when it is told to', async () => {
    const tenant = await world.server.tenant({ usd: '0.05' });
    const { fetch, statuses } = countingFetch();
    const openai = clientOf(tenant, { fetch, maxRetries: 3 });
    let finish = () => {};
    world.raw.answer = async (_call, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${JSON.stringify(chatChunk('Hel'))}\n\n`);
      // Within the time in which the provider must say something.
      const beat = setInterval(() => response.write(`data: ${JSON.stringify(chatChunk('.'))}\n\n`), 200);
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      clearInterval(beat);
      response.end(
        `data: ${JSON.stringify({ ...chatChunk(''), choices: [], usage: usage(1, 9) })}\n\n${DONE}`,
      );
    };
    const open = await openai.chat.completions.create({
      ...BASE,
      model: 'raw-small',
      max_tokens: 4_000,
      stream: true,
    });
    const second = openai.chat.completions.create({ ...BASE, model: 'mock-small', max_tokens: 2_000 });
    const begun = Date.now();
    while (statuses.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    finish();
    for await (const _ of open);
    await second;
    expect(statuses).toEqual([200, 429, 200]);
    expect(Date.now() - begun).toBeGreaterThan(900);
    expect((await tenant.figures()).spent).toBe(String(Number(cost({ input: 12, output: 16 }))));
  });

  test('openai: a call that the budget can never pay for → 402 once', async () => {
    const tenant = await world.server.tenant({ usd: '0.01' });
    const { fetch, statuses } = countingFetch();
    const refused = clientOf(tenant, { fetch }).chat.completions.create({ ...BASE, max_tokens: 8_000 });
    await expect(refused).rejects.toMatchObject({ status: 402, code: 'request_exceeds_budget' });
    expect(statuses).toEqual([402]);
  });

  test.each([
    ['a model without a route', { model: 'gpt-none' }, 404, 'model_not_found'],
    ['a model without a price', { model: 'mock-unpriced' }, 400, 'price_unknown'],
    ['a tenant without a budget', { model: 'mock-small' }, 402, 'no_budget'],
    ['what nobody can meter', { model: 'mock-small', background: true }, 400, 'not_meterable'],
  ])('openai: %s → refused once, and nothing reaches the provider', async (_, request, status, code) => {
    const limits: Record<string, string> = code === 'no_budget' ? {} : { usd: '1' };
    const tenant = await world.server.tenant(limits);
    const { fetch, statuses } = countingFetch();
    const before = world.mock.getRequests().length;
    const refused = clientOf(tenant, { fetch }).responses.create({ input: 'hello', ...request });
    await expect(refused).rejects.toMatchObject({ status, code });
    expect(statuses).toEqual([status]);
    expect(world.mock.getRequests()).toHaveLength(before);
  });

  test('openai: an unknown key, or none → 401 once', async () => {
    for (const apiKey of ['bur_unknown_key', 'sk-mock-0123456789', ' ']) {
      const { fetch, statuses } = countingFetch();
      const refused = clientOf({ key: apiKey }, { fetch }).chat.completions.create(BASE);
      await expect(refused).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
      expect(statuses).toEqual([401]);
    }
  });

  test('openai: routes that are not metered → refused by name, never passed through', async () => {
    const tenant = await world.server.tenant({ usd: '1' });
    const openai = clientOf(tenant, { maxRetries: 0 });
    const before = world.raw.calls.length + world.mock.getRequests().length;
    for (const call of [
      () => openai.files.list(),
      () => openai.batches.list(),
      () => openai.fineTuning.jobs.list(),
      () => openai.conversations.create({}),
      () => openai.chat.completions.retrieve('chatcmpl-1'),
      () => openai.vectorStores.list(),
    ])
      await expect(call()).rejects.toMatchObject({ status: 404, code: 'route_not_metered' });
    expect(world.raw.calls.length + world.mock.getRequests().length).toBe(before);
    expect(await tenant.ended()).toEqual([]);
  });
});

describe('openai: many at once', () => {
  test('openai: 200 callers on a budget for 50 calls → exactly 50 reach the provider', async () => {
    const tenant = await world.server.tenant({ calls: '50' });
    world.raw.answer = json({ ...COMPLETION, usage: usage(5, 5) });
    const before = world.raw.calls.length;
    const openai = clientOf(tenant, { maxRetries: 0 });
    const request = { ...BASE, model: 'raw-small', max_tokens: 10 };
    const calls = await Promise.allSettled(
      Array.from({ length: 200 }, () => openai.chat.completions.create(request)),
    );
    expect(world.raw.calls.length - before).toBe(50);
    expect(calls.filter(({ status }) => status === 'fulfilled')).toHaveLength(50);
    const refused = calls.flatMap((call) => (call.status === 'rejected' ? [call.reason] : []));
    for (const { status, code } of refused)
      expect(['402 budget_exhausted', '429 budget_held']).toContain(`${status} ${code}`);
    expect(await tenant.figures('calls')).toEqual({ spent: '50', held: '0', remaining: '0' });
  });
});

const COMPLETION = {
  id: 'chatcmpl-1',
  object: 'chat.completion' as const,
  created: 1,
  model: 'raw-small',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: '{"a":1}', refusal: null },
      finish_reason: 'stop',
      logprobs: null,
    },
  ],
};
