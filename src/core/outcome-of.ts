// From an effect to the public outcome. One function for the first answer and for its replay from the journal, so that
// both are the same but for `replayed`.

import type { CoreCommand } from './commands.js';
import type { Effect, HoldCharged, SpendCredited, SpendRecorded } from './effects.js';
import { worstVerdict } from './line-figures.js';
import type {
  Authorized,
  BudgetLine,
  CommandOutcome,
  Denied,
  Evidence,
  HoldStatus,
  Rejected,
  Settled,
  SkippedCandidate,
} from './outcomes.js';
import { METERING_PROFILE } from './outcomes.js';
import { REJECTIONS } from './rejections.js';
import type { Lease } from './requests.js';
import type { UnitTable } from './units.js';

/** A decided command with what surrounds it: what the reply is made of. */
export interface DecidedCommand {
  readonly command: CoreCommand;
  readonly effect: Effect;
  readonly sequence: number;
  readonly position: number | null;
  readonly at: number;
  /** The ledger's term, used unless the caller has a lease of its own. */
  readonly term: string;
  readonly replayed: boolean;
  readonly lines: readonly BudgetLine[];
  readonly skipped: readonly SkippedCandidate[];
  readonly units: UnitTable;
  /** The hold's status now; only a replay can differ from what the effect says. */
  readonly holdStatus: HoldStatus | null;
}

export function decisionId(sequence: number): string {
  return `dec-${sequence}`;
}

export function eventId(sequence: number): string {
  return `evt-${sequence}`;
}

export function outcomeOf(decided: DecidedCommand): CommandOutcome {
  const { effect } = decided;
  switch (effect.type) {
    case 'hold_authorized':
      return authorized(decided, effect);
    case 'hold_denied':
      return denied(decided, effect);
    case 'hold_settled':
    case 'hold_corrected':
      return settled(decided, effect);
    case 'spend_recorded':
      return recorded(decided, effect);
    case 'spend_credited':
      return credited(decided, effect);
    case 'command_rejected':
      return rejection(decided, effect);
    default:
      return {
        outcome: 'done',
        event: effect.type,
        holdId: holdIdOf(decided.command),
        lines: decided.lines,
        ...evidence(decided),
      };
  }
}

function evidence(decided: DecidedCommand): Evidence {
  return {
    sequence: decided.sequence,
    eventId: eventId(decided.sequence),
    position: decided.position,
    at: decided.at,
    guarantee: decided.command.kind === 'record_spend' ? 'advisory_posthoc' : 'single_node_atomic',
    metering: METERING_PROFILE,
    term: termOf(decided),
    replayed: decided.replayed,
  };
}

/** Rule H9: the caller's lease when the hold was opened under one, else the ledger's. */
function termOf(decided: DecidedCommand): string {
  const lease = leaseOf(decided.command);
  return lease === null ? decided.term : `${lease.authorityId}:${lease.epoch}`;
}

export function leaseOf(command: CoreCommand): Lease | null {
  if (command.kind === 'authorize_hold') return command.extras.lease;
  return 'stated' in command ? command.stated.authority : null;
}

export function holdIdOf(command: CoreCommand): string | null {
  return 'holdId' in command ? command.holdId : null;
}

// The two outcomes of the hot path name every field, because spreading the evidence in would cost more than all the
// rest.
function authorized(decided: DecidedCommand, effect: Effect & { type: 'hold_authorized' }): Authorized {
  const { sequence, lines } = decided;
  return {
    outcome: 'authorized',
    holdId: holdIdOf(decided.command) as string,
    decisionId: decisionId(sequence),
    candidate: effect.candidate === -1 ? null : effect.candidate,
    skipped: decided.skipped,
    lines,
    verdict: worstVerdict(lines),
    expiresAt: effect.expiresAt,
    holdStatus: decided.holdStatus,
    sequence,
    eventId: eventId(sequence),
    position: decided.position,
    at: decided.at,
    guarantee: 'single_node_atomic',
    metering: METERING_PROFILE,
    term: termOf(decided),
    replayed: decided.replayed,
  };
}

function denied(decided: DecidedCommand, effect: Effect & { type: 'hold_denied' }): Denied {
  return {
    outcome: 'denied',
    holdId: holdIdOf(decided.command) as string,
    decisionId: decisionId(decided.sequence),
    reason: effect.reason,
    ...(effect.retryAfterMs > 0 ? { retryAfterMs: effect.retryAfterMs } : {}),
    lines: decided.lines,
    skipped: decided.skipped,
    unmet: effect.unmet,
    verdict: worstVerdict(decided.lines),
    ...evidence(decided),
    position: null,
  };
}

function settled(decided: DecidedCommand, effect: HoldCharged): Settled {
  const { set, charged, returned, cappedPlaces, pausedLines } = effect;
  const { sequence, lines, units } = decided;
  return {
    outcome: 'settled',
    event: effect.type === 'hold_corrected' ? 'hold_corrected' : 'hold_settled',
    holdId: holdIdOf(decided.command),
    late: effect.late,
    charged: units.amounts(set, charged),
    returned: units.amounts(set, returned),
    capped: cappedPlaces === 0 ? NONE : namesOf(units, set.units, cappedPlaces),
    lines,
    verdict: worstVerdict(lines),
    paused: pausedLines.length === 0 ? NONE : pausedLines.map((line) => lines[line].budgetId),
    sequence,
    eventId: eventId(sequence),
    position: decided.position,
    at: decided.at,
    guarantee: 'single_node_atomic',
    metering: METERING_PROFILE,
    term: termOf(decided),
    replayed: decided.replayed,
  };
}

const NONE: readonly string[] = [];

function namesOf(units: UnitTable, of: readonly number[], places: number): string[] {
  return of.filter((_unit, place) => (places & (1 << place)) !== 0).map((unit) => units.name(unit));
}

function recorded(decided: DecidedCommand, effect: SpendRecorded): Settled {
  return {
    outcome: 'settled',
    event: 'spend_recorded',
    holdId: null,
    late: false,
    charged: decided.units.amounts(effect.amounts.set, effect.amounts.steps),
    returned: {},
    capped: NONE,
    lines: decided.lines,
    verdict: worstVerdict(decided.lines),
    paused: effect.pausedLines.map((line) => decided.lines[line].budgetId),
    ...evidence(decided),
  };
}

function credited(decided: DecidedCommand, effect: SpendCredited): Settled {
  return {
    outcome: 'settled',
    event: 'spend_credited',
    holdId: null,
    late: false,
    charged: {},
    returned: decided.units.amounts(effect.set, effect.returned),
    capped: NONE,
    lines: decided.lines,
    verdict: worstVerdict(decided.lines),
    paused: NONE,
    ...evidence(decided),
  };
}

function rejection(decided: DecidedCommand, effect: Effect & { type: 'command_rejected' }): Rejected {
  const { code, value, bound } = effect;
  const facts = [value === '' ? '' : `value ${value}`, bound === '' ? '' : `bound ${bound}`].filter(
    (part) => part !== '',
  );
  const message = REJECTIONS[code].meaning + (facts.length === 0 ? '' : ` (${facts.join(', ')})`);
  return { outcome: 'rejected', code, message, ...evidence(decided), position: null };
}
