// Agents in the service's file: the statements. A path is the ids from the root on, joined by `/`; ids rise with time, so
// paths in order are the tree, each agent before its children and these in the order of their making.

import { randomBytes } from 'node:crypto';
import type { Amounts } from '../core/amount.js';
import type { Labels } from '../core/requests.js';
import type { Scope } from '../kit/caller.js';
import type { ServiceStore } from '../kit/service-store.js';
import { type Agent, type AgentMode, type AgentState, parentOf } from './agent.js';
import { UNITS_SEPARATOR } from './agent-budgets.js';

/** Rows read at once where a statement goes through many. */
const ROWS_AT_ONCE = 100;

const PATH_SEPARATOR = '/';
/** The character after the separator: behind every path below one. */
const AFTER_SEPARATOR = '0';

interface Row {
  readonly id: string;
  readonly tenant: string;
  readonly path: string;
  readonly name: string;
  readonly mode: AgentMode;
  readonly state: AgentState;
  readonly draws_on: number;
  readonly units: string;
  readonly limits: string;
  readonly labels: string;
  readonly caller_labels: string;
  readonly scopes: string;
  readonly key_id: string | null;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly ended_at: number | null;
}

/** An agent that is being made: nobody sees it, and it has no key. */
export type AgentIntent = Omit<Agent, 'state' | 'keyId' | 'endedAt'> & { readonly request: Request | null };

/** What asked for an agent, so that a repeat is known. */
export interface Request {
  /** One maker's: two agents of a tenant may use the same id, and a root's is its tenant's. */
  readonly id: string;
  /** Of what was stated: another one under the same id is no repeat. */
  readonly digest: string;
}

/** Which agents a list is of: a tenant's, those below a path, or all. */
export interface Below {
  readonly tenant: string | null;
  readonly path: string | null;
}

const LIVING = "state IN ('active', 'closing')";
const SEEN = "state <> 'creating'";

export class AgentTable {
  readonly #insert;
  readonly #activate;
  readonly #forget;
  readonly #byId;
  readonly #byKey;
  readonly #byRequest;
  readonly #children;
  readonly #page;
  readonly #pageOfTenant;
  readonly #expired;
  readonly #inState;
  readonly #watched;
  readonly #livingBelow;
  readonly #carvedBelow;
  readonly #setLimits;
  readonly #end;
  readonly #setState;
  readonly #unwatch;

