// Streams: events are whole whatever the chunks' borders, usage is read from where each dialect states it, the extra chunk
// is removed where it was not asked for, and the output is measured as it comes.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StreamMeter, StreamStep } from '#bursar/gateway/dialects/dialect.js';
import { dialects } from '#bursar/gateway/dialects/dialects.js';
import { parseBody } from '#bursar/gateway/dialects/request-body.js';
import { EVENT_BYTES_MAX, EventSplitter } from '#bursar/gateway/dialects/sse-split.js';
import type { Endpoint } from '#bursar/gateway/metering/endpoints.js';
import { anthropicCompatible, compatible } from '#bursar/gateway/profiles/compatible.js';

function meter(endpoint: Endpoint, fields: Record<string, unknown> = {}): StreamMeter {
  const dialect = endpoint === 'messages' ? dialects.anthropic : dialects.openai;
  const body = { model: 'm', max_tokens: 5, stream: true, messages: [], ...fields };
  const profile = endpoint === 'messages' ? anthropicCompatible : compatible;
  return dialect.streamMeter(
    endpoint,
    dialect.readRequest(endpoint, parseBody(Buffer.from(JSON.stringify(body)))).facts,
    profile,
  );
}

function send(to: StreamMeter, data: unknown, name?: string): StreamStep {
  const text = typeof data === 'string' ? data : JSON.stringify(data);
  return to.step(Buffer.from(`${name === undefined ? '' : `event: ${name}\n`}data: ${text}\n\n`));
}

const PASSED = { shown: 'all', ended: false, error: null };
const delta = (content: string, more = {}) => ({ choices: [{ index: 0, delta: { content } }], ...more });
const USAGE = { prompt_tokens: 5, completion_tokens: 2, total_tokens: 7 };

describe('splitting', () => {
  function split(chunks: readonly Buffer[]): { events: string[]; rest: string } {
    const splitter = new EventSplitter();
    const events: string[] = [];
    for (const chunk of chunks) {
      splitter.push(chunk);
      for (let event = splitter.next(); event !== null; event = splitter.next())
        events.push(event.toString('latin1'));
    }
    return { events, rest: splitter.rest()?.toString('latin1') ?? '' };
  }

  test.each([
    ['LF', 'data: a\ndata: b\n\n: ping\n\n', ['data: a\ndata: b\n\n', ': ping\n\n']],
    ['CR LF', 'data: a\r\nid: 1\r\n\r\ndata: b\r\n\r\n', ['data: a\r\nid: 1\r\n\r\n', 'data: b\r\n\r\n']],
    ['CR', 'data: a\rid: 1\r\rdata: b\r\r:', ['data: a\rid: 1\r\r', 'data: b\r\r']],
    [
      'mixed',
      'data: a\r\n\ndata: b\n\r\ndata: c\r\n\r\n',
      ['data: a\r\n\n', 'data: b\n\r\n', 'data: c\r\n\r\n'],
    ],
    ['blank lines before', '\n\ndata: a\n\n', ['\n', '\n', 'data: a\n\n']],
  ])('lines that end in %s → the events', (_, stream, events) => {
    expect(split([Buffer.from(stream)]).events).toEqual(events);
  });

  test('property: any bytes in any chunks → the same events, and joined with the rest the same bytes', () => {
    const piece = fc.constantFrom('\n', '\r', '\r\n', '\n\n', '\r\n\r\n', 'data: x', 'é', ':');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), fc.array(fc.nat(12)), (pieces, sizes) => {
        const whole = Buffer.from(pieces.join(''));
        const chunks: Buffer[] = [];
        for (let at = 0, turn = 0; at < whole.length; turn++) {
          const size = 1 + (sizes[turn % Math.max(1, sizes.length)] ?? 0);
          chunks.push(whole.subarray(at, at + size));
          at += size;
        }
        expect(split(chunks)).toEqual(split([whole]));
        const { events, rest } = split(chunks);
        expect(events.join('') + rest).toBe(whole.toString('latin1'));
      }),
      { numRuns: 1_000 },
    );
  });

  test('an event that lies whole in a chunk → a view of it, not a copy', () => {
    const splitter = new EventSplitter();
    const chunk = Buffer.from('data: a\n\ndata: b\n\n');
    splitter.push(chunk);
    expect(splitter.next()?.buffer).toBe(chunk.buffer);
    expect(splitter.next()?.byteOffset).toBe(chunk.byteOffset + 9);
  });

  test('an event without an end → given up at the limit', () => {
    const splitter = new EventSplitter();
    const chunk = Buffer.alloc(1_024 * 1_024, 'x');
    const fill = () => {
      for (let bytes = 0; bytes <= EVENT_BYTES_MAX; bytes += chunk.length) {
        splitter.push(chunk);
        expect(splitter.next()).toBeNull();
      }
    };
    expect(fill).toThrow(/more than 16777216 bytes/);
  });
});

