// The facts of agents, and the view that is made of them: who the agents are and how they hang together. What an agent may
// spend and has spent is the ledger's. Written by agents.ts and agent-ends.ts, with the commands that the facts are about.
// A path is the ids from the root on, joined by `/`. Ids rise with time, so agents in the order of their paths are the
// tree: each agent before its children, and these in the order of their making.

import { randomBytes } from 'node:crypto';
import type { Fact } from '../core/facts.js';
import { factOf, recordOf } from '../kit/facts.js';
import { type ApplyFact, applyByKind, type View, type ViewDatabase } from '../views/view.js';
import { type Agent, isLiving, parentOf } from './agent.js';

/** Rows read at once where a statement goes through many. */
const ROWS_AT_ONCE = 100;

const PATH_SEPARATOR = '/';
/** The character after the separator: it sorts behind every path below an agent. */
const AFTER_SEPARATOR = '0';
const END_OF_PATHS = '\u{10ffff}';

/** An agent as its facts carry it, whole after each change: amounts are texts of steps. */
type AgentRecord = Omit<Agent, 'limits'> & { readonly limits: Readonly<Record<string, string>> };

/** `agent_ended`: closing, revoked or expired. `agent_closed`: its last open call has ended. */
export type AgentFactKind = 'agent_created' | 'agent_raised' | 'agent_ended' | 'agent_closed';

export function agentFact(kind: AgentFactKind, agent: Agent): Fact {
  const limits = Object.entries(agent.limits).map(([unit, steps]) => [unit, steps.toString()]);
  const record: AgentRecord = { ...agent, limits: Object.fromEntries(limits) };
  return factOf('agents', kind, record);
}

interface Row {
  readonly path: string;
  readonly body: string;
}

export const AGENTS_VIEW: View = {
  feature: 'agents',
  tables: `
    CREATE TABLE agents (
      id TEXT PRIMARY KEY,
      tenant TEXT NOT NULL,
      path TEXT NOT NULL,
      -- What the statements below look for, taken out of the body.
      parent TEXT,
      state TEXT NOT NULL,
      is_living INTEGER NOT NULL,
      carved_from INTEGER,
      key_id TEXT NOT NULL,
      request_id TEXT,
      expires_at INTEGER,
      watched_until INTEGER,
      body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX agents_by_path ON agents (path);
    CREATE INDEX agents_of_tenant ON agents (tenant, path);
    CREATE INDEX agents_of_key ON agents (key_id);
    CREATE INDEX agents_of_request ON agents (tenant, request_id) WHERE request_id IS NOT NULL;
    CREATE INDEX agents_living ON agents (parent) WHERE is_living = 1;
    CREATE INDEX agents_expiring ON agents (expires_at, path) WHERE is_living = 1;
    CREATE INDEX agents_closing ON agents (path) WHERE state = 'closing';
    CREATE INDEX agents_watched ON agents (watched_until, id) WHERE watched_until IS NOT NULL;`,
  open(db) {
    const put = db.prepare<[Record<string, unknown>]>(
      `INSERT INTO agents (id, tenant, path, parent, state, is_living, carved_from, key_id, request_id, expires_at,
         watched_until, body)
       VALUES (@id, @tenant, @path, @parent, @state, @isLiving, @carvedFrom, @keyId, @requestId, @expiresAt,
         @watchedUntil, @body)
       ON CONFLICT (id) DO UPDATE SET state = excluded.state, is_living = excluded.is_living,
         watched_until = excluded.watched_until, body = excluded.body`,
    );
    const putWhole: ApplyFact = (fact) => {
      const agent = recordOf<AgentRecord>(fact);
      const { id, tenant, state, mode, drawsOn, keyId, request, expiresAt, watchedUntil } = agent;
      put.run({
        ...{ id, tenant, state, keyId, expiresAt, watchedUntil },
        path: pathOf(agent),
        parent: parentOf(agent),
        isLiving: isLiving(agent) ? 1 : 0,
        carvedFrom: mode === 'carved' ? drawsOn : null,
        requestId: request?.id ?? null,
        body: fact.body,
      });
    };
    return applyByKind<AgentFactKind>('agents', {
      agent_created: putWhole,
      agent_raised: putWhole,
      agent_ended: putWhole,
      agent_closed: putWhole,
    });
  },
};

/** Which agents a list is of: a tenant's, those below a path, or all. */
export interface AgentsBelow {
  readonly tenant: string | null;
  readonly path: string | null;
}

/** The view's rows, for reading. */
export class AgentTable {
  readonly #byId;
  readonly #byKey;
  readonly #byRequest;
  readonly #countChildren;
  readonly #page;
  readonly #pageOfTenant;
  readonly #expired;
  readonly #closing;
  readonly #outliving;
  readonly #watched;
  readonly #livingBelow;
  readonly #carvedBelow;

