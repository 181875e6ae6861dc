// The folder that a server keeps its ledger and keys in, its owner's alone. Opened by serve.ts, and for its keys by
// commands of the command line.

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { KeyRing } from '../access/key-ring.js';
import type { Clock } from '../authority/api.js';
import { InvalidInputError } from '../core/errors.js';
import type { ServiceStore } from '../kit/service-store.js';
import { openServiceStore, SERVICE_STORE_FILE } from './store/areas.js';

/** Its owner's alone: the ledger names tenants and users. */
const FOLDER_MODE = 0o700;

const LEDGER_FILE = 'ledger.db';

export function ledgerPathIn(folder: string): string {
  return join(folder, LEDGER_FILE);
}

/** Makes the folder where there is none; the mode of one that is there is its owner's to set. @throws InvalidInputError */
export function makeDataFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
  } catch (error) {
    throw new InvalidInputError(
      '--data',
      `${JSON.stringify(folder)} cannot be used: ${(error as Error).message}`,
    );
  }
}

export interface OpenKeys {
  readonly ring: KeyRing;
  /** The file that they are in, for what else the server keeps there. */
  readonly store: ServiceStore;
  close(): void;
}

/** The keys in a folder; only `create` makes what is not there. @throws InvalidInputError */
export function openKeys(folder: string, clock: Clock, mode: 'create' | 'read'): OpenKeys {
  const path = join(folder, SERVICE_STORE_FILE);
  if (mode === 'create') makeDataFolder(folder);
  else if (!existsSync(path))
    throw new InvalidInputError(
      '--data',
      `there are no keys in ${JSON.stringify(folder)}: ${SERVICE_STORE_FILE} is not there`,
    );
  const store = openServiceStore(path);
  const ring = new KeyRing(store, clock);
  return {
    ring,
    store,
    close() {
      ring.close();
      store.close();
    },
  };
}
