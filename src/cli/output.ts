// Prints answers for people: tables and sentences of what the wire has. Knows nothing of how an answer came about.

import type { BalanceView, BudgetView } from '../budgets/budgets-api.js';
import type { LedgerEvent } from '../budgets/evidence-api.js';
import type { HoldView } from '../budgets/holds-api.js';
import type { Line, Settled } from '../budgets/outcomes-schema.js';
import type { BalanceFigures } from '../budgets/views-out.js';
import type { CommandOutcome, Denied } from '../client/index.js';
import type { BudgetFieldName } from '../core/budget-fields.js';
import { WARN_AT_PERCENT_DEFAULT } from '../core/budgets.js';
import type { Labels } from '../core/requests.js';
import { parseWindow, windowLabel } from '../core/window.js';
import { grouped, printable, textTable } from '../kit/text-table.js';
import type { CliContext, GlobalOptions } from './context.js';
import { exitCodeOf } from './exit-codes.js';

type Amounts = Readonly<Record<string, string>>;

/** Prints a command's outcome, which also decides the exit code. */
export function printOutcome(cli: CliContext, options: GlobalOptions, outcome: CommandOutcome): void {
  cli.exitCode = exitCodeOf(outcome);
  if (outcome.outcome === 'rejected' && options.json !== true) cli.note(outcomeText(outcome));
  else cli.answer(options, outcome, () => outcomeText(outcome));
}

export function outcomeText(outcome: CommandOutcome): string {
  const again = outcome.replayed ? ' (the first answer again)' : '';
  const table = 'lines' in outcome && outcome.lines.length > 0 ? `\n${lineTable(outcome.lines)}` : '';
  switch (outcome.outcome) {
    case 'authorized': {
      const candidate = outcome.candidate === null ? '' : `, candidate ${outcome.candidate}`;
      return `authorized ${outcome.holdId}${candidate} until ${iso(outcome.expiresAt)} · decision ${outcome.decisionId}${again}${table}`;
    }
    case 'denied':
      return `denied ${outcome.holdId}: ${outcome.reason}${retryText(outcome)} · decision ${outcome.decisionId}${again}${table}`;
    case 'rejected':
      return `rejected: ${outcome.message} (${outcome.code})`;
    case 'settled': {
      const notes = [
        outcome.late ? 'late: the hold had expired' : '',
        outcome.capped.length > 0 ? `charge stopped at the hold for ${outcome.capped.join(', ')}` : '',
        outcome.paused.length > 0 ? `used up and paused: ${outcome.paused.join(', ')}` : '',
      ].filter((note) => note !== '');
      const noted = notes.length === 0 ? '' : ` · ${notes.join(' · ')}`;
      const of = outcome.holdId === null ? '' : ` ${outcome.holdId}`;
      return `${words(outcome.event)}${of}: ${movedText(outcome)}${noted}${again}${table}`;
    }
    case 'done':
      return `${words(outcome.event)}${outcome.holdId === null ? '' : ` ${outcome.holdId}`} · #${outcome.sequence}${again}${table}`;
  }
}

function retryText(denied: Denied): string {
  const unmet = denied.unmet.length === 0 ? '' : ` (no budget with a limit for ${denied.unmet.join(', ')})`;
  if (denied.retryAfterMs === undefined) return unmet;
  return `${unmet}, try again in ${Math.ceil(denied.retryAfterMs / 1_000)} s`;
}

/** A server leaves the figures of the platform's budgets out for a tenant's key: those cells are blank. */
export function lineTable(lines: readonly Line[]): string {
  return textTable(
    [
      'budget',
      'balance',
      'unit',
      figure('requested'),
      figure('granted'),
      figure('spent'),
      figure('held'),
      figure('remaining'),
      'verdict',
      'violated',
      'resets at',
    ],
    lines.map((line) => [
      line.budgetId,
      labelsText(line.values ?? {}),
      line.unit,
      amountText(line.requested),
      amountText(line.granted),
      amountText(line.spent),
      amountText(line.held),
      amountText(line.remaining),
      line.verdict ?? '',
      line.violations.join(', '),
      isoOrBlank(line.resetsAt),
    ]),
  );
}

type Figured = Omit<BalanceFigures, 'id'>;

const IDENTITY_COLUMNS = ['budget', 'balance', 'window', 'unit'];
const FIGURE_COLUMNS = ['granted', 'spent', 'held', 'remaining', 'holds'].map(figure);

function identityCells(row: Figured): string[] {
  return [row.budgetId, labelsText(row.values), windowText(row.window), row.unit];
}

function figureCells(row: Figured): string[] {
  const amounts = [row.granted, row.spent, row.held, row.remaining];
  return [...amounts.map(amountText), grouped(row.openHolds)];
}

