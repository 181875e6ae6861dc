// Reconciliations over HTTP: their schemas, their routes, and a reconciliation as it is sent, stored and printed.

import { type Static, Type } from 'typebox';
import { formatAmount } from '../core/amount.js';
import { LABEL_VALUE_LENGTH_MAX } from '../core/labels.js';
import { ID_PARAMS, PLATFORM, routes } from '../kit/route.js';
import {
  AmountOut,
  CLOSED,
  Id,
  InstantOut,
  LabelsIn,
  listOf,
  oneOf,
  orNull,
  PAGE,
  Whole,
} from '../kit/schema-parts.js';
import { CAUSES, type GapRow } from './gaps.js';
import type { Reconciliation } from './reconcile.js';
import { toleranceText } from './tolerance.js';

/** A year of 150 models, day by day; the command line reads longer files from a ledger's machine. */
export const CSV_LENGTH_MAX = 4 * 1024 * 1024;

const Day = Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\d$', description: 'A UTC day: 2026-11-30.' });
/** Unlike an amount, it may be below zero. */
const Difference = Type.String({ description: 'A decimal amount of usd with its sign: "-0.25".' });

export const ReconciliationRequest = Type.Object(
  {
    provider: Type.String({
      minLength: 1,
      maxLength: LABEL_VALUE_LENGTH_MAX,
      description: 'As the label `provider` has it.',
    }),
    from: Day,
    to: Type.String({ ...Day, description: 'A UTC day, included; at most 366 days from the first.' }),
    tolerance: Type.Optional(
      Type.String({
        maxLength: 40,
        description: 'A percentage of what the provider billed, "1%", or usd, "0.50"; none unless stated.',
      }),
    ),
    post: Type.Optional(
      Type.Boolean({ description: 'Books the difference. The same report books it once.' }),
    ),
    labels: Type.Optional(LabelsIn),
    csv: Type.Optional(
      Type.String({
        maxLength: CSV_LENGTH_MAX,
        description: 'A report as CSV, instead of the provider’s API.',
      }),
    ),
  },
  CLOSED,
);
export type ReconciliationRequest = Static<typeof ReconciliationRequest>;

const CauseView = Type.Object({
  cause: oneOf(CAUSES),
  calls: orNull(Whole),
  usd: Type.String({ description: 'The money that it touches.' }),
});

const Booked = Type.Object({ count: Whole, usd: AmountOut });
const PostingView = Type.Object({
  recorded: Booked,
  lowered: Booked,
  notPosted: Type.Array(
    Type.Object({ day: Type.String(), item: orNull(Type.String()), usd: Difference, why: Type.String() }),
  ),
});

export const ReconciliationSummary = Type.Object({
  id: Id,
  provider: Type.String(),
  from: Type.String(),
  to: Type.String(),
  at: InstantOut,
  report: Type.Object({
    source: Type.String(),
    digest: Type.String({ description: 'SHA-256 of its days, items and amounts.' }),
  }),
  ledgerUsd: Difference,
  reportUsd: Difference,
  gapUsd: Type.String({
    description: 'What the provider billed above the ledger; negative where it billed less.',
  }),
  deviationUsd: Type.String({
    description:
      'The gaps of all rows without their signs, beyond rounding: what the tolerance is compared with.',
  }),
  tolerance: Type.String(),
  toleratedUsd: AmountOut,
  isWithin: Type.Boolean({
    description: 'Whether the tolerance holds; after posting, as the books are then.',
  }),
  causes: Type.Array(CauseView),
  posting: Type.Unsafe<Static<typeof PostingView> | null>({ ...PostingView, type: ['object', 'null'] }),
  gapLeftUsd: Type.String({ description: 'The gap after what was posted.' }),
  notes: Type.Array(Type.String()),
});
export type ReconciliationSummary = Static<typeof ReconciliationSummary>;

export const ReconciliationView = Type.Object({
  ...ReconciliationSummary.properties,
  rows: Type.Array(
    Type.Object({
      day: Type.String(),
      item: orNull(
        Type.String({ description: 'A model without its date, or a tool; null: the report has days alone.' }),
      ),
      kind: oneOf(['model', 'tool', 'other']),
      name: Type.String(),
      ledgerUsd: Difference,
      reportUsd: Difference,
      gapUsd: Difference,
      ledgerCalls: Whole,
      reportCalls: orNull(Whole),
      ledgerTokens: Whole,
      reportTokens: orNull(Whole),
      postedUsd: Type.String({ description: 'Of the ledger’s: what earlier reconciliations booked.' }),
      causes: Type.Array(CauseView),
    }),
  ),
  rowsLeftOut: Type.Integer({
    minimum: 0,
    description: 'Rows beyond the most that are answered, those with the smallest gaps; the sums have them.',
  }),
});
export type ReconciliationView = Static<typeof ReconciliationView>;

