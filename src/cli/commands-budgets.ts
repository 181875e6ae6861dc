// The commands on budgets: apply, top-up, pause, resume, close, exhaust, set-limit.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { type ApplyPlan, type InForce, planApply, renderPlan } from '../budgets/budget-diff.js';
import { parseBudgetFile } from '../budgets/budget-file.js';
import { BUILT_IN_UNITS, type Unit } from '../core/amount.js';
import type { CommandOutcome, Outcome } from '../core/outcomes.js';
import type { AccountRef, BudgetStatus } from '../core/requests.js';
import type { CliLedger } from './cli-ledger.js';
import type { CliContext, GlobalOptions } from './context.js';
import { EXIT } from './exit-codes.js';
import { amountOf, instantOption, labelsOf, type Pairs, pairOption, stated, UsageError } from './options.js';
import { Output } from './output.js';

export function addBudgetCommands(program: Command, cli: CliContext): void {
  addApply(program, cli);
  addTopUp(program, cli);
  addStatus(program, cli, { name: 'pause', status: 'paused', description: 'refuse new holds until resumed' });
  addStatus(program, cli, {
    name: 'resume',
    status: 'active',
    description: 'take new holds again; needs money in the budget',
  });
  addStatus(program, cli, { name: 'close', status: 'closed', description: 'refuse new holds for good' });
  addExhaust(program, cli);
  addSetLimit(program, cli);
}

function addApply(program: Command, cli: CliContext): void {
  program
    .command('apply')
    .description('put the budgets of a file in force, in one step; creates the ledger when there is none')
    .argument('<file>', 'budgets in YAML or JSON')
    .option('--dry-run', 'only show what would change; works while another process holds the ledger')
    .option('--prune', 'close budgets that the file does not have')
    .action(async (file: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ApplyOptions>();
      const parsed = parseBudgetFile(await readFile(file, 'utf8'), basename(file));
      const planFor = (inForce: InForce) => planApply(parsed, inForce, { prune: options.prune === true });
      const place = cli.placeOf(options);
      if (options.dryRun === true && 'ledger' in place && !existsSync(place.ledger)) {
        const nothing: InForce = { units: BUILT_IN_UNITS, aliases: {}, budgets: [] };
        return printPlan(cli, options, { plan: planFor(nothing), units: BUILT_IN_UNITS, outcome: null });
      }
      if (options.dryRun === true) {
        return cli.withReader(options, async (reader) => {
          const plan = planFor(await inForceOf(reader));
          printPlan(cli, options, { plan, units: await reader.units(), outcome: null });
        });
      }
      await cli.withLedger(
        options,
        async (ledger) => {
          const plan = planFor(await inForceOf(ledger));
          const outcome = plan.request === null ? null : await ledger.putDefinitions(plan.request);
          printPlan(cli, options, { plan, units: await ledger.units(), outcome });
        },
        'create',
      );
    });
}

interface ApplyOptions extends GlobalOptions {
  readonly dryRun?: boolean;
  readonly prune?: boolean;
}

interface AppliedPlan {
  readonly plan: ApplyPlan;
  readonly units: readonly Unit[];
  /** Null when nothing was put: a dry run, no change, or a conflict. */
  readonly outcome: Outcome | null;
}

export async function inForceOf(ledger: Pick<CliLedger, 'units' | 'aliases' | 'budgets'>): Promise<InForce> {
  return { units: await ledger.units(), aliases: await ledger.aliases(), budgets: await ledger.budgets() };
}

function printPlan(cli: CliContext, options: ApplyOptions, applied: AppliedPlan): void {
  const { plan, outcome } = applied;
  const output = new Output(cli, options, applied.units);
  if (outcome?.outcome === 'rejected') {
    output.outcome(outcome);
    return;
  }
  const { changes, unchangedBudgets } = plan;
  output.answer(
    { applied: outcome !== null, changes, unchangedBudgets, outcome },
    () => `${renderPlan(plan)}${endingOf(applied)}`,
  );
  if (hasConflict(plan)) cli.exitCode = EXIT.error;
}

function endingOf({ plan, outcome }: AppliedPlan): string {
  if (hasConflict(plan)) return '\nconflicts: nothing was changed';
  if (plan.request === null) return '';
  return outcome === null ? '\ndry run: nothing was changed' : `\napplied at #${outcome.sequence}`;
}

