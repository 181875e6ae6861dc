// The history: every hold ever authorised and every balance of every window, also of those that left the ledger's memory,
// in a companion file that follows the journal by a stored position. A state of its own is replayed record by record, and
// rows are what that state shows after each: so the figures are the ledger's own, whatever the command was. Reads the
// ledger in short transactions beside its writer; writes only the companion, which may be deleted at any time.

import { resolve } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import type { Progress } from '../authority/api.js';
import { INSTANT_MAX_MS, LISTED_DEFAULT, wholeIn } from '../authority/checks.js';
import { newSeed } from '../authority/ledger.js';
import { listUnits } from '../authority/reads.js';
import { applyRecord, catchUp, type Recovered, recover } from '../authority/recovery.js';
import type { Amounts, Unit } from '../core/amount.js';
import type { Budget, Window } from '../core/budgets.js';
import { accountOf } from '../core/decide-account.js';
import type { Effect } from '../core/effects.js';
import { InvalidInputError, LedgerClosedError } from '../core/errors.js';
import { HOLD_ENDINGS, HOLD_STATUSES } from '../core/holds.js';
import { assertLabels, assertText, quoted } from '../core/labels.js';
import type { Head, HoldView } from '../core/outcomes.js';
import type { State } from '../core/state.js';
import { balanceView, holdView } from '../core/views.js';
import { BatchReader } from '../journal/batch-reader.js';
import {
  CHAIN_START,
  type ChainPoint,
  checkChain,
  lastSequence,
  sameBytes,
  toHead,
} from '../journal/chain.js';
import { decodeCheckpoint, encodeCheckpoint } from '../journal/checkpoint-codec.js';
import type { JournalReader } from '../journal/port.js';
import { openSqliteReader } from '../journal/sqlite-reader.js';
import { HistoryDamagedError, HistoryFile } from './history-file.js';
import type { HistoryBalance, HistoryBalanceFilter, HistoryHoldFilter } from './history-rows.js';

export type { HistoryBalance, HistoryBalanceFilter, HistoryHoldFilter } from './history-rows.js';

/** The unit that a release leaves charged (rule H5). */
const CALLS = 'calls';

/** Records whose rows are gathered for one transaction: enough to spread its cost, a few MB of memory, some 50 ms. */
const RECORDS_IN_TRANSACTION = 5_000;

/** Records replayed at most, about 0.1 s, to bring the follower's state from where it was saved to the position. */
const STATE_SAVED_RECORDS = 50_000;

export interface HistoryOptions {
  /** Where the companion file is; default the ledger's path and `-history`. */
  readonly historyPath?: string;
  readonly progress?: Progress;
}

export interface History {
  /** Takes in what the journal has got since; gives how many records that was. */
  catchUp(progress?: Progress): Promise<number>;
  /** In the order of their opening; the newest first when `holdId` is stated. */
  holds(filter?: HistoryHoldFilter): readonly HoldView[];
  /** By budget, window start and id. */
  balances(filter?: HistoryBalanceFilter): readonly HistoryBalance[];
  units(): readonly Unit[];
  /** How far the history goes. */
  head(): Head;
  close(): void;
}

/** Opens the history of a ledger file, also while another process holds it, and catches up with the journal. */
export async function openHistory(ledgerPath: string, options: HistoryOptions = {}): Promise<History> {
  assertText(ledgerPath, 'ledgerPath', 4_096);
  const { historyPath = `${ledgerPath}-history`, progress } = options;
  assertText(historyPath, 'historyPath', 4_200);
  if (resolve(historyPath) === resolve(ledgerPath))
    throw new InvalidInputError('historyPath', `${quoted(historyPath)} is the ledger itself`);
  const reader = openSqliteReader(ledgerPath);
  let history: OpenHistory | undefined;
  try {
    // Under a name that somebody chose, a file of another kind may be somebody's work.
    const others = options.historyPath === undefined ? 'delete' : 'refuse';
    history = new OpenHistory(reader, HistoryFile.open(resolve(historyPath), others));
    await history.catchUp(progress);
    return history;
  } catch (error) {
    if (history === undefined) reader.close();
    else history.close();
    throw error;
  }
}

