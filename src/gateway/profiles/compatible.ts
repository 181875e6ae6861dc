// The profile of an unknown provider, one for each dialect. It lists every place where some provider of the dialect states
// usage, has no modifiers beyond the usual tier, and assumes that models may think unseen. The profiles of known providers
// state what differs from it; so does that of the built-in demonstration.

import type { Modifier } from '../prices/modifiers.js';
import { type ModelTraits, modelRow, type ProviderProfile, type UsageProfile } from './profile.js';

/** The tiers that cost the usual price at any provider that has the field. */
const USUAL_TIER: Modifier = {
  name: 'service_tier',
  stated: ['service_tier', 'usage.service_tier'],
  prices: [{ models: ['*'], times: { auto: '1', default: '1', standard: '1', standard_only: '1' } }],
  noDearer: ['flex', 'batch'],
};

/**
 * gpt-4o-mini bills images far above its text: 2,833 tokens and 5,667 for each of at most eight tiles (OpenAI, "Images and
 * vision"). Gateways and proxies serve it under these names.
 */
export const GPT_4O_MINI: ModelTraits = {
  ...modelRow('never', 16_384, ['gpt-4o-mini*', 'ft:gpt-4o-mini*', 'openai/gpt-4o-mini*']),
  imageTokensMax: 2_833 + 8 * 5_667,
};

export const compatible: ProviderProfile = {
  name: 'openai-compatible',
  dialect: 'openai',
  hosts: [],
  sources: ['https://platform.openai.com/docs/api-reference'],
  pricedAs: null,
  request: {
    pathPrefix: '/v1',
    paths: {},
    query: {},
    key: { header: 'authorization', prefix: 'Bearer ' },
    headers: {},
    outputLimit: ['max_completion_tokens'],
    outputLimitAlso: ['max_tokens'],
    asksUsage: true,
    passFields: [],
    // Unknown: a model that is asked not to think may think all the same.
    thinkingOff: [],
  },
  usage: {
    at: ['usage', 'x_groq.usage', 'choices.*.usage'],
    besideChoicesWhenAsked: false,
    input: ['prompt_tokens', 'input_tokens'],
    output: ['completion_tokens', 'output_tokens'],
    total: ['total_tokens'],
    cacheRead: [
      'prompt_tokens_details.cached_tokens',
      'input_tokens_details.cached_tokens',
      'prompt_cache_hit_tokens',
      'cached_tokens',
      'cache_read_input_tokens',
    ],
    cacheWrite: [
      'prompt_tokens_details.cache_write_tokens',
      'input_tokens_details.cache_write_tokens',
      'prompt_tokens_details.cache_creation_tokens',
      'cache_creation_input_tokens',
    ],
    cacheWriteHour: [
      'prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens',
      'cache_creation.ephemeral_1h_input_tokens',
    ],
    cacheWriteShort: [
      'prompt_tokens_details.cache_creation_token_details.ephemeral_5m_input_tokens',
      'cache_creation.ephemeral_5m_input_tokens',
    ],
    inputAudio: ['prompt_tokens_details.audio_tokens', 'input_tokens_details.audio_tokens'],
    outputAudio: ['completion_tokens_details.audio_tokens', 'output_tokens_details.audio_tokens'],
    outputImage: ['completion_tokens_details.image_tokens', 'output_tokens_details.image_tokens'],
    reasoning: [
      'completion_tokens_details.reasoning_tokens',
      'output_tokens_details.reasoning_tokens',
      'reasoning_tokens',
    ],
    webSearch: ['num_search_queries', 'num_sources_used', 'server_tool_use.web_search_requests'],
    codeInterpreter: [],
    fileSearch: [],
    freeTools: [],
    outputIncludesReasoning: true,
    inputIncludesCache: true,
    cost: [{ at: 'cost', scale: 0, when: null }],
  },
  modifiers: [USUAL_TIER],
  models: [GPT_4O_MINI],
  errors: { request: [], throttle: [], account: [], flake: [], billed: [] },
};

/** Where a provider of OpenAI's dialect has all usage in the field `usage`, and states neither searches nor its cost there. */
export const usageInOneField: UsageProfile = { ...compatible.usage, at: ['usage'], webSearch: [], cost: [] };

export const anthropicCompatible: ProviderProfile = {
  ...compatible,
  models: [],
  name: 'anthropic-compatible',
  dialect: 'anthropic',
  sources: ['https://platform.claude.com/docs/en/api/messages'],
  request: {
    ...compatible.request,
    key: { header: 'x-api-key', prefix: '' },
    // The newest version, which Anthropic's own clients send too. Used where the caller states none.
    headers: { 'anthropic-version': '2023-06-01' },
    outputLimit: ['max_tokens'],
    outputLimitAlso: [],
    asksUsage: false,
  },
  usage: {
    ...compatible.usage,
    at: ['usage'],
    input: ['input_tokens'],
    output: ['output_tokens'],
    total: [],
    cacheRead: ['cache_read_input_tokens'],
    cacheWrite: ['cache_creation_input_tokens'],
    cacheWriteHour: ['cache_creation.ephemeral_1h_input_tokens'],
    cacheWriteShort: ['cache_creation.ephemeral_5m_input_tokens'],
    inputAudio: [],
    outputAudio: [],
    outputImage: [],
    reasoning: ['output_tokens_details.thinking_tokens'],
    webSearch: ['server_tool_use.web_search_requests'],
    freeTools: ['server_tool_use.web_fetch_requests'],
    inputIncludesCache: false,
  },
  modifiers: [
    USUAL_TIER,
    {
      name: 'speed',
      stated: ['usage.speed'],
      prices: [{ models: ['*'], times: { standard: '1' } }],
      noDearer: [],
    },
    {
      name: 'inference_geo',
      stated: ['usage.inference_geo'],
      prices: [{ models: ['*'], times: { global: '1', not_available: '1' } }],
      noDearer: [],
    },
  ],
};

const demonstrationModels = [modelRow('never', null, ['*'])];

/** The profiles of the built-in demonstration, one for each dialect: its models show every token that they bill. */
export const demonstration: Readonly<Record<ProviderProfile['dialect'], ProviderProfile>> = {
  openai: { ...compatible, name: 'demonstration', models: demonstrationModels },
  anthropic: { ...anthropicCompatible, name: 'demonstration', models: demonstrationModels },
};
