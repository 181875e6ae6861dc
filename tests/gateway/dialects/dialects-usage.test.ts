// Usage in answers: each dialect's figures become the same parts, of which each is priced once, and never less than what was
// stated. Hostile figures, error bodies, and estimates where an answer states none.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { merged, messageReading } from '#bursar/gateway/dialects/anthropic-usage.js';
import { dialects } from '#bursar/gateway/dialects/dialects.js';
import { type StatedUsage, usagePlaces } from '#bursar/gateway/dialects/usage-places.js';
import type { Endpoint } from '#bursar/gateway/metering/endpoints.js';
import type { Quantities, UsageReading } from '#bursar/gateway/metering/usage.js';
import { anthropicCompatible, compatible } from '#bursar/gateway/profiles/compatible.js';

function usage(endpoint: Endpoint, answer: unknown): UsageReading | null {
  return endpoint === 'messages'
    ? dialects.anthropic.readUsage(endpoint, answer, anthropicCompatible)
    : dialects.openai.readUsage(endpoint, answer, compatible);
}

const chat = (stated: unknown) => usage('chat_completions', { choices: [], usage: stated });
const message = (stated: unknown) => usage('messages', { content: [], usage: stated });

const sum = (quantities: Quantities | undefined, components: readonly (keyof Quantities)[]) =>
  components.reduce((total, component) => total + (quantities?.[component] ?? 0), 0);
const INPUT = ['input', 'cache_read', 'cache_write', 'cache_write_1h', 'input_audio'] as const;
const OUTPUT = ['output', 'reasoning', 'output_audio'] as const;

describe('normalised usage', () => {
  test('problem 31: cached, audio and reasoning tokens of chat → shares of the totals, none of them twice', () => {
    expect(
      chat({
        prompt_tokens: 100,
        completion_tokens: 60,
        total_tokens: 160,
        prompt_tokens_details: { cached_tokens: 30, audio_tokens: 20 },
        completion_tokens_details: { reasoning_tokens: 40, audio_tokens: 5 },
      }),
    ).toEqual({
      inputTokens: { total: 100, noCache: 70, cacheRead: 30, cacheWrite: null },
      outputTokens: { total: 60, text: 15, reasoning: 40 },
      toolCalls: null,
      quantities: { input: 50, cache_read: 30, input_audio: 20, output: 15, reasoning: 40, output_audio: 5 },
    });
  });

  test('responses: billed calls are counted from the items, opening a page is none, a container counts once', () => {
    const item = (type: string, more = {}) => ({ type, ...more });
    const read = usage('responses', {
      usage: {
        input_tokens: 10,
        output_tokens: 5,
        input_tokens_details: { cached_tokens: 4, cache_write_tokens: 3 },
      },
      output: [
        item('web_search_call', { action: { type: 'search' } }),
        item('web_search_call', { action: { type: 'open_page' } }),
        item('web_search_call'),
        item('file_search_call'),
        item('code_interpreter_call', { container_id: 'c1' }),
        item('code_interpreter_call', { container_id: 'c1' }),
        item('message'),
        null,
      ],
    });
    expect(read?.toolCalls).toBe(4);
    expect(read?.quantities).toEqual({
      input: 3,
      cache_read: 4,
      cache_write: 3,
      output: 5,
      web_search: 2,
      file_search: 1,
      code_interpreter: 1,
    });
  });

  test('messages: input excludes what is cached → the total includes it, by how long it is kept', () => {
    const read = message({
      input_tokens: 10,
      cache_read_input_tokens: 100,
      cache_creation_input_tokens: 50,
      cache_creation: { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 30 },
      output_tokens: 9,
      output_tokens_details: { thinking_tokens: 4 },
      server_tool_use: { web_search_requests: 2, web_fetch_requests: 1 },
    });
    expect(read).toEqual({
      inputTokens: { total: 160, noCache: 10, cacheRead: 100, cacheWrite: 50 },
      outputTokens: { total: 9, text: 5, reasoning: 4 },
      toolCalls: 3,
      quantities: {
        input: 10,
        cache_read: 100,
        cache_write: 20,
        cache_write_1h: 30,
        output: 5,
        reasoning: 4,
        web_search: 2,
      },
    });
  });

  test('embeddings: input alone', () => {
    expect(usage('embeddings', { usage: { prompt_tokens: 7, total_tokens: 7 } })).toMatchObject({
      inputTokens: { total: 7 },
      outputTokens: { total: 0 },
      quantities: { input: 7 },
    });
  });

  test('an explicit zero → zero; a missing figure → unknown; no usage → none', () => {
    expect(chat({ prompt_tokens: 0, completion_tokens: 0 })).toMatchObject({
      inputTokens: { total: 0 },
      outputTokens: { total: 0 },
      quantities: { input: 0, output: 0 },
    });
    expect(chat({ completion_tokens: 3 })).toMatchObject({
      inputTokens: { total: null },
      quantities: { output: 3 },
    });
    for (const endpoint of ['chat_completions', 'responses', 'embeddings', 'messages'] as const) {
      for (const answer of [null, 'text', [], {}, { usage: null }, { usage: 7 }]) {
        expect(usage(endpoint, answer)).toBeNull();
      }
    }
  });
});

