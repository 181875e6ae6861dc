// From an effect to the public outcome. One function for the first answer and for its replay from the journal, so that
// both are the same but for `replayed`.

import type { CoreCommand } from './commands.js';
import type { Effect, HoldCharged, SpendCredited, SpendRecorded } from './effects.js';
import { worstVerdict } from './line-facts.js';
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
export interface Told {
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

export function outcomeOf(told: Told): CommandOutcome {
  const { effect } = told;
  switch (effect.type) {
    case 'hold_authorized':
      return authorized(told, effect);
    case 'hold_denied':
      return denied(told, effect);
    case 'hold_settled':
    case 'hold_corrected':
      return settled(told, effect);
    case 'spend_recorded':
      return recorded(told, effect);
    case 'spend_credited':
      return credited(told, effect);
    case 'command_rejected':
      return rejection(told, effect);
    default:
      return {
        outcome: 'done',
        event: effect.type,
        holdId: holdIdOf(told.command),
        lines: told.lines,
        ...evidence(told),
      };
  }
}

function evidence(told: Told): Evidence {
  return {
    sequence: told.sequence,
    eventId: eventId(told.sequence),
    position: told.position,
    at: told.at,
    guarantee: told.command.kind === 'record_spend' ? 'advisory_posthoc' : 'single_node_atomic',
    metering: METERING_PROFILE,
    term: termOf(told),
    replayed: told.replayed,
  };
}

/** Rule H9: the caller's lease when the hold was opened under one, else the ledger's. */
function termOf(told: Told): string {
  const lease = leaseOf(told.command);
  return lease === null ? told.term : `${lease.authorityId}:${lease.epoch}`;
}

export function leaseOf(command: CoreCommand): Lease | null {
  if (command.kind === 'authorize_hold') return command.extras.lease;
  return 'stated' in command ? command.stated.authority : null;
}

export function holdIdOf(command: CoreCommand): string | null {
  return 'holdId' in command ? command.holdId : null;
}

// The two outcomes of the hot path name every field: spreading the evidence in would cost more than all the rest.
function authorized(told: Told, effect: Effect & { type: 'hold_authorized' }): Authorized {
  const { sequence, lines } = told;
  return {
    outcome: 'authorized',
    holdId: holdIdOf(told.command) as string,
    decisionId: decisionId(sequence),
    candidate: effect.candidate === -1 ? null : effect.candidate,
    skipped: told.skipped,
    lines,
    verdict: worstVerdict(lines),
    expiresAt: effect.expiresAt,
    holdStatus: told.holdStatus,
    sequence,
    eventId: eventId(sequence),
    position: told.position,
    at: told.at,
    guarantee: 'single_node_atomic',
    metering: METERING_PROFILE,
    term: termOf(told),
    replayed: told.replayed,
  };
}

function denied(told: Told, effect: Effect & { type: 'hold_denied' }): Denied {
  return {
    outcome: 'denied',
    holdId: holdIdOf(told.command) as string,
    decisionId: decisionId(told.sequence),
    reason: effect.reason,
    ...(effect.retryAfterMs > 0 ? { retryAfterMs: effect.retryAfterMs } : {}),
    lines: told.lines,
    skipped: told.skipped,
    unmet: effect.unmet,
    verdict: worstVerdict(told.lines),
    ...evidence(told),
    position: null,
  };
}

function settled(told: Told, effect: HoldCharged): Settled {
  const { set, charged, returned, cappedPlaces, pausedLines } = effect;
  const { sequence, lines, units } = told;
  return {
    outcome: 'settled',
    event: effect.type === 'hold_corrected' ? 'hold_corrected' : 'hold_settled',
    holdId: holdIdOf(told.command),
    late: effect.late,
    charged: units.amounts(set, charged),
    returned: units.amounts(set, returned),
    capped: cappedPlaces === 0 ? NONE : namesOf(units, set.units, cappedPlaces),
    lines,
    verdict: worstVerdict(lines),
    paused: pausedLines.length === 0 ? NONE : pausedLines.map((line) => lines[line].budgetId),
    sequence,
    eventId: eventId(sequence),
    position: told.position,
    at: told.at,
    guarantee: 'single_node_atomic',
    metering: METERING_PROFILE,
    term: termOf(told),
    replayed: told.replayed,
  };
}

const NONE: readonly string[] = [];

function namesOf(units: UnitTable, of: readonly number[], places: number): string[] {
  return of.filter((_unit, place) => (places & (1 << place)) !== 0).map((unit) => units.name(unit));
}

function recorded(told: Told, effect: SpendRecorded): Settled {
  return {
    outcome: 'settled',
    event: 'spend_recorded',
    holdId: null,
    late: false,
    charged: told.units.amounts(effect.amounts.set, effect.amounts.steps),
    returned: {},
    capped: NONE,
    lines: told.lines,
    verdict: worstVerdict(told.lines),
    paused: effect.pausedLines.map((line) => told.lines[line].budgetId),
    ...evidence(told),
  };
}

function credited(told: Told, effect: SpendCredited): Settled {
  return {
    outcome: 'settled',
    event: 'spend_credited',
    holdId: null,
    late: false,
    charged: {},
    returned: told.units.amounts(effect.set, effect.returned),
    capped: NONE,
    lines: told.lines,
    verdict: worstVerdict(told.lines),
    paused: NONE,
    ...evidence(told),
  };
}

function rejection(told: Told, effect: Effect & { type: 'command_rejected' }): Rejected {
  const { code, value, bound } = effect;
  const facts = [value === '' ? '' : `value ${value}`, bound === '' ? '' : `bound ${bound}`].filter(
    (part) => part !== '',
  );
  const message = REJECTIONS[code].meaning + (facts.length === 0 ? '' : ` (${facts.join(', ')})`);
  return { outcome: 'rejected', code, message, ...evidence(told), position: null };
}
