// Compares the ledger's days and items with the report's: the gap of each, and what may have caused it, the largest cause
// first. Pure arithmetic; called by reconcile.ts.

import { type DayItem, rowKey } from './items.js';
import { byDay, type LedgerRow } from './ledger-row.js';
import type { ReportRow, UsageReport } from './usage-report.js';

/**
 * What may have caused a gap. `not_in_ledger`: the provider billed an item of which the ledger has nothing: traffic that
 * did not go through Bursar. `not_in_report`: the reverse. `calls_not_in_ledger`, `calls_not_in_report`: one side counts
 * more calls. `estimated_calls`: the provider's figures were missing, or had no known price. `unpriced_calls`: of these, the
 * answer stated a tier, a place or a speed without a known price. `cancelled_calls`,
 * `failed_calls`: charged by rule Q9. `expired_calls`, `late_calls`: charged when their holds expired, or settled after that. `other_prices`: billed at
 * another price than the usual one. `price_differs`: the tokens agree and the money does not. `recorded_spend`: booked
 * without a hold. `unexplained`: none of these.
 */
export const CAUSES = [
  'not_in_ledger',
  'not_in_report',
  'calls_not_in_ledger',
  'calls_not_in_report',
  'estimated_calls',
  'unpriced_calls',
  'cancelled_calls',
  'failed_calls',
  'expired_calls',
  'late_calls',
  'other_prices',
  'price_differs',
  'recorded_spend',
  'unexplained',
] as const;

export interface Cause {
  readonly cause: (typeof CAUSES)[number];
  /** How many calls it is about; null where neither side counts them. */
  readonly calls: number | null;
  /** An upper bound of the gap that this cause explains, in steps of usd; for missing calls, an estimate. */
  readonly usd: bigint;
}

/** Of each row and of the whole. Causes that concern less money are left out. */
const CAUSES_SHOWN_MAX = 5;

export interface GapFigures {
  readonly ledgerUsd: bigint;
  readonly reportUsd: bigint;
  /** What the provider billed above what the ledger charged; negative where it billed less. */
  readonly gapUsd: bigint;
  /**
   * Of a row: the gap without its sign; 0 where it is no more than the rounding of costs and of the report. In all: the sum of
   * the rows' deviations, so that a gap is not hidden by the reverse one of another day or model.
   */
  readonly deviationUsd: bigint;
}

/** Its name is the ledger's, else the provider's. */
export interface GapRow extends DayItem, GapFigures {
  readonly ledger: LedgerRow | null;
  readonly report: ReportRow | null;
  readonly causes: readonly Cause[];
}

export interface Gaps extends GapFigures {
  /** By day, then by item; a row in which both sides have nothing is left out. */
  readonly rows: readonly GapRow[];
  readonly causes: readonly Cause[];
}

export function gapsOf(ledgerRows: ReadonlyMap<string, LedgerRow>, report: UsageReport): Gaps {
  const ledger = report.hasItems ? ledgerRows : byDay(ledgerRows.values());
  const reported = new Map(report.rows.map((row) => [rowKey(row), row]));
  const keys = [...new Set([...ledger.keys(), ...reported.keys()])].sort();
  const rows = keys
    .map((key) => gapRow(ledger.get(key) ?? null, reported.get(key) ?? null))
    .filter(
      ({ ledgerUsd, reportUsd, ledger: own }) =>
        ledgerUsd !== 0n || reportUsd !== 0n || (own?.calls ?? 0) > 0,
    );
  const sum = (field: keyof GapFigures) => rows.reduce((total, row) => total + row[field], 0n);
  return {
    rows,
    ledgerUsd: sum('ledgerUsd'),
    reportUsd: sum('reportUsd'),
    gapUsd: sum('gapUsd'),
    deviationUsd: sum('deviationUsd'),
    causes: summed(rows),
  };
}