  constructor(db: ViewDatabase) {
    const agents = (where: string) => `SELECT path, body FROM agents WHERE ${where}`;
    this.#byId = db.prepare<[string], Row>(agents('id = ?'));
    this.#byKey = db.prepare<[string], Row>(agents('key_id = ?'));
    this.#byRequest = db.prepare<[string, string], Row>(agents('tenant = ? AND request_id = ?'));
    this.#countChildren = db
      .prepare<[string], number>('SELECT count(*) FROM agents WHERE parent = ? AND is_living = 1')
      .pluck();
    const page = (where: string) => agents(`${where} path > ? AND path < ? ORDER BY path LIMIT ?`);
    this.#page = db.prepare<[string, string, number], Row>(page(''));
    this.#pageOfTenant = db.prepare<[string, string, string, number], Row>(page('tenant = ? AND'));
    this.#expired = db.prepare<[number, number], Row>(
      agents('expires_at <= ? AND is_living = 1 ORDER BY expires_at, path LIMIT ?'),
    );
    this.#closing = db.prepare<[], Row>(agents("state = 'closing' ORDER BY path"));
    this.#outliving = db.prepare<[], Row>(
      `SELECT child.path, child.body FROM agents AS child JOIN agents AS above ON above.id = child.parent
       WHERE child.is_living = 1 AND above.state = 'revoked' ORDER BY child.path`,
    );
    this.#watched = db.prepare<[number, string, number], Row>(
      agents('watched_until IS NOT NULL AND (watched_until, id) > (?, ?) ORDER BY watched_until, id LIMIT ?'),
    );
    const below = (where: string) => agents(`path > ? AND path < ? AND ${where} ORDER BY path`);
    this.#livingBelow = db.prepare<[string, string], Row>(below('is_living = 1'));
    this.#carvedBelow = db.prepare<[string, string, number], Row>(below('carved_from < ?'));
  }

  byId(id: string): Agent | undefined {
    return agentOrNone(this.#byId.get(id));
  }

  byKey(keyId: string): Agent | undefined {
    return agentOrNone(this.#byKey.get(keyId));
  }

  /** What a request of this id made. */
  byRequest(tenant: string, requestId: string): Agent | undefined {
    return agentOrNone(this.#byRequest.get(tenant, requestId));
  }

  /** Children that have not ended: read from an index. */
  countChildren(id: string): number {
    return this.#countChildren.get(id) ?? 0;
  }

  /** In the order of paths, after one ('' = from the beginning). */
  *after(path: string, { tenant, path: above }: AgentsBelow): Generator<Agent> {
    const end = above === null ? END_OF_PATHS : above + AFTER_SEPARATOR;
    const begin = above === null ? '' : above + PATH_SEPARATOR;
    // A cursor cannot reach rows above the agent whose list this is.
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

  /** Living agents whose time is over, parents before their children, at most so many. */
  expired(now: number, max: number): Agent[] {
    return this.#expired.all(now, max).map(agentOf);
  }

  closing(): Agent[] {
    return this.#closing.all().map(agentOf);
  }

  /** Living agents whose parent was revoked. */
  outliving(): Agent[] {
    return this.#outliving.all().map(agentOf);
  }

  /** Agents for which late charges may come after this instant; after an id of that instant; at most so many. */
  watched(until: number, id: string, max: number): Agent[] {
    return this.#watched.all(until, id, max).map(agentOf);
  }

  livingBelow(agent: Agent): Agent[] {
    return this.#livingBelow.all(...rangeBelow(agent)).map(agentOf);
  }

  /** Carved descendants whose limits were set aside above this depth. */
  carvedBelow(agent: Agent, depth: number): Agent[] {
    return this.#carvedBelow.all(...rangeBelow(agent), depth).map(agentOf);
  }
}

export function pathOf({ chain }: Pick<Agent, 'chain'>): string {
  return chain.join(PATH_SEPARATOR);
}

function rangeBelow(agent: Agent): [string, string] {
  const path = pathOf(agent);
  return [path + PATH_SEPARATOR, path + AFTER_SEPARATOR];
}

/** 9 characters of time and 12 at random. Shorter than a UUID: a call's labels have the id of every agent above it. */
export function newAgentId(now: number): string {
  return now.toString(36).padStart(9, '0') + randomBytes(6).toString('hex');
}

function agentOrNone(row: Row | undefined): Agent | undefined {
  return row === undefined ? undefined : agentOf(row);
}

function agentOf(row: Row): Agent {
  const { limits, ...agent } = recordOf<AgentRecord>(row);
  return {
    ...agent,
    limits: Object.fromEntries(Object.entries(limits).map(([unit, steps]) => [unit, BigInt(steps)])),
  };
}
