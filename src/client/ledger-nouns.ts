// Budgets, holds, events and decisions: one method for each route. Amounts are decimal texts in a unit's natural scale
// ("0.25"); each command makes an idempotency key of its own, unless one is stated. Put together by client.ts.

import type { Answer, Body, Query } from './calls.js';
import { followEvents } from './event-stream.js';
import type { OutcomeOf } from './outcomes.js';
import { type ItemOf, List } from './pages.js';
import type { CallOptions, Transport } from './transport.js';

export class Budgets extends List<'listBudgets'> {
  constructor(transport: Transport) {
    super(transport, 'listBudgets');
  }

  /**
   * One budget.
   * @example const { limit, status } = await client.budgets.get('tenant-month');
   */
  get(id: string, options?: CallOptions): Promise<Answer<'getBudget'>> {
    return this.transport.call('getBudget', { params: { id } }, options);
  }

  /**
   * Puts a budget in force, or a new version of it.
   * @example await client.budgets.put('day', { match: {}, unit: 'usd', limit: '50', window: 'day' });
   */
  put(id: string, budget: Body<'putBudget'>, options?: CallOptions): Promise<Answer<'putBudget'>> {
    return this.transport.call('putBudget', { params: { id }, body: budget }, options);
  }

  /**
   * Pauses, resumes or closes a budget, or one account of it.
   * @example await client.budgets.setStatus('tenants', { values: { tenant: 'acme' }, status: 'paused' });
   */
  setStatus(
    id: string,
    request: Body<'setBudgetStatus'>,
    options?: CallOptions,
  ): Promise<OutcomeOf<'setBudgetStatus'>> {
    return this.transport.outcome('setBudgetStatus', { params: { id }, body: request }, options);
  }

  /**
   * Adds to what an account is granted in its open window.
   * @example await client.budgets.topUp('tenants', { values: { tenant: 'acme' }, amount: '10' });
   */
  topUp(id: string, request: Body<'topUp'>, options?: CallOptions): Promise<OutcomeOf<'topUp'>> {
    return this.transport.outcome('topUp', { params: { id }, body: request }, options);
  }

  /**
   * Refuses new holds until an instant, or until the window rolls.
   * @example await client.budgets.exhaust('tenants', { until: '2026-03-28T12:00:00Z' });
   */
  exhaust(id: string, request: Body<'exhaust'> = {}, options?: CallOptions): Promise<OutcomeOf<'exhaust'>> {
    return this.transport.outcome('exhaust', { params: { id }, body: request }, options);
  }

  /**
   * Gives one account a limit of its own; null: metered only; "default": the budget's limit again.
   * @example await client.budgets.setBalanceLimit('tenants', { values: { tenant: 'acme' }, limit: '500' });
   */
  setBalanceLimit(
    id: string,
    request: Body<'setBalanceLimit'>,
    options?: CallOptions,
  ): Promise<OutcomeOf<'setBalanceLimit'>> {
    return this.transport.outcome('setBalanceLimit', { params: { id }, body: request }, options);
  }
}

export class Holds extends List<'listHolds'> {
  constructor(transport: Transport) {
    super(transport, 'listHolds');
  }

  /**
   * One hold.
   * @example const { status, held } = await client.holds.get('call-1');
   */
  get(holdId: string, options?: CallOptions): Promise<Answer<'getHold'>> {
    return this.transport.call('getHold', { params: { id: holdId } }, options);
  }

  /**
   * Holds the worst case of a call in every budget that it counts towards, or nothing. A denial is an answer, not an
   * error, and final for its idempotency key: to ask again after `retryAfterMs`, call again.
   * @example
   * const decision = await client.holds.authorize({ labels: { user: 'u1' }, amounts: { usd: '0.25' } });
   * if (decision.outcome !== 'authorized') throw new Error(decision.message);
   */
  authorize(request: Body<'authorize'>, options?: CallOptions): Promise<OutcomeOf<'authorize'>> {
    return this.transport.outcome('authorize', { body: request }, options);
  }

  /**
   * Books what the call cost; the rest of the hold goes back.
   * @example await client.holds.settle(decision.holdId, { amounts: { usd: '0.08' } });
   */
  settle(holdId: string, request: Body<'settle'>, options?: CallOptions): Promise<OutcomeOf<'settle'>> {
    return this.transport.outcome('settle', { params: { id: holdId }, body: request }, options);
  }

  /**
   * Lets a hold live longer, or adds to it.
   * @example await client.holds.extend('call-1', { ttlMs: 600_000, add: { usd: '0.10' } });
   */
  extend(holdId: string, request: Body<'extend'>, options?: CallOptions): Promise<OutcomeOf<'extend'>> {
    return this.transport.outcome('extend', { params: { id: holdId }, body: request }, options);
  }

  /**
   * Gives back what is held, all of it or a part.
   * @example await client.holds.release('call-1', { amounts: { usd: '0.10' } });
   */
  release(
    holdId: string,
    request: Body<'release'> = {},
    options?: CallOptions,
  ): Promise<OutcomeOf<'release'>> {
    return this.transport.outcome('release', { params: { id: holdId }, body: request }, options);
  }

  /**
   * Undoes an untouched hold, its call count too.
   * @example await client.holds.reverse('call-1');
   */
  reverse(
    holdId: string,
    request: Body<'reverse'> = {},
    options?: CallOptions,
  ): Promise<OutcomeOf<'reverse'>> {
    return this.transport.outcome('reverse', { params: { id: holdId }, body: request }, options);
  }

  /**
   * Sets the final amounts of a settled hold, by a posted difference.
   * @example await client.holds.correct('call-1', { amounts: { usd: '0.07' }, reason: 'invoice of March' });
   */
  correct(holdId: string, request: Body<'correct'>, options?: CallOptions): Promise<OutcomeOf<'correct'>> {
    return this.transport.outcome('correct', { params: { id: holdId }, body: request }, options);
  }
}

export class Events extends List<'listEvents'> {
  constructor(transport: Transport) {
    super(transport, 'listEvents');
  }

  /**
   * Events as they become durable, each once and in order, over broken connections and restarts of the server. Ends when
   * the loop is left or the signal aborts.
   * @example for await (const event of client.events.follow({ type: 'hold_denied' })) console.log(event.holdId);
   */
  follow(
    query: Query<'streamEvents'> = {},
    options?: Pick<CallOptions, 'signal'>,
  ): AsyncIterable<ItemOf<'listEvents'>> {
    const { after = 0, ...filter } = query;
    return followEvents(this.transport, { query: filter, after, signal: options?.signal });
  }
}

export class Decisions {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /**
   * A decision with the figures and holds that add up to it.
   * @example const { sentence } = await client.decisions.get(decision.decisionId);
   */
  get(decisionId: string, options?: CallOptions): Promise<Answer<'explainDecision'>> {
    return this.#transport.call('explainDecision', { params: { id: decisionId } }, options);
  }
}
