// Agents that hand budgets to agents (field problems 39 and 40): made, shown, closed and revoked by
// those who may. Making one is three steps: the intent in the service's file, the limits in the ledger, and in one
// transaction the key and the agent; the last one decides. What a crash cut before it is undone at the next start.
// No call of an agent comes here: its key's labels are all that counts it.

import type { IssuedKey, KeyView, PreparedKey } from '../access/access-keys.js';
import { assertWithin, type NewKey } from '../access/key-spec.js';
import { LimitSetters } from '../access/limit-setters.js';
import { hasScope } from '../access/scopes.js';
import type { Amounts } from '../core/amount.js';
import type { Fact } from '../core/facts.js';
import { quoted } from '../core/labels.js';
import { actorOf, type Caller } from '../kit/caller.js';
import { RefusedError } from '../kit/refusals.js';
import type { ViewDatabase } from '../views/view.js';
import { type Agent, type AgentView, parentOf } from './agent.js';
import { AgentEnds, type EndParts, type EndsKeys } from './agent-ends.js';
import { type AgentIntent, AgentTable, pathOf } from './agent-table.js';
import { assertKeyPossible, assertLimits, keyOf, type NewAgent, newChild, newRoot } from './new-agent.js';
import { Standing } from './standing.js';
import { type Lacking, type TransferLedger, Transfers } from './transfers.js';

/** How soon what was left of an agent that expired, or whose last call ended, is given back. ms */
const SWEEP_EVERY_MS = 1_000;
/** Late charges are rare: every so many sweeps are they looked for. */
const SWEEPS_A_LOOK = 60;
/** What an agent calls itself. */
export const SELF = 'self';

export interface DelegationParts extends EndParts {
  readonly ledger: TransferLedger;
  readonly views: ViewDatabase;
  readonly keys: EndsKeys & {
    /** A key whose powers were judged by whoever asks for it. */
    prepare(key: NewKey, createdBy: string): PreparedKey;
    /** A new secret of a key that was made so. */
    renew(caller: Caller, id: string, overlapMs?: number): Promise<IssuedKey>;
    get(caller: Caller, id: string): KeyView;
  };
}

export interface IssuedAgent {
  readonly view: AgentView;
  /** The key's whole text, this once. */
  readonly secret: string;
}

/** `before`: the same request made it earlier; its key is not known any more. */
export type MadeAgent =
  | ({ readonly made: 'now' } & IssuedAgent)
  | { readonly made: 'before'; readonly view: AgentView }
  | ({ readonly made: false } & Lacking);

export type RaisedAgent =
  | { readonly raised: true; readonly view: AgentView }
  | ({ readonly raised: false } & Lacking);

export interface AgentPage {
  readonly views: readonly AgentView[];
  /** What `after` continues with; null at the end. */
  readonly next: string | null;
}

export class Delegation {
  readonly #table: AgentTable;
  readonly #transfers: Transfers;
  readonly #ends: AgentEnds;
  #timer: NodeJS.Timeout | null = null;
  #sweeping: Promise<unknown> = Promise.resolve();
  #sweeps = 0;

  readonly #setters: LimitSetters;

  constructor(private readonly parts: DelegationParts) {
    this.#setters = new LimitSetters(parts.views);
    this.#table = new AgentTable(parts.store);
    this.#transfers = new Transfers(parts.ledger);
    this.#ends = new AgentEnds(parts, this.#table, this.#transfers);
  }

