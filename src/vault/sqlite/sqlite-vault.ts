// The vault in a SQLite file of its own, `vault.db`. Changes that are asked for within one turn of the event loop, or while
// the disk is busy, are one transaction and one sync. After one failed sync nobody knows what is on disk, nor would a later
// success say so: the vault then takes nothing until it is opened again.
//
// Syncing SQLite's log alone is enough. A commit is a sequence of frames in the log. Before SQLite copies frames to the file
// it syncs the log, and before it overwrites frames it syncs the file. So a commit is either on disk already or in the log
// that is synced here. The log stays the same file while it is open here, and its name is on disk since the tables were
// made. SQLite takes no lock on the log, so closing it here drops none.

import { closeSync, fdatasync, openSync, realpathSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import type { Clock } from '../../authority/api.js';
import { InvalidInputError } from '../../core/errors.js';
import type { Head } from '../../core/outcomes.js';
import { fileKind, isBusy, isDamage, makePrivate } from '../../journal/sqlite/files.js';
import { RefusedError } from '../../kit/refusals.js';
import {
  BODY_BYTES_MAX,
  IDS_DEFAULT,
  type IdsFilter,
  ITEM_ID_CHARS_MAX,
  ITEMS_MAX,
  type Vault,
  type VaultItem,
  type VaultLedger,
} from '../vault.js';

/** "BRVT": what `file` and SQLite's own tools see. */
const APPLICATION_ID = 0x42_52_56_54;
const FORMAT_VERSION = 1;

/** At the opening nobody is served yet, so it may wait for another process's commit. ms */
const OPEN_WAIT_MS = 5_000;

/** A foreign lock is never waited for on this thread: the commit is tried again after a pause. ms */
const BUSY_PAUSE_MS = 10;
/** Another process's commit takes milliseconds. One that holds the lock for longer is stuck. ms */
const BUSY_MS_MAX = 2_000;

/** Work of one transaction before other requests get a turn: some 10 ms. */
const GROUP_CHANGES_MAX = 256;
const GROUP_BYTES_MAX = 4 * 1024 * 1024;

/** Texts that wait for the disk. More means that the disk has stopped; further changes are refused. */
const WAITING_BYTES_MAX = 128 * 1024 * 1024;

/** Written to the log before it is copied to the file: pages that change often are copied once. */
const LOG_BYTES = 16 * 1024 * 1024;
/** What one change writes to the log beside its texts: some pages of the table and its index. */
const CHANGE_LOG_BYTES = 16 * 1024;

/** SQLite maps at most this much of the file, so that a read needs no system call for each page. */
const MAPPED_BYTES = 0x7fff_0000;

/** The instant stands before the body, so that reading it touches none of the body's pages. */
const TABLES = `
CREATE TABLE items (id TEXT PRIMARY KEY, put_at INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE ledger (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  ledger_id TEXT NOT NULL,
  head_sequence INTEGER NOT NULL,
  head_hash TEXT NOT NULL
) STRICT;`;

/** Resolves when what was written to a file is on disk. */
export type ToDisk = (file: number) => Promise<void>;

/**
 * Opens the vault's file, or makes it.
 * @param toDisk the system's, except in tests, which hold it up or fail it
 * @throws InvalidInputError when the file is no vault, damaged, or of a newer Bursar
 */
export function openSqliteVault(
  path: string,
  clock: Clock,
  toDisk: ToDisk = promisify(fdatasync),
): SqliteVault {
  assertIsVault(path);
  makePrivate(path);
  let db: Database.Database | undefined;
  try {
    db = new Database(path, { timeout: OPEN_WAIT_MS });
    // Before there is a log, so that the file's own header always says what it is.
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.pragma(`mmap_size = ${MAPPED_BYTES}`);
    // What is deleted is overwritten in the file.
    db.pragma('secure_delete = ON');
    // Automatic copying of the log hides its errors; SqliteVault does it.
    db.pragma('wal_autocheckpoint = 0');
    // What a process that was killed, or whose disk failed, left in the log may be in the system's memory alone.
    db.pragma('wal_checkpoint(PASSIVE)');
    makeTables(db, path);
    db.pragma('synchronous = NORMAL');
    db.pragma('busy_timeout = 0');
    return new SqliteVault(db, path, clock, toDisk);
  } catch (error) {
    db?.close();
    if (error instanceof Database.SqliteError)
      throw new InvalidInputError(
        'path',
        `${path} cannot be opened: ${error.message} (${error.code})${adviceOn(error)}`,
      );
    throw error;
  }
}

interface Change {
  readonly write: () => void;
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class SqliteVault implements Vault {
  readonly #db: Database.Database;
  readonly #clock: Clock;
  readonly #toDisk: ToDisk;
  /** SQLite's log of what was committed. */
  readonly #log: number;
  readonly #put;
  readonly #delete;
  readonly #get;
  readonly #ids;
  readonly #noteLedger;
  readonly #commit: Database.Transaction<(group: readonly Change[]) => void>;

  #waiting: Change[] = [];
  #waitingBytes = 0;
  /** Resolves when nothing waits any more; null when nothing does. */
  #writing: Promise<void> | null = null;
  #logBytes = 0;
  #failure: RefusedError | null = null;
  #closed = false;

  /** Called by openSqliteVault alone. */
  constructor(db: Database.Database, path: string, clock: Clock, toDisk: ToDisk) {
    this.#db = db;
    this.#clock = clock;
    this.#toDisk = toDisk;
    this.#put = db.prepare<[string, number, string]>('INSERT OR REPLACE INTO items VALUES (?, ?, ?)');
    this.#delete = db.prepare<[string]>('DELETE FROM items WHERE id = ?');
    this.#get = db.prepare<[string], string>('SELECT body FROM items WHERE id = ?').pluck();
    this.#ids = db
      .prepare<[string, string, string, number, number], string>(
        'SELECT id FROM items WHERE id >= ? AND id > ? AND id < ? AND put_at < ? ORDER BY id LIMIT ?',
      )
      .pluck();
    this.#noteLedger = db.prepare<[string, number, string]>(
      'INSERT OR REPLACE INTO ledger VALUES (1, ?, ?, ?)',
    );
    this.#commit = db.transaction((group) => {
      for (const { write } of group) write();
    });
    // SQLite names the log after the file itself, not after a link to it.
    this.#log = openSync(`${realpathSync(path)}-wal`, 'r+');
  }

  put(items: readonly VaultItem[]): Promise<void> {
    let bytes = 0;
    assertCount(items);
    for (const { id, body } of items) bytes += assertItem(id, body);
    return this.#change(bytes, () => {
      const now = this.#clock.now();
      for (const { id, body } of items) this.#put.run(id, now, body);
    });
  }

  async get(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return this.#read(() => {
      const found = new Map<string, string>();
      for (const id of ids) {
        const body = this.#get.get(id);
        if (body !== undefined) found.set(id, body);
      }
      return found;
    });
  }

  delete(ids: readonly string[]): Promise<void> {
    assertCount(ids);
    return this.#change(0, () => {
      for (const id of ids) this.#delete.run(id);
    });
  }

  async ids(prefix: string, filter: IdsFilter = {}): Promise<readonly string[]> {
    const { after = '', max = IDS_DEFAULT, putBeforeMs = Number.MAX_SAFE_INTEGER } = filter;
    // Nothing that begins with the prefix comes after it with the last character there is.
    const end = `${prefix}\u{10ffff}`;
    return this.#read(() => this.#ids.all(prefix, after, end, putBeforeMs, max));
  }

  async ledger(): Promise<VaultLedger | null> {
    const row = this.#read(() => this.#db.prepare('SELECT * FROM ledger').get()) as
      | { ledger_id: string; head_sequence: number; head_hash: string }
      | undefined;
    if (row === undefined) return null;
    return { ledgerId: row.ledger_id, head: { sequence: row.head_sequence, hash: row.head_hash } };
  }

  noteLedger({ ledgerId, head }: { readonly ledgerId: string; readonly head: Head }): Promise<void> {
    return this.#change(0, () => this.#noteLedger.run(ledgerId, head.sequence, head.hash));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#writing;
    closeSync(this.#log);
    this.#db.close();
  }

  #change(bytes: number, write: () => void): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable('the vault is closed'));
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#waitingBytes + bytes > WAITING_BYTES_MAX)
      return Promise.reject(
        unavailable(
          `${this.#waitingBytes} bytes wait for the disk, of at most ${WAITING_BYTES_MAX}; try again later`,
        ),
      );
    return new Promise((resolve, reject) => {
      this.#waiting.push({ write, bytes, resolve, reject });
      this.#waitingBytes += bytes;
      this.#writing ??= this.#writeAll();
    });
  }

  async #writeAll(): Promise<void> {
    // Changes that are asked for within this turn of the event loop join the first group.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup();
      try {
        await this.#write(group);
        for (const { resolve } of group) resolve();
      } catch (error) {
        for (const { reject } of group) reject(error as Error);
      }
    }
    this.#writing = null;
  }

  #nextGroup(): readonly Change[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#waiting.length && count < GROUP_CHANGES_MAX && bytes < GROUP_BYTES_MAX)
      bytes += this.#waiting[count++].bytes;
    this.#waitingBytes -= bytes;
    this.#logBytes += bytes + count * CHANGE_LOG_BYTES;
    return this.#waiting.splice(0, count);
  }

  async #write(group: readonly Change[]): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    for (let waitedMs = 0; ; waitedMs += BUSY_PAUSE_MS) {
      try {
        this.#commit.immediate(group);
        break;
      } catch (error) {
        if (!isBusy(error)) throw this.#failed(error);
        if (waitedMs >= BUSY_MS_MAX)
          throw unavailable('another process holds the vault’s file; try again later');
      }
      await delay(BUSY_PAUSE_MS);
    }
    try {
      await this.#toDisk(this.#log);
      if (this.#logBytes >= LOG_BYTES) this.#emptyLog();
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** Copies the log to the file. What a reader or another process keeps from being copied stays for the next time. */
  #emptyLog(): void {
    this.#logBytes = 0;
    try {
      this.#db.pragma('wal_checkpoint(PASSIVE)');
    } catch (error) {
      if (!isBusy(error)) throw error;
    }
  }

  /** A full disk leaves the file as it was. After any other failure nobody knows what is on disk. */
  #failed(error: unknown): Error {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) return error as Error;
    if (code === 'SQLITE_FULL') return unavailable(`the disk of the vault is full (${code})`);
    this.#failure = unavailable(
      `the vault’s file did not take a change (${code}), and takes none until Bursar is started again`,
    );
    return this.#failure;
  }

  #read<T>(read: () => T): T {
    if (this.#closed) throw unavailable('the vault is closed');
    try {
      return read();
    } catch (error) {
      if (!(error instanceof Database.SqliteError)) throw error;
      throw unavailable(`the vault cannot be read: ${error.message} (${error.code})`);
    }
  }
}

