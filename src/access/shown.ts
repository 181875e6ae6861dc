// The ledger's answers as a caller is shown them. Where the caller is a tenant, a budget that other tenants count
// towards too is named without its figures, and ids are the tenant's own. Made by tenant-views.ts; surfaces format them.

import type {
  Authorized,
  BalanceView,
  BudgetLine,
  BudgetView,
  Denied,
  Done,
  ExplainedLine,
  Explanation,
  HoldView,
  LedgerEvent,
  Rejected,
  Settled,
  SkippedCandidate,
  Verdict,
} from '../core/outcomes.js';

/** tenant: the figures are of one tenant's spend alone. platform: of all tenants' together. */
export type BudgetScope = 'tenant' | 'platform';

/** A line with its figures. */
export type OpenLine = BudgetLine & { readonly scope: BudgetScope };

/** A line of the platform's, as a tenant sees it: that it counts and whether it refused, not what others spent. */
export type WithheldLine = Pick<
  BudgetLine,
  'budgetId' | 'unit' | 'window' | 'resetsAt' | 'violated' | 'violations'
> & { readonly scope: 'platform' };

export type ShownLine = OpenLine | WithheldLine;

export function isOpen(line: ShownLine): line is OpenLine {
  return 'spent' in line;
}

type WithLines<T> = Omit<T, 'lines' | 'skipped'> & { readonly lines: readonly ShownLine[] };

export type ShownSkip = WithLines<SkippedCandidate>;
export type ShownAuthorized = WithLines<Authorized> & { readonly skipped: readonly ShownSkip[] };
export type ShownDenied = WithLines<Denied> & { readonly skipped: readonly ShownSkip[] };
export type ShownDone = WithLines<Done>;
export type ShownSettled = WithLines<Settled>;
export type ShownDecision = ShownAuthorized | ShownDenied | Rejected;
export type ShownOutcome = ShownDecision | ShownDone | ShownSettled;

/** What each of the ledger's answers becomes. */
export type Shown<O> = O extends Authorized
  ? ShownAuthorized
  : O extends Denied
    ? ShownDenied
    : O extends Settled
      ? ShownSettled
      : O extends Done
        ? ShownDone
        : O;

export type ShownVerdict = Omit<Verdict, 'lines' | 'worst'> & {
  readonly lines: readonly ShownLine[];
  readonly worst: ShownLine | null;
};

export type ShownHold = HoldView;
export type ShownBalance = BalanceView & { readonly scope: BudgetScope };

/** `balances` counts tenants where the budget is one for each, and is then the platform's to know. */
export type ShownBudget = Omit<BudgetView, 'balances'> & {
  readonly balances?: number;
  readonly scope: BudgetScope;
};

export type ShownEvent = WithLines<LedgerEvent>;

/** A line of the platform's is explained to a tenant by its name alone. */
export type ShownExplainedLine =
  | (Omit<ExplainedLine, 'line'> & { readonly line: OpenLine })
  | { readonly line: WithheldLine };

export type ShownExplanation = Omit<Explanation, 'event' | 'lines'> & {
  readonly event: ShownEvent;
  readonly lines: readonly ShownExplainedLine[];
};
