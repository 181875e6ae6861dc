// A provider that speaks OpenAI's dialect and of which nothing more is known: what any of them was seen to send.

import { brotliCompressSync, gzipSync } from 'node:zlib';
import {
  answer,
  breaksAfter,
  broken,
  chunk,
  completion,
  DONE,
  finish,
  INPUT,
  leaves,
  OUTPUT,
  open,
  PAUSE,
  type Row,
  refused,
  row,
  type Sent,
  stream,
  usage,
} from './wire-row.js';
import { wireSuite } from './wire-run.js';

const USED = { prompt_tokens: 100, completion_tokens: 5, total_tokens: 105 };
const CHARGED = 100 * INPUT + 5 * OUTPUT;
const ASKED = { stream_options: { include_usage: true } };
const CRLF = (data: object) => `data: ${JSON.stringify(data)}\r\n\r\n`;

const packed = (sent: Sent, encoding: string, pack: (bytes: Buffer) => Buffer): Sent => ({
  ...sent,
  headers: { ...sent.headers, 'content-encoding': encoding },
  pieces: [pack(Buffer.from(sent.pieces.join('')))],
});

/** Of streams that go to their end. */
export const STREAMS: readonly Row[] = [
  row('usage in a chunk of its own that the caller asked for → all of it', {
    asks: ASKED,
    sends: stream(
      chunk({ role: 'assistant', content: '' }, { usage: null }),
      PAUSE,
      chunk('Hi', { usage: null }),
      finish({ usage: null }),
      usage(USED),
      DONE,
    ),
    charged: CHARGED,
  }),
  row('usage in a chunk of its own that the caller did not ask for → not a trace of it', {
    sends: stream(
      chunk({ role: 'assistant', content: '' }, { usage: null }),
      PAUSE,
      chunk('Hi', { usage: null }),
      finish({ usage: null }),
      usage(USED),
      DONE,
    ),
    sees: leaves(chunk({ role: 'assistant', content: '' }), chunk('Hi'), finish(), DONE),
    charged: CHARGED,
  }),
  row('usage beside the reason to finish, and no [DONE] → whole, and charged as stated', {
    sends: stream({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], usage: USED }),
    charged: CHARGED,
  }),
  row('usage after the reason to finish, and no [DONE] → whole', {
    asks: ASKED,
    sends: stream(chunk('Hi'), finish(), PAUSE, usage(USED)),
    charged: CHARGED,
  }),
  row('usage before the reason to finish, and no [DONE] → whole', {
    asks: ASKED,
    sends: stream(chunk('Hi'), usage(USED), finish()),
    charged: CHARGED,
  }),
  row('usage in every chunk, running → the last one counts', {
    asks: ASKED,
    sends: stream(
      chunk('a', { usage: { prompt_tokens: 100, completion_tokens: 1, total_tokens: 101 } }),
      chunk('b', { usage: { prompt_tokens: 100, completion_tokens: 2, total_tokens: 102 } }),
      finish({ usage: USED }),
      DONE,
    ),
    charged: CHARGED,
  }),
  row('two choices that finish one after the other, and no [DONE] → whole after both', {
    asks: { n: 2 },
    sends: stream(
      chunk('a'),
      chunk('b', {}, { index: 1 }),
      finish(),
      PAUSE,
      finish({ usage: USED }, { index: 1 }),
    ),
    charged: CHARGED,
  }),
  row('no usage at all → its text is charged', {
    sends: stream(chunk('x'.repeat(400)), finish(), DONE),
    charged: { outputTokens: 100 },
  }),
  row('lines that end in CR LF, comments between them, data without a space → byte for byte', {
    source: 'https://html.spec.whatwg.org/multipage/server-sent-events.html',
    asks: ASKED,
    sends: stream(
      ': ping\r\n\r\n',
      CRLF(chunk('Hi')),
      'id: 7\r\nevent: message\r\nretry: 10\r\n',
      CRLF(finish()),
      `data:${JSON.stringify(usage(USED))}\r\n\r\n`,
      'data:[DONE]\r\n\r\n',
    ),
    charged: CHARGED,
  }),
  row('a character cut within its bytes → whole', {
    sends: stream(
      Buffer.from(`data: ${JSON.stringify(chunk('\u00e9'))}`).subarray(0, -40),
      PAUSE,
      Buffer.from(`data: ${JSON.stringify(chunk('\u00e9'))}\n\n`).subarray(-42),
      chunk('\u{1f600}\u4f60'),
      finish({ usage: USED }),
      DONE,
    ),
    charged: CHARGED,
  }),
  row('a last event without its empty line → counts, and reaches the caller', {
    asks: ASKED,
    sends: stream(chunk('Hi'), finish(), `data: ${JSON.stringify(usage(USED))}\n`),
    charged: CHARGED,
  }),
  row('a last event without its empty line, with a null that nobody asked for → without it', {
    sends: stream(chunk('Hi'), usage(USED), `data: ${JSON.stringify(finish({ usage: null }))}`),
    sees: leaves(chunk('Hi'), `data: ${JSON.stringify(finish())}`),
    charged: CHARGED,
  }),
  row('[DONE], and the connection stays open → ended there', {
    sends: open(chunk('Hi'), finish(), usage(USED), DONE),
    sees: leaves(chunk('Hi'), finish(), DONE),
    charged: CHARGED,
  }),
  row('[DONE], and more behind it → nothing of that', {
    sends: stream(chunk('Hi'), finish(), usage(USED), DONE, chunk('late'), PAUSE, ': bye\n\n'),
    sees: leaves(chunk('Hi'), finish(), DONE),
    charged: CHARGED,
  }),
  row('thinking in three spellings → counted once', {
    source: 'https://openrouter.ai/docs/use-cases/reasoning-tokens',
    sends: stream(
      chunk({
        reasoning: 'x'.repeat(400),
        reasoning_content: 'x'.repeat(400),
        reasoning_details: [{ type: 'reasoning.text', text: 'x'.repeat(400), signature: 's'.repeat(800) }],
      }),
      finish(),
      DONE,
    ),
    charged: { outputTokens: 100 },
  }),
  row('an explicit zero → is a fact', {
    sends: stream(finish({ usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 } }), DONE),
    charged: 0,
  }),
];

