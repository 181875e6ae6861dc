// A call that no provider takes (rule P10): every candidate of its route is exhausted, throttled, paused or closed. The
// ledger is asked all the same, with a cap of no calls that the request itself brings: so the refusal is a decision,
// journalled with the budgets of every candidate and the reasons of the route, and no race lets the call out. calls.ts.

import { providerCapOf } from '../../budgets/providers.js';
import type { BudgetLine, Denied } from '../../core/outcomes.js';
import type { GrantCaps } from '../../core/requests.js';
import { GRANT_BUDGET_PREFIX } from '../../core/state.js';

/** What a request brings that must not go out; shows as a line of its own in the decision. */
export const NO_CALLS: readonly GrantCaps[] = [
  { capability: 'route', grant: 'no_provider', unit: 'calls', maxCalls: 0 },
];

/** The decision behind the refusal. */
export interface NoProvider {
  readonly decisionId: string;
  /** The budgets that the (last) candidate counts towards, without the cap that the request brought. */
  readonly lines: readonly BudgetLine[];
  /** The provider's budget that is out, of several the one that resets first; null where none has a budget. */
  readonly line: BudgetLine | null;
  /** When the first provider takes calls again, epoch ms; null when none does by itself. */
  readonly resetsAt: number | null;
}

export function noProvider(denied: Denied, resetsAt: number | null): NoProvider {
  let line: BudgetLine | null = null;
  for (const { lines } of [...denied.skipped, denied]) {
    for (const one of lines) {
      // A call that costs nothing fits a budget that is used up.
      const refuses = one.violated !== null || one.verdict === 'exhausted';
      if (!refuses || providerCapOf(one.budgetId) === null) continue;
      if (line === null || (one.resetsAt ?? 0) < (line.resetsAt ?? 0)) line = one;
    }
  }
  const lines = denied.lines.filter(({ budgetId }) => !budgetId.startsWith(GRANT_BUDGET_PREFIX));
  return { decisionId: denied.decisionId, lines, line, resetsAt };
}
