// Ollama on one's own machine, found by its port. It knows `max_tokens` alone: any other limit is ignored, and the answer goes
// on to the end of the context.

import { compatible } from './compatible.js';
import type { ProviderProfile } from './profile.js';

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
  usage: { ...compatible.usage, at: ['usage'], webSearch: [], cost: [] },
  // What a model thinks comes as text (`reasoning`).
  models: [{ models: ['*'], outputTokensMax: null, thinking: 'shown', thinksUnasked: true }],
  errors: { ...compatible.errors, flake: ['^503 .*server busy'] },
};
