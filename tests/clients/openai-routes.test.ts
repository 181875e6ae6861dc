// The further routes of OpenAI's dialect, with the `openai` package against the running server: legacy completions, images,
// speech, transcriptions, moderations, and the responses that a provider keeps. Each is charged as the provider bills it,
// or is free.

import type { ServerResponse } from 'node:http';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { events, json, Provider, type ProviderCall } from '../gateway/gateway-fixture.js';
import { ServerProcess, type Tenant } from '../setup/server-process.js';
import { rejection } from './setup.js';

let provider: Provider;
let server: ServerProcess;
beforeAll(async () => {
  provider = await Provider.start();
  server = await ServerProcess.start(
    `
providers:
  main: { dialect: openai, baseUrl: "${provider.url}", keyFrom: MAIN_KEY }
routes:
  - { model: "*", candidates: [{ provider: main }] }
prices:
  - { provider: main, model: "text*", input: "1", output: "10", contextWindow: 100000, outputTokensMax: 4000 }
  - { provider: main, model: "image-tokens", input: "5", inputImage: "10", output: "40" }
  - { provider: main, model: "image-each", input: "0", image: "40" }
  - { provider: main, model: "voice-tokens", input: "0.6", output: "12" }
  - { provider: main, model: "voice-characters", input: "0", character: "15" }
  - { provider: main, model: "ear-tokens", input: "2.5", inputAudio: "6", output: "10" }
  - { provider: main, model: "ear-seconds", input: "0", audioSecond: "0.1" }
`,
    { MAIN_KEY: 'sk-main-0123456789' },
  );
});
afterAll(async () => {
  await server.remove();
  await provider.close();
});

const clientOf = ({ key }: Pick<Tenant, 'key'>) =>
  new OpenAI({ apiKey: key, baseURL: `${server.url}/openai/v1`, maxRetries: 0 });

/** A tenant with some money, its client, and what its one call was charged. */
async function caller(usd = '5') {
  const tenant = await server.tenant({ usd });
  return { tenant, openai: clientOf(tenant), charged: async () => (await tenant.only()).charged?.usd };
}

const bytes = (length: number, type: string) => (_call: ProviderCall, response: ServerResponse) =>
  void response.writeHead(200, { 'content-type': type }).end(Buffer.alloc(length, 7));

describe('legacy completions', () => {
  const answer = (usage?: object) => ({
    id: 'cmpl-1',
    object: 'text_completion',
    choices: [{ index: 0, text: 'twelve bytes', finish_reason: 'stop', logprobs: null }],
    ...(usage === undefined ? {} : { usage }),
  });

  test('completions: a whole answer → charged by its usage, held for each prompt and the best of several', async () => {
    provider.answer = json(answer({ prompt_tokens: 20, completion_tokens: 5, total_tokens: 25 }));
    const { tenant, openai, charged } = await caller();
    await openai.completions.create({ model: 'text', prompt: ['a', 'b'], n: 1, best_of: 3, max_tokens: 100 });
    // 20 × 100 + 5 × 1,000 steps.
    expect(await charged()).toBe('0.00007');
    const [hold] = await tenant.ended();
    // Six times 100 tokens of output at 10 USD a million are 0.006 USD, and a little input.
    expect(Number(hold.authorized?.usd)).toBeGreaterThan(0.006);
    expect(Number(hold.authorized?.usd)).toBeLessThan(0.007);
  });

  test('completions: a stream → usage is asked for, taken out again, and charged', async () => {
    const chunk = (text: string, finish: string | null = null) => ({
      id: 'cmpl-1',
      object: 'text_completion',
      choices: [{ index: 0, text, finish_reason: finish }],
    });
    const usage = { prompt_tokens: 20, completion_tokens: 5, total_tokens: 25 };
    provider.answer = events([
      chunk('Hel'),
      chunk('lo', 'stop'),
      { id: 'cmpl-1', object: 'text_completion', choices: [], usage },
      'data: [DONE]\n\n',
    ]);
    const { openai, charged } = await caller();
    let text = '';
    for await (const one of await openai.completions.create({ model: 'text', prompt: 'a', stream: true }))
      text += one.choices[0].text;
    expect(text).toBe('Hello');
    expect(provider.calls.at(-1)?.body).toMatchObject({ stream_options: { include_usage: true } });
    expect(await charged()).toBe('0.00007');
  });

  test('completions: no limit stated → the 16 tokens of the API are held, and the request is not changed', async () => {
    provider.answer = json(answer({ prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }));
    const { openai } = await caller();
    await openai.completions.create({ model: 'text', prompt: 'a' });
    expect(provider.calls.at(-1)?.body).toEqual({ model: 'text', prompt: 'a' });
  });
});

