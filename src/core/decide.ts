// The first of the four verbs: what would a command do to this state at this time? Reads the state, fills its
// `lines`, and changes nothing else. The same state, command and time always give the same answer, so `verify` can
// prove a journal by deciding it again.

import { AMOUNT_MAX } from './amount.js';
import { usesUp } from './charge.js';
import type { CoreCommand, OpenWindow, RecordSpendCommand } from './commands.js';
import { decideAccount, decideDefinitions, decideRestore } from './decide-account.js';
import { decideAuthorize, judgeLine } from './decide-authorize.js';
import { balanceAt, decideCredit, matchedAt } from './decide-credit.js';
import { decideExpire, decideHold } from './decide-hold.js';
import type { Administration, CommandRejected, Effect, SpendRecorded, WindowsDue } from './effects.js';
import { rejected } from './effects.js';
import { IS_FORCED, IS_METERED, UNIT_MISSING } from './lines.js';
import { type State, saturates } from './state.js';

export function decide(state: State, command: CoreCommand, at: number): Effect | WindowsDue {
  if (at < state.time) throw new Error('bug: time in the ledger never runs backwards');
  state.lines.clear();
  switch (command.kind) {
    case 'authorize_hold':
      return decideAuthorize(state, command, at);
    case 'settle_hold':
    case 'extend_hold':
    case 'release_hold':
    case 'reverse_hold':
    case 'correct_hold':
      return decideHold(state, command, at);
    case 'expire_hold':
      return decideExpire(state, command, at);
    case 'record_spend':
      return decideRecord(state, command, at);
    case 'credit_spend':
      return decideCredit(state, command, at);
    case 'top_up':
    case 'set_budget_status':
    case 'exhaust_budget':
    case 'set_balance_limit':
      return decideAccount(state, command, at);
    case 'put_definitions':
      return decideDefinitions(state, command, at);
    case 'restore_snapshot':
      return decideRestore(state, command);
    case 'open_window':
      return decideWindow(state, command);
    case 'take_snapshot':
      return { type: 'snapshot_taken', changes: false, until: 0 };
    case 'open_ledger':
      return { type: 'ledger_opened', changes: false, until: 0 };
    case 'record_facts':
      return { type: 'facts_recorded', changes: false, until: 0 };
  }
}

/** Spend that happened is never denied; it is booked to the windows of the instant that it happened. */
function decideRecord(
  state: State,
  command: RecordSpendCommand,
  at: number,
): SpendRecorded | CommandRejected | WindowsDue {
  const { set, steps } = command.amounts;
  const matched = matchedAt(state, command, at);
  if ('type' in matched) return matched;
  const { instant, entries } = matched;
  const pausedLines: number[] = [];
  for (const entry of entries) {
    const { window, slot } = balanceAt(entry, instant);
    const place = set.placeOf[entry.budget.unit];
    const amount = place < 0 ? 0n : steps[place];
    const line = state.lines.add(entry.budget, window, entry.values, slot, amount);
    const used = slot < 0 ? 0n : state.balances.held[slot] + state.balances.spent[slot];
    if (amount > AMOUNT_MAX - used && !(slot >= 0 && saturates(state, entry.budget, slot)))
      return rejected('amount_overflow', amount);
    // A line whose sum overflows can only be a metered balance that has stopped at the largest figure.
    if (!judgeLine(state, state.lines, line, at)) state.lines.flags[line] = IS_METERED;
    // Spend that happened breaks no cap, so the line keeps only the flags that describe its balance.
    state.lines.flags[line] &= at < window.end ? IS_METERED | IS_FORCED : IS_METERED;
    if (place < 0) state.lines.flags[line] |= UNIT_MISSING;
    else if (entry.budget.pausesWhenUsedUp && usesUp(state, line, amount, at)) pausedLines.push(line);
  }
  return { type: 'spend_recorded', amounts: command.amounts, pausedLines };
}

function decideWindow(state: State, command: OpenWindow): Administration {
  const budget = state.budgetById.get(command.budgetId);
  if (budget === undefined) throw new Error('bug: a window is opened for a budget that exists');
  const overlaps = budget.windows.some(
    (window) =>
      window.start < command.end &&
      command.start < window.end &&
      (window.start !== command.start || window.end !== command.end),
  );
  if (overlaps || command.start >= command.end) throw new Error('bug: windows of a budget do not overlap');
  return { type: 'window_opened', changes: false, until: 0 };
}
