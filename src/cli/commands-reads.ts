// The commands that only read: check, balances, holds, budgets, events, explain. They work while another process holds
// the ledger.

import type { Command } from 'commander';
import { HOLD_STATUSES } from '../budgets/outcomes-schema.js';
import { EVENT_TYPES, type EventType, type HoldStatus } from '../core/outcomes.js';
import { GRANT_BUDGET_PREFIX } from '../core/state.js';
import type { CliReads } from './cli-ledger.js';
import type { CliContext, GlobalOptions } from './context.js';
import { EXIT } from './exit-codes.js';
import { explanationText } from './explanation.js';
import {
  amountsOf,
  labelsOf,
  oneOf,
  type Pairs,
  pairOption,
  rowsReader,
  stated,
  UsageError,
  wholeOption,
} from './options.js';
import { balanceTable, budgetTable, eventText, holdTable, lineTable } from './output.js';

/** Rows that a table shows unless told otherwise; the last line says when there are more. */
const ROWS_DEFAULT = 1_000;

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
        const labels = labelsOf(label);
        const amounts =
          amount === undefined ? undefined : amountsOf('--amount', amount, await reader.units());
        const verdict = await reader.check({ labels, ...stated({ amounts }) });
        cli.answer(options, verdict, () => {
          const answer = verdict.fits ? 'fits' : `does not fit: ${verdict.reason}`;
          const table = verdict.lines.length === 0 ? 'no budget matches' : lineTable(verdict.lines);
          return `${verdict.verdict} · ${answer}\n${table}`;
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
    .option('--max <rows>', `at most so many (default ${ROWS_DEFAULT})`, rowsReader, ROWS_DEFAULT)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<BalancesOptions>();
      await cli.withReader(options, async (reader) => {
        if (options.budget !== undefined) await assertBudget(reader, options.budget);
        const balances = await reader.balances({
          all: options.all === true,
          max: options.max,
          label: pairTexts(options.value),
          ...stated({ budgetId: options.budget }),
        });
        cli.answer(options, balances, () => withMore(balanceTable(balances), balances.length, options.max));
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
    .option(
      '--status <status>',
      `only ${HOLD_STATUSES.join(', ')}`,
      oneOf(HOLD_STATUSES).read?.('--status') as never,
    )
    .option('--label <key=value>', 'only with this label; repeatable', pairOption('--label'))
    .option('--after <sequence>', 'only those opened after this position', sequenceOption('--after'))
    .option('--max <rows>', `at most so many (default ${ROWS_DEFAULT})`, rowsReader, ROWS_DEFAULT)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<HoldsOptions>();
      await cli.withReader(options, async (reader) => {
        const holds = await reader.holds({
          max: options.max,
          label: pairTexts(options.label),
          ...stated({ status: options.status, after: options.after }),
        });
        cli.answer(options, holds, () => withMore(holdTable(holds), holds.length, options.max));
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
        cli.answer(options, budgets, () => budgetTable(budgets));
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
    .option(
      '--type <type>',
      'only of this type, for example hold_denied',
      oneOf(EVENT_TYPES).read?.('--type') as never,
    )
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<EventsOptions>();
      await cli.withReader(options, (reader) =>
        cli.interruptible(async (signal) => {
          const { after, hold: holdId, type, follow } = options;
          for await (const event of reader.events({ ...stated({ after, holdId, type, follow }), signal })) {
            if (signal.aborted) return;
            cli.print(options.json === true ? JSON.stringify(event) : eventText(event));
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
        cli.answer(options, explanation, () => explanationText(explanation));
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

function pairTexts(pairs: Pairs | undefined): readonly string[] {
  return (pairs ?? []).map(([key, value]) => `${key}=${value}`);
}

function withMore(table: string, shown: number, max: number): string {
  return shown < max ? table : `${table}\nthe first ${max}; more with --max`;
}

function sequenceOption(option: string) {
  return wholeOption(option, { min: 0, max: Number.MAX_SAFE_INTEGER });
}

// What is wrong with a configuration goes to the standard error and ends with 1. What only looks wrong is a warning there,
// and ends with 0.
async function checkFile(cli: CliContext, options: GlobalOptions, file: string | undefined): Promise<void> {
  const checked = await cli.parts.checkConfig(file);
  const { problems, warnings } = checked;
  const name = checked.file ?? 'the built-in demonstration (there is no bursar.yaml here)';
  if (problems.length > 0) cli.exitCode = EXIT.error;
  if (options.json === true) return cli.answer(options, checked, () => name);
  for (const problem of problems) cli.note(`error: ${problem}`);
  for (const warning of warnings) cli.note(`warning: ${warning}`);
  const found =
    warnings.length === 0
      ? ''
      : `, with ${warnings.length} ${warnings.length === 1 ? 'warning' : 'warnings'}`;
  cli.print(problems.length === 0 ? `${name} is sound${found}` : `${name} is wrong`);
}