describe('images', () => {
  const made = { created: 1, data: [{ b64_json: 'AAAA' }, { b64_json: 'BBBB' }] };

  test('images: made by a model that is billed by tokens → charged by the usage', async () => {
    provider.answer = json({
      ...made,
      usage: {
        input_tokens: 50,
        output_tokens: 2_112,
        total_tokens: 2_162,
        input_tokens_details: { text_tokens: 10, image_tokens: 40 },
      },
    });
    const { openai, charged } = await caller();
    await openai.images.generate({ model: 'image-tokens', prompt: 'a cat', n: 2, quality: 'medium' });
    // 10 × 500 + 40 × 1,000 + 2,112 × 4,000 steps.
    expect(await charged()).toBe('0.08493');
  });

  test('images: made by a model that is billed by the image → charged for those that came', async () => {
    provider.answer = json(made);
    const { openai, charged } = await caller();
    await openai.images.generate({ model: 'image-each', prompt: 'a cat', n: 2 });
    expect(await charged()).toBe('0.08');
  });

  test('images: a budget that does not pay for all of them → refused, nothing is sent', async () => {
    const before = provider.calls.length;
    const { openai } = await caller('0.1');
    const error = await rejection(openai.images.generate({ model: 'image-each', prompt: 'a cat', n: 3 }));
    expect(error).toMatchObject({ status: 402 });
    expect(provider.calls.length).toBe(before);
  });

  test('images: edited → the form goes out byte for byte, under the provider’s key', async () => {
    provider.answer = json({
      ...made,
      usage: { input_tokens: 400, output_tokens: 1_000, total_tokens: 1_400 },
    });
    const { openai, charged } = await caller();
    const image = await toFile(Buffer.from([1, 2, 3, 13, 10]), 'cat.png', { type: 'image/png' });
    await openai.images.edit({ model: 'image-tokens', prompt: 'blue', image: [image, image] });
    const sent = provider.calls.at(-1);
    expect(sent?.path).toBe('/v1/images/edits');
    expect(sent?.headers['content-type']).toMatch(/^multipart\/form-data; boundary=/);
    expect(sent?.headers.authorization).toBe('Bearer sk-main-0123456789');
    expect(sent?.text.match(/filename="cat\.png"/g)).toHaveLength(2);
    // 400 × 500 + 1,000 × 4,000 steps.
    expect(await charged()).toBe('0.042');
  });

  test('images: streamed → the last image’s usage is charged', async () => {
    provider.answer = events([
      { type: 'image_generation.partial_image', b64_json: 'AA', partial_image_index: 0 },
      {
        type: 'image_generation.completed',
        b64_json: 'AAAA',
        usage: {
          input_tokens: 10,
          output_tokens: 1_000,
          total_tokens: 1_010,
          input_tokens_details: { text_tokens: 10, image_tokens: 0 },
        },
      },
    ]);
    const { openai, charged } = await caller();
    const types: string[] = [];
    const stream = await openai.images.generate({
      model: 'image-tokens',
      prompt: 'a',
      stream: true,
      partial_images: 1,
    });
    for await (const event of stream) types.push(event.type);
    expect(types).toEqual(['image_generation.partial_image', 'image_generation.completed']);
    expect(await charged()).toBe('0.04005');
  });
});

