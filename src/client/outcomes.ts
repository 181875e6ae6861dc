// Denials and rejections as the values that the library has too: on the wire they are problems (RFC 9457) with an outcome.
// Called by the nouns of the client.

import type { Authorized, Done, Line, Problem, Settled, Skipped } from '../budgets/outcomes-schema.js';
import type { RejectionCode } from '../core/rejections.js';
import type { Answer, CallName, ROUTE_CALLS } from './calls.js';

type Evidence = Pick<
  Authorized,
  'sequence' | 'eventId' | 'at' | 'guarantee' | 'metering' | 'term' | 'replayed'
> & { readonly position: null };

/** The budgets say no. Nothing is held; the figures of `lines` say why. */
export interface Denied extends Evidence {
  readonly outcome: 'denied';
  readonly holdId: string;
  readonly decisionId: string;
  readonly reason: NonNullable<Problem['reason']>;
  /** The same in the words of the HTTP API: `budget_exhausted`, `request_exceeds_budget`, `budget_held` … */
  readonly code: string;
  readonly message: string;
  /** When to try again, with a key of its own; absent when waiting does not help. */
  readonly retryAfterMs?: number;
  readonly lines: readonly Line[];
  readonly skipped: readonly Skipped[];
  readonly unmet: readonly string[];
  readonly verdict: Authorized['verdict'];
}

/** The command does not fit the state of its hold or budget, and changed nothing. */
export interface Rejected extends Evidence {
  readonly outcome: 'rejected';
  readonly code: RejectionCode;
  readonly message: string;
}

export type Decision = Authorized | Denied | Rejected;
export type Outcome = Done | Rejected;
export type Settlement = Settled | Rejected;
export type CommandOutcome = Decision | Outcome | Settlement;

/** Calls whose denials and rejections are results. */
export type OutcomeName = {
  [Name in CallName]: (typeof ROUTE_CALLS)[Name][2] extends 'outcome' ? Name : never;
}[CallName];
/** Only what asks for money is denied. */
type Denying = 'authorize' | 'startTurn' | 'retryTurn' | 'editTurn';
export type OutcomeOf<Name extends OutcomeName> =
  | Answer<Name>
  | (Name extends Denying ? Denied : never)
  | Rejected;

/** The outcome that a problem states; null when it states none, and is an error. */
export function outcomeOf(problem: Problem): Denied | Rejected | null {
  const { outcome, code, detail } = problem;
  if (outcome === 'rejected') {
    // HTTP has a word of its own for a command id that was used for another command.
    const rejection = code === 'idempotency_key_reused' ? 'command_id_reused' : (code as RejectionCode);
    return { outcome, code: rejection, message: detail, ...evidenceOf(problem) };
  }
  if (outcome !== 'denied') return null;
  const { holdId = '', decision_id: decisionId = '', reason = 'exhausted', retryAfterMs } = problem;
  return {
    outcome,
    holdId,
    decisionId,
    reason,
    code,
    message: detail,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    lines: problem.lines ?? [],
    skipped: problem.skipped ?? [],
    unmet: problem.unmet ?? [],
    verdict: problem.verdict ?? 'exhausted',
    ...evidenceOf(problem),
  };
}

function evidenceOf(problem: Problem): Evidence {
  const {
    sequence = 0,
    eventId = '',
    at = '',
    guarantee = 'single_node_atomic',
    term = '',
    replayed = false,
  } = problem;
  return {
    sequence,
    eventId,
    position: null,
    at,
    guarantee,
    metering: 'pre_authorize_maximum_then_reconcile_actual',
    term,
    replayed,
  };
}
