// The profiles of the built-in demonstration, one for each dialect: its models say all that they are billed for.

import { anthropicCompatible, compatible } from './compatible.js';
import type { ProviderProfile } from './profile.js';

const models: ProviderProfile['models'] = [
  { models: ['*'], outputTokensMax: null, thinking: 'never', thinksUnasked: false },
];

export const demonstration: Readonly<Record<ProviderProfile['dialect'], ProviderProfile>> = {
  openai: { ...compatible, name: 'demonstration', models },
  anthropic: { ...anthropicCompatible, name: 'demonstration', models },
};
