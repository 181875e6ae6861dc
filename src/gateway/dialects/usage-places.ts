// Reads what an answer, or an event of a stream, states of its bill, at the places that the provider's profile names. A
// profile is compiled once; reading then looks up each object of the usage once. What the figures mean together is decided
// by usage-reading.ts. Called by both dialects for every answer.

import { stepsOf } from '../prices/data-rates.js';
import {
  type CostPlace,
  type ProviderProfile,
  USAGE_FIGURES,
  type UsageFigure,
} from '../profiles/profile.js';
import { isObject, type Json } from './json-scan.js';
import { figure, larger, sum } from './usage-figures.js';

/** The figures of tokens and calls as an answer states them; null where it does not. */
export type StatedFigures = Record<UsageFigure, number | null>;

/** All that an answer states of its bill. */
export interface StatedUsage extends StatedFigures {
  /** The provider's own cost in steps of usd; null where it states none. */
  cost: bigint | null;
  /** What changes the price, by the modifier's name; null where nothing is stated. */
  modifiers: Readonly<Record<string, string>> | null;
}

export interface UsagePlaces {
  /** Null where the answer states no usage. */
  stated(answer: unknown): StatedUsage | null;
  /** What changes the price alone: an event may state it before the usage comes. */
  modifiers(answer: Json): Readonly<Record<string, string>> | null;
  readonly outputIncludesReasoning: boolean;
  readonly inputIncludesCache: boolean;
}

/** Names of tiers and places are short; a longer text is no such name. */
const MODIFIER_CHARS_MAX = 64;
/** A step of usd is 10^-8. */
const USD_SCALE = 8;

/** Figures of which all paths count: calls of several tools of one kind. Of other figures the first stated path counts. */
const ADDED: ReadonlySet<UsageFigure> = new Set(['webSearch', 'codeInterpreter', 'fileSearch', 'freeTools']);

const NOTHING_STATED: StatedUsage = {
  ...(Object.fromEntries(USAGE_FIGURES.map((name) => [name, null])) as StatedFigures),
  cost: null,
  modifiers: null,
};

/** An object on the way to a figure: its key in the object above it. */
interface UsageObject {
  readonly above: number;
  readonly key: string;
}

interface FigurePlace {
  readonly figure: UsageFigure;
  readonly isAdded: boolean;
  readonly parent: number;
  readonly key: string;
}

/** Reads all figures of a usage object in one pass: each object within it is looked up once, however many paths lead there. */
class FigurePlan {
  /** The first is the usage object itself. */
  readonly #parents: UsageObject[] = [{ above: 0, key: '' }];
  readonly #places: FigurePlace[] = [];
  /** The objects of the answer that is being read, by their index in `#parents`. */
  readonly #objects: (Json | null)[];

  constructor(paths: Readonly<Record<UsageFigure, readonly string[]>>) {
    for (const figure of USAGE_FIGURES) {
      for (const path of paths[figure]) {
        const keys = partsOf(path);
        let parent = 0;
        for (const key of keys.slice(0, -1)) parent = this.#parentAt(parent, key);
        this.#places.push({ figure, isAdded: ADDED.has(figure), parent, key: keys.at(-1) as string });
      }
    }
    this.#objects = this.#parents.map(() => null);
  }

  #parentAt(above: number, key: string): number {
    const known = this.#parents.findIndex(
      (one, index) => index > 0 && one.above === above && one.key === key,
    );
    return known === -1 ? this.#parents.push({ above, key }) - 1 : known;
  }

  /** Writes the figures of a usage object into `stated`, whose figures are all null. */
  read(usage: Json, stated: StatedFigures): void {
    const objects = this.#objects;
    objects[0] = usage;
    for (let at = 1; at < objects.length; at++) {
      const { above, key } = this.#parents[at];
      const value = objects[above]?.[key];
      objects[at] = isObject(value) ? value : null;
    }
    for (const { figure: name, isAdded, parent, key } of this.#places) {
      const value = objects[parent]?.[key];
      if (value === undefined || value === null) continue;
      const before = stated[name];
      if (before !== null && !isAdded) continue;
      const count = figure(value);
      if (count !== null) stated[name] = before === null ? count : before + count;
    }
    // The answer must not be kept alive.
    objects.fill(null);
  }
}

const COMPILED = new WeakMap<ProviderProfile, UsagePlaces>();

export function usagePlaces(profile: ProviderProfile): UsagePlaces {
  let places = COMPILED.get(profile);
  if (places === undefined) {
    places = compiled(profile);
    COMPILED.set(profile, places);
  }
  return places;
}

type Path = readonly string[];

