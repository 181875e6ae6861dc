// The history's companion file: SQLite, beside the ledger, with one row a hold and one a balance and window, and the
// place in the journal that they follow. Holds no truth of its own: whatever is wrong with it, it is made anew. Every
// change is one transaction that checks the place it starts from, so that two followers never mix. Called by
// authority/history.ts.

import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, linkSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { InvalidInputError } from '../core/errors.js';
import type { HoldView } from '../core/outcomes.js';
import type { Labels } from '../core/requests.js';
import { CHAIN_START, type ChainPoint, digestOf, sameBytes } from '../journal/chain.js';
import { plain } from '../journal/sqlite-rows.js';
import { journalError } from '../journal/sqlite-schema.js';
import {
  type BalanceRow,
  balanceOf,
  balanceRow,
  type HistoryBalance,
  type HistoryBalanceFilter,
  type HistoryHoldFilter,
  type HoldRow,
  holdOf,
  holdRow,
} from './history-rows.js';

/** "BRSH". A ledger's is "BRSR". */
const APPLICATION_ID = 0x42_52_53_48;
/** Rises with the tables and with what is written into them: a file of another version is made anew. */
const HISTORY_VERSION = 1;

/** SQLite's own header: what it begins with, and where it has these two numbers. */
const HEADER_BYTES = 100;
const HEADER_MAGIC = 'SQLite format 3\0';
const USER_VERSION_AT = 60;
const APPLICATION_ID_AT = 68;

/** Another follower holds the file for one transaction of some thousand rows: ms. */
const BUSY_WAIT_MS = 10_000;

/** SQLite stores no more than 1,000,000,000 bytes in a value; a state near that is followed without being saved. */
const STATE_BYTES_MAX = 512 * 1024 * 1024;

const TABLES = [
  `CREATE TABLE position (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  sequence INTEGER NOT NULL,
  hash BLOB NOT NULL
) STRICT`,
  `CREATE TABLE follower_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  sequence INTEGER NOT NULL,
  hash BLOB NOT NULL,
  digest TEXT NOT NULL,
  bytes BLOB NOT NULL
) STRICT`,
  `CREATE TABLE holds (
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
) STRICT`,
  'CREATE INDEX holds_by_id ON holds (hold_id, opened_sequence)',
  `CREATE TABLE balances (
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
) STRICT`,
  'CREATE INDEX balances_by_budget ON balances (budget_id, window_start, balance_id)',
] as const;

const PUT_HOLD = `INSERT OR REPLACE INTO holds VALUES (@openedSequence, @holdId, @status, @labels, @held, @authorized,
  @charged, @late, @openedAt, @expiresAt, @endedAt, @ending, @authority, @balances)`;
const PUT_BALANCE = `INSERT OR REPLACE INTO balances VALUES (@id, @budgetId, @values, @unit, @start, @end, @granted,
  @held, @spent, @remaining, @openHolds)`;

/** What a stretch of the journal changed. */
export interface HistoryChanges {
  readonly from: ChainPoint;
  readonly to: ChainPoint;
  readonly holds: Iterable<HoldView>;
  readonly balances: Iterable<HistoryBalance>;
}

/** The file is not what was written. The caller deletes it and makes it anew. */
export class HistoryDamagedError extends Error {
  override readonly name = 'HistoryDamagedError';
}

export class HistoryFile {
  readonly #db: Database.Database;

  /** Opens the file, or makes an empty one. `others`: what to do with a file that is no history at all. */
  static open(path: string, others: 'delete' | 'refuse'): HistoryFile {
    for (let attempt = 1; ; attempt += 1) {
      const found = kindOf(path);
      if (found === 'foreign' && others === 'refuse')
        throw new InvalidInputError('historyPath', `${path} is there and is not a Bursar history`);
      if (found === 'outdated' || found === 'foreign') HistoryFile.delete(path);
      try {
        if (found !== 'history') create(path);
        return new HistoryFile(path);
      } catch (error) {
        if (!(error instanceof HistoryDamagedError) || attempt === 3) throw error;
        HistoryFile.delete(path);
      }
    }
  }

  /** The journal goes too: left behind, SQLite would roll it back into the new file. */
  static delete(path: string): void {
    for (const suffix of ['', '-journal', '-wal', '-shm']) rmSync(path + suffix, { force: true });
  }

  private constructor(readonly path: string) {
    this.#db = guarded(`opening ${path}`, () => new Database(path, { timeout: BUSY_WAIT_MS }));
    try {
      guarded(`opening ${path}`, () => {
        const tables = this.#db.prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid');
        if (tables.pluck().all().join(';') !== TABLES.join(';'))
          throw new HistoryDamagedError(`the table definitions of ${path} are not those of a history`);
        this.#db.defaultSafeIntegers(true);
      });
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** How far the rows follow the journal. */
  position(): ChainPoint {
    const row = this.#run(() => this.#db.prepare('SELECT sequence, hash FROM position').get());
    if (row === undefined) throw new HistoryDamagedError(`${this.path} has lost its position`);
    return pointOf(row as PointRow);
  }

  /** Takes rows in and moves on. False when the file was elsewhere than `from`: another follower has been here. */
  write(changes: HistoryChanges): boolean {
    return this.#ifAt(changes.from, () => {
      const hold = this.#db.prepare(PUT_HOLD);
      for (const view of changes.holds) hold.run(holdRow(view));
      const balance = this.#db.prepare(PUT_BALANCE);
      for (const view of changes.balances) balance.run(balanceRow(view));
      this.#moveTo(changes.to);
    });
  }