describe('audio', () => {
  test('speech: billed by characters → charged for those of the text, and the sound reaches the caller', async () => {
    provider.answer = bytes(3_000, 'audio/mpeg');
    const { openai, charged } = await caller();
    const sound = await openai.audio.speech.create({
      model: 'voice-characters',
      voice: 'alloy',
      input: 'Grüße! 😀',
    });
    expect((await sound.arrayBuffer()).byteLength).toBe(3_000);
    expect(sound.headers.get('content-type')).toBe('audio/mpeg');
    // Eight characters at 15 USD a million.
    expect(await charged()).toBe('0.00012');
  });

  test('speech: billed by tokens that no answer states → an estimate from the text, which is marked', async () => {
    provider.answer = bytes(3_000, 'audio/mpeg');
    const { openai, tenant } = await caller();
    const sound = await openai.audio.speech.create({
      model: 'voice-tokens',
      voice: 'alloy',
      input: 'x'.repeat(900),
    });
    expect(sound.headers.get('bursar-cost-estimated')).toBe('true');
    const [{ charged, authorized }] = await tenant.ended();
    // A minute of speech is about 0.015 USD.
    expect(Number(charged?.usd)).toBeGreaterThan(0.01);
    expect(Number(charged?.usd)).toBeLessThanOrEqual(Number(authorized?.usd));
  });

  test('speech: a stream of events → charged by its usage', async () => {
    provider.answer = events([
      { type: 'speech.audio.delta', audio: 'AAAA' },
      { type: 'speech.audio.done', usage: { input_tokens: 10, output_tokens: 100, total_tokens: 110 } },
    ]);
    const { openai, charged } = await caller();
    const sound = await openai.audio.speech.create({
      model: 'voice-tokens',
      voice: 'alloy',
      input: 'hello',
      stream_format: 'sse',
    });
    expect(await sound.text()).toContain('speech.audio.done');
    // 10 × 60 + 100 × 1,200 steps.
    expect(await charged()).toBe('0.001206');
  });

  const file = () => toFile(Buffer.alloc(40_000, 1), 'talk.mp3');

  test('transcriptions: billed by the second → charged for the seconds that the answer states', async () => {
    provider.answer = json({ text: 'Hello', usage: { type: 'duration', seconds: 61.2 } });
    const { openai, charged } = await caller();
    expect(
      await openai.audio.transcriptions.create({ model: 'ear-seconds', file: await file() }),
    ).toMatchObject({ text: 'Hello' });
    expect(await charged()).toBe('0.0062');
  });

  test('transcriptions: billed by tokens → charged by the usage, sound apart from text', async () => {
    provider.answer = json({
      text: 'Hello',
      usage: {
        type: 'tokens',
        input_tokens: 110,
        input_token_details: { audio_tokens: 100, text_tokens: 10 },
        output_tokens: 5,
        total_tokens: 115,
      },
    });
    const { openai, charged } = await caller();
    await openai.audio.transcriptions.create({ model: 'ear-tokens', file: await file() });
    // 10 × 250 + 100 × 600 + 5 × 1,000 steps.
    expect(await charged()).toBe('0.000675');
  });

  test('transcriptions: plain text, which states no usage → the text reaches the caller, an estimate is charged', async () => {
    provider.answer = (_call, response) =>
      void response.writeHead(200, { 'content-type': 'text/plain' }).end('Hello there\n');
    const { openai, tenant } = await caller();
    const text = await openai.audio.transcriptions.create({
      model: 'ear-seconds',
      file: await file(),
      response_format: 'text',
    });
    expect(text).toBe('Hello there\n');
    const [{ charged, authorized }] = await tenant.ended();
    // 40,000 bytes of speech are ten seconds.
    expect(charged?.usd).toBe('0.001');
    expect(charged?.usd).toBe(authorized?.usd);
  });

  test('transcriptions: a WAV file → held for its length by channels, rate and bits, whatever it says of its bytes', async () => {
    provider.answer = (_call, response) =>
      void response.writeHead(200, { 'content-type': 'text/plain' }).end('Hello there\n');
    const { openai, tenant } = await caller();
    // Ten seconds of one channel at 16,000 samples of 16 bits, which claims 400,000 bytes a second.
    const sound = Buffer.alloc(320_000);
    sound.write('RIFF', 0, 'latin1');
    sound.write('WAVEfmt ', 8, 'latin1');
    sound.writeUInt32LE(16, 16);
    sound.writeUInt16LE(1, 20);
    sound.writeUInt16LE(1, 22);
    sound.writeUInt32LE(16_000, 24);
    sound.writeUInt32LE(400_000, 28);
    sound.writeUInt16LE(2, 32);
    sound.writeUInt16LE(16, 34);
    await openai.audio.transcriptions.create({
      model: 'ear-seconds',
      file: await toFile(sound, 'talk.wav'),
      response_format: 'text',
    });
    const [{ authorized }] = await tenant.ended();
    expect(authorized?.usd).toBe('0.001');
  });

  test('translations: streams, and forms that state a field twice → refused before anything is sent', async () => {
    const before = provider.calls.length;
    const { tenant } = await caller();
    const form = new FormData();
    form.append('model', 'ear-seconds');
    form.append('model', 'ear-tokens');
    form.append('file', new Blob(['x']), 'a.mp3');
    const response = await fetch(`${server.url}/openai/v1/audio/translations`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tenant.key}` },
      body: form,
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: 'invalid_request', param: 'model' } });
    expect(provider.calls.length).toBe(before);
  });
});

describe('what costs nothing', () => {
  test('moderations: an answer → passed on, nothing is charged, whatever the model costs', async () => {
    provider.answer = json({ id: 'modr-1', model: 'omni-moderation-latest', results: [] });
    const { openai, charged } = await caller();
    const answer = await openai.moderations.create({ input: 'hello' });
    expect(answer.id).toBe('modr-1');
    expect(provider.calls.at(-1)?.body).toEqual({ input: 'hello' });
    expect(await charged()).toBe('0');
  });

  test('input_tokens: counted → passed on, nothing is charged', async () => {
    provider.answer = json({ object: 'response.input_tokens', input_tokens: 11 });
    const { openai, charged } = await caller();
    expect(await openai.responses.inputTokens.count({ model: 'text', input: 'hello' })).toMatchObject({
      input_tokens: 11,
    });
    expect(await charged()).toBe('0');
  });
});

describe('responses that a provider keeps', () => {
  const response = (id: string) => ({
    id,
    object: 'response',
    status: 'completed',
    model: 'text',
    output: [],
    usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 },
  });

  test('compact: charged by its usage, held at the model’s own limit', async () => {
    provider.answer = json({ ...response('resp_c'), object: 'response.compaction' });
    const { openai, charged, tenant } = await caller();
    await openai.responses.compact({ model: 'text', input: 'a long story' });
    expect(await charged()).toBe('0.00006');
    expect(Number((await tenant.ended())[0].authorized?.usd)).toBeGreaterThan(0.04);
    expect(provider.calls.at(-1)?.body).toEqual({ model: 'text', input: 'a long story' });
  });

  test('stored responses: read, listed, cancelled and deleted by who made them → free, and asked of their provider', async () => {
    provider.answer = json(response('resp_mine'));
    const { openai, tenant } = await caller();
    await openai.responses.create({ model: 'text', input: 'hello' });
    expect(
      await openai.responses.retrieve('resp_mine', { include: ['reasoning.encrypted_content'] }),
    ).toMatchObject({ id: 'resp_mine' });
    expect(provider.calls.at(-1)?.path).toMatch(/^\/v1\/responses\/resp_mine\?include/);
    expect(provider.calls.at(-1)?.headers.authorization).toBe('Bearer sk-main-0123456789');
    provider.answer = json({ object: 'list', data: [], has_more: false, first_id: null, last_id: null });
    await openai.responses.inputItems.list('resp_mine');
    expect(provider.calls.at(-1)?.path).toBe('/v1/responses/resp_mine/input_items');
    provider.answer = json(response('resp_mine'));
    await openai.responses.cancel('resp_mine');
    await openai.responses.delete('resp_mine');
    // One call was charged: asking for what is stored never is.
    expect((await tenant.only()).charged?.usd).toBe('0.00006');
    expect(await rejection(openai.responses.retrieve('resp_mine'))).toMatchObject({ status: 404 });
  });

  test('stored responses: an error that breaks off → 502, in the dialect', async () => {
    provider.answer = json(response('resp_broken'));
    const { openai } = await caller();
    await openai.responses.create({ model: 'text', input: 'hello' });
    provider.answer = (_call, answer) => {
      answer.writeHead(404, { 'content-type': 'application/json', 'content-length': '1000' }).write('{');
      setTimeout(() => answer.destroy(), 20);
    };
    expect(await rejection(openai.responses.retrieve('resp_broken', {}, { maxRetries: 0 }))).toMatchObject({
      status: 502,
      code: 'provider_failed',
    });
  });

  test('stored responses: a call that goes on from one → holds the tokens that it read and gave, no context window', async () => {
    const used = { input_tokens: 9_000, output_tokens: 1_000, total_tokens: 10_000 };
    provider.answer = json({ ...response('resp_first'), usage: used });
    const { openai, tenant } = await caller();
    await openai.responses.create({ model: 'text', input: 'hello', max_output_tokens: 100 });
    provider.answer = json(response('resp_second'));
    const next = { model: 'text', input: 'and?', max_output_tokens: 100 };
    await openai.responses.create({ ...next, previous_response_id: 'resp_first' });
    await openai.responses.create({ ...next, previous_response_id: 'resp_made_elsewhere' });
    const [, known, unknown] = (await tenant.ended()).map(({ authorized }) => Number(authorized?.usd));
    // 10,000 tokens at 1 USD a million, the request itself, and 100 tokens of output at 10.
    expect(known).toBeGreaterThan(0.011);
    expect(known).toBeLessThan(0.012);
    // 100,000 tokens, the whole context window.
    expect(unknown).toBeGreaterThan(0.1);
  });

  test('stored responses: of a streamed answer → known as well', async () => {
    provider.answer = events([
      { type: 'response.created', response: { ...response('resp_streamed'), usage: null } },
      { type: 'response.completed', response: response('resp_streamed') },
    ]);
    const { openai } = await caller();
    for await (const _ of await openai.responses.create({ model: 'text', input: 'hello', stream: true }));
    provider.answer = json(response('resp_streamed'));
    expect(await openai.responses.retrieve('resp_streamed')).toMatchObject({ id: 'resp_streamed' });
  });

  test('stored responses: of another tenant, unknown ones, and malformed ids → 404 alike, and nothing is asked', async () => {
    provider.answer = json(response('resp_theirs'));
    const theirs = await caller();
    await theirs.openai.responses.create({ model: 'text', input: 'hello' });
    const mine = await caller();
    const before = provider.calls.length;
    for (const id of ['resp_theirs', 'resp_never', '..%2Fmodels', 'a'.repeat(300)]) {
      const answer = await fetch(`${server.url}/openai/v1/responses/${id}`, {
        headers: { authorization: `Bearer ${mine.tenant.key}` },
      });
      expect([id, answer.status]).toEqual([id, 404]);
    }
    const goingOn = mine.openai.responses.create({
      model: 'text',
      input: 'and?',
      previous_response_id: 'resp_theirs',
    });
    expect(await rejection(goingOn)).toMatchObject({ status: 404 });
    expect(provider.calls.length).toBe(before);
    await theirs.openai.responses.create({
      model: 'text',
      input: 'and?',
      previous_response_id: 'resp_theirs',
    });
    expect(provider.calls.length).toBe(before + 1);
  });

  test('stored responses: an answer that is not stored → not known', async () => {
    provider.answer = json(response('resp_unstored'));
    const { openai } = await caller();
    await openai.responses.create({ model: 'text', input: 'hello', store: false });
    expect(await rejection(openai.responses.retrieve('resp_unstored'))).toMatchObject({ status: 404 });
  });
});
