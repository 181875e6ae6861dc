// Google's OpenAI-compatible endpoint of the Gemini API. Thoughts are billed as output and left out of `completion_tokens`;
// only `total_tokens` shows them. The path of the base URL names the version (`/v1beta/openai`).

import { compatible } from './compatible.js';
import type { ProviderProfile } from './profile.js';

export const google: ProviderProfile = {
  ...compatible,
  name: 'google',
  hosts: ['generativelanguage.googleapis.com'],
  sources: [
    'https://ai.google.dev/gemini-api/docs/openai',
    'https://ai.google.dev/gemini-api/docs/thinking',
    'https://ai.google.dev/gemini-api/docs/optimization',
    'https://ai.google.dev/gemini-api/docs/rate-limits',
    'https://github.com/ogx-ai/ogx/issues/5122',
  ],
  pricedAs: 'google',
  request: {
    ...compatible.request,
    thinkingOff: ['reasoning_effort', 'extra_body.google', 'google'],
    pathPrefix: '/v1beta/openai',
    outputLimit: ['max_completion_tokens'],
    outputLimitAlso: ['max_tokens'],
  },
  usage: {
    ...compatible.usage,
    at: ['usage'],
    // Every chunk repeats what has been used so far, and none does unasked.
    besideChoicesWhenAsked: true,
    webSearch: [],
    cost: [],
    outputIncludesReasoning: false,
  },
  modifiers: [
    {
      name: 'service_tier',
      stated: ['service_tier', 'usage.service_tier'],
      // Priority costs "75 % to 100 % more", by model; which model has which, is not verified. A price of one's own can say.
      prices: [{ models: ['*'], times: { auto: '1', default: '1', standard: '1', flex: '0.5' } }],
      noDearer: [],
    },
  ],
  models: [
    {
      models: ['gemini-2.0*', 'models/gemini-2.0*', 'gemini-1.5*', 'models/gemini-1.5*'],
      outputTokensMax: 8_192,
      thinking: 'never',
      thinksUnasked: false,
    },
    { models: ['gemini-embedding*'], outputTokensMax: null, thinking: 'never', thinksUnasked: false },
    {
      models: ['gemini-2.5-flash-lite*', 'models/gemini-2.5-flash-lite*'],
      outputTokensMax: 65_536,
      thinking: 'unseen',
      thinksUnasked: false,
    },
    {
      models: ['gemini-2.5*', 'models/gemini-2.5*', 'gemini-3*', 'models/gemini-3*'],
      outputTokensMax: 65_536,
      thinking: 'unseen',
      thinksUnasked: true,
    },
  ],
  errors: {
    request: ['^400 .*(?:input token count|exceeds the maximum number of tokens)'],
    // Quotas are by model, those of a day too.
    throttle: ['^429 .*(?:resource_exhausted|quota exceeded)'],
    account: ['^(?:400|403) .*(?:billing|consumer.?suspended)'],
    flake: ['^(?:0|200|503) .*(?:model is overloaded|unavailable)'],
    billed: [],
  },
};
