// Together: the text twice in a chunk, usage in the last one.

import { answer, chunk, completion, DONE, finish, INPUT, leaves, OUTPUT, row, stream } from './wire-row.js';
import { wireSuite } from './wire-run.js';

const USED = { prompt_tokens: 100, completion_tokens: 5, total_tokens: 105 };
const CHARGED = 100 * INPUT + 5 * OUTPUT;
const twice = (text: string, more = {}) =>
  chunk(
    { token_id: 2_287, role: 'assistant', content: text, tool_calls: null },
    { usage: null, ...more },
    { text, logprobs: null },
  );

wireSuite('together', [
  row('usage beside the reason to finish, nulls before it → the nulls go', {
    source: 'https://github.com/mlflow/mlflow/pull/11557',
    sends: stream(twice('Hi'), finish({ usage: USED }, { text: '' }), DONE),
    sees: leaves(
      chunk(
        { token_id: 2_287, role: 'assistant', content: 'Hi', tool_calls: null },
        {},
        { text: 'Hi', logprobs: null },
      ),
      finish({ usage: USED }, { text: '' }),
      DONE,
    ),
    charged: CHARGED,
  }),
  row('the text twice in each chunk, without a usage → counted once', {
    asks: { stream_options: { include_usage: true } },
    sends: stream(twice('x'.repeat(400)), finish(), DONE),
    charged: { outputTokens: 100 },
  }),
  row('a whole answer → its usage', {
    sends: answer(completion('Hi', { usage: USED, prompt: [] })),
    charged: CHARGED,
  }),
]);
