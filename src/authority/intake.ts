// The edge of the library: what a caller passed is checked and becomes a core command, or throws InvalidInputError that
// names the field, the value and the bound. Nothing that comes in here is trusted; everything behind it is. Each family
// of commands has a file of its own.

import type { CoreCommand } from '../core/commands.js';
import { InvalidInputError } from '../core/errors.js';
import type { Actor } from '../core/facts.js';
import { quoted } from '../core/labels.js';
import type { LedgerCommand } from '../core/requests.js';
import type { State } from '../core/state.js';
import type { CheckedStep } from './all-or-nothing.js';
import type { GroupStep } from './api.js';
import { assertList, assertObject, commandIdIn } from './checks.js';
import { authorizeCommand } from './intake-authorize.js';
import { accountCommand, definitionsCommand } from './intake-definitions.js';
import {
  correctCommand,
  creditCommand,
  extendCommand,
  recordCommand,
  releaseCommand,
  reverseCommand,
  settleCommand,
} from './intake-holds.js';
import { assertFactBytes, riderIn } from './intake-rider.js';

/** Commands in one durable group at most, and characters of labels and notes in it: they become one batch of the journal. */
export const GROUP_COMMANDS_MAX = 10_000;
export const GROUP_CHARACTERS_MAX = 8 * 1024 * 1024;

/** Steps of an all-or-nothing group at most: each is decided twice in one turn of the event loop. */
export const GROUP_STEPS_MAX = 1_000;

/** The steps of an all-or-nothing group with their riders. */
export function stepsIn(state: State, steps: readonly GroupStep[], actor: Actor | null): CheckedStep[] {
  assertList(steps, 'steps', GROUP_STEPS_MAX);
  for (const [index, step] of steps.entries()) assertObject(step, `steps[${index}]`);
  const commands = groupCommands(
    state,
    steps.map(({ command }) => command),
  );
  const riders = steps.map(({ facts }) => riderIn({ actor, ...(facts === undefined ? {} : { facts }) }));
  assertFactBytes(
    riders.flatMap(({ facts }) => facts),
    'steps',
  );
  return commands.map((command, index) => ({ command, rider: riders[index] }));
}

/** The commands of a group; all are checked before the first is done. */
export function groupCommands(state: State, commands: readonly LedgerCommand[]): readonly CoreCommand[] {
  const intake = new GroupIntake(state, commands);
  while (!intake.isDone) intake.takeNext();
  return intake.made;
}

/** Checks a group command by command, so that whoever asks may pause in between. @throws InvalidInputError */
export class GroupIntake {
  readonly made: CoreCommand[] = [];
  #characters = 0;

  constructor(
    private readonly state: State,
    private readonly commands: readonly LedgerCommand[],
  ) {
    assertList(commands, 'commands', GROUP_COMMANDS_MAX);
  }

  get isDone(): boolean {
    return this.made.length === this.commands.length;
  }

  takeNext(): void {
    const command = coreCommand(this.state, this.commands[this.made.length]);
    this.made.push(command);
    this.#characters += charactersOf(command);
    if (this.isDone && this.#characters > GROUP_CHARACTERS_MAX) {
      throw new InvalidInputError(
        'commands',
        `have ${this.#characters} characters of labels and notes; at most ${GROUP_CHARACTERS_MAX}`,
      );
    }
  }
}

function charactersOf(command: CoreCommand): number {
  let characters = 'note' in command && command.note !== null ? command.note.length : 0;
  if (command.kind !== 'authorize_hold' && command.kind !== 'record_spend' && command.kind !== 'credit_spend')
    return characters;
  characters += command.labels.length;
  if (command.kind === 'authorize_hold') {
    for (const candidate of command.candidates ?? []) characters += candidate.labels.length;
  }
  return characters;
}

/** A command as the core decides it. */
export function coreCommand(state: State, command: LedgerCommand): CoreCommand {
  assertObject(command, 'command');
  switch (command.command) {
    case 'authorize_hold':
      return authorizeCommand(state, command);
    case 'settle_hold':
      return settleCommand(state, command);
    case 'extend_hold':
      return extendCommand(state, command);
    case 'release_hold':
      return releaseCommand(state, command);
    case 'reverse_hold':
      return reverseCommand(state, command);
    case 'correct_hold':
      return correctCommand(state, command);
    case 'record_spend':
      return recordCommand(state, command);
    case 'credit_spend':
      return creditCommand(state, command);
    case 'put_definitions':
      return definitionsCommand(state, command);
    case 'top_up':
    case 'set_budget_status':
    case 'exhaust_budget':
    case 'set_balance_limit':
      return accountCommand(command);
    case 'record_facts':
      return { kind: 'record_facts', commandId: commandIdIn(command.commandId) };
    default:
      throw new InvalidInputError(
        'command',
        `${quoted((command as { command: unknown }).command)} is no command`,
      );
  }
}
