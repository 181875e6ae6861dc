// A long list of commands in turns: it is checked, decided and written in parts, none of which keeps the event loop
// for long. One caller's list therefore never delays everybody else's single commands for long. Called by ledger.ts.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CoreCommand } from '../core/commands.js';
import type { CheckedRider } from '../core/facts.js';
import type { CommandOutcome } from '../core/outcomes.js';
import type { Command } from '../core/requests.js';
import type { State } from '../core/state.js';
import { GroupIntake } from './intake.js';
import type { Pipeline } from './pipeline.js';
import { TimeSlice } from './time-slice.js';

/** All are checked before the first is done. Each part is one durable group; other commands may come between two. */
export async function runInTurns(
  state: State,
  pipeline: Pipeline,
  commands: readonly Command[],
  rider: CheckedRider,
): Promise<readonly CommandOutcome[]> {
  const made = await checkedInTurns(state, commands);
  const outcomes: CommandOutcome[] = [];
  while (outcomes.length < made.length) {
    const part = await pipeline.runPart(made, rider, outcomes.length);
    for (const outcome of part) outcomes.push(outcome);
  }
  return outcomes;
}

async function checkedInTurns(state: State, commands: readonly Command[]): Promise<readonly CoreCommand[]> {
  const intake = new GroupIntake(state, commands);
  let turn = new TimeSlice();
  while (!intake.isDone) {
    if (turn.isOver) {
      await nextTurn();
      turn = new TimeSlice();
    }
    intake.takeNext();
  }
  return intake.made;
}
