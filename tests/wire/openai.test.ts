// OpenAI: chat completions and responses.

import {
  answer,
  breaksAfter,
  broken,
  CACHE_READ,
  chunk,
  completion,
  DONE,
  event,
  finish,
  INPUT,
  leaves,
  OUTPUT,
  open,
  PAUSE,
  type Row,
  row,
  stream,
  usage,
} from './wire-row.js';
import { wireSuite } from './wire-run.js';

const USED = {
  prompt_tokens: 100,
  completion_tokens: 50,
  total_tokens: 150,
  prompt_tokens_details: { cached_tokens: 80, audio_tokens: 0 },
  completion_tokens_details: {
    reasoning_tokens: 40,
    audio_tokens: 0,
    accepted_prediction_tokens: 0,
    rejected_prediction_tokens: 0,
  },
};
const CHARGED = 20 * INPUT + 80 * CACHE_READ + 50 * OUTPUT;
const MORE = { service_tier: 'default', system_fingerprint: 'fp_1' };
/** Random padding against traffic analysis, which OpenAI adds unless told otherwise. */
const PADDED = { ...MORE, usage: null, obfuscation: 'x'.repeat(40) };

const CHAT: readonly Row[] = [
  row('usage, padding and nulls that were not asked for → the padding stays, the rest goes', {
    source: 'https://platform.openai.com/docs/api-reference/chat-streaming/streaming',
    sends: stream(
      chunk({ role: 'assistant', content: '', refusal: null }, PADDED),
      PAUSE,
      chunk('Hi', PADDED),
      finish(PADDED),
      usage(USED),
      DONE,
    ),
    sees: leaves(
      chunk({ role: 'assistant', content: '', refusal: null }, { ...MORE, obfuscation: PADDED.obfuscation }),
      chunk('Hi', { ...MORE, obfuscation: PADDED.obfuscation }),
      finish({ ...MORE, obfuscation: PADDED.obfuscation }),
      DONE,
    ),
    charged: CHARGED,
  }),
  row('a call of a function in pieces → the usage counts', {
    asks: { stream_options: { include_usage: true } },
    sends: stream(
      chunk(
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'f', arguments: '' } }],
        },
        { usage: null },
      ),
      chunk({ tool_calls: [{ index: 0, function: { arguments: '{"a":1}' } }] }, { usage: null }),
      finish({ usage: null }, { finish_reason: 'tool_calls' }),
      usage(USED),
      DONE,
    ),
    charged: CHARGED,
  }),
  row('a call of a function that breaks off → its name and arguments are charged', {
    sends: broken(
      chunk({
        tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'abcd', arguments: '' } }],
      }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: 'x'.repeat(396) } }] }),
    ),
    charged: { outputTokens: 100 },
  }),
  row('a whole answer with cached and reasoning tokens → each at its price', {
    sends: answer(completion('Hi', { ...MORE, usage: USED })),
    charged: CHARGED,
  }),
  row('a rate limit → its error, and no charge', {
    source: 'https://platform.openai.com/docs/guides/error-codes',
    sends: answer(
      {
        error: {
          message: 'Rate limit reached for gpt-4o',
          type: 'tokens',
          param: null,
          code: 'rate_limit_exceeded',
        },
      },
      429,
    ),
    charged: 0,
  }),
];

const NAMED = { sequence_number: 0 };
const RESPONSE = {
  id: 'resp_1',
  object: 'response',
  status: 'in_progress',
  error: null,
  usage: null,
  output: [],
};
const CREATED = event({ type: 'response.created', ...NAMED, response: RESPONSE });
const IN_PROGRESS = event({ type: 'response.in_progress', ...NAMED, response: RESPONSE });
const ADDED = event({
  type: 'response.output_item.added',
  ...NAMED,
  output_index: 0,
  item: { id: 'msg_1', type: 'message', content: [] },
});
const text = (delta: string) =>
  event({
    type: 'response.output_text.delta',
    ...NAMED,
    item_id: 'msg_1',
    output_index: 0,
    content_index: 0,
    delta,
    obfuscation: 'xxxxxxxx',
  });
const ended = (kind: string, more: object) =>
  event({ type: `response.${kind}`, ...NAMED, response: { ...RESPONSE, status: kind, ...more } });
const STATED = {
  input_tokens: 100,
  input_tokens_details: { cached_tokens: 80 },
  output_tokens: 50,
  output_tokens_details: { reasoning_tokens: 40 },
  total_tokens: 150,
};
const responses = { endpoint: 'responses' } as const;

const RESPONSES: readonly Row[] = [
  row('response.completed, and a clean end → its usage', {
    ...responses,
    source: 'https://platform.openai.com/docs/api-reference/responses-streaming',
    sends: stream(CREATED, IN_PROGRESS, PAUSE, ADDED, text('Hi'), ended('completed', { usage: STATED })),
    charged: CHARGED,
  }),
  row('response.completed, and the connection stays open → ended there', {
    ...responses,
    sends: open(CREATED, text('Hi'), ended('completed', { usage: STATED })),
    sees: leaves(CREATED, text('Hi'), ended('completed', { usage: STATED })),
    charged: CHARGED,
  }),
  row('response.completed, and [DONE] behind it → nothing behind the end', {
    ...responses,
    sends: stream(CREATED, text('Hi'), ended('completed', { usage: STATED }), DONE),
    sees: leaves(CREATED, text('Hi'), ended('completed', { usage: STATED })),
    charged: CHARGED,
  }),
  row('response.incomplete → its usage', {
    ...responses,
    sends: stream(
      CREATED,
      text('Hi'),
      ended('incomplete', { usage: STATED, incomplete_details: { reason: 'max_output_tokens' } }),
    ),
    charged: CHARGED,
  }),
  row('response.failed with its usage → that', {
    ...responses,
    sends: stream(
      CREATED,
      text('Hi'),
      ended('failed', { usage: STATED, error: { code: 'server_error', message: 'broken' } }),
    ),
    charged: CHARGED,
  }),
  row('text, and a clean end without the last event → a break', {
    ...responses,
    sends: stream(CREATED, text('x'.repeat(400))),
    sees: breaksAfter(CREATED, text('x'.repeat(400))),
    charged: { outputTokens: 100 },
  }),
  row('a whole response → its usage', {
    ...responses,
    asks: { stream: false },
    sends: answer({ ...RESPONSE, status: 'completed', usage: STATED }),
    charged: CHARGED,
  }),
];

wireSuite('openai', [...CHAT, ...RESPONSES]);
