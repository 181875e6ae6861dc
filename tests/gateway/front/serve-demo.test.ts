// The demonstration provider, asked by the vendors' own clients: what it says is well-formed to them, and adds up.

import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DemoProvider, startDemoProvider } from '#bursar/gateway/front/demo-provider.js';

let demo: DemoProvider;
let openai: OpenAI;
let anthropic: Anthropic;
beforeAll(async () => {
  demo = await startDemoProvider({ now: () => 1_700_000_000_000 });
  openai = new OpenAI({ apiKey: 'none', baseURL: `${demo.baseUrl}/v1`, maxRetries: 0 });
  anthropic = new Anthropic({ apiKey: 'none', baseURL: demo.baseUrl, maxRetries: 0 });
});
afterAll(() => demo.close());

const MODEL = 'demo-small';
const MESSAGES = [{ role: 'user' as const, content: 'Wie spät ist es in Köln?' }];
const TEXT = 'This is the demonstration provider; no model has run. You said: Wie spät ist es in Köln?';

describe('demo provider', () => {
  test('demo: chat → the last message again, with usage that the stream repeats', async () => {
    const whole = await openai.chat.completions.create({ model: MODEL, messages: MESSAGES });
    expect(whole).toMatchObject({
      created: 1_700_000_000,
      choices: [{ message: { content: TEXT }, finish_reason: 'stop' }],
    });
    const stream = openai.chat.completions.stream({
      model: MODEL,
      messages: MESSAGES,
      stream_options: { include_usage: true },
    });
    const final = await stream.finalChatCompletion();
    expect(final.choices[0]).toMatchObject({ message: { content: TEXT }, finish_reason: 'stop' });
    expect(final.usage).toEqual(whole.usage);
  });

  test('demo: chat streamed without asking for usage → no chunk speaks of usage', async () => {
    const stream = await openai.chat.completions.create({ model: MODEL, messages: MESSAGES, stream: true });
    for await (const chunk of stream) {
      expect(chunk.choices).toHaveLength(1);
      expect(chunk).not.toHaveProperty('usage');
    }
  });

  test('demo: chat with a limit and two choices → cut to the limit, each choice counted', async () => {
    const cut = await openai.chat.completions.create({
      model: MODEL,
      messages: MESSAGES,
      max_completion_tokens: 3,
      n: 2,
    });
    expect(cut.choices.map((choice) => choice.finish_reason)).toEqual(['length', 'length']);
    expect(cut.usage?.completion_tokens).toBe(6);
    expect(TEXT.startsWith(cut.choices[1].message.content as string)).toBe(true);
  });

  test('demo: responses → whole and streamed alike, cut ones are incomplete', async () => {
    const whole = await openai.responses.create({ model: MODEL, input: MESSAGES[0].content });
    expect(whole).toMatchObject({ status: 'completed', output_text: TEXT });
    const streamed = await openai.responses.stream({ model: MODEL, input: MESSAGES }).finalResponse();
    expect(streamed).toMatchObject({ status: 'completed', output_text: TEXT, usage: whole.usage });
    const cut = await openai.responses
      .stream({ model: MODEL, input: 'x', max_output_tokens: 2 })
      .finalResponse();
    expect(cut).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      usage: { output_tokens: 2 },
    });
  });

  test('demo: embeddings → unit vectors, the same for the same text', async () => {
    const { data, usage } = await openai.embeddings.create({
      model: MODEL,
      input: ['a', 'b', 'a'],
      dimensions: 8,
    });
    expect(data.map(({ embedding }) => embedding.length)).toEqual([8, 8, 8]);
    expect(data[0].embedding).toEqual(data[2].embedding);
    expect(data[0].embedding).not.toEqual(data[1].embedding);
    expect(Math.hypot(...data[0].embedding)).toBeCloseTo(1);
    expect(usage.prompt_tokens).toBe(3);
  });

  test('demo: messages → whole, streamed and counted alike', async () => {
    const request = { model: MODEL, messages: MESSAGES, max_tokens: 1_000, system: 'be brief' };
    const whole = await anthropic.messages.create(request);
    expect(whole).toMatchObject({ content: [{ type: 'text', text: TEXT }], stop_reason: 'end_turn' });
    const streamed = await anthropic.messages.stream(request).finalMessage();
    expect(streamed).toMatchObject({ content: [{ text: TEXT }], stop_reason: 'end_turn' });
    expect(streamed.usage.output_tokens).toBe(whole.usage.output_tokens);
    const { max_tokens: _, ...counted } = request;
    expect((await anthropic.messages.countTokens(counted)).input_tokens).toBe(whole.usage.input_tokens);
    const cut = await anthropic.messages.create({ ...request, max_tokens: 4 });
    expect(cut).toMatchObject({ stop_reason: 'max_tokens', usage: { output_tokens: 4 } });
  });

  test('demo: usage → never more tokens than the request has bytes', async () => {
    const content = 'a b  c\n\nd é 漢字 '.repeat(20);
    const messages = [{ role: 'user' as const, content }];
    const { usage } = await openai.chat.completions.create({ model: MODEL, messages, max_tokens: 1 });
    expect(usage?.prompt_tokens).toBeLessThan(Buffer.byteLength(JSON.stringify({ messages })));
    expect(usage?.prompt_tokens).toBeGreaterThan(50);
  });

  test('demo: what is no request of its → an error that the clients read', async () => {
    await expect(anthropic.models.list()).rejects.toMatchObject({ status: 404 });
    const wrong = openai.chat.completions.create({ model: MODEL, messages: 'x' as never });
    await expect(wrong).rejects.toMatchObject({ status: 400, type: 'invalid_request_error' });
  });
});
