// A reconciliation as it is shown, stored and sent: amounts as decimal texts, instants as ISO 8601. Called by the command
// line, the HTTP API and the store.

import { formatAmount } from '../../core/amount.js';
import type { ReconciliationView } from '../wire/schema-reconciliation.js';
import type { Cause, GapRow, Reconciliation } from './reconcile.js';
import { toleranceText } from './tolerance.js';

export function reconciliationOut(id: string, done: Reconciliation): ReconciliationView {
  const { provider, range, report, gaps, posting } = done;
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
    rows: gaps.rows.map(rowOut),
    posting:
      posting === null
        ? null
        : {
            recorded: { count: posting.recorded.count, usd: usdOut(posting.recorded.usd) },
            lowered: { count: posting.lowered.count, usd: usdOut(posting.lowered.usd) },
            notPosted: posting.notPosted.map((left) => ({ ...left, usd: usdOut(left.usd) })),
          },
    gapLeftUsd: usdOut(done.gapLeftUsd),
    notes: [...done.notes],
  };
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
