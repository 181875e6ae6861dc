// The commands that end a call's hold. A hold that nothing was spent from is given back; one that has expired meanwhile (the
// process stood still) was charged its estimate, and a late settlement at nothing takes that back. An attempt that reached a
// provider, failed without an answer and is followed by another candidate may be billed all the same: it is charged the
// floor, as a time-out is (rule Q9). Called by call.ts and calls.ts.

import type { Ledger } from '../../authority/api.js';
import type { Rider } from '../../core/facts.js';
import type { Outcome, Settlement } from '../../core/outcomes.js';
import type { Command } from '../../core/requests.js';
import type { PricedCandidate } from './candidates.js';
import { chargeOf } from './charge.js';
import { lostAttemptNote } from './note.js';

/** `release`: the call stays counted. `reverse`: as if it had never been; only for a hold that nothing happened to. */
type GivingBack = 'release' | 'reverse';

/** The command that ends a call's hold. */
export type EndCommand = Extract<Command, { command: 'settle_hold' | 'release_hold' | 'reverse_hold' }>;

/** An end that is part of a group: a settlement at nothing stands for a release there. */
export type GiveBackCommand = Exclude<EndCommand, { command: 'release_hold' }>;

/** Ends a hold, also one that has expired meanwhile and is to be given back. */
export async function endHold(
  ledger: Pick<Ledger, 'run'>,
  command: EndCommand,
  rider: Rider,
): Promise<Outcome | Settlement> {
  const ended = await ledger.run(command, rider);
  const isToGiveBack = command.command !== 'settle_hold' && ended.outcome === 'rejected';
  if (!isToGiveBack || ended.code !== 'hold_already_expired') return ended;
  const how = command.command === 'release_hold' ? 'release' : 'reverse';
  return ledger.run(atNothing(command.holdId, how), rider);
}

/** A settlement that charges nothing: it ends an open hold, and takes back what an expired one was charged. */
export function atNothing(holdId: string, how: GivingBack): Extract<EndCommand, { command: 'settle_hold' }> {
  const amounts = { usd: 0n, tokens: 0n, calls: how === 'release' ? 1n : 0n };
  return { command: 'settle_hold', holdId, amounts, outcome: 'failed', note: GIVEN_BACK_NOTE };
}

const GIVEN_BACK_NOTE = '{"end":"given_back"}';

/** How an attempt ends that another one follows, in the durable step that opens the next hold. */
export interface AttemptEnd {
  /** Ends its hold. */
  readonly hold: GiveBackCommand;
  /** What it may be billed, where that is not in `hold`. */
  readonly lost: RecordCommand | null;
}

type RecordCommand = Extract<Command, { command: 'record_spend' }>;

interface LostAttempt {
  readonly candidate: PricedCandidate;
  readonly holdId: string;
  /** Which attempt of the call it was, from 1. */
  readonly attempt: number;
}

/** Tells this spend from what others record. It has no model: budgets of a model are the caller's too. */
const LOST_ATTEMPT_LABEL = { metering: 'failed_attempt' } as const;

/**
 * The floor of a lost attempt, as spend of its provider and of nobody else: the caller is charged for the attempt that
 * answers.
 */
export function lostAttempt(
  lost: LostAttempt,
): RecordCommand & Required<Pick<RecordCommand, 'note' | 'usage'>> {
  const { candidate, attempt, holdId } = lost;
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
    note: lostAttemptNote({ attempt, model: candidate.model, holdId }, charge),
  };
}
