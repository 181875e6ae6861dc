// Finds the model of the price data that a name means. The data's own clauses match loosely (`contains`, `starts_with`), which
// would price a new model as an older one. Here a name matches only where the data lists it, or where it is a dated variant of
// a listed name and the data's clause takes it too. Called by price-data.ts, and by reconciliation for the names on a bill.

import type { MatchLogic, ModelInfo, Provider } from '@pydantic/genai-prices';
import { isModelPattern } from './model-pattern.js';
import type { OwnPrice } from './price.js';

/** The data's names are plain ASCII; the longest has 80 characters. */
const NAME = /^[\x21-\x7e]{1,200}$/;

/**
 * What may follow a model's name without changing the model: `-latest`, `-20250929`, `@20250929`, `-2025-08-07`,
 * `-09-2025`, `-0613`, `-001`. A version such as `-v2` or `.1` names another model.
 */
const VARIANT = /(?:-latest|[-@]20\d{6}|-20\d{2}-\d{2}-\d{2}|-\d{2}-\d{4}|-\d{2}-\d{2}|-\d{4}|-\d{3})$/;

/** The name without the ending of a dated variant. */
export function withoutVariant(name: string): string {
  return name.replace(VARIANT, '');
}

/** The models of one provider, for look-ups. `listed` has every name that the data spells out. */
export interface ModelIndex {
  readonly listed: ReadonlyMap<string, ModelInfo>;
  readonly loose: readonly ModelInfo[];
}

export function modelIndex(provider: Provider): ModelIndex {
  const listed = new Map<string, ModelInfo>();
  for (const model of provider.models) {
    for (const name of [model.id.toLowerCase(), ...spelledOut(model.match)]) {
      if (!listed.has(name) && matches(model.match, name)) listed.set(name, model);
    }
  }
  return { listed, loose: provider.models.filter(({ match }) => !isSpelledOut(match)) };
}

/** The model that a name means, or null. Names are compared without regard to case, as the data does. */
export function findModel(index: ModelIndex, asked: string): ModelInfo | null {
  if (!NAME.test(asked)) return null;
  const name = asked.toLowerCase();
  return index.listed.get(name) ?? index.loose.find((model) => isVariant(model, name)) ?? null;
}

function isVariant(model: ModelInfo, name: string): boolean {
  if (!matches(model.match, name)) return false;
  // A fine-tuned model: ft:<base model>:<organisation>:<suffix>:<id>.
  const own = /^ft:[^:]+(?=:)/.exec(name)?.[0] ?? name;
  const base = withoutVariant(own);
  const covers = (text: string) => text.length >= base.length && own.startsWith(text);
  return [model.id.toLowerCase(), ...literals(model.match)].some(covers) || matchesWhole(model.match, name);
}

// A regular expression counts only where it is anchored at both ends and has no wildcard and no alternative.
function matchesWhole(match: MatchLogic, name: string): boolean {
  if ('or' in match) return match.or.some((clause) => matchesWhole(clause, name));
  return (
    'regex' in match && /^\^.*\$$/.test(match.regex) && !/\.[*+]|\|/.test(match.regex) && matches(match, name)
  );
}

/** The data's own rule, as its package applies it. */
function matches(match: MatchLogic, name: string): boolean {
  if ('or' in match) return match.or.some((clause) => matches(clause, name));
  if ('and' in match) return match.and.every((clause) => matches(clause, name));
  if ('equals' in match) return name === match.equals.toLowerCase();
  if ('starts_with' in match) return name.startsWith(match.starts_with.toLowerCase());
  if ('ends_with' in match) return name.endsWith(match.ends_with.toLowerCase());
  if ('contains' in match) return name.includes(match.contains.toLowerCase());
  return 'regex' in match && new RegExp(match.regex).test(name);
}

function isSpelledOut(match: MatchLogic): boolean {
  return 'equals' in match || ('or' in match && match.or.every(isSpelledOut));
}

/** The names in `equals` clauses of which one is enough. */
function spelledOut(match: MatchLogic): string[] {
  if ('or' in match) return match.or.flatMap(spelledOut);
  return 'equals' in match ? [match.equals.toLowerCase()] : [];
}

/** Every text in the clauses that is a name or a part of one. */
function literals(match: MatchLogic): string[] {
  if ('or' in match) return match.or.flatMap(literals);
  if ('and' in match) return match.and.flatMap(literals);
  if ('regex' in match) return [];
  return Object.values(match).map((text: string) => text.toLowerCase());
}

/**
 * A model of the price data: by the data's own id, without its date where the data has the model without one too, without
 * the path of a vendor before it, in lower case.
 */
export function canonicalOfData(id: string, ids: { has(id: string): boolean }): string {
  const undated = withoutVariant(id);
  const name = ids.has(undated.toLowerCase()) ? undated : id;
  return name.slice(name.lastIndexOf('/') + 1).toLowerCase();
}

/**
 * A model that has an own price: an exact name is the name that the operator gave it; what a pattern matches is called as
 * the data calls it, and where the data does not know it, as the call does, without a date.
 */
export function canonicalOfOwn(
  { model }: Pick<OwnPrice, 'model'>,
  asked: string,
  ofData: string | null,
): string {
  return isModelPattern(model) ? (ofData ?? withoutVariant(asked)) : model;
}
