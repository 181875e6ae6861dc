// Mistral. It answers 422 to every field that it does not know (`extra_forbidden`), `max_completion_tokens` and
// `stream_options` among them; the last chunk of a stream states the usage unasked.

import { compatible } from './compatible.js';
import type { ProviderProfile } from './profile.js';

export const mistral: ProviderProfile = {
  ...compatible,
  name: 'mistral',
  hosts: ['api.mistral.ai', 'codestral.mistral.ai'],
  sources: [
    'https://docs.mistral.ai/api',
    'https://github.com/editor-code-assistant/eca/issues/231',
    'https://github.com/mistralai/platform-docs-public/issues/7',
  ],
  pricedAs: 'mistral',
  request: {
    ...compatible.request,
    thinkingOff: ['reasoning_effort'],
    outputLimit: ['max_tokens'],
    outputLimitAlso: [],
    asksUsage: false,
  },
  usage: { ...compatible.usage, at: ['usage'], webSearch: [], cost: [] },
  models: [
    {
      models: ['mistral-embed*', 'codestral-embed*'],
      outputTokensMax: null,
      thinking: 'never',
      thinksUnasked: false,
    },
    // Its thinking comes as text of the message (`thinking` parts).
    { models: ['magistral*'], outputTokensMax: null, thinking: 'shown', thinksUnasked: true },
    // Models that can be told to reason show it the same way.
    { models: ['*'], outputTokensMax: null, thinking: 'shown', thinksUnasked: false },
  ],
  errors: {
    request: ['^422\\b', '^400 .*(?:too large for model|maximum context length)'],
    throttle: ['^429 .*(?:requests rate limit|rate limit|capacity exceeded)'],
    account: ['^40[23] .*(?:billing|subscription|payment)'],
    flake: [],
    billed: [],
  },
};
