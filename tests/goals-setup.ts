// Goals over real files, service.db and ledger.db, which can be closed and opened again as by a restart; and a place to stop
// at between two steps, where a crash would.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { Ledger, LedgerEvent } from '#bursar/index.js';
import { openLedger } from '#bursar/index.js';
import type { Caller } from '#bursar/service/access/caller.js';
import type { Goal } from '#bursar/service/goals/goal.js';
import { GOAL_AREA } from '#bursar/service/goals/goal-area.js';
import { type GoalStep, Goals, type NewGoal } from '#bursar/service/goals/goals.js';
import { RefusedError } from '#bursar/service/refusals.js';
import { ServiceStore } from '#bursar/service/store/service-store.js';
import { TestClock } from './scenario.js';
import { callerOf } from './tenancy-setup.js';

/** A key of acme's for everybody, and one for each of two users; another tenant's; and the platform's. */
export const ACME = callerOf('acme', 'tenant_admin');
export const ANN = withUser(callerOf('acme', 'spend', 'read'), 'ann');
export const BEN = withUser(callerOf('acme', 'spend', 'read'), 'ben');
export const OTHER = callerOf('other', 'tenant_admin');
export const PLATFORM = callerOf(null, 'admin');

function withUser(caller: Caller, user: string): Caller {
  return { ...caller, labels: { ...caller.labels, user }, callerLabels: new Set() };
}

/** What a crash is here: work stops at a step, and nothing after it is done. */
export class Crash extends Error {}

const open: Desk[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const desk of open.splice(0)) await desk.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

export class Desk {
  readonly clock = new TestClock();
  readonly faults: string[] = [];
  /** Stops at this step, once. */
  stopAt: GoalStep | null = null;
  settings = { textLengthMax: 400 };
  ledger!: Ledger;
  store!: ServiceStore;
  goals!: Goals;

  private constructor(private readonly folder: string) {}

  static async open(): Promise<Desk> {
    const folder = mkdtempSync(join(tmpdir(), 'bursar-goals-'));
    folders.push(folder);
    const desk = new Desk(folder);
    open.push(desk);
    await desk.#open();
    return desk;
  }

  async #open(): Promise<void> {
    const { clock } = this;
    this.ledger = await openLedger({ path: join(this.folder, 'ledger.db'), clock });
    this.store = ServiceStore.open(join(this.folder, 'service.db'), [GOAL_AREA]);
    this.goals = new Goals({
      store: this.store,
      ledger: this.ledger,
      clock,
      settings: () => this.settings,
      onFault: (what, error) => this.faults.push(`${what}: ${(error as Error).message}`),
      atStep: (step) => {
        if (step !== this.stopAt) return;
        this.stopAt = null;
        throw new Crash(step);
      },
    });
  }

  async close(): Promise<void> {
    await this.ledger.close();
    if (this.store.isOpen) this.store.close();
  }

  /** Opens both files again and recovers. */
  async restart(): Promise<number> {
    await this.close();
    await this.#open();
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

  async events(): Promise<LedgerEvent[]> {
    const found: LedgerEvent[] = [];
    for await (const event of this.ledger.events()) found.push(event);
    return found;
  }
}

/** What was refused, as its code and message. */
export async function refused(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (error) {
    if (error instanceof RefusedError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'nothing was refused';
}