function hasConflict(plan: ApplyPlan): boolean {
  return plan.changes.some((change) => change.kind === 'conflict');
}

interface AccountOptions extends GlobalOptions {
  readonly value?: Pairs;
  readonly commandId?: string;
}

function accountCommand(program: Command, described: { name: string; description: string }): Command {
  return program
    .command(described.name)
    .description(described.description)
    .argument('<budget>', 'id of the budget')
    .option(
      '--value <key=value>',
      'the value of a wildcard label, for one balance; repeatable',
      pairOption('--value'),
    )
    .option('--command-id <id>', 'makes a repeat give the first answer again');
}

function accountOf(budgetId: string, options: AccountOptions): AccountRef & { commandId?: string } {
  const values = options.value === undefined ? undefined : labelsOf(options.value);
  return { budgetId, ...stated({ values, commandId: options.commandId }) };
}

function addTopUp(program: Command, cli: CliContext): void {
  accountCommand(program, { name: 'top-up', description: 'add to what one balance is granted' })
    .requiredOption('--amount <amount>', "in the budget's unit, for example 25.50")
    .action(async (budgetId: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<AccountOptions & { amount: string }>();
      await changeAndPrint(cli, options, async (ledger) => {
        const amount = await amountInUnitOf({ ledger, budgetId, option: '--amount', text: options.amount });
        return ledger.topUp({ ...accountOf(budgetId, options), amount });
      });
    });
}

function addStatus(
  program: Command,
  cli: CliContext,
  described: { name: string; status: BudgetStatus; description: string },
): void {
  accountCommand(program, described).action(async (budgetId: string, _options: unknown, command: Command) => {
    const options = command.optsWithGlobals<AccountOptions>();
    await changeAndPrint(cli, options, (ledger) =>
      ledger.setBudgetStatus({ ...accountOf(budgetId, options), status: described.status }),
    );
  });
}

function addExhaust(program: Command, cli: CliContext): void {
  accountCommand(program, {
    name: 'exhaust',
    description: 'refuse new holds until the window rolls, or until an instant',
  })
    .option('--until <instant>', 'for example 2026-03-01T12:00:00Z', instantOption('--until'))
    .action(async (budgetId: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<AccountOptions & { until?: number }>();
      await changeAndPrint(cli, options, (ledger) =>
        ledger.exhaust({ ...accountOf(budgetId, options), ...stated({ until: options.until }) }),
      );
    });
}

function addSetLimit(program: Command, cli: CliContext): void {
  accountCommand(program, { name: 'set-limit', description: 'give one balance a limit of its own' })
    .requiredOption(
      '--limit <limit>',
      "in the budget's unit; none = metered only; default = the budget's own limit again",
    )
    .action(async (budgetId: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<AccountOptions & { limit: string }>();
      await changeAndPrint(cli, options, async (ledger) => {
        const limit = await limitOf({ ledger, budgetId, text: options.limit });
        return ledger.setBalanceLimit({ ...accountOf(budgetId, options), limit });
      });
    });
}

async function limitOf(at: {
  ledger: CliLedger;
  budgetId: string;
  text: string;
}): Promise<bigint | null | 'default'> {
  if (at.text === 'default') return 'default';
  if (at.text === 'none') return null;
  return amountInUnitOf({ ...at, option: '--limit' });
}

async function amountInUnitOf(at: {
  ledger: CliLedger;
  budgetId: string;
  option: string;
  text: string;
}): Promise<bigint> {
  const budget = (await at.ledger.budgets()).find(({ id }) => id === at.budgetId);
  if (budget === undefined) {
    throw new UsageError('budget', `none has the id ${JSON.stringify(at.budgetId)}; see "bursar budgets"`);
  }
  return amountOf({ option: at.option, text: at.text, unit: budget.unit, units: await at.ledger.units() });
}

async function changeAndPrint(
  cli: CliContext,
  options: GlobalOptions,
  change: (ledger: CliLedger) => CommandOutcome | Promise<CommandOutcome>,
): Promise<void> {
  await cli.withLedger(options, async (ledger) => {
    new Output(cli, options, await ledger.units()).outcome(await change(ledger));
  });
}