  /** Undoes and finishes what a crash cut; before the first request. */
  async recover(): Promise<void> {
    for (const agent of this.#table.inState('creating')) await this.#ends.undo(agent);
    await this.#ends.sweep();
    await this.#ends.lookAfterEnded();
  }

  /**
   * A child of the agent whose key asks, or a root. Not made where those that it is to be carved from have too little, nor
   * again where the same request has made it: whoever lost that answer asks for a new key (`renewKey`).
   * @throws RefusedError invalid_request, forbidden, label_forbidden; conflict where the parent has ended, the tree is
   * too deep, or there are too many keys; idempotency_key_reused, idempotency_key_in_flight
   */
  async create(caller: Caller, stated: NewAgent): Promise<MadeAgent> {
    const now = this.parts.clock.now();
    const parent = this.#table.byKey(caller.keyId);
    const intent =
      parent === undefined
        ? newRoot(caller, stated, { now, makerExpiresAt: this.#expiryOf(caller) })
        : newChild(caller, parent, stated, now);
    const agent: Agent = { ...intent, state: 'active', keyId: null, endedAt: null };
    const before = this.#madeBefore(caller, intent);
    if (before !== null) return { made: 'before', view: this.#view(before) };
    assertKeyPossible(agent, now);
    if (agent.mode === 'shared') this.#assertCapped(agent);
    this.parts.store.transaction(() => this.#intend(intent));
    this.parts.atStep?.('agent_intended');
    try {
      const lacking = await this.#transfers.fund(agent);
      this.parts.atStep?.('agent_funded');
      if (lacking !== null) {
        this.parts.store.transaction(() => this.#table.forget(agent.id));
        return { made: false, ...lacking };
      }
      const { key, secret } = await this.#activate(agent, caller);
      this.parts.atStep?.('agent_made');
      return { made: 'now', view: this.#view({ ...agent, keyId: key.id }), secret };
    } catch (error) {
      // Of other faults nobody knows how far they came: the next start will see.
      if (error instanceof RefusedError) await this.#ends.undo(agent);
      throw error;
    }
  }

  #expiryOf(caller: Caller): number | null {
    return hasScope(caller, 'tenant_admin') ? this.parts.keys.get(caller, caller.keyId).expiresAt : null;
  }

  /** What the same request has made. @throws RefusedError idempotency_key_reused, idempotency_key_in_flight */
  #madeBefore(caller: Caller, { tenant, request, chain }: AgentIntent): Agent | null {
    const before = request === null ? undefined : this.#table.byRequest(tenant, request.id);
    if (before === undefined) return null;
    const about = { field: 'Idempotency-Key' };
    // An administrator of a part of the tenant learns nothing of another part's.
    const isOther = before.agent !== null && chain.length === 1 && !isWithin(caller, before.agent);
    if (before.digest !== request?.digest || isOther)
      throw new RefusedError('idempotency_key_reused', 'agents: another agent was asked for with it', about);
    if (before.agent === null)
      throw new RefusedError(
        'idempotency_key_in_flight',
        'agents: the agent is being made; ask again in a moment',
        about,
      );
    return before.agent;
  }

  /** Within a transaction. @throws RefusedError conflict */
  #intend(intent: AgentIntent): void {
    this.#assertParent(intent);
    this.#table.insert(intent);
  }

  /** The step that decides. @throws RefusedError conflict, store_unavailable */
  async #activate(agent: Agent, maker: Caller): Promise<IssuedKey> {
    this.#assertParent(agent);
    const prepared = this.parts.keys.prepare(keyOf(agent), maker.keyId);
    const facts = [prepared.fact, ...this.#setterFacts(maker, agent)];
    await this.parts.ledger.run({ command: 'record_facts' }, { actor: actorOf(maker), facts });
    try {
      this.parts.store.transaction(() => {
        this.#assertParent(agent);
        this.#table.activate(agent.id, prepared.key.id);
      });
    } catch (error) {
      await this.#ends.revokeKeys([prepared.key.id]);
      throw error;
    }
    return prepared;
  }

  #assertParent(agent: Pick<Agent, 'chain'>): void {
    const parent = parentOf(agent);
    const state = parent === null ? 'active' : this.#table.byId(parent)?.state;
    if (state !== 'active') throw new RefusedError('conflict', `agents: the parent is ${state}`);
  }

  // A child's limit is that of the agents above it, whichever of them set it, until an administrator sets it.
  #setterFacts(caller: Caller, { id }: Agent): readonly Fact[] {
    const isAgents = this.#table.byKey(caller.keyId) !== undefined;
    return isAgents ? [] : [this.#setters.fact(caller, { kind: 'agent', id })];
  }

  /** @throws RefusedError forbidden where one who can more set the limits */
  #assertMayRaise(caller: Caller, { id }: Agent): void {
    this.#setters.assertMayRaise(caller, { kind: 'agent', id });
  }

  /** A limit of its own above that of those whose money it spends would say nothing true. @throws RefusedError forbidden */
  #assertCapped({ chain, units, limits }: Agent): void {
    const parent = this.#table.byId(chain[chain.length - 2]);
    if (parent === undefined) return;
    const standing = new Standing(this.parts.ledger, parent);
    for (const unit of units) {
      for (let depth = parent.chain.length - 1; depth >= 0; depth -= 1) {
        const { granted } = standing.line(depth, unit, 'below');
        if (granted === null) continue;
        if ((limits[unit] ?? 0n) > granted) {
          const field = `limits.${unit}`;
          throw new RefusedError('forbidden', `${field}: is above the parent’s; a child is never wider`, {
            field,
          });
        }
        break;
      }
    }
  }

  /** @throws RefusedError not_found, also for an agent that is not the caller's to see */
  get(caller: Caller, id: string): AgentView {
    return this.#view(this.#seen(caller, id));
  }

  /** The tree below the caller, each agent before its children; an administrator's are all trees of the tenant. */
  list(caller: Caller, { after = '', max }: { readonly after?: string; readonly max: number }): AgentPage {
    const own = this.#table.byKey(caller.keyId);
    if (own === undefined) assertManager(caller);
    const below =
      own === undefined ? { tenant: caller.tenant, path: null } : { tenant: null, path: pathOf(own) };
    const views: AgentView[] = [];
    for (const agent of this.#table.after(after, below)) {
      if (own === undefined && !isWithin(caller, agent)) continue;
      if (views.length === max) return { views, next: pathOf(views[max - 1].agent) };
      views.push(this.#view(agent));
    }
    return { views, next: null };
  }

  /**
   * Nothing new is authorised, and what is left goes back where it was carved from; what open calls hold follows when
   * they end, and only then does the key. Closing what has ended changes nothing.
   * @throws RefusedError not_found, forbidden; conflict while children have not ended
   */
  async close(caller: Caller, id: string): Promise<AgentView> {
    const agent = this.#commanded(caller, id);
    await this.#ends.close(agent);
    return this.get(caller, agent.id);
  }

  /** Ends an agent and all below it at once, keys and budgets. @throws RefusedError not_found, forbidden */
  async revoke(caller: Caller, id: string): Promise<AgentView> {
    const agent = this.#commanded(caller, id);
    await this.#ends.revoke(agent);
    const ended = this.#table.byId(agent.id);
    return this.#view(ended ?? agent);
  }

  /**
   * A new secret for an agent's key, shown this once, for whoever has lost the one before, which stays good for
   * `overlapMs` (0 … 30 days, a day unless stated). By the agent itself, one above it, or an administrator.
   * @throws RefusedError not_found, forbidden, invalid_request; conflict where the agent has ended
   */
  async renewKey(caller: Caller, id: string, overlapMs?: number): Promise<IssuedAgent> {
    const agent = this.#commanded(caller, id);
    const { keyId, state } = agent;
    if (keyId === null || (state !== 'active' && state !== 'closing'))
      throw new RefusedError('conflict', `agents: the agent is ${state}, and its key has ended with it`);
    // Who gets the new secret can do all that the agent can: an administrator as if it made a root with these powers.
    if (this.#table.byKey(caller.keyId) === undefined) assertWithin(caller, agent, this.#expiryOf(caller));
    const { secret } = await this.parts.keys.renew(caller, keyId, overlapMs);
    return { view: this.#view(agent), secret };
  }

  /**
   * Raises an agent's limits to these, of a unit or several: a root's by an administrator, a child's by an agent above it
   * or an administrator. A carved one's come out of what its parent has left, in one step; a shared one's stay within its
   * parent's. Raising to what it has changes nothing. Not done where those above have too little.
   * @throws RefusedError not_found, forbidden, invalid_request; conflict where it has ended, or a limit would be lowered
   */
  async raise(caller: Caller, id: string, limits: Amounts): Promise<RaisedAgent> {
    const agent = this.#commanded(caller, id);
    if (agent.keyId === caller.keyId)
      throw new RefusedError('forbidden', 'agents: an agent does not raise its own limits');
    const units = Object.keys(limits);
    const other = units.find((unit) => !agent.units.includes(unit));
    if (other !== undefined || units.length === 0)
      throw new RefusedError('invalid_request', `limits: state some of ${agent.units.join(', ')}`, {
        field: 'limits',
      });
    assertLimits(limits, units);
    const isActive = () => this.#table.byId(agent.id)?.state === 'active';
    if (!isActive()) throw new RefusedError('conflict', `agents: the agent is ${agent.state}`);
    if (agent.mode === 'shared') this.#assertCapped({ ...agent, limits });
    this.#assertMayRaise(caller, agent);
    const lacking = await this.#transfers.raise(agent, limits, isActive);
    if (lacking !== null) return { raised: false, ...lacking };
    this.parts.atStep?.('agent_raised');
    const facts = this.#setterFacts(caller, agent);
    await this.parts.ledger.run({ command: 'record_facts' }, { actor: actorOf(caller), facts });
    this.parts.store.transaction(() => {
      const before = this.#table.byId(agent.id)?.limits;
      this.#table.setLimits(agent.id, { ...before, ...limits });
    });
    return { raised: true, view: this.get(caller, agent.id) };
  }

  /** A key was revoked as such: were it an agent's, the agent and all below it end with it. Again changes nothing. */
  async keyRevoked(keyId: string): Promise<void> {
    const agent = this.#table.byKey(keyId);
    if (agent !== undefined) await this.#ends.revoke(agent);
  }

  #view(agent: Agent): AgentView {
    const { figures } = new Standing(this.parts.ledger, agent);
    return { agent, figures, children: this.#table.countChildren(agent.id) };
  }

  /** @throws RefusedError not_found, forbidden */
  #seen(caller: Caller, id: string): Agent {
    const own = this.#table.byKey(caller.keyId);
    if (own === undefined) assertManager(caller);
    const agent = id === SELF && own !== undefined ? own : this.#table.byId(id);
    const isSeen =
      agent !== undefined && (own === undefined ? isWithin(caller, agent) : agent.chain.includes(own.id));
    if (!isSeen) throw new RefusedError('not_found', `there is no agent ${quoted(id)}`, { field: 'id' });
    return agent;
  }

  #commanded(caller: Caller, id: string): Agent {
    const agent = this.#seen(caller, id);
    if (this.#table.byKey(caller.keyId) === undefined && !hasScope(caller, 'tenant_admin'))
      throw new RefusedError(
        'forbidden',
        'this needs a key with the scope tenant_admin, or the key of an agent above',
      );
    return agent;
  }

  /** Sweeps now and then until `stop`. */
  start(): void {
    this.#timer = setTimeout(() => {
      this.#sweeping = this.sweep()
        .catch((error) => this.parts.onFault('agents could not be looked after', error))
        .finally(() => {
          if (this.#timer !== null) this.start();
        });
    }, SWEEP_EVERY_MS);
    this.#timer.unref();
  }

  /** No further sweep begins; resolves when the one under way is done. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#sweeping;
  }

  /** What expired is ended, what is closing is finished, and at times late charges are looked for. */
  async sweep(): Promise<void> {
    await this.#ends.sweep();
    this.#sweeps += 1;
    if (this.#sweeps % SWEEPS_A_LOOK === 0) await this.#ends.lookAfterEnded();
  }
}

function assertManager(caller: Caller): void {
  if (!hasScope(caller, 'read'))
    throw new RefusedError('forbidden', 'this needs the key of an agent, or one with the scope read');
}

/** Whether an agent has all labels that the caller's key has: those of its tenant, and of its part of it. */
function isWithin(caller: Caller, { labels }: Agent): boolean {
  return Object.entries(caller.labels).every(
    ([name, value]) => Object.hasOwn(labels, name) && labels[name] === value,
  );
}
