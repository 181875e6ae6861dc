// Agents that hand budgets to agents: made, shown, raised, closed and revoked by those who may. Making one is one step of the
// ledger: its limits, its key and the agent itself, or nothing. Agent calls do not pass through this module: the labels of the
// agent's key are enough to count them. Used by the HTTP API.

import { assertWithin, type NewKey } from '../access/key-spec.js';
import type { LimitSetters } from '../access/limit-setters.js';
import { hasScope } from '../access/scopes.js';
import type { Amounts } from '../core/amount.js';
import type { Fact } from '../core/facts.js';
import { actorOf, type Caller } from '../kit/caller.js';
import { invalid, notFound, RefusedError } from '../kit/refusals.js';
import { SerialQueue } from '../kit/serial-queue.js';
import type { ViewDatabase } from '../views/view.js';
import { type Agent, type AgentDraft, type AgentView, isLiving, parentOf } from './agent.js';
import { AgentEnds, type AgentEndsParts, type EndsKeys } from './agent-ends.js';
import { AgentLedger, type AgentLedgerPart, type Lacking } from './agent-ledger.js';
import { AgentTable, agentFact, pathOf } from './agents-facts.js';
import { assertLimits, keyOf, type NewAgent, newChild, newRoot } from './new-agent.js';

/** How soon the rest of an agent that expired, or whose last call ended, is given back. ms */
const SWEEP_EVERY_MS = 1_000;
/** Late charges are rare: they are looked for once in so many sweeps. */
const SWEEPS_A_LOOK = 60;
/** What an agent calls itself. */
export const SELF = 'self';

/** The keys, as far as agents need them. */
export interface AgentKeys extends EndsKeys {
  /** A key whose powers were judged here. It exists once its fact is written. */
  prepare(
    key: NewKey,
    createdBy: string,
  ): { readonly key: { readonly id: string }; readonly secret: string; readonly fact: Fact };
  /** A new secret of a key that was made so. */
  renew(caller: Caller, id: string, overlapMs?: number): Promise<{ readonly secret: string }>;
  get(caller: Caller, id: string): { readonly expiresAt: number | null };
}

export interface AgentsParts extends AgentEndsParts {
  readonly views: ViewDatabase;
  readonly ledger: AgentLedgerPart;
  readonly keys: AgentKeys;
  readonly setters: LimitSetters;
}

export interface IssuedAgent {
  readonly view: AgentView;
  /** The whole text of the key, this once. */
  readonly secret: string;
}

/** `before`: the same request made it earlier, and its key is not known any more. */
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

export class Agents {
  readonly #table: AgentTable;
  readonly #ledger: AgentLedger;
  readonly #ends: AgentEnds;
  /** A request that is repeated while it is under way waits for its first answer. */
  readonly #requests = new SerialQueue();
  #timer: NodeJS.Timeout | null = null;
  #sweeping: Promise<unknown> = Promise.resolve();
  #sweeps = 0;

  constructor(private readonly parts: AgentsParts) {
    this.#table = new AgentTable(parts.views);
    this.#ledger = new AgentLedger(parts.ledger);
    this.#ends = new AgentEnds(parts, this.#table, this.#ledger);
  }

