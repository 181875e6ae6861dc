// What a provider of the configuration states instead of its profile: every part of the profile, field by field. Owns the
// bounds of these fields. Nothing here is a secret: a header or a query that looks like one is refused. Called by
// settings-file.ts.

import { LABEL_VALUE_LENGTH_MAX, quoted } from '../../core/labels.js';
import { type Findings, type Located, nearest, readMap, readText } from '../../kit/located-values.js';
import { Section } from '../../kit/settings-section.js';
import { ENDPOINTS } from '../metering/endpoints.js';
import { readModelPattern } from '../prices/model-pattern.js';
import type { Modifier, ModifierPrice } from '../prices/modifiers.js';
import { readTimes } from '../prices/prices-settings.js';
import { PATTERN_LENGTH_MAX, PATTERNS_MAX, patternProblem } from './error-patterns.js';
import type {
  CostPlace,
  ErrorProfile,
  ModelTraits,
  ProviderProfile,
  RequestProfile,
  UsageProfile,
} from './profile.js';

/** Fields, headers, paths: a provider has a handful of each. */
const ITEMS_MAX = 32;
const TEXT_MAX = 256;
/** A model's traits and a modifier's prices are listed by families. */
const MODELS_MAX = 256;
/** Digits behind the point of usd that a unit of cost may have. */
const COST_SCALE_MAX = 18;
/** More output than any model gives in one answer. */
export const OUTPUT_TOKENS_MAX = 10_000_000;

export const PROFILE_FIELDS = [
  ...['pathPrefix', 'paths', 'query', 'keyHeader', 'keyPrefix', 'headers', 'outputLimit', 'outputLimitAlso'],
  ...['asksUsage', 'passFields', 'thinkingOff', 'usage', 'modifiers', 'models', 'errors'],
];

export function readProfile(section: Section, base: ProviderProfile): ProviderProfile {
  return {
    ...base,
    request: readRequest(section, base.request),
    usage: readUsage(section, base.usage),
    modifiers: readModifiers(section, base.modifiers),
    models: readModels(section, base.models),
    errors: readErrors(section, base.errors),
  };
}

function readRequest(section: Section, base: RequestProfile): RequestProfile {
  const limit = section.list('outputLimit', ITEMS_MAX, textOf(FIELD, section.findings));
  const also = section.list('outputLimitAlso', ITEMS_MAX, textOf(FIELD, section.findings));
  return {
    pathPrefix: readPath(section, 'pathPrefix') ?? base.pathPrefix,
    paths: readTexts(section, 'paths', { names: ENDPOINT, values: PATH }) ?? base.paths,
    query: readTexts(section, 'query', { names: QUERY_NAME, values: QUERY_VALUE }) ?? base.query,
    key: readKey(section, base.key),
    headers: { ...base.headers, ...readTexts(section, 'headers', { names: HEADER, values: HEADER_VALUE }) },
    outputLimit: limit ?? base.outputLimit,
    // Who states the one field that a provider knows has said that it knows no other.
    outputLimitAlso: also ?? (limit === null ? base.outputLimitAlso : []),
    asksUsage: section.flag('asksUsage', { unlessStated: base.asksUsage }),
    passFields: section.list('passFields', ITEMS_MAX, textOf(DOTTED, section.findings)) ?? base.passFields,
    thinkingOff: section.list('thinkingOff', ITEMS_MAX, textOf(DOTTED, section.findings)) ?? base.thinkingOff,
  };
}

function readKey(section: Section, base: RequestProfile['key']): RequestProfile['key'] {
  const header = readChecked(section, 'keyHeader', KEY_HEADER)?.toLowerCase();
  const usual = header === undefined ? base.prefix : header === 'authorization' ? 'Bearer ' : '';
  return { header: header ?? base.header, prefix: readKeyPrefix(section) ?? usual };
}