// In steps at 1, 0.1, 1.25, 2 and 10 usd for a million tokens of input, cache read, cache write, an hour's, and output.
const RATE = {
  input: 100,
  cache_read: 10,
  cache_write: 125,
  cache_write_1h: 200,
  output: 1_000,
  reasoning: 1_000,
};
const steps = (read: UsageReading | null) =>
  Object.entries(read?.quantities ?? {}).reduce(
    (total, [component, quantity]) => total + quantity * (RATE[component as keyof typeof RATE] ?? 0),
    0,
  );

describe('where usage stands, and what its total tells', () => {
  const cached = (tokens: number) => ({ prompt_tokens_details: { cached_tokens: tokens } });
  const reasoned = (tokens: number) => ({ completion_tokens_details: { reasoning_tokens: tokens } });

  test.each<[string, object, number]>([
    ['cached_tokens at the top', { cached_tokens: 900 }, 24_000],
    ['prompt_cache_hit_tokens', { prompt_cache_hit_tokens: 900, prompt_cache_miss_tokens: 100 }, 24_000],
    ['the usual details', cached(900), 24_000],
    ['null in the usual details → the next place', { ...cached(null as never), cached_tokens: 900 }, 24_000],
    ['an explicit zero in the usual details is a fact', { ...cached(0), cached_tokens: 900 }, 105_000],
    ['digits in texts', { prompt_tokens: '1000', completion_tokens: '5', cached_tokens: '900' }, 24_000],
  ])('1,000 in, 5 out, 900 of them cached: %s', (_place, more, expected) => {
    expect(steps(chat({ prompt_tokens: 1_000, completion_tokens: 5, ...more }))).toBe(expected);
  });

  test.each<[string, object]>([
    ['usage', { usage: { prompt_tokens: 1_000, completion_tokens: 500 } }],
    ['x_groq.usage', { x_groq: { usage: { prompt_tokens: 1_000, completion_tokens: 500 } } }],
    ['a choice', { choices: [{ usage: { prompt_tokens: 1_000, completion_tokens: 500 } }] }],
    [
      'a choice, usage being null',
      { usage: null, choices: [{ usage: { prompt_tokens: 1_000, completion_tokens: 500 } }] },
    ],
    [
      'a choice, usage being empty',
      { usage: {}, choices: [{ usage: { prompt_tokens: 1_000, completion_tokens: 500 } }] },
    ],
    [
      'a list',
      {
        usage: [
          { prompt_tokens: 600, completion_tokens: 200 },
          { prompt_tokens: 400, completion_tokens: 300 },
        ],
      },
    ],
    ['the names of responses', { usage: { input_tokens: 1_000, output_tokens: 500 } }],
    [
      'each choice, of the whole answer',
      { choices: [1, 2].map(() => ({ usage: { prompt_tokens: 1_000, completion_tokens: 500 } })) },
    ],
    [
      'each choice, of itself: one input',
      {
        choices: [200, 300].map((completion_tokens) => ({
          usage: { prompt_tokens: 1_000, completion_tokens, total_tokens: 1_000 + completion_tokens },
        })),
      },
    ],
  ])('usage stands in %s → 600,000 steps', (_place, answer) => {
    expect(steps(usage('chat_completions', { choices: [], ...answer }))).toBe(600_000);
  });

  test.each<[string, object, number]>([
    [
      'a cache that input leaves out → no output',
      { prompt_tokens: 100, completion_tokens: 10, total_tokens: 5_110, ...cached(5_000) },
      70_000,
    ],
    [
      'the same, as a top-level figure',
      { prompt_tokens: 100, completion_tokens: 10, total_tokens: 5_110, cached_tokens: 5_000 },
      70_000,
    ],
    [
      'what was read and written',
      {
        prompt_tokens: 100,
        completion_tokens: 10,
        total_tokens: 1_110,
        prompt_tokens_details: { cached_tokens: 600, cache_write_tokens: 400 },
      },
      100 * 100 + 600 * 10 + 400 * 125 + 10 * 1_000,
    ],
    [
      'what was written alone, the rest is within',
      {
        prompt_tokens: 700,
        completion_tokens: 10,
        total_tokens: 1_110,
        prompt_tokens_details: { cached_tokens: 600, cache_write_tokens: 400 },
      },
      100 * 100 + 600 * 10 + 400 * 125 + 10 * 1_000,
    ],
    [
      'cache and reasoning both',
      { prompt_tokens: 100, completion_tokens: 10, total_tokens: 5_200, ...cached(5_000), ...reasoned(90) },
      100 * 100 + 5_000 * 10 + 100 * 1_000,
    ],
    [
      'reasoning alone',
      { prompt_tokens: 1_000, completion_tokens: 10, total_tokens: 1_100, ...cached(900), ...reasoned(90) },
      100 * 100 + 900 * 10 + 100 * 1_000,
    ],
    [
      'thoughts that nothing names',
      { prompt_tokens: 1_000, completion_tokens: 10, total_tokens: 1_310, ...cached(900) },
      100 * 100 + 900 * 10 + 310 * 1_000,
    ],
    [
      'a cache that input leaves out, and thoughts',
      { prompt_tokens: 100, completion_tokens: 10, total_tokens: 5_410, ...cached(5_000) },
      100 * 100 + 5_000 * 10 + 310 * 1_000,
    ],
    [
      'a total below its parts tells nothing',
      { prompt_tokens: 1_000, completion_tokens: 10, total_tokens: 10, ...cached(900) },
      100 * 100 + 900 * 10 + 10 * 1_000,
    ],
    [
      'input alone and the total',
      { prompt_tokens: 1_000, completion_tokens: null, total_tokens: 1_010 },
      1_000 * 100 + 10 * 1_000,
    ],
    [
      'output alone and the total',
      { completion_tokens: 10, total_tokens: 1_010, ...cached(900) },
      100 * 100 + 900 * 10 + 10 * 1_000,
    ],
    [
      'tokens of predictions are within the output',
      {
        prompt_tokens: 100,
        completion_tokens: 50,
        total_tokens: 150,
        completion_tokens_details: { accepted_prediction_tokens: 20, rejected_prediction_tokens: 15 },
      },
      100 * 100 + 50 * 1_000,
    ],
  ])('total_tokens: %s', (_case, stated, expected) => {
    expect(steps(chat(stated))).toBe(expected);
  });

  test('a total alone → kept, and neither side is known', () => {
    expect(chat({ total_tokens: 150 })).toMatchObject({
      inputTokens: { total: null },
      outputTokens: { total: null },
      allTokens: 150,
    });
  });

  test('searches that an answer states → counted; 0 is a fact', () => {
    const used = { prompt_tokens: 10, completion_tokens: 5 };
    expect(chat({ ...used, num_search_queries: 3 })).toMatchObject({
      toolCalls: 3,
      quantities: { web_search: 3 },
    });
    expect(chat({ ...used, num_sources_used: 0 })?.toolCalls).toBe(0);
    expect(chat(used)?.toolCalls).toBeNull();
  });

  test('what changes the price, and the provider’s own cost → as stated, without floats', () => {
    const read = usage('chat_completions', {
      service_tier: 'priority',
      usage: { prompt_tokens: 1, completion_tokens: 1, cost: 0.1 },
    });
    expect([read?.modifiers, read?.cost]).toEqual([{ service_tier: 'priority' }, 10_000_000n]);
    const none = usage('chat_completions', { service_tier: null, usage: { prompt_tokens: 1, cost: 'free' } });
    expect([none?.modifiers, none?.cost]).toEqual([undefined, undefined]);
  });
});

