// What can be read from a state and its journal: shared by the ledger that one holds and by the replica of one that
// another process holds. Nothing here changes the state.

import type { Amounts, Unit } from '../core/amount.js';
import { InvalidInputError } from '../core/errors.js';
import { HOLD_STATUSES, OPEN } from '../core/holds.js';
import { labelsOf } from '../core/labels.js';
import type { BalanceView, BudgetView, HoldView, Totals, Verdict } from '../core/outcomes.js';
import type { Labels } from '../core/requests.js';
import type { State } from '../core/state.js';
import { budgetView, checkView, holdView } from '../core/views.js';
import type { BudgetFilter, HoldFilter } from './api.js';
import { listBalances } from './balance-list.js';
import { rowsOf } from './checks.js';
import { labelsIn, quantities } from './intake-parts.js';
import { zoneOffset } from './time-zones.js';

export function check(state: State, request: { labels: Labels; amounts?: Amounts }, at: number): Verdict {
  const labels = labelsIn(state, request.labels, 'labels');
  const amounts = request.amounts === undefined ? null : quantities(state, request.amounts, 'amounts', true);
  if (amounts?.steps.some((steps) => steps < 0n))
    throw new InvalidInputError('amounts', 'an amount is negative');
  return checkView(state, { labels, amounts }, at, zoneOffset);
}

export function holdById(state: State, holdId: string): HoldView | undefined {
  const slot = state.holds.index.get(holdId);
  return slot === -1 ? undefined : holdView(state, slot);
}

export function holdLabels(state: State, holdId: string): Labels | undefined {
  const slot = state.holds.index.get(holdId);
  return slot === -1 ? undefined : labelsOf(state.holds.labels[slot]);
}

/** Holds in memory, in the order of their opening. */
export function listHolds(state: State, filter: HoldFilter = {}): HoldView[] {
  const { holds } = state;
  const status = filter.status === undefined ? -1 : HOLD_STATUSES.indexOf(filter.status);
  if (filter.status !== undefined && status === -1) {
    throw new InvalidInputError('status', `${filter.status} is none of ${HOLD_STATUSES.join(', ')}`);
  }
  const max = rowsOf(filter);
  const after = filter.afterSequence ?? 0;
  const carries = labelsMatch(filter.labels ?? {});
  const inOrder = (left: number, right: number) => holds.openedSequence[left] - holds.openedSequence[right];
  let kept: number[] = [];
  let last = Number.POSITIVE_INFINITY;
  for (let slot = 0; slot < holds.used; slot += 1) {
    const opened = holds.openedSequence[slot];
    if (opened <= after || opened > last || holds.isFree(slot)) continue;
    if ((status !== -1 && holds.status[slot] !== status) || !carries(holds.labels[slot])) continue;
    kept.push(slot);
    if (kept.length < 2 * max + KEPT_MIN) continue;
    kept = kept.sort(inOrder).slice(0, max);
    last = max === 0 ? after : holds.openedSequence[kept[max - 1]];
  }
  return kept
    .sort(inOrder)
    .slice(0, max)
    .map((slot) => holdView(state, slot));
}

/** Holds kept above those of a page before they are sorted and cut: one sort for so many holds looked at. */
const KEPT_MIN = 1_024;

/** Whether a hold's labels, as text, have all of these. Many holds have the same labels, which are looked at once. */
function labelsMatch(wanted: Labels): (text: string) => boolean {
  const pairs = Object.entries(wanted);
  if (pairs.length === 0) return () => true;
  const known = new Map<string, boolean>();
  return (text) => {
    let carries = known.get(text);
    if (carries === undefined) {
      const labels = labelsOf(text);
      carries = pairs.every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value);
      if (known.size < LABEL_SETS_KNOWN_MAX) known.set(text, carries);
    }
    return carries;
  };
}

/** Label sets remembered during one look: what holds of one tenant's users and models have, and little memory. */
const LABEL_SETS_KNOWN_MAX = 10_000;

export function budgetById(state: State, budgetId: string, at: number): BudgetView | undefined {
  const budget = state.budgetById.get(budgetId);
  return budget === undefined || budget.forGrants ? undefined : budgetView(budget, at);
}

/** As they were defined. @throws InvalidInputError when `after` is no budget's id */
export function listBudgets(state: State, filter: BudgetFilter, at: number): BudgetView[] {
  const { after } = filter;
  const max = rowsOf({ max: Number.POSITIVE_INFINITY, ...filter });
  const last = after === undefined ? undefined : state.budgetById.get(after);
  if (after !== undefined && last === undefined) throw new InvalidInputError('after', 'is no id of a budget');
  const found: BudgetView[] = [];
  for (let index = last === undefined ? 0 : last.index + 1; index < state.budgets.length; index += 1) {
    if (found.length >= max) break;
    const budget = state.budgets[index];
    if (!budget.forGrants) found.push(budgetView(budget, at));
  }
  return found;
}

export function totals(state: State): Totals {
  const spent = state.units.units.map((unit, index) => [unit.name, state.spentTotal[index]]);
  return { spent: Object.fromEntries(spent), openHolds: state.holds.open };
}

export function listUnits(state: State): Unit[] {
  return state.units.units.map(({ name, scale }) => ({ name, scale }));
}

/** Rule H10: figures of the grants that requests brought, the newest used first, then by capability and grant. */
export function listGrants(state: State, at: number): BalanceView[] {
  const newest = new Map<string, number>();
  const { holds } = state;
  for (let slot = 0; slot < holds.used; slot += 1) {
    if (holds.isFree(slot)) continue;
    for (const { capability, grant } of holds.extrasOf(slot).grants) {
      const key = JSON.stringify([capability, grant]);
      newest.set(key, Math.max(newest.get(key) ?? 0, holds.openedSequence[slot]));
    }
  }
  const rank = (view: BalanceView) =>
    newest.get(JSON.stringify([view.values.capability, view.values.grant])) ?? 0;
  const byText = (left: string, right: string) => (left < right ? -1 : left > right ? 1 : 0);
  return state.budgets
    .filter((budget) => budget.forGrants)
    .flatMap((budget) => listBalances(state, { budgetId: budget.id, max: Number.POSITIVE_INFINITY }, at))
    .sort(
      (left, right) =>
        rank(right) - rank(left) ||
        byText(left.values.capability, right.values.capability) ||
        byText(left.values.grant, right.values.grant) ||
        byText(left.unit, right.unit),
    );
}

/** Open holds posted to a balance, largest first. */
export function openHoldsOn(state: State, balance: number, unit: number): { slot: number; amount: bigint }[] {
  const { holds } = state;
  const found: { slot: number; amount: bigint }[] = [];
  for (let slot = 0; slot < holds.used; slot += 1) {
    if (holds.status[slot] !== OPEN) continue;
    for (let line = 0; line < holds.postingCount[slot]; line += 1) {
      if (holds.posting(slot, line) === balance)
        found.push({ slot, amount: holds.figure(slot, holds.units[slot].placeOf[unit]) });
    }
  }
  return found.sort((left, right) =>
    left.amount > right.amount ? -1 : left.amount < right.amount ? 1 : left.slot - right.slot,
  );
}
