// One reconciliation: reads the provider's report and what the ledger charged, compares the two, and books the difference where
// that is asked for. Called by the command line for a ledger file, and by reconciliations.ts for a server.

import type { Ledger, LedgerReads, Progress } from '../authority/api.js';
import type { Actor } from '../core/facts.js';
import { quoted } from '../core/labels.js';
import type { Labels } from '../core/requests.js';
import { CorrectableHolds } from './correctable-holds.js';
import type { DayRange } from './days.js';
import { type Gaps, gapsOf } from './gaps.js';
import { rowKey } from './items.js';
import { type LedgerSpend, ledgerSpend } from './ledger-spend.js';
import { type Posting, postGaps } from './posting.js';
import { type ReportSource, readReport } from './report-source.js';
import { type Tolerance, toleratedUsd } from './tolerance.js';
import type { UsageReport } from './usage-report.js';

export interface ReconcileOptions {
  /** The name that the ledger's label `provider` has, or another name for it. */
  readonly provider: string;
  readonly range: DayRange;
  readonly source: ReportSource;
  readonly tolerance: Tolerance;
  /** Epoch ms. */
  readonly now: number;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Post {
  readonly ledger: Ledger;
  /** Who asks for it; null at the command line. */
  readonly actor: Actor | null;
  /** More labels of what is recorded. */
  readonly labels: Labels;
}

export interface Reconciliation {
  readonly provider: string;
  readonly range: DayRange;
  readonly at: number;
  readonly report: UsageReport;
  readonly tolerance: Tolerance;
  readonly gaps: Gaps;
  /** Steps of usd. */
  readonly toleratedUsd: bigint;
  /** Whether the deviation is tolerated. After a posting, the deviation that is left counts. */
  readonly isWithin: boolean;
  /** Null where nothing was to be booked. */
  readonly posting: Posting | null;
  /** The gap that is left after the posting. */
  readonly gapLeftUsd: bigint;
  readonly notes: readonly string[];
}

/** @throws ReportError, InvalidInputError; whatever the ledger throws */
export async function reconcile(
  ledger: LedgerReads,
  options: ReconcileOptions,
  post: Post | null = null,
): Promise<Reconciliation> {
  const { provider, range, source, tolerance, now, progress, signal } = options;
  const report = await readReport(source, range);
  const spend = await ledgerSpend({ ledger, provider, range, progress, signal });
  const gaps = gapsOf(spend.rows, report);
  const posting = post === null ? null : await postedGaps(options, report, gaps, post);
  // After a posting the figures of the books are read again.
  const left =
    posting === null ? gaps : gapsOf((await ledgerSpend({ ledger, provider, range, signal })).rows, report);
  const tolerated = toleratedUsd(tolerance, gaps.reportUsd);
  return {
    provider,
    range,
    at: now,
    report,
    tolerance,
    gaps,
    toleratedUsd: tolerated,
    isWithin: left.deviationUsd <= tolerated,
    posting,
    gapLeftUsd: left.gapUsd,
    notes: [...report.notes, ...spendNotes(spend, options, report)],
  };
}

function spendNotes(spend: LedgerSpend, { provider }: ReconcileOptions, report: UsageReport): string[] {
  const notes: string[] = [];
  if (spend.unknownHolds > 0)
    notes.push(`${spend.unknownHolds} charges are of holds that the ledger does not know any more`);
  // A name that is misspelt looks like a provider that was never called.
  if (spend.rows.size === 0 && report.rows.length > 0)
    notes.push(
      `the ledger has no charge of ${quoted(provider)} on these days; --provider is the value of the label provider`,
    );
  return notes;
}

/** Books the gaps that are more than rounding. */
async function postedGaps(
  options: ReconcileOptions,
  report: UsageReport,
  gaps: Gaps,
  post: Post,
): Promise<Posting> {
  const { provider, range, now, signal } = options;
  const rows = gaps.rows.filter(({ deviationUsd }) => deviationUsd > 0n);
  // The holds behind the rows that are above the bill. Without such rows nothing is read.
  const above = rows.filter(({ gapUsd }) => gapUsd < 0n).map(rowKey);
  const correctable = new CorrectableHolds(new Set(above), report.hasItems ? 'items' : 'days');
  if (above.length > 0) await ledgerSpend({ ledger: post.ledger, provider, range, correctable, signal });
  return postGaps({ ...post, provider, report: report.digest, rows, correctable, now, signal });
}
