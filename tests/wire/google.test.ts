// Google’s OpenAI-compatible endpoint: a running usage in every chunk when asked, thoughts only in the total.

import { answer, chunk, completion, DONE, finish, INPUT, leaves, OUTPUT, row, stream } from './wire-row.js';
import { wireSuite } from './wire-run.js';

const running = (output: number, total: number) => ({
  usage: { completion_tokens: output, prompt_tokens: 100, total_tokens: total },
});
/** 40 tokens of thoughts, which only the total shows. */
const CHARGED = 100 * INPUT + 45 * OUTPUT;
const SIGNATURE = { extra_content: { google: { thought_signature: 's'.repeat(400) } } };

wireSuite('google', [
  row('a running usage in every chunk that the caller asked for → passes, and the last one counts', {
    source: 'https://github.com/ogx-ai/ogx/issues/5122',
    asks: { stream_options: { include_usage: true } },
    sends: stream(chunk('Hi', running(2, 142)), finish(running(5, 145)), DONE),
    charged: CHARGED,
  }),
  row('a running usage in every chunk that nobody asked for → is taken out of each', {
    sends: stream(chunk('Hi', running(2, 142)), finish(running(5, 145)), DONE),
    sees: leaves(chunk('Hi'), finish(), DONE),
    charged: CHARGED,
  }),
  row('a reason to finish beside the text of every chunk → the last one counts', {
    source: 'https://github.com/BerriAI/litellm/issues/2195',
    asks: { stream_options: { include_usage: true } },
    sends: stream(
      chunk('Hi', running(2, 142), { finish_reason: 'stop' }),
      chunk(' there', running(5, 145), { finish_reason: 'stop' }),
      DONE,
    ),
    charged: CHARGED,
  }),
  row('a signature of thoughts → counts as nothing', {
    sends: stream(chunk({ content: 'x'.repeat(400), ...SIGNATURE }), finish(), DONE),
    charged: { outputTokens: 100 },
  }),
  row('an error in a list → passes, and costs nothing', {
    sends: answer(
      [{ error: { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' } }],
      503,
    ),
    charged: 0,
  }),
  row('a whole answer with thoughts → charged as output', {
    sends: answer(completion('Hi', running(5, 145))),
    charged: CHARGED,
  }),
]);
