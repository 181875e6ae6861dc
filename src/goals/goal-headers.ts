// What the gateway's answers say of the goal that a call carried, so that an agent can plan: tokens used and left, and
// whether the goal goes on. Made of the figures of the very decision or settlement, without asking the ledger again.

import type { BudgetLine } from '../core/outcomes.js';
import { GOAL_TOKENS_BUDGET, leftOf, statusIn } from './goal-ledger.js';

/** Of the lines after a hold or a settlement; nothing for a call without a goal. `-left` only where there is a budget. */
export function goalHeaders(lines: readonly BudgetLine[]): Record<string, string> {
  const line = lines.find(({ budgetId }) => budgetId === GOAL_TOKENS_BUDGET);
  if (line === undefined) return {};
  const left = leftOf(line);
  const headers: Record<string, string> = {
    'bursar-goal-state': stateIn(line),
    'bursar-goal-tokens-used': line.spent.toString(),
  };
  if (left !== null) headers['bursar-goal-tokens-left'] = left.toString();
  return headers;
}

function stateIn(line: BudgetLine): 'active' | 'paused' | 'ended' {
  const status = statusIn(line);
  if (status === 'closed') return 'ended';
  // The settlement that used it up has paused it.
  const isUsedUp = line.granted !== null && line.spent >= line.granted;
  return status === 'paused' || isUsedUp ? 'paused' : 'active';
}