export function balanceTable(balances: readonly BalanceView[]): string {
  if (balances.length === 0) return 'no balances';
  return textTable(
    [...IDENTITY_COLUMNS, figure('limit'), ...FIGURE_COLUMNS, 'verdict', 'status'],
    balances.map((row) => [
      ...identityCells(row),
      amountText(row.limit),
      ...figureCells(row),
      row.verdict,
      row.forcedExhausted ? `${row.status}, forced exhausted` : row.status,
    ]),
  );
}

/** The figures of balances of any time: without what only those in memory have. */
export function figureTable(balances: readonly Figured[]): string {
  if (balances.length === 0) return 'no balances';
  return textTable(
    [...IDENTITY_COLUMNS, ...FIGURE_COLUMNS],
    balances.map((row) => [...identityCells(row), ...figureCells(row)]),
  );
}

export function holdTable(holds: readonly HoldView[]): string {
  if (holds.length === 0) return 'no holds';
  return textTable(
    ['hold', 'status', 'labels', 'held', 'charged', 'opened at', 'expires at', figure('opened by #')],
    holds.map((hold) => [
      hold.holdId,
      hold.late ? `${hold.status}, late` : hold.status,
      labelsText(hold.labels),
      amountsText(hold.held),
      hold.charged === undefined ? '' : amountsText(hold.charged),
      iso(hold.openedAt),
      iso(hold.expiresAt),
      String(hold.openedSequence),
    ]),
  );
}

/** A budget's definition in columns; a field without a column does not compile. */
const BUDGET_COLUMNS: Readonly<Record<BudgetFieldName, [string | Title, (budget: BudgetView) => string]>> = {
  id: ['budget', ({ id }) => id],
  match: ['match', ({ match }) => labelsText(match) || 'everything'],
  unit: ['unit', ({ unit }) => unit],
  limit: [figure('limit'), ({ limit }) => (limit === null ? 'metered' : amountText(limit))],
  window: ['window', ({ window }) => windowLabel(parseWindow(window, 'window'))],
  perHoldMax: [figure('per hold'), ({ perHoldMax }) => amountText(perHoldMax)],
  heldMax: [figure('held max'), ({ heldMax }) => amountText(heldMax)],
  warnAtPercent: [figure('warn %'), ({ warnAtPercent }) => String(warnAtPercent ?? WARN_AT_PERCENT_DEFAULT)],
  onExhausted: ['on exhausted', ({ onExhausted }) => onExhausted ?? 'refuse'],
};

export function budgetTable(budgets: readonly BudgetView[]): string {
  if (budgets.length === 0) return 'no budgets';
  const columns = Object.values(BUDGET_COLUMNS);
  return textTable(
    [...columns.map(([title]) => title), 'status', figure('version'), figure('balances')],
    budgets.map((budget) => [
      ...columns.map(([, text]) => text(budget)),
      budget.status,
      String(budget.version),
      grouped(budget.balances ?? 0),
    ]),
  );
}

export function eventText(event: LedgerEvent): string {
  const hold = event.holdId === null ? '' : ` ${event.holdId}`;
  const lines = event.lines.map((line) => {
    const values = labelsText(line.values ?? {});
    const violated = line.violated === null ? '' : ` VIOLATED ${line.violations.join(', ')}`;
    const name = values === '' ? line.budgetId : `${line.budgetId}[${values}]`;
    if (line.spent === undefined || line.held === undefined) return `${name}${violated}`;
    return `${name} spent ${amountText(line.spent)} held ${amountText(line.held)}${violated}`;
  });
  const tail = lines.length === 0 ? '' : ` · ${lines.join(' · ')}`;
  return printable(`#${event.sequence} ${iso(event.at)} ${event.type}${hold}${tail}`);
}

export function amountsText(amounts: Amounts): string {
  return Object.entries(amounts)
    .map(([unit, amount]) => `${grouped(amount)} ${unit}`)
    .join(', ');
}

export function amountText(amount: string | null | undefined): string {
  return amount === null || amount === undefined ? '' : grouped(amount);
}

export function labelsText(labels: Labels): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
}

export function windowText(window: BalanceView['window']): string {
  if (window.start === null && window.end === null) return 'lifetime';
  return `${isoOrBlank(window.start)}/${isoOrBlank(window.end)}`;
}

/** Whole seconds are written without their ".000". */
export function iso(at: string): string {
  return at.replace('.000Z', 'Z');
}

function isoOrBlank(at: string | null): string {
  return at === null ? '' : iso(at);
}

function movedText({ event, charged, returned }: Settled): string {
  return event === 'spend_credited'
    ? `taken back ${amountsText(returned)}`
    : `charged ${amountsText(charged)}`;
}

function words(event: string): string {
  return event.replaceAll('_', ' ');
}

type Title = ReturnType<typeof figure>;

function figure(title: string) {
  return { title, figure: true };
}