  constructor(store: ServiceStore) {
    this.#insert = store.prepare<[Record<string, unknown>]>(
      `INSERT INTO agents (id, tenant, parent, path, name, mode, state, draws_on, units, limits, labels, caller_labels,
        scopes, request_id, request_digest, created_at, expires_at)
       VALUES (@id, @tenant, @parent, @path, @name, @mode, 'creating', @drawsOn, @units, @limits, @labels, @callerLabels,
        @scopes, @requestId, @requestDigest, @createdAt, @expiresAt)`,
    );
    this.#activate = store.prepare<[string, string]>(
      "UPDATE agents SET state = 'active', key_id = ? WHERE id = ? AND state = 'creating'",
    );
    this.#forget = store.prepare<[string]>("DELETE FROM agents WHERE id = ? AND state = 'creating'");
    this.#byId = store.prepare<[string], Row>(`SELECT * FROM agents WHERE id = ? AND ${SEEN}`);
    this.#byKey = store.prepare<[string], Row>('SELECT * FROM agents WHERE key_id = ?');
    this.#byRequest = store.prepare<[string, string], Row & { readonly request_digest: string | null }>(
      'SELECT * FROM agents WHERE tenant = ? AND request_id = ?',
    );
    this.#children = store.prepare<[string], { count: number }>(
      `SELECT count(*) AS count FROM agents WHERE parent = ? AND ${LIVING}`,
    );
    const page = (where: string) =>
      `SELECT * FROM agents WHERE ${where} path > ? AND path < ? AND ${SEEN} ORDER BY path LIMIT ?`;
    this.#page = store.prepare<[string, string, number], Row>(page(''));
    this.#pageOfTenant = store.prepare<[string, string, string, number], Row>(page('tenant = ? AND'));
    this.#expired = store.prepare<[number, number], Row>(
      `SELECT * FROM agents WHERE expires_at <= ? AND ${LIVING} ORDER BY expires_at, path LIMIT ?`,
    );
    this.#inState = store.prepare<['creating' | 'closing'], Row>(
      "SELECT * FROM agents WHERE state IN ('creating', 'closing') AND state = ? ORDER BY number",
    );
    this.#watched = store.prepare<[number, number], Row & { number: number }>(
      'SELECT * FROM agents WHERE watch_until IS NOT NULL AND number > ? ORDER BY number LIMIT ?',
    );
    const below = (where: string) =>
      `SELECT * FROM agents WHERE path > ? AND path < ? AND ${where} ORDER BY path`;
    this.#livingBelow = store.prepare<[string, string], Row>(below(LIVING));
    this.#carvedBelow = store.prepare<[string, string, number], Row>(
      below("mode = 'carved' AND draws_on < ?"),
    );
    this.#setLimits = store.prepare<[string, string]>('UPDATE agents SET limits = ? WHERE id = ?');
    this.#end = store.prepare<[AgentState, number, number, string]>(
      `UPDATE agents SET state = ?, ended_at = coalesce(ended_at, ?), watch_until = ? WHERE id = ? AND ${LIVING}`,
    );
    this.#setState = store.prepare<[string]>(
      "UPDATE agents SET state = 'closed' WHERE id = ? AND state = 'closing'",
    );
    this.#unwatch = store.prepare<[number]>('UPDATE agents SET watch_until = NULL WHERE watch_until <= ?');
  }

  insert(agent: AgentIntent): void {
    const { id, tenant, name, mode, drawsOn, request, createdAt, expiresAt } = agent;
    this.#insert.run({
      ...{ id, tenant, name, mode, drawsOn, createdAt, expiresAt },
      requestId: request?.id ?? null,
      requestDigest: request?.digest ?? null,
      parent: parentOf(agent),
      path: pathOf(agent),
      units: agent.units.join(UNITS_SEPARATOR),
      limits: limitsText(agent.limits),
      labels: JSON.stringify(agent.labels),
      callerLabels: JSON.stringify(agent.callerLabels),
      scopes: JSON.stringify(agent.scopes),
    });
  }

  activate(id: string, keyId: string): void {
    this.#activate.run(keyId, id);
  }

  /** Of an agent that was not made in the end. */
  forget(id: string): void {
    this.#forget.run(id);
  }

  byId(id: string): Agent | undefined {
    return found(this.#byId.get(id));
  }

  byKey(keyId: string): Agent | undefined {
    return found(this.#byKey.get(keyId));
  }

  /** What a request of this id made, or is making: `agent` null. */
  byRequest(
    tenant: string,
    requestId: string,
  ): { readonly agent: Agent | null; readonly digest: string | null } | undefined {
    const row = this.#byRequest.get(tenant, requestId);
    if (row === undefined) return undefined;
    const isMade = (row.state as string) !== 'creating';
    return { agent: isMade ? agentOf(row) : null, digest: row.request_digest };
  }

  /** Children that have not ended: read from an index. */
  countChildren(id: string): number {
    return this.#children.get(id)?.count ?? 0;
  }

  /** In the order of paths, after one ('' = from the beginning). */
  *after(path: string, { tenant, path: above }: Below): Generator<Agent> {
    const end = above === null ? END_OF_PATHS : above + AFTER_SEPARATOR;
    const begin = above === null ? '' : above + PATH_SEPARATOR;
    // A cursor leads no further up than the list does.
    let last = path < begin ? begin : path;
    for (;;) {
      const rows =
        tenant === null
          ? this.#page.all(last, end, ROWS_AT_ONCE)
          : this.#pageOfTenant.all(tenant, last, end, ROWS_AT_ONCE);
      yield* rows.map(agentOf);
      if (rows.length < ROWS_AT_ONCE) return;
      last = rows[rows.length - 1].path;
    }
  }

  /** Parents before their children, at most so many. */
  expired(now: number, max: number): Agent[] {
    return this.#expired.all(now, max).map(agentOf);
  }

  inState(state: 'creating' | 'closing'): Agent[] {
    return this.#inState.all(state).map(agentOf);
  }

  /** Ended agents for which late charges may still come, a few at a time. */
  watched(after: number, max: number): { readonly agents: Agent[]; readonly last: number } {
    const rows = this.#watched.all(after, max);
    return { agents: rows.map(agentOf), last: rows.length === 0 ? after : rows[rows.length - 1].number };
  }

  livingBelow(agent: Agent): Agent[] {
    const path = pathOf(agent);
    return this.#livingBelow.all(path + PATH_SEPARATOR, path + AFTER_SEPARATOR).map(agentOf);
  }

  /** Carved descendants whose limits were set aside above this depth. */
  carvedBelow(agent: Agent, depth: number): Agent[] {
    const path = pathOf(agent);
    return this.#carvedBelow.all(path + PATH_SEPARATOR, path + AFTER_SEPARATOR, depth).map(agentOf);
  }

  setLimits(id: string, limits: Amounts): void {
    this.#setLimits.run(limitsText(limits), id);
  }

  /** Where it has not ended; whoever was first counts. */
  end(id: string, state: AgentState, { at, watchUntil }: { at: number; watchUntil: number }): void {
    this.#end.run(state, at, watchUntil, id);
  }

  closed(id: string): void {
    this.#setState.run(id);
  }

  unwatch(now: number): void {
    this.#unwatch.run(now);
  }
}

function limitsText(limits: Amounts): string {
  return JSON.stringify(limits, (_key, value) => (typeof value === 'bigint' ? String(value) : value));
}

const END_OF_PATHS = '\u{10ffff}';

export function pathOf({ chain }: Pick<Agent, 'chain'>): string {
  return chain.join(PATH_SEPARATOR);
}

/** 9 characters of time and 8 at random. */
export function newAgentId(now: number): string {
  return now.toString(36).padStart(9, '0') + randomBytes(4).toString('hex');
}

function found(row: Row | undefined): Agent | undefined {
  return row === undefined ? undefined : agentOf(row);
}

function agentOf(row: Row): Agent {
  const limits = JSON.parse(row.limits) as Record<string, string>;
  return {
    id: row.id,
    tenant: row.tenant,
    name: row.name,
    mode: row.mode,
    state: row.state,
    chain: row.path.split(PATH_SEPARATOR),
    drawsOn: row.draws_on,
    units: row.units.split(UNITS_SEPARATOR),
    limits: Object.fromEntries(
      Object.entries(limits).map(([unit, steps]) => [unit, BigInt(steps)]),
    ) as Amounts,
    labels: JSON.parse(row.labels) as Labels,
    callerLabels: JSON.parse(row.caller_labels) as string[],
    scopes: JSON.parse(row.scopes) as Scope[],
    keyId: row.key_id,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    endedAt: row.ended_at,
  };
}
