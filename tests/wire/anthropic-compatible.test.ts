// Providers that speak Anthropic's dialect beside their own, as DeepSeek, Moonshot, z.ai and MiniMax do: usage where their
// translation puts it.

import { CACHE_READ, event, INPUT, OUTPUT, type Row, row, stream } from './wire-row.js';
import { wireSuite } from './wire-run.js';

const START = (figures: object) =>
  event({
    type: 'message_start',
    message: { id: 'm', type: 'message', role: 'assistant', content: [], usage: figures },
  });
const TEXT = event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } });
const stops = (figures: object) =>
  event({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: figures });
const STOP = event({ type: 'message_stop' });
const messages = { endpoint: 'messages' } as const;

const ROWS: readonly Row[] = [
  row('input without caches at the start, with them at the end → the end’s input side', {
    ...messages,
    sends: stream(
      START({ input_tokens: 8_834, output_tokens: 0 }),
      TEXT,
      stops({ input_tokens: 18, cache_read_input_tokens: 8_831, output_tokens: 426 }),
      STOP,
    ),
    charged: 18 * INPUT + 8_831 * CACHE_READ + 426 * OUTPUT,
  }),
  row('zeros at the start, all figures at the end → those', {
    ...messages,
    sends: stream(
      START({ input_tokens: 0, output_tokens: 0 }),
      TEXT,
      stops({ input_tokens: 100, output_tokens: 50 }),
      STOP,
    ),
    charged: 100 * INPUT + 50 * OUTPUT,
  }),
  row('events without names, [DONE] behind the end → the names do not matter, the rest is dropped', {
    ...messages,
    sends: stream(
      { type: 'message_start', message: { usage: { input_tokens: 100, output_tokens: 1 } } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } },
      { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 50 } },
    ),
    charged: 100 * INPUT + 50 * OUTPUT,
  }),
];

wireSuite('anthropic-compatible', ROWS);
