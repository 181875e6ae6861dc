// The profiles of all known providers, and the choice of one for a provider of the configuration. Called when settings are
// read; the traits of a model are asked for on every call.

import type { DialectName } from '../metering/endpoints.js';
import { matchesModel } from '../prices/model-pattern.js';
import { anthropic } from './anthropic.js';
import { azureOpenAi } from './azure-openai.js';
import { anthropicCompatible, compatible, demonstration } from './compatible.js';
import {
  deepseek,
  fireworks,
  groq,
  mistral,
  moonshot,
  ollama,
  openrouter,
  together,
  vllm,
  xai,
} from './compatible-providers.js';
import { google } from './google.js';
import { openai } from './openai.js';
import type { ModelTraits, ProviderProfile } from './profile.js';

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
 * The profile of a base URL's host in its dialect. An unknown host has the profile of an unknown provider; where it is
 * priced as a known provider, it also has that provider's models and modifiers.
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
  // Programs on the user's own machine are recognised by their port.
  const host = pattern.includes(':') ? url.host : url.hostname;
  return pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern;
}

/** A model that no profile knows. */
const UNKNOWN_TRAITS: Omit<ModelTraits, 'models'> = {
  outputTokensMax: null,
  thinking: 'unknown',
  thinksUnasked: true,
};

/** The models of those who make them. Other providers serve them under the same names, or with the maker's path in front. */
const FAMILIES: readonly ModelTraits[] = [openai, anthropic, google, deepseek, moonshot, xai, mistral]
  .flatMap(({ models }) => models)
  .filter(({ models }) => !models.includes('*'));

/** The traits of a model by the provider's name for it: as the profile says, else as the model's maker says. */
export function traitsOf(
  { models }: Pick<ProviderProfile, 'models'>,
  model: string,
): Omit<ModelTraits, 'models'> {
  // Remembered: they are asked for twice in every call, and the patterns are many.
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
 * Whether a stream may bill tokens that none of its events shows. `maybe`: the model is unknown.
 * @param asked whether the request asks for thinking; null where it does not mention it
 */
export function unseenThinking(
  { thinking, thinksUnasked }: Pick<ModelTraits, 'thinking' | 'thinksUnasked'>,
  asked: boolean | null,
): 'no' | 'maybe' | 'yes' {
  if (thinking === 'never' || thinking === 'shown' || asked === false) return 'no';
  if (thinking === 'unknown') return asked === true ? 'yes' : 'maybe';
  return asked === true || thinksUnasked ? 'yes' : 'no';
}
