// Goals in the service's file: the statements. A row with an intent is one whose step in the ledger may not have been taken
// yet; one that is being created is shown to nobody. Called by goals.ts within its transactions.

import type { ServiceStore } from '../kit/service-store.js';
import type { GoalEnding } from './goal.js';

/** What the ledger is still to be told: to begin with so many tokens (null: without a budget), or to close. */
export type GoalIntent =
  | { readonly step: 'create'; readonly tokenBudget: bigint | null }
  | { readonly step: 'close' };

/** Whose goals a caller sees: null where it is everybody's. */
export interface GoalOwners {
  readonly tenant: string | null;
  readonly owner: string | null;
}

export interface GoalRow {
  readonly number: number;
  readonly id: string;
  readonly tenant: string;
  readonly owner: string;
  readonly text: string;
  readonly ending: GoalEnding | null;
  readonly intent: GoalIntent | null;
  readonly requestDigest: string | null;
  readonly createdAt: number;
  readonly endedAt: number | null;
}

export interface NewGoalRow extends Pick<GoalRow, 'id' | 'tenant' | 'owner' | 'text' | 'createdAt'> {
  readonly intent: GoalIntent;
  /** The Idempotency-Key and the digest of what it came with. */
  readonly request: { readonly key: string; readonly digest: string } | null;
}

interface Row {
  readonly number: number;
  readonly id: string;
  readonly tenant: string;
  readonly owner: string;
  readonly text: string;
  readonly ending: GoalEnding | null;
  readonly intent: string | null;
  readonly request_digest: string | null;
  readonly created_at: number;
  readonly ended_at: number | null;
}

const COLUMNS = 'number, id, tenant, owner, text, ending, intent, request_digest, created_at, ended_at';
const IS_CREATED = "(intent IS NULL OR intent = 'close')";

type NewValues = [string, string, string, string, string, string | null, string | null, number];

export class GoalTable {
  readonly #insert;
  readonly #byId;
  readonly #byNumber;
  readonly #byRequest;
  readonly #open;
  readonly #unfinished;
  readonly #end;
  readonly #finish;
  readonly #forget;
  readonly #page;
  readonly #pageOfTenant;
  readonly #pageOfOwner;

  constructor(store: ServiceStore) {
    this.#insert = store.prepare<NewValues>(
      `INSERT INTO goals (id, tenant, owner, text, intent, request_key, request_digest, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#byId = store.prepare<[string], Row>(`SELECT ${COLUMNS} FROM goals WHERE id = ? AND ${IS_CREATED}`);
    this.#byNumber = store.prepare<[number], Row>(`SELECT ${COLUMNS} FROM goals WHERE number = ?`);
    this.#byRequest = store.prepare<[string, string, string], Row>(
      `SELECT ${COLUMNS} FROM goals WHERE tenant = ? AND owner = ? AND request_key = ?`,
    );
    this.#open = store.prepare<[string, string], Row>(
      `SELECT ${COLUMNS} FROM goals WHERE tenant = ? AND owner = ? AND ending IS NULL AND intent IS NULL
       ORDER BY number`,
    );
    this.#unfinished = store.prepare<[number, number], Row>(
      `SELECT ${COLUMNS} FROM goals WHERE intent IS NOT NULL AND number > ? ORDER BY number LIMIT ?`,
    );
    this.#end = store.prepare<[GoalEnding, number, number]>(
      "UPDATE goals SET ending = ?, ended_at = ?, intent = 'close' WHERE number = ?",
    );
    this.#finish = store.prepare<[number]>('UPDATE goals SET intent = NULL WHERE number = ?');
    this.#forget = store.prepare<[number]>('DELETE FROM goals WHERE number = ?');
    const page = (where: string) =>
      `SELECT ${COLUMNS} FROM goals WHERE ${IS_CREATED} AND ${where} number < ? ORDER BY number DESC LIMIT ?`;
    this.#page = store.prepare<[number, number], Row>(page(''));
    this.#pageOfTenant = store.prepare<[string, number, number], Row>(page('tenant = ? AND'));
    this.#pageOfOwner = store.prepare<[string, string, number, number], Row>(
      page('tenant = ? AND owner = ? AND'),
    );
  }

  /** The number of the new row. */
  insert({ id, tenant, owner, text, intent, request, createdAt }: NewGoalRow): number {
    const { key = null, digest = null } = request ?? {};
    const values: NewValues = [id, tenant, owner, text, intentText(intent), key, digest, createdAt];
    return Number(this.#insert.run(...values).lastInsertRowid);
  }

  find(id: string): GoalRow | undefined {
    return rowOf(this.#byId.get(id));
  }

  byNumber(number: number): GoalRow | undefined {
    return rowOf(this.#byNumber.get(number));
  }

  byRequest({ tenant, owner }: Pick<GoalRow, 'tenant' | 'owner'>, key: string): GoalRow | undefined {
    return rowOf(this.#byRequest.get(tenant, owner, key));
  }

  /** Goals that have not ended, oldest first. */
  open({ tenant, owner }: Pick<GoalRow, 'tenant' | 'owner'>): GoalRow[] {
    return this.#open.all(tenant, owner).map(goalRow);
  }

  unfinished(after: number, max: number): GoalRow[] {
    return this.#unfinished.all(after, max).map(goalRow);
  }

  /** Its end, which the ledger is still to be told. */
  end(number: number, ending: GoalEnding, at: number): void {
    this.#end.run(ending, at, number);
  }

  /** The ledger has been told. */
  finish(number: number): void {
    this.#finish.run(number);
  }

  /** Of a goal that never came to be. */
  forget(number: number): void {
    this.#forget.run(number);
  }

  /** Newest first, older than the row `before`. */
  page({ tenant, owner }: GoalOwners, before: number, max: number): GoalRow[] {
    if (tenant === null) return this.#page.all(before, max).map(goalRow);
    if (owner === null) return this.#pageOfTenant.all(tenant, before, max).map(goalRow);
    return this.#pageOfOwner.all(tenant, owner, before, max).map(goalRow);
  }
}

function rowOf(row: Row | undefined): GoalRow | undefined {
  return row === undefined ? undefined : goalRow(row);
}

function goalRow(row: Row): GoalRow {
  const { number, id, tenant, owner, text, ending } = row;
  return {
    ...{ number, id, tenant, owner, text, ending },
    intent: row.intent === null ? null : intentOf(row.intent),
    requestDigest: row.request_digest,
    createdAt: row.created_at,
    endedAt: row.ended_at,
  };
}

/** `close`, `create`, or `create 1000`. */
function intentText(intent: GoalIntent): string {
  if (intent.step === 'close') return 'close';
  return intent.tokenBudget === null ? 'create' : `create ${intent.tokenBudget}`;
}

function intentOf(text: string): GoalIntent {
  const [step, budget] = text.split(' ');
  if (step === 'close') return { step };
  return { step: 'create', tokenBudget: budget === undefined ? null : BigInt(budget) };
}
