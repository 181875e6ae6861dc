// OpenRouter: comments while it waits, usage with the cost unasked, errors within streams.

import {
  answer,
  breaksAfter,
  CACHE_READ,
  chunk,
  completion,
  DONE,
  finish,
  INPUT,
  leaves,
  OUTPUT,
  open,
  PAUSE,
  row,
  stream,
  usage,
} from './wire-row.js';
import { wireSuite } from './wire-run.js';

const USED = {
  prompt_tokens: 100,
  completion_tokens: 50,
  total_tokens: 150,
  cost: 0.0005,
  is_byok: false,
  prompt_tokens_details: { cached_tokens: 80 },
  completion_tokens_details: { reasoning_tokens: 40 },
  cost_details: { upstream_inference_cost: null },
};
const CHARGED = 20 * INPUT + 80 * CACHE_READ + 50 * OUTPUT;
const WAITING = ': OPENROUTER PROCESSING\n\n';
const thought = (text: string) => ({
  content: '',
  reasoning: text,
  reasoning_details: [{ type: 'reasoning.text', text, format: 'anthropic-claude-v1', index: 0 }],
});

wireSuite('openrouter', [
  row('comments, and a usage without choices that comes unasked → all of it', {
    source: 'https://github.com/Effect-TS/effect/pull/6117',
    sends: stream(
      WAITING,
      PAUSE,
      WAITING,
      chunk({ role: 'assistant', content: '' }),
      chunk('Hi'),
      finish(),
      usage(USED),
      DONE,
    ),
    charged: CHARGED,
  }),
  row('usage beside a last empty choice → all of it', {
    source: 'https://openrouter.ai/docs/use-cases/usage-accounting',
    sends: stream(
      WAITING,
      chunk('Hi'),
      finish(),
      chunk({ role: 'assistant', content: '' }, { usage: USED }),
      DONE,
    ),
    charged: CHARGED,
  }),
  row('thinking in two spellings without a usage → counted once', {
    source: 'https://openrouter.ai/docs/use-cases/reasoning-tokens',
    sends: stream(chunk(thought('x'.repeat(400))), finish(), DONE),
    charged: { outputTokens: 100 },
  }),
  row('encrypted thinking → counts as nothing', {
    sends: stream(
      chunk({
        content: 'x'.repeat(400),
        reasoning_details: [{ type: 'reasoning.encrypted', data: 'e'.repeat(4_000) }],
      }),
      finish(),
      DONE,
    ),
    charged: { outputTokens: 100 },
  }),
  row('an error within a stream, with a reason to finish → passes, and what came is charged', {
    source: 'https://openrouter.ai/docs/api-reference/errors',
    sends: stream(
      chunk('x'.repeat(400)),
      chunk(
        '',
        { error: { code: 'server_error', message: 'Provider disconnected' } },
        { finish_reason: 'error' },
      ),
    ),
    charged: { outputTokens: 100 },
  }),
  row('an error within a stream, and the connection stays open → ended soon', {
    sends: open(chunk('x'.repeat(400)), { error: { code: 502, message: 'Provider disconnected' } }),
    sees: leaves(chunk('x'.repeat(400)), { error: { code: 502, message: 'Provider disconnected' } }),
    charged: { outputTokens: 100 },
  }),
  row('a comment behind the text, and a clean end → a break', {
    sends: stream(chunk('x'.repeat(400)), WAITING),
    sees: breaksAfter(chunk('x'.repeat(400)), WAITING),
    charged: { outputTokens: 100 },
  }),
  row('a whole answer behind empty lines that kept it alive → its usage', {
    sends: answer(`\n         \n${JSON.stringify(completion('Hi', { usage: USED }))}`),
    charged: CHARGED,
  }),
]);
