// The profile of the Gemini API's OpenAI-compatible endpoint. Google bills thoughts as output, but excludes them from
// `completion_tokens`: only `total_tokens` includes them. The path of the base URL names the version (`/v1beta/openai`).

import { compatible, usageInOneField } from './compatible.js';
import { modelRow, type ProviderProfile } from './profile.js';

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
    ...usageInOneField,
    // Where the request asks for usage, every chunk repeats what has been used so far; otherwise no chunk has it.
    besideChoicesWhenAsked: true,
    outputIncludesReasoning: false,
  },
  modifiers: [
    {
      name: 'service_tier',
      stated: ['service_tier', 'usage.service_tier'],
      // Priority costs "75 % to 100 % more", by model. The figure of each model is not verified; an own price can state it.
      prices: [{ models: ['*'], times: { auto: '1', default: '1', standard: '1', flex: '0.5' } }],
      noDearer: [],
    },
  ],
  models: [
    modelRow('never', 8_192, ['gemini-2.0*', 'models/gemini-2.0*', 'gemini-1.5*', 'models/gemini-1.5*']),
    modelRow('never', null, ['gemini-embedding*']),
    modelRow('unseen if asked', 65_536, ['gemini-2.5-flash-lite*', 'models/gemini-2.5-flash-lite*']),
    modelRow('unseen', 65_536, ['gemini-2.5*', 'models/gemini-2.5*', 'gemini-3*', 'models/gemini-3*']),
  ],
  errors: {
    ...compatible.errors,
    request: ['^400 .*(?:input token count|exceeds the maximum number of tokens)'],
    // Quotas are for each model, daily quotas included.
    throttle: ['^429 .*(?:resource_exhausted|quota exceeded)'],
    account: ['^(?:400|403) .*(?:billing|consumer.?suspended)'],
    flake: ['^(?:0|200|503) .*(?:model is overloaded|unavailable)'],
  },
};