class OpenHistory implements History {
  readonly #seed = newSeed();
  #file: HistoryFile;
  #recovered: Recovered | undefined;
  #savedAt = 0;
  #closed = false;
  #catchingUp: Promise<number> = Promise.resolve(0);

  // What the records since the last transaction changed; a later change of the same replaces the earlier.
  readonly #holds = new Map<number, HoldView>();
  readonly #balances = new Map<string, HistoryBalance>();
  readonly #changedSlots = new Set<number>();

  constructor(
    readonly reader: JournalReader,
    file: HistoryFile,
  ) {
    this.#file = file;
  }

  catchUp(progress?: Progress): Promise<number> {
    this.#assertOpen();
    const next = this.#catchingUp.catch(() => 0).then(() => this.#follow(progress));
    this.#catchingUp = next;
    // Whoever asked is told; the next one in line only waits.
    next.catch(() => undefined);
    return next;
  }

  holds(filter: HistoryHoldFilter = {}): readonly HoldView[] {
    const { holdId, status, labels, afterSequence } = filter;
    if (holdId !== undefined) assertText(holdId, 'holdId');
    if (labels !== undefined) assertLabels(labels, 'labels');
    if (status !== undefined && !HOLD_STATUSES.includes(status))
      throw new InvalidInputError('status', `${quoted(status)} is none of ${HOLD_STATUSES.join(', ')}`);
    if (afterSequence !== undefined) wholeIn(afterSequence, 'afterSequence', 0, Number.MAX_SAFE_INTEGER);
    const max = maxOf(filter.max);
    return this.#reading(() => this.#file.holds(filter, max));
  }

  balances(filter: HistoryBalanceFilter = {}): readonly HistoryBalance[] {
    const { budgetId, values, from, to } = filter;
    if (budgetId !== undefined) assertText(budgetId, 'budgetId');
    if (values !== undefined) assertLabels(values, 'values');
    if (from !== undefined) wholeIn(from, 'from', -INSTANT_MAX_MS, INSTANT_MAX_MS);
    if (to !== undefined) wholeIn(to, 'to', -INSTANT_MAX_MS, INSTANT_MAX_MS);
    const max = maxOf(filter.max);
    return this.#reading(() => this.#file.balances(filter, max));
  }

  units(): readonly Unit[] {
    this.#assertOpen();
    return this.#recovered === undefined ? [] : listUnits(this.#recovered.state);
  }

  head(): Head {
    return this.#reading(() => toHead(this.#file.position()));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
    this.reader.close();
  }

