// Mistral: usage in the last chunk, unasked; thinking as a list within the content.

import { answer, chunk, completion, DONE, finish, INPUT, OUTPUT, row, stream } from './wire-row.js';
import { wireSuite } from './wire-run.js';

const USED = { prompt_tokens: 100, total_tokens: 105, completion_tokens: 5 };
const CHARGED = 100 * INPUT + 5 * OUTPUT;
const thinking = (text: string) => ({ content: [{ type: 'thinking', thinking: [{ type: 'text', text }] }] });

wireSuite('mistral', [
  row('usage beside the reason to finish, text in the same chunk → all of it', {
    source: 'https://docs.mistral.ai/capabilities/completion/',
    sends: stream(
      chunk({ role: 'assistant', content: '' }),
      chunk('Hi'),
      finish({ usage: USED }, { delta: { content: '!' } }),
      DONE,
    ),
    charged: CHARGED,
  }),
  row('thinking as a list, without a usage → its text', {
    source: 'https://github.com/BerriAI/litellm/issues/16272',
    sends: stream(chunk(thinking('x'.repeat(400))), finish(), DONE),
    charged: { outputTokens: 100 },
  }),
  row('a field that it does not know → its error, and no charge', {
    sends: answer(
      {
        object: 'error',
        message: { detail: [{ type: 'extra_forbidden', loc: ['body', 'x'] }] },
        type: 'invalid_request_error',
      },
      422,
    ),
    charged: 0,
  }),
  row('a whole answer → its usage', { sends: answer(completion('Hi', { usage: USED })), charged: CHARGED }),
]);
