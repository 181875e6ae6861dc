// What a caller sees of lines, outcomes, verdicts, holds, balances and budgets. The platform sees everything. A tenant sees
// what is its own, under its own ids. Of a budget that other tenants count towards too, it sees the name and not the
// figures. Called by tenancy.ts; surfaces format the results.

import type {
  Authorized,
  BalanceView,
  BudgetLine,
  BudgetView,
  CommandOutcome,
  Denied,
  Done,
  HoldView,
  Settled,
  SkippedCandidate,
  Verdict,
  VerdictLevel,
} from '../core/outcomes.js';
import { VERDICTS } from '../core/outcomes.js';
import type { Labels } from '../core/requests.js';
import type { Caller } from '../kit/caller.js';
import type { BudgetTenants } from './budget-tenants.js';
import { carriesOwn } from './labels.js';
import { tenantPrefix, visibleId } from './tenant-ids.js';

/** tenant: the figures are of one tenant's spend alone. platform: of all tenants' together. */
export type FiguresOf = 'tenant' | 'platform';

/** A line of a decision with its figures. */
export type FullLine = BudgetLine & { readonly scope: FiguresOf };

/** A line of a platform's budget as a tenant sees it: that the budget counts the call and whether it refused it. */
export type BareLine = Pick<
  BudgetLine,
  'budgetId' | 'unit' | 'window' | 'resetsAt' | 'violated' | 'violations'
> & { readonly scope: 'platform' };

export type VisibleLine = FullLine | BareLine;

export function hasFigures(line: VisibleLine): line is FullLine {
  return 'spent' in line;
}

/** The same record, with the lines that the caller may see in place of the ledger's. */
export type WithVisibleLines<T> = Omit<T, 'lines' | 'skipped'> & { readonly lines: readonly VisibleLine[] };

export type VisibleSkip = WithVisibleLines<SkippedCandidate>;
export type VisibleAuthorized = WithVisibleLines<Authorized> & { readonly skipped: readonly VisibleSkip[] };
export type VisibleDenied = WithVisibleLines<Denied> & { readonly skipped: readonly VisibleSkip[] };
export type VisibleDone = WithVisibleLines<Done>;
export type VisibleSettled = WithVisibleLines<Settled>;

/** What the caller sees of an outcome of type `O`. */
export type Visible<O> = O extends Authorized
  ? VisibleAuthorized
  : O extends Denied
    ? VisibleDenied
    : O extends Settled
      ? VisibleSettled
      : O extends Done
        ? VisibleDone
        : O;

export type VisibleVerdict = Omit<Verdict, 'lines' | 'worst'> & {
  readonly lines: readonly VisibleLine[];
  readonly worst: VisibleLine | null;
};

export type VisibleHold = HoldView;
export type VisibleBalance = BalanceView & { readonly scope: FiguresOf };

/** `balances` is left out where each tenant has one, because it would tell how many tenants there are. */
export type VisibleBudget = Omit<BudgetView, 'balances'> & {
  readonly balances?: number;
  readonly scope: FiguresOf;
};

export function visibleLines(
  caller: Caller,
  lines: readonly BudgetLine[],
  budgets: BudgetTenants,
): readonly VisibleLine[] {
  return lines.map((line) => visibleLine(caller, line, budgets));
}

export function visibleLine(caller: Caller, line: BudgetLine, budgets: BudgetTenants): VisibleLine {
  const tenant = budgets.tenantOf(line);
  if (caller.tenant === null)
    return fullLine(line, line.budgetId, line.values, tenant === null ? 'platform' : 'tenant');
  const budgetId = visibleId(caller, line.budgetId);
  if (tenant === caller.tenant) return fullLine(line, budgetId, visibleValues(caller, line.values), 'tenant');
  const { unit, window, resetsAt, violated, violations } = line;
  return { budgetId, unit, window, resetsAt, violated, violations, scope: 'platform' };
}

