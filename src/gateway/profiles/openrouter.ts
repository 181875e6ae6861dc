// OpenRouter, a gateway to others. Every answer states what it cost, in usd, unasked (`usage.cost`). With a key of one's own
// for the provider behind it (`is_byok`) that is OpenRouter's fee, and the provider's bill stands beside it; without such a
// key the same field repeats the cost, and is no part of the bill.

import { compatible } from './compatible.js';
import type { ProviderProfile } from './profile.js';

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
  // `stream_options` and `usage: {include}` have no effect any more.
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
    ...compatible.usage,
    at: ['usage'],
    webSearch: ['server_tool_use.web_search_requests'],
    cost: [
      { at: 'cost', scale: 0, when: null },
      { at: 'cost_details.upstream_inference_cost', scale: 0, when: 'is_byok' },
    ],
  },
  // The provider behind it decides which tiers there are and what they cost: `charge: provider-cost` knows.
  modifiers: compatible.modifiers,
  errors: {
    request: ['^400 .*maximum context length', '^403 .*(?:moderation|flagged)', '^413\\b'],
    throttle: [],
    account: ['^402\\b', '^403 .*key limit exceeded'],
    flake: [
      '^(?:0|200|50[23]) .*(?:provider returned error|no instances available|no available model provider)',
    ],
    billed: [],
  },
};
