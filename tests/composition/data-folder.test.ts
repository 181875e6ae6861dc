// The files of a data folder know each other: what is missing, older or of another folder is refused at the start, and says what
// to do. Over the real command, as an operator would see it.

import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CloseStack } from '#bursar/composition/close-stack.js';
import { openDataFolder, VIEWS } from '#bursar/composition/data-folder.js';
import { FolderIdentity } from '#bursar/composition/folder-identity.js';
import { openLedger } from '#bursar/index.js';
import { openSqliteJournal } from '#bursar/journal/sqlite/journal.js';
import { openSqliteVault } from '#bursar/vault/sqlite/sqlite-vault.js';
import type { Vault } from '#bursar/vault/vault.js';
import { openViews } from '#bursar/views/views.js';
import { TestClock } from '../scenario/scenario.js';

const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined };
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bursar-folder-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string) => join(folder, name);

/** Opens the folder, spends, and closes it again. */
async function used(path = folder, acceptLoss = false): Promise<number> {
  const opened = new CloseStack();
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

  test('ledger.db lost all that its log had → it is said to end before, and not to be another one', async () => {
    const newest = await used();
    rmSync(file('ledger.db'));
    const terms = { authorityId: 'a', nowMs: 0, leaseMs: 1, takeOver: false };
    await (await openSqliteJournal(file('ledger.db'), terms)).close();
    await expect(used()).rejects.toThrow(`ledger.db ends at record 0, and it had ${newest} when`);
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

  test('killed between any two steps of the first start → the next start has nothing to refuse', async () => {
    for (const [name, killed] of [
      ['note', { vault: { noteLedger: killedHere } }],
      ['fact', { ledger: { run: killedHere } }],
    ] as const) {
      await expect(begun(file(name), killed)).rejects.toThrow('killed');
      expect(await used(file(name))).toBeGreaterThan(0);
    }
  });

  test('the ledger has stopped → the folder closes without a fault', async () => {
    const stopped = () => {
      throw new Error('the ledger has stopped');
    };
    const { identity, parts, close } = await begun();
    const before = await parts.vault.ledger();
    Object.assign(parts.ledger, { head: stopped });
    await identity.close();
    expect(await parts.vault.ledger()).toEqual(before);
    await close();
  });

  test('another process took the ledger over → this one notes its own head no more', async () => {
    const { identity, parts, close } = await begun();
    const ledgerId = (await parts.vault.ledger())?.ledgerId as string;
    const newer = { ledgerId, head: { sequence: 1_000, hash: 'ab' } };
    await parts.vault.noteLedger(newer);
    await identity.close();
    expect(await parts.vault.ledger()).toEqual(newer);
    await close();
  });
});

const killedHere = () => Promise.reject(new Error('killed'));

/** The parts of a folder, some methods of which are others, after FolderIdentity has begun. */
async function begun(path = folder, others: { readonly ledger?: object; readonly vault?: object } = {}) {
  mkdirSync(path, { recursive: true });
  const vault = openSqliteVault(join(path, 'vault.db'), new TestClock());
  const views = openViews(join(path, 'views.db'), VIEWS);
  const ledgerPath = join(path, 'ledger.db');
  const ledger = await openLedger({ path: ledgerPath, clock: new TestClock(), follower: views });
  const close = async () => {
    await ledger.close();
    await vault.close();
    views.closeFile();
  };
  const parts = {
    ledgerPath,
    views,
    ledger: { run: ledger.run.bind(ledger), head: () => ledger.head(), ...others.ledger },
    vault: Object.assign(Object.create(vault), bound(vault), others.vault) as Vault,
  };
  try {
    return { identity: await FolderIdentity.begin(parts as never), parts, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function bound(vault: Vault) {
  return { ledger: () => vault.ledger(), noteLedger: vault.noteLedger.bind(vault) };
}
