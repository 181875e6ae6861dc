// `service.db`, in which earlier versions kept keys, chats, goals, agents and all else that is no money. It is read with SQL of
// its own, and nothing in it is changed. Opened by take-over.ts.

import { existsSync, renameSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { InvalidInputError } from '../../core/errors.js';

/** "BRSV". */
const APPLICATION_ID = 0x42_52_53_56;

/** Another process may have it open for a moment: a command line of the earlier version. ms */
const BUSY_WAIT_MS = 2_000;

export class ServiceFile {
  readonly #db: Database.Database;
  readonly #tables: ReadonlySet<string>;

  /** @throws InvalidInputError when it cannot be read, or is no file of an earlier version */
  constructor(private readonly path: string) {
    this.#db = this.#guarded(() => new Database(path, { timeout: BUSY_WAIT_MS, fileMustExist: true }));
    try {
      this.#guarded(() => {
        if (this.#db.pragma('application_id', { simple: true }) !== APPLICATION_ID)
          throw new InvalidInputError('--data', `${path} is no file of Bursar's: move it out of the folder`);
        this.#db.pragma('query_only = ON');
      });
      const names = this.#db.prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table'");
      this.#tables = new Set(names.pluck().all());
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /**
   * The rows of a table, one at a time in memory; none where the file is older than the table. A row lacks the columns that
   * the file is older than.
   * @param rest what comes after the table's name in the SQL
   */
  *rows<Row>(table: string, rest: string, ...bound: readonly (string | number)[]): Generator<Row> {
    if (!this.#tables.has(table)) return;
    try {
      yield* this.#db.prepare<unknown[], Row>(`SELECT * FROM ${table} ${rest}`).iterate(...bound);
    } catch (error) {
      throw this.#problem(error);
    }
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw this.#problem(error);
    }
  }

  #problem(error: unknown): unknown {
    if (!(error instanceof Database.SqliteError)) return error;
    return new InvalidInputError('--data', `${this.path} cannot be read: ${error.message} (${error.code})`);
  }

  close(): void {
    this.#db.close();
  }
}

/**
 * Gives the closed file another name. Its log is in it: SQLite carries it over when the last one closes the file.
 * @throws InvalidInputError while another process has it open
 */
export function putAway(path: string): void {
  const log = `${path}-wal`;
  if (existsSync(log) && statSync(log).size > 0)
    throw new InvalidInputError('--data', `another process has ${path} open: stop it first`);
  renameSync(path, putAwayPath(path));
}

export function putAwayPath(path: string): string {
  return `${path}.taken-over`;
}
