// The commands that only read: check, balances, holds, budgets, events, explain. They work while another process holds
// the ledger.

import type { Command } from 'commander';
import { EVENT_TYPES, type EventType, type HoldStatus } from '../core/outcomes.js';
import { GRANT_BUDGET_PREFIX } from '../core/state.js';
import { checkFile } from './check-file.js';
import type { CliReads } from './cli-ledger.js';
import type { CliContext, GlobalOptions } from './context.js';
import { EXIT } from './exit-codes.js';
import { explanationText } from './explanation.js';
import { amountsOf, labelsOf, type Pairs, pairOption, stated, UsageError, wholeOption } from './options.js';
import { balanceTable, budgetTable, eventText, holdTable, lineTable, Output } from './output.js';

/** Rows that a table shows unless told otherwise; the last line says when there are more. */
const ROWS_DEFAULT = 1_000;
const ROWS_MAX = 1_000_000;

const HOLD_STATUSES: readonly HoldStatus[] = ['open', 'settled', 'released', 'reversed', 'expired'];

export function addReadCommands(program: Command, cli: CliContext): void {
  addCheck(program, cli);
  addBalances(program, cli);
  addHolds(program, cli);
  addBudgets(program, cli);
  addEvents(program, cli);
  addExplain(program, cli);
}

function addCheck(program: Command, cli: CliContext): void {
  program
    .command('check')
    .description(
      'the verdict for these labels, and whether these amounts would be authorised now; without any, whether a configuration is sound; changes nothing',
    )
    .argument('[file]', 'a configuration (default bursar.yaml, if there is one)')
    .option('--label <key=value>', 'what the call is for; repeatable', pairOption('--label'))
    .option('--amount <unit=amount>', 'worst case, for example usd=0.25; repeatable', pairOption('--amount'))
    .action(async (file: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { label?: Pairs; amount?: Pairs }>();
      const { label, amount, ledger, url } = options;
      const asksLedger = [label, amount, ledger, url].some((stated) => stated !== undefined);
      if (file !== undefined && (label !== undefined || amount !== undefined))
        throw new UsageError('check', 'takes a configuration, or --label and --amount, not both');
      if (file !== undefined || !asksLedger) return checkFile(cli, options, file);
      await cli.withReader(options, async (reader) => {
        const units = await reader.units();
        const amounts =
          options.amount === undefined ? undefined : amountsOf('--amount', options.amount, units);
        const verdict = await reader.check({ labels: labelsOf(options.label), ...stated({ amounts }) });
        const output = new Output(cli, options, units);
        output.answer(verdict, () => {
          const answer = verdict.fits ? 'fits' : `does not fit: ${verdict.reason}`;
          const table =
            verdict.lines.length === 0
              ? '\nno budget matches'
              : `\n${lineTable(verdict.lines, output.scales)}`;
          return `${verdict.verdict} · ${answer}${table}`;
        });
        if (!verdict.fits) cli.exitCode = EXIT.denied;
      });
    });
}

interface BalancesOptions extends GlobalOptions {
  readonly budget?: string;
  readonly value?: Pairs;
  readonly all?: boolean;
  readonly max: number;
}

function addBalances(program: Command, cli: CliContext): void {
  program
    .command('balances')
    .description('granted, spent, held and remaining of each balance')
    .option('--budget <id>', 'only of this budget')
    .option(
      '--value <key=value>',
      'only where this wildcard label has this value; repeatable',
      pairOption('--value'),
    )
    .option('--all', 'past windows too')
    .option('--max <rows>', `at most so many (default ${ROWS_DEFAULT})`, rowsOption, ROWS_DEFAULT)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<BalancesOptions>();
      await cli.withReader(options, async (reader) => {
        if (options.budget !== undefined) await assertBudget(reader, options.budget);
        const balances = await reader.balances({
          current: options.all !== true,
          max: options.max,
          ...stated({
            budgetId: options.budget,
            values: options.value === undefined ? undefined : labelsOf(options.value),
          }),
        });
        const output = new Output(cli, options, await reader.units());
        output.answer(balances, () =>
          withMore(balanceTable(balances, output.scales), balances.length, options.max),
        );
      });
    });
}

interface HoldsOptions extends GlobalOptions {
  readonly status?: HoldStatus;
  readonly label?: Pairs;
  readonly after?: number;
  readonly max: number;
}

