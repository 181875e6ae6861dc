// The sections `providers` and `routes` of the configuration: the upstreams that the gateway calls, and which of them serve a
// model. Owns their bounds. Read by settings-file.ts; docs/configuration.md lists every field.

import { type DefinitionsReader, PROVIDER_CAP_FIELDS } from '../../budgets/budget-file-reader.js';
import type { ProviderCaps } from '../../budgets/providers.js';
import { LABEL_VALUE_LENGTH_MAX, quoted } from '../../core/labels.js';
import { baseUrlProblem, plainBaseUrl } from '../../kit/base-url.js';
import {
  described,
  type Findings,
  type Located,
  type LocatedMap,
  nearest,
  pathOf,
  readMap,
  readText,
} from '../../kit/located-values.js';
import { Section } from '../../kit/settings-section.js';
import { DIALECTS, type DialectName } from '../metering/endpoints.js';
import { coversPattern, readModelPattern } from '../prices/model-pattern.js';
import type { ProviderProfile } from '../profiles/profile.js';
import { OUTPUT_TOKENS_MAX, PROFILE_FIELDS, readProfile } from '../profiles/profile-settings.js';
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

export const CHARGES = ['prices', 'provider-cost'] as const;

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
const TIMEOUT_BOUNDS = { min: 100, max: 3_600_000 };
/** What environment variables are called everywhere: nothing that could break a header or a log line. */
const VARIABLE_NAME = /^[A-Z][A-Z0-9_]{0,127}$/;
/** The base URL that stands for the built-in provider. */
const DEMONSTRATION = 'demo';
const PROVIDER_FIELDS = [
  ...['profile', 'dialect', 'baseUrl', 'keyFrom', 'pricedAs', 'charge', 'firstByteTimeout', 'idleTimeout'],
  ...PROFILE_FIELDS,
  ...PROVIDER_CAP_FIELDS,
];

export function readProviders(
  node: Located | undefined,
  definitions: DefinitionsReader,
  findings: Findings,
): ProviderSettings[] {
  const entries: LocatedMap['entries'] = (node && readMap(node, 'providers', findings)) ?? new Map();
  if (node !== undefined && entries.size > PROVIDERS_MAX) {
    findings.add(node.offset, 'providers', `has ${entries.size} entries; at most ${PROVIDERS_MAX} are taken`);
    return [];
  }
  const providers: ProviderSettings[] = [];
  for (const [name, { value, keyOffset }] of entries) {
    const field = pathOf('providers', name);
    const isNamed = definitions.readProviderName(name, keyOffset, field, 'any');
    const section = Section.read(value, field, PROVIDER_FIELDS, findings);
    if (!isNamed) continue;
    const caps = definitions.readProviderCaps(name, section.entries, keyOffset, field);
    providers.push(readProvider(name, section, caps));
  }
  return providers;
}

// One with problems is still known, so that what names it is not reported as well.
function readProvider(name: string, section: Section, caps: ProviderSettings['caps']): ProviderSettings {
  const timeout = (field: string, unlessStated: number) =>
    section.durationMs(field, { ...TIMEOUT_BOUNDS, unlessStated });
  const baseUrl = section.required('baseUrl', (node, field) => readBaseUrl(node, field, section.findings));
  const url = baseUrl === DEMONSTRATION ? null : baseUrl;
  const pricedAs = section.text('pricedAs', { unlessStated: name });
  const named = readProfileName(section);
  const dialect = readDialect(section, named);
  const known = named ?? profileOf({ baseUrl: url, dialect, pricedAs });
  return {
    name,
    dialect,
    profile: readProfile(section, { ...known, request: requestBehind(known.request, url) }),
    baseUrl: url,
    keyFrom: readKeyFrom(section),
    caps,
    pricedAs,
    charge: section.node('charge') === undefined ? 'prices' : (section.oneOf('charge', CHARGES) ?? 'prices'),
    firstByteTimeoutMs: timeout('firstByteTimeout', FIRST_BYTE_TIMEOUT_DEFAULT_MS),
    idleTimeoutMs: timeout('idleTimeout', IDLE_TIMEOUT_DEFAULT_MS),
  };
}

