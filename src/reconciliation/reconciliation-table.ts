// Past reconciliations in the service's file, the newest of each provider among them for the metrics. Called by
// reconciliations.ts.

import type { ServiceStore, StoreArea } from '../kit/service-store.js';
import type { ReconciliationSummary, ReconciliationView } from './reconciliation-api.js';

/** One a day for some providers for years; each has some MiB at most. Older ones are dropped. */
const KEPT_MAX = 1_000;

export const RECONCILIATION_AREA: StoreArea = {
  name: 'reconciliations',
  migrations: [
    `CREATE TABLE reconciliations (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      provider TEXT NOT NULL,
      at INTEGER NOT NULL,
      gap_left_usd TEXT NOT NULL,
      summary TEXT NOT NULL,
      rows TEXT NOT NULL
    ) STRICT;
    CREATE INDEX reconciliations_of_provider ON reconciliations (provider, number);`,
  ],
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
  readonly summary: string;
  readonly rows: string;
}

/** Apart from the rest, so that a list need not read them. */
type Rows = Pick<ReconciliationView, 'rows' | 'rowsLeftOut'>;

export class ReconciliationTable {
  readonly #store: ServiceStore;
  readonly #insert;
  readonly #prune;
  readonly #page;
  readonly #get;
  readonly #last;

  constructor(store: ServiceStore) {
    this.#store = store;
    this.#insert = store.prepare<[string, string, number, string, string, string]>(
      `INSERT INTO reconciliations (id, provider, at, gap_left_usd, summary, rows)
       VALUES (?, ?, ?, ?, ?, ?)`,
    );
    this.#prune = store.prepare<[number]>(
      'DELETE FROM reconciliations WHERE number <= (SELECT max(number) FROM reconciliations) - ?',
    );
    this.#page = store.prepare<[number, number], Omit<Row, 'rows'>>(
      'SELECT number, summary FROM reconciliations WHERE number < ? ORDER BY number DESC LIMIT ?',
    );
    this.#get = store.prepare<[string], Row>(
      'SELECT number, summary, rows FROM reconciliations WHERE id = ?',
    );
    this.#last = store.prepare<[], { provider: string; at: number; gap: string }>(
      `SELECT provider, at, gap_left_usd AS gap FROM reconciliations
       WHERE number IN (SELECT max(number) FROM reconciliations GROUP BY provider) ORDER BY provider`,
    );
  }

  add(view: ReconciliationView): void {
    const { rows, rowsLeftOut, ...summary } = view;
    const { id, provider, gapLeftUsd } = summary;
    const texts = [JSON.stringify(summary), JSON.stringify({ rows, rowsLeftOut })] as const;
    this.#store.transaction(() => {
      this.#insert.run(id, provider, Date.parse(summary.at), gapLeftUsd, ...texts);
      this.#prune.run(KEPT_MAX);
    });
  }

  /** The newest first. */
  list(page: { readonly before: number | null; readonly max: number }): {
    readonly items: readonly ReconciliationSummary[];
    readonly next: number | null;
  } {
    const rows = this.#page.all(page.before ?? Number.MAX_SAFE_INTEGER, page.max + 1);
    const shown = rows.slice(0, page.max);
    return {
      items: shown.map(({ summary }) => JSON.parse(summary) as ReconciliationSummary),
      next: rows.length > page.max ? (shown.at(-1)?.number ?? null) : null,
    };
  }

  get(id: string): ReconciliationView | undefined {
    const row = this.#get.get(id);
    if (row === undefined) return undefined;
    const summary = JSON.parse(row.summary) as ReconciliationSummary;
    return { ...summary, ...(JSON.parse(row.rows) as Rows) };
  }

  /** The newest of each provider. */
  last(): readonly LastRun[] {
    return this.#last.all().map(({ provider, at, gap }) => ({ provider, at, gapLeftUsd: gap }));
  }
}
