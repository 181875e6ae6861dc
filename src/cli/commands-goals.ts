// The commands on goals, behind a server: what an agent works towards, and how many tokens it has used and has left.

import type { Command } from 'commander';
import type { BursarClient } from '../client/index.js';
import { textTable } from '../kit/text-table.js';
import type { CliContext, GlobalOptions } from './context.js';
import { stated, wholeOption } from './options.js';

/** Rows shown unless told otherwise. */
const ROWS_DEFAULT = 100;
const ROWS_MAX = 1_000_000;
const TOKENS_MAX = Number.MAX_SAFE_INTEGER;

type GoalRow = Omit<Awaited<ReturnType<BursarClient['goals']['get']>>, 'prompt'>;

interface OwnerOptions extends GlobalOptions {
  readonly tenant?: string;
  readonly owner?: string;
}

export function addGoalCommands(program: Command, cli: CliContext): void {
  const goals = program.command('goals').description('goals of agents on a server; needs --url');
  addList(goals, cli);
  addCreate(goals, cli);
  addShow(goals, cli);
  addActive(goals, cli);
  addChanges(goals, cli);
  addBudget(goals, cli);
  addUsage(goals, cli);
}

function ofOwner(command: Command): Command {
  return command
    .option('--tenant <name>', 'whose goal it is; for keys of the platform')
    .option('--owner <name>', 'whose goal it is, where the key does not say');
}

function addList(goals: Command, cli: CliContext): void {
  ofOwner(goals.command('list', { isDefault: true }).description('goals, the newest first'))
    .option('--max <rows>', `at most so many (default ${ROWS_DEFAULT})`, rowsOption, ROWS_DEFAULT)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<OwnerOptions & { max: number }>();
      const rows: GoalRow[] = [];
      for await (const row of cli.client(options).goals.all(ownerOf(options))) {
        rows.push(row);
        if (rows.length >= options.max) break;
      }
      cli.answer(options, rows, () => goalTable(rows));
    });
}

function addCreate(goals: Command, cli: CliContext): void {
  ofOwner(goals.command('create').description('a new goal, active; the owner’s active one is paused'))
    .argument('<text>', 'what is to be reached')
    .option('--tokens <count>', 'its token budget', tokensOption('--tokens'))
    .action(async (text: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<OwnerOptions & { tokens?: number }>();
      const request = { text, ...ownerOf(options), ...stated({ tokenBudget: options.tokens }) };
      const goal = await cli.client(options).goals.create(request);
      cli.answer(options, goal, () => goalTable([goal]));
    });
}

function addShow(goals: Command, cli: CliContext): void {
  goals
    .command('show')
    .description('a goal and its block for a prompt')
    .argument('<goal>', 'id of the goal')
    .action(async (id: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const goal = await cli.client(options).goals.get(id);
      cli.answer(options, goal, () => `${goalTable([goal])}\n\n${goal.prompt}`);
    });
}

function addActive(goals: Command, cli: CliContext): void {
  ofOwner(
    goals.command('active').description('the active goal of an owner, as the block for a prompt'),
  ).action(async (_options: unknown, command: Command) => {
    const options = command.optsWithGlobals<OwnerOptions>();
    const goal = await cli.client(options).goals.active(ownerOf(options));
    cli.answer(options, goal, () => goal?.prompt ?? 'no active goal');
  });
}

function addChanges(goals: Command, cli: CliContext): void {
  const changes = {
    pause: 'pause a goal: its calls are refused',
    resume: 'go on with a goal that has budget left',
    complete: 'end an active goal that was reached, for good',
    clear: 'end a goal that is given up, for good',
  } as const;
  for (const [name, description] of Object.entries(changes)) {
    goals
      .command(name)
      .description(description)
      .argument('<goal>', 'id of the goal')
      .action(async (id: string, _options: unknown, command: Command) => {
        const options = command.optsWithGlobals<GlobalOptions>();
        const goal = await cli.client(options).goals[name as keyof typeof changes](id);
        cli.answer(options, goal, () => goalTable([goal]));
      });
  }
}

function addBudget(goals: Command, cli: CliContext): void {
  goals
    .command('budget')
    .description('set the token budget of a goal, above what it has used')
    .argument('<goal>', 'id of the goal')
    .argument('<tokens>', 'tokens, or "none"', (text) =>
      text === 'none' ? null : tokensOption('tokens')(text),
    )
    .action(async (id: string, tokens: number | null, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const goal = await cli.client(options).goals.setBudget(id, tokens);
      cli.answer(options, goal, () => goalTable([goal]));
    });
}

function addUsage(goals: Command, cli: CliContext): void {
  goals
    .command('usage')
    .description('count the tokens of a turn that ran elsewhere')
    .argument('<goal>', 'id of the goal')
    .argument('<tokens>', 'tokens of the turn', wholeOption('tokens', { min: 0, max: TOKENS_MAX }))
    .action(async (id: string, tokens: number, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const { counted, reason, goal } = await cli.client(options).goals.noteUsage(id, { tokens });
      const said = counted ? 'counted' : `not counted: ${reason}`;
      cli.answer(options, { counted, reason, goal }, () =>
        goal === null ? said : `${said}\n${goalTable([goal])}`,
      );
    });
}

function ownerOf({ tenant, owner }: OwnerOptions): { tenant?: string; owner?: string } {
  return stated({ tenant, owner });
}

function rowsOption(text: string): number {
  return wholeOption('--max', { min: 1, max: ROWS_MAX })(text);
}

function tokensOption(option: string) {
  return wholeOption(option, { min: 1, max: TOKENS_MAX });
}

function goalTable(rows: readonly GoalRow[]): string {
  if (rows.length === 0) return 'no goals';
  return textTable(
    ['goal', 'owner', 'state', 'turns', 'tokens used', 'left', 'budget', 'text'],
    rows.map((row) => [
      row.id,
      row.owner,
      row.state,
      String(row.turns),
      row.tokensUsed,
      row.tokensLeft ?? '',
      row.tokenBudget ?? '',
      row.text.replaceAll('\n', ' '),
    ]),
  );
}
