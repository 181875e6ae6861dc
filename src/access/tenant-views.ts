// What a caller sees of lines, outcomes, holds, balances and budgets. The platform sees all; a tenant sees what is its
// own, with its own ids, and of the platform's budgets that they count, not their figures. Called by tenancy.ts.

import type {
  BalanceView,
  BudgetLine,
  BudgetView,
  CommandOutcome,
  HoldView,
  SkippedCandidate,
  Verdict,
  VerdictLevel,
} from '../core/outcomes.js';
import { VERDICTS } from '../core/outcomes.js';
import type { Labels } from '../core/requests.js';
import type { Caller } from '../kit/caller.js';
import type { BudgetTenants } from './budget-tenants.js';
import { carriesOwn } from './own-labels.js';
import { tenantPrefix, visibleId } from './tenant-ids.js';
import {
  type BudgetScope,
  isOpen,
  type OpenLine,
  type Visible,
  type VisibleBalance,
  type VisibleBudget,
  type VisibleHold,
  type VisibleLine,
  type VisibleSkip,
  type VisibleVerdict,
} from './visible.js';

export function linesFor(
  caller: Caller,
  lines: readonly BudgetLine[],
  budgets: BudgetTenants,
): readonly VisibleLine[] {
  return lines.map((line) => lineFor(caller, line, budgets));
}

export function lineFor(caller: Caller, line: BudgetLine, budgets: BudgetTenants): VisibleLine {
  const tenant = budgets.tenantOf(line);
  if (caller.tenant === null)
    return openLine(line, line.budgetId, line.values, tenant === null ? 'platform' : 'tenant');
  const budgetId = visibleId(caller, line.budgetId);
  if (tenant === caller.tenant) return openLine(line, budgetId, valuesFor(caller, line.values), 'tenant');
  const { unit, window, resetsAt, violated, violations } = line;
  return { budgetId, unit, window, resetsAt, violated, violations, scope: 'platform' };
}

// Field by field: a copy by spreading costs several times as much, and every answer has some lines.
function openLine(line: BudgetLine, budgetId: string, values: Labels, scope: BudgetScope): OpenLine {
  return {
    budgetId,
    budgetVersion: line.budgetVersion,
    values,
    unit: line.unit,
    window: line.window,
    limit: line.limit,
    granted: line.granted,
    spent: line.spent,
    held: line.held,
    remaining: line.remaining,
    requested: line.requested,
    violated: line.violated,
    violations: line.violations,
    resetsAt: line.resetsAt,
    verdict: line.verdict,
    scope,
  };
}

/** Values of a grant's figures name its capability as the ledger keeps it. */
function valuesFor(caller: Caller, values: Labels): Labels {
  if (!Object.hasOwn(values, 'capability')) return values;
  return { ...values, capability: visibleId(caller, values.capability) };
}

export function outcomeFor<O extends CommandOutcome>(
  caller: Caller,
  outcome: O,
  budgets: BudgetTenants,
): Visible<O>;
export function outcomeFor(
  caller: Caller,
  outcome: CommandOutcome,
  budgets: BudgetTenants,
): Visible<CommandOutcome> {
  switch (outcome.outcome) {
    case 'authorized':
    case 'denied': {
      const lines = linesFor(caller, outcome.lines, budgets);
      return {
        ...outcome,
        holdId: visibleId(caller, outcome.holdId),
        lines,
        skipped: outcome.skipped.map((skip) => skipFor(caller, skip, budgets)),
        verdict: verdictOf(caller, outcome.verdict, lines, outcome.lines),
      };
    }
    case 'settled': {
      const lines = linesFor(caller, outcome.lines, budgets);
      return {
        ...outcome,
        holdId: outcome.holdId === null ? null : visibleId(caller, outcome.holdId),
        lines,
        verdict: verdictOf(caller, outcome.verdict, lines, outcome.lines),
        paused: outcome.paused.map((id) => visibleId(caller, id)),
      };
    }
    case 'done':
      return {
        ...outcome,
        holdId: outcome.holdId === null ? null : visibleId(caller, outcome.holdId),
        lines: linesFor(caller, outcome.lines, budgets),
      };
    case 'rejected':
      return { ...outcome, message: withoutPrefix(caller, outcome.message) };
  }
}

