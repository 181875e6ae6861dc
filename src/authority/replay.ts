// The answer to a command or a group whose command id was used before: its first outcome, read from the journal, or a
// conflict where the body differs (rule H3). The index of ids holds hashes alone, so an id may also turn out to be
// new.

import type { CoreCommand } from '../core/commands.js';
import { rejected } from '../core/effects.js';
import type { CheckedRider } from '../core/facts.js';
import { HOLD_STATUSES } from '../core/holds.js';
import { outcomeOf } from '../core/outcome-of.js';
import type { CommandOutcome, GroupOutcome, Rejected } from '../core/outcomes.js';
import type { BatchReader } from '../journal/batch-reader.js';
import { coldText } from '../journal/cold.js';
import type { JournalReader } from '../journal/port.js';
import { replayOf } from '../journal/recorded.js';
import { type CheckedStep, runAllOrNothing } from './all-or-nothing.js';
import { findRecord } from './events.js';
import type { Pipeline } from './pipeline.js';

// The same body has the same text, whatever the order of its fields.
function bodyText(command: CoreCommand): string {
  return coldText(sorted(command));
}

function sorted(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map(sorted);
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(entries.map(([key, part]) => [key, sorted(part)]));
}

export class Replays {
  constructor(
    private readonly pipeline: Pipeline,
    private readonly reader: JournalReader,
  ) {}

  /** The first outcome of a command, or its outcome now when only the hashes of two ids were equal. */
  async again(command: CoreCommand, rider: CheckedRider): Promise<CommandOutcome> {
    const sequences = this.#candidates(command);
    const outcome = await this.#first(command, sequences);
    if (outcome !== null) return outcome;
    if (this.#candidates(command).length > sequences.length) return this.again(command, rider);
    return this.pipeline.runFresh(command, rider) as Promise<CommandOutcome>;
  }

  /** The first outcome of an all-or-nothing group, some id of which may have been used. */
  async groupAgain(steps: readonly CheckedStep[]): Promise<GroupOutcome> {
    const known = this.#knownIds(steps);
    for (const [index, { command }] of steps.entries()) {
      if (!this.pipeline.wasUsed(command)) continue;
      const outcome = await this.#first(command, this.#candidates(command));
      if (outcome === null) continue;
      if (outcome.outcome === 'denied' || outcome.outcome === 'rejected')
        return { carriedOut: false, index, outcome };
      return this.#earlierGroup(steps, index, outcome.sequence);
    }
    return this.pipeline.runTogether(
      () => () =>
        this.#knownIds(steps) > known ? this.groupAgain(steps) : runAllOrNothing(this.pipeline, steps),
    );
  }

  /** The group whose step at `index` has this sequence number: the records of a group follow one another. */
  #earlierGroup(steps: readonly CheckedStep[], index: number, sequence: number): GroupOutcome {
    const record = findRecord(this.reader, sequence - index);
    const outcomes: CommandOutcome[] = [];
    for (const { command } of steps) {
      const isStep =
        record?.sequence === sequence - index + outcomes.length &&
        bodyText(record.command) === bodyText(command);
      if (!isStep) break;
      outcomes.push(this.#replayed(record));
      record.next();
    }
    if (outcomes.length === steps.length) return { carriedOut: true, outcomes };
    const other = findRecord(this.reader, sequence) as BatchReader;
    return { carriedOut: false, index, outcome: idReused(other, steps[index].command) };
  }

  /** Null when none of the records is of this command id. */
  async #first(command: CoreCommand, sequences: readonly number[]): Promise<CommandOutcome | null> {
    for (const sequence of sequences) {
      await this.pipeline.whenDurable(sequence);
      this.pipeline.expireDue();
      const record = findRecord(this.reader, sequence);
      if (record === undefined || record.command.commandId !== command.commandId) continue;
      return bodyText(record.command) === bodyText(command)
        ? this.#replayed(record)
        : idReused(record, command);
    }
    return null;
  }

  #replayed(record: BatchReader): CommandOutcome {
    const { holds } = this.pipeline.state;
    const slot = 'holdId' in record.command ? holds.index.get(record.command.holdId) : -1;
    return replayOf(record, slot === -1 ? null : HOLD_STATUSES[holds.status[slot]]);
  }

  #candidates({ commandId }: CoreCommand): readonly number[] {
    return commandId === null ? [] : this.pipeline.state.commandIds.candidates(commandId);
  }

  #knownIds(steps: readonly CheckedStep[]): number {
    return steps.reduce((count, { command }) => count + this.#candidates(command).length, 0);
  }
}

/** The rejection of a command whose id is that of another one, which the record is of. */
function idReused(record: BatchReader, command: CoreCommand): Rejected {
  const rejection = outcomeOf({
    command,
    effect: rejected('command_id_reused', command.commandId ?? '', record.command.kind),
    sequence: record.sequence,
    position: null,
    at: record.at,
    term: record.term,
    replayed: false,
    lines: [],
    skipped: [],
    units: record.units,
    holdStatus: 'open',
  });
  return rejection as Rejected;
}
