// What a journal record says, in the words of the public interface: the outcome that was given then, and the event.

import { budgetLine } from '../core/line-figures.js';
import { eventId, holdIdOf, leaseOf, outcomeOf } from '../core/outcome-of.js';
import type {
  BudgetLine,
  CommandOutcome,
  HoldStatus,
  LedgerEvent,
  SkippedCandidate,
} from '../core/outcomes.js';
import type { Quantities } from '../core/units.js';
import type { BatchReader } from './batch-reader.js';
import { detailsOf } from './event-details.js';
import type { RecordedLines } from './line-reader.js';

/** The outcome that the record read last gave, as a replay of it. */
export function replayOf(reader: BatchReader, holdStatus: HoldStatus | null): CommandOutcome {
  const { command, effect, sequence, at, term, units } = reader;
  const position = reader.changed ? reader.position : null;
  const lines = recordedLines(reader);
  const skipped = recordedSkips(reader);
  return outcomeOf({
    command,
    effect,
    sequence,
    position,
    at,
    term,
    replayed: true,
    lines,
    skipped,
    units,
    holdStatus,
  });
}

/** The record read last, as an event. */
export function eventOf(reader: BatchReader): LedgerEvent {
  const { command, effect } = reader;
  const lease = leaseOf(command);
  const holdId = command.kind === 'expire_hold' ? reader.expiredHoldId : holdIdOf(command);
  return {
    sequence: reader.sequence,
    eventId: eventId(reader.sequence),
    type: effect.type,
    at: reader.at,
    position: reader.changed ? reader.position : null,
    commandId: command.commandId,
    holdId,
    term: lease === null ? reader.term : `${lease.authorityId}:${lease.epoch}`,
    actor: reader.rider.actor,
    lines: recordedLines(reader),
    details: detailsOf(command, effect, reader.units),
  };
}

export function recordedLines(reader: BatchReader): BudgetLine[] {
  const amounts = amountsOf(reader);
  return shownLines(reader.lines, amounts);
}

function recordedSkips(reader: BatchReader): SkippedCandidate[] {
  const { command } = reader;
  return reader.skipped.map(({ candidate, reason, lines }) => {
    const amounts =
      command.kind === 'authorize_hold' ? (command.candidates?.[candidate]?.amounts ?? null) : null;
    return { candidate, reason: reason as SkippedCandidate['reason'], lines: shownLines(lines, amounts) };
  });
}

function shownLines(lines: RecordedLines, amounts: Quantities | null): BudgetLine[] {
  const shown: BudgetLine[] = [];
  for (let line = 0; line < lines.count; line += 1) {
    const balance = lines.balances[line];
    const place = amounts === null ? -1 : amounts.set.placeOf[balance.unitIndex];
    const requested = place === -1 ? 0n : (amounts as Quantities).steps[place];
    shown.push(budgetLine(balance, lines.flags[line], requested, lines.figures(line)));
  }
  return shown;
}

/** What the record moved, by unit: what its lines show as requested. */
function amountsOf(reader: BatchReader): Quantities | null {
  const { effect, command, units } = reader;
  switch (effect.type) {
    case 'hold_authorized':
    case 'hold_denied':
    case 'spend_recorded':
      return effect.amounts;
    case 'hold_settled':
    case 'hold_corrected':
    case 'hold_expired':
      return { set: effect.set, steps: effect.charged };
    case 'hold_released':
    case 'hold_reversed':
    case 'spend_credited':
      return { set: effect.set, steps: effect.returned };
    case 'hold_extended':
      return effect.added === null ? null : { set: effect.set, steps: effect.added };
    case 'balance_topped_up': {
      if (command.kind !== 'top_up' || reader.lines.count === 0) return null;
      return { set: units.set(1 << reader.lines.balances[0].unitIndex), steps: [command.amount] };
    }
    default:
      return null;
  }
}
