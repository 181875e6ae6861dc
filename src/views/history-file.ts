// The history's companion file: one row for each hold, one for each balance and window, and now and then the state of the
// follower. Labels and amounts are JSON; steps are SQLite's 64-bit integers or decimal text, never floats. Called by
// history.ts.

import type { Amounts } from '../core/amount.js';
import type { BalanceView, Head, HoldStatus, HoldView } from '../core/outcomes.js';
import type { HoldEnding, Labels, Lease } from '../core/requests.js';
import { digestOf } from '../journal/chain.js';
import { plain } from '../journal/sqlite/rows.js';
import { journalError } from '../journal/sqlite/schema.js';
import { DamagedFileError, FollowerFile, guarded } from './follower-file.js';

/** "BRSH". A ledger's is "BRSR". */
const APPLICATION_ID = 0x42_52_53_48;

/** Another follower takes in some thousand rows in one transaction. ms */
const BUSY_WAIT_MS = 10_000;

/** SQLite stores at most 1,000,000,000 bytes in a value. A state near that is followed without being saved. */
const STATE_BYTES_MAX = 512 * 1024 * 1024;

/** The number rises with what is written into the columns: a file that was made by other SQL is made anew. */
const TABLES = `-- 2
CREATE TABLE follower_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  sequence INTEGER NOT NULL,
  hash TEXT NOT NULL,
  digest TEXT NOT NULL,
  bytes BLOB NOT NULL
) STRICT;
CREATE TABLE holds (
  opened_sequence INTEGER PRIMARY KEY,
  hold_id TEXT NOT NULL,
  status TEXT NOT NULL,
  labels TEXT NOT NULL,
  held TEXT NOT NULL,
  authorized TEXT NOT NULL,
  charged TEXT,
  late INTEGER NOT NULL,
  opened_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ended_at INTEGER,
  ending TEXT,
  authority TEXT,
  balances TEXT NOT NULL
) STRICT;
CREATE INDEX holds_by_id ON holds (hold_id, opened_sequence);
CREATE TABLE balances (
  balance_id TEXT PRIMARY KEY,
  budget_id TEXT NOT NULL,
  label_values TEXT NOT NULL,
  unit TEXT NOT NULL,
  window_start INTEGER,
  window_end INTEGER,
  granted INTEGER,
  held INTEGER NOT NULL,
  spent INTEGER NOT NULL,
  remaining INTEGER,
  open_holds INTEGER NOT NULL
) STRICT;
CREATE INDEX balances_by_budget ON balances (budget_id, window_start, balance_id)`;

const PUT_HOLD = `INSERT OR REPLACE INTO holds VALUES (@openedSequence, @holdId, @status, @labels, @held, @authorized,
  @charged, @late, @openedAt, @expiresAt, @endedAt, @ending, @authority, @balances)`;
const PUT_BALANCE = `INSERT OR REPLACE INTO balances VALUES (@id, @budgetId, @values, @unit, @start, @end, @granted,
  @held, @spent, @remaining, @openHolds)`;

/** A balance of one window, as it stands or as it stood when it left memory. Amounts in steps. */
export type HistoryBalance = Pick<
  BalanceView,
  'id' | 'budgetId' | 'values' | 'unit' | 'window' | 'granted' | 'held' | 'spent' | 'remaining' | 'openHolds'
>;

export interface HistoryHoldFilter {
  /** Every hold that ever had this id, the newest first. */
  readonly holdId?: string;
  readonly status?: HoldStatus;
  readonly labels?: Labels;
  /** Only holds opened after this sequence number: the cursor. */
  readonly afterSequence?: number;
  /** At most so many; default 1,000. */
  readonly max?: number;
}

export interface HistoryBalanceFilter {
  readonly budgetId?: string;
  /** Balances whose values contain these. */
  readonly values?: Labels;
  /** Windows that start at this instant or later, epoch ms; a lifetime has no start. */
  readonly from?: number;
  /** Windows that start before this instant. */
  readonly to?: number;
  readonly max?: number;
}

/** What a stretch of the journal changed. */
export interface HistoryChanges {
  readonly from: Head;
  readonly to: Head;
  readonly holds: Iterable<HoldView>;
  readonly balances: Iterable<HistoryBalance>;
}

export class HistoryFile {
  readonly #file: FollowerFile;

