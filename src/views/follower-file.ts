// A SQLite file that follows the journal: tables, and the place in the journal up to which they are filled. It holds no
// truth of its own: whatever is wrong with it, it is made anew. Each change is one transaction that checks the place from
// which it starts, so two processes that follow with one file never mix. Used by views.ts and by the history of holds.

import Database from 'better-sqlite3';
import { InvalidInputError } from '../core/errors.js';
import type { Head } from '../core/outcomes.js';
import { CHAIN_START, digestOf, toHead } from '../journal/chain.js';
import { deleteDatabase, fileKind, isBusy, isDamage, makePrivate } from '../journal/sqlite/files.js';

export const IN_MEMORY = ':memory:';

/** A file that is damaged again right after it was made anew is on a broken disk. */
const OPENINGS_MAX = 3;

/** Another process makes the tables, or takes in one group of records. One that holds the file for longer is stuck. ms */
const OPEN_WAIT_MS = 2_000;

/** Pages of 4 KiB in the log before they are copied to the file: pages that change often are copied once. 16 MiB */
const LOG_PAGES = 4_000;

/** SQLite maps at most this much of the file, so that a read needs no system call for each page. */
const MAPPED_BYTES = 0x7fff_0000;

/** Why a file that nothing is wrong with is made anew. */
export const HELD = 'another process holds it';

const POSITION_TABLE = `CREATE TABLE position (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  format TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  hash TEXT NOT NULL
) STRICT`;

export interface FollowerFileFormat {
  /** What the file is to a person: `history`. */
  readonly name: string;
  /** What `file` and SQLite's own tools see. */
  readonly applicationId: number;
  /** SQL. A file that was made by other SQL is made anew. */
  readonly tables: string;
  /** How long a statement waits for another process's transaction. ms */
  readonly busyWaitMs: number;
}

/** The file is not what was written, or was written in another format. Whoever meets it makes the file anew. */
export class DamagedFileError extends Error {
  override readonly name = 'DamagedFileError';
}

/** The file was made by other SQL: by another version of Bursar. Nothing is wrong with it. */
export class OtherTablesError extends DamagedFileError {}

export class FollowerFile {
  readonly db: Database.Database;
  readonly #move;
  readonly #advance: Database.Transaction<(from: Head, to: Head, change: () => void) => boolean>;

  /**
   * Opens the file, or makes it. A file that cannot be used is replaced; `onReplaced` is told why.
   * @param foreign what to do with a file of something else: under a name that a person chose it may be their work
   */
  static open(
    path: string,
    format: FollowerFileFormat,
    foreign: 'replace' | 'refuse' = 'replace',
    onReplaced: (why: string) => void = () => undefined,
  ): FollowerFile {
    for (let opening = 1; ; opening += 1) {
      try {
        if (path !== IN_MEMORY) prepareFile(path, format, foreign);
        return new FollowerFile(path, format);
      } catch (error) {
        if (!(error instanceof DamagedFileError) || opening === OPENINGS_MAX) throw error;
        onReplaced(error.message);
        if (path !== IN_MEMORY) deleteDatabase(path);
      }
    }
  }

