// Moves limits between a carved agent and those that it draws on, so that at each agent with a limit
//     limit of all below = limit of own + limits of the agents carved from it
// holds before and after every move. A move is one durable group of the ledger with the new limits in it: it is done or
// not, and what is to be moved is read from the ledger each time, so a move that is asked for again does nothing twice.
// Moves of one tree are made one at a time. Spending moves nothing: a call is posted to all accounts above it at once.

import type { Ledger } from '../authority/api.js';
import type { Amounts } from '../core/amount.js';
import type { BudgetLine, CommandOutcome } from '../core/outcomes.js';
import type { Command } from '../core/requests.js';
import { RefusedError } from '../kit/refusals.js';
import { SerialQueue } from '../kit/serial-queue.js';
import { type Agent, depthOf } from './agent.js';
import { accountAt, budgetsAt, unitsText } from './agent-budgets.js';
import { Standing } from './standing.js';

export type TransferLedger = Pick<Ledger, 'check' | 'submit' | 'putDefinitions' | 'run'>;

/** What was asked for and is not there. */
export interface Lacking {
  /** The agent that has too little, with what is set aside for its carved children among what it holds. */
  readonly line: BudgetLine;
  /** Whether it fits once calls that are open now have ended. */
  readonly isHeldByCalls: boolean;
}

interface Move {
  readonly agent: Agent;
  readonly depth: number;
  readonly unit: string;
  readonly kind: 'below' | 'own';
  readonly from: bigint | null;
  readonly to: bigint | null;
}

export class Transfers {
  readonly #trees = new SerialQueue();
  /** Depths of trees whose budgets the ledger has. */
  readonly #defined = new Set<string>();

  constructor(private readonly ledger: TransferLedger) {}

  /** Gives a new agent its limits; a carved one's are set aside above it. Null when done, else nothing was changed. */
  fund(agent: Agent): Promise<Lacking | null> {
    return this.#trees.run(agent.chain[0], async () => {
      await this.#define(agent);
      const own = agent.units.map((unit) => limitMove(agent, unit, agent.limits[unit] ?? null));
      if (agent.mode !== 'carved') {
        await this.#make(own);
        return null;
      }
      const standing = new Standing(this.ledger, agent);
      const aside = movesAbove(agent, standing, negated(agent.limits));
      for (const { depth, unit } of aside) {
        const lacking = lacks(standing, { depth, unit, requested: agent.limits[unit] });
        if (lacking !== null) return lacking;
      }
      return this.#setAside(agent, [...aside, ...own], agent.limits);
    });
  }

  /**
   * Raises an agent's limits to these; what a carved one gets is set aside above it. A limit that is so already is left.
   * Null when done, else nothing was changed. @throws RefusedError conflict where it has ended, or a limit is no higher
   */
  raise(agent: Agent, limits: Amounts, isActive: () => boolean): Promise<Lacking | null> {
    return this.#trees.run(agent.chain[0], async () => {
      if (!isActive()) throw new RefusedError('conflict', 'agents: the agent has ended');
      await this.#define(agent);
      const standing = new Standing(this.ledger, agent);
      const more = moreOf(agent, standing, limits);
      const aside = agent.mode === 'carved' ? movesAbove(agent, standing, negated(more)) : [];
      for (const { depth, unit } of aside) {
        const lacking = lacks(standing, { depth, unit, requested: more[unit] });
        if (lacking !== null) return lacking;
      }
      return this.#setAside(agent, [...aside, ...raises(agent, standing, more)], more);
    });
  }

  /**
   * Ends what an agent may spend, and gives what it has not used back to those that it was carved from. To be asked for
   * again whenever its holds have ended or were corrected. @returns whether calls of it or below it still hold something
   */
  settleUp(agent: Agent, isFunderAlive: boolean): Promise<boolean> {
    return this.#trees.run(agent.chain[0], async () => {
      await this.#define(agent);
      const standing = new Standing(this.ledger, agent);
      const commands = standing.isStopped ? [] : closing(agent);
      const rests = isFunderAlive && agent.mode === 'carved' ? restsOf(agent, standing) : {};
      const moves = [
        ...movesAbove(agent, standing, rests),
        ...Object.keys(rests).map((unit) => {
          const { limit } = standing.line(depthOf(agent), unit, 'below');
          return limitMove(agent, unit, (limit ?? 0n) - rests[unit], limit);
        }),
      ];
      await this.#submit([...commands, ...moves.map((move) => limitCommand(move, move.to))]);
      return agent.units.some((unit) => standing.line(depthOf(agent), unit, 'below').held > 0n);
    });
  }

  /** What the ledger has as an agent's limits, of units in which it has one. */
  limitsOf(agent: Agent): Amounts {
    const standing = new Standing(this.ledger, agent);
    return Object.fromEntries(
      agent.units.flatMap((unit) => {
        const { limit } = standing.line(depthOf(agent), unit, 'below');
        return limit === null ? [] : [[unit, limit]];
      }),
    );
  }

  /** Budgets are for each depth of all trees with the same units, and put before the first agent there. */
  async #define({ units, chain }: Agent): Promise<void> {
    const missing = chain
      .map((_id, depth) => depth)
      .filter((depth) => !this.#defined.has(keyOf(units, depth)));
    if (missing.length === 0) return;
    const budgets = missing.flatMap((depth) => budgetsAt(units, depth));
    const outcome = await this.ledger.putDefinitions({ budgets });
    if (outcome.outcome === 'rejected') throw new RefusedError('conflict', `agents: ${outcome.message}`);
    for (const depth of missing) this.#defined.add(keyOf(units, depth));
  }

  // A call may have taken what was there a moment ago; the lines after the move say so, and then it is undone.
  async #setAside(agent: Agent, moves: readonly Move[], wanted: Amounts): Promise<Lacking | null> {
    const outcomes = await this.#make(moves);
    const isAbove = ({ depth }: Move) => depth < depthOf(agent);
    const short = outcomes.findIndex((outcome, index) => isAbove(moves[index]) && isShort(outcome));
    if (short === -1) return null;
    await this.#submit(moves.map((move) => limitCommand(move, move.from)));
    const { depth, unit } = moves[short];
    const standing = new Standing(this.ledger, agent);
    return whatIsThere(standing, { depth, unit, requested: wanted[unit] });
  }

  async #make(moves: readonly Move[]): Promise<readonly CommandOutcome[]> {
    return this.#submit(moves.map((move) => limitCommand(move, move.to)));
  }

  async #submit(commands: readonly Command[]): Promise<readonly CommandOutcome[]> {
    if (commands.length === 0) return [];
    const outcomes = await this.ledger.submit(commands);
    for (const outcome of outcomes) {
      // Only an operator who closed one of these budgets by hand makes the ledger refuse.
      if (outcome.outcome === 'rejected') throw new RefusedError('conflict', `agents: ${outcome.message}`);
    }
    return outcomes;
  }
}

