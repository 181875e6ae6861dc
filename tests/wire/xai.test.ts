// xAI: a running usage in every chunk, reasoning beside the output.

import {
  answer,
  CACHE_READ,
  chunk,
  completion,
  DONE,
  finish,
  INPUT,
  OUTPUT,
  row,
  stream,
  usage,
} from './wire-row.js';
import { wireSuite } from './wire-run.js';

const figures = (output: number, reasoning: number) => ({
  prompt_tokens: 100,
  completion_tokens: output,
  total_tokens: 100 + output + reasoning,
  prompt_tokens_details: { text_tokens: 100, audio_tokens: 0, image_tokens: 0, cached_tokens: 80 },
  completion_tokens_details: { reasoning_tokens: reasoning },
  num_sources_used: 0,
});
const CHARGED = 20 * INPUT + 80 * CACHE_READ + 45 * OUTPUT;

wireSuite('xai', [
  row('a running usage in every chunk → the last one counts, reasoning beside the output', {
    source: 'https://docs.x.ai/docs/guides/streaming-response',
    sends: stream(
      chunk({ content: 'a', role: 'assistant' }, { usage: figures(1, 40) }),
      chunk({ content: 'b', role: 'assistant' }, { usage: figures(2, 40) }),
      finish({ usage: figures(5, 40) }),
      DONE,
    ),
    charged: CHARGED,
  }),
  row('usage in a chunk of its own that was asked for → all of it', {
    source: 'https://github.com/BerriAI/litellm/issues/17136',
    asks: { stream_options: { include_usage: true } },
    sends: stream(chunk('Hi'), finish(), usage(figures(5, 40)), DONE),
    charged: CHARGED,
  }),
  row('a whole answer → its usage', {
    sends: answer(completion('Hi', { usage: figures(5, 40) })),
    charged: CHARGED,
  }),
]);