  /**
   * A child of the agent whose key asks, or a root. It is not made where those that it is to be carved from have too little,
   * nor again where the same request has made it: whoever lost that answer asks for a new key (`renewKey`).
   * @throws RefusedError invalid_request, forbidden, label_forbidden; conflict where the parent has ended, the tree is
   * too deep, or there are too many keys; idempotency_key_reused
   */
  async create(caller: Caller, wanted: NewAgent): Promise<MadeAgent> {
    const now = this.parts.clock.now();
    const parent = this.#table.byKey(caller.keyId);
    const draft =
      parent === undefined
        ? newRoot(caller, wanted, { now, makerExpiresAt: this.#expiryOf(caller) })
        : newChild(caller, parent, wanted, now);
    const create = () => this.#ledger.inTree(draft, () => this.#create(caller, draft));
    const { tenant, request } = draft;
    return request === null ? create() : this.#requests.run(JSON.stringify([tenant, request.id]), create);
  }

  async #create(caller: Caller, draft: AgentDraft): Promise<MadeAgent> {
    const before = this.#madeBefore(caller, draft);
    if (before !== null) return { made: 'before', view: this.#view(before) };
    this.#assertParent(draft);
    if (draft.mode === 'shared') this.#assertCapped(draft);
    const { key, secret, fact } = this.parts.keys.prepare(keyOf(draft), caller.keyId);
    const agent: Agent = { ...draft, state: 'active', keyId: key.id, endedAt: null, watchedUntil: null };
    const facts = [agentFact('agent_created', agent), fact, ...this.#setterFacts(caller, agent)];
    const lacking = await this.#ledger.fund(agent, { actor: actorOf(caller), facts });
    return lacking === null ? { made: 'now', view: this.#view(agent), secret } : { made: false, ...lacking };
  }

  #expiryOf(caller: Caller): number | null {
    return hasScope(caller, 'tenant_admin') ? this.parts.keys.get(caller, caller.keyId).expiresAt : null;
  }

  /** What the same request has made. @throws RefusedError idempotency_key_reused */
  #madeBefore(caller: Caller, { tenant, request, chain }: AgentDraft): Agent | null {
    const before = request === null ? undefined : this.#table.byRequest(tenant, request.id);
    if (before === undefined) return null;
    // An administrator of a part of the tenant learns nothing of another part's.
    const isOther = chain.length === 1 && !isWithin(caller, before);
    if (before.request?.digest !== request?.digest || isOther)
      throw new RefusedError('idempotency_key_reused', 'agents: another agent was asked for with it', {
        field: 'Idempotency-Key',
      });
    return before;
  }

  #assertParent(agent: Pick<Agent, 'chain'>): void {
    const parent = parentOf(agent);
    const state = parent === null ? 'active' : this.#table.byId(parent)?.state;
    if (state !== 'active') throw new RefusedError('conflict', `agents: the parent is ${state}`);
  }

  // A child's limit belongs to the agents above it, whichever of them set it, until an administrator sets it.
  #setterFacts(caller: Caller, { id }: Agent): Fact[] {
    const isAgent = this.#table.byKey(caller.keyId) !== undefined;
    return isAgent ? [] : [this.parts.setters.fact(caller, { kind: 'agent', id })];
  }