function keyOf(units: readonly string[], depth: number): string {
  return `${unitsText(units)}/${depth}`;
}

/**
 * The own accounts that an agent draws on or was carved from, each changed by the amounts; those of agents without a
 * limit count nothing.
 */
function movesAbove(agent: Agent, standing: Standing, amounts: Amounts): Move[] {
  const moves: Move[] = [];
  for (let depth = agent.drawsOn; depth < depthOf(agent); depth += 1) {
    for (const unit of Object.keys(amounts)) {
      const from = standing.line(depth, unit, 'own').limit;
      const base = from ?? standing.line(depth, unit, 'below').granted;
      if (base !== null) moves.push({ agent, depth, unit, kind: 'own', from, to: base + amounts[unit] });
    }
  }
  return moves;
}

function limitMove(agent: Agent, unit: string, to: bigint | null, from: bigint | null = 0n): Move {
  return { agent, depth: depthOf(agent), unit, kind: 'below', from, to };
}

/** How much more each limit is to be. @throws RefusedError conflict */
function moreOf(agent: Agent, standing: Standing, limits: Amounts): Amounts {
  const more: Record<string, bigint> = {};
  for (const unit of Object.keys(limits)) {
    const { limit } = standing.line(depthOf(agent), unit, 'below');
    const field = `limits.${unit}`;
    if (limit === null)
      throw new RefusedError('conflict', `${field}: the agent has none of its own, and none is given later`, {
        field,
      });
    if (limits[unit] < limit)
      throw new RefusedError('conflict', `${field}: is below the one it has; a limit is only raised`, {
        field,
      });
    if (limits[unit] > limit) more[unit] = limits[unit] - limit;
  }
  return more;
}

/** Of both accounts of the agent; its own has a limit once something was carved from it. */
function raises(agent: Agent, standing: Standing, more: Amounts): Move[] {
  const depth = depthOf(agent);
  return Object.keys(more).flatMap((unit) =>
    (['below', 'own'] as const).flatMap((kind) => {
      const { limit: from } = standing.line(depth, unit, kind);
      return from === null ? [] : [{ agent, depth, unit, kind, from, to: from + more[unit] }];
    }),
  );
}

function negated(amounts: Amounts): Amounts {
  return Object.fromEntries(Object.entries(amounts).map(([unit, steps]) => [unit, -steps]));
}

function limitCommand({ agent, depth, unit, kind }: Move, limit: bigint | null): Command {
  return { command: 'set_balance_limit', ...accountAt(agent, { depth, unit, kind }), limit };
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
 * What is to be given back, by unit; negative where more was charged than the limit was, as far as those above have it.
 * What an operator topped up stays.
 */
function restsOf(agent: Agent, standing: Standing): Amounts {
  const rests: Record<string, bigint> = {};
  for (const unit of agent.units) {
    const { remaining, limit } = standing.line(depthOf(agent), unit, 'below');
    if (remaining === null || limit === null) continue;
    let rest = remaining;
    if (rest > limit) rest = limit;
    for (let depth = agent.drawsOn; depth < depthOf(agent); depth += 1) {
      const above = standing.line(depth, unit, 'own').limit;
      if (above !== null && above + rest < 0n) rest = -above;
    }
    if (rest !== 0n) rests[unit] = rest;
  }
  return rests;
}

/** What is asked of the agent at a depth of the chain. */
interface Asked {
  readonly depth: number;
  readonly unit: string;
  readonly requested: bigint;
}

function lacks(standing: Standing, asked: Asked): Lacking | null {
  const lacking = whatIsThere(standing, asked);
  const { remaining, requested } = lacking.line;
  return remaining !== null && remaining < requested ? lacking : null;
}

function whatIsThere(standing: Standing, { depth, unit, requested }: Asked): Lacking {
  const below = standing.line(depth, unit, 'below');
  const { remaining, held: heldByCalls } = standing.tightest(depth, unit);
  const held = (below.granted ?? 0n) - below.spent - (remaining ?? 0n);
  const line: BudgetLine = { ...below, held, remaining, requested, violated: 'limit', violations: ['limit'] };
  return { line, isHeldByCalls: requested <= (remaining ?? 0n) + heldByCalls };
}

function isShort(outcome: CommandOutcome): boolean {
  return 'lines' in outcome && outcome.lines.some(({ remaining }) => remaining !== null && remaining < 0n);
}
