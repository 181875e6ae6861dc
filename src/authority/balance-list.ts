// Lists of balances, page by page: by budget as defined, then by values, then by window. A page looks through the balances
// of the budgets that it has rows of, and makes views of its own rows alone. Called by reads.ts.

import { type BalancePlace, type Budget, balancePlace, type Window } from '../core/budgets.js';
import { InvalidInputError } from '../core/errors.js';
import { SEPARATOR } from '../core/labels.js';
import type { BalanceView } from '../core/outcomes.js';
import type { Labels } from '../core/requests.js';
import type { State } from '../core/state.js';
import { balanceView } from '../core/views.js';
import type { BalanceFilter } from './api.js';
import { rowsOf } from './checks.js';

/** Rows kept above those of a page before they are sorted and cut: one sort for so many rows looked at. */
const KEPT_MIN = 1_024;

/** @throws InvalidInputError when `after` names no budget that is there */
export function listBalances(state: State, filter: BalanceFilter, at: number): BalanceView[] {
  const found: BalanceView[] = [];
  const max = rowsOf(filter);
  const after = filter.after === undefined ? null : placeOf(state, filter.after);
  for (let index = after?.budget.index ?? 0; index < state.budgets.length && found.length < max; index += 1) {
    const budget = state.budgets[index];
    if (filter.budgetId !== undefined ? budget.id !== filter.budgetId : budget.forGrants) continue;
    const accounts = accountsWanted(budget, filter);
    if (accounts === null) continue;
    const windows = windowsWanted(budget, filter, at);
    const last = budget === after?.budget ? after : null;
    for (const slot of firstSlots(state, windows, { accounts, last, max: max - found.length }))
      found.push(balanceView(state, slot, at));
  }
  return found;
}

export function balanceById(state: State, id: string, at: number): BalanceView | undefined {
  const place = balancePlace(state.budgetById, id);
  const window = place?.budget.windows.find(({ start }) => start === place.start);
  const slot = place === null ? -1 : (window?.index.get(place.values) ?? -1);
  return slot === -1 ? undefined : balanceView(state, slot, at);
}

function placeOf(state: State, id: string): BalancePlace {
  const place = balancePlace(state.budgetById, id);
  if (place === null) throw new InvalidInputError('after', 'is no id of a balance');
  return place;
}

function windowsWanted(budget: Budget, { current = true }: BalanceFilter, at: number): readonly Window[] {
  if (!current) return budget.windows;
  return budget.current !== null && at < budget.current.end ? [budget.current] : [];
}

/** What the values of an account must be, by their place; null when none of the budget's can be asked for. */
function accountsWanted(
  budget: Budget,
  { values = {}, labels = {} }: BalanceFilter,
): [number, string][] | null {
  const wanted: [number, string][] = [];
  for (const [key, value] of Object.entries({ ...labels, ...values })) {
    const place = budget.wildcards.indexOf(key);
    if (place >= 0) wanted.push([place, value]);
    else if (Object.hasOwn(values, key) || fixed(budget.spec.match, key) !== value) return null;
  }
  return wanted;
}

function fixed(match: Labels, key: string): string | undefined {
  return Object.hasOwn(match, key) ? match[key] : undefined;
}

interface Wanted {
  readonly accounts: readonly [number, string][];
  readonly last: BalancePlace | null;
  readonly max: number;
}

/** The first slots in order of those that are wanted. Keeps no more than twice as many as are given. */
function firstSlots(state: State, windows: readonly Window[], { accounts, last, max }: Wanted): number[] {
  const { balances } = state;
  const valuesAt = (slot: number) => balances.values[slot];
  const startAt = (slot: number) => (balances.windows[slot] as Window).start;
  const inOrder = (left: number, right: number) =>
    byText(valuesAt(left), valuesAt(right)) || startAt(left) - startAt(right);
  let kept: number[] = [];
  let bound = -1;
  for (const window of windows) {
    for (let slot = window.firstBalance; slot !== -1; slot = balances.next[slot]) {
      const values = valuesAt(slot);
      if (last !== null && (byText(values, last.values) || window.start - last.start) <= 0) continue;
      if (bound !== -1 && inOrder(slot, bound) > 0) continue;
      if (accounts.length > 0 && !isAmong(accounts, values)) continue;
      kept.push(slot);
      if (kept.length < 2 * max + KEPT_MIN) continue;
      kept = kept.sort(inOrder).slice(0, max);
      bound = kept[max - 1] ?? -1;
    }
  }
  return kept.sort(inOrder).slice(0, max);
}

function isAmong(accounts: readonly [number, string][], values: string): boolean {
  const parts = values.split(SEPARATOR);
  return accounts.every(([place, value]) => parts[place] === value);
}

function byText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
