// One authorised call: what it holds, which candidate it goes to, and how it ends. A call's hold ends exactly once, as rule Q9
// says, whatever happens in front/; and of several attempts at most one is charged to the caller.

import type { Ledger } from '../../authority/api.js';
import type { Fact, Rider } from '../../core/facts.js';
import type { BudgetLine, Outcome, Settlement } from '../../core/outcomes.js';
import type { Command, Labels } from '../../core/requests.js';
import type { Caller } from '../../kit/caller.js';
import type { OnRoster } from '../../kit/roster.js';
import type { RequestFacts } from '../metering/request-facts.js';
import { costOf } from '../prices/cost.js';
import { priceHeld } from '../prices/modifiers.js';
import type { Placement } from '../routing/route.js';
import type { CallRecord } from './call-record.js';
import type { PricedCandidate } from './candidates.js';
import { type CallCharge, chargeOf, type EndOfCall } from './charge.js';
import {
  type AttemptEnd,
  atNothing,
  type EndCommand,
  endHold,
  type GiveBackCommand,
  lostAttempt,
} from './hold-end.js';
import { settlementNote, withNote } from './note.js';
import type { CallRefusal } from './refusals.js';

/** An authorisation in force: what the ledger said when it opened the hold. */
export interface Reservation {
  readonly holdId: string;
  readonly decisionId: string;
  readonly candidate: PricedCandidate;
  /** Figures of the budgets that the call counts towards, after the hold. */
  readonly lines: readonly BudgetLine[];
  readonly expiresAt: number;
}

export type CallsLedger = Pick<Ledger, 'run' | 'submit' | 'check'>;

/** What a call needs of the one that made it. */
export interface CallOwner {
  readonly ledger: CallsLedger;
  authorizeAgain(call: Call, before: AttemptEnd): Promise<Reservation | CallRefusal>;
  closed(call: Call): void;
  fault(what: string, error: unknown): void;
  now(): number;
  readonly holdTtlMs: number;
  readonly failedAttempts: 'provider' | 'caller';
}

export class Call implements OnRoster {
  place = -1;
  #reservation: Reservation;
  #remaining: readonly PricedCandidate[];
  #expiresAt: number;
  /** The ledger reverses only holds that nothing happened to. */
  #touched = false;
  #ended = false;
  /** Output tokens that the hold covers; grows with `extendFor`. */
  #outputHeld: number;
  attempts = 1;

  readonly caller: Caller;
  /** Who asks, for every command of the call. */
  readonly rider: Rider;
  readonly labels: Labels;
  readonly facts: RequestFacts;
  /** Where its caller asks for it to be recorded. */
  readonly record: CallRecord | null;
  readonly pricesVersion: string;
  /** Why each candidate stood where it did. */
  readonly placements: readonly Placement[];

  constructor(
    private readonly owner: CallOwner,
    asked: Pick<Call, 'caller' | 'rider' | 'labels' | 'facts' | 'record' | 'pricesVersion' | 'placements'> & {
      readonly candidates: readonly PricedCandidate[];
    },
    reservation: Reservation,
  ) {
    this.caller = asked.caller;
    this.rider = asked.rider;
    this.labels = asked.labels;
    this.facts = asked.facts;
    this.record = asked.record;
    this.pricesVersion = asked.pricesVersion;
    this.placements = asked.placements;
    this.#reservation = reservation;
    this.#remaining = candidatesAfter(asked.candidates, reservation.candidate);
    this.#expiresAt = reservation.expiresAt;
    this.#outputHeld = reservation.candidate.worst.outputTokens;
  }

  get holdId(): string {
    return this.#reservation.holdId;
  }
  get decisionId(): string {
    return this.#reservation.decisionId;
  }
  get candidate(): PricedCandidate {
    return this.#reservation.candidate;
  }
  get lines(): readonly BudgetLine[] {
    return this.#reservation.lines;
  }
  /** Candidates that have not been tried, in order. */
  get remaining(): readonly PricedCandidate[] {
    return this.#remaining;
  }
  /** Output tokens, of all choices, that are paid for by what is held. */
  get outputHeld(): number {
    return this.#outputHeld;
  }

