// The sections `providers` and `routes` of the configuration: the upstreams that the gateway calls, and which of them serve a
// model. Owns their bounds. Read by settings-file.ts; docs/configuration.md lists every field.

import { type DefinitionsReader, PROVIDER_CAP_FIELDS } from '../../budgets/budget-file.js';
import type { ProviderCaps } from '../../budgets/providers.js';
import { LABEL_VALUE_LENGTH_MAX, quoted } from '../../core/labels.js';
import { baseUrl, keyFrom } from '../../kit/base-url.js';
import {
  duration,
  type FileValue,
  listOf,
  nameOf,
  oneOf,
  type Reader,
  type Section,
  text,
  whole,
} from '../../kit/file-value.js';
import { DIALECTS, type DialectName } from '../metering/endpoints.js';
import { TOKENS_MAX } from '../metering/usage.js';
import { coversPattern, modelPattern } from '../prices/model-pattern.js';
import type { ProviderProfile } from '../profiles/profile.js';
import { PROFILE_FIELDS, readProfile } from '../profiles/profile-settings.js';
import { PROFILES, profileNamed, profileOf } from '../profiles/profiles.js';
import { requestBehind } from '../profiles/request-place.js';

export interface ProviderSettings {
  readonly name: string;
  readonly dialect: DialectName;
  /** What is peculiar to it: that of a known provider, with what the configuration states instead. */
  readonly profile: ProviderProfile;
  /** Without a trailing slash; what is put behind it, the profile says. Null: the built-in demonstration. */
  readonly baseUrl: string | null;
  /** Environment variable with the provider's key; null: none is sent. */
  readonly keyFrom: string | null;
  readonly caps: ProviderCaps;
  /** The name that the price data has for it; its own name unless stated. */
  readonly pricedAs: string;
  /** What an answer is charged by: the price book, or the cost that the provider states, where it does. */
  readonly charge: (typeof CHARGES)[number];
  /** Until the first byte of an answer, and between two bytes of one. */
  readonly firstByteTimeoutMs: number;
  readonly idleTimeoutMs: number;
}

const CHARGES = ['prices', 'provider-cost'] as const;

/** Which providers serve a model that callers name, in order. The first route whose pattern matches counts. */
export interface RouteSettings {
  /** A model name; a trailing `*` matches any ending. */
  readonly model: string;
  readonly candidates: readonly RouteCandidate[];
  /** For calls of this route, instead of the gateway's. */
  readonly outputTokensUnstated?: number;
}

export interface RouteCandidate {
  readonly provider: string;
  /** The provider's name for the model; null: as the caller named it. */
  readonly model: string | null;
}

/** More upstreams than one installation has; each is checked for every call that it is a candidate of. */
const PROVIDERS_MAX = 1_000;
/** Routes are tried in order for every call. */
const ROUTES_MAX = 1_000;
/** As many as one authorisation takes. */
const CANDIDATES_MAX = 16;
/** The clients' own default; a provider may think that long before it says anything. */
const FIRST_BYTE_TIMEOUT_DEFAULT_MS = 600_000;
/** Providers send pings or text at least each half minute; a stream silent for longer is dead. */
const IDLE_TIMEOUT_DEFAULT_MS = 120_000;
const HOUR_MS = 3_600_000;
/** The base URL that stands for the built-in provider. */
const DEMONSTRATION = 'demo';
const PROVIDER_FIELDS = [
  ...['profile', 'dialect', 'baseUrl', 'keyFrom', 'pricedAs', 'charge', 'firstByteTimeout', 'idleTimeout'],
  ...PROFILE_FIELDS,
  ...PROVIDER_CAP_FIELDS,
];

export function readProviders(
  value: FileValue | undefined,
  definitions: DefinitionsReader,
): ProviderSettings[] {
  return [...(value?.entries(PROVIDERS_MAX)?.values() ?? [])].flatMap((entry) => {
    const isNamed = definitions.checkProviderName(entry, 'any');
    const section = entry.section(PROVIDER_FIELDS);
    return isNamed ? [readProvider(entry.name, section, definitions.readProviderCaps(entry, section))] : [];
  });
}

const timeout = duration(100, HOUR_MS);

