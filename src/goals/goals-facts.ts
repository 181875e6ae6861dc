// The facts of goals, and the view that is made of them: whose a goal is, what its text is called in the vault, and how it
// ended. Tokens, turns, and whether a goal is active or paused are the ledger's; only the two endings stand here, since the
// ledger has one word for both. Written by goals.ts with the command that the fact is about.

import type { Fact } from '../core/facts.js';
import { factOf, recordOf } from '../kit/facts.js';
import { type ApplyFact, applyByKind, type View, type ViewDatabase } from '../views/view.js';
import type { GoalEnding } from './goal.js';

/** A goal as its facts carry it, whole after each change. */
export interface GoalRecord {
  readonly id: string;
  readonly tenant: string;
  readonly owner: string;
  /** SHA-256 of the text, which is in the vault under `textIdOf`. */
  readonly textDigest: string;
  readonly ending: GoalEnding | null;
  /** The Idempotency-Key that made it, and the digest of what came with the key. */
  readonly request: { readonly key: string; readonly digest: string } | null;
  readonly createdAt: number;
  readonly endedAt: number | null;
}

/** A goal of the view. `number` counts in the order of their beginning. */
export interface GoalRow extends GoalRecord {
  readonly number: number;
}

/** Whose goals a caller sees: null where it is everybody's. */
export interface GoalOwners {
  readonly tenant: string | null;
  readonly owner: string | null;
}

export type GoalOwner = Pick<GoalRecord, 'tenant' | 'owner'>;

export const GOAL_TEXTS_PREFIX = 'goals/';

/** The id of a goal's text in the vault. */
export function textIdOf({ id }: Pick<GoalRecord, 'id'>): string {
  return GOAL_TEXTS_PREFIX + id;
}

type GoalFactKind = 'goal_begun' | 'goal_completed' | 'goal_cleared';

export function goalFact(kind: GoalFactKind, goal: GoalRecord): Fact {
  return factOf('goals', kind, goal);
}

interface Row {
  readonly number: number;
  readonly body: string;
}

export const GOALS_VIEW: View = {
  feature: 'goals',
  tables: `
    CREATE TABLE goals (
      number INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      tenant TEXT NOT NULL,
      owner TEXT NOT NULL,
      is_open INTEGER NOT NULL,
      request_key TEXT,
      body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX goals_of_tenant ON goals (tenant, number);
    CREATE INDEX goals_of_owner ON goals (tenant, owner, number);
    CREATE INDEX goals_open ON goals (tenant, owner, number) WHERE is_open = 1;
    CREATE UNIQUE INDEX goals_of_request ON goals (tenant, owner, request_key) WHERE request_key IS NOT NULL;`,
  open(db) {
    const put = db.prepare<[string, string, string, number, string | null, string]>(
      `INSERT INTO goals (id, tenant, owner, is_open, request_key, body) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET is_open = excluded.is_open, body = excluded.body`,
    );
    const putWhole: ApplyFact = (fact) => {
      const { id, tenant, owner, ending, request } = recordOf<GoalRecord>(fact);
      put.run(id, tenant, owner, ending === null ? 1 : 0, request?.key ?? null, fact.body);
    };
    return applyByKind<GoalFactKind>('goals', {
      goal_begun: putWhole,
      goal_completed: putWhole,
      goal_cleared: putWhole,
    });
  },
};

/** The view's rows, for reading. */
export class GoalTable {
  readonly #byId;
  readonly #byRequest;
  readonly #open;
  readonly #page;
  readonly #pageOfTenant;
  readonly #pageOfOwner;

  constructor(db: ViewDatabase) {
    const goals = (where: string) => `SELECT number, body FROM goals WHERE ${where}`;
    const page = (where: string) => goals(`${where} number < ? ORDER BY number DESC LIMIT ?`);
    this.#byId = db.prepare<[string], Row>(goals('id = ?'));
    this.#byRequest = db.prepare<[string, string, string], Row>(
      goals('tenant = ? AND owner = ? AND request_key = ?'),
    );
    this.#open = db.prepare<[string, string], Row>(
      goals('tenant = ? AND owner = ? AND is_open = 1 ORDER BY number'),
    );
    this.#page = db.prepare<[number, number], Row>(page(''));
    this.#pageOfTenant = db.prepare<[string, number, number], Row>(page('tenant = ? AND'));
    this.#pageOfOwner = db.prepare<[string, string, number, number], Row>(
      page('tenant = ? AND owner = ? AND'),
    );
  }

  find(id: string): GoalRow | undefined {
    return rowOf(this.#byId.get(id));
  }

  byRequest({ tenant, owner }: GoalOwner, key: string): GoalRow | undefined {
    return rowOf(this.#byRequest.get(tenant, owner, key));
  }

  /** Goals that have not ended, oldest first. */
  openOf({ tenant, owner }: GoalOwner): GoalRow[] {
    return this.#open.all(tenant, owner).map(goalRow);
  }

  /** Newest first, begun before the goal of the number `before`. */
  page({ tenant, owner }: GoalOwners, before: number, max: number): GoalRow[] {
    if (tenant === null) return this.#page.all(before, max).map(goalRow);
    if (owner === null) return this.#pageOfTenant.all(tenant, before, max).map(goalRow);
    return this.#pageOfOwner.all(tenant, owner, before, max).map(goalRow);
  }
}

function rowOf(row: Row | undefined): GoalRow | undefined {
  return row === undefined ? undefined : goalRow(row);
}

function goalRow({ number, body }: Row): GoalRow {
  return { number, ...(JSON.parse(body) as GoalRecord) };
}
