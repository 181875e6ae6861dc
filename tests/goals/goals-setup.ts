// Goals on real files.

import { join } from 'node:path';
import type { Goal } from '#bursar/goals/goal.js';
import { Goals, type NewGoal } from '#bursar/goals/goals.js';

import { ACME, ANN, FilesStage } from '../setup/files-setup.js';

export class GoalsStage extends FilesStage {
  settings = { textLengthMax: 400 };
  goals!: Goals;

  static open(): Promise<GoalsStage> {
    return new GoalsStage().opened();
  }

  protected begin(): void {
    this.goals = new Goals({ ...this.parts, settings: () => this.settings });
  }

  get viewsPath(): string {
    return join(this.folder, 'views.db');
  }

  async open(): Promise<void> {
    await this.opened();
  }

  restart(): Promise<void> {
    return this.reopened();
  }

  /** The one goal that there is. */
  async only(): Promise<Goal> {
    const { goals } = await this.goals.list(ACME, {}, { before: null, max: 1 });
    return goals[0];
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