describe('chat completions', () => {
  test.each([
    [{}, 'nothing'],
    [{ stream_options: { include_usage: true } }, 'all'],
  ])('the chunk with usage, request %j → passes on %s', (fields, shown) => {
    const stream = meter('chat_completions', fields);
    expect(send(stream, delta('hello'))).toEqual(PASSED);
    expect(stream.usage()).toBeNull();
    expect(send(stream, { choices: [], usage: USAGE })).toEqual({ ...PASSED, shown });
    expect(stream.usage()?.inputTokens.total).toBe(5);
    expect(stream.usageFinal).toBe(false);
    expect(send(stream, '[DONE]')).toEqual({ ...PASSED, ended: true });
    expect(stream.usageFinal).toBe(true);
  });

  test('usage beside the last text → passes on, since the text does', () => {
    const stream = meter('chat_completions');
    expect(send(stream, delta('bye', { usage: USAGE })).shown).toBe('all');
    expect(stream.usage()?.outputTokens.total).toBe(2);
    expect(stream.usageFinal).toBe(false);
    send(stream, '[DONE]');
    expect(stream.usageFinal).toBe(true);
  });

  test('filter results without choices or usage → pass on', () => {
    expect(send(meter('chat_completions'), { choices: [], prompt_filter_results: [] })).toEqual(PASSED);
  });

  test('an error in the stream → its message, and it passes on', () => {
    const step = send(meter('chat_completions'), { error: { message: 'overloaded', code: 503 } });
    expect(step).toEqual({ ...PASSED, error: 'overloaded' });
  });

  test('text that speaks of usage, errors, deltas and [DONE] → is text', () => {
    const stream = meter('chat_completions');
    const step = send(
      stream,
      delta('data: [DONE] {"usage":{"prompt_tokens":1},"error":{"message":"x"},"delta":"y"}'),
    );
    expect(step).toEqual(PASSED);
    expect(stream.usage()).toBeNull();
  });

  test('output → a token for four bytes of deltas, at least one for each; padding and log probabilities do not count', () => {
    const stream = meter('chat_completions');
    const padding = { obfuscation: 'x'.repeat(500) };
    send(stream, { choices: [{ delta: { role: 'assistant', content: '' } }], ...padding });
    expect(stream.outputTokensSoFar).toBe(0);
    for (const token of ['a', 'b', 'c']) send(stream, delta(token, padding));
    expect(stream.outputTokensSoFar).toBe(3);
    send(stream, {
      choices: [{ delta: { reasoning_content: 'r'.repeat(37) }, logprobs: { content: [{ token: 'zzz' }] } }],
    });
    expect(stream.outputTokensSoFar).toBe(10);
    send(stream, {
      choices: [{ delta: { tool_calls: [{ index: 0, function: { arguments: '{"a":1}' } }] } }],
    });
    expect(stream.outputTokensSoFar).toBe(13);
    send(stream, { choices: [{ delta: { audio: { data: 'A'.repeat(32_000) } } }] });
    expect(stream.outputTokensSoFar).toBe(23);
  });

  test.each([
    'data: {"choices"',
    'data: {"usage":{',
    ': ping',
    'data: null',
    'retry: 5',
    'data: {"delta":{"a":"b',
  ])('half an event: %s → passes on and harms nothing', (text) => {
    const stream = meter('chat_completions');
    expect(stream.step(Buffer.from(`${text}\n\n`))).toEqual(PASSED);
    expect(stream.usage()).toBeNull();
  });

  test('JSON with spaces, as Python writes it → the same', () => {
    const stream = meter('chat_completions');
    stream.step(Buffer.from('data: {"choices": [{"delta": {"content": "12345678"}}]}\r\n\r\n'));
    expect(stream.outputTokensSoFar).toBe(2);
    expect(
      stream.step(Buffer.from('data: {"choices": [], "usage": {"prompt_tokens": 3}}\r\n\r\n')).shown,
    ).toBe('nothing');
    expect(stream.usage()?.inputTokens.total).toBe(3);
  });
});

