// Fireworks AI. The last chunk of a stream states its usage unasked. Fast models are models of their own, with prices of
// their own; the priority tier's prices are by model.

import { compatible } from './compatible.js';
import type { ProviderProfile } from './profile.js';

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
  usage: { ...compatible.usage, at: ['usage'], webSearch: [], cost: [] },
  // What `priority` costs stands in the price list alone, by model: not verified, so that it has no price here.
  modifiers: compatible.modifiers,
  errors: {
    request: ['^413\\b', '^400 .*(?:prompt is too long|maximum context length)'],
    throttle: [],
    account: ['^412 .*suspended', '^402\\b'],
    flake: [],
    billed: [],
  },
};
