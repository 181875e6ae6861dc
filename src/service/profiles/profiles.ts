// The known providers' profiles, and which of them a provider of the configuration has. Asked when settings are read.

import type { DialectName } from '../dialects/dialect.js';
import { matchesModel } from '../settings/model-pattern.js';
import { anthropicCompatible, compatible } from './compatible.js';
import type { ModelTraits, ProviderProfile } from './profile.js';

const PROFILES: readonly ProviderProfile[] = [compatible, anthropicCompatible];

/** The profile of a name; null when there is none. */
export function profileNamed(name: string): ProviderProfile | null {
  return PROFILES.find((profile) => profile.name === name) ?? null;
}

/** The profile that a base URL's host means, for its dialect; that of an unknown provider where none does. */
export function profileOf(baseUrl: string | null, dialect: DialectName): ProviderProfile {
  const host = baseUrl === null ? null : new URL(baseUrl).hostname;
  const known = PROFILES.find((one) => one.dialect === dialect && one.hosts.some((at) => isHost(at, host)));
  return known ?? (dialect === 'anthropic' ? anthropicCompatible : compatible);
}

function isHost(pattern: string, host: string | null): boolean {
  if (host === null) return false;
  return pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern;
}

const UNKNOWN_TRAITS: Omit<ModelTraits, 'models'> = { outputTokensMax: null, thinking: 'unseen' };

/** What a model does, by the provider's name for it. */
export function traitsOf(
  { models }: Pick<ProviderProfile, 'models'>,
  model: string,
): Omit<ModelTraits, 'models'> {
  return models.find((one) => one.models.some((pattern) => matchesModel(pattern, model))) ?? UNKNOWN_TRAITS;
}
