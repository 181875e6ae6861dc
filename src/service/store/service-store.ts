// The service's own file beside the ledger, `service.db`: what is no money and yet survives a restart. Areas (keys, …)
// bring their tables as numbered migrations and keep their statements themselves; what is written is on disk when
// `transaction` returns. Opened by data-folder.ts.

import { chmodSync, closeSync, existsSync, openSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { InvalidInputError } from '../../core/errors.js';
import { RefusedError } from '../refusals.js';

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

/** The file's owner alone reads it: it names tenants and users. */
const FILE_MODE = 0o600;

export class ServiceStore {
  readonly #db: Database.Database;

  private constructor(db: Database.Database) {
    this.#db = db;
  }

  /**
   * Opens the file, making it or bringing its tables up to date in one transaction.
   * @throws InvalidInputError when it is no service store, damaged, or of a newer Bursar
   */
  static open(path: string, areas: readonly StoreArea[]): ServiceStore {
    makePrivate(path);
    let db: Database.Database | undefined;
    try {
      db = new Database(path, { timeout: BUSY_WAIT_MS });
      assertIsOurs(db, path);
      db.pragma('journal_mode = WAL');
      db.pragma('synchronous = FULL');
      db.pragma('foreign_keys = ON');
      migrate(db, path, areas);
      return new ServiceStore(db);
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
   * Runs `write` and commits what it wrote, or nothing.
   * @throws RefusedError store_unavailable when the disk did not take it
   */
  transaction<T>(write: () => T): T {
    try {
      return this.#db.transaction(write).immediate();
    } catch (error) {
      if (!(error instanceof Database.SqliteError)) throw error;
      throw new RefusedError(
        'store_unavailable',
        `the service's file did not take the change (${error.code})`,
        {
          retryAfterMs: BUSY_WAIT_MS,
        },
      );
    }
  }

  /** As `transaction`, for what may be lost with the power: nothing waits for the disk. */
  casually(write: () => void): void {
    this.#db.pragma('synchronous = NORMAL');
    try {
      this.transaction(write);
    } finally {
      this.#db.pragma('synchronous = FULL');
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
    this.#db.close();
  }
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
