// The service's own file beside the ledger, `service.db`: what is no money and yet survives a restart. Areas (keys, …)
// bring their tables as numbered migrations and keep their statements themselves; what is written is on disk when
// `transaction` returns, or when `synced` resolves after `casually`. Opened by data-folder.ts.
//
// Why syncing SQLite's log alone is enough: a commit is frames in the log, in order. Before SQLite carries them over to the
// file it syncs the log, and before it writes over them it syncs the file; so at any time a commit is either on disk or in
// what `synced` syncs. The log stays the same file while it is open here, and its name is on disk since the tables were
// made. SQLite takes no lock on it that closing it here could drop: those are on the file and its -shm.

import { chmodSync, closeSync, existsSync, fdatasync, openSync, realpathSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { InvalidInputError } from '../core/errors.js';
import { RefusedError } from './refusals.js';

/** Tables of one part of the service. A migration that was released is never changed: the next one is added. */
export interface StoreArea {
  readonly name: string;
  /** SQL; the first makes version 1 of the area. */
  readonly migrations: readonly string[];
}

/** "BRSV": what `file` and SQLite's own tools see. */
const APPLICATION_ID = 0x42_52_53_56;

/** Others hold the write lock for one small commit; whoever waits longer has met a stuck process. ms */
const BUSY_WAIT_MS = 2_000;

/** Of 4 KiB, in the log before it is carried over to the file: rows that change often are carried over once. 16 MiB */
const LOG_PAGES = 4_000;

/** What is read in place, without a call of the system for each page: as much as SQLite takes. Rows of a chat lie far apart. */
const MAPPED_BYTES = 0x7fff_0000;

/** The file's owner alone reads it: it names tenants and users. */
const FILE_MODE = 0o600;

/** Resolves when what was written to a file is on disk. */
export type ToDisk = (file: number) => Promise<void>;

export class ServiceStore {
  readonly #db: Database.Database;
  readonly #commit: Database.Transaction<(write: () => unknown) => unknown>;
  /** SQLite's log of what was committed. */
  readonly #log: number;
  readonly #toDisk: ToDisk;
  /** The wait for the disk that is under way, and the one that begins after it. */
  #syncing: Promise<void> | null = null;
  #nextSync: Promise<void> | null = null;
  #failure: RefusedError | null = null;

  private constructor(db: Database.Database, path: string, toDisk: ToDisk) {
    this.#db = db;
    this.#commit = db.transaction((write) => write());
    // SQLite names the log after the file itself, not after a link to it.
    this.#log = openSync(`${realpathSync(path)}-wal`, 'r+');
    this.#toDisk = toDisk;
  }

  /**
   * Opens the file, making it or bringing its tables up to date in one transaction.
   * @param toDisk the system's, except in tests, which hold it up or fail it
   * @throws InvalidInputError when it is no service store, damaged, or of a newer Bursar
   */
  static open(
    path: string,
    areas: readonly StoreArea[],
    toDisk: ToDisk = promisify(fdatasync),
  ): ServiceStore {
    makePrivate(path);
    let db: Database.Database | undefined;
    try {
      db = new Database(path, { timeout: BUSY_WAIT_MS });
      assertIsOurs(db, path);
      db.pragma('journal_mode = WAL');
      db.pragma('synchronous = FULL');
      db.pragma(`wal_autocheckpoint = ${LOG_PAGES}`);
      db.pragma(`mmap_size = ${MAPPED_BYTES}`);
      db.pragma('foreign_keys = ON');
      // What a process that was killed, or whose disk failed, left in the log may be in the system's memory alone.
      db.pragma('wal_checkpoint(PASSIVE)');
      migrate(db, path, areas);
      db.pragma('synchronous = NORMAL');
      return new ServiceStore(db, path, toDisk);
    } catch (error) {
      db?.close();
      if (error instanceof Database.SqliteError)
        throw new InvalidInputError('path', `${path} cannot be opened: ${error.message} (${error.code})`);
      throw error;
    }
  }

  prepare<Bound extends unknown[], Row = unknown>(sql: string): Database.Statement<Bound, Row> {
    return this.#db.prepare<Bound, Row>(sql);
  }

  /**
   * Runs `write` and commits what it wrote, or nothing; within another one, with that one.
   * @throws RefusedError store_unavailable when the disk did not take it
   */
  transaction<T>(write: () => T): T {
    if (this.#db.inTransaction) return this.casually(write);
    this.#db.pragma('synchronous = FULL');
    try {
      return this.casually(write);
    } finally {
      this.#db.pragma('synchronous = NORMAL');
    }
  }

  /**
   * As `transaction`, and nothing waits for the disk: readers see it at once, the end of the process does not undo it, a
   * power cut may until `synced`.
   */
  casually<T>(write: () => T): T {
    if (this.#failure !== null) throw this.#failure;
    try {
      return this.#commit.immediate(write) as T;
    } catch (error) {
      if (!(error instanceof Database.SqliteError)) throw error;
      throw unavailable(`the service's file did not take the change (${error.code})`);
    }
  }

  /**
   * Resolves once all that is committed by now is on disk, and lets others work meanwhile. Those who ask while the disk is
   * busy share the next wait. Where it fails, nobody knows what is on disk, nor would a later success say so: the file then
   * takes no change until it is opened again. @throws RefusedError store_unavailable
   */
  synced(): Promise<void> {
    this.#nextSync ??= this.#syncAfter(this.#syncing);
    return this.#nextSync;
  }

  async #syncAfter(before: Promise<void> | null): Promise<void> {
    await before?.catch(() => undefined);
    this.#syncing = this.#nextSync;
    this.#nextSync = null;
    if (this.#failure !== null) throw this.#failure;
    try {
      await this.#toDisk(this.#log);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      this.#failure = unavailable(
        `the service's file did not take a change (${code}), and takes none until Bursar is started again`,
      );
      throw this.#failure;
    }
  }

  /** Changes whenever another connection has committed; never by this one's own commits. */
  version(): number {
    return this.#db.pragma('data_version', { simple: true }) as number;
  }

  get isOpen(): boolean {
    return this.#db.open;
  }

  close(): void {
    if (!this.#db.open) return;
    closeSync(this.#log);
    this.#db.close();
  }
}

function unavailable(why: string): RefusedError {
  return new RefusedError('store_unavailable', why, { retryAfterMs: BUSY_WAIT_MS });
}

// Made before SQLite opens it, so that at no moment others can; its WAL gets the same mode from SQLite.
function makePrivate(path: string): void {
  try {
    if (!existsSync(path)) closeSync(openSync(path, 'a', FILE_MODE));
    if ((statSync(path).mode & 0o777 & ~FILE_MODE) !== 0) chmodSync(path, FILE_MODE);
  } catch (error) {
    throw new InvalidInputError('path', `${path} cannot be made private: ${(error as Error).message}`);
  }
}

function assertIsOurs(db: Database.Database, path: string): void {
  const id = db.pragma('application_id', { simple: true });
  const tables = db.prepare<[], { count: number }>('SELECT count(*) AS count FROM sqlite_schema').get();
  const isNew = id === 0 && tables?.count === 0;
  if (id !== APPLICATION_ID && !isNew)
    throw new InvalidInputError('path', `${path} is a database, but no service store of Bursar's`);
}

function migrate(db: Database.Database, path: string, areas: readonly StoreArea[]): void {
  db.transaction(() => {
    db.pragma(`application_id = ${APPLICATION_ID}`);
    db.exec('CREATE TABLE IF NOT EXISTS areas (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT');
    const found = new Map(
      db
        .prepare<[], { name: string; version: number }>('SELECT name, version FROM areas')
        .all()
        .map(({ name, version }) => [name, version]),
    );
    for (const [name, version] of found) {
      const known = areas.find((area) => area.name === name)?.migrations.length ?? 0;
      if (version > known)
        throw new InvalidInputError(
          'path',
          `${path} was written by a newer Bursar (${name} version ${version}; this one knows ${known}): use that one, or a copy of the file from before`,
        );
    }
    const put = db.prepare('INSERT OR REPLACE INTO areas (name, version) VALUES (?, ?)');
    for (const { name, migrations } of areas) {
      for (const sql of migrations.slice(found.get(name) ?? 0)) db.exec(sql);
      if ((found.get(name) ?? 0) !== migrations.length) put.run(name, migrations.length);
    }
  }).immediate();
}
