// Where a profile says that usage stands, made into readers once: what an answer, or an event of a stream, states as it
// stands, in one pass. What the figures mean together is usage-reading.ts's. Called by both dialects for every answer.

import { stepsOf } from '../prices/data-rates.js';
import type { CostPlace, ProviderProfile } from '../profiles/profile.js';
import { isObject, type Json } from './request-body.js';
import { figure } from './usage-figures.js';

/** Figures of tokens and calls as they are stated; null where they are not. */
export interface StatedFigures {
  input: number | null;
  output: number | null;
  /** Of input and output together. */
  total: number | null;
  cacheRead: number | null;
  cacheWrite: number | null;
  cacheWriteHour: number | null;
  cacheWriteShort: number | null;
  inputAudio: number | null;
  outputAudio: number | null;
  outputImage: number | null;
  reasoning: number | null;
  webSearch: number | null;
  codeInterpreter: number | null;
  fileSearch: number | null;
  freeTools: number | null;
}

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
  const [input, output, total] = [usage.input, usage.output, usage.total].map(pathsOf);
  const [cacheRead, cacheWrite] = [usage.cacheRead, usage.cacheWrite].map(pathsOf);
  const [cacheWriteHour, cacheWriteShort] = [usage.cacheWriteHour, usage.cacheWriteShort].map(pathsOf);
  const [inputAudio, outputAudio] = [usage.inputAudio, usage.outputAudio].map(pathsOf);
  const [outputImage, reasoning] = [usage.outputImage, usage.reasoning].map(pathsOf);
  const [webSearch, codeInterpreter] = [usage.webSearch, usage.codeInterpreter].map(pathsOf);
  const [fileSearch, freeTools] = [usage.fileSearch, usage.freeTools].map(pathsOf);
  const costs = usage.cost.map((place) => ({ ...place, path: partsOf(place.at), flag: flagOf(place) }));
  const named = modifiers.map(({ name, stated }) => ({ name, paths: pathsOf(stated) }));
  const modifiersIn = (answer: Json) => modifiersAt(answer, named);

  const read = (of: Json): Stated => ({
    input: first(of, input),
    output: first(of, output),
    total: first(of, total),
    cacheRead: first(of, cacheRead),
    cacheWrite: first(of, cacheWrite),
    cacheWriteHour: first(of, cacheWriteHour),
    cacheWriteShort: first(of, cacheWriteShort),
    inputAudio: first(of, inputAudio),
    outputAudio: first(of, outputAudio),
    outputImage: first(of, outputImage),
    reasoning: first(of, reasoning),
    webSearch: sum(of, webSearch),
    codeInterpreter: sum(of, codeInterpreter),
    fileSearch: sum(of, fileSearch),
    freeTools: sum(of, freeTools),
    cost: costIn(of, costs),
    modifiers: null,
  });

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

const SHARED: ReadonlySet<keyof StatedFigures> = new Set([
  'input',
  'cacheRead',
  'cacheWrite',
  'cacheWriteHour',
  'cacheWriteShort',
  'inputAudio',
]);

export const FIGURES: readonly (keyof StatedFigures)[] = [
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

function first(of: Json, paths: readonly Path[]): number | null {
  for (const path of paths) {
    const found = figure(valueAt(of, path, 0));
    if (found !== null) return found;
  }
  return null;
}

function sum(of: Json, paths: readonly Path[]): number | null {
  let all: number | null = null;
  for (const path of paths) all = addedTo(all, figure(valueAt(of, path, 0)));
  return all;
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
