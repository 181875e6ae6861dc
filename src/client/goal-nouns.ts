// Goals: one method for each route. Put together by client.ts.

import type {
  ActiveGoal,
  ActiveGoalQuery,
  GoalDetail,
  GoalList,
  GoalQuery,
  GoalRequest,
  GoalUsage,
  GoalUsageRequest,
  GoalView,
} from '../goals/goals-api.js';
import { List } from './pages.js';
import { type CallOptions, path, type QueryValue, type Transport } from './transport.js';

export class Goals extends List<GoalQuery, GoalView, GoalList> {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    super(transport, '/v1/goals');
    this.#transport = transport;
  }

  /** Active at once; the owner's active goal is paused in the same step. */
  create(request: GoalRequest, options?: CallOptions): Promise<GoalDetail> {
    return this.#transport.command({ method: 'POST', path: '/v1/goals', body: request, options });
  }

  /** With its figures, and the block for a prompt. */
  get(goalId: string, options?: CallOptions): Promise<GoalDetail> {
    return this.#transport.read(path`/v1/goals/${goalId}`, options);
  }

  /** The owner's active goal, or null. */
  async active(query: ActiveGoalQuery = {}, options?: CallOptions): Promise<GoalDetail | null> {
    const { goal } = await this.#transport.json<ActiveGoal>({
      method: 'GET',
      path: '/v1/goals/active',
      query: { ...query } as Record<string, QueryValue>,
      repeat: 'read',
      options,
    });
    return goal;
  }

  pause(goalId: string, options?: CallOptions): Promise<GoalDetail> {
    return this.#change(path`/v1/goals/${goalId}/pause`, {}, options);
  }

  /** Needs budget left; else a BursarError of the code `conflict`. */
  resume(goalId: string, options?: CallOptions): Promise<GoalDetail> {
    return this.#change(path`/v1/goals/${goalId}/resume`, {}, options);
  }

  complete(goalId: string, options?: CallOptions): Promise<GoalDetail> {
    return this.#change(path`/v1/goals/${goalId}/complete`, {}, options);
  }

  clear(goalId: string, options?: CallOptions): Promise<GoalDetail> {
    return this.#change(path`/v1/goals/${goalId}/clear`, {}, options);
  }

  /** Tokens, above what was used; null: no budget. */
  setBudget(goalId: string, tokenBudget: string | number | null, options?: CallOptions): Promise<GoalDetail> {
    return this.#change(path`/v1/goals/${goalId}/budget`, { tokenBudget }, options);
  }

  /** Counts a turn that ran elsewhere. `counted` is false where the goal is not active; that is no error. */
  noteUsage(goalId: string, request: GoalUsageRequest, options?: CallOptions): Promise<GoalUsage> {
    const to = path`/v1/goals/${goalId}/usage`;
    return this.#transport.command({ method: 'POST', path: to, body: request, options });
  }

  // Each is the same again when it is repeated.
  #change(to: string, body: unknown, options: CallOptions | undefined): Promise<GoalDetail> {
    return this.#transport.command({ method: 'POST', path: to, body, options });
  }
}
