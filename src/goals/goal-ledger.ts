// Goals as the ledger has them: two budgets, with one account for each goal. `goals/tokens` has the goal's limit and its
// status, and is paused by the very settlement that uses it up (rule G3); `goals/turns` counts. Every call that carries the
// labels `tenant` and `goal` counts by itself. Called by goals.ts; the names are also the gateway's (goal-headers.ts).

import type { GroupStep, Ledger } from '../authority/api.js';
import type { CheckedRider } from '../core/facts.js';
import type { BudgetLine, CommandOutcome, Settlement } from '../core/outcomes.js';
import type { BudgetSpec, BudgetStatus, Labels } from '../core/requests.js';
import { RefusedError } from '../kit/refusals.js';
import type { GoalFigures } from './goal.js';
import type { GoalRecord } from './goals-facts.js';

export const GOAL_TOKENS_BUDGET = 'goals/tokens';
export const GOAL_TURNS_BUDGET = 'goals/turns';

const MATCH = { tenant: '*', goal: '*' };
const BUDGETS: readonly BudgetSpec[] = [
  {
    id: GOAL_TOKENS_BUDGET,
    match: MATCH,
    unit: 'tokens',
    limit: null,
    window: 'lifetime',
    onExhausted: 'pause',
  },
  { id: GOAL_TURNS_BUDGET, match: MATCH, unit: 'calls', limit: null, window: 'lifetime' },
];

export type GoalLedgerPart = Pick<Ledger, 'check' | 'run' | 'runAll' | 'budget'>;

type Names = Pick<GoalRecord, 'tenant' | 'id'>;

/** How a goal stands in the ledger. */
export interface GoalBalance extends GoalFigures {
  readonly status: BudgetStatus;
}

export class GoalLedger {
  #defined: Promise<void> | null = null;

  constructor(private readonly ledger: GoalLedgerPart) {}

  /** As it is now; what led to it may not be durable yet. */
  balance({ tenant, id }: Names): GoalBalance {
    const { lines } = this.ledger.check({ labels: { tenant, goal: id } });
    const tokens = lines.find(({ budgetId }) => budgetId === GOAL_TOKENS_BUDGET);
    const turns = lines.find(({ budgetId }) => budgetId === GOAL_TURNS_BUDGET);
    return {
      status: statusIn(tokens),
      tokenBudget: tokens?.granted ?? null,
      tokensUsed: tokens?.spent ?? 0n,
      tokensHeld: tokens?.held ?? 0n,
      tokensLeft: tokens === undefined ? null : leftOf(tokens),
      turns: turns?.spent ?? 0n,
    };
  }

  /** The goal begins, and `before` are paused, in one step. @throws RefusedError conflict */
  async begin(
    goal: Names,
    tokenBudget: bigint | null,
    before: readonly Names[],
    rider: CheckedRider,
  ): Promise<void> {
    await this.#define();
    await this.#inOneStep(
      [...before.map(paused), { command: limited(goal, tokenBudget), facts: rider.facts }],
      rider,
    );
  }

  /** The goal goes on, and `before` are paused, in one step. @throws RefusedError conflict, with nothing changed */
  activate(goal: Names, before: readonly Names[], rider: CheckedRider): Promise<void> {
    return this.#inOneStep([...before.map(paused), { command: status(goal, 'active') }], rider);
  }

  /** @throws RefusedError conflict */
  async pause(goal: Names, rider: CheckedRider): Promise<void> {
    refuseRejected(await this.ledger.run(status(goal, 'paused'), rider));
  }

  /** For good. A goal that was closed in the ledger by hand has its end noted all the same. @throws RefusedError conflict */
  async close(goal: Names, rider: CheckedRider): Promise<void> {
    const outcome = await this.ledger.run(status(goal, 'closed'), rider);
    if (outcome.outcome === 'rejected' && outcome.code === 'budget_closed')
      await this.ledger.run({ command: 'record_facts' }, rider);
    else refuseRejected(outcome);
  }

  /** @throws RefusedError conflict */
  async limit(goal: Names, tokenBudget: bigint | null, rider: CheckedRider): Promise<void> {
    refuseRejected(await this.ledger.run(limited(goal, tokenBudget), rider));
  }

  /** A turn that was run elsewhere. The goal is paused by it where it uses the budget up. */
  record(
    labels: Labels,
    tokens: bigint,
    commandId: string | undefined,
    rider: CheckedRider,
  ): Promise<Settlement> {
    const amounts = { tokens, calls: 1n };
    const id = commandId === undefined ? {} : { commandId };
    return this.ledger.run({ command: 'record_spend', labels, amounts, ...id }, rider);
  }

  async #inOneStep(steps: readonly GroupStep[], { actor }: CheckedRider): Promise<void> {
    const group = await this.ledger.runAll(steps, { actor });
    if (!group.carriedOut) refuseRejected(group.outcome);
  }

  /** The budgets are there from the first goal on. */
  #define(): Promise<void> {
    this.#defined ??= this.#putBudgets().catch((error) => {
      this.#defined = null;
      throw error;
    });
    return this.#defined;
  }

  async #putBudgets(): Promise<void> {
    if (BUDGETS.every(({ id }) => this.ledger.budget(id) !== undefined)) return;
    refuseRejected(await this.ledger.run({ command: 'put_definitions', budgets: BUDGETS }));
  }
}

function account({ tenant, id }: Names): { readonly budgetId: string; readonly values: Labels } {
  return { budgetId: GOAL_TOKENS_BUDGET, values: { tenant, goal: id } };
}

function status(goal: Names, to: BudgetStatus) {
  return { command: 'set_budget_status', ...account(goal), status: to } as const;
}

function paused(goal: Names): GroupStep {
  return { command: status(goal, 'paused') };
}

function limited(goal: Names, limit: bigint | null) {
  return { command: 'set_balance_limit', ...account(goal), limit } as const;
}

/** What the line of a goal's tokens says of the goal. */
export function statusIn(line: BudgetLine | undefined): BudgetStatus {
  if (line?.violations.includes('closed')) return 'closed';
  return line?.violations.includes('paused') ? 'paused' : 'active';
}

export function leftOf({ remaining }: Pick<BudgetLine, 'remaining'>): bigint | null {
  return remaining === null || remaining > 0n ? remaining : 0n;
}

function refuseRejected(outcome: CommandOutcome): void {
  if (outcome.outcome === 'rejected') throw new RefusedError('conflict', outcome.message);
}
