// The balances of an agent and of those above it, read from the ledger in one look: the lines of both accounts of everyone in
// its chain. The cost is the depth, not the size of the tree. AgentFigures says what the figures mean.

import type { LedgerReads } from '../authority/api.js';
import type { BudgetLine } from '../core/outcomes.js';
import { type Agent, type AgentFigures, depthOf, poolOf } from './agent.js';
import { type AccountKind, budgetId, chainLabels } from './agent-budgets.js';

type Place = Pick<Agent, 'id' | 'tenant' | 'chain' | 'mode' | 'drawsOn' | 'units'>;

export class ChainBalances {
  readonly #lines: ReadonlyMap<string, BudgetLine>;

  constructor(
    ledger: Pick<LedgerReads, 'check'>,
    private readonly agent: Place,
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

  /** The account that bounds what the agent at a depth can spend or set aside itself: the one with less left. */
  tightest(depth: number, unit: string): BudgetLine {
    const below = this.line(depth, unit, 'below');
    const own = this.line(depth, unit, 'own');
    const isOwn = own.remaining !== null && (below.remaining === null || own.remaining < below.remaining);
    return isOwn ? own : below;
  }

  /** Whether the agent, or one above it, is closed in the ledger: then nothing of the agent is authorised any more. */
  get isStopped(): boolean {
    const { units, chain } = this.agent;
    return units.every((unit) =>
      chain.some((_id, depth) => this.line(depth, unit, 'below').violations.includes('closed')),
    );
  }

  /** Whether open calls of the agent, or of those below it, hold something. */
  get isHeld(): boolean {
    return this.agent.units.some((unit) => this.line(depthOf(this.agent), unit, 'below').held > 0n);
  }

  /** The agent's limits in the ledger, in the units in which it has one. */
  get limits(): Readonly<Record<string, bigint>> {
    const limits: Record<string, bigint> = {};
    for (const unit of this.agent.units) {
      const { limit } = this.line(depthOf(this.agent), unit, 'below');
      if (limit !== null) limits[unit] = limit;
    }
    return limits;
  }

  figuresOf(agent: Pick<Agent, 'state' | 'limits'>): AgentFigures[] {
    return this.agent.units.map((unit) =>
      agent.state === 'active'
        ? this.#livingFigures(unit)
        : this.#endedFigures(unit, agent.limits[unit] ?? null),
    );
  }

  #livingFigures(unit: string): AgentFigures {
    const depth = depthOf(this.agent);
    const below = this.line(depth, unit, 'below');
    const { granted: limit, spent: used } = below;
    const left = this.tightest(depth, unit).remaining;
    const available = this.#available(unit);
    if (limit === null || left === null)
      return { unit, limit, used, held: below.held, left, returned: null, available };
    return { unit, limit, used, held: limit - used - left, left, returned: 0n, available };
  }

  #endedFigures(unit: string, limit: bigint | null): AgentFigures {
    const { spent: used, held } = this.line(depthOf(this.agent), unit, 'below');
    const rest =
      limit === null ? { left: null, returned: null } : { left: 0n, returned: limit - used - held };
    return { unit, limit, used, held, ...rest, available: 0n };
  }

  #available(unit: string): bigint {
    let least: bigint | null = null;
    this.agent.chain.forEach((_id, depth) => {
      // What an agent set aside for carved children is there for the calls of those children, and not for its own.
      const isOwn = depth >= poolOf(this.agent);
      const left = (isOwn ? this.tightest(depth, unit) : this.line(depth, unit, 'below')).remaining;
      if (left !== null && (least === null || left < least)) least = left;
    });
    return least === null || least < 0n ? 0n : least;
  }
}