function unavailable(why: string): RefusedError {
  return new RefusedError('store_unavailable', why, { retryAfterMs: BUSY_MS_MAX });
}

/** What whoever starts the server can do. */
function adviceOn(error: unknown): string {
  if (isBusy(error)) return '; another process holds it: end that one, or try again';
  return isDamage(error) ? '; put it back from a backup, or move it away to go on without its texts' : '';
}

/** Looks at the header, so that a file of something else is refused before SQLite touches it. */
function assertIsVault(path: string): void {
  const found = fileKind(path);
  if (found.kind === 'absent' || found.kind === 'empty') return;
  if (found.kind !== 'sqlite' || found.applicationId !== APPLICATION_ID)
    throw new InvalidInputError('path', `${path} is not a vault of Bursar`);
}

function makeTables(db: Database.Database, path: string): void {
  db.transaction(() => {
    const version = db.pragma('user_version', { simple: true }) as number;
    if (version > FORMAT_VERSION)
      throw new InvalidInputError(
        'path',
        `${path} has format version ${version}; this Bursar reads ${FORMAT_VERSION}. Use the newer Bursar that wrote it, or a backup from before`,
      );
    if (version === FORMAT_VERSION) return;
    db.pragma(`user_version = ${FORMAT_VERSION}`);
    db.exec(TABLES);
  }).immediate();
}

function assertCount(list: readonly unknown[]): void {
  if (list.length > ITEMS_MAX)
    throw new InvalidInputError('items', `has ${list.length} items; at most ${ITEMS_MAX} are taken at once`);
}

/** @returns the bytes of the body */
function assertItem(id: string, body: string): number {
  if (!/^[a-z]+\/./.test(id) || id.length > ITEM_ID_CHARS_MAX)
    throw new InvalidInputError(
      'id',
      `${JSON.stringify(id.slice(0, 100))} is not FEATURE/REST of at most ${ITEM_ID_CHARS_MAX} characters`,
    );
  const bytes = Buffer.byteLength(body);
  if (bytes > BODY_BYTES_MAX)
    throw new InvalidInputError('body', `has ${bytes} bytes; at most ${BODY_BYTES_MAX} are kept`);
  return bytes;
}
