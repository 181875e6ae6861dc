// Every known provider through the whole gateway: the path, query and headers that reach it, the body that goes out, and what
// its answer is charged, in the shape in which that provider states its usage. Prices in usd a million tokens: input 1, cache
// read 0.1, cache write 1.25 (an hour: 2), output 10; so that a token costs 100, 10, 125, 200 or 1,000 steps.

import { afterEach, describe, expect, test } from 'vitest';
import { PROFILES } from '#bursar/gateway/profiles/profiles.js';
import type { Json } from '../../setup/json.js';
import { chatAnswer, chatChunk, DONE, events, type Gateway, json, startGateway } from '../gateway-fixture.js';

let gateway: Gateway | null = null;

afterEach(async () => {
  await gateway?.close();
  gateway = null;
});

const BUDGETS = '  - { id: all, match: { tenant: acme }, unit: usd, limit: "1000", window: day }';
const PRICE =
  'input: "1", cacheRead: "0.1", cacheWrite: "1.25", cacheWrite1h: "2", output: "10", contextWindow: 100000, outputTokensMax: 8000';

interface Start {
  /** The provider's name for the model. */
  readonly model?: string;
  /** Behind the provider's origin. */
  readonly base?: string;
  readonly price?: string;
  readonly budget?: string;
}

/** A gateway with one provider `p`, stated by these settings, behind the model `m`. */
async function startWith(settings: string, { model = 'm', base = '', price, budget }: Start = {}) {
  gateway = await startGateway({
    budgets: budget ?? BUDGETS,
    providers: `  p: { baseUrl: "PROVIDER${base}", keyFrom: P_KEY, ${settings} }\n`,
    routes: `\n  - { model: m, candidates: [{ provider: p, model: "${model}" }] }`,
    prices: `  - { provider: p, model: "*", ${PRICE}${price ?? ''} }`,
    secrets: { P_KEY: 'sk-p-secret' },
  });
  return gateway;
}

const ASK = { model: 'm', messages: [{ role: 'user', content: 'hi' }] };
const CHAT = '/openai/v1/chat/completions';
const MESSAGES = '/anthropic/v1/messages';

/** Steps of usd that the one call was charged. */
async function charged(of: Gateway): Promise<number> {
  await of.settled();
  return Number(of.ledger.holds().at(-1)?.charged?.usd);
}

interface Known {
  readonly base?: string;
  readonly path: string;
  /** Header and value that carry the key. */
  readonly key: readonly [string, string];
  /** The field to which an added limit of output goes. */
  readonly limit: string;
  readonly asksUsage: boolean;
  /** The usage as the provider states it, in its place in the answer. */
  readonly answer: object;
  readonly steps: number;
}

const BEARER = ['authorization', 'Bearer sk-p-secret'] as const;
const USED = { prompt_tokens: 1_000, completion_tokens: 50, total_tokens: 1_050 };
const withUsage = (usage: object) => chatAnswer(usage);
const cachedIn = (details: object) => withUsage({ ...USED, ...details });

