// Holds given back that nothing was spent from. One that expired meanwhile (the process stood still) has been charged its
// estimate: a late settlement at nothing replaces that. Called by call.ts and calls.ts, and for recorded calls by
// conversations/.

import type { Ledger } from '../../authority/api.js';
import type { Outcome, Settlement } from '../../core/outcomes.js';
import type { Command, Release, Reverse, Settle } from '../../core/requests.js';

/** `release`: the call stays counted. `reverse`: as if it had never been; only for a hold that nothing happened to. */
export type GivingBack = 'release' | 'reverse';

/** The command that ends a call's hold. */
export type EndCommand = Extract<Command, { command: 'settle_hold' | 'release_hold' | 'reverse_hold' }>;

/** An end that is part of a group: what a release would do, a settlement at nothing does there. */
export type GiveBackCommand = Exclude<EndCommand, { command: 'release_hold' }>;

export interface GivesBack extends Pick<Ledger, 'settle'> {
  release(request: Release): Promise<Outcome | Settlement>;
  reverse(request: Reverse): Promise<Outcome | Settlement>;
}

/** Ends a hold, also one that has expired meanwhile and is to be given back. */
export function endHold(ledger: GivesBack, command: EndCommand): Promise<Outcome | Settlement> {
  if (command.command === 'settle_hold') return ledger.settle(command);
  return giveBack(ledger, command.holdId, command.command === 'release_hold' ? 'release' : 'reverse');
}

export async function giveBack(
  ledger: GivesBack,
  holdId: string,
  how: GivingBack,
): Promise<Outcome | Settlement> {
  const given = await ledger[how]({ holdId });
  if (given.outcome !== 'rejected' || given.code !== 'hold_already_expired') return given;
  return ledger.settle(atNothing(holdId, how));
}

/** A settlement that charges nothing: ends an open hold, and takes back what an expired one was charged. */
export function atNothing(holdId: string, how: GivingBack): Settle {
  const calls = how === 'release' ? 1n : 0n;
  return { holdId, amounts: { usd: 0n, tokens: 0n, calls }, outcome: 'failed', note: GIVEN_BACK_NOTE };
}

const GIVEN_BACK_NOTE = '{"end":"given_back"}';
