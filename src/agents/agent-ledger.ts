// What agents do to the ledger. Limits are moved between a carved agent and those that it draws on, so that at each agent
// with a limit
//     limit of all below = limit of own + limits of the agents carved from it
// holds before and after every move. Everything that is done at once is one all-or-nothing group, with the facts about it.
// The group is worked out at the moment of its decision, so no call comes between the look and the move. Changes of one tree
// are made one at a time. Spending moves nothing: a call is posted to all accounts above it in one step.

import type { GroupStep, Ledger } from '../authority/api.js';
import type { Amounts } from '../core/amount.js';
import type { Actor, Fact } from '../core/facts.js';
import type { BudgetLine } from '../core/outcomes.js';
import type { Command } from '../core/requests.js';
import { RefusedError } from '../kit/refusals.js';
import { SerialQueue } from '../kit/serial-queue.js';
import { type Agent, type AgentDraft, depthOf } from './agent.js';
import { type AccountKind, accountAt, budgetId, budgetsAt } from './agent-budgets.js';
import { ChainBalances } from './chain-balances.js';

export type AgentLedgerPart = Pick<Ledger, 'budget' | 'check' | 'run' | 'runAll'>;

/** What was asked for and is not there. */
export interface Lacking {
  /** The agent that has too little. What is set aside for its carved children counts as held. */
  readonly line: BudgetLine;
  /** Whether it fits once the calls that are open now have ended. */
  readonly isHeldByCalls: boolean;
}

/** Who asks, and the facts that are written with what is done. */
export interface AgentRider {
  readonly actor: Actor | null;
  readonly facts: readonly Fact[];
}

/** A new limit of the account of the agent at a depth of the chain. */
interface Move {
  readonly depth: number;
  readonly unit: string;
  readonly kind: AccountKind;
  readonly to: bigint | null;
}

/** What is done in one step. */
interface Plan {
  readonly commands: readonly Command[];
  readonly facts: readonly Fact[];
}

export class AgentLedger {
  readonly #trees = new SerialQueue();

  constructor(private readonly ledger: AgentLedgerPart) {}

  /** Does what changes the tree of an agent, one piece of work after another. */
  inTree<T>({ chain }: Pick<Agent, 'chain'>, work: () => Promise<T>): Promise<T> {
    return this.#trees.run(chain[0], work);
  }

  balances(agent: Agent | AgentDraft): ChainBalances {
    return new ChainBalances(this.ledger, agent);
  }

  /**
   * Gives a new agent its limits. Those of a carved one are set aside above it.
   * @returns null when done; otherwise nothing was changed @throws RefusedError conflict
   */
  async fund(agent: AgentDraft, { actor, facts }: AgentRider): Promise<Lacking | null> {
    await this.#define(agent);
    const { mode, limits, units } = agent;
    const own = units.map((unit): Move => {
      return { depth: depthOf(agent), unit, kind: 'below', to: limits[unit] ?? null };
    });
    return this.#carryOut(actor, () => {
      const balances = this.balances(agent);
      const aside = mode === 'carved' ? movesAbove(agent, balances, negated(limits)) : [];
      return firstLacking(balances, aside, limits) ?? planOf(agent, [...aside, ...own], facts);
    });
  }

  /**
   * Raises an agent's limits to these. What a carved one gets more is set aside above it. A limit that is so already is left.
   * @returns null when done; otherwise nothing was changed @throws RefusedError conflict where a limit would be lowered
   */
  raise(agent: Agent, limits: Amounts, { actor, facts }: AgentRider): Promise<Lacking | null> {
    return this.#carryOut(actor, () => {
      const balances = this.balances(agent);
      const more = moreOf(agent, balances, limits);
      const aside = agent.mode === 'carved' ? movesAbove(agent, balances, negated(more)) : [];
      const moves = [...aside, ...raises(agent, balances, more)];
      return firstLacking(balances, aside, more) ?? planOf(agent, moves, facts);
    });
  }

  /** Lets nothing new of an agent, nor of those below it, be authorised. */
  async stop(agent: Agent, { actor, facts }: AgentRider): Promise<void> {
    await this.#carryOut(actor, () => {
      return { commands: this.balances(agent).isStopped ? [] : closing(agent), facts };
    });
  }

  /**
   * Gives what an agent that has ended has not used back to those that it was carved from. To be asked for again whenever
   * its holds have ended or were corrected.
   * @param settled facts that are written once no open call holds anything
   */
  async giveBack(agent: Agent, isFunderAlive: boolean, settled: readonly Fact[]): Promise<void> {
    if (!this.balances(agent).isStopped) await this.stop(agent, { actor: null, facts: [] });
    const plan = () => {
      const balances = this.balances(agent);
      const rests = isFunderAlive && agent.mode === 'carved' ? restsOf(agent, balances) : {};
      const moves = [...movesAbove(agent, balances, rests), ...loweringsOf(agent, balances, rests)];
      return planOf(agent, moves, balances.isHeld ? [] : settled);
    };
    // Every agent that ended within the last days is looked at each minute, and hardly ever is there anything to do.
    const { commands, facts } = plan();
    if (commands.length > 0 || facts.length > 0) await this.#carryOut(null, plan);
  }

  /** The budgets of a depth serve all trees with the same units. They are put before the first agent at that depth. */
  async #define({ units, chain }: AgentDraft): Promise<void> {
    const isMissing = (depth: number) =>
      this.ledger.budget(budgetId({ units, depth, unit: units[0], kind: 'below' })) === undefined;
    const missing = chain.map((_id, depth) => depth).filter(isMissing);
    if (missing.length === 0) return;
    const budgets = missing.flatMap((depth) => budgetsAt(units, depth));
    const outcome = await this.ledger.run({ command: 'put_definitions', budgets });
    if (outcome.outcome === 'rejected') throw new RefusedError('conflict', `agents: ${outcome.message}`);
  }

  async #carryOut(actor: Actor | null, decide: () => Plan | Lacking): Promise<Lacking | null> {
    let lacking: Lacking | null = null;
    const steps = (): GroupStep[] => {
      const decided = decide();
      if ('commands' in decided) return stepsOf(decided);
      lacking = decided;
      return [];
    };
    const group = await this.ledger.runAll(steps, { actor });
    // Only an operator who closed one of these budgets by hand makes the ledger refuse.
    if (!group.carriedOut && group.outcome.outcome === 'rejected')
      throw new RefusedError('conflict', `agents: ${group.outcome.message}`);
    return lacking;
  }
}

