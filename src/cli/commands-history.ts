// `history balances` and `history holds`: what was ever booked and held, also what left the ledger's memory, from the
// companion file that follows the journal. They work while another process holds the ledger.

import { type Command, Option } from 'commander';
import { figuresOut, holdOut } from '../budgets/views-out.js';
import { HOLD_STATUSES } from '../core/holds.js';
import type { HoldStatus } from '../core/outcomes.js';
import { parseInstant } from '../kit/instants.js';
import type { History } from '../views/history.js';
import type { CliContext, GlobalOptions } from './context.js';
import {
  instantOption,
  labelsOf,
  type Pairs,
  pairOption,
  rowsReader,
  stated,
  wholeOption,
} from './options.js';
import { figureTable, holdTable } from './output.js';

/** Rows shown unless told otherwise; the last line says when there may be more. */
const ROWS_DEFAULT = 1_000;

export function addHistoryCommands(program: Command, cli: CliContext): void {
  const history = program
    .command('history')
    .description('holds and balances of all times, also those that left memory; kept in LEDGER-history');
  addBalances(history, cli);
  addHolds(history, cli);
}

interface BalancesOptions extends GlobalOptions {
  readonly budget?: string;
  readonly value?: Pairs;
  readonly from?: string;
  readonly to?: string;
  readonly max: number;
}

function addBalances(history: Command, cli: CliContext): void {
  history
    .command('balances')
    .description('the figures of every balance in every window, by budget and window')
    .option('--budget <id>', 'only of this budget')
    .option(
      '--value <key=value>',
      'only where this wildcard label has this value; repeatable',
      pairOption('--value'),
    )
    .option(
      '--from <instant>',
      'only windows that start then or later; a lifetime has no start',
      instantOption('--from'),
    )
    .option('--to <instant>', 'only windows that start before then', instantOption('--to'))
    .option('--max <rows>', `at most so many (default ${ROWS_DEFAULT})`, rowsReader, ROWS_DEFAULT)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<BalancesOptions>();
      const { budget, value, from, to, max } = options;
      const values = value === undefined ? undefined : labelsOf(value);
      await cli.withHistory(options, (history) => {
        const windows = stated({ from: instantOf(from), to: instantOf(to) });
        const scales = scalesOf(history);
        const balances = history
          .balances({ max, ...stated({ budgetId: budget, values }), ...windows })
          .map((row) => figuresOut(row, scales));
        cli.answer(options, balances, () => withMore(figureTable(balances), balances.length, max));
      });
    });
}

interface HoldsOptions extends GlobalOptions {
  readonly hold?: string;
  readonly status?: HoldStatus;
  readonly label?: Pairs;
  readonly after?: number;
  readonly max: number;
}

function addHolds(history: Command, cli: CliContext): void {
  history
    .command('holds')
    .description('every hold ever authorised, the oldest first')
    .option('--hold <id>', 'only with this id, the newest first: an id may have been used again')
    .addOption(new Option('--status <status>', 'only these').choices(HOLD_STATUSES))
    .option('--label <key=value>', 'only with this label; repeatable', pairOption('--label'))
    .option(
      '--after <sequence>',
      'only those opened after this position',
      wholeOption('--after', { min: 0, max: Number.MAX_SAFE_INTEGER }),
    )
    .option('--max <rows>', `at most so many (default ${ROWS_DEFAULT})`, rowsReader, ROWS_DEFAULT)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<HoldsOptions>();
      const { hold, status, label, after, max } = options;
      const labels = label === undefined ? undefined : labelsOf(label);
      await cli.withHistory(options, (history) => {
        const scales = scalesOf(history);
        const holds = history
          .holds({ max, ...stated({ holdId: hold, status, labels, afterSequence: after }) })
          .map((row) => holdOut(row, scales));
        cli.answer(options, holds, () => withMore(holdTable(holds), holds.length, max));
      });
    });
}

function withMore(table: string, shown: number, max: number): string {
  return shown < max ? table : `${table}\nthe first ${max}; more with --max`;
}

function scalesOf(history: History): ReadonlyMap<string, number> {
  return new Map(history.units().map(({ name, scale }) => [name, scale]));
}

function instantOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : (parseInstant(text) as number);
}
