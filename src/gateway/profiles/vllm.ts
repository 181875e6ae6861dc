// vLLM on machines of one's own. No host tells it: the configuration names the profile. It knows both names of the limit,
// states usage where `stream_options` asks, and what the cache gave only where the server was started to say so.

import { compatible } from './compatible.js';
import type { ProviderProfile } from './profile.js';

export const vllm: ProviderProfile = {
  ...compatible,
  name: 'vllm',
  sources: [
    'https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html',
    'https://github.com/vllm-project/vllm/blob/main/vllm/entrypoints/openai/protocol.py',
  ],
  request: { ...compatible.request, thinkingOff: ['chat_template_kwargs'] },
  usage: { ...compatible.usage, at: ['usage'], webSearch: [], cost: [] },
  // What a model thinks comes as text, in its own field or in the message.
  models: [{ models: ['*'], outputTokensMax: null, thinking: 'shown', thinksUnasked: true }],
  errors: { ...compatible.errors, request: ['^400 .*maximum context length'] },
};
