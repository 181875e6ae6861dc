// Azure OpenAI's profile. The service has two forms. A base URL without a version leads to deployments, each with a path of
// its own and an `api-version`. A base URL that ends in `/openai/v1` is complete and needs neither. The name of a deployment
// takes the place of the model's name.

import { compatible } from './compatible.js';
import { openai } from './openai.js';
import type { ProviderProfile } from './profile.js';

export const azureOpenAi: ProviderProfile = {
  ...openai,
  name: 'azure-openai',
  hosts: [
    '*.openai.azure.com',
    '*.cognitiveservices.azure.com',
    '*.services.ai.azure.com',
    '*.openai.azure.us',
  ],
  sources: [
    'https://learn.microsoft.com/en-us/azure/ai-services/openai/reference',
    // Lists the endpoints that have a path for each deployment.
    'https://github.com/openai/openai-node/blob/master/src/azure.ts',
    'https://learn.microsoft.com/en-us/azure/ai-foundry/openai/api-version-lifecycle',
    'https://learn.microsoft.com/en-us/azure/ai-services/openai/concepts/content-filter',
    'https://learn.microsoft.com/en-us/azure/ai-services/openai/how-to/manage-costs',
  ],
  pricedAs: 'azure',
  request: {
    ...compatible.request,
    thinkingOff: ['reasoning_effort', 'reasoning'],
    pathPrefix: '/openai',
    paths: {
      chat_completions: '/deployments/{model}/chat/completions',
      completions: '/deployments/{model}/completions',
      embeddings: '/deployments/{model}/embeddings',
      images: '/deployments/{model}/images/generations',
      image_edits: '/deployments/{model}/images/edits',
      speech: '/deployments/{model}/audio/speech',
      transcriptions: '/deployments/{model}/audio/transcriptions',
      translations: '/deployments/{model}/audio/translations',
    },
    // The oldest version that has the responses endpoint, and states usage in chat streams.
    query: { 'api-version': '2025-04-01-preview' },
    key: { header: 'api-key', prefix: '' },
  },
  // Azure sets the prices of tiers by region and contract, so that OpenAI's tier prices do not apply.
  modifiers: [
    {
      name: 'service_tier',
      stated: ['service_tier'],
      prices: [{ models: ['*'], times: { auto: '1', default: '1', standard: '1' } }],
      noDearer: ['flex', 'batch'],
    },
  ],
  errors: {
    ...openai.errors,
    throttle: ['^429 .*(?:call rate limit|token rate limit|exceeded rate limit)'],
    account: [],
    // "A charge for both the prompt and completion tokens will occur" where the filter refuses; and for 408 ("Manage costs").
    billed: ['^400 .*(?:content_filter|content management policy|responsibleaipolicyviolation)', '^408\\b'],
  },
};
