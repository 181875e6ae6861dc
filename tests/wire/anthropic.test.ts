// Anthropic: messages.

import {
  answer,
  breaksAfter,
  broken,
  CACHE_READ,
  CACHE_WRITE,
  CACHE_WRITE_HOUR,
  event,
  INPUT,
  leaves,
  OUTPUT,
  open,
  PAUSE,
  type Row,
  row,
  stream,
} from './wire-row.js';
import { wireSuite } from './wire-run.js';

const START_USAGE = {
  input_tokens: 100,
  cache_read_input_tokens: 1_000,
  cache_creation_input_tokens: 300,
  cache_creation: { ephemeral_5m_input_tokens: 200, ephemeral_1h_input_tokens: 100 },
  output_tokens: 1,
  service_tier: 'standard',
};
const INPUT_CHARGED = 100 * INPUT + 1_000 * CACHE_READ + 200 * CACHE_WRITE + 100 * CACHE_WRITE_HOUR;
const MESSAGE = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'wire',
  content: [],
  stop_reason: null,
};
const START = event({ type: 'message_start', message: { ...MESSAGE, usage: START_USAGE } });
const BLOCK = event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } });
const PING = event({ type: 'ping' });
const delta = (of: object) => event({ type: 'content_block_delta', index: 0, delta: of });
const text = (said: string) => delta({ type: 'text_delta', text: said });
const BLOCK_STOP = event({ type: 'content_block_stop', index: 0 });
const stops = (figures: object = { output_tokens: 50 }) =>
  event({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: figures });
const STOP = event({ type: 'message_stop' });
const messages = { endpoint: 'messages' } as const;

export const MESSAGES: readonly Row[] = [
  row('a message → input and caches of its start, output of its end', {
    ...messages,
    source: 'https://docs.anthropic.com/en/docs/build-with-claude/streaming',
    sends: stream(START, BLOCK, PAUSE, PING, text('Hi'), text(' there'), BLOCK_STOP, stops(), STOP),
    charged: INPUT_CHARGED + 50 * OUTPUT,
  }),
  row('message_stop, and the connection stays open → ended there', {
    ...messages,
    sends: open(START, BLOCK, text('Hi'), BLOCK_STOP, stops(), STOP),
    sees: leaves(START, BLOCK, text('Hi'), BLOCK_STOP, stops(), STOP),
    charged: INPUT_CHARGED + 50 * OUTPUT,
  }),
  row('a reason to stop, no message_stop, and a clean end → whole', {
    ...messages,
    sends: stream(START, BLOCK, text('Hi'), BLOCK_STOP, stops()),
    charged: INPUT_CHARGED + 50 * OUTPUT,
  }),
  row('text behind the reason to stop → the message goes on, and breaks', {
    ...messages,
    sends: stream(START, BLOCK, stops({ output_tokens: 1 }), text('x'.repeat(400))),
    sees: breaksAfter(START, BLOCK, stops({ output_tokens: 1 }), text('x'.repeat(400))),
    charged: INPUT_CHARGED + 100 * OUTPUT,
  }),
  row('a break within the text → what came', {
    ...messages,
    sends: broken(START, BLOCK, text('x'.repeat(400))),
    charged: INPUT_CHARGED + 100 * OUTPUT,
  }),
  row('thinking with its signature that breaks off → the signature counts as nothing', {
    ...messages,
    sends: broken(
      START,
      event({
        type: 'content_block_start',
        index: 0,
        content_block: { type: 'thinking', thinking: '', signature: '' },
      }),
      delta({ type: 'thinking_delta', thinking: 'x'.repeat(400) }),
      delta({ type: 'signature_delta', signature: 's'.repeat(2_000) }),
    ),
    charged: INPUT_CHARGED + 100 * OUTPUT,
  }),
  row('a call of a tool in pieces that breaks off → its name and arguments', {
    ...messages,
    sends: broken(
      START,
      event({
        type: 'content_block_start',
        index: 0,
        content_block: { type: 'tool_use', id: 'toolu_1', name: 'abcd', input: {} },
      }),
      delta({ type: 'input_json_delta', partial_json: '' }),
      delta({ type: 'input_json_delta', partial_json: 'x'.repeat(396) }),
    ),
    charged: INPUT_CHARGED + 100 * OUTPUT,
  }),
  row('an error within the text → passes, and what came is charged', {
    ...messages,
    source: 'https://docs.anthropic.com/en/docs/build-with-claude/streaming#error-events',
    sends: stream(
      START,
      BLOCK,
      text('x'.repeat(400)),
      event({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }),
    ),
    charged: INPUT_CHARGED + 100 * OUTPUT,
  }),
  row('an error with its status → passes, and costs nothing', {
    ...messages,
    source: 'https://docs.anthropic.com/en/api/errors',
    sends: answer({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }, 529),
    charged: 0,
  }),
  row('a whole message → its usage', {
    ...messages,
    sends: answer({
      ...MESSAGE,
      content: [{ type: 'text', text: 'Hi' }],
      stop_reason: 'end_turn',
      usage: { ...START_USAGE, output_tokens: 50 },
    }),
    charged: INPUT_CHARGED + 50 * OUTPUT,
  }),
];

wireSuite('anthropic', MESSAGES);
