// Policies and their activations in the service's file: the tables and their statements. A policy is never updated; which
// one is in force is the last activation that the ledger has taken. Called by policies.ts.

import type { ServiceStore, StoreArea } from '../kit/service-store.js';
import type { PolicyDocument } from './policy.js';

export const QUOTA_AREA: StoreArea = {
  name: 'quotas',
  migrations: [
    `CREATE TABLE quota_policies (
      number INTEGER PRIMARY KEY,
      document TEXT NOT NULL,
      digest TEXT NOT NULL,
      author TEXT NOT NULL,
      created_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE quota_activations (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      policy INTEGER NOT NULL REFERENCES quota_policies (number),
      author TEXT NOT NULL,
      at INTEGER NOT NULL,
      done INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX quota_activations_of_policy ON quota_activations (policy, number);
    CREATE TRIGGER quota_policies_are_immutable BEFORE UPDATE ON quota_policies
      BEGIN SELECT raise(ABORT, 'policies are immutable'); END;`,
  ],
};

export interface PolicyRecord {
  readonly number: number;
  readonly document: PolicyDocument;
  /** Hex SHA-256 of the document's text. */
  readonly digest: string;
  /** The key that put it. */
  readonly author: string;
  /** Epoch ms, as all instants here. */
  readonly createdAt: number;
  /** When it was last put in force; null: never. */
  readonly activatedAt: number | null;
}

interface Row {
  readonly number: number;
  readonly document: string;
  readonly digest: string;
  readonly author: string;
  readonly created_at: number;
  readonly activated_at: number | null;
}

export interface Activation {
  readonly number: number;
  readonly policy: number;
  readonly done: number;
}

const COLUMNS = `number, document, digest, author, created_at,
  (SELECT max(at) FROM quota_activations WHERE policy = quota_policies.number AND done = 1) AS activated_at`;

export class PolicyTable {
  readonly #insert;
  readonly #byNumber;
  readonly #after;
  readonly #newest;
  readonly #intend;
  readonly #finish;
  readonly #forget;
  readonly #pending;
  readonly #inForce;

  constructor(store: ServiceStore) {
    this.#insert = store.prepare<[number, string, string, string, number]>(
      'INSERT INTO quota_policies (number, document, digest, author, created_at) VALUES (?, ?, ?, ?, ?)',
    );
    this.#byNumber = store.prepare<[number], Row>(`SELECT ${COLUMNS} FROM quota_policies WHERE number = ?`);
    this.#after = store.prepare<[number, number], Row>(
      `SELECT ${COLUMNS} FROM quota_policies WHERE number > ? ORDER BY number LIMIT ?`,
    );
    this.#newest = store.prepare<[], Row>(
      `SELECT ${COLUMNS} FROM quota_policies ORDER BY number DESC LIMIT 1`,
    );
    this.#intend = store.prepare<[number, string, number], Activation>(
      'INSERT INTO quota_activations (policy, author, at) VALUES (?, ?, ?) RETURNING number, policy, done',
    );
    this.#finish = store.prepare<[number]>('UPDATE quota_activations SET done = 1 WHERE number = ?');
    this.#forget = store.prepare<[number]>('DELETE FROM quota_activations WHERE number = ? AND done = 0');
    this.#pending = store.prepare<[], Activation>(
      'SELECT number, policy, done FROM quota_activations WHERE done = 0 ORDER BY number DESC LIMIT 1',
    );
    this.#inForce = store.prepare<[], Activation>(
      'SELECT number, policy, done FROM quota_activations WHERE done = 1 ORDER BY number DESC LIMIT 1',
    );
  }

  insert(number: number, policy: { text: string; digest: string; author: string; at: number }): void {
    this.#insert.run(number, policy.text, policy.digest, policy.author, policy.at);
  }

  byNumber(number: number): PolicyRecord | undefined {
    return recordOf(this.#byNumber.get(number));
  }

  /** The first so many with higher numbers. */
  after(number: number, max: number): PolicyRecord[] {
    return this.#after.all(number, max).map((row) => recordOf(row) as PolicyRecord);
  }

  newest(): PolicyRecord | undefined {
    return recordOf(this.#newest.get());
  }

  /** What is to be in force, before the ledger is told. */
  intend(policy: number, author: string, at: number): Activation {
    return this.#intend.get(policy, author, at) as Activation;
  }

  /** The ledger has it. */
  finish(activation: number): void {
    this.#finish.run(activation);
  }

  /** The ledger refused it. */
  forget(activation: number): void {
    this.#forget.run(activation);
  }

  /** An activation that a crash cut. */
  pending(): Activation | undefined {
    return this.#pending.get();
  }

  inForce(): Activation | undefined {
    return this.#inForce.get();
  }
}

function recordOf(row: Row | undefined): PolicyRecord | undefined {
  if (row === undefined) return undefined;
  const { number, document, digest, author, created_at: createdAt, activated_at: activatedAt } = row;
  return { number, document: JSON.parse(document) as PolicyDocument, digest, author, createdAt, activatedAt };
}
