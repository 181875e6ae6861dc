// Reads what the configuration states for a provider instead of its profile, field by field, and owns the bounds of these
// fields. None of them is a secret: a header or query parameter that looks like one is refused. Called by settings-file.ts.

import { LABEL_VALUE_LENGTH_MAX, quoted } from '../../core/labels.js';
import {
  flag,
  listOf,
  oneOf,
  type Reader,
  type Readers,
  readOver,
  type Section,
  text,
  whole,
} from '../../kit/file-value.js';
import { nearest } from '../../kit/located-values.js';
import { ENDPOINTS } from '../metering/endpoints.js';
import { TOKENS_MAX } from '../metering/usage.js';
import { modelPattern } from '../prices/model-pattern.js';
import type { Modifier, ModifierPrice } from '../prices/modifiers.js';
import { timesByValue } from '../prices/prices-settings.js';
import { errorPattern, PATTERNS_MAX } from './error-patterns.js';
import {
  type CostPlace,
  type ErrorProfile,
  type ModelTraits,
  type ProviderProfile,
  type RequestProfile,
  USAGE_FIGURES,
  type UsageFigure,
  type UsageProfile,
} from './profile.js';

/** Fields, headers, paths: providers have up to ten of each. */
const ITEMS_MAX = 32;
const TEXT_MAX = 256;
/** Rows of models and of a modifier's prices. A row covers a family of models. */
const MODELS_MAX = 256;
/** Decimal places of usd of a provider's unit of cost. */
const COST_SCALE_MAX = 18;

export const PROFILE_FIELDS = [
  ...['pathPrefix', 'paths', 'query', 'keyHeader', 'keyPrefix', 'headers', 'outputLimit', 'outputLimitAlso'],
  ...['asksUsage', 'passFields', 'thinkingOff', 'usage', 'modifiers', 'models', 'errors'],
];

export function readProfile(section: Section, base: ProviderProfile): ProviderProfile {
  return {
    ...base,
    request: readRequest(section, base.request),
    usage: readOver(section.at('usage'), USAGE_READERS, base.usage),
    modifiers: section.read('modifiers', modifiersOver(base.modifiers)) ?? base.modifiers,
    // Before the profile's rows, since the first row that matches counts.
    models: [...(section.read('models', listOf(MODELS_MAX, modelTraits)) ?? []), ...base.models],
    errors: readOver(section.at('errors'), ERROR_READERS, base.errors),
  };
}

function readRequest(section: Section, base: RequestProfile): RequestProfile {
  const limit = section.read('outputLimit', fieldNames);
  // Who states the field of a provider thereby says that it knows no other.
  const alsoUnlessStated = limit === undefined ? base.outputLimitAlso : [];
  return {
    pathPrefix: section.read('pathPrefix', pathPrefix) ?? base.pathPrefix,
    paths: section.read('paths', textsOf(ENDPOINT, PATH)) ?? base.paths,
    query: section.read('query', textsOf(QUERY_NAME, QUERY_VALUE)) ?? base.query,
    key: readKey(section, base.key),
    headers: { ...base.headers, ...section.read('headers', headers) },
    outputLimit: limit ?? base.outputLimit,
    outputLimitAlso: section.read('outputLimitAlso', fieldNames) ?? alsoUnlessStated,
    asksUsage: section.read('asksUsage', flag) ?? base.asksUsage,
    passFields: section.read('passFields', paths) ?? base.passFields,
    thinkingOff: section.read('thinkingOff', paths) ?? base.thinkingOff,
  };
}

function readKey(section: Section, base: RequestProfile['key']): RequestProfile['key'] {
  const header = section.read('keyHeader', formed(KEY_HEADER))?.toLowerCase();
  const usual = header === undefined ? base.prefix : header === 'authorization' ? 'Bearer ' : '';
  return { header: header ?? base.header, prefix: section.read('keyPrefix', keyPrefix) ?? usual };
}

