// How agents end: closed, revoked or expired. An end is one step of the ledger: the agent's accounts are closed, its state is a
// fact, and what revokes ends the keys too. What is left is given back in a step after it, and again when open calls have
// ended and while late charges may come. Whatever is left to do is seen in the view and in the ledger, so the sweep does it.

import type { Clock } from '../authority/api.js';
import type { Actor, Fact } from '../core/facts.js';
import { RefusedError } from '../kit/refusals.js';
import { type Agent, type AgentState, depthOf, isLiving } from './agent.js';
import type { AgentLedger } from './agent-ledger.js';
import { type AgentTable, agentFact } from './agents-facts.js';

/** Agents that one sweep ends, or looks after, between two turns of the event loop: some 10 ms. */
const AGENTS_AT_ONCE = 100;

/** Facts of one step, and the bytes of their bodies: half of what the ledger takes, so that a step always fits. */
const FACTS_IN_STEP_MAX = 5_000;
const FACT_BYTES_IN_STEP_MAX = 8 * 1024 * 1024;

/** The keys, as far as ends need them. */
export interface EndsKeys {
  /** The fact that revokes a key; null where it is revoked already. */
  revokeFact(id: string, at: number): Fact | null;
}

export interface AgentEndsParts {
  readonly keys: EndsKeys;
  readonly clock: Clock;
  /** How long after its end a hold can still be settled late or corrected: the ledger's retention period. ms */
  readonly retentionMs: number;
  readonly onFault: (what: string, error: unknown) => void;
}

export class AgentEnds {
  constructor(
    private readonly parts: AgentEndsParts,
    private readonly table: AgentTable,
    private readonly ledger: AgentLedger,
  ) {}

