// A reconciliation as it is shown, stored and sent: amounts as decimal texts, instants as ISO 8601. Called by the command
// line, the HTTP API and the store.

import { formatAmount } from '../core/amount.js';
import type { Cause, GapRow, Reconciliation } from './reconcile.js';
import type { ReconciliationView } from './reconciliation-schema.js';
import { toleranceText } from './tolerance.js';

/** Rows that are shown: a year of a dozen models. Of more, those with the largest gaps. */
const ROWS_SHOWN_MAX = 5_000;
/** Of what could not be posted. */
const NOT_POSTED_SHOWN_MAX = 1_000;

export function reconciliationOut(id: string, done: Reconciliation): ReconciliationView {
  const { provider, range, report, gaps, posting } = done;
  const rows = rowsShown(gaps.rows);
  return {
    id,
    provider,
    from: range.from,
    to: range.to,
    at: new Date(done.at).toISOString(),
    report: { source: report.source, digest: report.digest },
    ledgerUsd: usdOut(gaps.ledgerUsd),
    reportUsd: usdOut(gaps.reportUsd),
    gapUsd: usdOut(gaps.gapUsd),
    deviationUsd: usdOut(gaps.deviationUsd),
    tolerance: toleranceText(done.tolerance),
    toleratedUsd: usdOut(done.toleratedUsd),
    isWithin: done.isWithin,
    causes: gaps.causes.map(causeOut),
    rows: rows.map(rowOut),
    rowsLeftOut: gaps.rows.length - rows.length,
    posting:
      posting === null
        ? null
        : {
            recorded: { count: posting.recorded.count, usd: usdOut(posting.recorded.usd) },
            lowered: { count: posting.lowered.count, usd: usdOut(posting.lowered.usd) },
            notPosted: posting.notPosted
              .slice(0, NOT_POSTED_SHOWN_MAX)
              .map((left) => ({ ...left, usd: usdOut(left.usd) })),
          },
    gapLeftUsd: usdOut(done.gapLeftUsd),
    notes: [...done.notes, ...leftOutNotes(posting?.notPosted.length ?? 0)],
  };
}

function leftOutNotes(notPosted: number): string[] {
  const more = notPosted - NOT_POSTED_SHOWN_MAX;
  return more > 0 ? [`${more} more rows could not be posted`] : [];
}

function rowsShown(rows: readonly GapRow[]): readonly GapRow[] {
  if (rows.length <= ROWS_SHOWN_MAX) return rows;
  const byDeviation = (left: number, right: number) =>
    Number(rows[right].deviationUsd - rows[left].deviationUsd) || left - right;
  const kept = [...rows.keys()].sort(byDeviation).slice(0, ROWS_SHOWN_MAX);
  return kept.sort((left, right) => left - right).map((index) => rows[index]);
}

function rowOut({ day, item, kind, name, ...row }: GapRow): ReconciliationView['rows'][number] {
  const { ledger, report, ledgerUsd, reportUsd, gapUsd, causes } = row;
  return {
    day,
    item,
    kind,
    name,
    ledgerUsd: usdOut(ledgerUsd),
    reportUsd: usdOut(reportUsd),
    gapUsd: usdOut(gapUsd),
    ledgerCalls: ledger?.calls ?? 0,
    reportCalls: report?.requests ?? null,
    ledgerTokens: ledger?.tokens ?? 0,
    reportTokens: report?.tokens ?? null,
    postedUsd: usdOut(ledger?.posted.usd ?? 0n),
    causes: causes.map(causeOut),
  };
}

function causeOut({ cause, calls, usd }: Cause): ReconciliationView['causes'][number] {
  return { cause, calls, usd: usdOut(usd) };
}

function usdOut(steps: bigint): string {
  return formatAmount(steps, 8);
}