interface Form {
  readonly pattern: RegExp;
  readonly what: string;
  /** Texts of that form that are refused. */
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

function formed(form: Form): Reader<string> {
  return (value) => {
    const read = text(Math.max(TEXT_MAX, LABEL_VALUE_LENGTH_MAX))(value);
    if (read === undefined) return undefined;
    const problem = formProblem(read, form);
    const shown = form.isSecret === true ? 'the value (not shown)' : quoted(read);
    return problem === null ? read : value.problem(`${shown} ${problem}`);
  };
}

function formProblem(read: string, { pattern, what, refused }: Form): string | null {
  if (!pattern.test(read)) return `is not ${what}`;
  return refused?.pattern.test(read) === true ? refused.why : null;
}

const fieldNames = listOf(ITEMS_MAX, formed(FIELD));
const paths = listOf(ITEMS_MAX, formed(DOTTED));

// "" and "/" mean no prefix: the endpoints follow the base URL directly.
const pathPrefix: Reader<string> = (value) =>
  value.scalar === '' || value.scalar === '/' ? '' : formed(PATH)(value)?.replace(/\/+$/, '');

// A word that precedes the key, separated by a space; "" for none.
const keyPrefix: Reader<string> = (value) => {
  if (value.scalar === '') return '';
  const word = formed(KEY_PREFIX)(value);
  return word === undefined ? undefined : `${word} `;
};

function textsOf(names: Form, values: Form): Reader<Record<string, string>> {
  return (value) => {
    const entries = value.entries(ITEMS_MAX);
    if (entries === undefined) return undefined;
    const texts: Record<string, string> = {};
    for (const [name, entry] of entries) {
      const problem = formProblem(name, names);
      if (problem !== null) {
        const near = names === ENDPOINT ? nearest(name, ENDPOINTS) : null;
        const hint = near === null ? '' : `; did you mean "${near}"?`;
        value.findings.add(entry.keyOffset, value.path, `${quoted(name)} ${problem}${hint}`);
        continue;
      }
      const read = formed(values)(entry);
      if (read !== undefined) texts[name] = read;
    }
    return texts;
  };
}

const headers: Reader<Record<string, string>> = (value) => {
  const read = Object.entries(textsOf(HEADER, HEADER_VALUE)(value) ?? {});
  return Object.fromEntries(read.map(([name, text]) => [name.toLowerCase(), text]));
};

// A path without more is a cost in usd that is always a part of the bill.
const costPlace: Reader<CostPlace> = (value) => {
  if (value.node.kind === 'scalar') {
    const at = formed(DOTTED)(value);
    return at === undefined ? undefined : { at, scale: 0, when: null };
  }
  const place = value.section(['at', 'scale', 'when']);
  const at = place.required('at', formed(DOTTED));
  const scale = place.read('scale', whole(0, COST_SCALE_MAX)) ?? 0;
  const when = place.read('when', formed(DOTTED)) ?? null;
  return at === undefined ? undefined : { at, scale, when };
};

const figurePaths = Object.fromEntries(USAGE_FIGURES.map((figure) => [figure, paths])) as Readers<
  Pick<UsageProfile, UsageFigure>
>;

const USAGE_READERS: Readers<UsageProfile> = {
  at: listOf(ITEMS_MAX, formed(USAGE_PLACE)),
  besideChoicesWhenAsked: flag,
  ...figurePaths,
  outputIncludesReasoning: flag,
  inputIncludesCache: flag,
  cost: listOf(ITEMS_MAX, costPlace),
};

const patterns = listOf(PATTERNS_MAX, errorPattern);
const ERROR_READERS: Readers<ErrorProfile> = {
  request: patterns,
  throttle: patterns,
  account: patterns,
  flake: patterns,
  billed: patterns,
};

/** A stated modifier replaces the profile's modifier of the same name. */
function modifiersOver(base: readonly Modifier[]): Reader<readonly Modifier[]> {
  return (value) => {
    const entries = value.entries();
    if (entries === undefined) return undefined;
    const stated = [...entries].map(([name, entry]): Modifier => {
      if (!FIELD.pattern.test(name)) entry.nameProblem(`is no name of ${FIELD.what}`);
      const one = entry.section(['stated', 'prices', 'noDearer']);
      const usual = base.find((known) => known.name === name)?.stated ?? [name];
      return {
        name,
        stated: one.read('stated', paths) ?? usual,
        prices: one.read('prices', listOf(MODELS_MAX, modifierPrice)) ?? [],
        noDearer: one.read('noDearer', fieldNames) ?? [],
      };
    });
    return [...base.filter(({ name }) => !entries.has(name)), ...stated];
  };
}

const modelPatterns = listOf(MODELS_MAX, modelPattern);

const modifierPrice: Reader<ModifierPrice> = (value) => {
  const section = value.section(['models', 'times']);
  const models = section.read('models', modelPatterns) ?? ['*'];
  const times = section.required('times', timesByValue);
  return times === undefined ? undefined : { models, times };
};

const modelTraits: Reader<ModelTraits> = (value) => {
  const one = value.section(['models', 'outputTokensMax', 'thinking', 'thinksUnasked', 'imageTokensMax']);
  const models = one.read('models', modelPatterns) ?? [];
  if (models.length === 0)
    return one.problem('models', 'is required: names of models, a "*" at the end matches any ending');
  const thinking = one.read('thinking', oneOf(['never', 'shown', 'unseen'])) ?? 'unseen';
  return {
    models,
    outputTokensMax: one.read('outputTokensMax', whole(1, TOKENS_MAX)) ?? null,
    thinking,
    thinksUnasked: one.read('thinksUnasked', flag) ?? thinking !== 'never',
    imageTokensMax: one.read('imageTokensMax', whole(1, TOKENS_MAX)),
  };
};
