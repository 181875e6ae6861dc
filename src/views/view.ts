// What a feature declares to have a read model: the tables of its view, and how one fact changes them. The file that the
// tables are in belongs to views.ts; nobody writes a view's tables in another way.

import type { Fact } from '../core/facts.js';
import type { FactRecord } from '../journal/fact-records.js';

/** One feature's read model: tables that can be rebuilt from its facts at any time. */
export interface View {
  /** The feature whose facts it takes. */
  readonly feature: string;
  /**
   * SQL that makes the tables. When any of it changes, a comment included, all views are rebuilt: whoever changes what
   * `open` gives without changing a table changes a comment here.
   */
  readonly tables: string;
  /**
   * Prepares the statements that change the tables, and gives the function that applies one fact. What the function does
   * depends on the fact, its record and the tables alone: no clock, no randomness, nothing kept in memory, and not
   * `outcome.replayed`, which is true on a rebuild. It runs in the transaction that moves the position. Called once for each database, also for one that is compared with the file.
   */
  open(db: ViewDatabase): ApplyFact;
}

/** Applies one fact. A throw stops the ledger, so it throws only where the fact cannot have been written by this program. */
export type ApplyFact = (fact: Fact, record: FactRecord) => void;

export interface ViewDatabase {
  /** The type parameters are the caller's word for what it binds and what the rows are. */
  prepare<Bound extends unknown[], Row = unknown>(sql: string): ViewStatement<Bound, Row>;
}

/** A prepared statement, as better-sqlite3 has it. Outside of `ApplyFact` it reads only. */
export interface ViewStatement<Bound extends unknown[], Row> {
  get(...bound: Bound): Row | undefined;
  all(...bound: Bound): Row[];
  run(...bound: Bound): { readonly changes: number; readonly lastInsertRowid: number | bigint };
  /** Rows are their first column. */
  pluck(): this;
  /** Rows are arrays, by place. */
  raw(): this;
}
