// Where a profile says that usage stands, made into readers once: what an answer, or an event of a stream, states as it
// stands, in one pass. What the figures mean together is usage-reading.ts's. Called by both dialects for every answer.

import { stepsOf } from '../prices/data-rates.js';
import type { CostPlace, ProviderProfile } from '../profiles/profile.js';
import { type FigureName, FigurePlan, type StatedFigures } from './figure-plan.js';
import { isObject, type Json } from './json-scan.js';

/** All that an answer states of its bill. */
export interface Stated extends StatedFigures {
  /** The provider's own cost in steps of usd; null where it states none. */
  cost: bigint | null;
  /** What changes the price, by the modifier's name; null where nothing is stated. */
  modifiers: Readonly<Record<string, string>> | null;
}

export interface UsagePlaces {
  /** Null where the answer states no usage. */
  stated(answer: unknown): Stated | null;
  /** What changes the price alone: an event may state it before the usage comes. */
  modifiers(answer: Json): Readonly<Record<string, string>> | null;
  readonly outputIncludesReasoning: boolean;
  readonly inputIncludesCache: boolean;
}

/** Names of tiers and places are short; anything longer is none. */
const MODIFIER_CHARS_MAX = 64;
/** A step of usd is 10^-8. */
const USD_SCALE = 8;

/** Calls of several tools of one kind are counted together. */
const ADDED: ReadonlySet<FigureName> = new Set(['webSearch', 'codeInterpreter', 'fileSearch', 'freeTools']);

function nothingStated(): Stated {
  return {
    input: null,
    output: null,
    total: null,
    cacheRead: null,
    cacheWrite: null,
    cacheWriteHour: null,
    cacheWriteShort: null,
    inputAudio: null,
    outputAudio: null,
    outputImage: null,
    reasoning: null,
    webSearch: null,
    codeInterpreter: null,
    fileSearch: null,
    freeTools: null,
    cost: null,
    modifiers: null,
  };
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
  const plan = new FigurePlan({ names: FIGURES, paths: usage, added: ADDED });
  const costs = usage.cost.map((place) => ({ ...place, path: partsOf(place.at), flag: flagOf(place) }));
  const named = modifiers.map(({ name, stated }) => ({ name, paths: pathsOf(stated) }));
  const modifiersIn = (answer: Json) => modifiersAt(answer, named);

  const read = (of: Json): Stated => {
    const stated = nothingStated();
    plan.read(of, stated);
    if (costs.length > 0) stated.cost = costIn(of, costs);
    return stated;
  };

  const stated = (answer: unknown): Stated | null => {
    if (!isObject(answer)) return null;
    let found: Stated | null = null;
    for (const path of at) {
      const usageObject = statedAt(valueAt(answer, path, 0), path, read);
      if (usageObject === null) continue;
      found ??= usageObject;
      // An object without a figure may stand before the one that has them.
      if (usageObject.input === null && usageObject.output === null && usageObject.total === null) continue;
      found = usageObject;
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

function pathsOf(paths: readonly string[]): readonly Path[] {
  return paths.map(partsOf);
}

// A `*` ends the way: the list is the value, and `statedAt` goes on in each of its items.
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

function statedAt(value: unknown, path: Path, read: (of: Json) => Stated): Stated | null {
  if (isObject(value)) return read(value);
  if (!Array.isArray(value)) return null;
  const star = path.indexOf('*');
  if (star === -1) return combined(value.filter(isObject).map(read), 'added');
  const items = value.map((item) => valueAt(item, path, star + 1)).filter(isObject);
  return combined(items.map(read), 'of one input');
}

/** The usage of an answer whose choices each state their own. */
export function ofChoices(all: readonly Stated[]): Stated | null {
  return combined(all, 'of one input');
}

/**
 * Several usage objects as one. Choices of one answer share their input and each states its own output, unless all say the
 * same: then each states that of the whole answer.
 */
function combined(all: readonly Stated[], how: 'added' | 'of one input'): Stated | null {
  if (all.length < 2) return all[0] ?? null;
  const [head, ...rest] = all;
  const isRepeated = (one: Stated) => FIGURES.every((field) => one[field] === head[field]);
  if (how === 'of one input' && rest.every(isRepeated)) return head;
  const whole: Stated = { ...head };
  for (const one of rest) {
    for (const field of FIGURES) {
      const shared = how === 'of one input' && SHARED.has(field);
      whole[field] = shared ? largerOf(whole[field], one[field]) : addedTo(whole[field], one[field]);
    }
    if (one.cost !== null) whole.cost = (whole.cost ?? 0n) + one.cost;
  }
  // Totals that share an input are no total of the sum.
  if (how === 'of one input') whole.total = null;
  return whole;
}

const SHARED: ReadonlySet<FigureName> = new Set([
  'input',
  'cacheRead',
  'cacheWrite',
  'cacheWriteHour',
  'cacheWriteShort',
  'inputAudio',
]);

export const FIGURES: readonly FigureName[] = [
  ...SHARED,
  ...(['output', 'total', 'outputAudio', 'outputImage', 'reasoning'] as const),
  ...(['webSearch', 'codeInterpreter', 'fileSearch', 'freeTools'] as const),
];

function largerOf(left: number | null, right: number | null): number | null {
  return left === null || right === null ? (left ?? right) : Math.max(left, right);
}

function addedTo(left: number | null, right: number | null): number | null {
  return left === null || right === null ? (left ?? right) : left + right;
}

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