function addHolds(program: Command, cli: CliContext): void {
  program
    .command('holds')
    .description('holds, the oldest first')
    .option('--status <status>', `only ${HOLD_STATUSES.join(', ')}`, statusOption)
    .option('--label <key=value>', 'only with this label; repeatable', pairOption('--label'))
    .option('--after <sequence>', 'only those opened after this position', sequenceOption('--after'))
    .option('--max <rows>', `at most so many (default ${ROWS_DEFAULT})`, rowsOption, ROWS_DEFAULT)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<HoldsOptions>();
      await cli.withReader(options, async (reader) => {
        const holds = await reader.holds({
          max: options.max,
          ...stated({
            status: options.status,
            labels: options.label === undefined ? undefined : labelsOf(options.label),
            afterSequence: options.after,
          }),
        });
        const output = new Output(cli, options, await reader.units());
        output.answer(holds, () => withMore(holdTable(holds, output.scales), holds.length, options.max));
      });
    });
}

function addBudgets(program: Command, cli: CliContext): void {
  program
    .command('budgets')
    .description('the budgets in force')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await cli.withReader(options, async (reader) => {
        const budgets = await reader.budgets();
        const output = new Output(cli, options, await reader.units());
        output.answer(budgets, () => budgetTable(budgets, output.scales));
      });
    });
}

interface EventsOptions extends GlobalOptions {
  readonly follow?: boolean;
  readonly after?: number;
  readonly hold?: string;
  readonly type?: EventType;
}

function addEvents(program: Command, cli: CliContext): void {
  program
    .command('events')
    .description('the journal, an event a line; with --json a JSON object a line')
    .option('--follow', 'wait for new ones until Ctrl-C')
    .option('--after <sequence>', 'only those after this position', sequenceOption('--after'))
    .option('--hold <id>', 'only of this hold')
    .option('--type <type>', 'only of this type, for example hold_denied', eventTypeOption)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<EventsOptions>();
      await cli.withReader(options, (reader) =>
        cli.interruptible(async (signal) => {
          let output = new Output(cli, options, await reader.units());
          const filter = stated({
            after: options.after,
            holdId: options.hold,
            type: options.type,
            follow: options.follow,
          });
          for await (const event of reader.events({ ...filter, signal })) {
            if (signal.aborted) return;
            if (event.type === 'definitions_put') {
              // It may bring units that were not there when following began.
              reader.refresh();
              output = new Output(cli, options, await reader.units());
            }
            output.answerLine(event, () => eventText(event, output.scales));
            await cli.drained();
          }
        }),
      );
    });
}

function addExplain(program: Command, cli: CliContext): void {
  program
    .command('explain')
    .description('the figures, holds and budget versions that add up to a decision, from the journal alone')
    .argument('<id>', 'a decision id, as authorize and events print it')
    .action(async (id: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      await cli.withReader(options, async (reader) => {
        const explanation = await reader.explain(id);
        const output = new Output(cli, options, await reader.units());
        output.answer(explanation, () => explanationText(explanation, output.scales));
        if (explanation.lines.some((line) => line.addsUp === false)) cli.exitCode = EXIT.error;
      });
    });
}

// The figures of grants stand under the ledger's own budgets, which are not among those of the owner.
async function assertBudget(reader: CliReads, id: string): Promise<void> {
  if (id.startsWith(GRANT_BUDGET_PREFIX) || (await reader.budgets()).some((budget) => budget.id === id))
    return;
  throw new UsageError('--budget', `no budget has the id ${JSON.stringify(id)}; see "bursar budgets"`);
}

function withMore(table: string, shown: number, max: number): string {
  return shown < max ? table : `${table}\nthe first ${max}; more with --max`;
}

function rowsOption(text: string): number {
  return wholeOption('--max', { min: 1, max: ROWS_MAX })(text);
}

function sequenceOption(option: string) {
  return wholeOption(option, { min: 0, max: Number.MAX_SAFE_INTEGER });
}

function statusOption(text: string): HoldStatus {
  const status = HOLD_STATUSES.find((known) => known === text);
  if (status === undefined)
    throw new UsageError('--status', `${JSON.stringify(text)} is not ${HOLD_STATUSES.join(', ')}`);
  return status;
}

function eventTypeOption(text: string): EventType {
  const type = EVENT_TYPES.find((known) => known === text);
  if (type === undefined)
    throw new UsageError('--type', `${JSON.stringify(text)} is not ${EVENT_TYPES.join(', ')}`);
  return type;
}
