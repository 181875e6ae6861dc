// Writes a backtest's report for people: what was assumed, who was refused, when and by which budget, spend against
// limit, and what holding worst cases cost. Called by the CLI; programs take the report as it is.

import { grouped, printable, textTable } from '../kit/text-table.js';
import type { BacktestReport, BalanceRow, HeadroomRow } from './backtest-report.js';

/** The longest bar of the histogram, in characters. */
const BAR_CHARS = 40;

export function backtestText(report: BacktestReport): string {
  return [
    assumptionLines(report),
    totalLines(report),
    refusalLines(report),
    timeLines(report),
    budgetLines(report),
    headroomLines(report),
  ]
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

function assumptionLines({ trace, assumptions }: BacktestReport): readonly string[] {
  const { maxOutputTokens, prices, latency, spread } = assumptions;
  const rows: string[][] = trace.sources.map((source, i) => [
    i === 0 ? 'Trace' : '',
    `${source.name}: ${grouped(source.requests)} requests${source.generated ? ', GENERATED, not measured' : ''}${
      source.wasSorted ? '' : ', out of order in the file, sorted by time'
    }`,
  ]);
  rows.push([
    '',
    `${clock(trace.firstArrival)} to ${clock(trace.lastArrival)} UTC, last call over at ${clock(trace.lastCompletion)}`,
  ]);
  if (spread !== null) {
    const spreadKeys = [
      spread.requestsWithoutTenant > 0 ? `tenants over ${spread.tenants}` : '',
      spread.requestsWithoutUser > 0 ? `users over ${spread.users}` : '',
      spread.requestsWithoutModel > 0 ? `models over ${spread.models.join(', ')}` : '',
    ].filter((text) => text !== '');
    rows.push([
      'Spread',
      `not in the trace, so spread with seed ${spread.seed}: ${spreadKeys.join('; ')} (rank k as often as 1/k)`,
    ]);
  }
  rows.push([
    'Worst case',
    `input as in the trace, output at most ${grouped(maxOutputTokens)} tokens (or what the trace has, if more)`,
  ]);
  const priced = prices.map(({ model, input, output }) => `${model} ${input} in / ${output} out`).join('; ');
  rows.push(['Prices', `${priced} (USD for a million tokens, each part rounded up)`]);
  rows.push(['Latency', `${latency.baseMs} ms and ${latency.perTokenMs} ms for each token written`]);
  return [textTable(['', ''], rows).trimStart()];
}

function totalLines({ totals }: BacktestReport): readonly string[] {
  const units = Object.keys({ ...totals.spent, ...totals.refusedFinalCost });
  const rows = units.map((unit) => [
    unit,
    grouped(totals.heldInAll[unit] ?? '0'),
    grouped(totals.spent[unit] ?? '0'),
    grouped(totals.refusedFinalCost[unit] ?? '0'),
  ]);
  return [
    `${grouped(totals.requests)} requests: ${grouped(totals.authorized)} authorised and settled, ` +
      `${grouped(totals.refused)} refused (${totals.refusedPercent} %); at most ${grouped(totals.peakOpen)} under way at once`,
    textTable(
      ['unit', figure('held, worst case'), figure('spent'), figure('refused calls would have cost')],
      rows,
    ),
  ];
}

function refusalLines({ totals, refusals }: BacktestReport): readonly string[] {
  if (totals.refused === 0) return ['Nobody was refused.'];
  const reasons = refusals.byReason
    .map(({ reason, refusals: count }) => `${reason} ${grouped(count)}`)
    .join(', ');
  return [
    `Refused first at ${clock(refusals.first!)}, last at ${clock(refusals.last!)} UTC; by reason: ${reasons}`,
    '',
    'By budget and cap (one refusal may break several)',
    textTable(
      ['budget', 'cap', figure('refusals'), figure('tenants'), figure('users'), 'first', 'last'],
      refusals.byCap.map((row) => [
        row.budgetId,
        row.cap,
        grouped(row.refusals),
        grouped(row.tenants),
        grouped(row.users),
        clock(row.first),
        clock(row.last),
      ]),
    ),
    '',
    'By tenant, the most refused first',
    textTable(
      ['tenant', figure('requests'), figure('refused'), figure('%'), figure('users refused')],
      refusals.byTenant.map((row) => [
        row.tenant,
        grouped(row.requests),
        grouped(row.refused),
        row.refusedPercent,
        grouped(row.usersRefused),
      ]),
    ),
    '',
    `By user, the most refused of ${grouped(refusals.users.refused)} refused (of ${grouped(refusals.users.all)})`,
    textTable(
      ['user', 'tenant', figure('requests'), figure('refused'), 'first', 'last'],
      refusals.mostRefusedUsers.map((row) => [
        row.user,
        row.tenant,
        grouped(row.requests),
        grouped(row.refused),
        clock(row.first),
        clock(row.last),
      ]),
    ),
  ];
}

function timeLines({ totals, refusals }: BacktestReport): readonly string[] {
  if (totals.refused === 0) return [];
  const most = refusals.histogram.reduce((max, bin) => Math.max(max, bin.refused), 0);
  return [
    'When',
    textTable(
      ['from', figure('requests'), figure('refused'), ''],
      refusals.histogram.map((bin) => [
        clock(bin.start),
        grouped(bin.requests),
        grouped(bin.refused),
        '#'.repeat(Math.ceil((bin.refused * BAR_CHARS) / most)),
      ]),
    ),
  ];
}

function budgetLines({ budgets, mostUsedBalances }: BacktestReport): readonly string[] {
  if (budgets.length === 0) return ['No budgets.'];
  return [
    'Spend against limit (all balances of each budget, and its most used one)',
    textTable(
      [
        'budget',
        'unit',
        'window',
        figure('limit'),
        figure('balances'),
        figure('spent'),
        figure('granted'),
        figure('used %'),
        figure('refusals'),
        'most used',
        figure('used %'),
      ],
      budgets.map((row) => [
        row.budgetId,
        row.unit,
        row.window,
        row.limit === null ? 'metered' : grouped(row.limit),
        grouped(row.balances),
        grouped(row.spent),
        row.granted === null ? '' : grouped(row.granted),
        row.usedPercent ?? '',
        grouped(row.refusals),
        row.worst === null ? '' : balanceName(row.worst),
        row.worst?.usedPercent ?? '',
      ]),
    ),
    ...(mostUsedBalances.length === 0 ? [] : ['', 'The most used balances', balanceTable(mostUsedBalances)]),
  ];
}

function balanceTable(rows: readonly BalanceRow[]): string {
  return textTable(
    [
      'budget',
      'balance',
      'unit',
      figure('spent'),
      figure('granted'),
      figure('used %'),
      figure('peak with holds %'),
      figure('refusals'),
    ],
    rows.map((row) => [
      row.budgetId,
      balanceName(row),
      row.unit,
      grouped(row.spent),
      row.granted === null ? '' : grouped(row.granted),
      row.usedPercent ?? '',
      row.peakPercent ?? '',
      grouped(row.refusals),
    ]),
  );
}

function headroomLines({ totals, headroom }: BacktestReport): readonly string[] {
  const budgets = headroom.budgets.filter((row) => !headroom.units.some((unit) => sameFigures(unit, row)));
  const { foreseen } = headroom;
  return [
    'What holding worst cases cost: held, against what those same calls finally cost',
    headroomTable([...headroom.units, ...budgets]),
    '',
    `${grouped(headroom.refusedHeld)} of ${grouped(totals.refused)} refusals were for amounts held by other calls (reason "held").`,
    `${grouped(headroom.wouldHaveFitted)} refusals, each by itself, would have fitted, had calls been held at their final cost.`,
    ...(foreseen === null
      ? []
      : [
          `Replayed with every final cost known beforehand: ${grouped(foreseen.refused)} refused instead of ` +
            `${grouped(totals.refused)}, ${spentText(foreseen.spent)} spent instead of ${spentText(totals.spent)}.`,
        ]),
  ];
}

function spentText(spent: Readonly<Record<string, string>>): string {
  return `${grouped(spent.usd ?? '0')} usd`;
}

// A budget that every call counts towards says the same as its unit does.
function sameFigures(unit: HeadroomRow, budget: HeadroomRow): boolean {
  return unit.unit === budget.unit && unit.meanHeld === budget.meanHeld && unit.peakHeld === budget.peakHeld;
}

function headroomTable(rows: readonly HeadroomRow[]): string {
  return textTable(
    [
      'of',
      'unit',
      figure('mean held'),
      figure('mean final cost'),
      figure('unused %'),
      figure('peak held'),
      figure('final cost of those'),
      'peak at',
    ],
    rows.map((row) => [
      row.of,
      row.unit,
      grouped(row.meanHeld),
      grouped(row.meanFinalCost),
      row.unusedPercent,
      grouped(row.peakHeld),
      grouped(row.peakFinalCost),
      clock(row.peakAt),
    ]),
  );
}

function balanceName(row: BalanceRow): string {
  const values = Object.entries(row.values).map(([key, value]) => `${key}=${value}`);
  const window = row.windowStart === null ? [] : [`from ${clock(row.windowStart)}`];
  return printable([...values, ...window].join(' '));
}

/** ISO text to seconds, as people write it. */
function clock(iso: string): string {
  return iso.slice(0, 19).replace('T', ' ');
}

function figure(title: string) {
  return { title, figure: true };
}
