// The profiles of providers that speak OpenAI's dialect and differ from the profile of an unknown provider in a few fields.
// Providers with tables of prices or models of their own (OpenAI, Azure, Google) have a file each. Collected by profiles.ts.

import { compatible, usageInOneField } from './compatible.js';
import { modelRow, type ProviderProfile } from './profile.js';

/**
 * DeepSeek knows `max_tokens` alone. It states cached input as `prompt_cache_hit_tokens`, shows its reasoning as text
 * (`reasoning_content`), and keeps a waiting stream open with comments.
 */
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
    ...usageInOneField,
    cacheRead: ['prompt_cache_hit_tokens', 'prompt_tokens_details.cached_tokens'],
  },
  models: [
    modelRow('shown', 65_536, ['deepseek-reasoner*']),
    modelRow('never', 8_192, ['deepseek-chat*']),
    modelRow('shown', null, ['deepseek-v4*']),
  ],
  errors: {
    ...compatible.errors,
    request: ['^400 .*maximum context length', '^422\\b'],
    account: ['^402 .*insufficient balance'],
  },
};

/**
 * Fireworks AI states usage in the last chunk of a stream, also where the request does not ask for it. Its fast models have
 * names and prices of their own. Its priority tier has a price for each model.
 */
export const fireworks: ProviderProfile = {
  ...compatible,
  name: 'fireworks',
  hosts: ['api.fireworks.ai', '*.api.fireworks.ai'],
  sources: [
    'https://docs.fireworks.ai/tools-sdks/openai-compatibility',
    'https://docs.fireworks.ai/serverless/serverless-modes',
    'https://docs.fireworks.ai/guides/inference-error-codes',
  ],
  pricedAs: 'fireworks',
  request: {
    ...compatible.request,
    thinkingOff: ['reasoning_effort'],
    pathPrefix: '/inference/v1',
    outputLimit: ['max_tokens'],
    outputLimitAlso: ['max_completion_tokens'],
  },
  usage: usageInOneField,
  // The price list has a price of `priority` for each model. They are not verified, so that `priority` has no price here.
  errors: {
    ...compatible.errors,
    request: ['^413\\b', '^400 .*(?:prompt is too long|maximum context length)'],
    account: ['^412 .*suspended', '^402\\b'],
  },
};

/**
 * Groq states usage in `x_groq.usage` of a stream's last chunk, also where the request does not ask for it. Its flex tier
 * costs as much as its usual tier.
 */
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
      // `performance` is for customers with a contract.
      prices: [
        { models: ['*'], times: { auto: '1', default: '1', on_demand: '1', flex: '1', batch: '0.5' } },
      ],
      noDearer: [],
    },
  ],
  models: [
    modelRow('never', null, ['llama*', 'meta-llama/*', 'gemma*', 'mixtral*']),
    // With `reasoning_format: hidden` reasoning is billed and not shown.
    modelRow('unseen', 65_536, ['openai/gpt-oss*']),
    modelRow('unseen', null, ['qwen*', 'deepseek*']),
  ],
  errors: {
    ...compatible.errors,
    request: ['^413\\b', '^429 .*request too large', '^400 .*(?:context_length_exceeded|reduce the length)'],
    account: ['^4\\d\\d .*(?:spend.?limit|blocked_api_access)'],
    flake: ['^498\\b'],
  },
};

/**
 * Mistral answers 422 (`extra_forbidden`) to every field that it does not know, such as `max_completion_tokens` and
 * `stream_options`. It states usage in the last chunk of a stream, also where the request does not ask for it.
 */
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
  usage: usageInOneField,
  models: [
    modelRow('never', null, ['mistral-embed*', 'codestral-embed*']),
    // Magistral models show their thinking as text of the message (`thinking` parts).
    modelRow('shown', null, ['magistral*']),
    // Other models that are told to reason show it in the same way.
    modelRow('shown if asked', null, ['*']),
  ],
  errors: {
    ...compatible.errors,
    request: ['^422\\b', '^400 .*(?:too large for model|maximum context length)'],
    throttle: ['^429 .*(?:requests rate limit|rate limit|capacity exceeded)'],
    account: ['^40[23] .*(?:billing|subscription|payment)'],
  },
};

/**
 * Moonshot (Kimi) states usage inside the choice of a stream's last chunk, and cached input at the top of the usage
 * (`cached_tokens`). It shows its thinking as text (`reasoning_content`).
 */
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
    modelRow('never', null, ['moonshot-v1*']),
    modelRow('never', null, ['kimi-k2', 'kimi-k2-0*', 'kimi-k2-turbo*']),
    modelRow('shown', null, ['kimi*']),
  ],
  errors: {
    ...compatible.errors,
    request: ['^400 .*(?:exceeded model token limit|content_filter)'],
    throttle: ['^429 .*rate_limit_reached'],
    account: ['^429 .*exceeded_current_quota'],
    flake: ['^429 .*engine_overloaded'],
  },
};

/**
 * Ollama runs on the user's own machine and is found by its port. It knows `max_tokens` alone: it ignores any other limit,
 * and the answer goes on to the end of the context.
 */
export const ollama: ProviderProfile = {
  ...compatible,
  name: 'ollama',
  hosts: ['127.0.0.1:11434', 'localhost:11434', '[::1]:11434', 'ollama:11434'],
  sources: [
    'https://docs.ollama.com/api/openai-compatibility',
    'https://github.com/ollama/ollama/blob/main/openai/openai.go',
  ],
  request: {
    ...compatible.request,
    thinkingOff: ['reasoning_effort', 'think'],
    outputLimit: ['max_tokens'],
    outputLimitAlso: [],
  },
  usage: usageInOneField,
  // Models show their thinking as text (`reasoning`).
  models: [modelRow('shown', null, ['*'])],
  errors: { ...compatible.errors, flake: ['^503 .*server busy'] },
};