function readProfileName(section: Section): ProviderProfile | null {
  const node = section.node('profile');
  if (node === undefined) return null;
  const name = node.kind === 'scalar' ? String(node.value) : '';
  const profile = profileNamed(name);
  if (profile !== null) return profile;
  const names = PROFILES.map((one) => one.name);
  const near = nearest(name, names);
  const hint = near === null ? `known are ${names.join(', ')}` : `did you mean "${near}"?`;
  section.add('profile', `${described(node)} is no profile of a provider; ${hint}`);
  return null;
}

// A profile has a dialect: who names the one need not name the other.
function readDialect(section: Section, named: ProviderProfile | null): DialectName {
  if (named !== null && section.node('dialect') === undefined) return named.dialect;
  const dialect = section.oneOf('dialect', DIALECTS) ?? 'openai';
  if (named !== null && dialect !== named.dialect)
    section.add('dialect', `is ${dialect}; the profile ${named.name} speaks ${named.dialect}`);
  return dialect;
}

function readBaseUrl(node: Located, field: string, findings: Findings): string | undefined {
  const text = readText(node, field, 2_048, findings);
  if (text === undefined || text === DEMONSTRATION) return text;
  return checkedUrl(text, node, field, findings);
}

export function readUrl(node: Located, field: string, findings: Findings): string | undefined {
  const text = readText(node, field, 2_048, findings);
  return text === undefined ? undefined : checkedUrl(text, node, field, findings);
}

function checkedUrl(text: string, node: Located, field: string, findings: Findings): string | undefined {
  const problem = baseUrlProblem(text);
  // The text itself is not shown: a base URL with a password in it is one of the problems.
  return problem === null ? plainBaseUrl(text) : findings.add(node.offset, field, problem);
}

export function readKeyFrom(section: Section): string | null {
  const node = section.node('keyFrom');
  if (node === undefined || (node.kind === 'scalar' && node.value === null)) return null;
  if (node.kind === 'scalar' && typeof node.value === 'string' && VARIABLE_NAME.test(node.value))
    return node.value;
  // Not shown either: who writes the key itself here should not find it in a log.
  section.add(
    'keyFrom',
    'names an environment variable (A–Z, 0–9 and _, such as OPENAI_API_KEY), never a key',
  );
  return null;
}

export function readRoutes(
  sections: Section,
  providers: readonly ProviderSettings[],
  findings: Findings,
): RouteSettings[] {
  const routes: RouteSettings[] = [];
  const dialectOf = new Map(providers.map(({ name, dialect }) => [name, dialect]));
  sections.list('routes', ROUTES_MAX, (item, field) => {
    const section = Section.read(item, field, ['model', 'candidates', 'outputTokensUnstated'], findings);
    const model = section.required('model', (node, at) => readModelPattern(node, at, findings));
    const list = section.required('candidates', (node) => node);
    if (list?.kind === 'list' && list.items.length === 0)
      section.add('candidates', 'is empty; a route names at least one provider');
    const read = (each: Located, at: string) => readCandidate(each, at, providers, findings);
    const candidates = section.list('candidates', CANDIDATES_MAX, read) ?? [];
    if (model === null) return undefined;
    const output = section.wholeOrNull('outputTokensUnstated', { min: 1, max: OUTPUT_TOKENS_MAX });
    const route = { model, candidates, ...(output === null ? {} : { outputTokensUnstated: output }) };
    const earlier = routes.find((each) => hides(each, route, dialectOf));
    if (earlier !== undefined) {
      const first = `the route ${quoted(earlier.model)} above matches first`;
      section.add('model', `${quoted(model)} is never reached: ${first}`);
    }
    routes.push(route);
    return route;
  });
  return routes;
}

function readCandidate(
  item: Located,
  field: string,
  providers: readonly ProviderSettings[],
  findings: Findings,
): RouteCandidate | undefined {
  const section = Section.read(item, field, ['provider', 'model'], findings);
  const names = providers.map(({ name }) => name);
  const provider = section.required('provider', (node, at) => {
    const name = node.kind === 'scalar' ? String(node.value) : '';
    if (names.includes(name)) return name;
    const near = nearest(name, names);
    const hint = near === null ? `known here: ${names.join(', ') || 'none'}` : `did you mean "${near}"?`;
    return findings.add(node.offset, at, `${described(node)} is no provider of this file; ${hint}`);
  });
  const model =
    section.node('model') && section.text('model', { max: LABEL_VALUE_LENGTH_MAX, unlessStated: '' });
  if (provider === null || model === '') return undefined;
  return { provider, model: model ?? null };
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
