// What a journal record says, in the words of the public interface: the outcome that was given then, and the event.

import { labelsOf } from '../core/labels.js';
import { budgetLine } from '../core/line-facts.js';
import { eventId, holdIdOf, leaseOf, outcomeOf } from '../core/outcome-of.js';
import type {
  BudgetLine,
  CommandOutcome,
  HoldStatus,
  LedgerEvent,
  SkippedCandidate,
} from '../core/outcomes.js';
import type { Quantities, UnitSet, UnitTable } from '../core/units.js';
import type { BatchReader } from './batch-reader.js';
import type { RecordedLines } from './line-reader.js';

/** The outcome that the record read last gave, as a replay of it. */
export function replayOf(reader: BatchReader, holdStatus: HoldStatus): CommandOutcome {
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
    lines: recordedLines(reader),
    details: { command: command.kind, ...plain(command, reader.units), ...plain(effect, reader.units) },
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

// A command's or effect's own fields with labels and amounts as callers know them; slots and the like are left out.
function plain(value: object, units: UnitTable): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  const own = value as Record<string, unknown> & { set?: UnitSet };
  for (const [key, part] of Object.entries(own)) {
    if (HIDDEN.has(key) || part === null || part === undefined || (key === 'until' && part === 0)) continue;
    if (key === 'labels') shown[key] = labelsOf(part as string);
    else if (isQuantities(part)) shown[key] = units.amounts(part.set, part.steps);
    else if (own.set !== undefined && Array.isArray(part) && typeof part[0] === 'bigint')
      shown[key] = units.amounts(own.set, part);
    else if (Array.isArray(part) ? part.length > 0 : true)
      shown[key] = Array.isArray(part) ? part.map((one) => plainPart(one, units)) : part;
  }
  return shown;
}

const HIDDEN = new Set([
  'kind',
  'type',
  'commandId',
  'holdId',
  'slot',
  'set',
  'skipped',
  'changes',
  'callsStated',
  'cappedPlaces',
  'seed',
]);

function plainPart(part: unknown, units: UnitTable): unknown {
  return part !== null && typeof part === 'object' && !Array.isArray(part) ? plain(part, units) : part;
}

function isQuantities(part: unknown): part is Quantities {
  return part !== null && typeof part === 'object' && 'set' in part && 'steps' in part;
}