/** Of streams that break, and of errors. */
export const FAILURES: readonly Row[] = [
  row('usage at once, twenty chunks of text, and a break → seen as one, and the text is charged', {
    sends: broken(
      { choices: [], usage: { prompt_tokens: 100, completion_tokens: 0, total_tokens: 100 } },
      ...Array.from({ length: 20 }, () => chunk('x'.repeat(200))),
    ),
    sees: breaksAfter(...Array.from({ length: 20 }, () => chunk('x'.repeat(200)))),
    charged: 1_010_000,
  }),
  row('usage at once, text, a reason to finish, [DONE] → whole, and the text is charged', {
    sends: stream(
      { choices: [], usage: { prompt_tokens: 100, completion_tokens: 0, total_tokens: 100 } },
      ...Array.from({ length: 20 }, () => chunk('x'.repeat(200))),
      finish(),
      DONE,
    ),
    sees: leaves(...Array.from({ length: 20 }, () => chunk('x'.repeat(200))), finish(), DONE),
    charged: 1_010_000,
  }),
  row('text without a reason to finish, and a clean end → a break', {
    sends: stream(chunk('x'.repeat(400))),
    sees: breaksAfter(chunk('x'.repeat(400))),
    charged: { outputTokens: 100 },
  }),
  row('a break behind the reason to finish and the usage → a break, charged as stated', {
    sends: broken(chunk('Hi'), finish({ usage: USED })),
    charged: CHARGED,
  }),
  row('a break behind [DONE] → whole', {
    sends: broken(chunk('Hi'), finish({ usage: USED }), DONE),
    sees: leaves(chunk('Hi'), finish({ usage: USED }), DONE),
    charged: CHARGED,
  }),
  row('a reason to finish for one of two choices → a break', {
    asks: { n: 2 },
    sends: stream(chunk('x'.repeat(200)), chunk('x'.repeat(200), {}, { index: 1 }), finish()),
    sees: breaksAfter(chunk('x'.repeat(200)), chunk('x'.repeat(200), {}, { index: 1 }), finish()),
    charged: { outputTokens: 100 },
  }),
  row('an error within a stream → passes, and what came before it is charged', {
    sends: stream(chunk('x'.repeat(400)), { error: { code: 502, message: 'Provider disconnected' } }),
    charged: { outputTokens: 100 },
  }),
];

const WHOLE: readonly Row[] = [
  row('a whole answer → byte for byte', {
    sends: answer(JSON.stringify(completion('Hi', { usage: USED }), null, 2)),
    charged: CHARGED,
  }),
  row('a whole answer without usage → its text is charged', {
    sends: answer(completion('x'.repeat(400))),
    charged: { outputTokens: 100 },
  }),
  row('one body for a caller that asked for a stream → the body', {
    asks: { stream: true },
    sends: answer(completion('Hi', { usage: USED })),
    charged: CHARGED,
  }),
  row('one body that says it is a stream → the body', {
    sends: { ...stream(), pieces: [JSON.stringify(completion('Hi', { usage: USED }))] },
    charged: CHARGED,
  }),
  row('a stream for a caller that asked for none → the stream', {
    asks: { stream: false },
    sends: stream(chunk('Hi'), finish({ usage: USED }), DONE),
    charged: CHARGED,
  }),
  row('a stream that says it is text → a stream', {
    asks: { stream: true },
    sends: {
      ...stream(chunk('Hi'), finish({ usage: USED }), DONE),
      headers: { 'content-type': 'text/plain' },
    },
    charged: CHARGED,
  }),
  row('a whole answer in gzip → plain', {
    sends: packed(answer(completion('Hi', { usage: USED })), 'gzip', gzipSync),
    sees: { status: 200, body: completion('Hi'), isWhole: true },
    charged: CHARGED,
  }),
  row('a stream in br → plain', {
    asks: { stream: true },
    sends: packed(stream(chunk('Hi'), finish({ usage: USED }), DONE), 'br', brotliCompressSync),
    sees: leaves(chunk('Hi'), finish({ usage: USED }), DONE),
    charged: CHARGED,
  }),
  row('an error with its status → passes, and costs nothing', {
    sends: answer({ error: { message: 'no such field', type: 'invalid_request_error' } }, 400),
    charged: 0,
  }),
  row('a body that is no JSON → 502', {
    sends: answer('<html>'),
    sees: refused(502, 'provider_failed'),
    charged: { outputTokens: 50 },
  }),
];

wireSuite('openai-compatible', [...STREAMS, ...FAILURES, ...WHOLE]);