describe('responses', () => {
  const event = (type: string, fields = {}) => ({ type, sequence_number: 1, ...fields });
  const stated = { input_tokens: 9, output_tokens: 4, total_tokens: 13 };

  test.each(['completed', 'incomplete', 'failed'])(
    'response.%s → ends the stream, with its usage',
    (kind) => {
      const stream = meter('responses', { messages: undefined, input: 'x' });
      send(stream, event('response.created', { response: { error: null, usage: null } }), 'response.created');
      send(stream, event('response.output_text.delta', { delta: '12345678', obfuscation: 'xxxxxxxxxx' }));
      send(stream, event('response.function_call_arguments.delta', { delta: 'abcd' }));
      expect(stream.outputTokensSoFar).toBe(3);
      const error = kind === 'failed' ? { code: 'server_error', message: 'broken' } : null;
      const step = send(
        stream,
        event(`response.${kind}`, { response: { error, usage: stated, output: [] } }),
      );
      expect(step).toEqual({
        shown: 'all',
        ended: true,
        error: error === null ? null : 'server_error: broken',
      });
      expect(stream.usage()).toMatchObject({
        inputTokens: { total: 9 },
        outputTokens: { total: 4 },
        toolCalls: 0,
      });
      expect(stream.usageFinal).toBe(true);
    },
  );

  test('an error event → ends the stream', () => {
    const step = send(
      meter('responses'),
      event('error', { code: 'rate_limit_exceeded', message: 'slow down' }),
    );
    expect(step).toEqual({ ...PASSED, ended: true, error: 'rate_limit_exceeded: slow down' });
  });

  test('a stream that dies after a search → the search is known', () => {
    const stream = meter('responses');
    send(
      stream,
      event('response.output_item.done', { item: { type: 'web_search_call', action: { type: 'search' } } }),
    );
    expect(stream.usage()).toMatchObject({ inputTokens: { total: null }, quantities: { web_search: 1 } });
    expect(stream.usageFinal).toBe(false);
  });
});

