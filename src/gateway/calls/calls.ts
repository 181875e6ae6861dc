// Begins the gateway's calls, without any transport: finds the route, prices the candidates, holds the worst case, and gives a
// Call that ends once. No call goes out without a durable authorisation (fail closed). Holds of open calls are kept alive.

import { randomUUID } from 'node:crypto';
import { callHoldId } from '../../access/tenant-ids.js';
import type { Clock } from '../../authority/api.js';
import type { Fact, Rider } from '../../core/facts.js';
import { quoted } from '../../core/labels.js';
import type { CommandOutcome, Decision } from '../../core/outcomes.js';
import type { Authorize, Command, GrantCaps, Labels } from '../../core/requests.js';
import { actorOf, type Caller } from '../../kit/caller.js';
import { RefusedError } from '../../kit/refusals.js';
import { Roster } from '../../kit/roster.js';
import type { RequestReading } from '../dialects/dialect.js';
import type { DialectName } from '../metering/endpoints.js';
import type { RequestFacts } from '../metering/request-facts.js';
import type { PriceBook } from '../prices/price.js';
import type { Placement, RoutedCandidate, Routing } from '../routing/route.js';
import type { RoutingTable } from '../routing/routing-table.js';
import { Call, type CallOwner, type CallsLedger, type Reservation } from './call.js';
import type { CallRecord } from './call-record.js';
import type { GatewaySettings } from './calls-settings.js';
import { heldAmounts, type PricedCandidate, pricedCandidates } from './candidates.js';
import { type AttemptEnd, atNothing } from './hold-end.js';
import { authorizationNote, withNote } from './note.js';
import { type FitOf, limited } from './output-limit.js';
import { type CallRefusal, NO_CALLS, noProvider, refusalOf, UNAVAILABLE_RETRY_MS } from './refusals.js';

/** Candidates in one authorisation: the ledger's bound. */
export const CANDIDATES_MAX = 16;
/** Holds extended in one durable group: a part of what the ledger takes, so that other commands get in between. */
const EXTENSIONS_PER_GROUP = 1_000;
export interface CallsParts {
  readonly ledger: CallsLedger;
  readonly settings: () => GatewaySettings;
  readonly prices: () => PriceBook;
  /** Rule P10. */
  readonly routing: () => Pick<RoutingTable, 'route'>;
  readonly clock: Clock;
  /** Told of what went wrong where no caller can be: a hold that will expire, an extension that failed. */
  readonly onFault: (what: string, error: unknown) => void;
}

interface CallRequest {
  readonly caller: Caller;
  /** The key's and the caller's labels; provider, model and requested_model are added here. */
  readonly labels: Labels;
  readonly dialect: DialectName;
  readonly reading: RequestReading;
  /** Whether a header asks for the long context. */
  readonly longContext?: boolean;
  /** Where its caller asks for it to be recorded. */
  readonly record?: CallRecord | null;
}

interface CallAttempt extends Pick<CallRequest, 'caller' | 'labels'> {
  /** Who asks. */
  readonly rider: Rider;
  readonly record: CallRecord | null;
  readonly facts: RequestFacts;
  readonly candidates: readonly PricedCandidate[];
  readonly placements: readonly Placement[];
  readonly pricesVersion: string;
  readonly attempt: number;
  /** Caps of the request's own. */
  readonly grants?: readonly GrantCaps[];
}

export class Calls implements CallOwner {
  readonly #parts: CallsParts;
  readonly #open = new Roster<Call>();

  constructor(parts: CallsParts) {
    this.#parts = parts;
  }

  get ledger(): CallsLedger {
    return this.#parts.ledger;
  }
  get failedAttempts(): 'provider' | 'caller' {
    return this.#parts.settings().failedAttempts;
  }
  get holdTtlMs(): number {
    return this.#parts.settings().holdTtlMs;
  }
  /** Calls that hold something now. */
  get openCalls(): number {
    return this.#open.size;
  }
  now(): number {
    return this.#parts.clock.now();
  }

