// Which budgets a label set counts towards. Budgets are filed by label shape (the sorted keys of `match`, wildcards
// marked), so that finding them costs one look-up a shape; what recent label sets match is remembered.

import type { Budget, Window } from './budgets.js';
import { SEPARATOR } from './labels.js';
import type { Aliases, Labels } from './requests.js';

/** Label sets remembered in each of two generations: enough for the label sets of a busy hour, about 20 MB. */
const MATCHES_MAX = 32_768;
/**
 * The most that remembered label sets weigh together, roughly in bytes, so that fewer are kept when they are long or
 * count towards many budgets. It leaves room for the number above at 150 characters and four budgets each.
 */
export const MATCHES_WEIGHT_MAX = MATCHES_MAX * 512;
const ENTRY_WEIGHT = 80;

/** One budget that a label set counts towards, with the values of its wildcard labels. */
export interface MatchedBudget {
  readonly budget: Budget;
  readonly values: string;
  /** The balance found last, and the window it was found in. */
  window: Window | null;
  slot: number;
}

/** The budgets that one label set counts towards, as they were defined. */
export interface LabelMatch {
  readonly labels: string;
  readonly labelCount: number;
  readonly entries: readonly MatchedBudget[];
}

interface Shape {
  readonly fixedKeys: readonly string[];
  readonly wildcards: readonly string[];
  readonly budgets: Map<string, Budget[]>;
}

export class Matcher {
  aliases: Aliases = {};
  readonly #shapes = new Map<string, Shape>();
  #young = new Map<string, LabelMatch>();
  #old = new Map<string, LabelMatch>();
  #youngWeight = 0;

  /** What a canonical label text matches. */
  matched(labels: string): LabelMatch {
    return this.known(labels) ?? this.#remember(this.#build(labels));
  }

  /** The remembered matches of a label text. Its labels have been checked before. */
  known(labels: string): LabelMatch | undefined {
    const young = this.#young.get(labels);
    if (young !== undefined) return young;
    const old = this.#old.get(labels);
    return old === undefined ? undefined : this.#remember(old);
  }

  /** Files a new budget; all that is remembered is stale then. */
  add(budget: Budget): void {
    this.forget();
    if (budget.forGrants) return;
    const match = this.canonicalLabels(budget.spec.match);
    const fixedKeys = Object.keys(match)
      .filter((key) => match[key] !== '*')
      .sort();
    const shapeKey = JSON.stringify([fixedKeys, budget.wildcards]);
    let shape = this.#shapes.get(shapeKey);
    if (shape === undefined) {
      shape = { fixedKeys, wildcards: budget.wildcards, budgets: new Map() };
      this.#shapes.set(shapeKey, shape);
    }
    const fixed = fixedKeys.map((key) => match[key]).join(SEPARATOR);
    const filed = shape.budgets.get(fixed);
    if (filed === undefined) shape.budgets.set(fixed, [budget]);
    else filed.push(budget);
  }

  /** Files all budgets anew, after the aliases changed. */
  refile(budgets: readonly Budget[]): void {
    this.#shapes.clear();
    for (const budget of budgets) this.add(budget);
  }

  forget(): void {
    this.#young.clear();
    this.#old.clear();
    this.#youngWeight = 0;
  }

  /** The canonical value of a label (rule P6): `vendor/model` names its vendor as provider, then the alias table. */
  canonical(key: string, value: string): string {
    const table = Object.hasOwn(this.aliases, key) ? this.aliases[key] : undefined;
    const direct = table !== undefined && Object.hasOwn(table, value) ? table[value] : value;
    if (key !== 'provider' || direct !== value || !value.includes('/')) return direct;
    const vendor = value.slice(0, value.indexOf('/'));
    return vendor === '' ? value : this.canonical(key, vendor);
  }

  canonicalLabels(labels: Labels): Labels {
    return Object.fromEntries(
      Object.entries(labels).map(([key, value]) => [key, this.canonical(key, value)]),
    );
  }

  #remember(matched: LabelMatch): LabelMatch {
    if (this.#young.size >= MATCHES_MAX || this.#youngWeight >= MATCHES_WEIGHT_MAX) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngWeight = 0;
    }
    this.#young.set(matched.labels, matched);
    this.#youngWeight += matched.labels.length + matched.entries.length * ENTRY_WEIGHT;
    return matched;
  }

  #build(text: string): LabelMatch {
    const labels: Record<string, string> = {};
    const parts = text === '' ? [] : text.split(SEPARATOR);
    for (let index = 0; index < parts.length; index += 2) {
      labels[parts[index]] = this.canonical(parts[index], parts[index + 1]);
    }
    const entries: MatchedBudget[] = [];
    for (const shape of this.#shapes.values()) {
      const fixed = valuesText(labels, shape.fixedKeys);
      const values = fixed === null ? null : valuesText(labels, shape.wildcards);
      const budgets = fixed === null || values === null ? undefined : shape.budgets.get(fixed);
      if (budgets === undefined) continue;
      for (const budget of budgets)
        entries.push({ budget, values: values as string, window: null, slot: -1 });
    }
    if (entries.length > 1) entries.sort((left, right) => left.budget.index - right.budget.index);
    return { labels: text, labelCount: parts.length / 2, entries };
  }
}

/** The balance of a matched budget in its budget's current window, or -1 when there is none yet. */
export function slotOf(entry: MatchedBudget): number {
  const window = entry.budget.current;
  if (entry.window === window && entry.slot >= 0) return entry.slot;
  entry.window = window;
  entry.slot = window === null ? -1 : window.index.get(entry.values);
  return entry.slot;
}

/** The values of some keys joined, or null when a key is missing. */
export function valuesText(labels: Labels, keys: readonly string[]): string | null {
  let text = '';
  for (let index = 0; index < keys.length; index += 1) {
    if (!Object.hasOwn(labels, keys[index])) return null;
    text += index === 0 ? labels[keys[index]] : SEPARATOR + labels[keys[index]];
  }
  return text;
}