function skipFor(caller: Caller, skip: SkippedCandidate, budgets: BudgetTenants): VisibleSkip {
  return { ...skip, lines: linesFor(caller, skip.lines, budgets) };
}

/** A text of the ledger's own, without the tenant's prefix wherever an id stands in it. */
export function withoutPrefix(caller: Caller, text: string): string {
  return caller.tenant === null ? text : text.replaceAll(tenantPrefix(caller.tenant), '');
}

/**
 * The verdict over what the caller sees. Of a budget whose figures are withheld only exhaustion counts: `near` would
 * tell what other tenants spend.
 */
function verdictOf(
  caller: Caller,
  verdict: VerdictLevel,
  shown: readonly VisibleLine[],
  lines: readonly BudgetLine[],
): VerdictLevel {
  if (caller.tenant === null || verdict === 'exhausted') return verdict;
  let worst = 0;
  for (let index = 0; index < lines.length; index += 1) {
    if (isOpen(shown[index])) worst = Math.max(worst, VERDICTS.indexOf(lines[index].verdict));
  }
  return VERDICTS[worst];
}

export function verdictFor(caller: Caller, verdict: Verdict, budgets: BudgetTenants): VisibleVerdict {
  const lines = linesFor(caller, verdict.lines, budgets);
  const level = verdictOf(caller, verdict.verdict, lines, verdict.lines);
  const named = verdict.worst === null ? -1 : verdict.lines.indexOf(verdict.worst);
  const worst = named === -1 ? null : lines[named];
  // The worst line is another when the verdict of the worst one may not be told.
  const shown = level === verdict.verdict ? worst : firstOf(lines, level);
  return { ...verdict, verdict: level, lines, worst: shown };
}

function firstOf(lines: readonly VisibleLine[], level: VerdictLevel): VisibleLine | null {
  if (level === 'uncapped') return null;
  return lines.find((line) => isOpen(line) && line.verdict === level) ?? null;
}

export function visibleHold(caller: Caller, hold: HoldView): VisibleHold | null {
  if (!carriesOwn(caller, hold.labels)) return null;
  if (caller.tenant === null) return hold;
  return {
    ...hold,
    holdId: visibleId(caller, hold.holdId),
    balances: hold.balances.map((id) => withoutPrefix(caller, id)),
  };
}

export function visibleBalance(
  caller: Caller,
  balance: BalanceView,
  budgets: BudgetTenants,
): VisibleBalance | null {
  const tenant = budgets.tenantOf(balance);
  if (caller.tenant === null) return { ...balance, scope: tenant === null ? 'platform' : 'tenant' };
  if (tenant !== caller.tenant) return null;
  return {
    ...balance,
    id: withoutPrefix(caller, balance.id),
    budgetId: visibleId(caller, balance.budgetId),
    values: valuesFor(caller, balance.values),
    scope: 'tenant',
  };
}

export function visibleBudget(
  caller: Caller,
  budget: BudgetView,
  budgets: BudgetTenants,
): VisibleBudget | null {
  const { match } = budget;
  const matched = Object.hasOwn(match, 'tenant') ? match.tenant : null;
  if (caller.tenant === null) return { ...budget, scope: matched === null ? 'platform' : 'tenant' };
  if (!budgets.appliesTo(budget.id, caller.tenant)) return null;
  const { balances, ...shown } = budget;
  return {
    ...shown,
    id: visibleId(caller, budget.id),
    ...(matched === '*' ? {} : { balances }),
    scope: 'tenant',
  };
}
