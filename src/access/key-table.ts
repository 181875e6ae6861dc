// Access keys in the service's file: their table and its statements. Called by key-ring.ts, which keeps all of them in
// memory too; a secret is here as its SHA-256 alone.

import type { Labels } from '../core/requests.js';
import type { Scope } from '../kit/caller.js';
import type { ServiceStore, StoreArea } from '../kit/service-store.js';

export const KEY_AREA: StoreArea = {
  name: 'access_keys',
  migrations: [
    `CREATE TABLE access_keys (
      number INTEGER PRIMARY KEY AUTOINCREMENT,
      id TEXT NOT NULL UNIQUE,
      tenant TEXT,
      name TEXT NOT NULL,
      scopes TEXT NOT NULL,
      labels TEXT NOT NULL,
      caller_labels TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      created_by TEXT,
      expires_at INTEGER,
      revoked_at INTEGER,
      last_used_at INTEGER,
      digest BLOB NOT NULL,
      previous_digest BLOB,
      previous_until INTEGER
    ) STRICT;
    CREATE INDEX access_keys_of_tenant ON access_keys (tenant, number);`,
    'ALTER TABLE access_keys ADD COLUMN amount_max_usd TEXT;',
  ],
};

/** A key as it is kept. Instants are epoch ms. */
export interface KeyRecord {
  readonly id: string;
  readonly tenant: string | null;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly labels: Labels;
  readonly callerLabels: readonly string[];
  readonly createdAt: number;
  /** The key that made it; null: the command line. */
  readonly createdBy: string | null;
  readonly expiresAt: number | null;
  readonly amountMaxUsd?: bigint | undefined;
  revokedAt: number | null;
  lastUsedAt: number | null;
  digest: Buffer;
  /** The secret before the last rotation, good until `until`. */
  previous: { readonly digest: Buffer; readonly until: number } | null;
}

interface Row {
  readonly id: string;
  readonly tenant: string | null;
  readonly name: string;
  readonly scopes: string;
  readonly labels: string;
  readonly caller_labels: string;
  readonly created_at: number;
  readonly created_by: string | null;
  readonly expires_at: number | null;
  readonly revoked_at: number | null;
  readonly last_used_at: number | null;
  readonly digest: Buffer;
  readonly previous_digest: Buffer | null;
  readonly previous_until: number | null;
  readonly amount_max_usd: string | null;
}

export class KeyTable {
  readonly #insert;
  readonly #secrets;
  readonly #revoked;
  readonly #used;
  readonly #remove;
  readonly #all;
  readonly #page;
  readonly #pageOfTenant;

  constructor(store: ServiceStore) {
    this.#insert = store.prepare<[Row]>(
      `INSERT INTO access_keys (id, tenant, name, scopes, labels, caller_labels, created_at, created_by, expires_at,
        revoked_at, last_used_at, digest, previous_digest, previous_until, amount_max_usd)
       VALUES (@id, @tenant, @name, @scopes, @labels, @caller_labels, @created_at, @created_by, @expires_at,
        @revoked_at, @last_used_at, @digest, @previous_digest, @previous_until, @amount_max_usd)`,
    );
    this.#secrets = store.prepare<[Buffer, Buffer | null, number | null, string]>(
      'UPDATE access_keys SET digest = ?, previous_digest = ?, previous_until = ? WHERE id = ?',
    );
    this.#revoked = store.prepare<[number, string]>('UPDATE access_keys SET revoked_at = ? WHERE id = ?');
    this.#used = store.prepare<[number | null, string]>(
      'UPDATE access_keys SET last_used_at = ? WHERE id = ?',
    );
    this.#remove = store.prepare<[string]>('DELETE FROM access_keys WHERE id = ?');
    this.#all = store.prepare<[], Row>('SELECT * FROM access_keys ORDER BY number');
    const after = 'number > coalesce((SELECT number FROM access_keys WHERE id = ?), 0) ORDER BY number';
    this.#page = store.prepare<[string], { id: string }>(`SELECT id FROM access_keys WHERE ${after}`);
    this.#pageOfTenant = store.prepare<[string, string], { id: string }>(
      `SELECT id FROM access_keys WHERE tenant = ? AND ${after}`,
    );
  }

  insert(key: KeyRecord): void {
    this.#insert.run({
      id: key.id,
      tenant: key.tenant,
      name: key.name,
      scopes: JSON.stringify(key.scopes),
      labels: JSON.stringify(key.labels),
      caller_labels: JSON.stringify(key.callerLabels),
      created_at: key.createdAt,
      created_by: key.createdBy,
      expires_at: key.expiresAt,
      revoked_at: key.revokedAt,
      last_used_at: key.lastUsedAt,
      digest: key.digest,
      previous_digest: key.previous?.digest ?? null,
      previous_until: key.previous?.until ?? null,
      amount_max_usd: key.amountMaxUsd?.toString() ?? null,
    });
  }

  setSecrets(id: string, { digest, previous }: Pick<KeyRecord, 'digest' | 'previous'>): void {
    this.#secrets.run(digest, previous?.digest ?? null, previous?.until ?? null, id);
  }

  setRevoked(id: string, at: number): void {
    this.#revoked.run(at, id);
  }

  setUsed({ id, lastUsedAt }: KeyRecord): void {
    this.#used.run(lastUsedAt, id);
  }

  remove(id: string): void {
    this.#remove.run(id);
  }

  /** Every key, the oldest first. */
  *all(): Generator<KeyRecord> {
    for (const row of this.#all.iterate()) yield recordOf(row);
  }

  /** Ids after this one ('' = from the beginning), the oldest first; of one tenant, or of all when it is null. */
  *idsAfter(id: string, tenant: string | null): Generator<string> {
    const rows = tenant === null ? this.#page.iterate(id) : this.#pageOfTenant.iterate(tenant, id);
    for (const row of rows) yield row.id;
  }
}

function recordOf(row: Row): KeyRecord {
  const { previous_digest: digest, previous_until: until } = row;
  return {
    id: row.id,
    tenant: row.tenant,
    name: row.name,
    scopes: JSON.parse(row.scopes) as Scope[],
    labels: Object.freeze(JSON.parse(row.labels) as Labels),
    callerLabels: JSON.parse(row.caller_labels) as string[],
    createdAt: row.created_at,
    createdBy: row.created_by,
    expiresAt: row.expires_at,
    amountMaxUsd: row.amount_max_usd === null ? undefined : BigInt(row.amount_max_usd),
    revokedAt: row.revoked_at,
    lastUsedAt: row.last_used_at,
    digest: row.digest,
    previous: digest === null || until === null ? null : { digest, until },
  };
}
