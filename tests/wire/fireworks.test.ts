// Fireworks: usage in the last chunk or in one of its own, by model.

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
  total_tokens: 105,
  completion_tokens: 5,
  prompt_tokens_details: { cached_tokens: 80 },
};
const CHARGED = 20 * INPUT + 80 * CACHE_READ + 5 * OUTPUT;

wireSuite('fireworks', [
  row('usage in a chunk of its own that was not asked for → not a trace of it', {
    source: 'https://github.com/langchain-ai/langchain/pull/36977',
    sends: stream(chunk('Hi', { usage: null }), finish({ usage: null }), usage(USED), DONE),
    sees: leaves(chunk('Hi'), finish(), DONE),
    charged: CHARGED,
  }),
  row('usage beside the reason to finish → passes as it came', {
    sends: stream(chunk('Hi'), finish({ usage: USED }), DONE),
    charged: CHARGED,
  }),
  row('a whole answer → its usage', { sends: answer(completion('Hi', { usage: USED })), charged: CHARGED }),
]);
