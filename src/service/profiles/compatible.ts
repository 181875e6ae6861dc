// The profile of a provider that is not known, one for each dialect: the newest fields of the dialect, no modifiers, and
// models that may think unseen. Known providers' modules state what differs from it.

import type { ProviderProfile } from './profile.js';

export const compatible: ProviderProfile = {
  name: 'openai-compatible',
  dialect: 'openai',
  hosts: [],
  sources: ['https://platform.openai.com/docs/api-reference'],
  request: {
    pathPrefix: '/v1',
    paths: {},
    query: {},
    key: { header: 'authorization', prefix: 'Bearer ' },
    headers: {},
    outputLimit: ['max_completion_tokens'],
    asksUsage: true,
    passFields: [],
  },
  usage: {
    at: ['usage'],
    besideChoicesWhenAsked: false,
    cacheRead: ['prompt_tokens_details.cached_tokens', 'input_tokens_details.cached_tokens'],
    cacheWrite: ['prompt_tokens_details.cache_write_tokens', 'input_tokens_details.cache_write_tokens'],
    reasoning: ['completion_tokens_details.reasoning_tokens', 'output_tokens_details.reasoning_tokens'],
    outputIncludesReasoning: true,
    inputIncludesCache: true,
    cost: [],
  },
  modifiers: [],
  models: [],
  errors: { request: [], throttle: [], account: [], flake: [], billed: [] },
};

export const anthropicCompatible: ProviderProfile = {
  ...compatible,
  name: 'anthropic-compatible',
  dialect: 'anthropic',
  sources: ['https://docs.anthropic.com/en/api/messages'],
  request: { ...compatible.request, key: { header: 'x-api-key', prefix: '' }, outputLimit: ['max_tokens'] },
  usage: {
    ...compatible.usage,
    cacheRead: ['cache_read_input_tokens'],
    cacheWrite: ['cache_creation_input_tokens'],
    reasoning: ['output_tokens_details.thinking_tokens'],
    inputIncludesCache: false,
  },
};