const KNOWN: Readonly<Record<string, Known>> = {
  openai: {
    path: '/v1/chat/completions',
    key: BEARER,
    limit: 'max_completion_tokens',
    asksUsage: true,
    answer: cachedIn({
      prompt_tokens_details: { cached_tokens: 900, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 40, rejected_prediction_tokens: 7 },
    }),
    steps: 100 * 100 + 900 * 10 + 50 * 1_000,
  },
  'azure-openai': {
    path: '/openai/deployments/my%20model/chat/completions?api-version=2025-04-01-preview',
    key: ['api-key', 'sk-p-secret'],
    limit: 'max_completion_tokens',
    asksUsage: true,
    answer: { ...cachedIn({ prompt_tokens_details: { cached_tokens: 900 } }), prompt_filter_results: [] },
    steps: 100 * 100 + 900 * 10 + 50 * 1_000,
  },
  google: {
    base: '/v1beta/openai',
    path: '/v1beta/openai/chat/completions',
    key: BEARER,
    limit: 'max_completion_tokens',
    asksUsage: true,
    // 300 thoughts that only the total shows.
    answer: withUsage({ ...USED, total_tokens: 1_350 }),
    steps: 1_000 * 100 + 350 * 1_000,
  },
  mistral: {
    path: '/v1/chat/completions',
    key: BEARER,
    limit: 'max_tokens',
    asksUsage: false,
    answer: withUsage(USED),
    steps: 1_000 * 100 + 50 * 1_000,
  },
  deepseek: {
    path: '/v1/chat/completions',
    key: BEARER,
    limit: 'max_tokens',
    asksUsage: true,
    answer: cachedIn({ prompt_cache_hit_tokens: 900, prompt_cache_miss_tokens: 100 }),
    steps: 100 * 100 + 900 * 10 + 50 * 1_000,
  },
  groq: {
    base: '/openai',
    path: '/openai/v1/chat/completions',
    key: BEARER,
    limit: 'max_completion_tokens',
    asksUsage: true,
    answer: { ...chatAnswer(), x_groq: { id: 'req_1', usage: { ...USED, queue_time: 0.01 } } },
    steps: 1_000 * 100 + 50 * 1_000,
  },
  moonshot: {
    base: '/v1',
    path: '/v1/chat/completions',
    key: BEARER,
    limit: 'max_tokens',
    asksUsage: true,
    answer: cachedIn({ cached_tokens: 900 }),
    steps: 100 * 100 + 900 * 10 + 50 * 1_000,
  },
  openrouter: {
    path: '/api/v1/chat/completions',
    key: BEARER,
    limit: 'max_tokens',
    asksUsage: false,
    answer: cachedIn({
      prompt_tokens_details: { cached_tokens: 500, cache_write_tokens: 400 },
      cost: 0.95,
      is_byok: false,
    }),
    steps: 100 * 100 + 500 * 10 + 400 * 125 + 50 * 1_000,
  },
  together: {
    path: '/v1/chat/completions',
    key: BEARER,
    limit: 'max_tokens',
    asksUsage: true,
    answer: withUsage(USED),
    steps: 1_000 * 100 + 50 * 1_000,
  },
  fireworks: {
    path: '/inference/v1/chat/completions',
    key: BEARER,
    limit: 'max_tokens',
    asksUsage: true,
    answer: cachedIn({ prompt_tokens_details: { cached_tokens: 900 } }),
    steps: 100 * 100 + 900 * 10 + 50 * 1_000,
  },
  xai: {
    path: '/v1/chat/completions',
    key: BEARER,
    limit: 'max_completion_tokens',
    asksUsage: true,
    answer: withUsage({
      prompt_tokens: 1_000,
      completion_tokens: 10,
      total_tokens: 1_050,
      prompt_tokens_details: { text_tokens: 1_000, audio_tokens: 0, image_tokens: 0, cached_tokens: 900 },
      completion_tokens_details: { reasoning_tokens: 40, audio_tokens: 0 },
      num_sources_used: 0,
      cost_in_usd_ticks: 37_756_000,
    }),
    steps: 100 * 100 + 900 * 10 + 50 * 1_000,
  },
  ollama: {
    path: '/v1/chat/completions',
    key: BEARER,
    limit: 'max_tokens',
    asksUsage: true,
    answer: withUsage(USED),
    steps: 1_000 * 100 + 50 * 1_000,
  },
  vllm: {
    path: '/v1/chat/completions',
    key: BEARER,
    limit: 'max_completion_tokens',
    asksUsage: true,
    answer: { ...cachedIn({ prompt_tokens_details: null }), service_tier: null, prompt_logprobs: null },
    steps: 1_000 * 100 + 50 * 1_000,
  },
  'openai-compatible': {
    path: '/v1/chat/completions',
    key: BEARER,
    limit: 'max_completion_tokens',
    asksUsage: true,
    answer: { ...chatAnswer(), choices: [{ index: 0, message: { content: 'hi' }, usage: USED }] },
    steps: 1_000 * 100 + 50 * 1_000,
  },
};

