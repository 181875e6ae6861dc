// Anthropic's profile. Its input figures exclude the cache. Thinking is billed in full, and shown as a summary or not at all.
// Three facts of an answer change the price: the tier, the place of the inference, and the fast mode. Each multiplies the
// price of every kind of token, and of no fee for a tool.

import { anthropicCompatible } from './compatible.js';
import { modelRow, type ProviderProfile } from './profile.js';

/** Models before Opus 4.6: the requested place has no effect on them. */
const WITHOUT_GEO = [
  ...['claude-2*', 'claude-3*', 'claude-instant*', 'claude-opus-4', 'claude-opus-4-0*', 'claude-opus-4-1*'],
  ...['claude-opus-4-2*', 'claude-opus-4-5*', 'claude-sonnet-4', 'claude-sonnet-4-0*', 'claude-sonnet-4-2*'],
  ...['claude-sonnet-4-5*', 'claude-haiku-4-5*'],
];

export const anthropic: ProviderProfile = {
  ...anthropicCompatible,
  name: 'anthropic',
  hosts: ['api.anthropic.com', '*.api.anthropic.com'],
  sources: [
    'https://platform.claude.com/docs/en/api/messages',
    'https://platform.claude.com/docs/en/about-claude/pricing',
    'https://platform.claude.com/docs/en/build-with-claude/data-residency',
    'https://platform.claude.com/docs/en/build-with-claude/fast-mode',
    'https://platform.claude.com/docs/en/build-with-claude/thinking',
    'https://platform.claude.com/docs/en/api/service-tiers',
    'https://platform.claude.com/docs/en/api/errors',
  ],
  pricedAs: 'anthropic',
  modifiers: [
    {
      name: 'service_tier',
      stated: ['usage.service_tier'],
      // `priority` is paid for by a commitment. No price list has the price of its tokens.
      prices: [{ models: ['*'], times: { auto: '1', standard_only: '1', standard: '1', batch: '0.5' } }],
      noDearer: [],
    },
    {
      name: 'inference_geo',
      stated: ['usage.inference_geo'],
      prices: [
        { models: ['*'], times: { global: '1', not_available: '1' } },
        { models: WITHOUT_GEO, times: { us: '1' } },
        { models: ['claude-*'], times: { us: '1.1' } },
      ],
      noDearer: [],
    },
    {
      name: 'speed',
      stated: ['usage.speed'],
      prices: [
        { models: ['*'], times: { standard: '1' } },
        { models: ['claude-opus-4-6*', 'claude-opus-4-7*'], times: { fast: '6' } },
        { models: ['claude-opus-4-8*', 'claude-opus-5*'], times: { fast: '2' } },
      ],
      noDearer: [],
    },
  ],
  models: [
    modelRow('never', 4_096, ['claude-3-haiku*', 'claude-3-opus*']),
    modelRow('never', 8_192, ['claude-3-5*']),
    // Claude 3.7 shows all its thinking; later models show a summary ("Thinking").
    modelRow('shown if asked', 64_000, ['claude-3-7*']),
    modelRow('unseen if asked', 32_000, [
      'claude-opus-4',
      'claude-opus-4-0*',
      'claude-opus-4-1*',
      'claude-opus-4-2*',
    ]),
    modelRow('unseen if asked', 128_000, ['claude-opus-4-6*', 'claude-opus-4-7*', 'claude-opus-4-8*']),
    modelRow('unseen if asked', 64_000, ['claude-opus-4-5*', 'claude-sonnet-4*', 'claude-haiku-4*']),
    // Some models of the fifth generation think unless told not to, others always.
    modelRow('unseen', 128_000, [
      'claude-fable-5*',
      'claude-mythos-5*',
      'claude-opus-5*',
      'claude-sonnet-5*',
      'claude-haiku-5*',
    ]),
  ],
  errors: {
    ...anthropicCompatible.errors,
    request: ['^413\\b', '^400 .*prompt is too long', '^4\\d\\d .*long context'],
    account: ['^40[03] .*credit balance is too low', '^400 .*(?:spend|usage) limit'],
    flake: ['^529\\b', '^(?:0|200) .*overloaded_error'],
  },
};
