// What a budget line says, from what identifies its balance and from its figures. Live answers, journal records and
// replays all build their lines here, so that the first answer and its replay are the same.

import type { Budget, Window } from './budgets.js';
import { valuesOf } from './budgets.js';
import type { Figures, LineSet } from './lines.js';
import { ALL_VIOLATIONS, IS_FORCED, IS_METERED, LIMIT_STATED, VIOLATIONS } from './lines.js';
import type { BudgetLine, VerdictLevel, Violation, WindowBounds } from './outcomes.js';
import { VERDICTS } from './outcomes.js';
import type { Labels } from './requests.js';
import type { State } from './state.js';

/** A balance as lines name it, and what its budget says of its limit. */
export interface LineIdentity {
  readonly budgetId: string;
  readonly budgetVersion: number;
  readonly values: Labels;
  readonly unit: string;
  readonly window: WindowBounds;
  readonly limit: bigint | null;
  readonly warnAtPercent: number;
}

const NO_VIOLATIONS: readonly Violation[] = [];

export function identityOf(state: State, budget: Budget, window: Window, values: string): LineIdentity {
  return {
    budgetId: budget.id,
    budgetVersion: budget.version,
    values: valuesOf(budget, values),
    unit: state.units.name(budget.unit),
    window: window.bounds,
    limit: budget.limitOf(values),
    warnAtPercent: budget.warnAtPercent,
  };
}

/** The figures behind a line now; those of a balance that does not exist are what it would open with. */
export function figuresOf(state: State, lines: LineSet, line: number): Figures {
  if (lines.judged !== null) return lines.judged[line];
  const slot = lines.slots[line];
  const { balances } = state;
  if (lines.flags[line] & LIMIT_STATED) {
    const granted = lines.stated[line];
    return slot < 0
      ? { granted, held: 0n, spent: 0n }
      : { granted, held: balances.held[slot], spent: balances.spent[slot] };
  }
  if (slot < 0)
    return { granted: lines.budgets[line].limitOf(lines.values[line]) ?? 0n, held: 0n, spent: 0n };
  return { granted: balances.granted[slot], held: balances.held[slot], spent: balances.spent[slot] };
}

export function budgetLine(
  identity: LineIdentity,
  flags: number,
  requested: bigint,
  figures: Figures,
): BudgetLine {
  const metered = (flags & IS_METERED) !== 0;
  const { granted, held, spent } = figures;
  const violations = flags & ALL_VIOLATIONS ? violationsOf(flags) : NO_VIOLATIONS;
  return {
    budgetId: identity.budgetId,
    budgetVersion: identity.budgetVersion,
    values: identity.values,
    unit: identity.unit,
    window: identity.window,
    limit: flags & LIMIT_STATED ? granted : identity.limit,
    granted: metered ? null : granted,
    spent,
    held,
    remaining: metered ? null : BigInt.asIntN(64, granted - BigInt.asIntN(64, held + spent)),
    requested,
    violated: violations.length > 0 ? violations[0] : null,
    violations,
    resetsAt: identity.window.end,
    verdict: verdictOf(metered, (flags & IS_FORCED) !== 0, figures, identity.warnAtPercent),
  };
}

function violationsOf(flags: number): readonly Violation[] {
  return VIOLATIONS.filter((_violation, bit) => (flags & (1 << bit)) !== 0);
}

/** Rule P2. What is held does not count: a budget that is briefly held is not one that is used up. */
function verdictOf(metered: boolean, forced: boolean, figures: Figures, warnAtPercent: number): VerdictLevel {
  if (metered) return 'uncapped';
  const { granted, spent } = figures;
  const left = BigInt.asIntN(64, granted - spent);
  if (forced || left <= 0n) return 'exhausted';
  // Most budgets are less than half used: that needs no multiplication.
  if (warnAtPercent >= 50 && spent < left) return 'within';
  return spent * 100n >= granted * BigInt(warnAtPercent) ? 'near' : 'within';
}

/** The lines of the decision just taken, as the reply shows them. */
export function linesOf(state: State, lines: LineSet): BudgetLine[] {
  const shown = new Array<BudgetLine>(lines.count);
  for (let line = 0; line < lines.count; line += 1) {
    const identity = identityOf(state, lines.budgets[line], lines.windows[line], lines.values[line]);
    shown[line] = budgetLine(
      identity,
      lines.flags[line],
      lines.requested[line],
      figuresOf(state, lines, line),
    );
  }
  return shown;
}

/** The worst verdict of a set of lines. */
export function worstVerdict(lines: readonly BudgetLine[]): VerdictLevel {
  let worst = 0;
  for (const line of lines) worst = Math.max(worst, VERDICTS.indexOf(line.verdict));
  return VERDICTS[worst];
}