describe('reports of one stream', () => {
  const places = usagePlaces(anthropicCompatible);
  const report = (stated: object) => places.stated({ usage: stated }) as StatedUsage;
  const read = (...reports: object[]) =>
    messageReading(
      reports.map(report).reduce((earlier, later) => merged(earlier, later)),
      places,
    );

  test.each<[string, object[], number]>([
    [
      'input and cache together take the place of the input',
      [
        { input_tokens: 8_834, output_tokens: 0 },
        { input_tokens: 18, cache_read_input_tokens: 8_831, output_tokens: 426 },
      ],
      516_110,
    ],
    [
      'a cache of zero together with the input does so too',
      [
        { input_tokens: 900, cache_read_input_tokens: 500, output_tokens: 0 },
        { input_tokens: 1_000, cache_read_input_tokens: 0, output_tokens: 5 },
      ],
      1_000 * 100 + 5 * 1_000,
    ],
    [
      'zeros all round are no report of the input',
      [
        { input_tokens: 1_000, output_tokens: 0 },
        { input_tokens: 0, cache_read_input_tokens: 0, cache_creation_input_tokens: 0, output_tokens: 5 },
      ],
      1_000 * 100 + 5 * 1_000,
    ],
    [
      'input alone: the larger stands',
      [
        { input_tokens: 1_000, output_tokens: 1 },
        { input_tokens: 3, output_tokens: 5 },
      ],
      1_000 * 100 + 5 * 1_000,
    ],
    [
      'how long the cache is kept is stated at the start alone',
      [
        {
          input_tokens: 10,
          cache_creation_input_tokens: 300,
          cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 300 },
          output_tokens: 1,
        },
        { input_tokens: 10, cache_creation_input_tokens: 300, cache_read_input_tokens: 0, output_tokens: 5 },
      ],
      10 * 100 + 300 * 200 + 5 * 1_000,
    ],
    [
      'rounds of a server tool add up in the last report',
      [
        { input_tokens: 100, cache_read_input_tokens: 0, output_tokens: 1 },
        {
          input_tokens: 9_000,
          cache_read_input_tokens: 4_000,
          output_tokens: 50,
          server_tool_use: { web_search_requests: 1 },
        },
      ],
      9_000 * 100 + 4_000 * 10 + 50 * 1_000,
    ],
  ])('%s', (_case, reports, expected) => {
    expect(steps(read(...reports))).toBe(expected);
  });

  test('the tier of the first report stands where the last is silent', () => {
    expect(read({ input_tokens: 1, service_tier: 'standard' }, { output_tokens: 2 }).modifiers).toEqual({
      service_tier: 'standard',
    });
  });
});