  /**
   * Gives the attempt up for the candidates that remain: its hold is given back, call and all, and a new one opened, in
   * one durable step. An attempt that may be billed is charged the floor in that step: to the budgets of its provider, or
   * as `failedAttempts` says. `true`: goes on at `candidate`. `null`: none remains, or the ledger could not be asked, and the
   * hold stands as it was. A refusal: the budgets have nothing for the others, and the call has ended without a charge of
   * its own.
   */
  async tryNext({ mayBeBilled }: { readonly mayBeBilled: boolean }): Promise<true | null | CallRefusal> {
    if (this.#ended || this.#remaining.length === 0) return null;
    const before = this.#attemptEnd(mayBeBilled);
    this.attempts += 1;
    const next = await this.owner.authorizeAgain(this, before);
    if ('refusal' in next) {
      if (next.refusal === 'ledger_unavailable') return null;
      this.#close();
      return next;
    }
    this.#reservation = next;
    this.#remaining = candidatesAfter(this.#remaining, next.candidate);
    this.#expiresAt = next.expiresAt;
    this.#outputHeld = next.candidate.worst.outputTokens;
    this.#touched = false;
    return true;
  }

  #attemptEnd(mayBeBilled: boolean): AttemptEnd {
    if (!mayBeBilled) return { hold: this.#givenBack(), lost: null };
    const { candidate, holdId } = this;
    const lost = lostAttempt({ candidate, holdId, attempt: this.attempts });
    if (this.owner.failedAttempts === 'provider') return { hold: this.#givenBack(), lost };
    const { amounts, usage, note } = lost;
    return { hold: { command: 'settle_hold', holdId, amounts, usage, note, outcome: 'failed' }, lost: null };
  }

  // Its call included. Only a hold that nothing happened to can be reversed; one that was renewed, or is late to be, may
  // have expired.
  #givenBack(): GiveBackCommand {
    const { holdId, owner } = this;
    const isFresh = !this.#touched && this.#expiresAt - owner.now() > owner.holdTtlMs / 2;
    if (isFresh) return { command: 'reverse_hold', holdId };
    return atNothing(holdId, 'reverse');
  }

  /** The command that keeps the hold alive, or null when it needs none yet: it lives for at least half of its time still. */
  keepAlive(at: number): Command | null {
    if (this.#ended || this.#expiresAt - at > this.owner.holdTtlMs / 2) return null;
    this.#touched = true;
    this.#expiresAt = at + this.owner.holdTtlMs;
    return { command: 'extend_hold', holdId: this.holdId, ttlMs: this.owner.holdTtlMs };
  }

  /** The ledger did not take it: the next sweep asks again, before the hold expires under a call that lives. */
  keepAliveFailed(): void {
    this.#expiresAt = this.owner.now();
  }

  /**
   * Holds more, for a stream that passes what was held: as much output again as it has given so far. Where no budget has
   * it, the call goes on and overruns (policy `record`); what it cost is charged in full either way.
   */
  async extendFor(outputTokens: number): Promise<boolean> {
    if (this.#ended) return false;
    const more = Math.max(outputTokens, this.#outputHeld);
    // Asked for once for each doubling, not for each event: the ledger's answer takes longer than the next one.
    this.#outputHeld += more;
    // Before the ledger answers: an end that comes meanwhile must not try to reverse a hold that was extended.
    this.#touched = true;
    try {
      const { price, model, provider, facts, worst } = this.candidate;
      const { rates } = priceHeld({ price, model, profile: provider.profile }, facts.modifiersAsked);
      const usd = costOf(rates, { output: more, request: 0 }, worst.inputTokens).total;
      const add = { usd, tokens: BigInt(more) };
      const { holdId, rider } = this;
      const outcome = await this.owner.ledger.run({ command: 'extend_hold', holdId, add }, rider);
      return outcome.outcome === 'done';
    } catch (error) {
      this.owner.fault('a hold could not be extended', error);
      return false;
    }
  }

  /**
   * Ends the call: settles or releases its hold, once; later calls change nothing and get null. `charge` is known at
   * once; `settled` resolves when it is durable, with the figures after it, and never rejects: where the ledger cannot
   * settle, the hold expires and charges the floor. `facts` ride with the end.
   */
  end(
    ended: EndOfCall,
    facts: readonly Fact[] = NO_FACTS,
  ): { readonly charge: CallCharge; readonly settled: Promise<readonly BudgetLine[]> } | null {
    if (this.#ended) return null;
    this.#close();
    // Text is a rough measure of tokens: up to what is held, it is believed no further than the limit that was sent.
    const outputTokensSoFar = Math.min(ended.outputTokensSoFar, this.#outputHeld);
    const charge = chargeOf(this.candidate, { ...ended, outputTokensSoFar });
    return { charge, settled: this.#settle(charge, facts) };
  }

  async #settle(charge: CallCharge, facts: readonly Fact[]): Promise<readonly BudgetLine[]> {
    try {
      const outcome = await this.#endHold(charge, facts);
      if (outcome.outcome !== 'rejected') return outcome.lines;
      this.owner.fault(
        `hold ${this.holdId} could not be ended`,
        new Error(`${outcome.code}: ${outcome.message}`),
      );
    } catch (error) {
      this.owner.fault(
        `hold ${this.holdId} could not be ended and will expire with the floor as its charge`,
        error,
      );
    }
    return this.lines;
  }

  #endHold(charge: CallCharge, own: readonly Fact[]): Promise<Settlement | Outcome> {
    const { ledger } = this.owner;
    const command = this.#endCommand(charge);
    const { record, rider } = this;
    if (record === null) return endHold(ledger, command, own.length === 0 ? rider : { ...rider, facts: own });
    return record.end({ end: charge.end, command }, ({ note, facts }) =>
      endHold(ledger, command.command === 'settle_hold' ? withNote(command, note) : command, {
        ...rider,
        facts: [...facts, ...own],
      }),
    );
  }

  #endCommand(charge: CallCharge): EndCommand {
    const { holdId } = this;
    if (charge.end === 'failed_before' && !this.#touched) return { command: 'reverse_hold', holdId };
    if (charge.end === 'failed_before' || charge.end === 'refused_by_provider')
      return { command: 'release_hold', holdId };
    return {
      command: 'settle_hold',
      holdId,
      amounts: { usd: charge.usd, tokens: charge.tokens, calls: 1n },
      usage: charge.usage,
      outcome: OUTCOME_OF[charge.end],
      note: settlementNote(charge),
    };
  }

  #close(): void {
    this.#ended = true;
    this.owner.closed(this);
  }
}

const NO_FACTS: readonly Fact[] = [];

const OUTCOME_OF = {
  completed: 'completed',
  cancelled: 'cancelled',
  failed_at_provider: 'failed',
  malformed: 'failed',
  unknown: 'unknown',
} as const;

function candidatesAfter(
  candidates: readonly PricedCandidate[],
  taken: PricedCandidate,
): readonly PricedCandidate[] {
  return candidates.slice(candidates.indexOf(taken) + 1);
}
