// Moonshot: usage within the last choice, cached tokens beside the prompt, data without a space.

import {
  answer,
  CACHE_READ,
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
  prompt_tokens: 100,
  completion_tokens: 50,
  total_tokens: 150,
  cached_tokens: 80,
  prompt_tokens_details: { cached_tokens: 80 },
};
const CHARGED = 20 * INPUT + 80 * CACHE_READ + 50 * OUTPUT;
const tight = (data: object) => `data:${JSON.stringify(data)}\n\n`;

wireSuite('moonshot', [
  row('usage within the last choice, data without a space → all of it', {
    source: 'https://github.com/northes/go-moonshot/issues/17',
    sends: stream(
      tight(chunk({ role: 'assistant', content: null })),
      tight(chunk({ reasoning_content: 'Hm' })),
      tight(chunk('\u4f60\u597d')),
      tight(finish({}, { usage: USED })),
      DONE,
    ),
    charged: CHARGED,
  }),
  row('usage within the last choice, and in a chunk of its own that was not asked for → only the former', {
    sends: stream(tight(chunk('Hi')), tight(finish({}, { usage: USED })), tight(usage(USED)), DONE),
    sees: leaves(tight(chunk('Hi')), tight(finish({}, { usage: USED })), DONE),
    charged: CHARGED,
  }),
  row('usage within the last choice, and no [DONE] → whole', {
    sends: stream(chunk('Hi'), finish({}, { usage: USED })),
    charged: CHARGED,
  }),
  row('two choices, each with its own usage → one input, and the output of both', {
    asks: { n: 2 },
    sends: stream(
      chunk('Hi'),
      chunk('Ho', {}, { index: 1 }),
      finish({}, { usage: { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 } }),
      finish({}, { index: 1, usage: { prompt_tokens: 100, completion_tokens: 30, total_tokens: 130 } }),
      DONE,
    ),
    charged: 100 * INPUT + 50 * OUTPUT,
  }),
  row('an engine that is overloaded → its error, and no charge', {
    source: 'https://platform.moonshot.ai/docs/api/errors',
    sends: answer(
      {
        error: {
          message: 'The engine is currently overloaded, please try again later',
          type: 'engine_overloaded_error',
        },
      },
      429,
    ),
    charged: 0,
  }),
  row('a whole answer → its usage', { sends: answer(completion('Hi', { usage: USED })), charged: CHARGED }),
]);
