// The facts of past reconciliations, and the view that is made of them, the newest of each provider among them for the metrics.
// A reconciliation is one fact, and its rows are further ones, since they can be longer than one fact may be. Called by
// reconciliations.ts.

import type { Fact } from '../core/facts.js';
import { factOf, recordOf } from '../kit/facts.js';
import { applyByKind, type View, type ViewDatabase } from '../views/view.js';
import type { ReconciliationSummary, ReconciliationView } from './reconciliation-api.js';

const FEATURE = 'reconciliation';

/** One a day for some providers for years; each has some MiB at most. Older ones are dropped. */
const KEPT_MAX = 1_000;
/** Rows of one fact: a row has at most some 3 KB, its names in letters of three bytes, and a fact at most 1 MiB. */
const ROWS_IN_FACT = 250;

type Done = ReconciliationSummary & Pick<ReconciliationView, 'rowsLeftOut'>;

interface RowsPart {
  readonly id: string;
  readonly rows: ReconciliationView['rows'];
}

export function reconciliationFacts({ rows, ...done }: ReconciliationView): Fact[] {
  const facts = [factOf(FEATURE, 'reconciliation_done', done)];
  for (let from = 0; from < rows.length; from += ROWS_IN_FACT) {
    const part: RowsPart = { id: done.id, rows: rows.slice(from, from + ROWS_IN_FACT) };
    facts.push(factOf(FEATURE, 'reconciliation_rows', part));
  }
  return facts;
}

export const RECONCILIATION_VIEW: View = {
  feature: FEATURE,
  tables: `
    CREATE TABLE reconciliations (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      provider TEXT NOT NULL,
      body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX reconciliations_of_provider ON reconciliations (provider, number);
    CREATE TABLE reconciliation_rows (
      number INTEGER PRIMARY KEY,
      reconciliation TEXT NOT NULL,
      body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX reconciliation_rows_of ON reconciliation_rows (reconciliation, number);`,
  open(db) {
    const insert = db.prepare<[string, string, string]>(
      'INSERT OR IGNORE INTO reconciliations (id, provider, body) VALUES (?, ?, ?)',
    );
    // A reconciliation that is written again has its rows written again.
    const removeRows = db.prepare<[string]>('DELETE FROM reconciliation_rows WHERE reconciliation = ?');
    const insertRows = db.prepare<[string, string]>(
      'INSERT INTO reconciliation_rows (reconciliation, body) VALUES (?, ?)',
    );
    const old = `number <= (SELECT max(number) FROM reconciliations) - ${KEPT_MAX}`;
    const pruneRows = db.prepare(
      `DELETE FROM reconciliation_rows WHERE reconciliation IN (SELECT id FROM reconciliations WHERE ${old})`,
    );
    const prune = db.prepare(`DELETE FROM reconciliations WHERE ${old}`);
    return applyByKind(FEATURE, {
      reconciliation_rows: (fact) => void insertRows.run(recordOf<RowsPart>(fact).id, fact.body),
      reconciliation_done: (fact) => {
        const { id, provider } = recordOf<Done>(fact);
        insert.run(id, provider, fact.body);
        removeRows.run(id);
        pruneRows.run();
        prune.run();
      },
    });
  },
};

export interface LastRun {
  readonly provider: string;
  /** Epoch ms. */
  readonly at: number;
  /** Decimal usd. */
  readonly gapLeftUsd: string;
}

interface Row {
  readonly number: number;
  readonly body: string;
}

export class ReconciliationTable {
  readonly #page;
  readonly #get;
  readonly #rows;
  readonly #last;

  constructor(db: ViewDatabase) {
    const rows = 'SELECT number, body FROM reconciliations WHERE';
    this.#page = db.prepare<[number, number], Row>(`${rows} number < ? ORDER BY number DESC LIMIT ?`);
    this.#get = db.prepare<[string], Row>(`${rows} id = ?`);
    this.#rows = db.prepare<[string], Row>(
      'SELECT number, body FROM reconciliation_rows WHERE reconciliation = ? ORDER BY number',
    );
    this.#last = db.prepare<[], Row>(
      `${rows} number IN (SELECT max(number) FROM reconciliations GROUP BY provider) ORDER BY provider`,
    );
  }

  /** The newest first. */
  list(page: { readonly before: number | null; readonly max: number }): {
    readonly items: readonly ReconciliationSummary[];
    readonly next: number | null;
  } {
    const rows = this.#page.all(page.before ?? Number.MAX_SAFE_INTEGER, page.max + 1);
    const taken = rows.slice(0, page.max);
    return {
      items: taken.map(summaryOf),
      next: rows.length > page.max ? (taken.at(-1)?.number ?? null) : null,
    };
  }

  get(id: string): ReconciliationView | undefined {
    const row = this.#get.get(id);
    if (row === undefined) return undefined;
    const rows = this.#rows.all(id).flatMap(({ body }) => (JSON.parse(body) as RowsPart).rows);
    return { ...(JSON.parse(row.body) as Done), rows };
  }

  /** The newest of each provider. */
  last(): readonly LastRun[] {
    return this.#last.all().map((row) => {
      const { provider, at, gapLeftUsd } = summaryOf(row);
      return { provider, at: Date.parse(at), gapLeftUsd };
    });
  }
}

function summaryOf({ body }: Row): ReconciliationSummary {
  const { rowsLeftOut: _rowsLeftOut, ...summary } = JSON.parse(body) as Done;
  return summary;
}
