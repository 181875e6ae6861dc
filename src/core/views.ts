// What a state shows: holds, balances, budgets and verdicts as values of the public types. Reads only.

import type { Budget } from './budgets.js';
import { balanceId, boundOf, Window } from './budgets.js';
import { judgeCandidate } from './decide-authorize.js';
import { HOLD_ENDINGS, HOLD_STATUSES, NO_EXTRAS, OPEN } from './holds.js';
import { labelsOf } from './labels.js';
import { budgetLine, identityOf, linesOf, worstVerdict } from './line-figures.js';
import { IS_FORCED, IS_METERED, LineSet } from './lines.js';
import type { BalanceView, BudgetLine, BudgetView, DenialReason, HoldView, Verdict } from './outcomes.js';
import type { State } from './state.js';
import type { Quantities } from './units.js';
import type { ZoneOffset } from './window.js';
import { windowAt } from './window.js';

export function holdView(state: State, slot: number): HoldView {
  const { holds, units, balances } = state;
  const set = holds.units[slot];
  const open = holds.status[slot] === OPEN;
  const authorized = set.units.map((_unit, place) => holds.authorized(slot, place));
  const figures = set.units.map((_unit, place) => holds.figure(slot, place));
  const posted: string[] = [];
  for (let line = 0; line < holds.postingCount[slot]; line += 1) {
    const balance = holds.posting(slot, line);
    const window = balances.windows[balance] as Window;
    posted.push(balanceId(window.budget.id, balances.values[balance], window.start));
  }
  return {
    holdId: holds.ids[slot],
    status: HOLD_STATUSES[holds.status[slot]],
    labels: labelsOf(holds.labels[slot]),
    held: units.amounts(set, open ? figures : figures.map(() => 0n)),
    authorized: units.amounts(set, authorized),
    ...(open ? {} : { charged: units.amounts(set, figures) }),
    late: holds.isLate(slot),
    openedAt: holds.openedAt[slot],
    expiresAt: holds.expiresAt[slot],
    endedAt: open ? null : holds.endedAt[slot],
    openedSequence: holds.openedSequence[slot],
    ending: HOLD_ENDINGS[holds.ending[slot]],
    authority: holds.extrasOf(slot).lease,
    balances: posted,
  };
}

export function balanceView(state: State, slot: number, at: number): BalanceView {
  const { balances } = state;
  const window = balances.windows[slot] as Window;
  const { budget } = window;
  const values = balances.values[slot];
  const current = window === budget.current && at < window.end;
  const metered = balances.isMetered(slot);
  const forced = current && !metered && budget.exhaustedUntilOf(values) > at;
  const flags = (metered ? IS_METERED : 0) | (forced ? IS_FORCED : 0);
  const figures = { granted: balances.granted[slot], held: balances.held[slot], spent: balances.spent[slot] };
  const line = budgetLine(identityOf(state, budget, window, values), flags, 0n, figures);
  return {
    id: balanceId(budget.id, values, window.start),
    budgetId: budget.id,
    values: line.values,
    unit: line.unit,
    window: line.window,
    current,
    limit: line.limit,
    granted: line.granted,
    held: line.held,
    spent: line.spent,
    remaining: metered ? null : balances.remaining[slot],
    ...(balances.isSaturated(slot) ? { saturated: true as const } : {}),
    openHolds: balances.openHolds[slot],
    status: budget.statusOf(values),
    forcedExhausted: forced,
    verdict: line.verdict,
  };
}

export function budgetView(budget: Budget, at: number): BudgetView {
  const { current, standing } = budget;
  const open = current !== null && at < current.end;
  return {
    ...budget.spec,
    version: budget.version,
    status: budget.wildcards.length === 0 ? budget.statusOf('') : standing.status,
    forcedExhaustedUntil: standing.exhaustedUntil > at ? standing.exhaustedUntil : null,
    currentWindow: open ? current.bounds : null,
    balances: current === null ? 0 : current.balanceCount,
  };
}

/** Rule P2: the worst of all matching balances; on a tie the one with the shorter window. Changes nothing (P3). */
export function checkView(
  state: State,
  request: { readonly labels: string; readonly amounts: Quantities | null },
  at: number,
  offsetOf: ZoneOffset,
): Verdict {
  const lines = new LineSet();
  const amounts = request.amounts ?? {
    set: state.units.set(allUnits(state)),
    steps: state.units.units.map(() => 0n),
  };
  const standIn = (budget: Budget) => {
    const { startMs, endMs } = windowAt(budget.window, at, offsetOf);
    return new Window(budget, startMs, endMs, state.options.seed, () => '');
  };
  const command = { extras: NO_EXTRAS, require: [] };
  const judgement = judgeCandidate(state, command, request.labels, amounts, at, lines, standIn);
  const shown = linesOf(state, lines);
  for (let line = 0; line < lines.count; line += 1) {
    if (lines.flags[line] & IS_FORCED)
      shown[line] = { ...shown[line], resetsAt: forcedReset(lines, line, shown[line]) };
  }
  const worst = worstVerdict(shown);
  let named = -1;
  for (let line = 0; line < lines.count; line += 1) {
    if (shown[line].verdict !== worst || worst === 'uncapped') continue;
    if (named === -1 || lines.budgets[line].windowRank < lines.budgets[named].windowRank) named = line;
  }
  const fits = judgement === 'fits';
  const isReason = !fits && judgement !== 'amount_overflow' && judgement !== 'too_many_budgets';
  const reason = isReason ? (judgement as DenialReason) : null;
  return { verdict: worst, worst: named === -1 ? null : shown[named], lines: shown, fits, reason };
}

// A budget that is forced exhausted resets when that ends; one that is used up as well, not before its window ends.
function forcedReset(lines: LineSet, line: number, { granted, spent }: BudgetLine): number | null {
  const until = lines.budgets[line].exhaustedUntilOf(lines.values[line]);
  const isUsedUp = granted !== null && spent >= granted;
  return boundOf(isUsedUp ? Math.max(until, lines.windows[line].end) : until);
}

// Without stated amounts nothing is missing: the question is how the budgets stand.
function allUnits(state: State): number {
  return 2 ** state.units.units.length - 1;
}