function planOf(agent: AgentDraft, moves: readonly Move[], facts: readonly Fact[]): Plan {
  const commands = moves.map(({ to, ...account }): Command => {
    return { command: 'set_balance_limit', ...accountAt(agent, account), limit: to };
  });
  return { commands, facts };
}

function stepsOf({ commands: [first, ...others], facts }: Plan): GroupStep[] {
  if (first === undefined) return facts.length === 0 ? [] : [{ command: { command: 'record_facts' }, facts }];
  return [{ command: first, facts }, ...others.map((command) => ({ command }))];
}

/**
 * The own accounts of those that an agent draws on or was carved from, each changed by the amounts. An account whose agent
 * has no limit counts nothing.
 */
function movesAbove(agent: AgentDraft, balances: ChainBalances, amounts: Amounts): Move[] {
  const moves: Move[] = [];
  for (let depth = agent.drawsOn; depth < depthOf(agent); depth += 1) {
    for (const unit of Object.keys(amounts)) {
      const base = balances.line(depth, unit, 'own').limit ?? balances.line(depth, unit, 'below').granted;
      if (base !== null) moves.push({ depth, unit, kind: 'own', to: base + amounts[unit] });
    }
  }
  return moves;
}

/** How much more each limit is to be. @throws RefusedError conflict */
function moreOf(agent: Agent, balances: ChainBalances, limits: Amounts): Amounts {
  const more: Record<string, bigint> = {};
  for (const unit of Object.keys(limits)) {
    const { limit } = balances.line(depthOf(agent), unit, 'below');
    const problem =
      limit === null
        ? 'the agent has no limit of its own in this unit, and gets none later'
        : limits[unit] < limit
          ? 'is below the limit that the agent has; a limit is only raised'
          : null;
    if (problem !== null)
      throw new RefusedError('conflict', `limits.${unit}: ${problem}`, { field: `limits.${unit}` });
    if (limit !== null && limits[unit] > limit) more[unit] = limits[unit] - limit;
  }
  return more;
}

/** Raises both accounts of the agent. Its own account has a limit once something was carved from it. */
function raises(agent: Agent, balances: ChainBalances, more: Amounts): Move[] {
  const depth = depthOf(agent);
  return Object.keys(more).flatMap((unit) =>
    (['below', 'own'] as const).flatMap((kind) => {
      const { limit } = balances.line(depth, unit, kind);
      return limit === null ? [] : [{ depth, unit, kind, to: limit + more[unit] }];
    }),
  );
}

function negated(amounts: Amounts): Amounts {
  return Object.fromEntries(Object.entries(amounts).map(([unit, steps]) => [unit, -steps]));
}

function closing(agent: Agent): Command[] {
  const depth = depthOf(agent);
  return agent.units.map((unit) => ({
    command: 'set_budget_status',
    ...accountAt(agent, { depth, unit, kind: 'below' }),
    status: 'closed',
  }));
}

/**
 * What is to be given back, by unit. Negative where the agent overspent; then the parents' limits are lowered, at most to
 * zero. What an operator topped up stays.
 */
function restsOf(agent: Agent, balances: ChainBalances): Amounts {
  const rests: Record<string, bigint> = {};
  for (const unit of agent.units) {
    const { remaining, limit } = balances.line(depthOf(agent), unit, 'below');
    if (remaining === null || limit === null) continue;
    let rest = remaining;
    if (rest > limit) rest = limit;
    for (let depth = agent.drawsOn; depth < depthOf(agent); depth += 1) {
      const above = balances.line(depth, unit, 'own').limit;
      if (above !== null && above + rest < 0n) rest = -above;
    }
    if (rest !== 0n) rests[unit] = rest;
  }
  return rests;
}

/** Takes the rests off the agent's own limits. */
function loweringsOf(agent: Agent, balances: ChainBalances, rests: Amounts): Move[] {
  const depth = depthOf(agent);
  return Object.keys(rests).map((unit) => {
    const { limit } = balances.line(depth, unit, 'below');
    return { depth, unit, kind: 'below', to: (limit ?? 0n) - rests[unit] };
  });
}

/** The first agent above that has less than it is to set aside. */
function firstLacking(balances: ChainBalances, aside: readonly Move[], wanted: Amounts): Lacking | null {
  for (const { depth, unit } of aside) {
    const requested = wanted[unit];
    const { remaining, held: heldByCalls } = balances.tightest(depth, unit);
    if (remaining === null || remaining >= requested) continue;
    const below = balances.line(depth, unit, 'below');
    const held = (below.granted ?? 0n) - below.spent - remaining;
    return {
      line: { ...below, held, remaining, requested, violated: 'limit', violations: ['limit'] },
      isHeldByCalls: requested <= remaining + heldByCalls,
    };
  }
  return null;
}
