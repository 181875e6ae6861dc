// What a stretch of the journal changes in the history: rows of holds and of balances as the replayed state shows them after
// each record. Figures are the ledger's own, whatever the command was. Called by history.ts.

import { applyRecord } from '../authority/recovery.js';
import type { Amounts } from '../core/amount.js';
import type { Budget, Window } from '../core/budgets.js';
import { accountOf } from '../core/decide-account.js';
import type { Effect } from '../core/effects.js';
import { HOLD_ENDINGS } from '../core/holds.js';
import type { HoldView } from '../core/outcomes.js';
import type { State } from '../core/state.js';
import { balanceView, holdView } from '../core/views.js';
import type { BatchReader } from '../journal/batch-reader.js';
import type { HistoryBalance } from './history-file.js';

/** The unit that a release leaves charged (rule H5). */
const CALLS = 'calls';

export class ChangedRows {
  // By hold and by balance: a later change of the same row replaces the earlier one.
  readonly #holds = new Map<number, HoldView>();
  readonly #balances = new Map<string, HistoryBalance>();
  readonly #changedSlots = new Set<number>();

  constructor(private readonly state: State) {}

  holds(): Iterable<HoldView> {
    return this.#holds.values();
  }

  /** As they stand after the last record that was taken. */
  balances(): Iterable<HistoryBalance> {
    this.#noteBalances();
    return this.#balances.values();
  }

  /** Applies the record to the state, and notes which rows it changes. */
  take(record: BatchReader): void {
    const { state } = this;
    const { command, effect } = record;
    // Opening a window takes older windows out of memory, so their last figures are noted before.
    if (command.kind === 'open_window') this.#noteBalances();
    const hold = 'slot' in effect ? effect.slot : -1;
    const before = hold === -1 || effect.type === 'hold_authorized' ? null : holdView(state, hold);
    applyRecord(state, record);
    if (hold !== -1) this.#noteHold(hold, { before, effect, at: record.at });
    if (!record.changed && command.kind !== 'open_window') return;
    for (const slot of changedBalances(state, record)) this.#changedSlots.add(slot);
  }

  #noteHold(slot: number, by: { before: HoldView | null; effect: Effect; at: number }): void {
    const { state } = this;
    const { before, effect, at } = by;
    const left = before !== null && state.holds.isFree(slot);
    const view = left ? endedView(state, before, effect, at) : holdView(state, slot);
    this.#holds.set(view.openedSequence, view);
  }

  #noteBalances(): void {
    const { state } = this;
    for (const slot of this.#changedSlots) {
      const view = balanceView(state, slot, state.time);
      this.#balances.set(view.id, view);
    }
    this.#changedSlots.clear();
  }
}

/** Slots of the balances whose figures the record changed, or which it opened: those of its lines and those of definitions. */
function* changedBalances(state: State, record: BatchReader): Generator<number> {
  const { command } = record;
  for (let line = 0; line < record.lines.count; line += 1) {
    if (state.lines.slots[line] !== -1) yield state.lines.slots[line];
  }
  switch (command.kind) {
    case 'open_window': {
      const budget = state.budgetById.get(command.budgetId) as Budget;
      yield* balancesOf(
        state,
        budget.windows.find((window) => window.start === command.start),
      );
      return;
    }
    case 'put_definitions':
      for (const { id } of command.budgets)
        yield* balancesOf(state, state.budgetById.get(id)?.current ?? undefined);
      return;
    case 'set_balance_limit': {
      const budget = state.budgetById.get(command.budgetId) as Budget;
      const slot = budget.current?.index.get(accountOf(state, budget, command) as string) ?? -1;
      if (slot !== -1) yield slot;
      return;
    }
    case 'restore_snapshot':
      for (const budget of state.budgets)
        for (const window of budget.windows) yield* balancesOf(state, window);
  }
}

function* balancesOf(state: State, window: Window | undefined): Generator<number> {
  for (let slot = window?.firstBalance ?? -1; slot !== -1; slot = state.balances.next[slot]) yield slot;
}

/** A hold that left memory with the record that ended or changed it: what the state would have shown. */
function endedView(state: State, before: HoldView, effect: Effect, at: number): HoldView {
  const none = Object.fromEntries(Object.keys(before.held).map((unit) => [unit, 0n]));
  const ended = { ...before, held: none, endedAt: before.endedAt ?? at };
  switch (effect.type) {
    case 'hold_settled': {
      const charged = state.units.amounts(effect.set, effect.charged);
      const late = before.late || before.status === 'expired';
      return { ...ended, status: 'settled', charged, late, ending: HOLD_ENDINGS[effect.ending] };
    }
    case 'hold_expired':
      return { ...ended, status: 'expired', charged: state.units.amounts(effect.set, effect.charged) };
    case 'hold_corrected':
      return { ...ended, charged: state.units.amounts(effect.set, effect.charged) };
    case 'hold_released':
      // Rule H5: the call stays counted.
      return { ...ended, status: 'released', charged: callsOf(before.held) };
    case 'hold_reversed':
      return { ...ended, status: 'reversed', charged: none };
    default:
      throw new Error(`bug: ${effect.type} ends no hold`);
  }
}

function callsOf(held: Amounts): Amounts {
  return Object.fromEntries(Object.entries(held).map(([unit, steps]) => [unit, unit === CALLS ? steps : 0n]));
}
