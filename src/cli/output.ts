// Prints answers: tables and sentences for people, JSON for programs (`--json`). Knows the shapes of the library's answers
// and nothing of how they came about.

import { type Amounts, formatAmount, type Unit } from '../core/amount.js';
import type {
  BalanceView,
  BudgetLine,
  BudgetView,
  CommandOutcome,
  Denied,
  HoldView,
  LedgerEvent,
  Settled,
  WindowBounds,
} from '../core/outcomes.js';
import type { Labels } from '../core/requests.js';
import { parseWindow, windowLabel } from '../core/window.js';
import { grouped, printable, textTable } from '../kit/text-table.js';
import type { CliContext, GlobalOptions } from './context.js';
import { exitCodeOf } from './exit-codes.js';
import { jsonLine, jsonText, type Scales, scalesOf } from './json.js';

/** A line as it is printed. A server leaves the platform's figures out for a tenant's key: those cells are blank. */
export type PrintedLine = Pick<BudgetLine, 'budgetId' | 'unit' | 'violated' | 'violations' | 'resetsAt'> &
  Partial<BudgetLine>;

export class Output {
  readonly scales: Scales;
  readonly #cli: CliContext;
  readonly #json: boolean;

  constructor(cli: CliContext, options: GlobalOptions, units: readonly Unit[]) {
    this.#cli = cli;
    this.#json = options.json === true;
    this.scales = scalesOf(units);
  }

  /** One answer, as JSON or by `text`. */
  answer(value: unknown, text: () => string): void {
    this.#cli.print(this.#json ? jsonText(value, this.scales) : text());
  }

  /** One of a stream of answers: one line each. */
  answerLine(value: unknown, text: () => string): void {
    this.#cli.print(this.#json ? jsonLine(value, this.scales) : text());
  }

  /** A command's outcome, which also decides the exit code. */
  outcome(outcome: CommandOutcome): void {
    this.#cli.exitCode = exitCodeOf(outcome);
    if (outcome.outcome === 'rejected' && !this.#json) {
      this.#cli.note(`rejected: ${outcome.message} (${outcome.code})`);
      return;
    }
    this.answer(outcome, () => outcomeText(outcome, this.scales));
  }
}

export function outcomeText(outcome: CommandOutcome, scales: Scales): string {
  const again = outcome.replayed ? ' (the first answer again)' : '';
  const table = 'lines' in outcome && outcome.lines.length > 0 ? `\n${lineTable(outcome.lines, scales)}` : '';
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
      return `${words(outcome.event)}${of}: ${movedText(outcome, scales)}${noted}${again}${table}`;
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

export function lineTable(lines: readonly PrintedLine[], scales: Scales): string {
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
    lines.map((line) => {
      const amount = (steps: bigint | null | undefined) => amountText(steps ?? null, line.unit, scales);
      return [
        line.budgetId,
        labelsText(line.values ?? {}),
        line.unit,
        amount(line.requested),
        amount(line.granted),
        amount(line.spent),
        amount(line.held),
        amount(line.remaining),
        line.verdict ?? '',
        line.violations.join(', '),
        isoOrBlank(line.resetsAt),
      ];
    }),
  );
}

type Figured = Pick<
  BalanceView,
  'budgetId' | 'values' | 'window' | 'unit' | 'granted' | 'spent' | 'held' | 'remaining' | 'openHolds'
>;

const IDENTITY_COLUMNS = ['budget', 'balance', 'window', 'unit'];
const FIGURE_COLUMNS = ['granted', 'spent', 'held', 'remaining', 'holds'].map(figure);

function identityCells(row: Figured): string[] {
  return [row.budgetId, labelsText(row.values), windowText(row.window), row.unit];
}

function figureCells(row: Figured, scales: Scales): string[] {
  const amounts = [row.granted, row.spent, row.held, row.remaining];
  return [...amounts.map((steps) => amountText(steps, row.unit, scales)), grouped(row.openHolds)];
}

export function balanceTable(balances: readonly BalanceView[], scales: Scales): string {
  if (balances.length === 0) return 'no balances';
  return textTable(
    [...IDENTITY_COLUMNS, figure('limit'), ...FIGURE_COLUMNS, 'verdict', 'status'],
    balances.map((row) => [
      ...identityCells(row),
      amountText(row.limit, row.unit, scales),
      ...figureCells(row, scales),
      row.verdict,
      row.forcedExhausted ? `${row.status}, forced exhausted` : row.status,
    ]),
  );
}

