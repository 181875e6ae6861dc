// Turns where no policy is active: the hold is the amounts that the caller states, or the one call where it states none.
// Settled at what the caller says that it cost; where it does not say, at what was held (rule Q9).

import type { Amounts } from '../core/amount.js';
import type { Settlement } from '../core/outcomes.js';
import type { Usage } from '../core/requests.js';
import type { TurnUsage } from './turn.js';
import type { HeldTurn, TurnBudget, TurnToHold, TurnToSettle } from './turn-budget.js';
import type { TurnLedger } from './turn-parts.js';

const ONE_CALL: Amounts = { calls: 1n };

export class AmountsBudget implements TurnBudget {
  constructor(private readonly ledger: Pick<TurnLedger, 'authorize' | 'settle'>) {}

  async hold({ holdId, labels, ttlMs, note, wish }: TurnToHold): Promise<HeldTurn> {
    const held = { ...ONE_CALL, ...wish.amounts };
    const decision = await this.ledger.authorize({
      holdId,
      labels,
      amounts: held,
      ttlMs,
      overrun: 'record',
      // Where no Bursar runs to settle it as an orphan, its time ends it at the same charge.
      onExpiry: 'charge',
      note: JSON.stringify(note),
    });
    if (decision.outcome !== 'authorized') return { decision };
    return { decision, terms: { decisionId: decision.decisionId, held } };
  }

  settle({ holdId, commandId, terms, end, usage, amounts, note }: TurnToSettle): Promise<Settlement> {
    const charged: Record<string, bigint> = {};
    for (const unit of Object.keys(terms.held))
      charged[unit] = end === 'failed_before' ? 0n : (amounts?.[unit] ?? terms.held[unit]);
    return this.ledger.settle({
      holdId,
      commandId,
      amounts: { ...charged, ...(end === 'failed_before' ? {} : amounts) },
      ...(usage === null ? {} : { usage: ledgerUsage(usage) }),
      outcome: OUTCOME_OF[end],
      note: JSON.stringify({ ...note, end, estimated: amounts === null && end !== 'failed_before' }),
    });
  }
}

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
