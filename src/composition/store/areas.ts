// Every area of the service's file, in one list: whoever opens it opens all of it.

import { ServiceStore, type StoreArea, type ToDisk } from '../../kit/service-store.js';

const AREAS: readonly StoreArea[] = [];

/** Below the data folder, beside the ledger. */
export const SERVICE_STORE_FILE = 'service.db';

/** @throws InvalidInputError when the file is none of ours, damaged, or of a newer Bursar */
export function openServiceStore(path: string, toDisk?: ToDisk): ServiceStore {
  return ServiceStore.open(path, AREAS, toDisk);
}
