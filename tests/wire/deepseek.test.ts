// DeepSeek: cache hits beside the prompt, comments and empty lines that keep alive.

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
  prompt_tokens_details: { cached_tokens: 80 },
  completion_tokens_details: { reasoning_tokens: 40 },
  prompt_cache_hit_tokens: 80,
  prompt_cache_miss_tokens: 20,
};
const CHARGED = 20 * INPUT + 80 * CACHE_READ + 50 * OUTPUT;

wireSuite('deepseek', [
  row('comments that keep alive, thinking, text, a usage of its own that was not asked for', {
    source: 'https://api-docs.deepseek.com/quick_start/rate_limit',
    sends: stream(
      ': keep-alive\n\n',
      PAUSE,
      ': keep-alive\n\n',
      chunk({ role: 'assistant', content: null, reasoning_content: '' }),
      chunk({ content: null, reasoning_content: 'Hm' }),
      chunk({ content: 'Hi', reasoning_content: null }),
      finish(),
      usage(USED),
      DONE,
    ),
    sees: leaves(
      ': keep-alive\n\n',
      ': keep-alive\n\n',
      chunk({ role: 'assistant', content: null, reasoning_content: '' }),
      chunk({ content: null, reasoning_content: 'Hm' }),
      chunk({ content: 'Hi', reasoning_content: null }),
      finish(),
      DONE,
    ),
    charged: CHARGED,
  }),
  row('usage beside the reason to finish → passes as it came', {
    source: 'https://api-docs.deepseek.com/api/create-chat-completion',
    sends: stream(chunk('Hi'), finish({ usage: USED }), DONE),
    charged: CHARGED,
  }),
  row('thinking and text without a usage → both', {
    sends: stream(
      chunk({ content: null, reasoning_content: 'x'.repeat(200) }),
      chunk({ content: 'x'.repeat(200), reasoning_content: null }),
      finish(),
      DONE,
    ),
    charged: { outputTokens: 100 },
  }),
  row('a whole answer behind empty lines that kept it alive → its usage', {
    source: 'https://api-docs.deepseek.com/quick_start/rate_limit',
    sends: answer(`\n\n\n${JSON.stringify(completion('Hi', { usage: USED }))}`),
    charged: CHARGED,
  }),
  row('a system that ran out of resources → its reason to finish is one', {
    sends: stream(
      chunk('Hi'),
      finish({ usage: USED }, { finish_reason: 'insufficient_system_resource' }),
      DONE,
    ),
    charged: CHARGED,
  }),
]);
