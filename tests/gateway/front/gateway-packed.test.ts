// Answers of providers that compress although `identity` was asked, or whose content type says something else than their
// bytes: the caller has what was meant, plain, and the charge is what the usage says.

import * as zlib from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chatAnswer, chatChunk, DONE, type Gateway, startGateway } from '../gateway-fixture.js';

const BUDGETS = '  - { id: day, match: { tenant: acme }, unit: usd, limit: "1000", window: day }';
const CHAT = { model: 'small', messages: [{ role: 'user', content: 'hi' }] };
const USED = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const WHOLE = JSON.stringify(chatAnswer(USED));
const EVENTS = [
  chatChunk('Hi'),
  chatChunk(' there \u{1f600}'),
  { ...chatChunk(''), choices: [], usage: USED },
].map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`);
const STREAM = EVENTS.join('') + DONE;

const zstd = (zlib as { zstdCompressSync?: (bytes: Buffer) => Buffer }).zstdCompressSync;
const PACKERS: [string, string, (bytes: Buffer) => Buffer][] = [
  ['gzip', 'gzip', zlib.gzipSync],
  ['x-gzip in capitals', 'X-GZIP', zlib.gzipSync],
  ['br', 'br', zlib.brotliCompressSync],
  ['deflate with its header', 'deflate', zlib.deflateSync],
  ['deflate without its header', 'deflate', zlib.deflateRawSync],
  ['br on top of gzip', 'gzip, br', (bytes) => zlib.brotliCompressSync(zlib.gzipSync(bytes))],
  ['gzip and identity', 'identity, gzip', zlib.gzipSync],
  ['gzip that was unpacked on the way', 'gzip', (bytes) => bytes],
  ['utf-8, which is no encoding', 'utf-8', (bytes) => bytes],
  [
    'gzip with bytes behind its end',
    'gzip',
    (bytes) => Buffer.concat([zlib.gzipSync(bytes), Buffer.alloc(40)]),
  ],
  ...(zstd === undefined ? [] : ([['zstd', 'zstd', zstd]] as [string, string, (bytes: Buffer) => Buffer][])),
];

let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ budgets: BUDGETS });
});
afterAll(() => gateway.close());

const chat = (more: object = {}) => gateway.post('/openai/v1/chat/completions', { ...CHAT, ...more });
const turn = () => new Promise((resolve) => setImmediate(resolve));

function answers(
  bytes: Buffer,
  headers: Record<string, string>,
  { status = 200, piece = bytes.length } = {},
) {
  gateway.provider.answer = async (_call, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    for (let at = 0; at < bytes.length; at += piece) {
      response.write(bytes.subarray(at, at + piece));
      await turn();
    }
    response.end();
  };
}

async function charged() {
  await gateway.settled();
  const hold = gateway.ledger.holds().at(-1);
  return { usd: hold?.charged?.usd, ending: hold?.ending };
}

describe('gateway: packed answers', () => {
  test.each(PACKERS)(
    'a whole answer in %s → is plain for the caller, and charged',
    async (_, encoding, pack) => {
      answers(pack(Buffer.from(WHOLE)), { 'content-encoding': encoding });
      const response = await chat();
      expect(response.headers.get('content-encoding')).toBe(null);
      expect(await response.text()).toBe(WHOLE);
      expect(await charged()).toEqual({ usd: 6_000n, ending: 'completed' });
    },
  );

  test.each(PACKERS)('a stream in %s, byte by byte → the same', async (_, encoding, pack) => {
    const headers = { 'content-type': 'text/event-stream', 'content-encoding': encoding };
    answers(pack(Buffer.from(STREAM)), headers, { piece: 1 });
    const response = await chat({ stream: true, stream_options: { include_usage: true } });
    expect(response.headers.get('content-encoding')).toBe(null);
    expect(await response.text()).toBe(STREAM);
    expect(await charged()).toEqual({ usd: 6_000n, ending: 'completed' });
  });

  test('an error in gzip → its message, plain', async () => {
    const body = JSON.stringify({ error: { message: 'no such field', type: 'invalid_request_error' } });
    answers(zlib.gzipSync(body), { 'content-encoding': 'gzip' }, { status: 400 });
    const response = await chat();
    expect(response.status).toBe(400);
    expect(await response.text()).toBe(body);
    expect(await charged()).toEqual({ usd: 0n, ending: null });
  });

  test.each([
    ['gzip', zlib.createGzip, { flush: zlib.constants.Z_SYNC_FLUSH }],
    ['br', zlib.createBrotliCompress, { flush: zlib.constants.BROTLI_OPERATION_FLUSH }],
  ] as const)(
    'an event of a stream in %s → reaches the caller before the next one exists',
    async (encoding, make, how) => {
      let goOn: () => void = () => undefined;
      gateway.provider.answer = async (_call, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': encoding });
        const packer = make(how as object);
        packer.pipe(response);
        packer.write(EVENTS[0]);
        await new Promise<void>((resolve) => {
          goOn = resolve;
        });
        packer.end(EVENTS.slice(1).join('') + DONE);
      };
      const reader = (await chat({ stream: true })).body?.getReader();
      expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe(EVENTS[0]);
      goOn();
      let rest = '';
      for (let read = await reader?.read(); read?.done === false; read = await reader?.read())
        rest += Buffer.from(read.value).toString();
      expect(rest).toBe(EVENTS[1] + DONE);
      expect((await charged()).usd).toBe(6_000n);
    },
  );

  test.each([
    [
      'gzip that unpacks to a thousand times its size',
      'gzip',
      () => zlib.gzipSync(Buffer.alloc(32 * 1024 * 1024, ' ')),
    ],
    [
      'br that unpacks to a million times its size',
      'br',
      () => zlib.brotliCompressSync(Buffer.alloc(32 * 1024 * 1024, ' ')),
    ],
    ['gzip in gzip', 'gzip, gzip', () => zlib.gzipSync(zlib.gzipSync(Buffer.alloc(32 * 1024 * 1024, ' ')))],
    ['an encoding that nobody knows', 'lzma', () => Buffer.from(WHOLE)],
    [
      'more encodings on top of each other than anybody needs',
      'gzip,gzip,gzip,gzip',
      () => Buffer.from(WHOLE),
    ],
    ['br that is none', 'br', () => Buffer.from(WHOLE)],
  ])('%s → 502, and the provider is stopped', async (_, encoding, bytes) => {
    answers(bytes(), { 'content-encoding': encoding });
    const response = await chat();
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({
      error: { code: 'provider_failed', message: 'The provider main gave an answer that cannot be read.' },
    });
    expect((await charged()).ending).toBe('failed');
  });

  test('a stream in gzip that breaks off → what came reaches the caller, which sees it break', async () => {
    const whole = zlib.gzipSync(EVENTS.slice(0, 2).join(''));
    gateway.provider.answer = (_call, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' });
      response.write(whole.subarray(0, whole.length - 10));
      setTimeout(() => response.destroy(), 20);
    };
    const response = await chat({ stream: true });
    let text = '';
    const read = async () => {
      for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString();
    };
    await expect(read()).rejects.toThrow();
    expect(text.startsWith(EVENTS[0])).toBe(true);
    expect((await charged()).ending).toBe('failed');
  });
});

describe('gateway: answers whose content type says something else', () => {
  test.each([
    ['text/plain', 'text/plain'],
    ['application/json', 'application/json'],
    ['none', ''],
    ['application/x-ndjson', 'application/x-ndjson'],
  ])('events as %s → a stream', async (_, type) => {
    for (const text of [STREAM, `: hello\n\n${STREAM}`, `\n${STREAM}`, `event: x\n${STREAM}`]) {
      answers(Buffer.from(text), { 'content-type': type }, { piece: 3 });
      const response = await chat({ stream: true, stream_options: { include_usage: true } });
      expect(response.headers.get('content-type')).toBe('text/event-stream');
      expect(await response.text()).toBe(text);
      expect(await charged()).toEqual({ usd: 6_000n, ending: 'completed' });
    }
  });

  test.each(['text/event-stream', 'application/json'])(
    'one body as %s for a stream → the body, and its usage counts',
    async (type) => {
      for (const text of [WHOLE, `\n\n  ${WHOLE}\n`.trimStart(), `  ${WHOLE}`]) {
        answers(Buffer.from(text), { 'content-type': type }, { piece: 5 });
        const response = await chat({ stream: true });
        expect(response.headers.get('content-type')).toBe('application/json');
        expect(await response.text()).toBe(text);
        expect(await charged()).toEqual({ usd: 6_000n, ending: 'completed' });
      }
    },
  );

  test('events for a caller that asked for none → pass as events, and their usage counts', async () => {
    answers(Buffer.from(STREAM), { 'content-type': 'text/event-stream' });
    const response = await chat();
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(await response.text()).toBe(STREAM);
    expect(await charged()).toEqual({ usd: 6_000n, ending: 'completed' });
  });
});