  /** Opens the file, or makes an empty one. `foreign`: what to do with a file that is no history at all. */
  constructor(path: string, foreign: 'replace' | 'refuse') {
    const format = {
      name: 'history',
      applicationId: APPLICATION_ID,
      tables: TABLES,
      busyWaitMs: BUSY_WAIT_MS,
    };
    this.#file = run(`opening ${path}`, () => FollowerFile.open(path, format, foreign));
  }

  /** How far the rows follow the journal. */
  position(): Head {
    return this.#run(() => this.#file.position());
  }

  /** Takes rows in and moves on. False when the file was elsewhere than `from`: another follower has been here. */
  write({ from, to, holds, balances }: HistoryChanges): boolean {
    return this.#advance(from, to, () => {
      const hold = this.#db.prepare(PUT_HOLD);
      for (const view of holds) hold.run(holdRow(view));
      const balance = this.#db.prepare(PUT_BALANCE);
      for (const view of balances) balance.run(balanceRow(view));
    });
  }

  /** The state that a follower saved; undefined where there is none. A damaged one only costs a longer replay. */
  savedState(): (Head & { readonly bytes: Uint8Array }) | undefined {
    const select = this.#db.prepare<[], Head & { digest: string; bytes: Uint8Array }>(
      'SELECT * FROM follower_state',
    );
    const row = this.#run(() => select.get());
    if (row === undefined || digestOf(row.bytes) !== row.digest) return undefined;
    return { sequence: row.sequence, hash: row.hash, bytes: plain(row.bytes) };
  }

  /** Saves the follower's state at the file's own position, so that the next follower need not replay to there. */
  saveState(at: Head, bytes: Uint8Array): void {
    if (bytes.byteLength > STATE_BYTES_MAX) return;
    this.#advance(at, at, () => {
      const put = this.#db.prepare('INSERT OR REPLACE INTO follower_state VALUES (1, ?, ?, ?, ?)');
      put.run(at.sequence, at.hash, digestOf(bytes), bytes);
    });
  }

  holds(filter: HistoryHoldFilter, max: number): HoldView[] {
    const where = new Where();
    where.add('hold_id = ?', filter.holdId);
    where.add('status = ?', filter.status);
    where.add('opened_sequence > ?', filter.afterSequence);
    where.addLabels('labels', filter.labels);
    const order = filter.holdId === undefined ? 'ASC' : 'DESC';
    const sql = `SELECT * FROM holds ${where.sql} ORDER BY opened_sequence ${order} LIMIT ?`;
    return this.#run(() => this.#rows<HoldRow>(sql, ...where.bound, max).map(holdOf));
  }

  balances(filter: HistoryBalanceFilter, max: number): HistoryBalance[] {
    const where = new Where();
    where.add('budget_id = ?', filter.budgetId);
    where.add('window_start >= ?', filter.from);
    where.add('window_start < ?', filter.to);
    where.addLabels('label_values', filter.values);
    const sql = `SELECT * FROM balances ${where.sql} ORDER BY budget_id, window_start, balance_id LIMIT ?`;
    return this.#run(() => this.#rows<BalanceRow>(sql, ...where.bound, max).map(balanceOf));
  }

  close(): void {
    this.#file.close();
  }

  /** Closes it and deletes it. */
  remove(): void {
    this.#file.remove();
  }

  get #db() {
    return this.#file.db;
  }

  #rows<Row>(sql: string, ...bound: (string | number)[]): Row[] {
    return this.#db
      .prepare<(string | number)[], Row>(sql)
      .safeIntegers()
      .all(...bound);
  }

  #advance(from: Head, to: Head, change: () => void): boolean {
    return this.#run(() => this.#file.advance({ from, to }, change));
  }

  #run<T>(use: () => T): T {
    return run(`using ${this.#file.path}`, use);
  }
}

/** @throws DamagedFileError where rows are not what was written; JournalUnavailableError for any other fault of the file */
function run<T>(doing: string, use: () => T): T {
  try {
    return guarded(use);
  } catch (error) {
    // Text that should be JSON, as this program or as SQLite reads it.
    if (error instanceof SyntaxError || (error instanceof Error && error.message === 'malformed JSON'))
      throw new DamagedFileError(`${doing}: ${error.message}`);
    throw error instanceof DamagedFileError ? error : journalError(error, doing, 0);
  }
}

/** Conditions of a query; what callers state is bound, never part of its text. */
class Where {
  readonly #conditions: string[] = [];
  readonly bound: (string | number)[] = [];