// A provider with problems is still known, so that what names it is not reported as well.
function readProvider(name: string, section: Section, caps: ProviderSettings['caps']): ProviderSettings {
  const url = section.required('baseUrl', urlOrDemonstration) ?? null;
  const pricedAs = section.read('pricedAs', text()) ?? name;
  const named = profileNamed(section.read('profile', profileName) ?? '');
  const dialect = readDialect(section, named);
  const known = named ?? profileOf({ baseUrl: url, dialect, pricedAs });
  return {
    name,
    dialect,
    profile: readProfile(section, { ...known, request: requestBehind(known.request, url) }),
    baseUrl: url,
    keyFrom: section.read('keyFrom', keyFrom) ?? null,
    caps,
    pricedAs,
    charge: section.read('charge', oneOf(CHARGES)) ?? 'prices',
    firstByteTimeoutMs: section.read('firstByteTimeout', timeout) ?? FIRST_BYTE_TIMEOUT_DEFAULT_MS,
    idleTimeoutMs: section.read('idleTimeout', timeout) ?? IDLE_TIMEOUT_DEFAULT_MS,
  };
}

const PROFILE_NAMES = PROFILES.map(({ name }) => name);
const profileName = nameOf(PROFILE_NAMES, (name) => `${name} is no profile of a provider`);

const urlOrDemonstration: Reader<string | null> = (value) =>
  value.scalar === DEMONSTRATION ? null : baseUrl(value);

// A profile has a dialect: who names the one need not name the other.
function readDialect(section: Section, named: ProviderProfile | null): DialectName {
  if (named !== null && section.at('dialect') === undefined) return named.dialect;
  const dialect = section.required('dialect', oneOf(DIALECTS)) ?? 'openai';
  if (named !== null && dialect !== named.dialect)
    section.problem('dialect', `is ${dialect}; the profile ${named.name} speaks ${named.dialect}`);
  return dialect;
}

export function routesTo(providers: readonly ProviderSettings[]): Reader<readonly RouteSettings[]> {
  const routes: RouteSettings[] = [];
  const dialectOf = new Map(providers.map(({ name, dialect }) => [name, dialect]));
  const read = candidateOf(providers.map(({ name }) => name));
  return listOf(ROUTES_MAX, (value) => {
    const section = value.section(['model', 'candidates', 'outputTokensUnstated']);
    const model = section.required('model', modelPattern);
    const candidates = section.required('candidates', listOf(CANDIDATES_MAX, read)) ?? [];
    if (section.at('candidates')?.items()?.length === 0)
      section.problem('candidates', 'is empty; a route names at least one provider');
    if (model === undefined) return undefined;
    const output = section.read('outputTokensUnstated', whole(1, TOKENS_MAX));
    const route = { model, candidates, ...(output === undefined ? {} : { outputTokensUnstated: output }) };
    const earlier = routes.find((each) => hides(each, route, dialectOf));
    if (earlier !== undefined) {
      const first = `the route ${quoted(earlier.model)} above matches first`;
      section.problem('model', `${quoted(model)} is never reached: ${first}`);
    }
    routes.push(route);
    return route;
  });
}

function candidateOf(providers: readonly string[]): Reader<RouteCandidate> {
  const providerName = nameOf(providers, (name) => `${name} is no provider of this file`);
  return (value) => {
    const section = value.section(['provider', 'model']);
    const provider = section.required('provider', providerName);
    const model = section.read('model', text(LABEL_VALUE_LENGTH_MAX));
    if (provider === undefined || (section.at('model') !== undefined && !model)) return undefined;
    return { provider, model: model ?? null };
  };
}

/** Whether one route matches all that a later one does, in each dialect that the later one has candidates of. */
function hides(
  earlier: RouteSettings,
  later: RouteSettings,
  dialectOf: ReadonlyMap<string, DialectName>,
): boolean {
  if (!coversPattern(earlier.model, later.model)) return false;
  const dialects = ({ candidates }: RouteSettings) =>
    candidates.map(({ provider }) => dialectOf.get(provider));
  const covered = new Set(dialects(earlier));
  return later.candidates.length > 0 && dialects(later).every((dialect) => covered.has(dialect));
}
