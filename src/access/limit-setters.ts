// Who set a limit, so that nobody raises or lifts one who can less: a goal's budget, an agent's or a user's limits. Of the
// setter only the power is kept: its widest scope and the labels of its key. Called by the features that have such limits.

import type { Labels } from '../core/requests.js';
import { type Caller, SCOPES, type Scope } from '../kit/caller.js';
import { RefusedError } from '../kit/refusals.js';
import type { ServiceStore, StoreArea } from '../kit/service-store.js';
import { hasScope } from './scopes.js';

export const SETTER_AREA: StoreArea = {
  name: 'limit_setters',
  migrations: [
    `CREATE TABLE limit_setters (
      kind TEXT NOT NULL,
      id TEXT NOT NULL,
      scope TEXT NOT NULL,
      labels TEXT NOT NULL,
      PRIMARY KEY (kind, id)
    ) STRICT, WITHOUT ROWID;`,
  ],
};

/** What has the limit. */
export interface Limited {
  readonly kind: 'goal' | 'agent' | 'user';
  readonly id: string;
}

interface Row {
  readonly scope: Scope;
  readonly labels: string;
}

export class LimitSetters {
  readonly #put;
  readonly #get;

  constructor(store: ServiceStore) {
    this.#put = store.prepare<[string, string, string, string]>(
      'INSERT OR REPLACE INTO limit_setters (kind, id, scope, labels) VALUES (?, ?, ?, ?)',
    );
    this.#get = store.prepare<[string, string], Row>(
      'SELECT scope, labels FROM limit_setters WHERE kind = ? AND id = ?',
    );
  }

  /** Within a transaction of the limit's owner. */
  note({ scopes, labels }: Caller, { kind, id }: Limited): void {
    const widest = SCOPES.find((scope) => scopes.has(scope)) as Scope;
    this.#put.run(kind, id, widest, JSON.stringify(labels));
  }

  /** Limits from before setters were kept are anyone's who may change them at all. @throws RefusedError forbidden */
  assertMayRaise(caller: Caller, { kind, id }: Limited): void {
    const setter = this.#get.get(kind, id);
    if (setter === undefined || mayRaise(caller, setter)) return;
    throw new RefusedError(
      'forbidden',
      `the limit was set by a key with the scope ${setter.scope} that can more than this one; only such a key raises or lifts it`,
    );
  }
}

// A wider scope, or the same one of no smaller part of the tenant.
function mayRaise(caller: Caller, { scope, labels }: Row): boolean {
  if (!hasScope(caller, scope)) return false;
  if (SCOPES.some((held) => caller.scopes.has(held) && SCOPES.indexOf(held) < SCOPES.indexOf(scope)))
    return true;
  const setters = JSON.parse(labels) as Labels;
  return Object.entries(caller.labels).every(
    ([name, value]) => Object.hasOwn(setters, name) && setters[name] === value,
  );
}