describe('known providers of the OpenAI dialect', () => {
  test('profiles: every one of the dialect is in the table below', () => {
    const names = PROFILES.filter(({ dialect }) => dialect === 'openai').map(({ name }) => name);
    expect(Object.keys(KNOWN).sort()).toEqual(names.sort());
  });

  test.each(Object.entries(KNOWN))(
    '%s: path, query, key, the field of the limit, and the charge of its answer',
    async (profile, of) => {
      const on = await startWith(`profile: ${profile}`, { model: 'my model', base: of.base ?? '' });
      on.provider.answer = json(of.answer);
      const response = await on.post(CHAT, ASK);
      expect(response.status).toBe(200);
      const [call] = on.provider.calls;
      expect(call.path).toBe(of.path);
      expect(call.headers[of.key[0]]).toBe(of.key[1]);
      const others = ['authorization', 'api-key', 'x-api-key'].filter((name) => name !== of.key[0]);
      for (const name of others) expect(call.headers[name]).toBeUndefined();
      expect(call.body.model).toBe('my model');
      const limits = ['max_completion_tokens', 'max_tokens'].filter((field) => field in call.body);
      if (limits.length > 0) expect(limits).toEqual([of.limit]);
      expect(await charged(on)).toBe(of.steps);
      expect(response.headers.get('bursar-cost-estimated')).toBeNull();
    },
  );

  test.each(Object.entries(KNOWN))(
    '%s: a limit in the other field and stream_options → as the provider takes them',
    async (profile, of) => {
      const on = await startWith(`profile: ${profile}`, { base: of.base ?? '' });
      on.provider.answer = events([
        chatChunk('hi'),
        { ...chatChunk(''), choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: USED },
        DONE,
      ]);
      const both = { max_completion_tokens: 70, stream_options: { include_usage: true } };
      await (await on.post(CHAT, { ...ASK, stream: true, ...both })).text();
      const { body } = on.provider.calls[0];
      const kept = PROFILES.find(({ name }) => name === profile)?.request;
      const isKept = [...(kept?.outputLimit ?? []), ...(kept?.outputLimitAlso ?? [])].includes(
        'max_completion_tokens',
      );
      expect(body.max_completion_tokens).toBe(isKept ? 70 : undefined);
      expect(body.max_tokens).toBe(isKept ? undefined : 70);
      expect(body.stream_options).toEqual(of.asksUsage ? { include_usage: true } : undefined);
      expect(await charged(on)).toBe(1_000 * 100 + 50 * 1_000);
    },
  );
});