  /** Authorises a call; durable when it resolves. Never rejects for a fault of the ledger: that is a refusal too. */
  async begin(request: CallRequest): Promise<Call | CallRefusal> {
    const gateway = this.#parts.settings();
    try {
      if (this.#open.size >= gateway.openCallsMax) {
        throw new RefusedError('overloaded', `${gateway.openCallsMax} calls are open; try again shortly.`, {
          retryAfterMs: UNAVAILABLE_RETRY_MS,
        });
      }
      const { caller, reading, record = null } = request;
      const { facts } = reading;
      const labels = { ...request.labels, requested_model: facts.model };
      const routing = this.#route(request);
      const prices = this.#parts.prices();
      const isTaken = routing.candidates.length > 0;
      const priced = this.#priced(isTaken ? routing.candidates : routing.dropped, request, prices);
      const candidates = isTaken ? this.#limited(priced, labels, gateway) : priced;
      const { placements } = routing;
      const attempt = {
        caller,
        rider: { actor: actorOf(caller) },
        labels,
        facts,
        record,
        candidates,
        placements,
        pricesVersion: prices.version,
        attempt: 1,
        ...(isTaken ? {} : { grants: NO_CALLS }),
      };
      const reservation = await this.#authorize(attempt);
      if ('refusal' in reservation)
        return isTaken ? reservation : this.#noProvider(reservation, facts.model, routing.resetsAt);
      const call = new Call(this, attempt, reservation);
      this.#open.add(call);
      return call;
    } catch (error) {
      return this.#refusalOf(error);
    }
  }

