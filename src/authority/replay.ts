// A command id used before: its first outcome, from the journal; or, when the body differs, the conflict (rule H3).

import type { CoreCommand } from '../core/commands.js';
import { rejected } from '../core/effects.js';
import { outcomeOf } from '../core/outcome-of.js';
import type { CommandOutcome, HoldStatus } from '../core/outcomes.js';
import { coldText } from '../journal/cold.js';
import type { JournalReader } from '../journal/port.js';
import { replayOf } from '../journal/recorded.js';
import { findRecord } from './events.js';

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

/** Null when the record at this position is of another command id: only the hashes were equal. */
export function firstOutcome(
  reader: JournalReader,
  sequence: number,
  command: CoreCommand,
  statusOf: (holdId: string) => HoldStatus | undefined,
): CommandOutcome | null {
  const record = findRecord(reader, sequence);
  if (record === undefined || record.command.commandId !== command.commandId) return null;
  if (bodyText(record.command) === bodyText(command)) {
    const holdId = 'holdId' in command ? command.holdId : '';
    return replayOf(record, statusOf(holdId) ?? null);
  }
  return outcomeOf({
    command,
    effect: rejected('command_id_reused', command.commandId ?? '', record.command.kind),
    sequence,
    position: null,
    at: record.at,
    term: record.term,
    replayed: false,
    lines: [],
    skipped: [],
    units: record.units,
    holdStatus: 'open',
  });
}
