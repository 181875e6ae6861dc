// Moonshot (Kimi). The last chunk of a stream states its usage in the choice; what the cache gave stands at the top of the
// usage (`cached_tokens`). Its thinking comes as text (`reasoning_content`).

import { compatible } from './compatible.js';
import type { ProviderProfile } from './profile.js';

export const moonshot: ProviderProfile = {
  ...compatible,
  name: 'moonshot',
  hosts: ['api.moonshot.ai', 'api.moonshot.cn'],
  sources: [
    'https://platform.kimi.ai/docs/api/chat',
    'https://platform.kimi.ai/docs/guide/utilize-the-streaming-output-feature-of-kimi-api',
    'https://github.com/caudena/beam_weaver/releases/tag/v0.1.12',
  ],
  pricedAs: 'moonshotai',
  request: {
    ...compatible.request,
    thinkingOff: ['thinking'],
    outputLimit: ['max_tokens'],
    outputLimitAlso: ['max_completion_tokens'],
  },
  usage: {
    ...compatible.usage,
    at: ['usage', 'choices.*.usage'],
    cacheRead: ['cached_tokens', 'prompt_tokens_details.cached_tokens'],
    webSearch: [],
    cost: [],
  },
  models: [
    { models: ['moonshot-v1*'], outputTokensMax: null, thinking: 'never', thinksUnasked: false },
    {
      models: ['kimi-k2', 'kimi-k2-0*', 'kimi-k2-turbo*'],
      outputTokensMax: null,
      thinking: 'never',
      thinksUnasked: false,
    },
    { models: ['kimi*'], outputTokensMax: null, thinking: 'shown', thinksUnasked: true },
  ],
  errors: {
    request: ['^400 .*(?:exceeded model token limit|content_filter)'],
    throttle: ['^429 .*rate_limit_reached'],
    account: ['^429 .*exceeded_current_quota'],
    flake: ['^429 .*engine_overloaded'],
    billed: [],
  },
};
