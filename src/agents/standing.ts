// How an agent and those above it stand, read from the ledger in one look whose cost is the depth, not the tree: the lines
// of both accounts of everyone in its chain. What the figures mean is said at AgentFigures.

import type { LedgerReads } from '../authority/api.js';
import type { BudgetLine } from '../core/outcomes.js';
import { type Agent, type AgentFigures, depthOf, poolOf } from './agent.js';
import { type AccountKind, budgetId, chainLabels } from './agent-budgets.js';

export class Standing {
  readonly #lines: ReadonlyMap<string, BudgetLine>;

  constructor(
    ledger: Pick<LedgerReads, 'check'>,
    private readonly agent: Agent,
  ) {
    const { lines } = ledger.check({ labels: chainLabels(agent) });
    this.#lines = new Map(lines.map((line) => [line.budgetId, line]));
  }

  /** The account of the agent at a depth of the chain. @throws Error where the ledger has no such budget: a bug */
  line(depth: number, unit: string, kind: AccountKind): BudgetLine {
    const line = this.#lines.get(budgetId({ units: this.agent.units, depth, unit, kind }));
    if (line === undefined)
      throw new Error(`bug: the agent ${this.agent.id} has no ${kind} account at ${depth}`);
    return line;
  }

  /** The account that says what the agent at a depth can still spend or set aside itself: where less is left. */
  tightest(depth: number, unit: string): BudgetLine {
    const below = this.line(depth, unit, 'below');
    const own = this.line(depth, unit, 'own');
    const isOwn = own.remaining !== null && (below.remaining === null || own.remaining < below.remaining);
    return isOwn ? own : below;
  }

  /** Whether the agent, or one above it, is closed in the ledger: then nothing of it is authorised any more. */
  get isStopped(): boolean {
    const { units, chain } = this.agent;
    return units.every((unit) =>
      chain.some((_id, depth) => this.line(depth, unit, 'below').violations.includes('closed')),
    );
  }

  get figures(): AgentFigures[] {
    return this.agent.units.map((unit) => this.#figuresIn(unit));
  }

  #figuresIn(unit: string): AgentFigures {
    const { agent } = this;
    const below = this.line(depthOf(agent), unit, 'below');
    const used = below.spent;
    if (agent.state !== 'active') {
      const limit = agent.limits[unit] ?? null;
      const returned = limit === null ? null : limit - used - below.held;
      return {
        unit,
        limit,
        used,
        held: below.held,
        left: limit === null ? null : 0n,
        returned,
        available: 0n,
      };
    }
    const limit = below.granted;
    const left = this.tightest(depthOf(agent), unit).remaining;
    const held = limit === null || left === null ? below.held : limit - used - left;
    const returned = limit === null ? null : 0n;
    return { unit, limit, used, held, left, returned, available: this.#available(unit) };
  }

  #available(unit: string): bigint {
    let least: bigint | null = null;
    this.agent.chain.forEach((_id, depth) => {
      // What is set aside for carved children is not there for a call of the agent that carved them, and is for theirs.
      const isOwn = depth >= poolOf(this.agent);
      const left = (isOwn ? this.tightest(depth, unit) : this.line(depth, unit, 'below')).remaining;
      if (left !== null && (least === null || left < least)) least = left;
    });
    return least === null || least < 0n ? 0n : least;
  }
}
