// vLLM: text beside the reason to finish, errors of several shapes within a stream.

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

const USED = { prompt_tokens: 100, total_tokens: 105, completion_tokens: 5, prompt_tokens_details: null };
const CHARGED = 100 * INPUT + 5 * OUTPUT;

wireSuite('vllm', [
  row('the last text beside the reason to finish, usage of its own that was not asked for', {
    source: 'https://github.com/vllm-project/vllm/pull/36944',
    sends: stream(
      chunk({ role: 'assistant', content: '' }),
      chunk('Hi'),
      finish({}, { delta: { content: '!' }, stop_reason: null }),
      usage(USED),
      DONE,
    ),
    sees: leaves(
      chunk({ role: 'assistant', content: '' }),
      chunk('Hi'),
      finish({}, { delta: { content: '!' }, stop_reason: null }),
      DONE,
    ),
    charged: CHARGED,
  }),
  row('thinking in its two spellings, without a usage → counted once', {
    sends: stream(chunk({ reasoning: 'x'.repeat(400), reasoning_content: 'x'.repeat(400) }), finish(), DONE),
    charged: { outputTokens: 100 },
  }),
  row('an error within a stream, and [DONE] behind it → both pass, and what came is charged', {
    source: 'https://github.com/vllm-project/vllm/issues/22341',
    sends: stream(
      chunk('x'.repeat(400)),
      {
        error: {
          message: 'EngineCore encountered an issue',
          type: 'InternalServerError',
          param: null,
          code: 500,
        },
      },
      DONE,
    ),
    charged: { outputTokens: 100 },
  }),
  row('an error that is an object of that name → the same', {
    sends: stream(
      chunk('x'.repeat(400)),
      { object: 'error', message: 'out of memory', type: 'InternalServerError', param: null, code: 500 },
      DONE,
    ),
    charged: { outputTokens: 100 },
  }),
  row('an error by the name of its event, as the first one → passes, and costs nothing', {
    source: 'https://github.com/foundation-model-stack/fms-guardrails-orchestrator/pull/436',
    sends: stream('event: error\ndata: {"code":400,"details":"Requested sample logprobs of 21"}\n\n', DONE),
    charged: 0,
  }),
  row('a whole answer → its usage', {
    sends: answer(completion('Hi', { usage: USED, kv_transfer_params: null })),
    charged: CHARGED,
  }),
]);
