// A reconciliation as a table for people: the days and models whose gap is more than rounding, with their largest causes.
// Called by the command line, for its own and for a server's.

import { figure, grouped, rowTable, word } from '../kit/text-table.js';
import type { ReconciliationView } from './reconciliation-api.js';

/** Causes beside a row; the JSON has more. */
const CAUSES_IN_ROW = 2;

type Cause = ReconciliationView['causes'][number];

const CAUSE_TEXTS: Readonly<Record<Cause['cause'], string>> = {
  not_in_ledger: 'calls of a model that the ledger does not have: other traffic on this account',
  not_in_report:
    'calls of a model that the report does not have: not counted yet, another name, or another account',
  calls_not_in_ledger: 'calls that are not in the ledger',
  calls_not_in_report: 'calls that are not in the report',
  estimated_calls: 'estimated calls',
  unpriced_calls: 'calls with a tier or modifier of no known price',
  cancelled_calls: 'cancelled calls',
  failed_calls: 'failed calls',
  expired_calls: 'calls that nobody settled',
  late_calls: 'calls settled late',
  other_prices: 'billed at other prices (tier, batch, region)',
  price_differs: 'same tokens, another price',
  recorded_spend: 'spend recorded without a hold',
  unexplained: 'unexplained',
};

export function reconciliationText(done: ReconciliationView): string {
  const apart = done.rows.filter(({ causes }) => causes.length > 0);
  const agreed = done.rows.length - apart.length;
  const leftOut =
    done.rowsLeftOut === 0 ? '' : `; ${grouped(done.rowsLeftOut)} with smaller gaps, or none, are not shown`;
  return [
    `${done.provider} from ${done.from} to ${done.to}, by ${done.report.source}`,
    `report ${done.report.digest}`,
    ...(apart.length === 0 ? [] : ['', gapTable(apart), '']),
    `${grouped(agreed)} ${agreed === 1 ? 'row agrees' : 'rows agree'}, ${grouped(apart.length)} ${apart.length === 1 ? 'does' : 'do'} not (a row is a day and a model)${leftOut}`,
    `ledger ${grouped(done.ledgerUsd)} usd, provider ${grouped(done.reportUsd)} usd, gap ${signed(done.gapUsd)} usd`,
    ...done.causes.map((cause) => `  ${causeText(cause)}`),
    ...(done.posting === null ? [] : postingLines(done)),
    ...done.notes.map((note) => `note: ${note}`),
    verdictText(done),
  ].join('\n');
}

function gapTable(rows: ReconciliationView['rows']): string {
  return rowTable(rows, [
    word('day', (row) => row.day),
    word('model', (row) => row.name || row.item || '(all)'),
    figure('ledger, usd', (row) => row.ledgerUsd),
    figure('provider, usd', (row) => row.reportUsd),
    { title: 'gap, usd', figure: true, of: (row) => signed(row.gapUsd) },
    word('largest causes', (row) => row.causes.slice(0, CAUSES_IN_ROW).map(causeText).join('; ')),
  ]);
}

function causeText({ cause, calls, usd }: Cause): string {
  const counted = calls === null || calls === 0 ? '' : `${grouped(calls)} `;
  return `${counted}${CAUSE_TEXTS[cause]} (${grouped(usd)} usd)`;
}

function postingLines({ posting, gapLeftUsd }: ReconciliationView): string[] {
  if (posting === null) return [];
  const { recorded, lowered, notPosted } = posting;
  return [
    `posted: ${grouped(recorded.usd)} usd recorded in ${grouped(recorded.count)}, ${grouped(lowered.usd)} usd taken off ${grouped(lowered.count)} holds; gap left ${signed(gapLeftUsd)} usd`,
    ...notPosted.map(
      ({ day, item, usd, why }) => `not posted: ${day} ${item ?? '(all)'} ${signed(usd)} usd: ${why}`,
    ),
  ];
}

function verdictText({
  isWithin,
  deviationUsd,
  tolerance,
  toleratedUsd,
  posting,
}: ReconciliationView): string {
  const off = posting === null ? `off by ${grouped(deviationUsd)} usd` : 'after posting';
  const limit = `tolerance ${tolerance}${tolerance.endsWith('%') ? ` = ${grouped(toleratedUsd)} usd` : ' usd'}`;
  return `${isWithin ? 'WITHIN' : 'BEYOND'} the tolerance: ${off}, ${limit}`;
}

function signed(usd: string): string {
  if (usd.startsWith('-')) return `-${grouped(usd.slice(1))}`;
  return usd === '0' ? '0' : `+${grouped(usd)}`;
}
