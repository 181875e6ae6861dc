// Proves a file of views from the journal: makes the tables again and compares them row by row. Changes nothing, so it also
// runs while a server uses the file. Called by `verify` of a data folder.

import { isDeepStrictEqual } from 'node:util';
import Database from 'better-sqlite3';
import { EMPTY_HEAD, factBatches, isOnChain } from '../journal/fact-records.js';
import type { JournalReader } from '../journal/port.js';
import { assertTables, DamagedFileError, guarded, positionIn } from './follower-file.js';
import type { View } from './view.js';
import { Appliers, tablesOf } from './views.js';

type Row = Readonly<Record<string, unknown>>;

/** The first row that is not what the facts make it. */
export interface ViewDifference {
  readonly table: string;
  /** What the facts make of it; null where there should be no such row. */
  readonly expected: Row | null;
  /** What the file has; null where it has no such row. */
  readonly found: Row | null;
}

export interface ComparedFile {
  /** Of `views.db`. */
  readonly path: string;
  /** All views that the file is made of. */
  readonly views: readonly View[];
  readonly reader: JournalReader;
}

/**
 * Compares the file with the facts up to the file's own position.
 * @returns the first difference in the order of the tables and of their keys; null when there is none
 * @throws DamagedFileError when the file cannot be compared: damaged, of other tables, or of another ledger
 */
export function viewsDifference({ path, views, reader }: ComparedFile): ViewDifference | null {
  const file = guarded(() => new Database(path, { readonly: true, fileMustExist: true }));
  // A temporary file: SQLite keeps it in memory while it is small.
  const expected = new Database('');
  try {
    return guarded(() => {
      // All reads see one state of the file, whatever its server writes meanwhile.
      file.exec('BEGIN');
      assertTables(file, tablesOf(views));
      const position = positionIn(file);
      if (!isOnChain(reader, position)) throw new DamagedFileError('it follows another ledger');
      make(expected, views, reader, position.sequence);
      return firstDifference(expected, file);
    });
  } finally {
    file.close();
    expected.close();
  }
}

function make(db: Database.Database, views: readonly View[], reader: JournalReader, upTo: number): void {
  db.pragma('journal_mode = OFF');
  db.exec(`BEGIN; ${tablesOf(views)}`);
  const appliers = new Appliers(views, db);
  for (const { records, head } of factBatches(reader, EMPTY_HEAD)) {
    if (head.sequence > upTo) break;
    for (const record of records) appliers.apply(record);
  }
  db.exec('COMMIT');
}

function firstDifference(expected: Database.Database, found: Database.Database): ViewDifference | null {
  const tables = expected
    .prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .pluck();
  for (const table of tables.all()) {
    const difference = differenceIn(table, rowsOf(expected, table), rowsOf(found, table));
    if (difference !== null) return difference;
  }
  return null;
}

/** Both in the order of the table's key. */
function differenceIn(
  table: string,
  expected: IterableIterator<Row>,
  found: IterableIterator<Row>,
): ViewDifference | null {
  try {
    for (;;) {
      const one = expected.next();
      const other = found.next();
      if (one.done && other.done) return null;
      if (!isDeepStrictEqual(one.value, other.value))
        return { table, expected: one.value ?? null, found: other.value ?? null };
    }
  } finally {
    // A database is closed only when none of its statements is under way.
    expected.return?.();
    found.return?.();
  }
}

function rowsOf(db: Database.Database, table: string): IterableIterator<Row> {
  const key = db
    .prepare<[string], string>('SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk')
    .pluck()
    .all(table);
  const order = key.length === 0 ? 'rowid' : key.map((column) => `"${column}"`).join(', ');
  const rows = db.prepare<[], Row>(`SELECT * FROM "${table}" ORDER BY ${order}`);
  return rows.safeIntegers().iterate();
}
