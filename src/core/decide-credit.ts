// Decides what spend without a hold is booked to or taken back from: the balances of its instant. A credit is all or
// nothing: it takes from no balance more than that has spent, and nothing that is held or granted. Called by decide.ts.

import type { Window } from './budgets.js';
import { balanceId } from './budgets.js';
import type { CreditSpendCommand, RecordSpendCommand } from './commands.js';
import { LINES_MAX } from './decide-authorize.js';
import type { CommandRejected, SpendCredited, WindowsDue } from './effects.js';
import { rejected } from './effects.js';
import { IS_FORCED, IS_METERED, UNIT_MISSING } from './lines.js';
import { type MatchedBudget, slotOf } from './matcher.js';
import type { State } from './state.js';

interface MatchedAt {
  readonly instant: number;
  readonly entries: readonly MatchedBudget[];
}

/** The budgets that a record or a credit counts towards, their windows of its instant open. */
export function matchedAt(
  state: State,
  { labels, amounts, occurredAt }: RecordSpendCommand | CreditSpendCommand,
  at: number,
): MatchedAt | CommandRejected | WindowsDue {
  const instant = occurredAt ?? at;
  if (instant > at) return rejected('occurred_in_future', BigInt(instant), BigInt(at));
  const earliest = Math.max(state.horizon, at - state.retentionMs);
  if (instant < earliest) return rejected('occurred_too_early', instant, earliest);
  const negative = amounts.steps.find((steps) => steps < 0n);
  if (negative !== undefined) return rejected('invalid_amount', negative, 0);
  const { entries } = state.matcher.matched(labels);
  const lapsed = entries.filter((entry) => entry.budget.windowAt(instant) === undefined);
  if (lapsed.length > 0) {
    return { type: 'windows_due', budgetIds: lapsed.map((entry) => entry.budget.id), instant };
  }
  if (entries.length > LINES_MAX)
    return rejected('too_many_budgets', BigInt(entries.length), BigInt(LINES_MAX));
  return { instant, entries };
}

/** The balance of a matched budget at an instant; its slot is -1 where there is none. */
export function balanceAt(entry: MatchedBudget, instant: number): { window: Window; slot: number } {
  const window = entry.budget.windowAt(instant) as Window;
  return {
    window,
    slot: window === entry.budget.current ? slotOf(entry) : window.index.get(entry.values),
  };
}

export function decideCredit(
  state: State,
  command: CreditSpendCommand,
  at: number,
): SpendCredited | CommandRejected | WindowsDue {
  const { set, steps } = command.amounts;
  if (steps.every((amount) => amount === 0n)) return rejected('invalid_amount', 0, 1);
  const matched = matchedAt(state, command, at);
  if ('type' in matched) return matched;
  const { instant, entries } = matched;
  const { balances, lines, spentTotal } = state;
  for (const entry of entries) {
    const { budget, values } = entry;
    const { window, slot } = balanceAt(entry, instant);
    const place = set.placeOf[budget.unit];
    const amount = place < 0 ? 0n : steps[place];
    const spent = slot < 0 ? 0n : balances.spent[slot];
    if (amount > spent)
      return rejected(
        'credit_exceeds_spent',
        `${amount} of ${balanceId(budget.id, values, window.start)}`,
        spent,
      );
    const line = lines.add(budget, window, values, slot, amount);
    const isMetered = slot < 0 ? budget.limitOf(values) === null : balances.isMetered(slot);
    const isForced = !isMetered && at < window.end && budget.exhaustedUntilOf(values) > at;
    lines.flags[line] =
      (isMetered ? IS_METERED : 0) | (isForced ? IS_FORCED : 0) | (place < 0 ? UNIT_MISSING : 0);
  }
  // Spend that no budget counts is in the ledger's total alone.
  for (let place = 0; place < steps.length; place += 1) {
    const unit = set.units[place];
    if (steps[place] > spentTotal[unit])
      return rejected(
        'credit_exceeds_spent',
        `${steps[place]} of all ${state.units.name(unit)}`,
        spentTotal[unit],
      );
  }
  return { type: 'spend_credited', set, returned: steps };
}
