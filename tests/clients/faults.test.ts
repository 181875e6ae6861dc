// A provider that misbehaves, seen through the `openai` client: each fault ends its hold as rule Q9 says, and what the
// ledger has of it is asserted to the step. aimock makes the faults that it can, the raw provider the others.

import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chatChunk, DONE, events, json } from '../gateway/gateway-fixture.js';
import type { Tenant } from '../setup/server-process.js';
import { cost, countingFetch, rejection, startWorld, type World } from './setup.js';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.end());

function clientOf(
  tenant: Pick<Tenant, 'key'>,
  options: ConstructorParameters<typeof OpenAI>[0] = {},
): OpenAI {
  return new OpenAI({
    apiKey: tenant.key,
    baseURL: `${world.server.url}/openai/v1`,
    maxRetries: 0,
    ...options,
  });
}
function asking(content: string, model = 'mock-small') {
  return { model, max_tokens: 500, messages: [{ role: 'user' as const, content }] };
}
/** Reads a stream to its end or its failure. */
async function textOf(
  openai: OpenAI,
  request: ReturnType<typeof asking>,
): Promise<{ text: string; error: unknown }> {
  let text = '';
  try {
    const stream = await openai.chat.completions.create({ ...request, stream: true });
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    return { text, error: null };
  } catch (error) {
    return { text, error };
  }
}
function usage(input: number, output: number) {
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
}
const STORY = 'x'.repeat(4_000);

describe('faults: while a stream is on', () => {
  test.each([
    ['after some chunks', { chunkSize: 100, latency: 5, truncateAfterChunks: 12 }],
    ['after some time', { chunkSize: 100, latency: 20, disconnectAfterMs: 230 }],
  ])(
    'faults: the provider disconnects %s → the caller sees a break, what came is charged',
    async (_, how) => {
      const content = `story ${JSON.stringify(how)}`;
      world.mock.onMessage(content, { content: STORY, usage: usage(10, 1_000) }, how);
      const tenant = await world.server.tenant({ usd: '1' });
      const { text, error } = await textOf(clientOf(tenant), asking(content));
      expect(error).not.toBeNull();
      expect(text.length).toBeGreaterThan(0);
      expect(text.length).toBeLessThan(STORY.length);
      const hold = await tenant.only();
      expect(hold).toMatchObject({ status: 'settled', ending: 'failed', charged: { calls: '1' } });
      // The floor of 50 tokens at least, and never more than was held.
      expect(Number(hold.charged?.usd)).toBeGreaterThanOrEqual(
        Number(cost({ output: Math.max(50, text.length / 8) })),
      );
      expect(Number(hold.charged?.usd)).toBeLessThanOrEqual(Number(hold.authorized.usd));
    },
  );

  test('faults: the provider falls silent → its time is up, what came is charged', async () => {
    world.raw.answer = events([chatChunk('Once upon')], { end: 'open' });
    const tenant = await world.server.tenant({ usd: '1' });
    const { text, error } = await textOf(clientOf(tenant), asking('tell', 'raw-small'));
    expect(text).toBe('Once upon');
    expect(error).not.toBeNull();
    expect(await tenant.only()).toMatchObject({ status: 'settled', ending: 'failed' });
    await world.raw.calls.at(-1)?.aborted;
  });

  test('faults: a slow body → passes as it comes, and is settled', async () => {
    world.mock.onMessage(
      'slowly',
      { content: 'z'.repeat(80), usage: usage(5, 20) },
      { chunkSize: 10, latency: 120 },
    );
    const tenant = await world.server.tenant({ usd: '1' });
    expect(await textOf(clientOf(tenant), asking('slowly'))).toEqual({ text: 'z'.repeat(80), error: null });
    expect(await tenant.only()).toMatchObject({
      ending: 'completed',
      charged: { usd: cost({ input: 5, output: 20 }) },
    });
  });

  test('faults: a chunk that is no JSON → passed on as it is, and what came is charged', async () => {
    world.raw.answer = events([chatChunk('Hello'), 'data: {"broken\n\n', chatChunk(' there'), DONE]);
    const tenant = await world.server.tenant({ usd: '1' });
    const { text, error } = await textOf(clientOf(tenant), asking('hello', 'raw-small'));
    expect(text).toBe('Hello');
    expect(error).toBeInstanceOf(SyntaxError);
    const hold = await tenant.only();
    expect(hold).toMatchObject({ status: 'settled', charged: { calls: '1' } });
    expect(Number(hold.charged?.usd)).toBeGreaterThanOrEqual(Number(cost({ output: 50 })));
  });

  test('faults: a stream without usage → estimated and marked so', async () => {
    world.raw.answer = events([chatChunk('Hello'), chatChunk(' there.'), DONE]);
    const tenant = await world.server.tenant({ usd: '1' });
    expect(await textOf(clientOf(tenant), asking('hello', 'raw-small'))).toEqual({
      text: 'Hello there.',
      error: null,
    });
    const hold = await tenant.only();
    expect(hold).toMatchObject({ status: 'settled', ending: 'completed' });
    expect(Number(hold.charged?.usd)).toBeGreaterThanOrEqual(Number(cost({ output: 50 })));
    expect(await settlementNote(tenant)).toMatchObject({ estimated: true });
  });

  test('faults: a stream with zero usage → a fact, nothing is charged but the call', async () => {
    world.mock.onMessage('for free', { content: 'Gratis.', usage: usage(0, 0) });
    const tenant = await world.server.tenant({ usd: '1' });
    expect(await textOf(clientOf(tenant), asking('for free'))).toEqual({ text: 'Gratis.', error: null });
    expect(await tenant.only()).toMatchObject({
      ending: 'completed',
      charged: { usd: '0', tokens: '0', calls: '1' },
    });
    expect(await settlementNote(tenant)).toMatchObject({ estimated: false });
  });
});

