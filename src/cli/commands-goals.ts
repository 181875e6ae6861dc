// The commands on goals, behind a server: what an agent works towards, and how many tokens it has used and has left.

import type { Command } from 'commander';
import type { Answer } from '../client/calls.js';
import type { ItemOf } from '../client/pages.js';
import { textTable } from '../kit/text-table.js';
import { addListCommand, addRouteCommand, field } from './command-table.js';
import type { CliContext } from './context.js';
import { COUNT, type Reader, whole } from './options.js';

const ROWS_DEFAULT = 100;
const TOKENS = whole(1);

const GOAL = { id: { shown: 'goal', help: 'id of the goal' } };
const OWNER = {
  tenant: field('--tenant <name>', 'whose goal it is; for keys of the platform'),
  owner: field('--owner <name>', 'whose goal it is, where the key does not say'),
};

const TOKENS_OR_NONE: Reader = {
  read: (option) => (text: string) =>
    text === 'none' ? null : TOKENS.read?.(option)(text, undefined as never),
};

const CHANGES = [
  ['pause', 'pauseGoal', 'pause a goal: its calls are refused'],
  ['resume', 'resumeGoal', 'go on with a goal that has budget left'],
  ['complete', 'completeGoal', 'end an active goal that was reached, for good'],
  ['clear', 'clearGoal', 'end a goal that is given up, for good'],
] as const;

export function addGoalCommands(program: Command, cli: CliContext): void {
  const goals = program.command('goals').description('goals of agents on a server; needs --url');
  addListCommand(goals, cli, {
    name: 'list',
    isDefault: true,
    route: 'listGoals',
    about: 'goals, the newest first',
    query: OWNER,
    rows: ROWS_DEFAULT,
    text: goalTable,
  });
  addRouteCommand(goals, cli, {
    name: 'create',
    route: 'createGoal',
    about: 'a new goal, active; the owner’s active one is paused',
    args: { text: 'what is to be reached' },
    body: { ...OWNER, tokenBudget: field('--tokens <count>', 'its token budget', TOKENS) },
    text: ofOne,
  });
  addRouteCommand(goals, cli, {
    name: 'show',
    route: 'getGoal',
    about: 'a goal and its block for a prompt',
    args: GOAL,
    text: (goal) => `${goalTable([goal])}\n\n${goal.prompt}`,
  });
  addRouteCommand(goals, cli, {
    name: 'active',
    route: 'getActiveGoal',
    about: 'the active goal of an owner, as the block for a prompt',
    query: OWNER,
    json: ({ goal }) => goal,
    text: ({ goal }) => goal?.prompt ?? 'no active goal',
  });
  for (const [name, route, about] of CHANGES)
    addRouteCommand(goals, cli, { name, route, about, args: GOAL, text: ofOne });
  addRouteCommand(goals, cli, {
    name: 'budget',
    route: 'setGoalBudget',
    about: 'set the token budget of a goal, above what it has used',
    args: { ...GOAL, tokenBudget: { shown: 'tokens', help: 'tokens, or "none"', reader: TOKENS_OR_NONE } },
    text: ofOne,
  });
  addRouteCommand(goals, cli, {
    name: 'usage',
    route: 'noteGoalUsage',
    about: 'count the tokens of a turn that ran elsewhere',
    args: { ...GOAL, tokens: { help: 'tokens of the turn', reader: COUNT } },
    text: ({ counted, reason, goal }) => {
      const said = counted ? 'counted' : `not counted: ${reason}`;
      return goal === null ? said : `${said}\n${goalTable([goal])}`;
    },
  });
}

function ofOne(goal: Answer<'getGoal'>): string {
  return goalTable([goal]);
}

function goalTable(rows: readonly ItemOf<'listGoals'>[]): string {
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
