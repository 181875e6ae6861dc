// The history: every hold ever authorised and every balance of every window, also those that left the ledger's memory. They
// are rows of a companion file that follows the journal. The follower replays the journal into a state of its own, so the
// figures are the ledger's own. It reads the ledger in short transactions beside the ledger's writer, and writes the
// companion file alone, which may be deleted at any time.

import { resolve } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Progress } from '../authority/api.js';
import { INSTANT_MAX_MS, LISTED_DEFAULT, wholeIn } from '../authority/checks.js';
import { newSeed } from '../authority/ledger.js';
import { listUnits } from '../authority/reads.js';
import { catchUp, type Recovered, recover } from '../authority/recovery.js';
import type { Unit } from '../core/amount.js';
import { InvalidInputError, LedgerClosedError } from '../core/errors.js';
import { HOLD_STATUSES } from '../core/holds.js';
import { assertLabels, assertText, quoted } from '../core/labels.js';
import type { Head, HoldView } from '../core/outcomes.js';
import { BatchReader } from '../journal/batch-reader.js';
import { checkChain, fromHex, toHead } from '../journal/chain.js';
import { decodeCheckpoint, encodeCheckpoint } from '../journal/checkpoint-codec.js';
import { isOnChain } from '../journal/fact-records.js';
import type { JournalReader } from '../journal/port.js';
import { openSqliteReader } from '../journal/sqlite/reader.js';
import { DamagedFileError } from './follower-file.js';
import { ChangedRows } from './history-changes.js';
import {
  type HistoryBalance,
  type HistoryBalanceFilter,
  HistoryFile,
  type HistoryHoldFilter,
} from './history-file.js';

export type { HistoryBalance, HistoryBalanceFilter, HistoryHoldFilter } from './history-file.js';

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
    const foreign = options.historyPath === undefined ? 'replace' : 'refuse';
    history = new OpenHistory(reader, resolve(historyPath), foreign);
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

  constructor(
    readonly reader: JournalReader,
    readonly path: string,
    foreign: 'replace' | 'refuse',
  ) {
    this.#file = new HistoryFile(path, foreign);
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
    return this.#reading(() => this.#file.position());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
    this.reader.close();
  }

  async #follow(progress: Progress | undefined): Promise<number> {
    // At least once, so that whoever follows in a loop leaves the writer of the same process its turn.
    await nextTurn();
    let taken = 0;
    for (const count of this.#steps(progress)) {
      taken += count;
      await nextTurn();
    }
    return taken;
  }

  /** A read that meets damage makes the file anew, there and then, and reads again. */
  #reading<T>(read: () => T): T {
    this.#assertOpen();
    try {
      return read();
    } catch (error) {
      if (!(error instanceof DamagedFileError)) throw error;
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
        if (!(error instanceof DamagedFileError) || rebuilt) throw error;
        rebuilt = true;
        this.#startAnew();
      }
    }
  }

  #startAnew(): void {
    this.#file.remove();
    this.#recovered = undefined;
    this.#file = new HistoryFile(this.path, 'replace');
  }

  /** Records taken in; 0 at the journal's end; -1 when another follower was faster. */
  #step(): number {
    const recovered = this.#atPosition();
    const from = toHead(recovered.point);
    const changed = new ChangedRows(recovered.state);
    for (const batch of checkChain(this.reader.batches(from.sequence + 1), recovered.point)) {
      const records = new BatchReader(batch.bytes, batch.firstSequence, 'outcome');
      while (records.next()) changed.take(records);
      recovered.point = { sequence: recovered.state.sequence, hash: batch.hash };
      if (recovered.point.sequence - from.sequence >= RECORDS_IN_TRANSACTION) break;
    }
    const to = toHead(recovered.point);
    if (to.sequence > from.sequence) {
      const isDone = this.#file.write({ from, to, holds: changed.holds(), balances: changed.balances() });
      return isDone ? to.sequence - from.sequence : -1;
    }
    if (to.sequence - this.#savedAt >= STATE_SAVED_RECORDS) {
      this.#file.saveState(to, encodeCheckpoint(recovered.state));
      this.#savedAt = to.sequence;
    }
    return 0;
  }

  /** The state at the file's own position. Usually it is as the last step left it. */
  #atPosition(): Recovered {
    const at = this.#file.position();
    const known = this.#recovered;
    if (known !== undefined && known.state.sequence === at.sequence && toHead(known.point).hash === at.hash)
      return known;
    if (!isOnChain(this.reader, at)) throw new DamagedFileError('it follows another ledger');
    this.#recovered = undefined;
    this.#recovered = this.#recoveredAt(at);
    return this.#recovered;
  }

  #recoveredAt(at: Head): Recovered {
    const seed = this.#seed;
    const saved = this.#file.savedState();
    const state =
      saved !== undefined && saved.sequence <= at.sequence && isOnChain(this.reader, saved)
        ? decodeCheckpoint(saved.bytes, seed)
        : null;
    this.#savedAt = 0;
    const point = { sequence: at.sequence, hash: fromHex(at.hash) };
    if (saved === undefined || state?.sequence !== saved.sequence)
      return { state: recover(this.reader, { seed, upTo: at.sequence }).state, point };
    this.#savedAt = saved.sequence;
    const from = { state, point: { sequence: saved.sequence, hash: fromHex(saved.hash) } };
    catchUp(from, this.reader, { seed, upTo: at.sequence });
    return { state, point };
  }

  #assertOpen(): void {
    if (this.#closed) throw new LedgerClosedError('the history is closed');
  }
}

function maxOf(max: number | undefined): number {
  return max === undefined ? LISTED_DEFAULT : wholeIn(max, 'max', 1, 1_000_000_000);
}
