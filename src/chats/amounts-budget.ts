// Turns where no policy is active: the hold is the amounts that the caller states, or the one call where it states none.
// Settled at what the caller says that it cost; where it does not say, at what was held (rule Q9).

import type { Amounts } from '../core/amount.js';
import type { Usage } from '../core/requests.js';
import type { TurnUsage } from './turn.js';
import type { TurnBudget, TurnCharge, TurnHold, TurnToHold, TurnToSettle } from './turn-budget.js';

const ONE_CALL: Amounts = { calls: 1n };

export const AMOUNTS_BUDGET: TurnBudget = {
  hold({ holdId, labels, ttlMs, note, wish }: TurnToHold): TurnHold {
    const held = { ...ONE_CALL, ...wish.amounts };
    const request = {
      holdId,
      labels,
      amounts: held,
      ttlMs,
      overrun: 'record',
      // Where no Bursar runs to settle it as an orphan, its time ends it at the same charge.
      onExpiry: 'charge',
      note: JSON.stringify(note),
    } as const;
    return { request, terms: [{ held }] };
  },

  settle({ holdId, terms, end, usage, amounts, note }: TurnToSettle): TurnCharge {
    const isFree = end === 'failed_before';
    const estimated = amounts === null && !isFree;
    const charged: Record<string, bigint> = {};
    for (const unit of Object.keys(terms.held))
      charged[unit] = isFree ? 0n : (amounts?.[unit] ?? terms.held[unit]);
    const request = {
      holdId,
      amounts: charged,
      ...(usage === null ? {} : { usage: ledgerUsage(usage) }),
      outcome: OUTCOME_OF[end],
      note: JSON.stringify({ ...note, end, estimated }),
    };
    return { request, estimated };
  },
};

const OUTCOME_OF = {
  completed: 'completed',
  cancelled: 'cancelled',
  failed_before: 'failed',
  failed_at_provider: 'failed',
  orphaned: 'failed',
  unknown: 'unknown',
} as const;

/** As the ledger journals it: both kinds of tool calls in one figure. */
function ledgerUsage(usage: TurnUsage): Usage {
  const { webSearches = 0, codeInterpreterCalls = 0, ...tokens } = usage;
  const toolCalls = webSearches + codeInterpreterCalls;
  return toolCalls === 0 ? tokens : { ...tokens, toolCalls };
}
