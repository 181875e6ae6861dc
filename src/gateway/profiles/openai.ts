// OpenAI. Its answers state the tier that served them, which is what is billed: a request for `auto` or `flex` may have been
// served by another tier, and a project may have a tier of its own that no request names.

import type { ModifierPrice } from '../prices/modifiers.js';
import { compatible, GPT_4O_MINI } from './compatible.js';
import type { ModelTraits, ProviderProfile } from './profile.js';

/** Flex costs what the Batch API does, half of the usual price. */
const HALF_TIERS = { flex: '0.5', batch: '0.5' } as const;

// "Priority processing": its price by model, divided by the usual one. The table has prices, not factors; they are the same
// for input, cached input and output.
const TIERS: readonly ModifierPrice[] = [
  { models: ['*'], times: { auto: '1', default: '1', standard: '1', ...HALF_TIERS } },
  { models: ['gpt-4o-mini', 'gpt-4o-mini-2024-07-18'], times: { priority: '5/3' } },
  { models: ['gpt-4o-2024-05-13'], times: { priority: '1.75' } },
  { models: ['gpt-4o', 'gpt-4o-2024-*'], times: { priority: '1.7' } },
  { models: ['gpt-4.1-nano*'], times: { priority: '2' } },
  { models: ['gpt-4.1*'], times: { priority: '1.75' } },
  { models: ['gpt-5-mini*'], times: { priority: '1.8' } },
  { models: ['gpt-5.5', 'gpt-5.5-2*'], times: { priority: '2.5' } },
  {
    models: [
      ...[
        'gpt-5',
        'gpt-5-2*',
        'gpt-5-codex*',
        'gpt-5.1',
        'gpt-5.1-2*',
        'gpt-5.1-codex',
        'gpt-5.2',
        'gpt-5.2-2*',
      ],
      ...['gpt-5.4', 'gpt-5.4-2*', 'gpt-5.4-mini*'],
    ],
    times: { priority: '2' },
  },
  { models: ['o3', 'o3-2*'], times: { priority: '1.75' } },
  { models: ['o4-mini', 'o4-mini-2*'], times: { priority: '20/11' } },
];

// "Models": what each gives at most. Reasoning is billed and never shown but for summaries ("Reasoning models").
const MODELS: readonly ModelTraits[] = [
  GPT_4O_MINI,
  {
    models: ['gpt-5-chat*', 'gpt-5.1-chat*', 'gpt-5.2-chat*', 'gpt-5.3-chat*', 'chatgpt-4o*', 'gpt-4o*'],
    outputTokensMax: 16_384,
    thinking: 'never',
    thinksUnasked: false,
  },
  { models: ['gpt-4.1*'], outputTokensMax: 32_768, thinking: 'never', thinksUnasked: false },
  { models: ['gpt-4.5*'], outputTokensMax: 16_384, thinking: 'never', thinksUnasked: false },
  { models: ['gpt-4-turbo*', 'gpt-3.5*'], outputTokensMax: 4_096, thinking: 'never', thinksUnasked: false },
  { models: ['gpt-4', 'gpt-4-0*'], outputTokensMax: 8_192, thinking: 'never', thinksUnasked: false },
  { models: ['text-embedding*'], outputTokensMax: null, thinking: 'never', thinksUnasked: false },
  { models: ['o1-mini*'], outputTokensMax: 65_536, thinking: 'unseen', thinksUnasked: true },
  { models: ['o1-preview*'], outputTokensMax: 32_768, thinking: 'unseen', thinksUnasked: true },
  { models: ['o1*', 'o3*', 'o4*'], outputTokensMax: 100_000, thinking: 'unseen', thinksUnasked: true },
  { models: ['gpt-5-pro*'], outputTokensMax: 272_000, thinking: 'unseen', thinksUnasked: true },
  // From gpt-5.1 on the effort `none` is the default of some models; which, is not verified for each.
  {
    models: ['gpt-5*', 'gpt-6*', 'codex*'],
    outputTokensMax: 128_000,
    thinking: 'unseen',
    thinksUnasked: true,
  },
];

export const openai: ProviderProfile = {
  ...compatible,
  name: 'openai',
  hosts: ['api.openai.com', '*.api.openai.com'],
  sources: [
    'https://platform.openai.com/docs/api-reference/chat/create',
    'https://platform.openai.com/docs/guides/flex-processing',
    'https://platform.openai.com/docs/guides/error-codes',
    'https://platform.openai.com/docs/models',
    'https://openai.com/api-priority-processing/',
  ],
  pricedAs: 'openai',
  request: { ...compatible.request, thinkingOff: ['reasoning_effort', 'reasoning'] },
  usage: {
    ...compatible.usage,
    at: ['usage'],
    webSearch: [],
    cost: [],
  },
  modifiers: [{ name: 'service_tier', stated: ['service_tier'], prices: TIERS, noDearer: [] }],
  models: MODELS,
  errors: {
    request: [
      '^429 .*request too large',
      '^400 .*(?:context_length_exceeded|maximum context length|string_above_max_length)',
    ],
    throttle: ['^429 .*resource.?unavailable'],
    account: [
      '^429 .*(?:insufficient_quota|exceeded your current quota)',
      '^4\\d\\d .*billing_(?:hard_limit|not_active)',
    ],
    flake: ['^503 .*slow down'],
    billed: [],
  },
};