// Field by field: a copy by spreading costs several times as much, and every answer has some lines.
function fullLine(line: BudgetLine, budgetId: string, values: Labels, scope: FiguresOf): FullLine {
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

/** In the ledger, the capability among a grant's values begins with the tenant's prefix. */
function visibleValues(caller: Caller, values: Labels): Labels {
  if (!Object.hasOwn(values, 'capability')) return values;
  return { ...values, capability: visibleId(caller, values.capability) };
}

export function visibleOutcome<O extends CommandOutcome>(
  caller: Caller,
  outcome: O,
  budgets: BudgetTenants,
): Visible<O>;
export function visibleOutcome(
  caller: Caller,
  outcome: CommandOutcome,
  budgets: BudgetTenants,
): Visible<CommandOutcome> {
  switch (outcome.outcome) {
    case 'authorized':
    case 'denied': {
      const lines = visibleLines(caller, outcome.lines, budgets);
      return {
        ...outcome,
        holdId: visibleId(caller, outcome.holdId),
        lines,
        skipped: outcome.skipped.map((skip) => ({
          ...skip,
          lines: visibleLines(caller, skip.lines, budgets),
        })),
        verdict: visibleLevel(caller, outcome, lines),
      };
    }
    case 'settled': {
      const lines = visibleLines(caller, outcome.lines, budgets);
      return {
        ...outcome,
        holdId: outcome.holdId === null ? null : visibleId(caller, outcome.holdId),
        lines,
        verdict: visibleLevel(caller, outcome, lines),
        paused: outcome.paused.map((id) => visibleId(caller, id)),
      };
    }
    case 'done':
      return {
        ...outcome,
        holdId: outcome.holdId === null ? null : visibleId(caller, outcome.holdId),
        lines: visibleLines(caller, outcome.lines, budgets),
      };
    case 'rejected':
      return { ...outcome, message: withoutPrefix(caller, outcome.message) };
  }
}

/** A sentence of the ledger's, with the caller's own ids in place of the ledger's. */
export function withoutPrefix(caller: Caller, text: string): string {
  return caller.tenant === null ? text : text.replaceAll(tenantPrefix(caller.tenant), '');
}

/**
 * The verdict over the lines with figures. Of a budget without figures only exhaustion counts: `near` would tell a tenant
 * how much others spend.
 */
function visibleLevel(
  caller: Caller,
  { verdict, lines }: { readonly verdict: VerdictLevel; readonly lines: readonly BudgetLine[] },
  seen: readonly VisibleLine[],
): VerdictLevel {
  if (caller.tenant === null || verdict === 'exhausted') return verdict;
  let worst = 0;
  for (let index = 0; index < lines.length; index += 1) {
    if (hasFigures(seen[index])) worst = Math.max(worst, VERDICTS.indexOf(lines[index].verdict));
  }
  return VERDICTS[worst];
}

export function visibleVerdict(caller: Caller, verdict: Verdict, budgets: BudgetTenants): VisibleVerdict {
  const lines = visibleLines(caller, verdict.lines, budgets);
  const level = visibleLevel(caller, verdict, lines);
  const worstAt = verdict.worst === null ? -1 : verdict.lines.indexOf(verdict.worst);
  const worst = worstAt === -1 ? null : lines[worstAt];
  // Where the caller may not learn the ledger's verdict, the worst line is another one.
  return {
    ...verdict,
    verdict: level,
    lines,
    worst: level === verdict.verdict ? worst : firstOf(lines, level),
  };
}

function firstOf(lines: readonly VisibleLine[], level: VerdictLevel): VisibleLine | null {
  if (level === 'uncapped') return null;
  return lines.find((line) => hasFigures(line) && line.verdict === level) ?? null;
}

/** Null where the caller may not see it. */
export function visibleHold(caller: Caller, hold: HoldView): VisibleHold | null {
  if (!carriesOwn(caller, hold.labels)) return null;
  if (caller.tenant === null) return hold;
  return {
    ...hold,
    holdId: visibleId(caller, hold.holdId),
    balances: hold.balances.map((id) => withoutPrefix(caller, id)),
  };
}

/** Null where the caller may not see it. */
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
    values: visibleValues(caller, balance.values),
    scope: 'tenant',
  };
}

/** Null where the caller may not see it. */
export function visibleBudget(
  caller: Caller,
  budget: BudgetView,
  budgets: BudgetTenants,
): VisibleBudget | null {
  const { match } = budget;
  const matched = Object.hasOwn(match, 'tenant') ? match.tenant : null;
  if (caller.tenant === null) return { ...budget, scope: matched === null ? 'platform' : 'tenant' };
  if (!budgets.appliesTo(budget.id, caller.tenant)) return null;
  const { balances, ...rest } = budget;
  return {
    ...rest,
    id: visibleId(caller, budget.id),
    ...(matched === '*' ? {} : { balances }),
    scope: 'tenant',
  };
}
