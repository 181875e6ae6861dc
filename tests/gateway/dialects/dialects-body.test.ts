// The bytes of request bodies: what is refused before anything is authorised, what a change leaves alone, and that the bound
// of the input is never below the true count.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dialects } from '#bursar/gateway/dialects/dialects.js';
import { BodyFields, LEFT_OUT, parseBody, parseInTurns } from '#bursar/gateway/dialects/request-body.js';
import type { Endpoint } from '#bursar/gateway/metering/endpoints.js';
import { anthropicCompatible, compatible } from '#bursar/gateway/profiles/compatible.js';
import { RefusedError } from '#bursar/kit/refusals.js';

const bytes = (text: string) => Buffer.from(text);
const body = (value: unknown) => bytes(JSON.stringify(value));
const text = (value: Uint8Array) => Buffer.from(value).toString();
const reading = (endpoint: Endpoint, given: Uint8Array) =>
  dialects[endpoint === 'messages' ? 'anthropic' : 'openai'].readRequest(endpoint, parseBody(given));
const setField = (given: Uint8Array, name: string, value: string) =>
  BodyFields.of(given).with({ [name]: value });

function refusal(act: () => unknown): { code: string; field: string | undefined; message: string } {
  try {
    act();
  } catch (error) {
    if (error instanceof RefusedError) {
      return { code: error.code, field: error.about.field, message: error.message };
    }
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('what a body may be', () => {
  test.each<[string, Uint8Array, RegExp]>([
    ['no JSON', bytes('{"model":'), /not valid JSON/],
    ['a list', bytes('[]'), /one JSON object/],
    ['a number', bytes('7'), /one JSON object/],
    ['two objects', bytes('{} {}'), /not valid JSON/],
    ['not UTF-8', Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d), /UTF-8/],
    ['a byte-order mark', bytes('\ufeff{"model":"m"}'), /byte-order mark/],
    ['a million lists in each other', bytes('['.repeat(1_000_000)), /deeper than 128/],
    ['half a million values', bytes(`{"input":[${'0,'.repeat(500_000)}0]}`), /more than 400000 values/],
    [
      'ten thousand fields',
      body(Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [n, n]))),
      /8192 keys/,
    ],
  ])('a body: %s → refused', (_, given, why) => {
    const { code, message } = refusal(() => parseBody(given));
    expect(code).toBe('invalid_request');
    expect(message).toMatch(why);
  });

  test.each([
    ['plainly', '{"model":"cheap","model":"dear"}', 'model'],
    ['behind an escape', String.raw`{"model":"cheap","mod\u0065l":"dear"}`, 'model'],
    [
      'in the stream options',
      '{"stream_options":{"include_usage":true,"include_usage":false}}',
      'include_usage',
    ],
    ['in a part of a message', '{"messages":[{"content":[{"type":"image","type":"document"}]}]}', 'type'],
    ['among names that objects inherit', '{"__proto__":1,"a":{},"__proto__":2}', '__proto__'],
  ])('a body: one key twice, %s → refused, since parsers differ on which counts', (_, given, field) => {
    expect(refusal(() => parseBody(bytes(given)))).toMatchObject({ code: 'invalid_request', field });
  });

  test('a body: the same key in different objects, and as a value → read', () => {
    const given = '{"a":{"a":"a"},"b":[{"a":1},{"a":2}],"c":"\\"a\\":1,\\"a\\":2"}';
    expect(parseBody(bytes(given)).json).toEqual(JSON.parse(given));
  });

  test('a body: __proto__ with a model in it → lends the request nothing', () => {
    const { code, field } = refusal(() =>
      reading('chat_completions', bytes('{"__proto__":{"model":"m"},"messages":[]}')),
    );
    expect({ code, field }).toEqual({ code: 'invalid_request', field: 'model' });
    expect(({} as { model?: string }).model).toBeUndefined();
  });

  test.each(['Max_Tokens', 'MODEL', 'max_to\u212Aens', 'me\u017Fsages'])(
    'a body: %s, which a parser that ignores case takes for a field → refused',
    (key) => {
      const given = body({ model: 'm', messages: [], max_tokens: 5, [key]: 9 });
      expect(refusal(() => reading('chat_completions', given)).code).toBe('invalid_request');
      expect(refusal(() => reading('messages', given)).code).toBe('invalid_request');
    },
  );
});

const jsonObject = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ stringUnit: 'grapheme' }));