describe('messages', () => {
  const start = {
    type: 'message_start',
    message: { usage: { input_tokens: 20, cache_read_input_tokens: 5, output_tokens: 1 } },
  };

  test('usage comes in parts → the input at once, the output once it is final', () => {
    const stream = meter('messages');
    expect(send(stream, start, 'message_start')).toEqual(PASSED);
    expect(stream.usage()?.inputTokens).toMatchObject({ total: 25, noCache: 20, cacheRead: 5 });
    expect(stream.usageFinal).toBe(false);
    expect(send(stream, { type: 'ping' }, 'ping')).toEqual(PASSED);
    const text = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: '12345678' } };
    send(stream, text);
    const signature = { type: 'signature_delta', signature: 'x'.repeat(900) };
    send(stream, { type: 'content_block_delta', index: 0, delta: signature });
    expect(stream.outputTokensSoFar).toBe(2);
    send(stream, { type: 'message_delta', delta: { stop_reason: null }, usage: { output_tokens: 3 } });
    expect(stream.usageFinal).toBe(false);
    const last = { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 7 } };
    expect(send(stream, last)).toEqual(PASSED);
    expect(stream.usage()?.quantities).toEqual({ input: 20, cache_read: 5, output: 7 });
    expect(stream.usageFinal).toBe(true);
    expect(send(stream, { type: 'message_stop' })).toEqual({ ...PASSED, ended: true });
  });

  test('a message that ends without stating its output → its usage is not final', () => {
    const stream = meter('messages');
    send(stream, start);
    send(stream, { type: 'message_stop' });
    expect(stream.usageFinal).toBe(false);
  });

  test('cumulative figures that shrink → the larger stands', () => {
    const stream = meter('messages');
    send(stream, start);
    const usage = { input_tokens: 0, output_tokens: 4, server_tool_use: { web_search_requests: 1 } };
    send(stream, { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage });
    expect(stream.usage()?.quantities).toEqual({ input: 20, cache_read: 5, output: 4, web_search: 1 });
  });

  test('a stream that dies after a search began → the search is known', () => {
    const stream = meter('messages');
    send(stream, start);
    const block = { type: 'server_tool_use', id: 's', name: 'web_search', input: {} };
    send(stream, { type: 'content_block_start', index: 0, content_block: block });
    expect(stream.usage()?.quantities.web_search).toBe(1);
  });

  test('an error event → ends the stream', () => {
    const step = send(meter('messages'), {
      type: 'error',
      error: { type: 'overloaded_error', message: 'Overloaded' },
    });
    expect(step).toEqual({ ...PASSED, ended: true, error: 'overloaded_error: Overloaded' });
  });
});

describe('the end of a chat stream', () => {
  const finish = (index = 0, more = {}) => ({
    choices: [{ index, delta: {}, finish_reason: 'stop' }],
    ...more,
  });
  const says = (stream: StreamMeter) => [stream.isWhole, stream.usageFinal];

  test('a reason to finish without [DONE] → is whole, and its usage final: beside it, after it or before it', () => {
    for (const list of [
      [delta('a'), finish(0, { usage: USAGE })],
      [delta('a'), finish(), { choices: [], usage: USAGE }],
      [delta('a'), { choices: [], usage: USAGE }, finish()],
    ]) {
      const stream = meter('chat_completions');
      for (const chunk of list) send(stream, chunk);
      expect(says(stream)).toEqual([true, true]);
    }
  });

  test('usage without a reason to finish → neither whole nor final', () => {
    const stream = meter('chat_completions');
    send(stream, delta('a'));
    send(stream, { choices: [], usage: USAGE });
    expect(says(stream)).toEqual([false, false]);
  });

  test('text after a usage → it was a running total, also before [DONE]', () => {
    const stream = meter('chat_completions');
    send(stream, { choices: [], usage: USAGE });
    send(stream, delta('a'));
    send(stream, finish());
    expect(says(stream)).toEqual([true, false]);
    send(stream, '[DONE]');
    expect(says(stream)).toEqual([true, false]);
  });

  test('text after a reason to finish → the answer goes on', () => {
    const stream = meter('chat_completions');
    send(stream, delta('a'));
    send(stream, finish(0, { usage: USAGE }));
    send(stream, delta('b'));
    expect(says(stream)).toEqual([false, false]);
  });

  test('two choices → whole once both have finished, whatever is said of the first again', () => {
    const stream = meter('chat_completions', { n: 2 });
    send(stream, delta('a'));
    send(stream, { choices: [{ index: 1, delta: { content: 'b' } }] });
    send(stream, finish(0));
    expect(says(stream)).toEqual([false, false]);
    send(stream, { choices: [{ index: 0, delta: {}, content_filter_offsets: {} }] });
    send(stream, finish(1, { usage: USAGE }));
    expect(says(stream)).toEqual([true, true]);
  });

  test.each(['""', '"null"', 'null'])('finish_reason %s → is none', (reason) => {
    const stream = meter('chat_completions');
    stream.step(
      Buffer.from(`data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":${reason}}]}\n\n`),
    );
    expect(stream.isWhole).toBe(false);
  });
});

