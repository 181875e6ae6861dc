// All-or-nothing groups: every command is decided on the state before the group, and all are carried out in one batch, or
// none. That is only possible where no command touches what another one touches, so a group in which two do is misuse.
// What a command names is known beforehand; which accounts it counts towards is known once it is decided.

import { mayBeForgotten } from '../core/apply.js';
import type { AccountCommand, CoreCommand } from '../core/commands.js';
import { accountOf } from '../core/decide-account.js';
import { type Effect, isCarriedOut } from '../core/effects.js';
import { InvalidInputError } from '../core/errors.js';
import type { CheckedRider } from '../core/facts.js';
import { SEPARATOR } from '../core/labels.js';
import type { LineSet } from '../core/lines.js';
import type { Denied, GroupOutcome, Rejected } from '../core/outcomes.js';
import type { State } from '../core/state.js';
import type { Pipeline } from './pipeline.js';

export interface CheckedStep {
  readonly command: CoreCommand;
  readonly rider: CheckedRider;
}

/** Decides and carries out a group now. Called within the pipeline's turn. @throws InvalidInputError for misuse */
export function runAllOrNothing(pipeline: Pipeline, steps: readonly CheckedStep[]): GroupOutcome {
  const at = pipeline.now();
  pipeline.expireDue(at);
  const touched = new Footprint(pipeline.state);
  for (const [index, { command }] of steps.entries()) touched.addNamed(index, command);
  for (const [index, { command, rider }] of steps.entries()) {
    assertKept(pipeline.state, { index, command, at });
    const effect = pipeline.decided(command, at);
    if (!isCarriedOut(effect)) {
      const outcome = pipeline.carryOut(command, effect, rider, at) as Denied | Rejected;
      return { carriedOut: false, index, outcome };
    }
    touched.addLines(index, effect);
  }
  const outcomes = steps.map(({ command, rider }) => {
    // Decided again, because the slots of new holds and balances depend on the steps before. The answer does not.
    const effect = pipeline.decided(command, at);
    if (!isCarriedOut(effect)) throw new Error(`bug: ${command.kind} touched what another step touches`);
    return pipeline.carryOut(command, effect, rider, at);
  });
  return { carriedOut: true, outcomes };
}

const DEFINITIONS = 'the definitions';

/** What the steps of a group touch: each hold, account and command id at most once. */
class Footprint {
  /** By the thing, in the words of the message: the step that touches it. */
  readonly #things = new Map<string, number>();
  readonly #commandIds = new Map<string, number>();
  /** Budgets of which a step touches some account, and those that a step touches as a whole. */
  readonly #parts = new Map<string, number>();
  readonly #wholes = new Map<string, number>();

  constructor(private readonly state: State) {}

  /** What a command names, which is known before it is decided. */
  addNamed(index: number, command: CoreCommand): void {
    if (command.commandId !== null) once(this.#commandIds, index, `the command id ${command.commandId}`);
    if (command.kind === 'record_facts') return;
    // Definitions say which labels match, so they touch what every other command may touch.
    const defining = this.#things.get(DEFINITIONS);
    if (defining !== undefined) throw bothTouch(index, defining, DEFINITIONS);
    const [other] = this.#things.values();
    if (command.kind !== 'put_definitions') once(this.#things, index, `step ${index}`);
    else if (other !== undefined) throw bothTouch(index, other, DEFINITIONS);
    else this.#things.set(DEFINITIONS, index);
    if ('holdId' in command) once(this.#things, index, `the hold ${command.holdId}`);
    if ('values' in command) this.#account(index, command);
  }

  /** The accounts that the decision just taken looked at. */
  addLines(index: number, effect: Effect): void {
    this.#lines(index, this.state.lines);
    if (effect.type === 'hold_authorized') for (const { lines } of effect.skipped) this.#lines(index, lines);
  }

  #account(index: number, command: AccountCommand): void {
    const budget = this.state.budgetById.get(command.budgetId);
    if (budget === undefined) return;
    const account = accountOf(this.state, budget, command);
    if (account === null) this.#whole(index, command.budgetId);
    else this.#part(index, command.budgetId, account);
  }

  #lines(index: number, lines: LineSet): void {
    for (let line = 0; line < lines.count; line += 1)
      this.#part(index, lines.budgets[line].id, lines.values[line]);
  }

  #part(index: number, budgetId: string, values: string): void {
    const whole = this.#wholes.get(budgetId);
    if (whole !== undefined && whole !== index) throw bothTouch(index, whole, `the budget ${budgetId}`);
    const of = values === '' ? '' : ` of ${values.split(SEPARATOR).join(' · ')}`;
    once(this.#things, index, `the budget ${budgetId}${of}`);
    this.#parts.set(budgetId, index);
  }

  #whole(index: number, budgetId: string): void {
    const other = this.#parts.get(budgetId) ?? this.#wholes.get(budgetId);
    if (other !== undefined && other !== index) throw bothTouch(index, other, `the budget ${budgetId}`);
    this.#wholes.set(budgetId, index);
  }
}

/** Ended holds leave memory as commands are applied. The steps before this one may be those commands. */
function assertKept(
  state: State,
  { index, command, at }: { index: number; command: CoreCommand; at: number },
): void {
  const slot = 'holdId' in command ? state.holds.index.get(command.holdId) : -1;
  if (slot === -1 || !mayBeForgotten(state, slot, { at, commands: index })) return;
  throw new InvalidInputError(
    `steps[${index}]`,
    'its ended hold may leave memory by the steps before; put this command first, or run it alone',
  );
}

function once(touched: Map<string, number>, index: number, thing: string): void {
  const other = touched.get(thing);
  if (other !== undefined && other !== index) throw bothTouch(index, other, thing);
  touched.set(thing, index);
}

function bothTouch(index: number, other: number, what: string): InvalidInputError {
  return new InvalidInputError(
    `steps[${index}]`,
    `touches ${what}, which steps[${other}] touches too; in an all-or-nothing group no step may depend on another`,
  );
}