describe('what a change leaves alone', () => {
  test('property: a field set in any object → reads equal apart from the field, whatever the spaces', () => {
    fc.assert(
      fc.property(jsonObject, fc.constantFrom(0, 1, 4), fc.boolean(), (value, indent, known) => {
        const { max_tokens: _, ...own } = value;
        const given = { ...own, ...(known ? { max_tokens: [1, { max_tokens: '"}' }] } : {}) };
        const before = bytes(JSON.stringify(given, null, indent));
        const expected = { ...JSON.parse(text(before)), max_tokens: 77 };
        // Both ways: by the places that reading it found, and found again.
        for (const fields of [parseBody(before).fields, BodyFields.of(before)]) {
          const after = text(fields.with({ max_tokens: '77' }));
          expect(JSON.parse(after)).toEqual(expected);
          const comma = Object.keys(given).length === 0 ? '' : ',';
          if (!known) expect(after).toBe(`{"max_tokens":77${comma}${text(before).slice(1)}`);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('strings of any length before escapes → the places of fields are right', () => {
    for (let length = 0; length < 150; length++) {
      for (const end of ['\\\\', '\\"', '\\\\\\"', '\\"\\"']) {
        const given = `{"a":"${'x'.repeat(length)}${end}","max_tokens":1,"b":"}"}`;
        expect(text(setField(bytes(given), 'max_tokens', '2'))).toBe(
          given.replace('"max_tokens":1', '"max_tokens":2'),
        );
      }
    }
  });

  test('a changed request: spellings of numbers, order, spaces, escapes and emoji → the same bytes', () => {
    const given = [
      '{ "temperature":1.0 ,"seed": 12345678901234567890,\t"model" : "caller" , "messages":[',
      String.raw`{"role":"user","content":"\u00e9 \/ é 🦜 \"max_tokens\": 1"}], "top_p":1e-1,`,
      '"tools":[{"type":"function","function":{"name":"f","parameters":{"max_tokens":{"minimum":0.10}}}}],',
      '"max_tokens" : 1e3 , "stream":true,"stream_options": {"include_obfuscation":false} }',
    ].join('');
    const request = bytes(given);
    const changed = reading('chat_completions', request).changed(
      {
        model: 'provider"s',
        outputTokensMax: 64,
        askUsage: true,
      },
      compatible,
    );
    expect(text(changed)).toBe(
      given
        .replace('"caller"', String.raw`"provider\"s"`)
        .replace('1e3', '64')
        .replace('{"include_obfuscation"', '{"include_usage":true,"include_obfuscation"'),
    );
  });

  test('a change that changes nothing → the very same bytes', () => {
    const request = body({ model: 'm', max_tokens: 1, messages: [] });
    expect(reading('messages', request).changed({}, anthropicCompatible)).toBe(request);
    expect(reading('embeddings', request).changed({ outputTokensMax: 5 }, compatible)).toBe(request);
  });

  test.each([
    ['none stated', {}, { max_completion_tokens: 9 }],
    ['the older stated', { max_tokens: 5 }, { max_tokens: 9 }],
    ['both stated', { max_tokens: 5, max_completion_tokens: 7 }, { max_tokens: 9, max_completion_tokens: 9 }],
    ['null stated', { max_tokens: null }, { max_tokens: null, max_completion_tokens: 9 }],
  ])('a limit of output for chat, %s → written where the provider reads it', (_, stated, expected) => {
    const changed = reading('chat_completions', body({ model: 'm', ...stated })).changed(
      {
        outputTokensMax: 9,
      },
      compatible,
    );
    expect(JSON.parse(text(changed))).toEqual({ model: 'm', ...expected });
  });

  test('stream options null, and absent → become options that ask for usage', () => {
    for (const options of [{}, { stream_options: null }]) {
      const changed = reading('chat_completions', body({ model: 'm', ...options })).changed(
        {
          askUsage: true,
        },
        compatible,
      );
      expect(JSON.parse(text(changed))).toEqual({ model: 'm', stream_options: { include_usage: true } });
    }
  });

  test('searches without a limit → each gets one in its own bytes, and the other tools keep theirs', () => {
    const tools =
      '[ {"name":"é","input_schema":{"type":"object", "x":1.0}} , {"type":"web_search_20250305","name":"web_search"},' +
      '{"type":"web_fetch_20250910","name":"web_fetch","max_uses":2}]';
    const request = bytes(`{"model":"m","max_tokens":9,"messages":[],"tools":${tools}}`);
    const changed = text(reading('messages', request).changed({ toolCallsMax: 3 }, anthropicCompatible));
    expect(changed).toBe(
      text(request).replace('{"type":"web_search_20250305"', '{"max_uses":3,"type":"web_search_20250305"'),
    );
  });
});

describe('the bound of the input', () => {
  const message = fc.record({
    role: fc.constantFrom('user', 'assistant', 'system'),
    content: fc.string({ unit: 'grapheme', maxLength: 200 }),
  });
  // The worst that a byte-level tokenizer can do: a token for each byte, and the framing that the vendors state.
  const tokensAtWorst = (messages: readonly { role: string; content: string }[]) =>
    3 +
    messages.reduce(
      (sum, { role, content }) => sum + 4 + Buffer.byteLength(role + content.toWellFormed()),
      0,
    );

  test('property: any text, however it is escaped → the bound is never below the worst tokenizer', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 20 }), fc.boolean(), (messages, escaped) => {
        const plain = JSON.stringify({ model: 'm', max_tokens: 1, messages });
        const written = escaped
          ? plain.replace(/[^ -~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
          : plain;
        for (const facts of [
          reading('chat_completions', bytes(written)).facts,
          reading('messages', bytes(written)).facts,
        ]) {
          expect(facts.inputTokensMax).toBeGreaterThanOrEqual(tokensAtWorst(messages));
          expect(facts.inputTokensEstimate).toBeLessThanOrEqual(facts.inputTokensMax ?? 0);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('a picture of megabytes → counts as a picture, not as megabytes', () => {
    const data = 'A'.repeat(4_000_000);
    const chat = reading(
      'chat_completions',
      body({
        model: 'gpt-5',
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'what is this?' },
              { type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } },
            ],
          },
        ],
      }),
    ).facts;
    expect(chat.inputImageTokensMax).toBe(16_384);
    expect(chat.inputTokensMax).toBeLessThan(17_000);
    const message = reading(
      'messages',
      body({
        model: 'claude',
        max_tokens: 5,
        messages: [
          {
            role: 'user',
            content: [
              {
                type: 'tool_result',
                tool_use_id: 't',
                content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data } }],
              },
            ],
          },
        ],
      }),
    ).facts;
    expect(message.inputImageTokensMax).toBe(5_000);
    expect(message.inputTokensMax).toBeLessThan(6_000);
  });

  test('a picture for gpt-4o-mini, named by the caller or put in by the route → the tokens that this model bills', () => {
    const request = (model: string, detail?: string) =>
      body({
        model,
        messages: [{ content: [{ type: 'image_url', image_url: { url: 'https://x/y.png', detail } }] }],
      });
    const images = (given: Uint8Array, sent?: string) =>
      sent === undefined
        ? reading('chat_completions', given).facts.inputImageTokensMax
        : reading('chat_completions', given).factsFor(sent, compatible).inputImageTokensMax;
    expect(images(request('gpt-4o-mini'))).toBe(48_169);
    expect(images(request('fast'), 'gpt-4o-mini')).toBe(48_169);
    expect(images(request('gpt-4o-mini', 'low'))).toBe(2_833);
  });

  test('text dressed as a picture in a second type → every byte of it counts', () => {
    const hidden = 'x'.repeat(50_000);
    const facts = reading(
      'chat_completions',
      body({
        model: 'm',
        messages: [{ content: [{ type: 'image_url', text: hidden, image_url: 'https://x' }] }],
      }),
    ).facts;
    expect(facts.inputTokensMax).toBeGreaterThan(50_000);
  });

  test('audio → at most a token for 30 bytes, which no codec undercuts', () => {
    const facts = reading(
      'chat_completions',
      body({
        model: 'gpt-audio',
        modalities: ['text', 'audio'],
        audio: { voice: 'alloy', format: 'mp3' },
        messages: [
          { content: [{ type: 'input_audio', input_audio: { data: 'A'.repeat(400_000), format: 'mp3' } }] },
        ],
      }),
    ).facts;
    expect(facts.inputAudioTokensMax).toBe(10_000);
    expect(facts.inputTokensMax).toBeLessThan(11_000);
    expect(facts.outputAudio).toBe(true);
  });
});

describe('fields that are left out', () => {
  test('each goes with one comma, wherever it stands; the rest keeps its bytes', () => {
    const given = '{ "a" : 1e2 ,\n "b":{"a":[1,","]} , "c" :"x\\"," }';
    const without = (...names: string[]) =>
      text(BodyFields.of(bytes(given)).with(Object.fromEntries(names.map((name) => [name, LEFT_OUT]))));
    expect(without('a')).toBe('{ \n "b":{"a":[1,","]} , "c" :"x\\"," }');
    expect(without('b')).toBe('{ "a" : 1e2  , "c" :"x\\"," }');
    expect(without('c')).toBe('{ "a" : 1e2 ,\n "b":{"a":[1,","]}  }');
    expect(without('a', 'b')).toBe('{ \n  "c" :"x\\"," }');
    expect(without('a', 'b', 'c')).toBe('{ \n   }');
    expect(without('nothing')).toBe(given);
  });

  test('property: any fields out, replaced and added, with any spaces → the JSON that is meant', () => {
    const space = fc.constantFrom('', ' ', '\n', '\t  ');
    const names = ['a', 'b', 'c', 'd', 'e'];
    const value = fc.jsonValue({ maxDepth: 2 }).map((one) => JSON.stringify(one));
    const field = fc.tuple(space, space, space, value, space);
    const fields = fc.record(Object.fromEntries(names.map((name) => [name, field])), { requiredKeys: [] });
    const edit = fc.constantFrom<string | null>(null, LEFT_OUT, '7');
    const edits = fc.record(Object.fromEntries([...names, 'new'].map((name) => [name, edit])));
    fc.assert(
      fc.property(fields, edits, (given, changes) => {
        const written = Object.entries(given as Record<string, [string, string, string, string, string]>)
          .map(
            ([name, [before, behind, gap, json, end]]) => `${before}"${name}"${behind}:${gap}${json}${end}`,
          )
          .join(',');
        const changed = text(BodyFields.of(bytes(`{${written}}`)).with(changes));
        const meant = JSON.parse(`{${written}}`);
        for (const [name, json] of Object.entries(changes)) {
          if (json === LEFT_OUT) delete meant[name];
          else if (json !== null) meant[name] = JSON.parse(json as string);
        }
        expect(JSON.parse(changed)).toEqual(meant);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('large bodies', () => {
  // Of the processor and not of the clock, and the least of several runs: others use the machine too.
  const leastWork = (act: () => unknown): number => {
    let least = Number.POSITIVE_INFINITY;
    for (let run = 0; run < 11; run++) {
      const began = process.cpuUsage();
      act();
      const { user, system } = process.cpuUsage(began);
      least = Math.min(least, (user + system) / 1_000);
    }
    return least;
  };
  const messages = (parts: number) =>
    body({
      model: 'm',
      max_tokens: 9,
      messages: Array.from({ length: parts }, (_, n) => ({
        role: 'user',
        content: [{ type: 'text', text: `é ${n} ${'x'.repeat(600)}` }],
      })),
    });
  const referring = (blocks: number) =>
    body({
      model: 'm',
      max_tokens: 9,
      tools: [{ name: 'f', description: 'd'.repeat(20_000), input_schema: { type: 'object' } }],
      messages: [
        {
          role: 'user',
          content: Array.from({ length: blocks }, () => ({ type: 'tool_reference', tool_name: 'f' })),
        },
      ],
    });
  const pdfs = (kilobytes: number) =>
    body({
      model: 'm',
      max_tokens: 9,
      messages: [
        {
          role: 'user',
          content: [
            {
              type: 'document',
              source: {
                type: 'base64',
                data: Buffer.from(`%PDF-${' /Page'.repeat(kilobytes * 170)}`).toString('base64'),
              },
            },
          ],
        },
      ],
    });

  const searching = (tools: number) =>
    body({
      model: 'é',
      max_tokens: 9,
      messages: [],
      tools: Array.from({ length: tools }, () => ({ type: 'web_search_20250305', name: 'é' })),
    });

  test.each<[string, (size: number) => Buffer, number]>([
    ['many messages', messages, 10_000],
    ['references to a large tool', referring, 20_000],
    ['a document full of pages', pdfs, 8_000],
    ['searches without a bound, in a body that is not plain ASCII', searching, 4_000],
  ])('%s: twice as many → at most two and a half times the work of reading and changing', (_, make, size) => {
    const [once, twice] = [make(size), make(2 * size)].map((given) =>
      leastWork(() => {
        const read = reading('messages', given);
        for (let other = 0; other < 16; other++) read.factsFor(`m${other}`, anthropicCompatible);
        read.changed({ model: 'other', toolCallsMax: 5 }, anthropicCompatible);
      }),
    );
    expect(twice).toBeLessThan(2.5 * once + 5);
  });
});

describe('a body that is read in turns', () => {
  test('in turns: what it says, its fields, and what is refused → the same as at once', async () => {
    const large = body({
      model: 'm',
      note: 'é"\n'.repeat(900_000),
      messages: [{ role: 'user', content: 'hi' }],
    });
    expect(large.length).toBeGreaterThan(2 * 2_000_000);
    const [atOnce, inTurns] = [parseBody(large), await parseInTurns(large)];
    expect(inTurns.json).toEqual(atOnce.json);
    expect(text(inTurns.fields.with({ model: '"other"' }))).toBe(
      text(atOnce.fields.with({ model: '"other"' })),
    );
    const twice = bytes(`{"model":"a","note":"${'x'.repeat(5_000_000)}","model":"b"}`);
    await expect(parseInTurns(twice)).rejects.toThrow('the key "model" twice');
    await expect(parseInTurns(bytes(`{"model":"a" "note":"${'x'.repeat(5_000_000)}"}`))).rejects.toThrow(
      'not valid JSON',
    );
  });

  test('in turns: others are served meanwhile', async () => {
    const large = body({
      model: 'm',
      messages: Array.from({ length: 60_000 }, () => ({ role: 'user', content: 'x'.repeat(60) })),
    });
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    await parseInTurns(large);
    clearInterval(timer);
    expect(turns).toBeGreaterThanOrEqual(2);
  });
});
