// Holds, budgets, balances, events and proofs as the wire has them.

import { hasFigures, type VisibleBalance, type VisibleBudget, type VisibleHold } from '../access/visible.js';
import type { VisibleEvent, VisibleExplanation } from '../access/visible-events.js';
import type { Head, Certificate as LedgerCertificate } from '../core/outcomes.js';
import { amountOut, amountOutOrNull, amountsOut, type Scales } from '../kit/amounts.js';
import { instantOut, instantOutOrNull } from '../kit/instants.js';
import { budgetDefinedOut } from './budget-definitions.js';
import type { BalanceView, BudgetView } from './budgets-api.js';
import { detailsOut } from './details-out.js';
import type { Certificate, Explanation, LedgerEvent } from './evidence-api.js';
import type { HoldView } from './holds-api.js';
import { lineOut, linesOut, windowOut } from './outcomes-out.js';

export function holdOut(hold: VisibleHold, scales: Scales): HoldView {
  const { charged, ...rest } = hold;
  return {
    ...rest,
    held: amountsOut(hold.held, scales),
    authorized: amountsOut(hold.authorized, scales),
    ...(charged === undefined ? {} : { charged: amountsOut(charged, scales) }),
    openedAt: instantOut(hold.openedAt),
    expiresAt: instantOut(hold.expiresAt),
    endedAt: instantOutOrNull(hold.endedAt),
    balances: [...hold.balances],
  };
}

export function budgetOut(budget: VisibleBudget, scales: Scales): BudgetView {
  const { version, status, scope, forcedExhaustedUntil, currentWindow, balances } = budget;
  return {
    ...budgetDefinedOut(budget, scales),
    version,
    status,
    scope,
    forcedExhaustedUntil: instantOutOrNull(forcedExhaustedUntil),
    currentWindow: currentWindow === null ? null : windowOut(currentWindow),
    ...(balances === undefined ? {} : { balances }),
  };
}

export function balanceOut(balance: VisibleBalance, scales: Scales): BalanceView {
  const { unit, window } = balance;
  return {
    ...balance,
    values: { ...balance.values },
    window: windowOut(window),
    limit: amountOutOrNull(balance.limit, unit, scales),
    granted: amountOutOrNull(balance.granted, unit, scales),
    held: amountOut(balance.held, unit, scales),
    spent: amountOut(balance.spent, unit, scales),
    remaining: amountOutOrNull(balance.remaining, unit, scales),
  };
}

/** A balance's figures in one window, as the history has them. */
export type BalanceFigures = Pick<
  BalanceView,
  'id' | 'budgetId' | 'values' | 'unit' | 'window' | 'granted' | 'held' | 'spent' | 'remaining'
> & { readonly openHolds: number };

export function figuresOut(row: LedgerFigures, scales: Scales): BalanceFigures {
  const { id, budgetId, values, unit, granted, held, spent, remaining, openHolds } = row;
  return {
    id,
    budgetId,
    values: { ...values },
    unit,
    window: windowOut(row.window),
    granted: amountOutOrNull(granted, unit, scales),
    held: amountOut(held, unit, scales),
    spent: amountOut(spent, unit, scales),
    remaining: amountOutOrNull(remaining, unit, scales),
    openHolds,
  };
}

type LedgerFigures = Pick<
  VisibleBalance,
  'id' | 'budgetId' | 'values' | 'unit' | 'window' | 'granted' | 'held' | 'spent' | 'remaining' | 'openHolds'
>;

export function eventOut(event: VisibleEvent, scales: Scales): LedgerEvent {
  const unit = event.lines.length === 0 ? null : event.lines[0].unit;
  return {
    ...event,
    at: instantOut(event.at),
    lines: linesOut(event.lines, scales),
    details: detailsOut(event.details, unit, scales),
  };
}

export function explanationOut(explanation: VisibleExplanation, scales: Scales): Explanation {
  const { decisionId, sentence, event } = explanation;
  return {
    decisionId,
    sentence,
    event: eventOut(event, scales),
    lines: explanation.lines.map((explained) => {
      const line = lineOut(explained.line, scales);
      if (!('budget' in explained) || !hasFigures(explained.line)) return { line };
      const { budget, budgetVersion, holds, openHolds, addsUp } = explained;
      return {
        line,
        budget: budgetDefinedOut(budget, scales),
        budgetVersion,
        holds: holds.map(({ holdId, amount, labels, expiresAt }) => ({
          holdId,
          amount: amountOut(amount, budget.unit, scales),
          labels,
          expiresAt: instantOut(expiresAt),
        })),
        openHolds,
        addsUp,
      };
    }),
  };
}

export function certificateOut(certificate: LedgerCertificate, scales: Scales): Certificate {
  const { digest, status, failure, version, head, at, spentSinceLast } = certificate;
  return {
    digest,
    status,
    // By how much is in whole steps: the balance is named, not its unit.
    failure: failure === null ? null : (detailsOut({ ...failure }, null, scales) as Record<string, unknown>),
    version,
    head: headOut(head),
    at: instantOut(at),
    spentSinceLast: amountsOut(spentSinceLast, scales),
  };
}

export function headOut({ sequence, hash }: Head): Head {
  return { sequence, hash };
}
