// The facts of access keys and the table that is made from them. A fact holds the whole key after the change; of a secret
// it holds the SHA-256 alone. Rebuilt from the journal at any time, so nobody else writes the table.

import type { Fact } from '../core/facts.js';
import type { Labels } from '../core/requests.js';
import type { Scope } from '../kit/caller.js';
import { factOf, recordOf } from '../kit/facts.js';
import { type ApplyFact, applyByKind, type View, type ViewDatabase } from '../views/view.js';

/** The feature of these facts. */
export const KEYS = 'keys';

/** A key as a fact and the table hold it. Instants are epoch ms. */
export interface KeyRecord {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  readonly labels: Labels;
  readonly callerLabels: readonly string[];
  readonly createdAt: number;
  /** The id of the key that made it; null: made at the first start or at the command line. */
  readonly createdBy: string | null;
  readonly expiresAt: number | null;
  /** Steps of USD as a decimal text; null: the bound of every key with its scopes. */
  readonly amountMaxUsd: string | null;
  readonly revokedAt: number | null;
  /** SHA-256 of the secret, in hex. */
  readonly digest: string;
  /** The secret before the last rotation, good until `until`. */
  readonly previous: { readonly digest: string; readonly until: number } | null;
}

export type KeyChange = 'key_created' | 'key_rotated' | 'key_revoked';

/** `forgets` is the id of an ended key that made room for a new one. */
interface KeyFactRecord {
  readonly key: KeyRecord;
  readonly forgets?: string;
}

export function keyFact(kind: KeyChange, key: KeyRecord, forgets: string | null = null): Fact {
  const record: KeyFactRecord = forgets === null ? { key } : { key, forgets };
  return factOf(KEYS, kind, record);
}

export function tenantOf({ labels }: Pick<KeyRecord, 'labels'>): string | null {
  return Object.hasOwn(labels, 'tenant') ? labels.tenant : null;
}

export function recordIn(text: string): KeyRecord {
  const record = JSON.parse(text) as KeyRecord;
  Object.freeze(record.labels);
  return record;
}

/** Keys are numbered in the order in which they were made: lists show the oldest first. */
const TABLES = `
CREATE TABLE access_keys (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  tenant TEXT,
  record TEXT NOT NULL
) STRICT;
CREATE INDEX access_keys_of_tenant ON access_keys (tenant, number);`;

export const KEYS_VIEW: View = {
  feature: KEYS,
  tables: TABLES,
  open(db: ViewDatabase): ApplyFact {
    const found = db.prepare<[string], string>('SELECT record FROM access_keys WHERE id = ?').pluck();
    const put = db.prepare<[string, string | null, string]>(
      `INSERT INTO access_keys (id, tenant, record) VALUES (?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET record = excluded.record`,
    );
    const remove = db.prepare<[string]>('DELETE FROM access_keys WHERE id = ?');
    const putWhole: ApplyFact = (fact) => {
      const { key, forgets } = recordOf<KeyFactRecord>(fact);
      if (forgets !== undefined) remove.run(forgets);
      const before = found.get(key.id);
      // No later fact takes a revocation back: it may have been decided before the revocation was known.
      const revokedAt = (before === undefined ? null : recordIn(before).revokedAt) ?? key.revokedAt;
      put.run(key.id, tenantOf(key), JSON.stringify({ ...key, revokedAt }));
    };
    return applyByKind<KeyChange>(KEYS, {
      key_created: putWhole,
      key_rotated: putWhole,
      key_revoked: putWhole,
    });
  },
};

/** The ids of the keys that a fact changes. */
export function changedBy(fact: Fact): readonly string[] {
  const { key, forgets } = recordOf<KeyFactRecord>(fact);
  return forgets === undefined ? [key.id] : [forgets, key.id];
}

/** Keys read at once when a server starts: some 30 ms. */
const READ_AT_ONCE = 10_000;

/** Reads the table. */
export class KeyRows {
  readonly #page;
  readonly #byId;
  readonly #idsAfter;
  readonly #idsOfTenantAfter;
  readonly #countOfTenant;

  constructor(db: ViewDatabase) {
    const after =
      'number > coalesce((SELECT number FROM access_keys WHERE id = ?), 0) ORDER BY number LIMIT ?';
    this.#page = db
      .prepare<[string, number], string>(`SELECT record FROM access_keys WHERE ${after}`)
      .pluck();
    this.#byId = db.prepare<[string], string>('SELECT record FROM access_keys WHERE id = ?').pluck();
    this.#idsAfter = db
      .prepare<[string, number], string>(`SELECT id FROM access_keys WHERE ${after}`)
      .pluck();
    this.#idsOfTenantAfter = db
      .prepare<[string | null, string, number], string>(
        `SELECT id FROM access_keys WHERE tenant IS ? AND ${after}`,
      )
      .pluck();
    this.#countOfTenant = db
      .prepare<[string | null], number>('SELECT count(*) FROM access_keys WHERE tenant IS ?')
      .pluck();
  }

  byId(id: string): KeyRecord | undefined {
    const text = this.#byId.get(id);
    return text === undefined ? undefined : recordIn(text);
  }

  /** Every key, the oldest first. */
  *all(): Generator<KeyRecord> {
    for (let last = ''; ; ) {
      const page = this.#page.all(last, READ_AT_ONCE).map(recordIn);
      yield* page;
      if (page.length < READ_AT_ONCE) return;
      last = page[page.length - 1].id;
    }
  }

  /** Ids after this one ('' = from the beginning), the oldest first: of one tenant, of the platform (null), or of everybody (undefined). */
  idsAfter(id: string, tenant: string | null | undefined, max: number): string[] {
    return tenant === undefined ? this.#idsAfter.all(id, max) : this.#idsOfTenantAfter.all(tenant, id, max);
  }

  countOf(tenant: string | null): number {
    return this.#countOfTenant.get(tenant) ?? 0;
  }
}
