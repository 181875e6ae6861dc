// The files of a data folder know each other: what is missing, older or of another folder is refused at the start, and says what
// to do. Over the real command, as an operator would see it.

import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openDataFolder } from '#bursar/composition/data-folder.js';
import { Opened } from '#bursar/composition/opened.js';
import { TestClock } from './scenario.js';

const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined };
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bursar-folder-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string) => join(folder, name);

/** Opens the folder, spends, and closes it again. */
async function used(path = folder, acceptLoss = false): Promise<number> {
  const opened = new Opened();
  try {
    const { ledger } = await openDataFolder(path, {
      ...{ clock: new TestClock(), logger: QUIET, opened },
      acceptLoss,
    });
    await ledger.record({ labels: { tenant: 'acme' }, amounts: { tokens: 1n } });
    return ledger.head().sequence;
  } finally {
    await opened.close(QUIET);
  }
}

describe('data folder', () => {
  test('ledger.db is lost beside a vault → refused, and no new ledger is begun', async () => {
    await used();
    rmSync(file('ledger.db'));
    await expect(used()).rejects.toThrow(
      /ledger\.db is missing, and vault\.db belongs to one with \d+ records/,
    );
    await expect(used()).rejects.toThrow(/--accept-loss/);
    expect(await used(folder, true)).toBeGreaterThan(0);
    expect(await used()).toBeGreaterThan(0);
  });

  test('vault.db is lost beside a ledger that had one → refused, and says what was in it', async () => {
    await used();
    rmSync(file('vault.db'));
    await expect(used()).rejects.toThrow(/vault\.db is missing: the texts of chats and goals/);
    expect(await used(folder, true)).toBeGreaterThan(0);
    expect(await used()).toBeGreaterThan(0);
  });

  test('an older ledger.db is put back → refused with both positions', async () => {
    await used();
    copyFileSync(file('ledger.db'), file('old.db'));
    const newest = await used();
    for (const name of ['ledger.db-wal', 'ledger.db-shm', 'ledger.db-head'])
      rmSync(file(name), { force: true });
    renameSync(file('old.db'), file('ledger.db'));
    await expect(used()).rejects.toThrow(
      new RegExp(`ends at record \\d+, and it had ${newest} when vault.db was written`),
    );
  });

  test('the ledger of another folder → refused', async () => {
    await used();
    const other = file('other');
    mkdirSync(other);
    await used(other);
    copyFileSync(join(other, 'ledger.db'), file('ledger.db'));
    rmSync(file('ledger.db-head'), { force: true });
    await expect(used()).rejects.toThrow('vault.db belongs to another ledger than ledger.db');
  });

  test('views.db is lost → made anew, and nothing is refused', async () => {
    const before = await used();
    rmSync(file('views.db'));
    expect(await used()).toBeGreaterThan(before);
  });
});