  /** Forgets everything: the rows are of another history. False when another follower has been here. */
  reset(from: ChainPoint): boolean {
    return this.#ifAt(from, () => {
      this.#db.exec('DELETE FROM holds; DELETE FROM balances; DELETE FROM follower_state');
      this.#moveTo(CHAIN_START);
    });
  }

  /** The state that the follower saved, or undefined: a damaged one only costs a longer replay. */
  savedState(): (ChainPoint & { readonly bytes: Uint8Array }) | undefined {
    const row = this.#run(() => this.#db.prepare('SELECT * FROM follower_state').get()) as
      | (PointRow & { digest: string; bytes: Uint8Array })
      | undefined;
    if (row === undefined || digestOf(row.bytes) !== row.digest) return undefined;
    return { ...pointOf(row), bytes: plain(row.bytes) };
  }

  /** Saves the follower's state at the place where the file is, so that the next follower need not replay to there. */
  saveState(at: ChainPoint, bytes: Uint8Array): void {
    if (bytes.byteLength > STATE_BYTES_MAX) return;
    const put = () =>
      this.#db
        .prepare('INSERT OR REPLACE INTO follower_state VALUES (1, ?, ?, ?, ?)')
        .run(at.sequence, at.hash, digestOf(bytes), bytes);
    this.#ifAt(at, put);
  }

  holds(filter: HistoryHoldFilter, max: number): HoldView[] {
    const where = new Where();
    where.add('hold_id = ?', filter.holdId);
    where.add('status = ?', filter.status);
    where.add('opened_sequence > ?', filter.afterSequence);
    where.addLabels('labels', filter.labels);
    const order = filter.holdId === undefined ? 'ASC' : 'DESC';
    const sql = `SELECT * FROM holds ${where.sql} ORDER BY opened_sequence ${order} LIMIT ?`;
    return this.#run(() => (this.#db.prepare(sql).all(...where.bound, max) as HoldRow[]).map(holdOf));
  }

  balances(filter: HistoryBalanceFilter, max: number): HistoryBalance[] {
    const where = new Where();
    where.add('budget_id = ?', filter.budgetId);
    where.add('window_start >= ?', filter.from);
    where.add('window_start < ?', filter.to);
    where.addLabels('label_values', filter.values);
    const sql = `SELECT * FROM balances ${where.sql} ORDER BY budget_id, window_start, balance_id LIMIT ?`;
    return this.#run(() => (this.#db.prepare(sql).all(...where.bound, max) as BalanceRow[]).map(balanceOf));
  }

  close(): void {
    this.#db.close();
  }

  #ifAt(from: ChainPoint, change: () => void): boolean {
    return this.#run(() =>
      this.#db
        .transaction(() => {
          const at = this.position();
          if (at.sequence !== from.sequence || !sameBytes(at.hash, from.hash)) return false;
          change();
          return true;
        })
        .immediate(),
    );
  }

  #moveTo(to: ChainPoint): void {
    this.#db.prepare('UPDATE position SET sequence = ?, hash = ?').run(to.sequence, to.hash);
  }

  #run<T>(use: () => T): T {
    return guarded(`using ${this.path}`, use);
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

function kindOf(path: string): 'absent' | 'history' | 'outdated' | 'foreign' {
  if (!existsSync(path)) return 'absent';
  if (!statSync(path).isFile()) throw new InvalidInputError('historyPath', `${path} is not a file`);
  const header = Buffer.alloc(HEADER_BYTES);
  const file = openSync(path, 'r');
  try {
    if (readSync(file, header, 0, HEADER_BYTES, 0) === 0) return 'outdated';
  } finally {
    closeSync(file);
  }
  const isSqlite = header.toString('latin1', 0, HEADER_MAGIC.length) === HEADER_MAGIC;
  if (!isSqlite || header.readUInt32BE(APPLICATION_ID_AT) !== APPLICATION_ID) return 'foreign';
  return header.readUInt32BE(USER_VERSION_AT) === HISTORY_VERSION ? 'history' : 'outdated';
}

/** Built under another name and linked in, so that nobody meets half a file; another follower may be first. */
function create(path: string): void {
  const building = `${path}.new-${randomUUID()}`;
  try {
    // Left by a follower that was killed before somebody deleted the file alone.
    if (!existsSync(path)) rmSync(`${path}-journal`, { force: true });
    guarded(`creating ${path}`, () => {
      const db = new Database(building);
      try {
        db.pragma(`application_id = ${APPLICATION_ID}`);
        db.pragma(`user_version = ${HISTORY_VERSION}`);
        for (const table of TABLES) db.exec(table);
        db.prepare('INSERT INTO position VALUES (1, 0, ?)').run(CHAIN_START.hash);
      } finally {
        db.close();
      }
      linkSync(building, path);
    });
  } catch (error) {
    if (!existsSync(path)) throw error;
  } finally {
    rmSync(building, { force: true });
  }
}

function guarded<T>(doing: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    // Text that should be JSON, as this program or as SQLite reads it.
    if (error instanceof SyntaxError || (error instanceof Error && error.message === 'malformed JSON'))
      throw new HistoryDamagedError(`${doing}: ${error.message}`);
    if (error instanceof HistoryDamagedError) throw error;
    const failure = journalError(error, doing, 0);
    if ('code' in failure && failure.code === 'journal_corrupt')
      throw new HistoryDamagedError(failure.message);
    throw failure;
  }
}

interface PointRow {
  readonly sequence: bigint;
  readonly hash: Uint8Array;
}

function pointOf(row: PointRow): ChainPoint {
  return { sequence: Number(row.sequence), hash: plain(row.hash) };
}