  /** Nothing new is authorised. Once the open calls have ended, the key ends too. @throws RefusedError conflict */
  close(agent: Agent, actor: Actor): Promise<void> {
    return this.ledger.inTree(agent, async () => {
      const now = this.table.byId(agent.id);
      if (now?.state === 'active') {
        const children = this.table.countChildren(agent.id);
        if (children > 0)
          throw new RefusedError(
            'conflict',
            `agents: ${children} children have not ended; close them, or revoke the agent`,
          );
        await this.ledger.stop(now, { actor, facts: [this.#endFact(now, 'closing')] });
      }
      await this.#giveBackRest(agent.id);
    });
  }

  /** Ends an agent and all below it at once, keys and budgets. */
  revoke(agent: Agent, actor: Actor | null): Promise<void> {
    return this.ledger.inTree(agent, async () => {
      const ended = [agent, ...this.table.livingBelow(agent)].flatMap(({ id }) => this.table.byId(id) ?? []);
      const facts = ended.filter(isLiving).map((one) => this.#revokeFacts(one));
      // The first step closes the accounts, which nothing below can be authorised without.
      for (const part of partsOf(facts)) await this.ledger.stop(agent, { actor, facts: part });
      await this.#giveBackRest(agent.id);
      // Some revoked agents were carved from an ancestor that lives on; their rest goes back to it.
      for (const { id } of this.table.carvedBelow(agent, depthOf(agent))) await this.#giveBackRest(id);
    });
  }

  #revokeFacts(agent: Agent): Fact[] {
    const key = this.parts.keys.revokeFact(agent.keyId, this.parts.clock.now());
    return [this.#endFact(agent, 'revoked'), ...(key === null ? [] : [key])];
  }

  #endFact(agent: Agent, state: Exclude<AgentState, 'active' | 'closed'>): Fact {
    const at = this.parts.clock.now();
    return agentFact('agent_ended', {
      ...agent,
      state,
      // An operator may have changed them in the ledger; from now on they stay as they are.
      limits: agent.state === 'active' ? this.ledger.balances(agent).limits : agent.limits,
      endedAt: agent.endedAt ?? at,
      watchedUntil: at + this.parts.retentionMs,
    });
  }

  /** Gives back what an ended agent has left. What is closing is closed once nothing is held. Within the tree's queue. */
  async #giveBackRest(id: string): Promise<void> {
    const agent = this.table.byId(id);
    if (agent === undefined || agent.state === 'active') return;
    const { chain, drawsOn } = agent;
    // What is left goes to the agent whose money it was. Where that one has ended too, it went back with that one's own.
    const isFunderAlive = this.table.byId(chain[drawsOn])?.state === 'active';
    await this.ledger.giveBack(
      agent,
      isFunderAlive,
      agent.state === 'closing' ? this.#closeFacts(agent) : [],
    );
  }

  #closeFacts(agent: Agent): Fact[] {
    const at = this.parts.clock.now();
    const key = this.parts.keys.revokeFact(agent.keyId, at);
    const watchedUntil = at + this.parts.retentionMs;
    const closed = agentFact('agent_closed', { ...agent, state: 'closed', watchedUntil });
    return key === null ? [closed] : [closed, key];
  }

  /** Ends what has expired, and goes on with what is closing. */
  async sweep(): Promise<void> {
    for (;;) {
      const expired = this.table.expired(this.parts.clock.now(), AGENTS_AT_ONCE);
      const done = await Promise.all(expired.map((agent) => this.#tried(agent, () => this.#expire(agent))));
      // What could not be ended is expired still, and is tried again by the next sweep.
      if (expired.length < AGENTS_AT_ONCE || done.includes(false)) break;
    }
    await Promise.all(this.table.closing().map((agent) => this.#settleTried(agent)));
  }

  /** Its key has expired by itself. */
  async #expire({ id }: Agent): Promise<void> {
    const agent = this.table.byId(id);
    if (agent !== undefined && isLiving(agent))
      await this.ledger.stop(agent, { actor: null, facts: [this.#endFact(agent, 'expired')] });
    await this.#giveBackRest(id);
  }

  /**
   * Looks at all that ended within the retention period: late charges and corrections are moved to where they belong. And
   * goes on with the revoking of a tree that was too large for one step.
   */
  async lookAfterEnded(): Promise<void> {
    for (const agent of this.table.outliving())
      await this.revoke(agent, null).catch((error) => this.#onFault(error));
    for (let last = { watchedUntil: this.parts.clock.now(), id: END_OF_IDS }; ; ) {
      const agents = this.table.watched(last.watchedUntil, last.id, AGENTS_AT_ONCE);
      if (agents.length === 0) return;
      const { watchedUntil, id } = agents[agents.length - 1];
      last = { watchedUntil: watchedUntil ?? 0, id };
      await Promise.all(agents.map((agent) => this.#settleTried(agent)));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #settleTried(agent: Agent): Promise<boolean> {
    return this.#tried(agent, () => this.#giveBackRest(agent.id));
  }

  /** One that fails is tried again by the next sweep, and keeps none of the others. */
  async #tried(agent: Agent, work: () => Promise<void>): Promise<boolean> {
    try {
      await this.ledger.inTree(agent, work);
      return true;
    } catch (error) {
      this.#onFault(error);
      return false;
    }
  }

  #onFault(error: unknown): void {
    this.parts.onFault('an agent that ended could not be settled up, and will be tried again', error);
  }
}

/** Behind every id. */
const END_OF_IDS = '\u{10ffff}';

/** The facts of several agents, in lists that one step takes each; at least one list, which may be empty. */
function partsOf(ended: readonly (readonly Fact[])[]): Fact[][] {
  const parts: Fact[][] = [[]];
  let bytes = 0;
  for (const facts of ended) {
    const last = parts[parts.length - 1];
    const more = facts.reduce((sum, { body }) => sum + Buffer.byteLength(body), 0);
    const isFull = last.length + facts.length > FACTS_IN_STEP_MAX || bytes + more > FACT_BYTES_IN_STEP_MAX;
    if (isFull) parts.push([...facts]);
    else last.push(...facts);
    bytes = isFull ? more : bytes + more;
  }
  return parts;
}
