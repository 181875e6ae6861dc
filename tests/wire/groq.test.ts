// Groq: usage in a field of its own, unasked, and in the usual place when asked.

import {
  answer,
  chunk,
  completion,
  DONE,
  finish,
  INPUT,
  leaves,
  OUTPUT,
  row,
  stream,
  usage,
} from './wire-row.js';
import { wireSuite } from './wire-run.js';

const USED = {
  queue_time: 0.07,
  prompt_tokens: 100,
  prompt_time: 0.006,
  completion_tokens: 5,
  completion_time: 0.02,
  total_tokens: 105,
  total_time: 0.028,
};
const CHARGED = 100 * INPUT + 5 * OUTPUT;
const GROQ = { x_groq: { id: 'req_1', usage: USED } };

wireSuite('groq', [
  row(
    'usage in x_groq of the last chunk, and in a chunk of its own that was not asked for → only the former',
    {
      source: 'https://github.com/vercel/ai/issues/1651',
      sends: stream(
        chunk({ role: 'assistant', content: '' }, { x_groq: { id: 'req_1' } }),
        chunk('Hi'),
        finish(GROQ),
        usage(USED),
        DONE,
      ),
      sees: leaves(
        chunk({ role: 'assistant', content: '' }, { x_groq: { id: 'req_1' } }),
        chunk('Hi'),
        finish(GROQ),
        DONE,
      ),
      charged: CHARGED,
    },
  ),
  row('usage in x_groq alone → counts', {
    sends: stream(chunk('Hi'), finish(GROQ), DONE),
    charged: CHARGED,
  }),
  row('usage in x_groq of a chunk of its own that was asked for → all of it', {
    source: 'https://github.com/Portkey-AI/gateway/issues/1338',
    asks: { stream_options: { include_usage: true } },
    sends: stream(chunk('Hi'), finish(GROQ), { ...usage(USED), ...GROQ }, DONE),
    charged: CHARGED,
  }),
  row('a request that is too large → its error, and no charge', {
    sends: answer(
      {
        error: {
          message: 'Request too large for model: Limit 6000, Requested 9000',
          type: 'tokens',
          code: 'rate_limit_exceeded',
        },
      },
      413,
    ),
    charged: 0,
  }),
  row('a whole answer → its usage', {
    sends: answer(completion('Hi', { usage: USED, x_groq: { id: 'req_1' } })),
    charged: CHARGED,
  }),
]);
