// Groq. A stream states its usage unasked, in `x_groq.usage` of its last chunk. Flex costs what the usual tier does.

import { compatible } from './compatible.js';
import type { ProviderProfile } from './profile.js';

export const groq: ProviderProfile = {
  ...compatible,
  name: 'groq',
  hosts: ['api.groq.com'],
  sources: [
    'https://console.groq.com/docs/api-reference',
    'https://console.groq.com/docs/openai',
    'https://console.groq.com/docs/service-tiers',
    'https://console.groq.com/docs/flex-processing',
    'https://console.groq.com/docs/errors',
  ],
  pricedAs: 'groq',
  request: { ...compatible.request, thinkingOff: ['reasoning_effort'], pathPrefix: '/openai/v1' },
  usage: { ...compatible.usage, at: ['usage', 'x_groq.usage'], webSearch: [], cost: [] },
  modifiers: [
    {
      name: 'service_tier',
      stated: ['service_tier'],
      // `performance` is for contracts.
      prices: [
        { models: ['*'], times: { auto: '1', default: '1', on_demand: '1', flex: '1', batch: '0.5' } },
      ],
      noDearer: [],
    },
  ],
  models: [
    {
      models: ['llama*', 'meta-llama/*', 'gemma*', 'mixtral*'],
      outputTokensMax: null,
      thinking: 'never',
      thinksUnasked: false,
    },
    // With `reasoning_format: hidden` it is billed and not shown.
    { models: ['openai/gpt-oss*'], outputTokensMax: 65_536, thinking: 'unseen', thinksUnasked: true },
    { models: ['qwen*', 'deepseek*'], outputTokensMax: null, thinking: 'unseen', thinksUnasked: true },
  ],
  errors: {
    request: ['^413\\b', '^429 .*request too large', '^400 .*(?:context_length_exceeded|reduce the length)'],
    throttle: [],
    account: ['^4\\d\\d .*(?:spend.?limit|blocked_api_access)'],
    flake: ['^498\\b'],
    billed: [],
  },
};
