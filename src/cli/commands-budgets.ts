// The commands on budgets: apply, top-up, pause, resume, close, exhaust, set-limit.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { budgetIn, definitionsOut } from '../budgets/budget-definitions.js';
import { type ApplyPlan, type InForce, planApply, renderPlan } from '../budgets/budget-diff.js';
import { parseBudgetFile } from '../budgets/budget-file.js';
import type { CommandOutcome } from '../client/index.js';
import { BUILT_IN_UNITS } from '../core/amount.js';
import type { CliLedger } from './cli-ledger.js';
import { addLedgerCommand, type Fields, field, type LedgerCommand, required } from './command-table.js';
import type { CliContext, GlobalOptions } from './context.js';
import { EXIT } from './exit-codes.js';
import { amountOf, INSTANT, PAIRS, UsageError } from './options.js';
import { printOutcome } from './output.js';

const BUDGET = { budgetId: { shown: 'budget', help: 'id of the budget' } };
const ACCOUNT: Fields = {
  values: field('--value <key=value>', 'the value of a wildcard label, for one balance; repeatable', PAIRS),
};

const STATUSES = [
  ['pause', 'paused', 'refuse new holds until resumed'],
  ['resume', 'active', 'take new holds again; needs money in the budget'],
  ['close', 'closed', 'refuse new holds for good'],
] as const;

const COMMANDS: readonly LedgerCommand[] = [
  {
    name: 'top-up',
    command: 'top_up',
    about: 'add to what one balance is granted',
    args: BUDGET,
    fields: { ...ACCOUNT, amount: required('--amount <amount>', "in the budget's unit, for example 25.50") },
    finish: async (stated, ledger) => {
      await assertInUnit(ledger, { option: '--amount', budgetId: stated.budgetId, text: stated.amount });
      return stated;
    },
  },
  ...STATUSES.map(
    ([name, status, about]): LedgerCommand => ({
      name,
      about,
      command: 'set_budget_status',
      args: BUDGET,
      fields: ACCOUNT,
      fixed: { status },
    }),
  ),
  {
    name: 'exhaust',
    command: 'exhaust_budget',
    about: 'refuse new holds until the window rolls, or until an instant',
    args: BUDGET,
    fields: { ...ACCOUNT, until: field('--until <instant>', 'for example 2026-03-01T12:00:00Z', INSTANT) },
  },
  {
    name: 'set-limit',
    command: 'set_balance_limit',
    about: 'give one balance a limit of its own',
    args: BUDGET,
    fields: {
      ...ACCOUNT,
      limit: required(
        '--limit <limit>',
        "in the budget's unit; none = metered only; default = the budget's own limit again",
      ),
    },
    finish: async ({ limit, ...stated }, ledger) => {
      if (limit === 'none') return { ...stated, limit: null };
      if (limit !== 'default')
        await assertInUnit(ledger, { option: '--limit', budgetId: stated.budgetId, text: limit });
      return { ...stated, limit };
    },
  },
];

export function addBudgetCommands(program: Command, cli: CliContext): void {
  addApply(program, cli);
  for (const one of COMMANDS) addLedgerCommand(program, cli, one);
}

/** @throws UsageError where there is no such budget, or its unit has no such amount */
async function assertInUnit(
  ledger: CliLedger,
  { option, budgetId, text }: { option: string; budgetId: unknown; text: unknown },
): Promise<void> {
  const budget = (await ledger.budgets()).find(({ id }) => id === budgetId);
  if (budget === undefined)
    throw new UsageError('budget', `none has the id ${JSON.stringify(budgetId)}; see "bursar budgets"`);
  amountOf({ option, text: String(text), unit: budget.unit, units: await ledger.units() });
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
        return printPlan(cli, options, { plan: planFor(nothing), outcome: null });
      }
      if (options.dryRun === true) {
        return cli.withReader(options, async (reader) =>
          printPlan(cli, options, { plan: planFor(await inForceOf(reader)), outcome: null }),
        );
      }
      await cli.withLedger(
        options,
        async (ledger) => {
          const inForce = await inForceOf(ledger);
          const plan = planFor(inForce);
          const { request } = plan;
          const outcome =
            request === null ? null : await ledger.define(definitionsOut(request, inForce.units));
          printPlan(cli, options, { plan, outcome });
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
  /** Null when nothing was put: a dry run, no change, or a conflict. */
  readonly outcome: CommandOutcome | null;
}

async function inForceOf(ledger: Pick<CliLedger, 'definitions' | 'budgets'>): Promise<InForce> {
  const { units, aliases } = await ledger.definitions();
  const scales = new Map(units.map(({ name, scale }) => [name, scale]));
  const reading = { scales, unplain: new Set<number>() };
  const budgets = (await ledger.budgets()).map((view) => ({
    ...budgetIn(view.id, view, reading),
    status: view.status,
  }));
  return { units, aliases, budgets };
}

function printPlan(cli: CliContext, options: ApplyOptions, applied: AppliedPlan): void {
  const { plan, outcome } = applied;
  if (outcome?.outcome === 'rejected') return printOutcome(cli, options, outcome);
  const { changes, unchangedBudgets } = plan;
  const answer = { applied: outcome !== null, changes, unchangedBudgets, outcome };
  cli.answer(options, answer, () => `${renderPlan(plan)}${endingOf(applied)}`);
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