describe('what only Bursar asked for', () => {
  const shown = (text: string, fields = {}) => {
    const step = meter('chat_completions', fields).step(Buffer.from(text));
    return typeof step.shown === 'string' ? step.shown : Buffer.from(step.shown).toString();
  };

  test.each([
    [
      'data: {"id":"1","usage":null,"choices":[{"delta":{"content":"a"}}]}\n\n',
      'data: {"id":"1","choices":[{"delta":{"content":"a"}}]}\n\n',
    ],
    [
      'data: {"usage": null, "id": "1", "choices": [{}]}\r\n\r\n',
      'data: {"id": "1", "choices": [{}]}\r\n\r\n',
    ],
    ['data: {"choices": [{}], "usage": null}\n\n', 'data: {"choices": [{}]}\n\n'],
    ['data: {"choices":[{}] , "usage" : null }\n\n', 'data: {"choices":[{}]  }\n\n'],
    ['data: {"usage":null}\n\n', 'data: {}\n\n'],
    [
      'id: 7\ndata: {"a":1,\ndata: "usage": null,\ndata: "b":"\u00e9"}\n\n',
      'id: 7\ndata: {"a":1,\ndata: "b":"\u00e9"}\n\n',
    ],
    [
      'data: {"choices":[],"prompt_filter_results":[{"a":{}}],"usage":null}\n\n',
      'data: {"choices":[],"prompt_filter_results":[{"a":{}}]}\n\n',
    ],
  ])('%j → the caller sees %j', (sent, seen) => {
    expect(shown(sent)).toBe(seen);
    expect(shown(sent, { stream_options: { include_usage: true } })).toBe('all');
  });

  test.each([
    'data: {"choices":[{"index":0,"delta":{},"usage":null}]}\n\n',
    'data: {"choices":[{"delta":{"content":"\\"usage\\":null"}}]}\n\n',
    'data: {"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n',
    'data: {"x_groq":{"usage":{"prompt_tokens":1}},"choices":[{"delta":{}}]}\n\n',
    'data: {"usage":null\n\n'.replace('"usage":null', '"us'),
  ])('%j → is the provider’s own, and stays', (sent) => {
    expect(shown(sent)).toBe('all');
  });

  test.each([
    ['lines without a field', `data: {"a":1,${'\ndata: '.repeat(20_000)}"b":"usage","usage":{"c":1\n\n`],
    ['fields of the name within others', `data: {"a":{${'"usage":{},'.repeat(20_000)}"b":1}}\n\n`],
  ])('%s, by the ten thousand → are looked through within a moment', (_what, sent) => {
    const began = performance.now();
    expect(shown(sent)).toBe('all');
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  test.each([
    '{"usage":{"prompt_tokens":1}}',
    '{"choices":null,"usage":{"prompt_tokens":1}}',
    '{"choices":[],"usage":{}}',
  ])('usage without a choice: %s → is left out', (data) =>
    expect(shown(`data: ${data}\n\n`)).toBe('nothing'),
  );

  test('usage beside choices, of a provider that puts it there when asked → is taken out', () => {
    const profile = { ...compatible, usage: { ...compatible.usage, besideChoicesWhenAsked: true } };
    const { facts } = dialects.openai.readRequest(
      'chat_completions',
      parseBody(Buffer.from('{"model":"m","stream":true,"messages":[]}')),
    );
    const stream = dialects.openai.streamMeter('chat_completions', facts, profile);
    const step = stream.step(
      Buffer.from(
        'data: {"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1,"x":{"y":[1]}},"id":"1"}\n\n',
      ),
    );
    expect(Buffer.from(step.shown).toString()).toBe(
      'data: {"choices":[{"delta":{"content":"a"}}],"id":"1"}\n\n',
    );
    expect(stream.usage()?.inputTokens.total).toBe(1);
  });
});

describe('text that is measured once', () => {
  const tokens = (value: unknown) => {
    const stream = meter('chat_completions');
    send(stream, { choices: [{ index: 0, delta: value }] });
    return stream.outputTokensSoFar;
  };
  const thought = 'x'.repeat(400);

  test.each([
    [
      {
        reasoning: thought,
        reasoning_content: thought,
        reasoning_details: [
          {
            type: 'reasoning.text',
            text: thought,
            format: 'anthropic-claude-v1',
            id: 'r',
            signature: 's'.repeat(900),
          },
        ],
      },
      100,
    ],
    [
      {
        reasoning_content: thought,
        thinking_blocks: [{ type: 'thinking', thinking: thought, signature: 's'.repeat(800) }],
        provider_specific_fields: { reasoning_content: thought },
      },
      100,
    ],
    [{ reasoning: thought, content: 'y'.repeat(40) }, 110],
    [{ reasoning_details: [{ type: 'reasoning.encrypted', data: 'e'.repeat(900) }] }, 0],
    [{ thinking_blocks: [{ type: 'redacted_thinking', data: 'e'.repeat(900) }] }, 0],
    [{ extra_content: { google: { thought_signature: 'g'.repeat(900) } } }, 0],
    [{ content: [{ type: 'thinking', thinking: [{ type: 'text', text: thought }] }] }, 100],
    [
      {
        annotations: [{ type: 'url_citation', url_citation: { url: 'u', content: thought } }],
        content: 'abcd',
      },
      1,
    ],
    [
      {
        tool_calls: [{ index: 0, id: 'call_1', function: { name: 'abcd', arguments: 'efgh' } }],
        function_call: { name: 'abcd', arguments: 'efgh' },
      },
      2,
    ],
  ])('%j → %d tokens', (value, expected) => {
    expect(tokens(value)).toBe(expected);
    expect(dialects.openai.estimateOutput('chat_completions', { choices: [{ message: value }] })).toBe(
      expected,
    );
  });

  test('a character that is escaped by number → counts as its bytes in UTF-8', () => {
    const escaped = (text: string) =>
      [...text]
        .flatMap((char) => char.split(''))
        .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
        .join('');
    for (const text of [
      '\u4f60\u597d\u4e16\u754c',
      '\u043f\u0440\u0438\u0432\u0435\u0442',
      '\u{1f600}\u{1f601}',
      'abcdefgh',
    ]) {
      const count = (content: string) => {
        const stream = meter('chat_completions');
        stream.step(Buffer.from(`data: {"choices":[{"delta":{"content":"${content}"}}]}\n\n`));
        return stream.outputTokensSoFar;
      };
      expect(count(escaped(text))).toBe(count(text));
      expect(count(text)).toBe(Math.ceil(Buffer.byteLength(text) / 4));
    }
  });
});

describe('ends that are another API’s', () => {
  test('[DONE] in a stream of responses or messages → ends it', () => {
    for (const endpoint of ['responses', 'messages'] as const) {
      const stream = meter(endpoint, endpoint === 'responses' ? { messages: undefined, input: 'x' } : {});
      expect(send(stream, '[DONE]')).toEqual({ ...PASSED, ended: true });
      expect([stream.isWhole, stream.usageFinal]).toEqual([true, false]);
    }
  });

  test('a byte-order mark before the first event → does not hide it', () => {
    const stream = meter('chat_completions');
    const data = { choices: [{ index: 0, delta: { content: 'a' }, finish_reason: 'stop' }], usage: USAGE };
    stream.step(Buffer.from(`\ufeffdata: ${JSON.stringify(data)}\n\n`));
    expect([stream.isWhole, stream.usageFinal]).toEqual([true, true]);
  });
});