  async #follow(progress: Progress | undefined): Promise<number> {
    // At least once, so that whoever follows in a loop leaves the writer of the same process its turn.
    await breathe();
    let taken = 0;
    for (const count of this.#steps(progress)) {
      taken += count;
      await breathe();
    }
    return taken;
  }

  /** A read that meets damage makes the file anew, there and then, and reads again. */
  #reading<T>(read: () => T): T {
    this.#assertOpen();
    try {
      return read();
    } catch (error) {
      if (!(error instanceof HistoryDamagedError)) throw error;
      this.#startAnew();
      for (const _count of this.#steps(undefined));
      return read();
    }
  }

  /** One transaction a step, until the journal's end; ends when the history is closed in between. */
  *#steps(progress: Progress | undefined): Generator<number> {
    let rebuilt = false;
    while (!this.#closed) {
      try {
        const taken = this.#step();
        if (taken === 0) return;
        if (taken > 0) yield taken;
        if (progress !== undefined && !this.#closed)
          progress(this.#recovered?.point.sequence ?? 0, this.reader.head().sequence);
      } catch (error) {
        if (!(error instanceof HistoryDamagedError) || rebuilt) throw error;
        rebuilt = true;
        this.#startAnew();
      }
    }
  }

  #startAnew(): void {
    this.#file.close();
    HistoryFile.delete(this.#file.path);
    this.#recovered = undefined;
    this.#file = HistoryFile.open(this.#file.path, 'delete');
  }

  /** Records taken in; 0 at the journal's end; -1 when another follower was faster. */
  #step(): number {
    const recovered = this.#atPosition();
    const { state, point: from } = recovered;
    this.#holds.clear();
    this.#balances.clear();
    this.#changedSlots.clear();
    for (const batch of checkChain(this.reader.batches(from.sequence + 1), from)) {
      const records = new BatchReader(batch.bytes, batch.firstSequence, 'outcome');
      while (records.next()) this.#take(state, records);
      recovered.point = { sequence: state.sequence, hash: batch.hash };
      if (state.sequence - from.sequence >= RECORDS_IN_TRANSACTION) break;
    }
    const to = recovered.point;
    if (to.sequence - this.#savedAt >= STATE_SAVED_RECORDS && to.sequence === from.sequence) {
      this.#file.saveState(to, encodeCheckpoint(state));
      this.#savedAt = to.sequence;
    }
    if (to.sequence === from.sequence) return 0;
    this.#noteBalances(state);
    const changes = { from, to, holds: this.#holds.values(), balances: this.#balances.values() };
    return this.#file.write(changes) ? to.sequence - from.sequence : -1;
  }

  /** The state at the place where the file is: usually as the last step left it. */
  #atPosition(): Recovered {
    for (;;) {
      const at = this.#file.position();
      const known = this.#recovered;
      if (known !== undefined && known.state.sequence === at.sequence && sameBytes(known.point.hash, at.hash))
        return known;
      if (this.#isInLedger(at)) {
        this.#recovered = undefined;
        this.#recovered = this.#recoveredAt(at);
        return this.#recovered;
      }
      this.#file.reset(at);
    }
  }

  #recoveredAt(at: ChainPoint): Recovered {
    const saved = this.#file.savedState();
    let state: State | null = null;
    if (saved !== undefined && saved.sequence <= at.sequence && this.#isInLedger(saved)) {
      state = decodeCheckpoint(saved.bytes, this.#seed);
      if (state?.sequence !== saved.sequence) state = null;
      this.#savedAt = saved.sequence;
    }
    if (state === null || saved === undefined) {
      this.#savedAt = 0;
      const { state } = recover(this.reader, { seed: this.#seed, upTo: at.sequence });
      return { state, point: at };
    }
    const recovered = { state, point: { sequence: saved.sequence, hash: saved.hash } };
    catchUp(recovered, this.reader, { seed: this.#seed, upTo: at.sequence });
    return { state, point: at };
  }

  /** Whether a batch of this ledger ends there, with that hash: else the file follows another ledger's history. */
  #isInLedger(at: ChainPoint): boolean {
    if (at.sequence === 0) return sameBytes(at.hash, CHAIN_START.hash);
    if (at.sequence > this.reader.head().sequence) return false;
    for (const batch of this.reader.batches(at.sequence))
      return lastSequence(batch) === at.sequence && sameBytes(batch.hash, at.hash);
    return false;
  }

  #take(state: State, record: BatchReader): void {
    const { command, effect } = record;
    // Opening a window is what takes old ones out of memory: their last figures are noted before.
    if (command.kind === 'open_window') this.#noteBalances(state);
    const hold = 'slot' in effect ? effect.slot : -1;
    const before = hold === -1 || effect.type === 'hold_authorized' ? null : holdView(state, hold);
    applyRecord(state, record);
    if (hold !== -1) this.#noteHold(state, hold, { before, effect, at: record.at });
    if (!record.changed && command.kind !== 'open_window') return;
    for (const slot of changedBalances(state, record)) this.#changedSlots.add(slot);
  }

  #noteHold(state: State, slot: number, by: { before: HoldView | null; effect: Effect; at: number }): void {
    const { before, effect, at } = by;
    const left = before !== null && state.holds.isFree(slot);
    const view = left ? endedView(state, before, effect, at) : holdView(state, slot);
    this.#holds.set(view.openedSequence, view);
  }

  #noteBalances(state: State): void {
    for (const slot of this.#changedSlots) {
      const view = balanceView(state, slot, state.time);
      this.#balances.set(view.id, view);
    }
    this.#changedSlots.clear();
  }

  #assertOpen(): void {
    if (this.#closed) throw new LedgerClosedError('the history is closed');
  }
}

/** Balances whose figures the record changed, or which it opened: those of its lines, and what definitions reach beyond. */
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

/** A hold that left memory with the very record that ended or changed it: what the state would have shown. */
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

function maxOf(max: number | undefined): number {
  return max === undefined ? LISTED_DEFAULT : wholeIn(max, 'max', 1, 1_000_000_000);
}
