// Azure OpenAI: OpenAI behind filters, whose findings come in chunks of their own.

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

const USED = { prompt_tokens: 100, completion_tokens: 5, total_tokens: 105 };
const CHARGED = 100 * INPUT + 5 * OUTPUT;
const SAFE = { hate: { filtered: false, severity: 'safe' } };
const PROMPT = {
  id: '',
  object: '',
  created: 0,
  model: '',
  prompt_filter_results: [{ prompt_index: 0, content_filter_results: SAFE }],
  choices: [],
};
const FILTERED = {
  id: '',
  object: '',
  created: 0,
  model: '',
  choices: [
    {
      index: 0,
      finish_reason: null,
      content_filter_results: SAFE,
      content_filter_offsets: { check_offset: 44, start_offset: 44, end_offset: 198 },
    },
  ],
};

wireSuite('azure-openai', [
  row('findings about the prompt first, in a chunk without choices → pass, without their usage', {
    source: 'https://github.com/openai/openai-python/issues/1677',
    sends: stream(
      { ...PROMPT, usage: null },
      chunk('Hi', { usage: null }),
      finish({ usage: null }),
      usage(USED),
      DONE,
    ),
    sees: leaves(PROMPT, chunk('Hi'), finish(), DONE),
    charged: CHARGED,
  }),
  row('findings about the text behind the reason to finish → pass, and the stream is whole', {
    source: 'https://github.com/microsoft/autogen/issues/6465',
    sends: stream(PROMPT, chunk('Hi'), finish(), FILTERED, usage(USED)),
    sees: leaves(PROMPT, chunk('Hi'), finish(), FILTERED),
    charged: CHARGED,
  }),
  row('the filter refuses the prompt → its error, and the prompt is charged', {
    source: 'https://learn.microsoft.com/en-us/azure/ai-services/openai/how-to/manage-costs',
    sends: answer(
      { error: { code: 'content_filter', message: 'The response was filtered', status: 400 } },
      400,
    ),
    charged: { outputTokens: 50 },
  }),
  row('a whole answer with findings → its usage', {
    sends: answer(completion('Hi', { prompt_filter_results: PROMPT.prompt_filter_results, usage: USED })),
    charged: CHARGED,
  }),
]);