function compiled({ usage, modifiers }: ProviderProfile): UsagePlaces {
  const at = usage.at.map(partsOf);
  const plan = new FigurePlan(usage);
  const costs = usage.cost.map((place) => ({ ...place, path: partsOf(place.at), flag: flagOf(place) }));
  const named = modifiers.map(({ name, stated }) => ({ name, paths: stated.map(partsOf) }));
  const modifiersIn = (answer: Json) => modifiersAt(answer, named);

  const read = (of: Json): StatedUsage => {
    const stated = { ...NOTHING_STATED };
    plan.read(of, stated);
    if (costs.length > 0) stated.cost = costIn(of, costs);
    return stated;
  };

  const stated = (answer: unknown): StatedUsage | null => {
    if (!isObject(answer)) return null;
    let found: StatedUsage | null = null;
    for (const path of at) {
      const one = statedAt(valueAt(answer, path, 0), path, read);
      if (one === null) continue;
      found ??= one;
      // An object without a figure may precede the one that has them.
      if (one.input === null && one.output === null && one.total === null) continue;
      found = one;
      break;
    }
    if (found !== null) found.modifiers = modifiersIn(answer);
    return found;
  };
  const { outputIncludesReasoning, inputIncludesCache } = usage;
  return { stated, modifiers: modifiersIn, outputIncludesReasoning, inputIncludesCache };
}

function partsOf(path: string): Path {
  return path.split('.');
}

// A `*` ends the walk: the list is the value, and `statedAt` continues in each of its items.
function valueAt(from: unknown, path: Path, start: number): unknown {
  let value = from;
  for (let at = start; at < path.length && path[at] !== '*'; at++) {
    const part = path[at];
    if (Array.isArray(value)) value = value[Number(part)];
    else if (isObject(value)) value = value[part];
    else return undefined;
  }
  return value;
}

function statedAt(value: unknown, path: Path, read: (of: Json) => StatedUsage): StatedUsage | null {
  if (isObject(value)) return read(value);
  if (!Array.isArray(value)) return null;
  const star = path.indexOf('*');
  if (star === -1) return combined(value.filter(isObject).map(read), 'added');
  const items = value.map((item) => valueAt(item, path, star + 1)).filter(isObject);
  return combined(items.map(read), 'of one input');
}

/** The usage of an answer whose choices each state a usage of their own. */
export function ofChoices(all: readonly StatedUsage[]): StatedUsage | null {
  return combined(all, 'of one input');
}

/**
 * Several usage objects as one. Choices of one answer share their input, and each states its own output. Where all state the
 * same figures, each states those of the whole answer.
 */
function combined(all: readonly StatedUsage[], how: 'added' | 'of one input'): StatedUsage | null {
  if (all.length < 2) return all[0] ?? null;
  const [head, ...rest] = all;
  const isRepeated = (one: StatedUsage) => USAGE_FIGURES.every((field) => one[field] === head[field]);
  if (how === 'of one input' && rest.every(isRepeated)) return head;
  const whole: StatedUsage = { ...head };
  for (const one of rest) {
    for (const field of USAGE_FIGURES) {
      const shared = how === 'of one input' && SHARED.has(field);
      whole[field] = shared ? larger(whole[field], one[field]) : sum(whole[field], one[field]);
    }
    if (one.cost !== null) whole.cost = (whole.cost ?? 0n) + one.cost;
  }
  // Each total contains the shared input, so that their sum is no total.
  if (how === 'of one input') whole.total = null;
  return whole;
}

const SHARED: ReadonlySet<UsageFigure> = new Set([
  'input',
  'cacheRead',
  'cacheWrite',
  'cacheWriteHour',
  'cacheWriteShort',
  'inputAudio',
]);

interface CompiledCost extends CostPlace {
  readonly path: Path;
  readonly flag: Path | null;
}

function flagOf({ when }: CostPlace): Path | null {
  return when === null ? null : partsOf(when);
}

function costIn(of: Json, costs: readonly CompiledCost[]): bigint | null {
  let all: bigint | null = null;
  for (const { path, scale, flag } of costs) {
    const value = valueAt(of, path, 0);
    if (value === undefined || (flag !== null && valueAt(of, flag, 0) !== true)) continue;
    const steps = stepsOf(value, USD_SCALE - scale);
    if (steps !== null) all = (all ?? 0n) + steps;
  }
  return all;
}

function modifiersAt(
  answer: Json,
  named: readonly { readonly name: string; readonly paths: readonly Path[] }[],
): Readonly<Record<string, string>> | null {
  let found: Record<string, string> | null = null;
  for (const { name, paths } of named) {
    for (const path of paths) {
      const value = valueAt(answer, path, 0);
      if (typeof value !== 'string' || value === '' || value.length > MODIFIER_CHARS_MAX) continue;
      found ??= {};
      found[name] = value;
      break;
    }
  }
  return found;
}