// A word before the key, with a space between them; "" for none.
function readKeyPrefix(section: Section): string | undefined {
  const node = section.node('keyPrefix');
  if (node?.kind === 'scalar' && node.value === '') return '';
  const word = readChecked(section, 'keyPrefix', KEY_PREFIX);
  return word === undefined ? undefined : `${word} `;
}

const USAGE_LISTS = [
  ...([
    'at',
    'input',
    'output',
    'total',
    'cacheRead',
    'cacheWrite',
    'cacheWriteHour',
    'cacheWriteShort',
  ] as const),
  ...(['inputAudio', 'outputAudio', 'outputImage', 'reasoning'] as const),
  ...(['webSearch', 'codeInterpreter', 'fileSearch', 'freeTools'] as const),
];
const USAGE_FLAGS = ['besideChoicesWhenAsked', 'outputIncludesReasoning', 'inputIncludesCache'] as const;
const USAGE_FIELDS = [...USAGE_LISTS, ...USAGE_FLAGS, 'cost'];

function readUsage(section: Section, base: UsageProfile): UsageProfile {
  const usage = Section.read(section.node('usage'), section.path('usage'), USAGE_FIELDS, section.findings);
  const lists = USAGE_LISTS.map((name) => {
    const paths = usage.list(name, ITEMS_MAX, textOf(name === 'at' ? USAGE_PLACE : DOTTED, section.findings));
    return [name, paths ?? base[name]];
  });
  const flags = USAGE_FLAGS.map((name) => [name, usage.flag(name, { unlessStated: base[name] })]);
  return {
    ...(Object.fromEntries([...lists, ...flags]) as unknown as UsageProfile),
    cost: usage.list('cost', ITEMS_MAX, costPlaceOf(section.findings)) ?? base.cost,
  };
}

// A path alone is one in usd that is always a part of the bill.
function costPlaceOf(findings: Findings) {
  return (item: Located, field: string): CostPlace | undefined => {
    if (item.kind === 'scalar') {
      const at = readItem(item, field, DOTTED, findings);
      return at === undefined ? undefined : { at, scale: 0, when: null };
    }
    const place = Section.read(item, field, ['at', 'scale', 'when'], findings);
    const at = place.required('at', (node, path) => readItem(node, path, DOTTED, findings));
    const scale = place.whole('scale', { min: 0, max: COST_SCALE_MAX, unlessStated: 0 });
    const when = readChecked(place, 'when', DOTTED) ?? null;
    return at === null ? undefined : { at, scale, when };
  };
}

// By name: one that is stated takes the place of the profile's.
function readModifiers(section: Section, base: readonly Modifier[]): readonly Modifier[] {
  const { findings } = section;
  const node = section.node('modifiers');
  const entries = node === undefined ? undefined : readMap(node, section.path('modifiers'), findings);
  if (entries === undefined) return base;
  const stated: Modifier[] = [];
  for (const [name, { value, keyOffset }] of entries) {
    const field = `${section.path('modifiers')}.${name}`;
    if (!FIELD.pattern.test(name)) findings.add(keyOffset, field, `is no name of ${FIELD.what}`);
    const one = Section.read(value, field, ['stated', 'prices', 'noDearer'], findings);
    const noDearer = one.list('noDearer', ITEMS_MAX, textOf(FIELD, findings)) ?? [];
    const places = one.list('stated', ITEMS_MAX, textOf(DOTTED, findings));
    const prices = one.list('prices', MODELS_MAX, modifierPriceOf(findings)) ?? [];
    const usual = base.find((known) => known.name === name)?.stated ?? [name];
    stated.push({ name, stated: places ?? usual, prices, noDearer });
  }
  return [...base.filter(({ name }) => !entries.has(name)), ...stated];
}

function modifierPriceOf(findings: Findings) {
  return (item: Located, field: string): ModifierPrice | undefined => {
    const section = Section.read(item, field, ['models', 'times'], findings);
    const models = readPatterns(section) ?? ['*'];
    const times = section.required('times', (node, at) => readTimes(node, at, findings));
    return times === null ? undefined : { models, times };
  };
}

