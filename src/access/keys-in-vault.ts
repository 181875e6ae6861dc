// What the vault holds of access keys: admin keys that were made at the command line and that no server has taken up yet, and
// when each key was last used. A last use changes with every minute of use, so it is no fact and may be lost.

import { RefusedError } from '../kit/refusals.js';
import { ITEMS_MAX, type SweepRule, type Vault, type VaultItem } from '../vault/vault.js';
import type { KeyRecord } from './key-facts.js';
import type { KeyRing } from './key-ring.js';
import { checkNewKey } from './key-spec.js';
import { newKeyId, newSecret } from './key-text.js';

const OFFLINE = 'access/offline-key/';
const LAST_USE = 'access/last-use/';

/** Bodies read at once. */
const READ_AT_ONCE = 1_000;

export interface OfflineKey {
  readonly record: KeyRecord;
  /** The whole text of the key. It is shown this once. */
  readonly secret: string;
}

/**
 * Makes an admin key for whoever can write the data folder: the way back in. It waits in the vault for the server, which
 * takes it up at its start, or within a second of the first request with it.
 */
export async function putOfflineKey(vault: Vault, name: string, now: number): Promise<OfflineKey> {
  const { scopes, labels, callerLabels, expiresAt } = checkNewKey({ name, scopes: ['admin'] }, now);
  const id = newKeyId();
  const { text, digest } = newSecret(id);
  const record: KeyRecord = {
    ...{ id, name, scopes, labels, callerLabels, createdAt: now, createdBy: null, expiresAt },
    ...{ amountMaxUsd: null, revokedAt: null, digest: digest.toString('hex'), previous: null },
  };
  await vault.put([{ id: OFFLINE + id, body: JSON.stringify(record) }]);
  return { record, secret: text };
}

/** The keys that wait for a server, the oldest first. */
export async function waitingKeys(vault: Vault): Promise<readonly KeyRecord[]> {
  const ids = await vault.ids(OFFLINE, { max: READ_AT_ONCE });
  if (ids.length === 0) return [];
  const bodies = await vault.get(ids);
  const keys = [...bodies.values()].map((body) => JSON.parse(body) as KeyRecord);
  return keys.sort((one, other) => one.createdAt - other.createdAt);
}

/** Once the keys are in the ledger. */
export function removeWaiting(vault: Vault, keys: readonly KeyRecord[]): Promise<void> {
  return vault.delete(keys.map(({ id }) => OFFLINE + id));
}

/** When each key was last used, as far as it was written down. */
export async function lastUses(vault: Vault): Promise<ReadonlyMap<string, number>> {
  const uses = new Map<string, number>();
  for (let after = ''; ; ) {
    const ids = await vault.ids(LAST_USE, { after, max: READ_AT_ONCE });
    if (ids.length === 0) return uses;
    after = ids[ids.length - 1];
    for (const [id, at] of await vault.get(ids)) uses.set(id.slice(LAST_USE.length), Number(at));
  }
}

/** Writes down the uses since the last time. No request fails for it: where the vault refuses the write, the uses are lost. */
export async function writeUses(vault: Vault, ring: KeyRing): Promise<void> {
  const items = [...ring.takeFreshUses()].map(([id, at]) => lastUseItem(id, at));
  try {
    for (let from = 0; from < items.length; from += ITEMS_MAX)
      await vault.put(items.slice(from, from + ITEMS_MAX));
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
  }
}

export function lastUseItem(keyId: string, at: number): VaultItem {
  return { id: LAST_USE + keyId, body: String(at) };
}

/** Last uses of keys that were forgotten are swept. */
export function lastUseSweep(ring: KeyRing): SweepRule {
  return { prefix: LAST_USE, isNamed: (id) => ring.record(id.slice(LAST_USE.length)) !== undefined };
}
