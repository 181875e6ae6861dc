// A state from the journal: the newest valid checkpoint, then the records after it, applied one by one as they were
// recorded. Every batch's hash is checked on the way; what is torn or altered stops recovery with its position.

import { apply } from '../core/apply.js';
import { newState } from '../core/apply-account.js';
import type { Window } from '../core/budgets.js';
import { JournalCorruptError } from '../core/errors.js';
import { UNIT_MISSING } from '../core/lines.js';
import type { State } from '../core/state.js';
import { BatchReader } from '../journal/batch-reader.js';
import type { ChainPoint } from '../journal/chain.js';
import { CHAIN_START, checkChain } from '../journal/chain.js';
import { decodeCheckpoint } from '../journal/checkpoint-codec.js';
import type { RecordedBalance } from '../journal/line-reader.js';
import type { Checkpoint, JournalReader } from '../journal/port.js';
import type { Progress } from './api.js';

export interface RecoverOptions {
  /** Seeds the hash indexes of this process. */
  readonly seed: number;
  /** Stops after this sequence number; at the head when absent. */
  readonly upTo?: number;
  readonly progress?: Progress;
  /** Takes states along the way, and gives one back to start from. */
  readonly points?: PassedStates;
}

/** A state and the place in the chain that it is of. */
export interface Recovered {
  readonly state: State;
  point: ChainPoint;
}

/** States along the journal that are kept for later recoveries: see replay-points.ts. */
export interface PassedStates {
  /** The last one that is not after a sequence number. */
  nearest(upTo: number): Checkpoint | undefined;
  /** Called at the end of each batch. */
  pass(recovered: Recovered): void;
}

/** @throws JournalCorruptError */
export function recover(reader: JournalReader, options: RecoverOptions): Recovered {
  const recovered = fromCheckpoint(reader, options) ?? {
    state: newState({ seed: options.seed }),
    point: CHAIN_START,
  };
  catchUp(recovered, reader, options);
  return recovered;
}

function fromCheckpoint(reader: JournalReader, options: RecoverOptions): Recovered | null {
  const passed = options.points?.nearest(options.upTo ?? Number.POSITIVE_INFINITY);
  for (const checkpoint of reader.checkpoints()) {
    if (options.upTo !== undefined && checkpoint.sequence > options.upTo) continue;
    if (passed !== undefined && passed.sequence >= checkpoint.sequence) break;
    const recovered = fromOne(checkpoint, options.seed);
    if (recovered !== null) return recovered;
  }
  return passed === undefined ? null : fromOne(passed, options.seed);
}

function fromOne({ sequence, chainHash, bytes }: Checkpoint, seed: number): Recovered | null {
  const state = decodeCheckpoint(bytes, seed);
  return state?.sequence === sequence ? { state, point: { sequence, hash: chainHash } } : null;
}

/** Applies what the journal has after the recovered state. */
export function catchUp(recovered: Recovered, reader: JournalReader, options: RecoverOptions): void {
  const { state } = recovered;
  const upTo = options.upTo ?? Number.POSITIVE_INFINITY;
  const total = options.progress === undefined ? 0 : Math.min(reader.head().sequence, upTo);
  if (recovered.point.sequence >= upTo) return;
  for (const batch of checkChain(reader.batches(recovered.point.sequence + 1), recovered.point)) {
    const records = new BatchReader(batch.bytes, batch.firstSequence, 'outcome');
    while (state.sequence < upTo && records.next()) applyRecord(state, records);
    if (state.sequence >= upTo) return;
    recovered.point = { sequence: state.sequence, hash: batch.hash };
    options.points?.pass(recovered);
    options.progress?.(state.sequence, total);
  }
}

/** Applies the record that was read last, as it was recorded. */
export function applyRecord(state: State, record: BatchReader): void {
  const { effect } = record;
  if (record.changed) bindLines(state, record);
  const changed = apply(state, record.command, effect, record.at);
  if (changed !== record.changed) {
    throw new JournalCorruptError(
      record.sequence,
      `the record says that it ${record.changed ? 'changed something' : 'changed nothing'}`,
    );
  }
  if (!changed) return;
  for (let line = 0; line < record.lines.count; line += 1) {
    const { slot, budgetId } = record.lines.balances[line];
    if (state.lines.slots[line] !== slot)
      throw new JournalCorruptError(record.sequence, `a balance of ${budgetId} has another slot`);
  }
}

// The lines of a record name balances by slot; one that is not live is opened by the record itself, and gets that slot.
function bindLines(state: State, record: BatchReader): void {
  const { lines } = state;
  const recorded = record.lines;
  lines.clear();
  for (let line = 0; line < recorded.count; line += 1) {
    const balance = recorded.balances[line];
    const bound =
      balance.bound?.generation === state.balanceGeneration
        ? balance.bound.window
        : bind(state, record, balance);
    const slot = balance.bound === null ? -1 : balance.slot;
    lines.add(bound.budget, bound, balance.valuesText, slot, 0n);
    lines.flags[line] = recorded.flags[line] & UNIT_MISSING;
  }
}

/**
 * The window of a balance that a batch spells out. It is kept with the balance while that is live and no slot changes
 * its owner.
 */
function bind(state: State, record: BatchReader, balance: RecordedBalance): Window {
  const { slot, budgetId, start, valuesText } = balance;
  const { balances } = state;
  const live = slot === -1 || !balances.isLive(slot) ? null : balances.windows[slot];
  if (live !== null) {
    const isIt = live.start === start && live.budget.id === budgetId && balances.values[slot] === valuesText;
    if (!isIt)
      throw new JournalCorruptError(record.sequence, `slot ${slot} is not that of a balance of ${budgetId}`);
    balance.bound = { window: live, generation: state.balanceGeneration };
    return live;
  }
  const window = state.budgetById.get(budgetId)?.windows.find((candidate) => candidate.start === start);
  if (window === undefined)
    throw new JournalCorruptError(record.sequence, `${budgetId} has no window from ${start}`);
  return window;
}