function readPatterns(section: Section): readonly string[] | null {
  return section.list('models', MODELS_MAX, (item, field) => readModelPattern(item, field, section.findings));
}

const THINKING = ['never', 'shown', 'unseen'] as const;

// Before the profile's own, so that a model can be stated anew.
function readModels(section: Section, base: readonly ModelTraits[]): readonly ModelTraits[] {
  const fields = ['models', 'outputTokensMax', 'thinking', 'thinksUnasked', 'imageTokensMax'];
  const stated = section.list('models', MODELS_MAX, (item, field): ModelTraits | undefined => {
    const one = Section.read(item, field, fields, section.findings);
    const models = readPatterns(one);
    if (models === null || models.length === 0) {
      one.add('models', 'is required: names of models, a "*" at the end matches any ending');
      return undefined;
    }
    const thinking =
      one.node('thinking') === undefined ? 'unseen' : (one.oneOf('thinking', THINKING) ?? 'unseen');
    return {
      models,
      outputTokensMax: one.wholeOrNull('outputTokensMax', { min: 1, max: OUTPUT_TOKENS_MAX }),
      thinking,
      thinksUnasked: one.flag('thinksUnasked', { unlessStated: thinking !== 'never' }),
      imageTokensMax: one.wholeOrNull('imageTokensMax', { min: 1, max: OUTPUT_TOKENS_MAX }) ?? undefined,
    };
  });
  return [...(stated ?? []), ...base];
}

function readErrors(section: Section, base: ErrorProfile): ErrorProfile {
  const kinds = ['request', 'throttle', 'account', 'flake', 'billed'] as const;
  const errors = Section.read(section.node('errors'), section.path('errors'), kinds, section.findings);
  const pattern = (item: Located, field: string) => {
    const text = readText(item, field, PATTERN_LENGTH_MAX, section.findings);
    const problem = text === undefined ? null : patternProblem(text);
    return problem === null ? text : section.findings.add(item.offset, field, problem);
  };
  const lists = kinds.map((kind) => [kind, errors.list(kind, PATTERNS_MAX, pattern) ?? base[kind]]);
  return Object.fromEntries(lists) as unknown as ErrorProfile;
}

interface Form {
  readonly pattern: RegExp;
  readonly what: string;
  /** What it must not be, although it has the form. */
  readonly refused?: { readonly pattern: RegExp; readonly why: string };
  /** Whether the value stays out of messages. */
  readonly isSecret?: boolean;
}