/** The figures of balances of any time: without what only those in memory have. */
export function figureTable(balances: readonly Figured[], scales: Scales): string {
  if (balances.length === 0) return 'no balances';
  return textTable(
    [...IDENTITY_COLUMNS, ...FIGURE_COLUMNS],
    balances.map((row) => [...identityCells(row), ...figureCells(row, scales)]),
  );
}

export function holdTable(holds: readonly HoldView[], scales: Scales): string {
  if (holds.length === 0) return 'no holds';
  return textTable(
    ['hold', 'status', 'labels', 'held', 'charged', 'opened at', 'expires at', figure('opened by #')],
    holds.map((hold) => [
      hold.holdId,
      hold.late ? `${hold.status}, late` : hold.status,
      labelsText(hold.labels),
      amountsText(hold.held, scales),
      hold.charged === undefined ? '' : amountsText(hold.charged, scales),
      iso(hold.openedAt),
      iso(hold.expiresAt),
      String(hold.openedSequence),
    ]),
  );
}

export function budgetTable(budgets: readonly BudgetView[], scales: Scales): string {
  if (budgets.length === 0) return 'no budgets';
  return textTable(
    [
      'budget',
      'match',
      'unit',
      figure('limit'),
      'window',
      figure('per hold'),
      figure('held max'),
      figure('warn %'),
      'on exhausted',
      'status',
      figure('version'),
      figure('balances'),
    ],
    budgets.map((budget) => {
      const cap = (steps: bigint | undefined) =>
        steps === undefined ? '' : amountText(steps, budget.unit, scales);
      const match = labelsText(budget.match);
      return [
        budget.id,
        match === '' ? 'everything' : match,
        budget.unit,
        budget.limit === null ? 'metered' : amountText(budget.limit, budget.unit, scales),
        windowLabel(parseWindow(budget.window, 'window')),
        cap(budget.perHoldMax),
        cap(budget.heldMax),
        String(budget.warnAtPercent ?? 80),
        budget.onExhausted ?? 'refuse',
        budget.status,
        String(budget.version),
        grouped(budget.balances),
      ];
    }),
  );
}

export function eventText(event: LedgerEvent, scales: Scales): string {
  const hold = event.holdId === null ? '' : ` ${event.holdId}`;
  const lines = event.lines.map((line: PrintedLine) => {
    const values = labelsText(line.values ?? {});
    const violated = line.violated === null ? '' : ` VIOLATED ${line.violations.join(', ')}`;
    const name = values === '' ? line.budgetId : `${line.budgetId}[${values}]`;
    if (line.spent === undefined || line.held === undefined) return `${name}${violated}`;
    return `${name} spent ${amountText(line.spent, line.unit, scales)} held ${amountText(line.held, line.unit, scales)}${violated}`;
  });
  const tail = lines.length === 0 ? '' : ` · ${lines.join(' · ')}`;
  return printable(`#${event.sequence} ${iso(event.at)} ${event.type}${hold}${tail}`);
}

export function amountsText(amounts: Amounts, scales: Scales): string {
  return Object.entries(amounts)
    .map(([unit, steps]) => `${amountText(steps, unit, scales)} ${unit}`)
    .join(', ');
}

export function amountText(steps: bigint | null, unit: string, scales: Scales): string {
  return steps === null ? '' : grouped(formatAmount(steps, scales.get(unit) ?? 0));
}

export function labelsText(labels: Labels): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
}

export function windowText(window: WindowBounds): string {
  if (window.start === null && window.end === null) return 'lifetime';
  return `${isoOrBlank(window.start)}/${isoOrBlank(window.end)}`;
}

/** Whole seconds are written without their ".000". */
export function iso(at: number): string {
  return new Date(at).toISOString().replace('.000Z', 'Z');
}

function isoOrBlank(at: number | null): string {
  return at === null ? '' : iso(at);
}

function movedText({ event, charged, returned }: Settled, scales: Scales): string {
  return event === 'spend_credited'
    ? `taken back ${amountsText(returned, scales)}`
    : `charged ${amountsText(charged, scales)}`;
}

function words(event: string): string {
  return event.replaceAll('_', ' ');
}

function figure(title: string) {
  return { title, figure: true };
}