describe('faults: instead of an answer', () => {
  test('faults: an answer without usage → estimated, and the caller is told', async () => {
    world.raw.answer = json({ ...COMPLETION, usage: undefined });
    const tenant = await world.server.tenant({ usd: '1' });
    const { response } = await clientOf(tenant)
      .chat.completions.create(asking('hello', 'raw-small'))
      .withResponse();
    expect(response.headers.get('bursar-cost-estimated')).toBe('true');
    expect(response.headers.get('bursar-cost')).toBe((await tenant.only()).charged?.usd);
  });

  test('faults: garbage with status 200 → an error to the caller, the estimate is charged', async () => {
    world.mock.onMessage('garble', { content: 'never' }, { chaos: { malformedRate: 1 } });
    const tenant = await world.server.tenant({ usd: '1' });
    await expect(clientOf(tenant).chat.completions.create(asking('garble'))).rejects.toMatchObject({
      status: 502,
      code: 'provider_failed',
    });
    const hold = await tenant.only();
    expect(hold).toMatchObject({ status: 'settled', ending: 'failed' });
    expect(Number(hold.charged?.usd)).toBeGreaterThanOrEqual(Number(cost({ output: 50 })));
  });

  test('faults: the connection drops before a byte → an error, the estimate is charged', async () => {
    world.mock.onMessage('hang up', { content: 'never' }, { chaos: { disconnectRate: 1 } });
    const tenant = await world.server.tenant({ usd: '1' });
    await expect(clientOf(tenant).chat.completions.create(asking('hang up'))).rejects.toMatchObject({
      status: 502,
    });
    expect(await tenant.only()).toMatchObject({
      status: 'settled',
      ending: 'failed',
      charged: { calls: '1' },
    });
  });

  test.each([500, 529])(
    'faults: status %i → passed on, the client retries, each try is a hold of its own',
    async (status) => {
      const content = `break ${status}`;
      world.mock.on(
        { userMessage: content, sequenceIndex: 0 },
        { error: { message: 'The server broke.' }, status },
      );
      world.mock.on({ userMessage: content }, { content: 'Better now.', usage: usage(5, 3) });
      const tenant = await world.server.tenant({ usd: '1' });
      const { fetch, statuses } = countingFetch();
      const answer = await clientOf(tenant, { fetch, maxRetries: 2 }).chat.completions.create(
        asking(content),
      );
      expect(answer.choices[0].message.content).toBe('Better now.');
      expect(statuses).toEqual([status, 200]);
      const [failed, completed] = await tenant.ended();
      expect(failed).toMatchObject({ status: 'released', charged: { usd: '0', calls: '1' } });
      expect(completed).toMatchObject({
        ending: 'completed',
        charged: { usd: cost({ input: 5, output: 3 }) },
      });
    },
  );

  test('faults: 429 with a time of reset → nothing is charged, and no call goes out until then', async () => {
    const message = 'You have hit your limit; it resets in 4h.';
    world.raw.answer = json({ error: { message, type: 'rate_limit_error' } }, 429, { 'retry-after': '1' });
    const tenant = await world.server.tenant({ usd: '1' });
    const openai = clientOf(tenant);
    // A provider of its own: it stays exhausted for the rest of the run.
    const request = asking('hello', 'throttled');
    const first = await rejection(openai.chat.completions.create(request));
    expect(first).toMatchObject({ status: 429 });
    expect((await tenant.only()).status).toBe('released');
    const before = world.raw.calls.length;
    const second = (await rejection(openai.chat.completions.create(request))) as InstanceType<
      typeof OpenAI.APIError
    >;
    expect(second).toMatchObject({ status: 429, code: 'quota_exceeded' });
    const retryAfterS = Number(second.headers?.get('retry-after'));
    expect(retryAfterS).toBeGreaterThan(4 * 3_600 - 60);
    expect(retryAfterS).toBeLessThanOrEqual(4 * 3_600);
    expect(world.raw.calls).toHaveLength(before);
    expect(await tenant.figures()).toEqual({ spent: '0', held: '0', remaining: '1' });
  });

  test('faults: a provider that throttles, and another that can → the other answers, one charge', async () => {
    world.raw.answer = json({ error: { message: 'Rate limit reached; try again in 2h' } }, 429);
    world.mock.onMessage('either', { content: 'Here.', usage: usage(5, 2) });
    const tenant = await world.server.tenant({ usd: '1', calls: '10' });
    const { data, response } = await clientOf(tenant)
      .chat.completions.create(asking('either', 'fallback'))
      .withResponse();
    expect(data.choices[0].message.content).toBe('Here.');
    expect(response.headers.get('bursar-provider')).toBe('mock');
    expect(await tenant.figures()).toMatchObject({ spent: cost({ input: 5, output: 2 }), held: '0' });
    expect((await tenant.figures('calls')).spent).toBe('1');
  });
});

/** The note on the tenant's one settlement. */
async function settlementNote(tenant: Tenant): Promise<unknown> {
  const { holdId } = await tenant.only();
  const [event] = await world.server.list(
    `/v1/events?type=hold_settled&holdId=${encodeURIComponent(holdId)}`,
  );
  return JSON.parse(event.details.note);
}

const COMPLETION = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'raw-small',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hi.' }, finish_reason: 'stop' }],
};
