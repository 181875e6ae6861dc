// DeepSeek. It states what its cache gave as `prompt_cache_hit_tokens`, knows `max_tokens` alone, and keeps a waiting stream
// open with comments. Its reasoning comes as text (`reasoning_content`).

import { compatible } from './compatible.js';
import type { ProviderProfile } from './profile.js';

export const deepseek: ProviderProfile = {
  ...compatible,
  name: 'deepseek',
  hosts: ['api.deepseek.com'],
  sources: [
    'https://api-docs.deepseek.com/api/create-chat-completion',
    'https://api-docs.deepseek.com/guides/kv_cache',
    'https://api-docs.deepseek.com/quick_start/error_codes',
  ],
  pricedAs: 'deepseek',
  request: {
    ...compatible.request,
    thinkingOff: ['thinking'],
    outputLimit: ['max_tokens'],
    outputLimitAlso: [],
  },
  usage: {
    ...compatible.usage,
    at: ['usage'],
    cacheRead: ['prompt_cache_hit_tokens', 'prompt_tokens_details.cached_tokens'],
    webSearch: [],
    cost: [],
  },
  models: [
    { models: ['deepseek-reasoner*'], outputTokensMax: 65_536, thinking: 'shown', thinksUnasked: true },
    { models: ['deepseek-chat*'], outputTokensMax: 8_192, thinking: 'never', thinksUnasked: false },
    { models: ['deepseek-v4*'], outputTokensMax: null, thinking: 'shown', thinksUnasked: true },
  ],
  errors: {
    request: ['^400 .*maximum context length', '^422\\b'],
    throttle: [],
    account: ['^402 .*insufficient balance'],
    flake: [],
    billed: [],
  },
};
