// Together AI. Streams state their usage in the last chunk.

import { compatible } from './compatible.js';
import type { ProviderProfile } from './profile.js';

export const together: ProviderProfile = {
  ...compatible,
  name: 'together',
  hosts: ['api.together.xyz', 'api.together.ai'],
  sources: [
    'https://docs.together.ai/reference/chat-completions-1',
    'https://docs.together.ai/docs/openai-api-compatibility',
    'https://docs.together.ai/docs/error-codes',
  ],
  pricedAs: 'together',
  // The reference names `max_tokens` alone; that the newer name is ignored is not verified.
  request: {
    ...compatible.request,
    thinkingOff: ['reasoning', 'chat_template_kwargs'],
    outputLimit: ['max_tokens'],
    outputLimitAlso: [],
  },
  usage: { ...compatible.usage, at: ['usage'], webSearch: [], cost: [] },
  errors: {
    request: ['^413\\b', '^422\\b', '^400 .*(?:inputs tokens|maximum context length)'],
    throttle: ['^429 .*(?:dynamic rate limit|rate limit)'],
    account: ['^402\\b'],
    flake: [],
    billed: [],
  },
};
