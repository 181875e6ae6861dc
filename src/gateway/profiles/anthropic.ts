// Anthropic. Its input figures leave the cache out, its thinking is billed in full and shown as a summary or not at all, and
// three facts of an answer change the price: the tier, where the inference ran, and the fast mode. What is a share of a
// usual price here multiplies every kind of token, and no fee for a tool.

import { anthropicCompatible } from './compatible.js';
import type { ProviderProfile } from './profile.js';

/** Before Opus 4.6: they run wherever Anthropic does, whatever is asked. */
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
      // `priority` is paid for by a commitment; what a token of it costs is in nobody's price list.
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
    {
      models: ['claude-3-haiku*', 'claude-3-opus*'],
      outputTokensMax: 4_096,
      thinking: 'never',
      thinksUnasked: false,
    },
    { models: ['claude-3-5*'], outputTokensMax: 8_192, thinking: 'never', thinksUnasked: false },
    // Shows all that it thinks; later models show a summary ("Thinking").
    { models: ['claude-3-7*'], outputTokensMax: 64_000, thinking: 'shown', thinksUnasked: false },
    {
      models: ['claude-opus-4', 'claude-opus-4-0*', 'claude-opus-4-1*', 'claude-opus-4-2*'],
      outputTokensMax: 32_000,
      thinking: 'unseen',
      thinksUnasked: false,
    },
    {
      models: ['claude-opus-4-6*', 'claude-opus-4-7*', 'claude-opus-4-8*'],
      outputTokensMax: 128_000,
      thinking: 'unseen',
      thinksUnasked: false,
    },
    {
      models: ['claude-opus-4-5*', 'claude-sonnet-4*', 'claude-haiku-4*'],
      outputTokensMax: 64_000,
      thinking: 'unseen',
      thinksUnasked: false,
    },
    // Of the fifth generation some think unless told not to, some always.
    {
      models: [
        'claude-fable-5*',
        'claude-mythos-5*',
        'claude-opus-5*',
        'claude-sonnet-5*',
        'claude-haiku-5*',
      ],
      outputTokensMax: 128_000,
      thinking: 'unseen',
      thinksUnasked: true,
    },
  ],
  errors: {
    request: ['^413\\b', '^400 .*prompt is too long', '^4\\d\\d .*long context'],
    throttle: [],
    account: ['^40[03] .*credit balance is too low', '^400 .*(?:spend|usage) limit'],
    flake: ['^529\\b', '^(?:0|200) .*overloaded_error'],
    billed: [],
  },
};
