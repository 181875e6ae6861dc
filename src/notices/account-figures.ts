// Figures that accounts have now, for thresholds that were passed without an event whose lines say so: before they were
// stated, or by a limit that was lowered. Read together with the journal's head. Called by the finder.

import type { Clock, Ledger } from '../authority/api.js';
import { eventId } from '../core/outcome-of.js';
import type { LedgerEvent } from '../core/outcomes.js';
import type { BudgetSpec, Labels } from '../core/requests.js';
import type { Figures, Moment } from './crossings.js';

export interface AccountParts {
  readonly ledger: Pick<Ledger, 'head' | 'balances' | 'check' | 'whenDurable'>;
  readonly clock: Clock;
  /** A budget's match, or undefined when there is none. */
  readonly matchOf: (budgetId: string) => Labels | undefined;
}

export interface AccountFigures {
  readonly moment: Moment;
  readonly figures: readonly Figures[];
}

/** Of every account of a budget, in the window in force. Takes as long as listing them. */
export function accountFigures(parts: AccountParts, budgetId: string): Promise<AccountFigures> {
  return read(parts, ({ ledger }) => ledger.balances({ budgetId, max: Number.POSITIVE_INFINITY }));
}

/** Of the accounts whose limit an event has changed, of those budgets that are asked for. */
export async function figuresAfter(
  parts: AccountParts,
  { type, details }: LedgerEvent,
  isWanted: (budgetId: string) => boolean,
): Promise<readonly AccountFigures[]> {
  if (details.changed === false) return [];
  if (type === 'definitions_put') {
    const budgets = (details.budgets ?? []) as readonly BudgetSpec[];
    const wanted = budgets.filter(({ id }) => isWanted(id));
    return Promise.all(wanted.map(({ id }) => accountFigures(parts, id)));
  }
  const { budgetId, values } = details as { readonly budgetId: string; readonly values?: Labels };
  if (type !== 'balance_limit_set' || !isWanted(budgetId)) return [];
  // Looked up by its labels: among a budget's many accounts, one is not searched for.
  const labels = { ...parts.matchOf(budgetId), ...values };
  return [
    await read(parts, ({ ledger }) =>
      ledger.check({ labels }).lines.filter((line) => line.budgetId === budgetId),
    ),
  ];
}

function read(
  parts: AccountParts,
  figures: (parts: AccountParts) => readonly Figures[],
): Promise<AccountFigures> {
  const { ledger, clock } = parts;
  return ledger.whenDurable(() => {
    const { sequence } = ledger.head();
    return {
      moment: { sequence, eventId: eventId(sequence), at: clock.now() },
      figures: figures(parts),
    };
  });
}