const FIELD: Form = {
  pattern: /^[A-Za-z0-9_-]{1,64}$/,
  what: 'a field of the body: letters, digits, _ and -',
};
const DOTTED: Form = {
  pattern: /^[\w$-]+(?:\.[\w$-]+)*$/,
  what: 'a path of fields with points between them, such as prompt_tokens_details.cached_tokens',
};
const USAGE_PLACE: Form = {
  pattern: /^[\w$-]+(?:\.(?:[\w$-]+|\*(?=\.)))*$/,
  what: 'a path of fields with points between them, * for each item of a list, such as choices.*.usage',
};
const PATH: Form = {
  pattern: /^(?:\/(?:[\w.~:@!$&'()+,;=-]|%[0-9a-f]{2}|\{model\})+)+\/?$/i,
  what: 'a path such as /deployments/{model}/chat/completions, without a query',
};
const ENDPOINT: Form = {
  pattern: new RegExp(`^(?:${ENDPOINTS.join('|')})$`),
  what: `an endpoint: ${ENDPOINTS.join(', ')}`,
};
const SECRET_NAME =
  /(?:^|[-_.])(?:key|apikey|token|secret|password|auth|authorization|cookie|credential|signature|sig)s?(?:$|[-_.])/i;
const SECRET_WHY = 'looks like a secret; a key is named by keyFrom, its header by keyHeader';
const QUERY_NAME: Form = {
  pattern: /^[\w.~$-]{1,64}$/,
  what: 'the name of a query parameter',
  refused: { pattern: SECRET_NAME, why: SECRET_WHY },
};
const QUERY_VALUE: Form = {
  pattern: /^[\x20-\x7e]{0,256}$/,
  what: 'printable ASCII of at most 256 characters',
};
const HEADER: Form = {
  pattern: /^[a-z0-9!#$%&'*+.^_`|~-]{1,64}$/i,
  what: 'the name of a header',
  refused: {
    pattern: new RegExp(
      `${SECRET_NAME.source}|^(?:host|connection|content-.*|transfer-encoding|accept-encoding|te|trailer|upgrade|expect|keep-alive|proxy-.*)$`,
      'i',
    ),
    why: 'is set by Bursar, or looks like a secret; a key is named by keyFrom, its header by keyHeader',
  },
};
const HEADER_VALUE: Form = {
  pattern: /^[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?$/,
  what: 'printable ASCII of 1 to 256 characters, without spaces round it',
  refused: { pattern: /^(?:bearer|basic) |^(?:sk|gsk|xai|key)-[\w-]{16}/i, why: SECRET_WHY },
  isSecret: true,
};
const KEY_HEADER: Form = {
  pattern: /^[a-z0-9!#$%&'*+.^_`|~-]{1,64}$/i,
  what: 'the name of a header, such as api-key',
  refused: {
    pattern: /^(?:host|connection|content-.*|transfer-encoding|accept-encoding)$/i,
    why: 'is set by Bursar',
  },
};
const KEY_PREFIX: Form = { pattern: /^[\x21-\x7e]{1,32}$/, what: 'a word of at most 32 characters' };

function readItem(node: Located, field: string, form: Form, findings: Findings): string | undefined {
  const text = readText(node, field, Math.max(TEXT_MAX, LABEL_VALUE_LENGTH_MAX), findings);
  if (text === undefined) return undefined;
  const value = form.isSecret === true ? 'the value (not shown)' : quoted(text);
  if (!form.pattern.test(text)) return findings.add(node.offset, field, `${value} is not ${form.what}`);
  if (form.refused?.pattern.test(text) === true)
    return findings.add(node.offset, field, `${value} ${form.refused.why}`);
  return text;
}

function textOf(form: Form, findings: Findings) {
  return (item: Located, field: string) => readItem(item, field, form, findings);
}

function readChecked(section: Section, name: string, form: Form): string | undefined {
  const node = section.node(name);
  return node === undefined ? undefined : readItem(node, section.path(name), form, section.findings);
}

// "" and "/" are no prefix: the endpoints stand right behind the base URL.
function readPath(section: Section, name: string): string | undefined {
  const node = section.node(name);
  if (node?.kind === 'scalar' && (node.value === '' || node.value === '/')) return '';
  return readChecked(section, name, PATH)?.replace(/\/+$/, '');
}

function readTexts(
  section: Section,
  name: string,
  forms: { readonly names: Form; readonly values: Form },
): Record<string, string> | null {
  const node = section.node(name);
  const field = section.path(name);
  const entries = node === undefined ? undefined : readMap(node, field, section.findings);
  if (entries === undefined) return null;
  if (entries.size > ITEMS_MAX) {
    section.add(name, `has ${entries.size} entries; at most ${ITEMS_MAX} are taken`);
    return null;
  }
  const texts: Record<string, string> = {};
  for (const [key, { value, keyOffset }] of entries) {
    if (!forms.names.pattern.test(key)) {
      const near = nearest(key, ENDPOINTS);
      const hint = forms.names === ENDPOINT && near !== null ? `; did you mean "${near}"?` : '';
      section.findings.add(keyOffset, field, `${quoted(key)} is not ${forms.names.what}${hint}`);
    } else if (forms.names.refused?.pattern.test(key) === true)
      section.findings.add(keyOffset, field, `${quoted(key)} ${forms.names.refused.why}`);
    else {
      const text = readItem(value, `${field}.${key}`, forms.values, section.findings);
      if (text !== undefined) texts[name === 'headers' ? key.toLowerCase() : key] = text;
    }
  }
  return texts;
}