describe('known providers of the Anthropic dialect', () => {
  const message = (usage: object) => ({
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude',
    content: [{ type: 'text', text: 'hi' }],
    stop_reason: 'end_turn',
    usage,
  });
  const ask = { ...ASK, max_tokens: 100 };

  test.each(['anthropic', 'anthropic-compatible'])(
    '%s: path, key, version, and the charge',
    async (profile) => {
      const on = await startWith(`profile: ${profile}`);
      on.provider.answer = json(
        message({
          input_tokens: 100,
          cache_read_input_tokens: 900,
          cache_creation_input_tokens: 50,
          cache_creation: { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 30 },
          output_tokens: 50,
          service_tier: 'standard',
        }),
      );
      await on.post(`${MESSAGES}?beta=true`, ask);
      const [call] = on.provider.calls;
      expect(call.path).toBe('/v1/messages?beta=true');
      expect(call.headers).toMatchObject({ 'x-api-key': 'sk-p-secret', 'anthropic-version': '2023-06-01' });
      expect(call.headers.authorization).toBeUndefined();
      expect(await charged(on)).toBe(100 * 100 + 900 * 10 + 20 * 125 + 30 * 200 + 50 * 1_000);
    },
  );

  test('anthropic: the caller’s own version goes out, once', async () => {
    const on = await startWith('profile: anthropic');
    on.provider.answer = json(message({ input_tokens: 1, output_tokens: 1 }));
    await on.post(MESSAGES, ask, { 'anthropic-version': '2023-01-01' });
    expect(on.provider.calls[0].headers['anthropic-version']).toBe('2023-01-01');
  });

  test('a later report that states input and cache together → takes the place of the first', async () => {
    const on = await startWith('profile: anthropic-compatible');
    on.provider.answer = events([
      { type: 'message_start', message: message({ input_tokens: 8_834, output_tokens: 0 }) },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'hi' } },
      {
        type: 'message_delta',
        delta: { stop_reason: 'end_turn' },
        usage: { input_tokens: 18, cache_read_input_tokens: 8_831, output_tokens: 426 },
      },
      { type: 'message_stop' },
    ]);
    await (await on.post(MESSAGES, { ...ask, max_tokens: 1_000, stream: true })).text();
    expect(await charged(on)).toBe(516_110);
  });

  test('what the answer states of the place and the speed is charged; what nobody can price is an estimate, told once', async () => {
    const on = await startWith('profile: anthropic', { model: 'claude-opus-4-6' });
    const used = { input_tokens: 1_000, output_tokens: 1_000 };
    const costOf = async (more: object) => {
      on.provider.answer = json(message({ ...used, ...more }));
      const response = await on.post(MESSAGES, ask);
      return [response.headers.get('bursar-cost'), response.headers.get('bursar-cost-estimated')];
    };
    expect(await costOf({ inference_geo: 'us', service_tier: 'standard', speed: null })).toEqual([
      '0.0121',
      null,
    ]);
    expect(await costOf({ speed: 'fast' })).toEqual(['0.066', null]);
    expect(await costOf({ service_tier: 'batch' })).toEqual(['0.0055', null]);
    expect(await costOf({ inference_geo: 'moon' })).toEqual(['0.011', 'true']);
    expect(await costOf({ inference_geo: 'moon' })).toEqual(['0.011', 'true']);
    const told = on.logged.filter(({ message: text }) => text.includes('no price is known'));
    expect(told.map(({ about }) => about)).toEqual([
      { provider: 'p', model: 'claude-opus-4-6', unpriced: 'inference_geo moon' },
    ]);
  });
});

