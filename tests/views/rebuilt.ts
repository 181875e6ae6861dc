// For the end of a feature's story: the views are rebuilt from the journal, and everything that can be read is as before.
// A stage is whatever a story runs on: a data folder with a server, or a ledger with views.

import { existsSync } from 'node:fs';
import { expect } from 'vitest';
import { deleteDatabase } from '#bursar/journal/sqlite/files.js';
import { openSqliteReader } from '#bursar/journal/sqlite/reader.js';
import { viewsDifference } from '#bursar/views/difference.js';
import type { View } from '#bursar/views/view.js';

export interface RebuiltStage {
  readonly viewsPath: string;
  /** What callers can read, in any form that `toEqual` compares. */
  read(): unknown;
  /** As at the end of the process: in order. */
  close(): Promise<void>;
  /** As at the next start, on the same files. */
  open(): Promise<void>;
}

/**
 * Stops and starts the stage twice, with `views.db` kept and with it deleted, and compares what is read with what was read
 * before. The stage is open afterwards.
 *
 * @example
 * await expectSameAfterRebuild({
 *   viewsPath: join(folder, 'views.db'),
 *   read: () => server.get('/v1/goals'),
 *   close: () => server.stop(),
 *   open: () => server.start(),
 * });
 */
export async function expectSameAfterRebuild(stage: RebuiltStage): Promise<void> {
  const before = await stage.read();
  await stage.close();
  await stage.open();
  expect(await stage.read(), 'after a restart with views.db').toEqual(before);
  await stage.close();
  expect(existsSync(stage.viewsPath), `${stage.viewsPath} is there`).toBe(true);
  deleteDatabase(stage.viewsPath);
  await stage.open();
  expect(await stage.read(), 'after a restart without views.db').toEqual(before);
}

/** Expects that every row of `views.db` is what the facts of the ledger make it. Both files may be in use. */
export function expectNoDifference(files: {
  readonly ledgerPath: string;
  readonly viewsPath: string;
  readonly views: readonly View[];
}): void {
  const reader = openSqliteReader(files.ledgerPath);
  try {
    expect(viewsDifference({ path: files.viewsPath, views: files.views, reader })).toBeNull();
  } finally {
    reader.close();
  }
}