  #route({ reading: { facts }, dialect }: CallRequest): Routing {
    const routing = this.#parts.routing().route({ dialect, model: facts.model }, this.now());
    if (routing === null) {
      const problem = `No route of this dialect is configured for the model ${quoted(facts.model)}.`;
      throw new RefusedError('model_not_found', problem, { field: 'model' });
    }
    return routing;
  }

  // What the ledger denied since every provider is out: about the providers, whatever else stood in the way.
  #noProvider(refusal: CallRefusal, model: string, resetsAt: number | null): CallRefusal {
    if (refusal.refusal !== 'denied') return refusal;
    return {
      refusal: 'no_provider',
      message: `Every provider of ${quoted(model)} is exhausted.`,
      retryAfterMs: resetsAt === null ? null : Math.max(1, resetsAt - this.now()),
      field: null,
      decision: noProvider(refusal.denied, resetsAt),
    };
  }

  #priced(routed: readonly RoutedCandidate[], request: CallRequest, prices: PriceBook): PricedCandidate[] {
    const gateway = this.#parts.settings();
    const { reading, longContext = false } = request;
    const pricing = { prices, gateway, at: this.now(), longContext };
    return pricedCandidates(routed.slice(0, CANDIDATES_MAX), reading, pricing);
  }

  #limited(priced: PricedCandidate[], labels: Labels, gateway: GatewaySettings): PricedCandidate[] {
    const fitOf: FitOf = (candidate, amounts) =>
      this.ledger.check({ labels: labelsAt(labels, candidate), amounts });
    return priced.map((candidate) => limited(candidate, gateway, fitOf));
  }

  async #authorize(attempt: CallAttempt, before?: AttemptEnd): Promise<Reservation | CallRefusal> {
    const { grants } = attempt;
    const plain = this.#request(attempt);
    const request = grants === undefined ? plain : { ...plain, grants };
    const decision = await (before === undefined
      ? this.#first(attempt, request)
      : this.#next(attempt, before, request));
    switch (decision.outcome) {
      case 'denied':
        return { refusal: 'denied', denied: decision, candidates: attempt.candidates };
      case 'rejected':
        throw new RefusedError('not_meterable', `The ledger cannot hold this call: ${decision.message}`);
      case 'authorized': {
        const { holdId, decisionId, lines, expiresAt } = decision;
        return {
          holdId,
          decisionId,
          lines,
          expiresAt,
          candidate: attempt.candidates[decision.candidate ?? 0],
        };
      }
    }
  }

  #first({ record, rider }: CallAttempt, request: Authorize): Promise<Decision> {
    const command = { command: 'authorize_hold', ...request } as const;
    if (record === null) return this.ledger.run(command, rider);
    return record.begin(request, ({ note, facts }) =>
      this.ledger.run(withNote(command, note), { ...rider, facts }),
    );
  }

  #next({ record, rider }: CallAttempt, { hold, lost }: AttemptEnd, request: Authorize): Promise<Decision> {
    const command = { command: 'authorize_hold', ...request } as const;
    const rest = lost === null ? [] : [lost];
    if (record === null)
      return this.#inOneStep(
        { holdId: hold.holdId, rider },
        this.ledger.submit([hold, command, ...rest], { actor: rider.actor ?? null }),
      );
    // Commands that are started together are decided in their order and written in one batch.
    return record.nextAttempt(request, ({ ended, authorized }) =>
      this.#inOneStep(
        { holdId: hold.holdId, rider, ended: ended.facts },
        Promise.all([
          this.ledger.run(hold, { ...rider, facts: ended.facts }),
          this.ledger.run(withNote(command, authorized.note), { ...rider, facts: authorized.facts }),
          ...rest.map((spend) => this.ledger.run(spend, rider)),
        ]),
      ),
    );
  }

  async #inOneStep(
    before: { readonly holdId: string; readonly rider: Rider; readonly ended?: readonly Fact[] },
    outcomes: Promise<readonly CommandOutcome[]>,
  ): Promise<Decision> {
    const [given, decision, booked] = await outcomes;
    if (booked?.outcome === 'rejected')
      this.fault('a failed attempt could not be charged to its provider', new Error(booked.message));
    if (given.outcome !== 'rejected') return decision as Decision;
    // The hold expired while this step waited: what that charged is taken back before anything is sent again. Its record goes
    // on with the next attempt, or ends here.
    const { holdId, rider, ended = [] } = before;
    const facts = decision.outcome === 'authorized' ? [] : ended;
    const isExpired = given.code === 'hold_already_expired';
    const taken = isExpired
      ? await this.ledger.run(atNothing(holdId, 'reverse'), { ...rider, facts })
      : given;
    if (taken.outcome === 'rejected') this.fault('a hold could not be given back', new Error(taken.message));
    return decision as Decision;
  }

  #request({
    caller,
    labels,
    facts,
    candidates,
    placements,
    pricesVersion,
    attempt,
  }: CallAttempt): Authorize {
    const gateway = this.#parts.settings();
    const [first] = candidates;
    const note = authorizationNote({
      pricesVersion,
      endpoint: facts.endpoint,
      placements,
      candidates,
      attempt,
    });
    const isAlone = candidates.length === 1;
    const request: Authorize = {
      holdId: callHoldId(caller, randomUUID()),
      labels: isAlone ? labelsAt(labels, first) : labels,
      amounts: heldAmounts(first),
      require: gateway.require,
      ttlMs: gateway.holdTtlMs,
      overrun: 'record',
      onExpiry: { charge: isAlone ? first.floor : dearestFloor(candidates) },
      note,
    };
    if (isAlone) return request;
    const places = candidates.map((candidate) => ({
      labels: { provider: candidate.provider.name, model: candidate.canonical },
      amounts: heldAmounts(candidate),
    }));
    return { ...request, candidates: places };
  }

  /** For Call: gives the last attempt's hold back and authorises the candidates that remain. */
  async authorizeAgain(call: Call, before: AttemptEnd): Promise<Reservation | CallRefusal> {
    const { remaining: candidates, attempts: attempt } = call;
    const { caller, rider, labels, facts, record, placements, pricesVersion } = call;
    try {
      return await this.#authorize(
        { caller, rider, labels, facts, record, candidates, placements, pricesVersion, attempt },
        before,
      );
    } catch (error) {
      return this.#refusalOf(error);
    }
  }

  #refusalOf(error: unknown): CallRefusal {
    const refusal = refusalOf(error);
    if (refusal === null) throw error;
    if (refusal.refusal === 'ledger_unavailable') this.fault('a call could not be authorised', error);
    return refusal;
  }

  closed(call: Call): void {
    this.#open.remove(call);
  }

  fault(what: string, error: unknown): void {
    this.#parts.onFault(what, error);
  }

  /**
   * Extends every open hold that has lived for half of its time. One sweep for all calls, to be run a few times in a
   * hold's time; a call shorter than that is never touched.
   */
  async keepAlive(): Promise<void> {
    const at = this.now();
    const due: { readonly call: Call; readonly extension: Command }[] = [];
    for (const call of this.#open.all()) {
      const extension = call.keepAlive(at);
      if (extension !== null) due.push({ call, extension });
    }
    for (let from = 0; from < due.length; from += EXTENSIONS_PER_GROUP) {
      try {
        const group = due.slice(from, from + EXTENSIONS_PER_GROUP);
        await this.ledger.submit(group.map(({ extension }) => extension));
      } catch (error) {
        this.fault('holds could not be extended', error);
        for (const { call } of due.slice(from)) call.keepAliveFailed();
        return;
      }
    }
  }
}

/** The model by its canonical name: how its caller writes it must not lead past a budget. */
function labelsAt(labels: Labels, { provider, canonical }: PricedCandidate): Labels {
  // Name by name: on the path of every call, where spreading costs ten times as much.
  const at: Record<string, string> = {};
  for (const name of Object.keys(labels)) at[name] = labels[name];
  at.provider = provider.name;
  at.model = canonical;
  return at;
}

/** One charge stands for all candidates: the dearest, which the ledger cuts to what is held. */
function dearestFloor(candidates: readonly PricedCandidate[]): PricedCandidate['floor'] {
  return {
    usd: largest(candidates.map(({ floor }) => floor.usd)),
    tokens: largest(candidates.map(({ floor }) => floor.tokens)),
  };
}

function largest(steps: readonly bigint[]): bigint {
  let most = 0n;
  for (const one of steps) if (one > most) most = one;
  return most;
}
