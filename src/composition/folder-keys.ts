// Access keys of a data folder, whether or not a server has it open: a new admin key for whoever is locked out, and the list.
// Whoever can write the folder's files may do both. Called by the command line.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { keyView } from '../access/access-keys.js';
import { type KeyRecord, KeyRows } from '../access/key-facts.js';
import { type KeyIssued, type KeyView, keyOut } from '../access/keys-api.js';
import { lastUses, putOfflineKey, waitingKeys } from '../access/keys-in-vault.js';
import type { Clock } from '../authority/api.js';
import { InvalidInputError } from '../core/errors.js';
import { openSqliteVault } from '../vault/sqlite/sqlite-vault.js';
import { openViewsForReading } from '../views/views.js';
import { makeDataFolder, VAULT_FILE, VIEWS_FILE } from './data-folder.js';

/** An admin key that the server of the folder takes up. The folder is made where there is none. */
export async function createOfflineKey(
  folder: string,
  { name, clock }: { readonly name: string; readonly clock: Clock },
): Promise<KeyIssued> {
  makeDataFolder(folder);
  const vault = openSqliteVault(join(folder, VAULT_FILE), clock);
  try {
    const now = clock.now();
    const { record, secret } = await putOfflineKey(vault, name, now);
    return { key: secret, ...keyOut(keyView(record, now, null)) };
  } finally {
    await vault.close();
  }
}

/** The keys in a folder, whether or not a server has it open: the oldest first, then those that wait for a server. */
export async function keysIn(folder: string, clock: Clock): Promise<readonly KeyView[]> {
  const viewsPath = join(folder, VIEWS_FILE);
  const vaultPath = join(folder, VAULT_FILE);
  if (!existsSync(viewsPath) && !existsSync(vaultPath))
    throw new InvalidInputError(
      '--data',
      `there are no keys in ${JSON.stringify(folder)}: neither ${VIEWS_FILE} nor ${VAULT_FILE} is there`,
    );
  const records = existsSync(viewsPath) ? recordsIn(viewsPath) : [];
  const known = new Set(records.map(({ id }) => id));
  let uses: ReadonlyMap<string, number> = new Map();
  if (existsSync(vaultPath)) {
    const vault = openSqliteVault(vaultPath, clock);
    try {
      uses = await lastUses(vault);
      records.push(...(await waitingKeys(vault)).filter(({ id }) => !known.has(id)));
    } finally {
      await vault.close();
    }
  }
  return records.map((record) => keyOut(keyView(record, clock.now(), uses.get(record.id) ?? null)));
}

function recordsIn(viewsPath: string): KeyRecord[] {
  const views = openViewsForReading(viewsPath);
  try {
    return [...new KeyRows(views).all()];
  } catch (error) {
    const why = `${VIEWS_FILE} cannot be read: ${(error as Error).message}`;
    throw new InvalidInputError('--data', `${why}; start the server once, which makes the file anew`);
  } finally {
    views.close();
  }
}
