// `history balances` and `history holds`: what was ever booked and held, also what left the ledger's memory, from the
// companion file that follows the journal. They work while another process holds the ledger.

import { type Command, Option } from 'commander';
import { HOLD_STATUSES } from '../core/holds.js';
import type { HoldStatus } from '../core/outcomes.js';
import type { CliContext, GlobalOptions } from './context.js';
import { instantOption, labelsOf, type Pairs, pairOption, stated, wholeOption } from './options.js';
import { figureTable, holdTable, Output } from './output.js';

/** Rows shown unless told otherwise; the last line says when there may be more. */
const ROWS_DEFAULT = 1_000;
const ROWS_MAX = 1_000_000;

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
  readonly from?: number;
  readonly to?: number;
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
    .option('--max <rows>', `at most so many (default ${ROWS_DEFAULT})`, rowsOption, ROWS_DEFAULT)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<BalancesOptions>();
      const { budget, value, from, to, max } = options;
      const values = value === undefined ? undefined : labelsOf(value);
      await cli.withHistory(options, (history) => {
        const balances = history.balances({ max, ...stated({ budgetId: budget, values, from, to }) });
        const output = new Output(cli, options, history.units());
        output.answer(balances, () => withMore(figureTable(balances, output.scales), balances.length, max));
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
    .option('--max <rows>', `at most so many (default ${ROWS_DEFAULT})`, rowsOption, ROWS_DEFAULT)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<HoldsOptions>();
      const { hold, status, label, after, max } = options;
      const labels = label === undefined ? undefined : labelsOf(label);
      await cli.withHistory(options, (history) => {
        const holds = history.holds({
          max,
          ...stated({ holdId: hold, status, labels, afterSequence: after }),
        });
        const output = new Output(cli, options, history.units());
        output.answer(holds, () => withMore(holdTable(holds, output.scales), holds.length, max));
      });
    });
}

function withMore(table: string, shown: number, max: number): string {
  return shown < max ? table : `${table}\nthe first ${max}; more with --max`;
}

function rowsOption(text: string): number {
  return wholeOption('--max', { min: 1, max: ROWS_MAX })(text);
}