export const ReconciliationQuery = Type.Object(PAGE, CLOSED);
export type ReconciliationQuery = Static<typeof ReconciliationQuery>;
export const ReconciliationList = listOf(ReconciliationSummary);
export type ReconciliationList = Static<typeof ReconciliationList>;

/** The CSV in JSON, whose line breaks and quotes take two bytes, and the other fields. */
const BODY_BYTES_MAX = 2 * CSV_LENGTH_MAX + 64 * 1024;

export const RECONCILIATION_ROUTES = routes({
  reconcile: {
    method: 'POST',
    path: '/v1/reconciliations',
    tag: 'reconciliations',
    summary:
      'Compare the ledger with a provider’s report, and with `post` book the difference; takes a while',
    scopes: PLATFORM,
    platformOnly: true,
    body: ReconciliationRequest,
    bodyBytesMax: BODY_BYTES_MAX,
    answers: { 201: ReconciliationView },
  },
  listReconciliations: {
    method: 'GET',
    path: '/v1/reconciliations',
    tag: 'reconciliations',
    summary: 'Past reconciliations, the newest first',
    scopes: PLATFORM,
    platformOnly: true,
    query: ReconciliationQuery,
    answers: { 200: ReconciliationList },
  },
  getReconciliation: {
    method: 'GET',
    path: '/v1/reconciliations/:id',
    tag: 'reconciliations',
    summary: 'One past reconciliation',
    scopes: PLATFORM,
    platformOnly: true,
    params: ID_PARAMS,
    answers: { 200: ReconciliationView },
  },
});

/** Rows that are shown: a year of a dozen models. Of more, those with the largest gaps. */
const ROWS_SHOWN_MAX = 5_000;
/** Of what could not be posted. */
const NOT_POSTED_SHOWN_MAX = 1_000;

export function reconciliationOut(id: string, done: Reconciliation): ReconciliationView {
  const { provider, range, report, gaps, posting } = done;
  const rows = rowsOut(gaps.rows);
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
    causes: gaps.causes.map(withUsdOut),
    rows,
    rowsLeftOut: gaps.rows.length - rows.length,
    posting: posting && {
      recorded: withUsdOut(posting.recorded),
      lowered: withUsdOut(posting.lowered),
      notPosted: posting.notPosted.slice(0, NOT_POSTED_SHOWN_MAX).map(withUsdOut),
    },
    gapLeftUsd: usdOut(done.gapLeftUsd),
    notes: [...done.notes, ...leftOutNotes(posting?.notPosted.length ?? 0)],
  };
}

function leftOutNotes(notPosted: number): string[] {
  const more = notPosted - NOT_POSTED_SHOWN_MAX;
  return more > 0 ? [`${more} more rows could not be posted`] : [];
}

function rowsOut(rows: readonly GapRow[]): ReconciliationView['rows'] {
  if (rows.length <= ROWS_SHOWN_MAX) return rows.map(rowOut);
  const byDeviation = (left: number, right: number) =>
    Number(rows[right].deviationUsd - rows[left].deviationUsd) || left - right;
  const kept = [...rows.keys()].sort(byDeviation).slice(0, ROWS_SHOWN_MAX);
  return kept.sort((left, right) => left - right).map((index) => rowOut(rows[index]));
}

function rowOut({ ledger, report, ...row }: GapRow): ReconciliationView['rows'][number] {
  const { day, item, kind, name } = row;
  return {
    day,
    item,
    kind,
    name,
    ledgerUsd: usdOut(row.ledgerUsd),
    reportUsd: usdOut(row.reportUsd),
    gapUsd: usdOut(row.gapUsd),
    ledgerCalls: ledger?.calls ?? 0,
    reportCalls: report?.requests ?? null,
    ledgerTokens: ledger?.tokens ?? 0,
    reportTokens: report?.tokens ?? null,
    postedUsd: usdOut(ledger?.counts.posted.usd ?? 0n),
    causes: row.causes.map(withUsdOut),
  };
}

function withUsdOut<Fields extends { readonly usd: bigint }>(fields: Fields) {
  return { ...fields, usd: usdOut(fields.usd) };
}

function usdOut(steps: bigint): string {
  return formatAmount(steps, 8);
}
