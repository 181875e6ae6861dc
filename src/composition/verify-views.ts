// What `bursar verify` says of the views beside a ledger file. Changes nothing, so it also works while a server runs.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openSqliteReader } from '../journal/sqlite/reader.js';
import { viewsDifference } from '../views/difference.js';
import { DamagedFileError, OtherTablesError } from '../views/follower-file.js';
import { VAULT_FILE, VIEWS, VIEWS_FILE } from './data-folder.js';

/** Null where there are no views of this version: the next start of a server makes them. */
export type ViewsVerdict = { readonly ok: boolean; readonly text: string } | null;

export function verifyViews(ledgerPath: string): ViewsVerdict {
  const folder = dirname(ledgerPath);
  const path = join(folder, VIEWS_FILE);
  // Beside a ledger that is in no data folder, a file of this name is somebody else's.
  if (!existsSync(path) || !existsSync(join(folder, VAULT_FILE))) return null;
  const reader = openSqliteReader(ledgerPath);
  try {
    const difference = viewsDifference({ path, views: VIEWS, reader });
    if (difference === null)
      return { ok: true, text: `${VIEWS_FILE}: every row is as the ledger's facts make it` };
    const { table, found, expected } = difference;
    const text = `WRONG in ${VIEWS_FILE}, table ${table}: found ${rowText(found)}, expected ${rowText(expected)}; delete the file, and the next start makes it anew`;
    return { ok: false, text };
  } catch (error) {
    if (error instanceof OtherTablesError) return null;
    if (!(error instanceof DamagedFileError)) throw error;
    return { ok: false, text: `WRONG in ${VIEWS_FILE}: ${error.message}; the next start makes it anew` };
  } finally {
    reader.close();
  }
}

function rowText(row: Readonly<Record<string, unknown>> | null): string {
  if (row === null) return 'no such row';
  return JSON.stringify(row, (_key, value) => (typeof value === 'bigint' ? Number(value) : value));
}
