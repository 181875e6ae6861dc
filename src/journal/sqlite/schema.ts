// The ledger file: how it is recognised, created whole or not at all, and opened; and the one place where SQLite's
// errors become the journal's. Format version 1; a change of the tables is a new version.

import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { InvalidInputError, JournalCorruptError, JournalUnavailableError } from '../../core/errors.js';
import { isDamage } from './files.js';

/** "BRSR": what `file` and SQLite's own tools see. */
const APPLICATION_ID = 0x42_52_53_52;
const FORMAT_VERSION = 1;

/** Measured: 16 KiB pages append 256 KiB batches almost twice as fast as 4 KiB ones and lone batches equally fast. */
export const PAGE_BYTES = 16_384;

/** SQLite's smallest page: no database is shorter. */
const FILE_BYTES_MIN = 512;

/** Others hold the write lock for one commit or one opening: ms. Whoever waits longer has met a stuck process. */
const BUSY_WAIT_MS = 5_000;

/** The small columns stand before the bytes, so that reading them touches no overflow page. */
const TABLES = [
  `CREATE TABLE batches (
  first_sequence INTEGER PRIMARY KEY,
  record_count INTEGER NOT NULL,
  previous_hash BLOB NOT NULL,
  hash BLOB NOT NULL,
  bytes BLOB NOT NULL
) STRICT`,
  `CREATE TABLE checkpoints (
  checkpoint_id INTEGER PRIMARY KEY,
  sequence INTEGER NOT NULL,
  chain_hash BLOB NOT NULL,
  chunk_count INTEGER NOT NULL,
  byte_length INTEGER NOT NULL,
  digest BLOB NOT NULL
) STRICT`,
  `CREATE TABLE checkpoint_chunks (
  checkpoint_id INTEGER NOT NULL,
  chunk INTEGER NOT NULL,
  bytes BLOB NOT NULL,
  PRIMARY KEY (checkpoint_id, chunk)
) STRICT`,
  `CREATE TABLE lease (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  ledger_id TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  lease_id TEXT NOT NULL,
  authority_id TEXT NOT NULL,
  holder TEXT NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  process TEXT NOT NULL,
  head_sequence INTEGER NOT NULL,
  head_hash TEXT NOT NULL,
  digest TEXT NOT NULL
) STRICT`,
] as const;

/** Turns what SQLite throws into a journal error; passes on what already is one. `sequence`: how far it was right. */
export function journalError(error: unknown, doing: string, sequence: number): Error {
  if (!(error instanceof Database.SqliteError)) {
    if (!(error instanceof Error)) return new Error(String(error));
    // A file operation of our own that failed, as for want of permission.
    return 'syscall' in error
      ? new JournalUnavailableError(`${doing}: ${error.message}`, { cause: error })
      : error;
  }
  const what = `${doing}: ${error.message} (${error.code})`;
  if (isDamage(error)) return new JournalCorruptError(sequence, what);
  return new JournalUnavailableError(what, { cause: error });
}

/** Makes an empty ledger at `path`; does nothing when another opener made it first. `lease` fills the lease table. */
export function createLedgerFile(path: string, insertLease: (db: Database.Database) => void): void {
  if (!existsSync(dirname(path))) throw new InvalidInputError('path', `there is no folder ${dirname(path)}`);
  // Built under another name and linked in: a crash leaves no half-made ledger, so an empty file is always damage.
  const building = `${path}.new-${randomUUID()}`;
  try {
    const db = new Database(building);
    try {
      db.pragma(`page_size = ${PAGE_BYTES}`);
      db.pragma('synchronous = FULL');
      db.pragma(`application_id = ${APPLICATION_ID}`);
      db.pragma(`user_version = ${FORMAT_VERSION}`);
      db.transaction(() => {
        for (const table of TABLES) db.exec(table);
        insertLease(db);
      })();
    } finally {
      db.close();
    }
    linkSync(building, path);
    syncDirectory(dirname(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
      throw journalError(error, `cannot create the ledger ${path}`, 0);
  } finally {
    rmSync(building, { force: true });
  }
}

/** Makes a new name in a directory survive a power cut; not every platform lets a directory be synced. */
function syncDirectory(path: string): void {
  if (process.platform === 'win32') return;
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** Opens an existing ledger file, and only that: anything else is refused before it is touched. */
export function openLedgerFile(path: string, access: 'read' | 'write'): Database.Database {
  if (!existsSync(path)) throw new InvalidInputError('path', `there is no ledger at ${path}`);
  const stat = statSync(path);
  if (!stat.isFile()) throw new InvalidInputError('path', `${path} is not a file`);
  // SQLite would take so short a file for an empty database, and a ledger for one that never was.
  if (stat.size < FILE_BYTES_MIN)
    throw new JournalCorruptError(
      0,
      `${path} has only ${stat.size} bytes; if it never held a ledger, delete it and open again`,
    );
  let db: Database.Database | undefined;
  try {
    db = new Database(path, { readonly: access === 'read', fileMustExist: true, timeout: BUSY_WAIT_MS });
    recognise(db, path);
    return db;
  } catch (error) {
    db?.close();
    throw journalError(error, `cannot open the ledger ${path}`, 0);
  }
}

function recognise(db: Database.Database, path: string): void {
  const application = db.pragma('application_id', { simple: true });
  if (application !== APPLICATION_ID) throw new InvalidInputError('path', `${path} is not a Bursar ledger`);
  const version = db.pragma('user_version', { simple: true });
  if (version !== FORMAT_VERSION)
    throw new InvalidInputError(
      'path',
      `${path} has format version ${version}; this Bursar reads ${FORMAT_VERSION}`,
    );
  const tables = db.prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid').pluck();
  if (tables.all().join(';') !== TABLES.join(';'))
    throw new JournalCorruptError(0, `the table definitions of ${path} are not those of a ledger`);
}