/**
 * OpenRouter forwards to other providers. Every answer states its cost in usd (`usage.cost`). Where the user has a key of the
 * provider behind it (`is_byok`), that cost is OpenRouter's fee, and `upstream_inference_cost` is the provider's own bill.
 * Without such a key `upstream_inference_cost` repeats the cost and is not added.
 */
export const openrouter: ProviderProfile = {
  ...compatible,
  name: 'openrouter',
  hosts: ['openrouter.ai', '*.openrouter.ai'],
  sources: [
    'https://openrouter.ai/docs/use-cases/usage-accounting',
    'https://openrouter.ai/docs/api-reference/errors',
    'https://openrouter.ai/docs/api-reference/parameters',
    'https://github.com/ORO-AI/oro/releases/tag/v3.0.4',
  ],
  pricedAs: 'openrouter',
  // `stream_options` and `usage: {include}` no longer have an effect.
  request: {
    ...compatible.request,
    thinkingOff: ['reasoning'],
    pathPrefix: '/api/v1',
    outputLimit: ['max_tokens'],
    outputLimitAlso: ['max_completion_tokens'],
    asksUsage: false,
    passFields: ['usage', 'transforms'],
  },
  usage: {
    ...usageInOneField,
    webSearch: ['server_tool_use.web_search_requests'],
    cost: [
      { at: 'cost', scale: 0, when: null },
      { at: 'cost_details.upstream_inference_cost', scale: 0, when: 'is_byok' },
    ],
  },
  // The provider behind OpenRouter decides on tiers and their prices. `charge: provider-cost` charges them exactly.
  errors: {
    ...compatible.errors,
    request: ['^400 .*maximum context length', '^403 .*(?:moderation|flagged)', '^413\\b'],
    account: ['^402\\b', '^403 .*key limit exceeded'],
    flake: [
      '^(?:0|200|50[23]) .*(?:provider returned error|no instances available|no available model provider)',
    ],
  },
};

/** Together AI states usage in the last chunk of a stream. */
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
  // The reference names `max_tokens` alone. Whether the newer name is ignored is not verified.
  request: {
    ...compatible.request,
    thinkingOff: ['reasoning', 'chat_template_kwargs'],
    outputLimit: ['max_tokens'],
    outputLimitAlso: [],
  },
  usage: usageInOneField,
  errors: {
    ...compatible.errors,
    request: ['^413\\b', '^422\\b', '^400 .*(?:inputs tokens|maximum context length)'],
    throttle: ['^429 .*(?:dynamic rate limit|rate limit)'],
    account: ['^402\\b'],
  },
};

/**
 * vLLM runs on the user's own machines. No host name tells it, so the configuration names the profile. It knows both names of
 * the output limit and states usage where `stream_options` asks for it. It states cached input only where the server was
 * started with that option.
 */
export const vllm: ProviderProfile = {
  ...compatible,
  name: 'vllm',
  sources: [
    'https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html',
    'https://github.com/vllm-project/vllm/blob/main/vllm/entrypoints/openai/protocol.py',
  ],
  request: { ...compatible.request, thinkingOff: ['chat_template_kwargs'] },
  usage: usageInOneField,
  // Models show their thinking as text, in a field of its own or in the message.
  models: [modelRow('shown', null, ['*'])],
  errors: { ...compatible.errors, request: ['^400 .*maximum context length'] },
};

/**
 * xAI counts reasoning beside `completion_tokens`, not within; the total includes both. Every answer states its cost
 * (`cost_in_usd_ticks`, 10^10 to a dollar), which includes the tools that xAI ran itself.
 */
export const xai: ProviderProfile = {
  ...compatible,
  name: 'xai',
  hosts: ['api.x.ai', '*.api.x.ai'],
  sources: [
    'https://docs.x.ai/developers/cost-tracking',
    'https://docs.x.ai/developers/api-reference',
    'https://docs.x.ai/docs/guides/tools/overview',
  ],
  pricedAs: 'x-ai',
  usage: {
    ...usageInOneField,
    // A search of the web and a search of X cost the same.
    webSearch: [
      'num_sources_used',
      'server_side_tool_usage_details.web_search_calls',
      'server_side_tool_usage_details.x_search_calls',
    ],
    codeInterpreter: ['server_side_tool_usage_details.code_interpreter_calls'],
    fileSearch: ['server_side_tool_usage_details.file_search_calls'],
    outputIncludesReasoning: false,
    cost: [{ at: 'cost_in_usd_ticks', scale: 10, when: null }],
  },
  models: [
    modelRow('never', null, ['grok-2*', 'grok-3', 'grok-3-fast*', 'grok-3-beta*', 'grok-3-latest']),
    modelRow('never', null, ['grok-4-fast-non-reasoning*', 'grok-4-1-fast-non-reasoning*']),
    modelRow('shown', null, ['grok-3-mini*']),
    modelRow('unseen', null, ['grok*']),
  ],
  errors: {
    ...compatible.errors,
    request: ['^400 .*maximum prompt length', '^413\\b'],
    account: ['^(?:403|429) .*(?:available credits|monthly spending limit|doesn.t have any credits)'],
  },
};
