// An attempt that reached a provider, failed without an answer, and is followed by another candidate. The provider may bill
// it, so that it is charged the floor, as a time-out is (rule Q9): by default to the budgets that match the provider alone,
// since the caller is charged for the attempt that answers. Made by call.ts; calls.ts submits it with the next hold.

import type { Command } from '../../core/requests.js';
import type { PricedCandidate } from './candidates.js';
import { chargeOf } from './charge.js';
import type { GiveBackCommand } from './give-back.js';
import { lostAttemptNote } from './note.js';

/** How an attempt ends that another one follows, in the durable step that opens the next hold. */
export interface AttemptEnd {
  /** Ends its hold. */
  readonly hold: GiveBackCommand;
  /** What it may be billed, where that is not in `hold`. */
  readonly lost: RecordCommand | null;
}

type RecordCommand = Extract<Command, { command: 'record_spend' }>;

export interface LostAttempt {
  readonly candidate: PricedCandidate;
  readonly holdId: string;
  /** Which attempt of the call it was, from 1. */
  readonly attempt: number;
  readonly pricesVersion: string;
}

/** Tells this spend from what others record. No model stands beside it: budgets of the model are the caller's too. */
const LOST_ATTEMPT_LABEL = { metering: 'failed_attempt' } as const;

/** The floor of the attempt, as spend of its provider and of nobody else. */
export function lostAttempt(
  lost: LostAttempt,
): RecordCommand & Required<Pick<RecordCommand, 'note' | 'usage'>> {
  const { candidate } = lost;
  const charge = chargeOf(candidate, {
    end: 'failed_at_provider',
    usage: null,
    usageFinal: false,
    outputTokensSoFar: 0,
  });
  const { usd, tokens, usage } = charge;
  return {
    command: 'record_spend',
    labels: { provider: candidate.provider.name, ...LOST_ATTEMPT_LABEL },
    amounts: { usd, tokens, calls: 1n },
    usage,
    note: lostAttemptNote(lost, charge),
  };
}
