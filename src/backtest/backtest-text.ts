// Writes a backtest's report for people: what was assumed, who was refused, when and by which budget, spend against
// limit, and what holding worst cases cost. Called by the CLI; programs take the report as it is.

import { figure, grouped, printable, rowTable, textTable, word } from '../kit/text-table.js';
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
  return [
    `${grouped(totals.requests)} requests: ${grouped(totals.authorized)} authorised and settled, ` +
      `${grouped(totals.refused)} refused (${totals.refusedPercent} %); at most ${grouped(totals.peakOpen)} under way at once`,
    rowTable(Object.keys({ ...totals.spent, ...totals.refusedFinalCost }), [
      word('unit', (unit) => unit),
      figure('held, worst case', (unit) => totals.heldInAll[unit] ?? '0'),
      figure('spent', (unit) => totals.spent[unit] ?? '0'),
      figure('refused calls would have cost', (unit) => totals.refusedFinalCost[unit] ?? '0'),
    ]),
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
    rowTable(refusals.byCap, [
      word('budget', (row) => row.budgetId),
      word('cap', (row) => row.cap),
      figure('refusals', (row) => row.refusals),
      figure('tenants', (row) => row.tenants),
      figure('users', (row) => row.users),
      word('first', (row) => clock(row.first)),
      word('last', (row) => clock(row.last)),
    ]),
    '',
    'By tenant, the most refused first',
    rowTable(refusals.byTenant, [
      word('tenant', (row) => row.tenant),
      figure('requests', (row) => row.requests),
      figure('refused', (row) => row.refused),
      figure('%', (row) => row.refusedPercent),
      figure('users refused', (row) => row.usersRefused),
    ]),
    '',
    `By user, the most refused of ${grouped(refusals.users.refused)} refused (of ${grouped(refusals.users.all)})`,
    rowTable(refusals.mostRefusedUsers, [
      word('user', (row) => row.user),
      word('tenant', (row) => row.tenant),
      figure('requests', (row) => row.requests),
      figure('refused', (row) => row.refused),
      word('first', (row) => clock(row.first)),
      word('last', (row) => clock(row.last)),
    ]),
  ];
}

function timeLines({ totals, refusals }: BacktestReport): readonly string[] {
  if (totals.refused === 0) return [];
  const most = refusals.histogram.reduce((max, bin) => Math.max(max, bin.refused), 0);
  return [
    'When',
    rowTable(refusals.histogram, [
      word('from', (bin) => clock(bin.start)),
      figure('requests', (bin) => bin.requests),
      figure('refused', (bin) => bin.refused),
      word('', (bin) => '#'.repeat(Math.ceil((bin.refused * BAR_CHARS) / most))),
    ]),
  ];
}

function budgetLines({ budgets, mostUsedBalances }: BacktestReport): readonly string[] {
  if (budgets.length === 0) return ['No budgets.'];
  const table = rowTable(budgets, [
    word('budget', (row) => row.budgetId),
    word('unit', (row) => row.unit),
    word('window', (row) => row.window),
    figure('limit', (row) => row.limit ?? 'metered'),
    figure('balances', (row) => row.balances),
    figure('spent', (row) => row.spent),
    figure('granted', (row) => row.granted),
    figure('used %', (row) => row.usedPercent),
    figure('refusals', (row) => row.refusals),
    word('most used', ({ worst }) => (worst === null ? '' : balanceName(worst))),
    figure('used %', ({ worst }) => worst?.usedPercent ?? null),
  ]);
  const balances = rowTable(mostUsedBalances, [
    word('budget', (row) => row.budgetId),
    word('balance', balanceName),
    word('unit', (row) => row.unit),
    figure('spent', (row) => row.spent),
    figure('granted', (row) => row.granted),
    figure('used %', (row) => row.usedPercent),
    figure('peak with holds %', (row) => row.peakPercent),
    figure('refusals', (row) => row.refusals),
  ]);
  return [
    'Spend against limit (all balances of each budget, and its most used one)',
    table,
    ...(mostUsedBalances.length === 0 ? [] : ['', 'The most used balances', balances]),
  ];
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
  return rowTable(rows, [
    word('of', (row) => row.of),
    word('unit', (row) => row.unit),
    figure('mean held', (row) => row.meanHeld),
    figure('mean final cost', (row) => row.meanFinalCost),
    figure('unused %', (row) => row.unusedPercent),
    figure('peak held', (row) => row.peakHeld),
    figure('final cost of those', (row) => row.peakFinalCost),
    word('peak at', (row) => clock(row.peakAt)),
  ]);
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
