// Goals on real files.

import type { Goal } from '#bursar/goals/goal.js';
import { type GoalStep, Goals, type NewGoal } from '#bursar/goals/goals.js';
import { ACME, ANN, OnFiles } from './files-setup.js';

export class Desk extends OnFiles<GoalStep> {
  settings = { textLengthMax: 400 };
  goals!: Goals;

  static open(): Promise<Desk> {
    return new Desk().opened();
  }

  protected begin(): void {
    this.goals = new Goals({ ...this.parts, settings: () => this.settings });
  }

  /** Opens both files again and recovers. */
  async restart(): Promise<number> {
    await this.reopened();
    return this.goals.recover();
  }

  create(text: string, more: Partial<NewGoal> = {}, caller = ANN): Promise<Goal> {
    return this.goals.create(caller, { text, tokenBudget: null, ...more });
  }

  /** `text state` of each goal that the caller sees, oldest first. */
  async states(caller = ACME): Promise<string[]> {
    const { goals } = await this.goals.list(caller, {}, { before: null, max: 100 });
    return goals.map(({ text, state }) => `${text} ${state}`).reverse();
  }

  note(goal: Pick<Goal, 'id'>, tokens: bigint, commandId?: string, caller = ANN) {
    return this.goals.note(caller, goal.id, { tokens, commandId });
  }
}
