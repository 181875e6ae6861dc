// Usage in answers: normalised as conventions.md says, partitioned by what is priced, and never read as less than what was
// stated. Hostile figures, error bodies, and estimates where an answer states none.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Endpoint, UsageReading } from '#bursar/service/dialects/dialect.js';
import { dialects } from '#bursar/service/dialects/dialects.js';
import type { Quantities } from '#bursar/service/prices/price.js';
import { anthropicCompatible, compatible } from '#bursar/service/profiles/compatible.js';

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
