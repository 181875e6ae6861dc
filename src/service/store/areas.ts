// Every area of the service's file, in one list: whoever opens it opens all of it.

import { KEY_AREA } from '../access/key-table.js';
import { ServiceStore, type StoreArea } from './service-store.js';

const AREAS: readonly StoreArea[] = [KEY_AREA];

/** Below the data folder, beside the ledger. */
export const SERVICE_STORE_FILE = 'service.db';

/** @throws InvalidInputError when the file is none of ours, damaged, or of a newer Bursar */
export function openServiceStore(path: string): ServiceStore {
  return ServiceStore.open(path, AREAS);
}