function gapRow(ledger: LedgerRow | null, report: ReportRow | null): GapRow {
  const ledgerUsd = ledger?.usd ?? 0n;
  const reportUsd = report?.usd ?? 0n;
  const gapUsd = reportUsd - ledgerUsd;
  const deviationUsd = beyondRounding(gapUsd, ledger?.roundedParts ?? 0);
  const side = (ledger ?? report) as LedgerRow | ReportRow;
  const { day, item, kind, name } = side;
  const causes = deviationUsd === 0n ? [] : causesOf({ ledger, report, gapUsd });
  return { day, item, kind, name, ledger, report, ledgerUsd, reportUsd, gapUsd, deviationUsd, causes };
}

// The ledger rounds each part of a cost up; the report's row is rounded once, to the nearest step.
function beyondRounding(gapUsd: bigint, roundedParts: number): bigint {
  const size = gapUsd < 0n ? -gapUsd : gapUsd;
  const rounded = gapUsd < 0n ? BigInt(roundedParts) + 1n : 1n;
  return size <= rounded ? 0n : size;
}

interface Compared {
  readonly ledger: LedgerRow | null;
  readonly report: ReportRow | null;
  readonly gapUsd: bigint;
}

function causesOf({ ledger, report, gapUsd }: Compared): Cause[] {
  const causes: Cause[] = [];
  const add = (cause: Cause['cause'], calls: number | null, usd: bigint) => {
    if (usd > 0n) causes.push({ cause, calls, usd });
  };
  const size = gapUsd < 0n ? -gapUsd : gapUsd;
  if (ledger === null || isEmpty(ledger)) add('not_in_ledger', report?.requests ?? null, size);
  else if (report === null) add('not_in_report', ledger.calls, size);
  else addDifferences(add, { ledger, report, gapUsd });
  if (ledger !== null) {
    for (const counted of ['estimated', 'unpriced', 'cancelled', 'failed', 'expired', 'late'] as const)
      add(`${counted}_calls`, ledger.counts[counted].calls, ledger.counts[counted].usd);
    add('recorded_spend', null, ledger.counts.recorded.usd);
  }
  const tiers = Object.values(report?.tiers ?? {}).reduce((total, usd) => total + usd, 0n);
  add('other_prices', null, tiers);
  if (causes.length === 0) add('unexplained', null, size);
  return largest(causes);
}

function isEmpty({ usd, calls }: LedgerRow): boolean {
  return usd === 0n && calls === 0;
}

function addDifferences(
  add: (cause: Cause['cause'], calls: number | null, usd: bigint) => void,
  {
    ledger,
    report,
    gapUsd,
  }: { readonly ledger: LedgerRow; readonly report: ReportRow; readonly gapUsd: bigint },
): void {
  const { requests, tokens } = report;
  const more = requests === null ? 0 : requests - ledger.calls;
  // The calls that one side lacks are valued at the average cost of the other side's calls.
  if (more > 0) add('calls_not_in_ledger', more, (report.usd * BigInt(more)) / BigInt(requests as number));
  if (more < 0) add('calls_not_in_report', -more, (ledger.usd * BigInt(-more)) / BigInt(ledger.calls));
  if (tokens !== null && tokens === ledger.tokens && more === 0)
    add('price_differs', null, gapUsd < 0n ? -gapUsd : gapUsd);
}

/** The causes of all rows, each once. */
function summed(rows: readonly GapRow[]): Cause[] {
  const totals = new Map<Cause['cause'], Cause>();
  for (const { cause, calls, usd } of rows.flatMap((row) => row.causes)) {
    const before = totals.get(cause);
    const sum =
      calls === null && (before?.calls ?? null) === null ? null : (before?.calls ?? 0) + (calls ?? 0);
    totals.set(cause, { cause, calls: sum, usd: (before?.usd ?? 0n) + usd });
  }
  return largest([...totals.values()]);
}

function largest(causes: readonly Cause[]): Cause[] {
  const bySize = (left: Cause, right: Cause) => (left.usd < right.usd ? 1 : left.usd > right.usd ? -1 : 0);
  return [...causes].sort(bySize).slice(0, CAUSES_SHOWN_MAX);
}
