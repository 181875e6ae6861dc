// xAI. In chat completions reasoning stands beside `completion_tokens`, not within; the total has both. Every answer states
// what it cost (`cost_in_usd_ticks`, 10^10 to a dollar), tools that it ran itself included.

import { compatible } from './compatible.js';
import type { ProviderProfile } from './profile.js';

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
    ...compatible.usage,
    at: ['usage'],
    // Searches of the web and of X have one price.
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
  modifiers: compatible.modifiers,
  models: [
    {
      models: ['grok-2*', 'grok-3', 'grok-3-fast*', 'grok-3-beta*', 'grok-3-latest'],
      outputTokensMax: null,
      thinking: 'never',
      thinksUnasked: false,
    },
    {
      models: ['grok-4-fast-non-reasoning*', 'grok-4-1-fast-non-reasoning*'],
      outputTokensMax: null,
      thinking: 'never',
      thinksUnasked: false,
    },
    { models: ['grok-3-mini*'], outputTokensMax: null, thinking: 'shown', thinksUnasked: true },
    { models: ['grok*'], outputTokensMax: null, thinking: 'unseen', thinksUnasked: true },
  ],
  errors: {
    request: ['^400 .*maximum prompt length', '^413\\b'],
    throttle: [],
    account: ['^(?:403|429) .*(?:available credits|monthly spending limit|doesn.t have any credits)'],
    flake: [],
    billed: [],
  },
};
