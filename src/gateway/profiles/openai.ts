// OpenAI's profile. An answer states the tier that served it, and that tier is billed: a request for `auto` or `flex` may be
// served by another tier, and a project may have a default tier that no request names.

import type { ModifierPrice } from '../prices/modifiers.js';
import { compatible, GPT_4O_MINI, usageInOneField } from './compatible.js';
import { type ModelTraits, modelRow, type ProviderProfile } from './profile.js';

/** Flex costs what the Batch API does, half of the usual price. */
const HALF_TIERS = { flex: '0.5', batch: '0.5' } as const;

// The price of "Priority processing" for each model, divided by the usual price. OpenAI's table has prices, not factors; the
// factor is the same for input, cached input and output.
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

// Output limits are from the page "Models". Reasoning is billed, and shown only as a summary ("Reasoning models").
const MODELS: readonly ModelTraits[] = [
  GPT_4O_MINI,
  modelRow('never', 16_384, [
    'gpt-5-chat*',
    'gpt-5.1-chat*',
    'gpt-5.2-chat*',
    'gpt-5.3-chat*',
    'chatgpt-4o*',
    'gpt-4o*',
  ]),
  modelRow('never', 32_768, ['gpt-4.1*']),
  modelRow('never', 16_384, ['gpt-4.5*']),
  modelRow('never', 4_096, ['gpt-4-turbo*', 'gpt-3.5*']),
  modelRow('never', 8_192, ['gpt-4', 'gpt-4-0*']),
  modelRow('never', null, ['text-embedding*']),
  modelRow('unseen', 65_536, ['o1-mini*']),
  modelRow('unseen', 32_768, ['o1-preview*']),
  modelRow('unseen', 100_000, ['o1*', 'o3*', 'o4*']),
  modelRow('unseen', 272_000, ['gpt-5-pro*']),
  // From gpt-5.1 on, some models have the default effort `none`. Which of them do is not verified.
  modelRow('unseen', 128_000, ['gpt-5*', 'gpt-6*', 'codex*']),
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
  usage: usageInOneField,
  modifiers: [{ name: 'service_tier', stated: ['service_tier'], prices: TIERS, noDearer: [] }],
  models: MODELS,
  errors: {
    ...compatible.errors,
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
  },
};
