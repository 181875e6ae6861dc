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
   * `outcome.replayed`, which is true in a rebuild. It runs in the transaction that moves the position. It is called once
   * for each database, also for one that is made to be compared with the file.
   */
  open(db: ViewDatabase): ApplyFact;
}

/** Applies one fact. A throw stops the ledger, so it throws only where the fact cannot have been written by this program. */
export type ApplyFact = (fact: Fact, record: FactRecord) => void;

/**
 * What applies the facts of one feature, by their kinds. The table does not compile where one of the kinds is missing.
 * @throws Error from the applier for a kind that this version does not know: to pass it over would make a wrong view
 */
export function applyByKind<Kind extends string>(
  feature: string,
  appliers: Readonly<Record<Kind, ApplyFact>>,
): ApplyFact {
  const known = new Map<string, ApplyFact>(Object.entries(appliers));
  return (fact, record) => {
    const apply = known.get(fact.kind);
    if (apply === undefined)
      throw new Error(
        `bug: the view of ${feature} does not know the fact ${fact.kind}; a newer version may have written it`,
      );
    apply(fact, record);
  };
}

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
