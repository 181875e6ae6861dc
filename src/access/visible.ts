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

export type VisibleLine = OpenLine | WithheldLine;

export function isOpen(line: VisibleLine): line is OpenLine {
  return 'spent' in line;
}

type WithLines<T> = Omit<T, 'lines' | 'skipped'> & { readonly lines: readonly VisibleLine[] };

export type VisibleSkip = WithLines<SkippedCandidate>;
export type VisibleAuthorized = WithLines<Authorized> & { readonly skipped: readonly VisibleSkip[] };
export type VisibleDenied = WithLines<Denied> & { readonly skipped: readonly VisibleSkip[] };
export type VisibleDone = WithLines<Done>;
export type VisibleSettled = WithLines<Settled>;
export type VisibleDecision = VisibleAuthorized | VisibleDenied | Rejected;
export type VisibleOutcome = VisibleDecision | VisibleDone | VisibleSettled;

/** What each of the ledger's answers becomes. */
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
export type VisibleBalance = BalanceView & { readonly scope: BudgetScope };

/** `balances` counts tenants where the budget is one for each, and is then the platform's to know. */
export type VisibleBudget = Omit<BudgetView, 'balances'> & {
  readonly balances?: number;
  readonly scope: BudgetScope;
};

/** Who asked is the platform's to know. */
export type VisibleEvent = Omit<WithLines<LedgerEvent>, 'actor'> & Partial<Pick<LedgerEvent, 'actor'>>;

/** A line of the platform's is explained to a tenant by its name alone. */
export type VisibleExplainedLine =
  | (Omit<ExplainedLine, 'line'> & { readonly line: OpenLine })
  | { readonly line: WithheldLine };

export type VisibleExplanation = Omit<Explanation, 'event' | 'lines'> & {
  readonly event: VisibleEvent;
  readonly lines: readonly VisibleExplainedLine[];
};
