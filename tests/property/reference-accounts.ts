// What is done to budgets and their accounts in the reference model (rules L2, P5, G4). Part of reference-model.ts.

import type { Command } from '#bursar/core/requests.js';
import { type Expected, hasWildcards, keyOf, MAX, type ReferenceModel } from './reference-model.js';

export function runAccountCommand(
  model: ReferenceModel,
  command: Extract<Command, { budgetId: string }>,
): Expected {
  if (command.command === 'top_up' && command.amount <= 0n) return model.rejected('invalid_amount');
  const budget = model.budgets.find((one) => one.id === command.budgetId);
  if (budget === undefined) return model.rejected('budget_not_found');
  if (budget.standing.status === 'closed') return model.rejected('budget_closed');
  const window = model.windowFor(budget, model.time);
  const values = command.values === undefined ? {} : model.canonicalLabels(command.values);
  const isWhole = hasWildcards(budget) && command.values === undefined;
  const balance = isWhole ? undefined : window.balances.get(keyOf(values));
  const standing = isWhole ? budget.standing : model.account(budget, values);
  const lines = (requested = 0n) => (balance === undefined ? [] : [model.lineOf(balance, requested)]);
  switch (command.command) {
    case 'top_up': {
      if (balance === undefined) return model.rejected('balance_not_found');
      const granted = model.granted(balance);
      if (granted === null) return model.rejected('budget_metered');
      if (granted + command.amount > MAX) return model.rejected('amount_overflow');
      balance.topUps += command.amount;
      return model.done('balance_topped_up', lines(command.amount));
    }
    case 'set_budget_status': {
      if (standing.status === 'closed') return model.rejected('budget_closed');
      const resumes = standing.status === 'paused' && command.status === 'active';
      const granted = balance === undefined ? null : model.granted(balance);
      if (resumes && budget.spec.onExhausted === 'pause' && granted !== null && balance!.spent >= granted)
        return model.rejected('budget_used_up');
      const changes = standing.status !== command.status;
      standing.status = command.status;
      return model.done('budget_status_set', lines(), changes);
    }
    case 'exhaust_budget': {
      if (command.until !== undefined && command.until <= model.time)
        return model.rejected('until_not_later');
      // Until the window rolls, and not less than what was said before; a stated instant is taken as it is.
      standing.exhaustedUntil = command.until ?? Math.max(window.end ?? Infinity, standing.exhaustedUntil);
      return model.done('budget_exhausted', lines());
    }
    case 'set_balance_limit': {
      const limit = command.limit === 'default' ? budget.spec.limit : command.limit;
      if (balance !== undefined && (limit ?? 0n) + balance.topUps > MAX)
        return model.rejected('amount_overflow');
      const wanted = command.limit === 'default' ? undefined : command.limit;
      const changes = standing.limit !== wanted;
      standing.limit = wanted;
      if (balance !== undefined) balance.limit = limit;
      return model.done('balance_limit_set', lines(), changes);
    }
  }
}
