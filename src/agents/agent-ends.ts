// How agents end: closed, revoked or expired. The row in the service's file decides, in one transaction with the keys: from
// then on no key of the agent, and with revoke none below it, is accepted. Then the ledger is told (settleUp), which can be
// asked for again, and is: after a crash, when held calls end, and while late charges may still come.

import type { Clock, Ledger } from '../authority/api.js';
import type { Fact } from '../core/facts.js';
import { RefusedError } from '../kit/refusals.js';
import type { ServiceStore } from '../kit/service-store.js';
import { type Agent, depthOf } from './agent.js';
import type { AgentTable } from './agent-table.js';
import type { Transfers } from './transfers.js';

/** Agents ended or looked after between two turns of the event loop: a few milliseconds. */
const AGENTS_AT_ONCE = 100;

/** Where a test may stop the work, as a crash would. */
export type AgentStep =
  | 'agent_intended'
  | 'agent_funded'
  | 'agent_made'
  | 'agent_raised'
  | 'agent_ended'
  | 'agent_settled';

/** The key ring, as far as agents need it. */
export interface EndsKeys {
  /** The fact that revokes a key; null where it is revoked. */
  revokeFact(id: string, at: number): Fact | null;
}

export interface EndParts {
  readonly store: ServiceStore;
  readonly ledger: Pick<Ledger, 'run'>;
  readonly keys: EndsKeys;
  readonly clock: Clock;
  /** How long after its end a hold can still be settled late or corrected: the ledger's retention period. ms */
  readonly retentionMs: number;
  readonly onFault: (what: string, error: unknown) => void;
  readonly atStep?: (step: AgentStep) => void;
}

export class AgentEnds {
  constructor(
    private readonly parts: EndParts,
    private readonly table: AgentTable,
    private readonly transfers: Transfers,
  ) {}

  /** Nothing new is authorised; once what is open has ended, the key ends too. @throws RefusedError conflict */
  async close(agent: Agent): Promise<void> {
    this.parts.store.transaction(() => {
      const children = this.table.countChildren(agent.id);
      if (children > 0 && this.table.byId(agent.id)?.state === 'active')
        throw new RefusedError(
          'conflict',
          `agents: ${children} children have not ended; close them, or revoke the agent`,
        );
      if (this.table.byId(agent.id)?.state === 'active') this.#end(agent, 'closing');
    });
    this.parts.atStep?.('agent_ended');
    await this.finish(agent.id);
  }

  /** At once, with all below it: one transaction for the keys, one group of the ledger for the budgets. */
  async revoke(agent: Agent): Promise<void> {
    await this.revokeKeys(keysOf([agent, ...this.table.livingBelow(agent)]));
    const ended = this.parts.store.transaction(() => {
      const all = [agent, ...this.table.livingBelow(agent)];
      for (const one of all) this.#end(one, 'revoked');
      return all;
    });
    // Of those that were made in the meantime.
    await this.revokeKeys(keysOf(ended));
    this.parts.atStep?.('agent_ended');
    await this.finish(agent.id);
    // The limits of those that were carved below it, but out of what lives on above it, go back there.
    for (const { id } of this.table.carvedBelow(agent, depthOf(agent))) await this.finish(id);
  }

  /** Revokes keys in one step. */
  async revokeKeys(ids: readonly string[]): Promise<void> {
    const at = this.parts.clock.now();
    const facts = ids.flatMap((id) => this.parts.keys.revokeFact(id, at) ?? []);
    if (facts.length > 0) await this.parts.ledger.run({ command: 'record_facts' }, { facts });
  }

  #end(agent: Agent, state: 'closing' | 'revoked' | 'expired'): void {
    const at = this.parts.clock.now();
    // A crash may have come between the ledger's new limits and the row's, which tell them once it has ended.
    if (this.table.byId(agent.id)?.state === 'active')
      this.table.setLimits(agent.id, this.transfers.limitsOf(agent));
    this.table.end(agent.id, state, { at, watchUntil: at + this.parts.retentionMs });
  }

  /** Tells the ledger of an end that was decided; done again, it does what is left to do. */
  async finish(id: string): Promise<void> {
    const agent = this.table.byId(id);
    if (agent === undefined || agent.state === 'active') return;
    const isHeld = await this.transfers.settleUp(agent, this.#isFunderAlive(agent));
    this.parts.atStep?.('agent_settled');
    if (agent.state !== 'closing' || isHeld) return;
    await this.revokeKeys(keysOf([agent]));
    this.parts.store.transaction(() => this.table.closed(id));
  }

  // What is left goes to the agent whose money it was; where that has ended too, it goes back with that one's own.
  #isFunderAlive({ mode, chain, drawsOn }: Agent): boolean {
    return mode === 'carved' && this.table.byId(chain[drawsOn])?.state === 'active';
  }

  /** Undoes what was being made when Bursar stopped: nobody has its key. */
  async undo(agent: Agent): Promise<void> {
    await this.transfers.settleUp(agent, this.#isFunderAlive(agent));
    this.parts.store.transaction(() => this.table.forget(agent.id));
  }

  /** Ends what has expired, and finishes what is closing. Resolves with how many expired. */
  async sweep(): Promise<number> {
    let count = 0;
    for (;;) {
      const expired = this.table.expired(this.parts.clock.now(), AGENTS_AT_ONCE);
      if (expired.length === 0) break;
      // One transaction for them: their keys ended by themselves.
      this.parts.store.transaction(() => {
        for (const agent of expired) this.#end(agent, 'expired');
      });
      this.parts.atStep?.('agent_ended');
      count += expired.length;
      for (const { id } of expired) await this.#finish(id);
    }
    for (const { id } of this.table.inState('closing')) await this.#finish(id);
    return count;
  }

  /** Looks at all that ended within the retention period: late charges and corrections are moved to where they belong. */
  async lookAfterEnded(): Promise<void> {
    this.table.unwatch(this.parts.clock.now());
    for (let after = 0; ; ) {
      const { agents, last } = this.table.watched(after, AGENTS_AT_ONCE);
      if (agents.length === 0) return;
      after = last;
      for (const { id } of agents) await this.#finish(id);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  // One that fails is tried again by the next sweep, and keeps none of the others.
  async #finish(id: string): Promise<void> {
    try {
      await this.finish(id);
    } catch (error) {
      this.parts.onFault('an agent that ended could not be settled up, and will be tried again', error);
    }
  }
}

function keysOf(agents: readonly Agent[]): readonly string[] {
  return agents.flatMap(({ keyId }) => keyId ?? []);
}