  /** A limit above that of those whose money the agent spends would say nothing true. @throws RefusedError forbidden */
  #assertCapped({ chain, units, limits }: AgentDraft): void {
    const parent = this.#table.byId(chain[chain.length - 2]);
    if (parent === undefined) return;
    const balances = this.#ledger.balances(parent);
    for (const unit of units) {
      const granted = parent.chain
        .map((_id, depth) => balances.line(depth, unit, 'below').granted)
        .findLast((limit) => limit !== null);
      if (granted === undefined || granted === null || (limits[unit] ?? 0n) <= granted) continue;
      const field = `limits.${unit}`;
      throw new RefusedError('forbidden', `${field}: is above the parent’s; a child is never wider`, {
        field,
      });
    }
  }

  /** @throws RefusedError not_found, also for an agent that the caller may not see */
  get(caller: Caller, id: string): AgentView {
    return this.#view(this.#visible(caller, id));
  }

  /** The tree below the caller, each agent before its children. An administrator sees all trees of the tenant. */
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
   * Nothing new is authorised, and what is left goes back where it was carved from. What open calls hold follows when they
   * end, and only then ends the key. Closing an agent that has ended changes nothing.
   * @throws RefusedError not_found, forbidden; conflict while children have not ended
   */
  async close(caller: Caller, id: string): Promise<AgentView> {
    const agent = this.#managed(caller, id);
    await this.#ends.close(agent, actorOf(caller));
    return this.get(caller, agent.id);
  }

  /** Ends an agent and all below it at once, keys and budgets. @throws RefusedError not_found, forbidden */
  async revoke(caller: Caller, id: string): Promise<AgentView> {
    const agent = this.#managed(caller, id);
    await this.#ends.revoke(agent, actorOf(caller));
    return this.#view(this.#table.byId(agent.id) ?? agent);
  }

  /** Revokes the agent whose key this is, and all below it. Nothing for a key that is no agent's. */
  async revokeWithKey(caller: Caller, keyId: string): Promise<void> {
    const agent = this.#table.byKey(keyId);
    if (agent !== undefined) await this.#ends.revoke(agent, actorOf(caller));
  }

  /**
   * A new secret for an agent's key, shown this once, for whoever has lost the one before. That one stays good for
   * `overlapMs` (0 … 30 days, a day by default). For the agent itself, one above it, or an administrator.
   * @throws RefusedError not_found, forbidden, invalid_request; conflict where the agent has ended
   */
  async renewKey(caller: Caller, id: string, overlapMs?: number): Promise<IssuedAgent> {
    const agent = this.#managed(caller, id);
    if (!isLiving(agent))
      throw new RefusedError(
        'conflict',
        `agents: the agent is ${agent.state}, and its key has ended with it`,
      );
    // Who gets the new secret can do all that the agent can: an administrator as if it made a root with these powers.
    if (this.#table.byKey(caller.keyId) === undefined) assertWithin(caller, agent, this.#expiryOf(caller));
    const { secret } = await this.parts.keys.renew(caller, agent.keyId, overlapMs);
    return { view: this.#view(agent), secret };
  }

  /**
   * Raises an agent's limits to these, of a unit or several: a root's by an administrator, a child's by an agent above it or
   * an administrator. A carved child's come out of what its parent has left, in one step. A shared child's stay within its
   * parent's. Raising to what it has changes nothing. Not done where those above have too little.
   * @throws RefusedError not_found, forbidden, invalid_request; conflict where it has ended, or a limit would be lowered
   */
  async raise(caller: Caller, id: string, limits: Amounts): Promise<RaisedAgent> {
    const { keyId, units, ...found } = this.#managed(caller, id);
    if (keyId === caller.keyId)
      throw new RefusedError('forbidden', 'agents: an agent does not raise its own limits');
    const stated = Object.keys(limits);
    if (stated.length === 0 || stated.some((unit) => !units.includes(unit)))
      throw invalid('limits', `state some of ${units.join(', ')}`);
    assertLimits(limits, stated);
    return this.#ledger.inTree(found, async () => {
      const agent = this.#managed(caller, found.id);
      if (agent.state !== 'active') throw new RefusedError('conflict', `agents: the agent is ${agent.state}`);
      if (agent.mode === 'shared') this.#assertCapped({ ...agent, limits });
      this.parts.setters.assertMayRaise(caller, { kind: 'agent', id: agent.id });
      const raised = { ...agent, limits: { ...agent.limits, ...limits } };
      const facts = [agentFact('agent_raised', raised), ...this.#setterFacts(caller, agent)];
      const lacking = await this.#ledger.raise(agent, limits, { actor: actorOf(caller), facts });
      return lacking === null
        ? { raised: true, view: this.get(caller, agent.id) }
        : { raised: false, ...lacking };
    });
  }

  #view(agent: Agent): AgentView {
    const figures = this.#ledger.balances(agent).figuresOf(agent);
    return { agent, figures, children: this.#table.countChildren(agent.id) };
  }

  /** @throws RefusedError not_found, forbidden */
  #visible(caller: Caller, id: string): Agent {
    const own = this.#table.byKey(caller.keyId);
    if (own === undefined) assertManager(caller);
    const agent = id === SELF && own !== undefined ? own : this.#table.byId(id);
    const isVisible =
      agent !== undefined && (own === undefined ? isWithin(caller, agent) : agent.chain.includes(own.id));
    if (!isVisible) throw notFound('id', 'agent', id);
    return agent;
  }

  /** @throws RefusedError not_found, forbidden */
  #managed(caller: Caller, id: string): Agent {
    const agent = this.#visible(caller, id);
    if (this.#table.byKey(caller.keyId) === undefined && !hasScope(caller, 'tenant_admin'))
      throw new RefusedError(
        'forbidden',
        'this needs a key with the scope tenant_admin, or the key of an agent above',
      );
    return agent;
  }

  /** Sweeps every second until `stop`. */
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

  /** No further sweep begins. Resolves when the one under way is done. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#sweeping;
  }

  /** Ends what has expired, goes on with what is closing, and at times, the first time too, looks for late charges. */
  async sweep(): Promise<void> {
    await this.#ends.sweep();
    if (this.#sweeps % SWEEPS_A_LOOK === 0) await this.#ends.lookAfterEnded();
    this.#sweeps += 1;
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