  private constructor(
    readonly path: string,
    format: FollowerFileFormat,
  ) {
    this.db = guarded(() => new Database(path, { timeout: OPEN_WAIT_MS }));
    const move = 'UPDATE position SET sequence = ?, hash = ? WHERE sequence = ? AND hash = ?';
    try {
      guarded(() => {
        // Before there is a log, so that the file's own header always says what it is.
        this.db.pragma(`application_id = ${format.applicationId}`);
        this.db.pragma('journal_mode = WAL');
        // A power cut may take back the last changes: the journal has them. It never mixes old pages with new ones.
        this.db.pragma('synchronous = NORMAL');
        this.db.pragma(`wal_autocheckpoint = ${LOG_PAGES}`);
        this.db.pragma(`mmap_size = ${MAPPED_BYTES}`);
        makeTables(this.db, format.tables);
        this.db.pragma(`busy_timeout = ${format.busyWaitMs}`);
      });
      this.#move = this.db.prepare<[number, string, number, string]>(move);
    } catch (error) {
      this.db.close();
      throw isBusy(error) ? new DamagedFileError(HELD) : error;
    }
    this.#advance = this.db.transaction((from, to, change) => {
      if (this.#move.run(to.sequence, to.hash, from.sequence, from.hash).changes === 0) return false;
      change();
      return true;
    });
  }

  /** How far the tables are filled. */
  position(): Head {
    return guarded(() => positionIn(this.db));
  }

  /** Runs `change` and moves on, or neither. False when the file is elsewhere than `from`: another process was here. */
  advance({ from, to }: { readonly from: Head; readonly to: Head }, change: () => void): boolean {
    return guarded(() => this.#advance.immediate(from, to, change));
  }

  close(): void {
    this.db.close();
  }

  /** Closes it and deletes it. */
  remove(): void {
    this.db.close();
    if (this.path !== IN_MEMORY) deleteDatabase(this.path);
  }
}

/** Passes on what `use` gives, and throws DamagedFileError where SQLite says that the file is damaged. */
export function guarded<T>(use: () => T): T {
  try {
    return use();
  } catch (error) {
    if (isDamage(error)) throw new DamagedFileError((error as Error).message, { cause: error });
    throw error;
  }
}

/** Removes what is no file of this kind, and lets nobody but the owner read what is. */
function prepareFile(path: string, format: FollowerFileFormat, foreign: 'replace' | 'refuse'): void {
  const found = fileKind(path);
  const isForeign =
    found.kind === 'other' || (found.kind === 'sqlite' && found.applicationId !== format.applicationId);
  if (isForeign && foreign === 'refuse')
    throw new InvalidInputError('path', `${path} is there and is not a Bursar ${format.name}`);
  if (isForeign) throw new DamagedFileError(`it is not a Bursar ${format.name}`);
  // SQLite would take the log of a file that was deleted by hand for the new file's.
  if (found.kind === 'absent') deleteDatabase(path);
  makePrivate(path);
}

/** Makes the tables in a new file; checks those of another one. @throws DamagedFileError */
function makeTables(db: Database.Database, tables: string): void {
  db.transaction(() => {
    if (schemaOf(db).length > 0) {
      assertTables(db, tables);
      return;
    }
    const { sequence, hash } = toHead(CHAIN_START);
    db.exec(`${POSITION_TABLE};${tables}`);
    db.prepare('INSERT INTO position VALUES (1, ?, ?, ?)').run(digestOf(tables), sequence, hash);
  }).immediate();
}

/** @throws OtherTablesError unless the file's tables were made by this SQL */
export function assertTables(db: Database.Database, tables: string): void {
  const schema = schemaOf(db);
  const stored = schema.includes(POSITION_TABLE)
    ? db.prepare('SELECT format FROM position').pluck().get()
    : undefined;
  if (stored !== digestOf(tables) || schema.join(';') !== schemaMadeBy(tables).join(';'))
    throw new OtherTablesError('its tables are of another version');
}

/** @throws DamagedFileError */
export function positionIn(db: Database.Database): Head {
  const position = db.prepare<[], Head>('SELECT sequence, hash FROM position').get();
  if (position === undefined) throw new DamagedFileError('its position is lost');
  return position;
}

/** What SQLite has noted of the tables and indexes that SQL made. */
function schemaOf(db: Database.Database): readonly string[] {
  const sql = db.prepare<[], string>('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid');
  return sql.pluck().all();
}

function schemaMadeBy(tables: string): readonly string[] {
  const db = new Database(IN_MEMORY);
  try {
    db.exec(`${POSITION_TABLE};${tables}`);
    return schemaOf(db);
  } finally {
    db.close();
  }
}