describe('figures that cannot be', () => {
  test.each([-1, Number.NaN, 1e300, 'a dozen', '1e3', '-4', '', {}, true, null])(
    'prompt_tokens %j → not stated, so that it is estimated',
    (value) => {
      const read = chat({ prompt_tokens: value, completion_tokens: 5 });
      expect(read?.inputTokens.total).toBeNull();
      expect(read?.quantities).toEqual({ output: 5 });
    },
  );

  test('digits in a text → their number', () => {
    expect(chat({ prompt_tokens: '12', completion_tokens: '5' })?.quantities).toEqual({
      input: 12,
      output: 5,
    });
  });

  test('parts above their total → the total is raised to them', () => {
    expect(
      chat({ prompt_tokens: 5, completion_tokens: 0, prompt_tokens_details: { cached_tokens: 80 } }),
    ).toMatchObject({
      inputTokens: { total: 80, noCache: 0 },
      quantities: { input: 0, cache_read: 80 },
    });
  });

  test('reasoning left out of the output, as some compatible providers do → charged too', () => {
    const details = { completion_tokens_details: { reasoning_tokens: 90 } };
    expect(chat({ prompt_tokens: 5, completion_tokens: 10, ...details })?.outputTokens.total).toBe(100);
    const total = { prompt_tokens: 5, completion_tokens: 200, total_tokens: 295, ...details };
    expect(chat(total)?.outputTokens.total).toBe(290);
  });

  test('a fraction → the next whole', () => {
    expect(chat({ prompt_tokens: 1.2, completion_tokens: 0 })?.inputTokens.total).toBe(2);
  });

  const anything = fc.oneof(
    fc.nat(1_000),
    fc.double({ min: 0, max: 1_000, noNaN: true }),
    fc.constantFrom(null, undefined, -5, '7', 1e300, {}, Number.NaN),
  );
  const figures = fc.record({
    prompt_tokens: anything,
    completion_tokens: anything,
    total_tokens: anything,
    prompt_tokens_details: fc.record({
      cached_tokens: anything,
      audio_tokens: anything,
      cache_write_tokens: anything,
    }),
    completion_tokens_details: fc.record({ reasoning_tokens: anything, audio_tokens: anything }),
  });
  const plain = (value: unknown) =>
    value === '7' ? 7 : typeof value === 'number' && value >= 0 && value <= 10_000_000 ? Math.ceil(value) : 0;

  test('property: any figures of chat → quantities are whole, sum to the totals, and are never below what was stated', () => {
    fc.assert(
      fc.property(figures, (stated) => {
        const read = chat(stated);
        const { inputTokens, outputTokens, quantities } = read as UsageReading;
        for (const quantity of Object.values(quantities)) {
          expect(Number.isSafeInteger(quantity) && quantity >= 0).toBe(true);
        }
        if (inputTokens.total !== null) {
          expect(sum(quantities, INPUT)).toBe(inputTokens.total);
          expect(inputTokens.total).toBeGreaterThanOrEqual(plain(stated.prompt_tokens));
        }
        if (outputTokens.total !== null) {
          expect(sum(quantities, OUTPUT)).toBe(outputTokens.total);
          expect(outputTokens.total).toBeGreaterThanOrEqual(plain(stated.completion_tokens));
        }
        const { reasoning_tokens, audio_tokens } = stated.completion_tokens_details;
        expect(quantities.reasoning ?? 0).toBe(plain(reasoning_tokens));
        expect(quantities.output_audio ?? 0).toBe(plain(audio_tokens));
        expect(quantities.input_audio ?? 0).toBe(plain(stated.prompt_tokens_details.audio_tokens));
      }),
      { numRuns: 1_000 },
    );
  });

  test('property: any figures of messages → quantities sum to the totals, and the cache is never below what was stated', () => {
    const stated = fc.record({
      input_tokens: anything,
      output_tokens: anything,
      cache_read_input_tokens: anything,
      cache_creation_input_tokens: anything,
      cache_creation: fc.record({ ephemeral_5m_input_tokens: anything, ephemeral_1h_input_tokens: anything }),
      output_tokens_details: fc.record({ thinking_tokens: anything }),
    });
    fc.assert(
      fc.property(stated, (given) => {
        const { inputTokens, outputTokens, quantities } = message(given) as UsageReading;
        if (inputTokens.total !== null) expect(sum(quantities, INPUT)).toBe(inputTokens.total);
        if (outputTokens.total !== null) expect(sum(quantities, OUTPUT)).toBe(outputTokens.total);
        expect(sum(quantities, ['cache_write', 'cache_write_1h'])).toBeGreaterThanOrEqual(
          plain(given.cache_creation_input_tokens),
        );
        expect(quantities.cache_write_1h ?? 0).toBe(plain(given.cache_creation.ephemeral_1h_input_tokens));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('answers without usage', () => {
  test('text, tool calls and thinking → a token for four bytes; ids and citations are no output', () => {
    const chatAnswer = {
      choices: [
        {
          message: {
            role: 'assistant',
            content: 'é'.repeat(20),
            tool_calls: [
              { id: 'call_xxxxxxxxxxxxxxxxxxx', type: 'function', function: { arguments: 'x'.repeat(40) } },
            ],
          },
        },
      ],
    };
    expect(dialects.openai.estimateOutput('chat_completions', chatAnswer)).toBe(20);
    const messageAnswer = {
      content: [{ type: 'thinking', thinking: 'x'.repeat(8), signature: 'y'.repeat(900) }],
    };
    expect(dialects.anthropic.estimateOutput('messages', messageAnswer)).toBe(2);
    expect(dialects.openai.estimateOutput('embeddings', { data: [{ embedding: 'x'.repeat(900) }] })).toBe(0);
    for (const answer of [null, 7, [], {}])
      expect(dialects.openai.estimateOutput('responses', answer)).toBe(0);
  });

  test('an answer nested 100,000 deep → estimated, not a crash', () => {
    let deep: unknown = 'x'.repeat(400);
    for (let level = 0; level < 100_000; level++) deep = [deep];
    expect(dialects.openai.estimateOutput('chat_completions', { choices: deep })).toBe(100);
  });
});

describe('errors of providers', () => {
  test.each([
    [
      '{"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}',
      /rate_limit_exceeded: Rate limit/,
    ],
    [
      '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}',
      /^overloaded_error: Overloaded$/,
    ],
    ['[{"error":{"message":"quota"}}]', /^quota$/],
    ['{"error":"model is loading"}', /^model is loading$/],
    ['<html>502 Bad Gateway</html>', /502 Bad Gateway/],
    ['{"error":{"message":{"a":1}}}', /\{"message":\{"a":1\}\}/],
    ['', /^status 529$/],
  ])('%s → %s', (given, expected) => {
    for (const dialect of Object.values(dialects))
      expect(dialect.errorText(529, Buffer.from(given))).toMatch(expected);
  });

  test('an error of megabytes → its start', () => {
    const told = dialects.openai.errorText(
      500,
      Buffer.from(`{"error":{"message":"${'🦜'.repeat(1_000_000)}"}}`),
    );
    expect(told.length).toBeLessThanOrEqual(4_096);
    expect(told.isWellFormed()).toBe(true);
  });
});