  get sql(): string {
    return this.#conditions.length === 0 ? '' : `WHERE ${this.#conditions.join(' AND ')}`;
  }

  add(condition: string, ...values: (string | number | undefined)[]): void {
    const stated = values.filter((value) => value !== undefined);
    if (stated.length === 0) return;
    this.#conditions.push(condition);
    this.bound.push(...stated);
  }

  addLabels(column: 'labels' | 'label_values', labels: Labels | undefined): void {
    for (const [key, value] of Object.entries(labels ?? {}))
      this.add(`EXISTS (SELECT 1 FROM json_each(${column}) WHERE key = ? AND value = ?)`, key, value);
  }
}

type Whole = bigint | null;

/** Columns as read, whole numbers as bigints. */
export interface HoldRow {
  readonly opened_sequence: bigint;
  readonly hold_id: string;
  readonly status: HoldStatus;
  readonly labels: string;
  readonly held: string;
  readonly authorized: string;
  readonly charged: string | null;
  readonly late: bigint;
  readonly opened_at: bigint;
  readonly expires_at: bigint;
  readonly ended_at: Whole;
  readonly ending: HoldEnding | null;
  readonly authority: string | null;
  readonly balances: string;
}

export interface BalanceRow {
  readonly balance_id: string;
  readonly budget_id: string;
  readonly label_values: string;
  readonly unit: string;
  readonly window_start: Whole;
  readonly window_end: Whole;
  readonly granted: Whole;
  readonly held: bigint;
  readonly spent: bigint;
  readonly remaining: Whole;
  readonly open_holds: bigint;
}

/** A hold as the named parameters of the statement that puts it. */
export function holdRow(hold: HoldView): Record<string, unknown> {
  return {
    openedSequence: hold.openedSequence,
    holdId: hold.holdId,
    status: hold.status,
    labels: JSON.stringify(hold.labels),
    held: amountsText(hold.held),
    authorized: amountsText(hold.authorized),
    charged: hold.charged === undefined ? null : amountsText(hold.charged),
    late: hold.late ? 1 : 0,
    openedAt: hold.openedAt,
    expiresAt: hold.expiresAt,
    endedAt: hold.endedAt,
    ending: hold.ending,
    authority: hold.authority === null ? null : JSON.stringify(hold.authority),
    balances: JSON.stringify(hold.balances),
  };
}

export function holdOf(row: HoldRow): HoldView {
  return {
    holdId: row.hold_id,
    status: row.status,
    labels: JSON.parse(row.labels) as Labels,
    held: amountsOf(row.held),
    authorized: amountsOf(row.authorized),
    ...(row.charged === null ? {} : { charged: amountsOf(row.charged) }),
    late: row.late !== 0n,
    openedAt: Number(row.opened_at),
    expiresAt: Number(row.expires_at),
    endedAt: numberOf(row.ended_at),
    openedSequence: Number(row.opened_sequence),
    ending: row.ending,
    authority: row.authority === null ? null : (JSON.parse(row.authority) as Lease),
    balances: JSON.parse(row.balances) as string[],
  };
}

export function balanceRow(balance: HistoryBalance): Record<string, unknown> {
  const { id, budgetId, unit, window, granted, held, spent, remaining, openHolds } = balance;
  const values = JSON.stringify(balance.values);
  const { start, end } = window;
  return { id, budgetId, values, unit, start, end, granted, held, spent, remaining, openHolds };
}

export function balanceOf(row: BalanceRow): HistoryBalance {
  return {
    id: row.balance_id,
    budgetId: row.budget_id,
    values: JSON.parse(row.label_values) as Labels,
    unit: row.unit,
    window: { start: numberOf(row.window_start), end: numberOf(row.window_end) },
    granted: row.granted,
    held: row.held,
    spent: row.spent,
    remaining: row.remaining,
    openHolds: Number(row.open_holds),
  };
}

function amountsText(amounts: Amounts): string {
  return JSON.stringify(
    Object.fromEntries(Object.entries(amounts).map(([unit, steps]) => [unit, `${steps}`])),
  );
}

function amountsOf(text: string): Amounts {
  const entries = Object.entries(JSON.parse(text) as Record<string, string>);
  return Object.fromEntries(entries.map(([unit, steps]) => [unit, BigInt(steps)]));
}

function numberOf(value: Whole): number | null {
  return value === null ? null : Number(value);
}
