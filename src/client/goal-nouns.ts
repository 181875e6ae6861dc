// Goals: one method for each route. Put together by client.ts.

import type { Answer, Body, Query } from './calls.js';
import { List } from './pages.js';
import type { CallOptions, Transport } from './transport.js';

type GoalDetail = Answer<'getGoal'>;

export class Goals extends List<'listGoals'> {
  constructor(transport: Transport) {
    super(transport, 'listGoals');
  }

  /**
   * Active at once; the owner's active goal is paused in the same step.
   * @example const goal = await client.goals.create({ owner: 'u1', text: 'Migrate the docs', tokenBudget: 200_000 });
   */
  create(request: Body<'createGoal'>, options?: CallOptions): Promise<Answer<'createGoal'>> {
    return this.transport.call('createGoal', { body: request }, options);
  }

  /**
   * With its figures, and the block for a prompt.
   * @example const { tokensLeft, prompt } = await client.goals.get(goal.id);
   */
  get(goalId: string, options?: CallOptions): Promise<GoalDetail> {
    return this.transport.call('getGoal', { params: { id: goalId } }, options);
  }

  /**
   * The owner's active goal, or null.
   * @example const goal = await client.goals.active({ owner: 'u1' });
   */
  async active(query: Query<'getActiveGoal'> = {}, options?: CallOptions): Promise<GoalDetail | null> {
    return (await this.transport.call('getActiveGoal', { query }, options)).goal;
  }

  /**
   * Nothing counts towards it any more, and its calls are refused.
   * @example await client.goals.pause(goal.id);
   */
  pause(goalId: string, options?: CallOptions): Promise<GoalDetail> {
    return this.transport.call('pauseGoal', { params: { id: goalId } }, options);
  }

  /**
   * Needs budget left; else a BursarError of the code `conflict`.
   * @example await client.goals.resume(goal.id);
   */
  resume(goalId: string, options?: CallOptions): Promise<GoalDetail> {
    return this.transport.call('resumeGoal', { params: { id: goalId } }, options);
  }

  /**
   * Ends an active goal that was reached, for good.
   * @example await client.goals.complete(goal.id);
   */
  complete(goalId: string, options?: CallOptions): Promise<GoalDetail> {
    return this.transport.call('completeGoal', { params: { id: goalId } }, options);
  }

  /**
   * Ends a goal that is given up, for good.
   * @example await client.goals.clear(goal.id);
   */
  clear(goalId: string, options?: CallOptions): Promise<GoalDetail> {
    return this.transport.call('clearGoal', { params: { id: goalId } }, options);
  }

  /**
   * Tokens, above what was used; null: no budget.
   * @example await client.goals.setBudget(goal.id, 500_000);
   */
  setBudget(goalId: string, tokenBudget: string | number | null, options?: CallOptions): Promise<GoalDetail> {
    return this.transport.call('setGoalBudget', { params: { id: goalId }, body: { tokenBudget } }, options);
  }

  /**
   * Counts a turn that ran elsewhere. `counted` is false where the goal is not active; that is no error.
   * @example const { counted, reason } = await client.goals.noteUsage(goal.id, { tokens: 1_200 });
   */
  noteUsage(
    goalId: string,
    request: Body<'noteGoalUsage'>,
    options?: CallOptions,
  ): Promise<Answer<'noteGoalUsage'>> {
    return this.transport.call('noteGoalUsage', { params: { id: goalId }, body: request }, options);
  }
}
