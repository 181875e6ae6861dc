// Goals as the ledger has them: two budgets, with one account for each goal. `goals/tokens` has the goal's limit and its
// status, and is paused by the very settlement that uses it up (rule G3); `goals/turns` counts. Every call that carries the
// labels `tenant` and `goal` counts by itself. Called by goals.ts; the names are also the gateway's (goal-headers.ts).

import type { Ledger } from '../authority/api.js';
import type { BudgetLine, CommandOutcome, Outcome, Settlement } from '../core/outcomes.js';
import type { BudgetSpec, BudgetStatus, Command, Labels } from '../core/requests.js';
import { RefusedError } from '../kit/refusals.js';
import type { GoalFigures } from './goal.js';
import type { GoalRow } from './goal-table.js';

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

export type GoalLedgerPart = Pick<
  Ledger,
  'check' | 'submit' | 'record' | 'setBalanceLimit' | 'putDefinitions' | 'budget'
>;

type Names = Pick<GoalRow, 'tenant' | 'id'>;

export interface GoalStanding extends GoalFigures {
  readonly status: BudgetStatus;
}

export class GoalLedger {
  #defined: Promise<void> | null = null;

  constructor(private readonly ledger: GoalLedgerPart) {}

  /** As it is now; what led to it may not be durable yet. */
  standing({ tenant, id }: Names): GoalStanding {
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
  async begin(goal: Names, tokenBudget: bigint | null, before: readonly Names[]): Promise<void> {
    await this.#define();
    const limit = { command: 'set_balance_limit', ...account(goal), limit: tokenBudget } as const;
    refuseRejected(await this.ledger.submit([...before.map((one) => status(one, 'paused')), limit]));
  }

  /** The goal goes on, and `before` are paused, in one step. @throws RefusedError conflict, with nothing changed */
  async activate(goal: Names, before: readonly Names[]): Promise<void> {
    const outcomes = await this.ledger.submit([
      ...before.map((one) => status(one, 'paused')),
      status(goal, 'active'),
    ]);
    const last = outcomes[outcomes.length - 1];
    if (last.outcome !== 'rejected') return;
    // Only when a call that was under way has used the goal up in this very moment: those before go on.
    if (before.length > 0) await this.ledger.submit(before.map((one) => status(one, 'active')));
    refuseRejected([last]);
  }

  /** @throws RefusedError conflict */
  async pause(goal: Names): Promise<void> {
    refuseRejected(await this.ledger.submit([status(goal, 'paused')]));
  }

  /** For good. Of a goal that is closed already: nothing. @throws RefusedError conflict */
  async close(goal: Names): Promise<void> {
    const [outcome] = await this.ledger.submit([status(goal, 'closed')]);
    if (outcome.outcome === 'rejected' && outcome.code === 'budget_closed') return;
    refuseRejected([outcome]);
  }

  /** @throws RefusedError conflict */
  async limit(goal: Names, tokenBudget: bigint | null): Promise<void> {
    refuseRejected([await this.ledger.setBalanceLimit({ ...account(goal), limit: tokenBudget })]);
  }

  /** A turn that was run elsewhere. The goal is paused by it where it uses the budget up. */
  record(labels: Labels, tokens: bigint, commandId: string | undefined): Promise<Settlement> {
    const amounts = { tokens, calls: 1n };
    return this.ledger.record({ labels, amounts, ...(commandId === undefined ? {} : { commandId }) });
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
    refuseRejected([await this.ledger.putDefinitions({ budgets: BUDGETS })]);
  }
}

function account({ tenant, id }: Names): { readonly budgetId: string; readonly values: Labels } {
  return { budgetId: GOAL_TOKENS_BUDGET, values: { tenant, goal: id } };
}

function status(goal: Names, to: BudgetStatus): Command {
  return { command: 'set_budget_status', ...account(goal), status: to };
}

/** What the line of a goal's tokens says of the goal. */
export function statusIn(line: BudgetLine | undefined): BudgetStatus {
  if (line?.violations.includes('closed')) return 'closed';
  return line?.violations.includes('paused') ? 'paused' : 'active';
}

export function leftOf({ remaining }: Pick<BudgetLine, 'remaining'>): bigint | null {
  return remaining === null || remaining > 0n ? remaining : 0n;
}

function refuseRejected(outcomes: readonly (CommandOutcome | Outcome)[]): void {
  for (const outcome of outcomes)
    if (outcome.outcome === 'rejected') throw new RefusedError('conflict', outcome.message);
}