describe('tiers', () => {
  test('a request for a dearer tier → held at its price; charged at the tier that the answer states', async () => {
    const on = await startWith('profile: openai, pricedAs: p', { model: 'gpt-4.1' });
    const answering = (service_tier: string) =>
      json({ ...chatAnswer({ prompt_tokens: 1_000, completion_tokens: 1_000 }), service_tier });
    on.provider.answer = answering('priority');
    const first = await on.post(CHAT, { ...ASK, max_tokens: 1_000, service_tier: 'priority' });
    expect(first.headers.get('bursar-cost')).toBe('0.01925');
    expect(Number(on.ledger.holds().at(-1)?.held?.usd ?? 0)).toBe(0);
    on.provider.answer = answering('default');
    const second = await on.post(CHAT, { ...ASK, max_tokens: 1_000, service_tier: 'priority' });
    expect(second.headers.get('bursar-cost')).toBe('0.011');
    on.provider.answer = answering('flex');
    const third = await on.post(CHAT, { ...ASK, max_tokens: 1_000, service_tier: 'flex' });
    expect(third.headers.get('bursar-cost')).toBe('0.0055');
    expect(third.headers.get('bursar-cost-estimated')).toBeNull();
  });

  test('a tier in the events of a stream → charged', async () => {
    const on = await startWith('profile: openai', { model: 'gpt-4.1' });
    const tier = { service_tier: 'priority' };
    const usage = { prompt_tokens: 1_000, completion_tokens: 1_000, total_tokens: 2_000 };
    on.provider.answer = events([
      chatChunk('hi', tier),
      { ...chatChunk('', tier), choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
      { ...chatChunk('', tier), choices: [], usage },
      DONE,
    ]);
    await (await on.post(CHAT, { ...ASK, stream: true })).text();
    expect(await charged(on)).toBe(1_925_000);
  });

  test('a tier that nobody can price → 400 price_unknown, and nothing is sent', async () => {
    const on = await startWith('profile: openai', { model: 'o1' });
    const response = await on.post(CHAT, { ...ASK, service_tier: 'priority' });
    expect(response.status).toBe(400);
    const { error } = (await response.json()) as Record<string, Record<string, Json>>;
    expect(error).toMatchObject({ code: 'price_unknown', param: 'service_tier' });
    expect(on.provider.calls).toEqual([]);
  });

  test('own prices state what a tier costs', async () => {
    const price = ', modifiers: { service_tier: { priority: "3" } }';
    const on = await startWith('profile: openai', { model: 'o1', price });
    on.provider.answer = json({
      ...chatAnswer({ prompt_tokens: 1_000, completion_tokens: 100 }),
      service_tier: 'priority',
    });
    const response = await on.post(CHAT, { ...ASK, max_tokens: 100, service_tier: 'priority' });
    expect(response.headers.get('bursar-cost')).toBe('0.006');
  });
});

describe('a provider’s own cost', () => {
  const usage = { prompt_tokens: 1_000, completion_tokens: 10, total_tokens: 1_010 };

  test.each<[string, object, string | null, string | null]>([
    ['openrouter', { ...usage, cost: 0.0123456789 }, '0.01234568', null],
    ['openrouter', { ...usage, cost: 0 }, '0', null],
    ['openrouter', { ...usage, cost: '0.5' }, '0.5', null],
    ['openrouter', { ...usage, cost: 1e-7 }, '0.0000001', null],
    [
      'openrouter',
      { ...usage, cost: 0.001, is_byok: true, cost_details: { upstream_inference_cost: 0.02 } },
      '0.021',
      null,
    ],
    [
      'openrouter',
      { ...usage, cost: 0.02, is_byok: false, cost_details: { upstream_inference_cost: 0.02 } },
      '0.02',
      null,
    ],
    ['xai', { ...usage, cost_in_usd_ticks: 37_756_001 }, '0.00377561', null],
    // Not stated, or no amount: by the price book, and marked.
    ['openrouter', usage, '0.0011', 'true'],
    ['openrouter', { ...usage, cost: -1 }, '0.0011', 'true'],
    ['openrouter', { ...usage, cost: null }, '0.0011', 'true'],
  ])('charge: provider-cost, %s %j → %s', async (profile, stated, cost, estimated) => {
    const on = await startWith(`profile: ${profile}, charge: provider-cost`);
    on.provider.answer = json(chatAnswer(stated));
    const { headers } = await on.post(CHAT, ASK);
    expect([headers.get('bursar-cost'), headers.get('bursar-cost-estimated')]).toEqual([cost, estimated]);
  });

  test('without the setting → the price book', async () => {
    const on = await startWith('profile: openrouter');
    on.provider.answer = json(chatAnswer({ ...usage, cost: 0.5 }));
    expect((await on.post(CHAT, ASK)).headers.get('bursar-cost')).toBe('0.0011');
  });
});

describe('a provider that is not known', () => {
  test('what the configuration states of it reaches it', async () => {
    const on = await startWith(
      'dialect: openai, pathPrefix: /llm, paths: { chat_completions: "/run/{model}" }, query: { tenant: t1 }, keyHeader: x-house, keyPrefix: Key, headers: { X-Team: blue }, outputLimit: [num_predict, max_tokens], asksUsage: false, passFields: [session], usage: { at: [meta.usage], input: [in], output: [out] }',
      { model: 'a/b', base: '/api' },
    );
    on.provider.answer = json({ ...chatAnswer(), meta: { usage: { in: 100, out: 2 } } });
    const response = await on.post(CHAT, { ...ASK, max_completion_tokens: 40, session: 'a' });
    expect(response.status).toBe(200);
    const [call] = on.provider.calls;
    expect(call.path).toBe('/api/llm/run/a%2Fb?tenant=t1');
    expect(call.headers).toMatchObject({ 'x-house': 'Key sk-p-secret', 'x-team': 'blue' });
    expect(call.headers.authorization).toBeUndefined();
    expect(call.body).toEqual({ ...ASK, model: 'a/b', session: 'a', num_predict: 40, max_tokens: 40 });
    expect(await charged(on)).toBe(100 * 100 + 2 * 1_000);
  });

  test.each([
    ['/v1', '/v1/chat/completions'],
    ['/v1beta/openai', '/v1beta/openai/chat/completions'],
    ['/api/paas/v4', '/api/paas/v4/chat/completions'],
    ['/v1/account/gateway/openai', '/v1/account/gateway/openai/chat/completions'],
    ['/openai/', '/openai/v1/chat/completions'],
    ['/vision', '/vision/v1/chat/completions'],
    ['', '/v1/chat/completions'],
  ])('a base URL that ends in %s → %s', async (base, path) => {
    const on = await startWith('dialect: openai', { base });
    on.provider.answer = json(chatAnswer(usageOf(1, 1)));
    await on.post(CHAT, ASK);
    expect(on.provider.calls[0].path).toBe(path);
  });

  test('azure-openai with a base URL that ends in /openai/v1 → no deployment and no api-version', async () => {
    const on = await startWith('profile: azure-openai', { base: '/openai/v1' });
    on.provider.answer = json(chatAnswer(usageOf(1, 1)));
    await on.post(CHAT, ASK);
    expect(on.provider.calls[0].path).toBe('/openai/v1/chat/completions');
    expect(on.provider.calls[0].headers['api-key']).toBe('sk-p-secret');
  });

  test('a total alone → all of it is charged, the likely input first, and marked as an estimate', async () => {
    const on = await startWith('dialect: openai');
    on.provider.answer = json(chatAnswer({ total_tokens: 5_000 }));
    const { headers } = await on.post(CHAT, ASK);
    expect(headers.get('bursar-cost-estimated')).toBe('true');
    await on.settled();
    expect(Number(on.ledger.holds().at(-1)?.charged?.tokens)).toBe(5_000);
    // Of 5,000 tokens some are input, each 900 steps cheaper than output.
    const inputTokens = (5_000 * 1_000 - (await charged(on))) / 900;
    expect([Number.isInteger(inputTokens), inputTokens > 0, inputTokens < 200]).toEqual([true, true, true]);
  });

  test.each([
    [', webSearch: "10"', '0.0311', null, 0],
    ['', '0.0011', 'true', 1],
  ])(
    'searches that the provider ran unasked, price%s → %s, estimated %s',
    async (price, cost, estimated, told) => {
      const on = await startWith('dialect: openai', { price });
      on.provider.answer = json(chatAnswer({ ...usageOf(1_000, 10), num_search_queries: 3 }));
      const { headers } = await on.post(CHAT, ASK);
      expect([headers.get('bursar-cost'), headers.get('bursar-cost-estimated')]).toEqual([cost, estimated]);
      expect(on.logged).toHaveLength(told);
    },
  );

  test('an answer longer than its limit → charged in full, and told once for the model', async () => {
    const on = await startWith('dialect: openai');
    on.provider.answer = json(chatAnswer(usageOf(10, 32_000)));
    for (const _time of [1, 2]) {
      const response = await on.post(CHAT, { ...ASK, max_tokens: 100 });
      expect(response.headers.get('bursar-cost')).toBe('0.32001');
    }
    const told = on.logged.filter(({ message }) => message.includes('longer than its limit'));
    expect(told).toEqual([
      {
        about: { provider: 'p', model: 'm', outputTokensMax: 100, outputTokens: 32_000 },
        message: expect.stringContaining('providers.p.outputLimit'),
      },
    ]);
  });

  test('one that knows only max_tokens → the limit goes there, whatever field the caller used', async () => {
    const on = await startWith('dialect: openai, outputLimit: [max_tokens]');
    on.provider.answer = json(chatAnswer(usageOf(1, 1)));
    await on.post(CHAT, { max_completion_tokens: 60, ...ASK, n: 1 });
    await on.post(CHAT, { ...ASK, max_completion_tokens: 60, max_tokens: 50 });
    await on.post(CHAT, { ...ASK, max_completion_tokens: null, max_tokens: 50 });
    const limits = on.provider.calls.map(({ body }) => [body.max_tokens, body.max_completion_tokens]);
    expect(limits).toEqual([
      [60, undefined],
      [60, undefined],
      [50, null],
    ]);
  });
});

function usageOf(input: number, output: number): object {
  return { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
}
