// The known providers' profiles, and which of them a provider of the configuration has. Asked when settings are read.

import type { DialectName } from '../metering/endpoints.js';
import { matchesModel } from '../prices/model-pattern.js';
import { anthropic } from './anthropic.js';
import { azureOpenAi } from './azure-openai.js';
import { anthropicCompatible, compatible } from './compatible.js';
import { deepseek } from './deepseek.js';
import { demonstration } from './demonstration.js';
import { fireworks } from './fireworks.js';
import { google } from './google.js';
import { groq } from './groq.js';
import { mistral } from './mistral.js';
import { moonshot } from './moonshot.js';
import { ollama } from './ollama.js';
import { openai } from './openai.js';
import { openrouter } from './openrouter.js';
import type { ModelTraits, ProviderProfile } from './profile.js';
import { together } from './together.js';
import { vllm } from './vllm.js';
import { xai } from './xai.js';

/** Every known profile; those of unknown providers are last. */
export const PROFILES: readonly ProviderProfile[] = [
  ...[openai, azureOpenAi, anthropic, google, mistral, deepseek, groq, moonshot, openrouter, together],
  ...[fireworks, xai, ollama, vllm],
  ...[compatible, anthropicCompatible],
];

/** The profile of a name; null when there is none. */
export function profileNamed(name: string): ProviderProfile | null {
  return PROFILES.find((profile) => profile.name === name) ?? null;
}

/**
 * The profile that a base URL's host means, for its dialect. A host that is not known has the profile of an unknown provider;
 * but where it is priced as a known one, its models and what changes their price are that one's too.
 */
export function profileOf(of: {
  readonly baseUrl: string | null;
  readonly dialect: DialectName;
  readonly pricedAs: string;
}): ProviderProfile {
  if (of.baseUrl === null) return demonstration[of.dialect];
  const ofDialect = PROFILES.filter(({ dialect }) => dialect === of.dialect);
  const host = new URL(of.baseUrl);
  const known = ofDialect.find((one) => one.hosts.some((at) => isHost(at, host)));
  if (known !== undefined) return known;
  const unknown = of.dialect === 'anthropic' ? anthropicCompatible : compatible;
  const priced = ofDialect.find(({ pricedAs }) => pricedAs === of.pricedAs);
  return priced === undefined ? unknown : { ...unknown, modifiers: priced.modifiers, models: priced.models };
}

function isHost(pattern: string, url: URL): boolean {
  // A port is stated where a program of one's own is known by it alone.
  const host = pattern.includes(':') ? url.host : url.hostname;
  return pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern;
}

/** A model that no profile knows. */
const UNKNOWN_TRAITS: Omit<ModelTraits, 'models'> = {
  outputTokensMax: null,
  thinking: 'unknown',
  thinksUnasked: true,
};

/** Models by the names of those who make them: other providers serve them under the same names, or behind a vendor's path. */
const FAMILIES: readonly ModelTraits[] = [openai, anthropic, google, deepseek, moonshot, xai, mistral]
  .flatMap(({ models }) => models)
  .filter(({ models }) => !models.includes('*'));

/** What a model does, by the provider's name for it: as its profile says, else as its name is known elsewhere. */
export function traitsOf(
  { models }: Pick<ProviderProfile, 'models'>,
  model: string,
): Omit<ModelTraits, 'models'> {
  // Asked twice for every call, and the patterns are many.
  let names = KNOWN.get(models);
  if (names === undefined) {
    names = new Map();
    KNOWN.set(models, names);
  }
  const known = names.get(model);
  if (known !== undefined) return known;
  const bare = model.slice(model.lastIndexOf('/') + 1);
  const traits = traitsIn(models, model) ?? traitsIn(FAMILIES, bare) ?? UNKNOWN_TRAITS;
  if (names.size >= NAMES_MAX) names.delete(names.keys().next().value as string);
  names.set(model, traits);
  return traits;
}

/** Names remembered for the models of one profile: more than any provider has. */
const NAMES_MAX = 1_000;
const KNOWN = new WeakMap<readonly ModelTraits[], Map<string, Omit<ModelTraits, 'models'>>>();

function traitsIn(models: readonly ModelTraits[], model: string): ModelTraits | undefined {
  return models.find((one) => one.models.some((pattern) => matchesModel(pattern, model)));
}

/**
 * Whether tokens may be billed that no event of a stream shows. `maybe`: nobody knows of this model.
 * @param asked what the request says of thinking; null where it says nothing
 */
export function unseenThinking(
  { thinking, thinksUnasked }: Pick<ModelTraits, 'thinking' | 'thinksUnasked'>,
  asked: boolean | null,
): 'no' | 'maybe' | 'yes' {
  if (thinking === 'never' || thinking === 'shown' || asked === false) return 'no';
  if (thinking === 'unknown') return asked === true ? 'yes' : 'maybe';
  return asked === true || thinksUnasked ? 'yes' : 'no';
}
