// Finds the top-level fields of a request that can cost something that Bursar does not meter. Clients send new fields every
// month, and most of them cost nothing. An unknown field is therefore refused only where its name or its value mentions
// models, tools, searches, further answers or a longer output. Called by both dialects.

import type { RequestFacts } from '../metering/request-facts.js';
import { isObject, type Json } from './json-scan.js';

export interface FieldRules {
  /** Fields that the dialect reads, and holds the cost of. */
  readonly metered: ReadonlySet<string>;
  /** Fields that cost nothing beside the counted tokens, whatever their value. */
  readonly free: ReadonlySet<string>;
  /** Fields that can cost, with the reason: their cost is in neither the bound nor the charged usage. */
  readonly costing: ReadonlyMap<string, string>;
}

export type UnmeteredField = RequestFacts['unmetered'][number];

/** The unmetered fields of a body, in its order. Fields that ask for nothing (null, false, empty) are left out. */
export function unmeteredFields(
  body: Json,
  { metered, free, costing }: FieldRules,
): readonly UnmeteredField[] {
  const found: UnmeteredField[] = [];
  for (const field in body) {
    if (metered.has(field) || free.has(field) || asksNothing(body[field])) continue;
    const why = costing.get(field) ?? whyItMayCost(field, body[field]);
    if (why !== null) found.push({ field: field.slice(0, NAME_CHARS_MAX), why });
  }
  return found;
}

/** How many characters of an unknown name are repeated; providers' names are below 40. */
const NAME_CHARS_MAX = 80;

export function asksNothing(value: unknown): boolean {
  if (value === null || value === false || value === '' || value === 0) return true;
  return Array.isArray(value) && value.length === 0;
}

/** Words in the names of fields that cost, from the references of known providers, by what such a field asks for. */
const ASKED_BY_WORD: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'another model than the priced one':
      'model models lora adapter adapters draft ensemble fallback fallbacks route routes router routing provider providers',
    'tools that the provider runs':
      'tool tools toolset toolsets plugin plugins connector connectors mcp server servers skill skills agent ' +
      'agents subagent subagents container containers sandbox interpreter code execute execution computer shell',
    'searches, or reading what the request does not contain':
      'search searches web browse browser browsing crawl fetch retrieval retriever rag grounding knowledge maps url urls ' +
      'file files image images audio video videos voice media memory memories store stores cached',
    'more than one answer, or text beside it':
      'best beam beams candidates choices samples sequences completions generations variants multi compact compaction ' +
      'summarize summarizer research predict prediction predictions template',
    'an answer that comes after the call': 'background async deferred batch webhook callback schedule',
    'another price': 'tier speed fast turbo flex priority geo billing credit credits',
  }).flatMap(([asked, words]) => words.split(' ').map((word) => [word, asked] as const)),
);
/** A field whose name begins with one of these asks for less. */
const REFUSING: ReadonlySet<string> = new Set([
  'disable',
  'no',
  'skip',
  'exclude',
  'without',
  'hide',
  'omit',
]);
/** Keys of an object whose value names what it is. */
const NAMING: ReadonlySet<string> = new Set(['type', 'kind', 'mode', 'name']);
/** Notes that the provider keeps with the request; they ask for nothing. */
const NOTES: ReadonlySet<string> = new Set(['metadata', 'trace', 'tags', 'telemetry']);
/** Fields about the caller: words in their values are the caller's own. */
const ABOUT: ReadonlySet<string> = new Set([
  ...['client', 'caller', 'user', 'device', 'session', 'installation', 'identity', 'attribution', 'origin'],
]);

/** Why an unknown field may cost; null where nothing in it mentions cost. */
function whyItMayCost(field: string, value: unknown): string | null {
  const words = wordsOf(field);
  if (REFUSING.has(words[0]) || words.some((word) => NOTES.has(word))) return null;
  const isAbout = words.some((word) => ABOUT.has(word));
  const asked = askedBy(words) ?? (isAbout ? null : askedWithin(value));
  return asked === null ? null : `Bursar does not know it, and it may ask for ${asked}`;
}

function askedBy(words: readonly string[]): string | null {
  if (
    words.includes('max') &&
    (words.includes('tokens') || words.includes('length') || words.includes('output'))
  )
    return 'a longer output than is held';
  for (const word of words) {
    const asked = ASKED_BY_WORD.get(word);
    if (asked !== undefined) return asked;
  }
  return null;
}

// The body's own limits of values and depth bound the walk.
function askedWithin(value: unknown): string | null {
  if (Array.isArray(value)) {
    for (const item of value) {
      const asked = askedWithin(item);
      if (asked !== null) return asked;
    }
  } else if (isObject(value)) {
    for (const key in value) {
      const item = value[key];
      if (asksNothing(item)) continue;
      const named = NAMING.has(key) && typeof item === 'string' ? askedBy(wordsOf(item)) : null;
      const asked = named ?? askedBy(wordsOf(key)) ?? askedWithin(item);
      if (asked !== null) return asked;
    }
  }
  return null;
}

/** `enableWebSearch`, `enable_web_search` and `enable-web-search` are three words each. */
function wordsOf(name: string): readonly string[] {
  return name
    .slice(0, NAME_CHARS_MAX)
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
}
