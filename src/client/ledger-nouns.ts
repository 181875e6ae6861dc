// Budgets, holds, events and decisions: one method for each route. Amounts are decimal texts in a unit's natural scale
// ("0.25"); each command makes an idempotency key of its own, unless one is stated. Put together by client.ts.

import type {
  BalanceLimitRequest,
  BudgetList,
  BudgetQuery,
  BudgetRequest,
  BudgetView,
  ExhaustRequest,
  StatusRequest,
  TopUpRequest,
} from '../budgets/budgets-api.js';
import type {
  EventList,
  EventQuery,
  EventStreamQuery,
  Explanation,
  LedgerEvent,
} from '../budgets/evidence-api.js';
import type {
  AuthorizeRequest,
  CorrectRequest,
  ExtendRequest,
  HoldList,
  HoldQuery,
  HoldView,
  ReleaseRequest,
  ReverseRequest,
  SettleRequest,
} from '../budgets/holds-api.js';
import { followEvents } from './event-stream.js';
import type { Decision, Outcome, Settlement } from './outcomes.js';
import { List } from './pages.js';
import { type CallOptions, path, type Transport } from './transport.js';

export class Budgets extends List<BudgetQuery, BudgetView, BudgetList> {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    super(transport, '/v1/budgets');
    this.#transport = transport;
  }

  get(id: string, options?: CallOptions): Promise<BudgetView> {
    return this.#transport.read(path`/v1/budgets/${id}`, options);
  }

  /** Puts a budget in force, or a new version of it. */
  put(id: string, budget: BudgetRequest, options?: CallOptions): Promise<BudgetView> {
    return this.#transport.command({ method: 'PUT', path: path`/v1/budgets/${id}`, body: budget, options });
  }

  /** Pauses, resumes or closes a budget, or one account of it. */
  setStatus(id: string, request: StatusRequest, options?: CallOptions): Promise<Outcome> {
    return this.#command(path`/v1/budgets/${id}/status`, request, options);
  }

  topUp(id: string, request: TopUpRequest, options?: CallOptions): Promise<Outcome> {
    return this.#command(path`/v1/budgets/${id}/top-up`, request, options);
  }

  /** Refuses new holds until an instant, or until the window rolls. */
  exhaust(id: string, request: ExhaustRequest = {}, options?: CallOptions): Promise<Outcome> {
    return this.#command(path`/v1/budgets/${id}/exhaust`, request, options);
  }

  /** Gives one account a limit of its own. */
  setBalanceLimit(id: string, request: BalanceLimitRequest, options?: CallOptions): Promise<Outcome> {
    return this.#command(path`/v1/budgets/${id}/balance-limit`, request, options);
  }

  #command(to: string, body: unknown, options: CallOptions | undefined): Promise<Outcome> {
    return this.#transport.outcome({ method: 'POST', path: to, body, options });
  }
}

export class Holds extends List<HoldQuery, HoldView, HoldList> {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    super(transport, '/v1/holds');
    this.#transport = transport;
  }

  get(holdId: string, options?: CallOptions): Promise<HoldView> {
    return this.#transport.read(path`/v1/holds/${holdId}`, options);
  }

  /**
   * Holds the worst case of a call in every budget that it counts towards, or nothing. A denial is an answer, not an
   * error, and final for its idempotency key: to ask again after `retryAfterMs`, call again.
   */
  authorize(request: AuthorizeRequest, options?: CallOptions): Promise<Decision> {
    return this.#transport.outcome({ method: 'POST', path: '/v1/holds', body: request, options });
  }

  /** Books what the call cost; the rest of the hold goes back. */
  settle(holdId: string, request: SettleRequest, options?: CallOptions): Promise<Settlement> {
    return this.#command(path`/v1/holds/${holdId}/settle`, request, options);
  }

  /** Lets a hold live longer, or adds to it. */
  extend(holdId: string, request: ExtendRequest, options?: CallOptions): Promise<Outcome> {
    return this.#command(path`/v1/holds/${holdId}/extend`, request, options);
  }

  /** Gives back what is held, all of it or a part. */
  release(holdId: string, request: ReleaseRequest = {}, options?: CallOptions): Promise<Outcome> {
    return this.#command(path`/v1/holds/${holdId}/release`, request, options);
  }

  /** Undoes an untouched hold, its call count too. */
  reverse(holdId: string, request: ReverseRequest = {}, options?: CallOptions): Promise<Outcome> {
    return this.#command(path`/v1/holds/${holdId}/reverse`, request, options);
  }

  /** Sets the final amounts of a settled hold, by a posted difference. */
  correct(holdId: string, request: CorrectRequest, options?: CallOptions): Promise<Settlement> {
    return this.#command(path`/v1/holds/${holdId}/correct`, request, options);
  }

  #command<T extends Outcome | Settlement>(
    to: string,
    body: unknown,
    options: CallOptions | undefined,
  ): Promise<T> {
    return this.#transport.outcome({ method: 'POST', path: to, body, options });
  }
}

export class Events extends List<EventQuery, LedgerEvent, EventList> {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    super(transport, '/v1/events');
    this.#transport = transport;
  }

  /**
   * Events as they become durable, each once and in order, over broken connections and restarts of the server. Ends when
   * the loop is left or the signal aborts.
   */
  follow(query: EventStreamQuery = {}, options?: Pick<CallOptions, 'signal'>): AsyncIterable<LedgerEvent> {
    const { after = 0, ...filter } = query;
    const signal = options?.signal;
    return followEvents<LedgerEvent>(this.#transport, {
      path: '/v1/events/stream',
      query: filter,
      after,
      signal,
    });
  }
}

export class Decisions {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** A decision with the figures and holds that add up to it. */
  get(decisionId: string, options?: CallOptions): Promise<Explanation> {
    return this.#transport.read(path`/v1/decisions/${decisionId}`, options);
  }
}
