// Ollama: an empty reason to finish while it goes on, thinking as `reasoning`.

import {
  answer,
  breaksAfter,
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

const USED = { prompt_tokens: 100, completion_tokens: 5, total_tokens: 105 };
const CHARGED = 100 * INPUT + 5 * OUTPUT;
const goesOn = (text: string) => chunk({ role: 'assistant', content: text }, {}, { finish_reason: '' });

wireSuite('ollama', [
  row('an empty reason to finish in every chunk → is none; the usage was not asked for', {
    source: 'https://github.com/ollama/ollama/issues/4357',
    sends: stream(goesOn('Hi'), goesOn(' there'), finish(), usage(USED), DONE),
    sees: leaves(goesOn('Hi'), goesOn(' there'), finish(), DONE),
    charged: CHARGED,
  }),
  row('an empty reason to finish, and a clean end → a break', {
    sends: stream(goesOn('x'.repeat(400))),
    sees: breaksAfter(goesOn('x'.repeat(400))),
    charged: { outputTokens: 100 },
  }),
  row('thinking and text without a usage → both', {
    sends: stream(
      chunk({ role: 'assistant', content: '', reasoning: 'x'.repeat(200) }),
      chunk('x'.repeat(200)),
      finish(),
      DONE,
    ),
    charged: { outputTokens: 100 },
  }),
  row('a whole answer → its usage', {
    sends: answer(completion('Hi', { usage: USED, system_fingerprint: 'fp_ollama' })),
    charged: CHARGED,
  }),
]);
