// The vault's file: private to its owner, refused when it is not ours; who is told when, what a power cut leaves, what a
// failing disk and a foreign lock do. The files are real; the disk's answer is held up or failed in its place.

import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSqliteVault, SqliteVault } from '#bursar/vault/sqlite/sqlite-vault.js';

const CLOCK = { now: () => 1_000 };

let folder: string;
let path: string;
let disk: Disk;
let vault: SqliteVault;

interface AskedSync {
  /** Of the log, when the sync was asked for. */
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Takes what is written only when it is told to. */
class Disk {
  /** Bytes of the log that it has taken. */
  taken = 0;
  readonly #asked: AskedSync[] = [];

  readonly take = () =>
    new Promise<void>((resolve, reject) => {
      this.#asked.push({ bytes: statSync(`${path}-wal`).size, resolve, reject });
    });

  get asked(): number {
    return this.#asked.length;
  }

  async takes(): Promise<void> {
    await settled();
    const { bytes, resolve } = this.#asked.shift() as AskedSync;
    this.taken = bytes;
    resolve();
    await settled();
  }

  async fails(): Promise<void> {
    await settled();
    this.#asked.shift()?.reject(Object.assign(new Error('the disk is gone'), { code: 'EIO' }));
    await settled();
  }
}

/** Whatever can happen without the disk has happened. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bursar-vault-'));
  path = join(folder, 'vault.db');
  disk = new Disk();
  vault = openSqliteVault(path, CLOCK, disk.take);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(word: string): Promise<void> {
  return vault.put([{ id: `chats/${word}`, body: word }]);
}

async function idsAt(where: string): Promise<readonly string[]> {
  const opened = openSqliteVault(where, CLOCK);
  const ids = await opened.ids('chats/');
  await opened.close();
  return ids.map((id) => id.slice('chats/'.length));
}

/** What a file has after the power was cut: of the log no more than the disk took. */
function afterPowerCut(): Promise<readonly string[]> {
  const cut = join(folder, 'cut.db');
  copyFileSync(path, cut);
  copyFileSync(`${path}-wal`, `${cut}-wal`);
  truncateSync(`${cut}-wal`, disk.taken);
  return idsAt(cut);
}

/** Notes who was told what, in that order. */
function listen(told: string[], ...words: string[]): void {
  for (const word of words)
    put(word).then(
      () => told.push(word),
      (error) => told.push(`${(error as Error).message}`),
    );
}

test('vault: a caller is told once the disk has its change; those of one turn share one sync', async () => {
  const told: string[] = [];
  listen(told, 'a', 'b');
  await settled();
  expect([told, disk.asked]).toEqual([[], 1]);
  await disk.takes();
  expect(told).toEqual(['a', 'b']);
  expect(await afterPowerCut()).toEqual(['a', 'b']);
});

test('vault: changes that are asked for while the disk is busy → share the next sync', async () => {
  const told: string[] = [];
  listen(told, 'a');
  await settled();
  listen(told, 'b');
  await settled();
  listen(told, 'c');
  await disk.takes();
  expect([told, disk.asked]).toEqual([['a'], 1]);
  expect(await afterPowerCut()).toEqual(['a']);
  await disk.takes();
  expect([told, disk.asked]).toEqual([['a', 'b', 'c'], 0]);
  expect(await afterPowerCut()).toEqual(['a', 'b', 'c']);
});

test('vault: a sync that failed → its callers are told, and nothing is taken until it is opened again', async () => {
  const told: string[] = [];
  listen(told, 'before');
  await disk.takes();
  listen(told, 'lost');
  await settled();
  listen(told, 'after');
  await disk.fails();
  const why = 'the vault’s file did not take a change (EIO), and takes none until Bursar is started again';
  expect(told).toEqual(['before', why, why]);
  // The disk is not asked again: a success would say nothing of what it lost.
  expect(disk.asked).toBe(0);
  await expect(put('more')).rejects.toMatchObject({
    code: 'store_unavailable',
    message: why,
  });
  await expect(vault.delete(['chats/before'])).rejects.toThrow(why);
  expect(await afterPowerCut()).toEqual(['before']);
  await vault.close();
  vault = openSqliteVault(path, CLOCK);
  await put('again');
  expect(await vault.ids('chats/again')).toEqual(['chats/again']);
  await vault.close();
});

test('vault: another process holds the lock for a while → callers wait without blocking the thread', async () => {
  await vault.close();
  vault = openSqliteVault(path, CLOCK);
  const other = new Database(path);
  other.exec('BEGIN IMMEDIATE');
  let isDone = false;
  const putting = put('a').then(() => {
    isDone = true;
  });
  let turns = 0;
  for (let longest = 0, last = Date.now(); turns < 100; turns += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    longest = Math.max(longest, Date.now() - last);
    last = Date.now();
    // Waiting on the thread would take the two seconds after which the vault gives up.
    expect(longest).toBeLessThan(1_000);
  }
  expect(isDone).toBe(false);
  other.exec('ROLLBACK');
  await putting;
  expect(await vault.ids('chats/')).toEqual(['chats/a']);
  other.close();
  await vault.close();
});

test('vault: another process does not give the lock back → store_unavailable, and later changes are taken', async () => {
  await vault.close();
  vault = openSqliteVault(path, CLOCK);
  const other = new Database(path);
  other.exec('BEGIN IMMEDIATE');
  await expect(put('a')).rejects.toMatchObject({ code: 'store_unavailable' });
  other.exec('ROLLBACK');
  other.close();
  await put('b');
  expect(await vault.ids('chats/')).toEqual(['chats/b']);
  await vault.close();
});

test('vault: a command of the command line puts beside the server → both see both', async () => {
  await vault.close();
  vault = openSqliteVault(path, CLOCK);
  const other = openSqliteVault(path, CLOCK);
  const both = Array.from({ length: 40 }, (_, index) => {
    const item = { id: `access/key-${index}`, body: `${index}` };
    return (index % 2 === 0 ? vault : other).put([item]);
  });
  await Promise.all(both);
  await other.delete(['access/key-0']);
  const ids = await vault.ids('access/', { max: 100 });
  expect(ids).toHaveLength(39);
  expect(await other.ids('access/', { max: 100 })).toEqual(ids);
  await other.close();
  await put('after');
  expect((await vault.get(['access/key-1', 'chats/after'])).size).toBe(2);
  await vault.close();
});

test('vault: the disk is full → the change is refused and undone; what is smaller is taken again', async () => {
  await vault.close();
  const db = new Database(path);
  const pages = db.pragma('page_count', { simple: true }) as number;
  db.pragma(`max_page_count = ${pages + 2}`);
  vault = new SqliteVault(db, path, CLOCK, async () => undefined);
  await put('fits');
  const long = { id: 'chats/long', body: 'x'.repeat(100_000) };
  await expect(vault.put([{ id: 'chats/with-it', body: '' }, long])).rejects.toMatchObject({
    code: 'store_unavailable',
    message: 'the disk of the vault is full (SQLITE_FULL)',
  });
  await put('also');
  expect(await vault.ids('chats/')).toEqual(['chats/also', 'chats/fits']);
  await vault.close();
});

test('vault: deleted texts → are no longer in the file once it is closed', async () => {
  await vault.close();
  vault = openSqliteVault(path, CLOCK);
  await vault.put([
    { id: 'chats/c1', body: 'the secret of the pharaoh' },
    { id: 'chats/c2', body: 'kept' },
  ]);
  await vault.close();
  expect(readFileSync(path, 'latin1')).toContain('pharaoh');
  vault = openSqliteVault(path, CLOCK);
  await vault.delete(['chats/c1']);
  await vault.close();
  expect(readdirSync(folder)).toEqual(['vault.db']);
  expect(readFileSync(path, 'latin1')).not.toContain('pharaoh');
});

test('vault: what a killed process left in the log → opening writes it to the file', async () => {
  const putting = put('killed');
  await disk.takes();
  await putting;
  const killed = join(folder, 'killed.db');
  copyFileSync(path, killed);
  copyFileSync(`${path}-wal`, `${killed}-wal`);
  const opened = openSqliteVault(killed, CLOCK);
  const alone = join(folder, 'alone.db');
  copyFileSync(killed, alone);
  expect(await idsAt(alone)).toEqual(['killed']);
  await opened.close();
});

test('vault: texts beyond what the log holds → are copied to the file while it is open', async () => {
  await vault.close();
  vault = openSqliteVault(path, CLOCK);
  const before = statSync(path).size;
  for (let index = 0; index < 5; index += 1)
    await vault.put([{ id: `chats/${index}`, body: 'x'.repeat(4 * 1024 * 1024) }]);
  expect(statSync(path).size).toBeGreaterThan(before + 12 * 1024 * 1024);
  await vault.close();
});

test.skipIf(process.platform === 'win32')(
  'vault: its files → only their owner reads them, also a file that others could read before',
  async () => {
    const modes = () => readdirSync(folder).map((name) => statSync(join(folder, name)).mode & 0o777);
    expect(modes()).toEqual([0o600, 0o600, 0o600]);
    await vault.close();
    chmodSync(path, 0o644);
    await openSqliteVault(path, CLOCK).close();
    expect(modes()).toEqual([0o600]);
  },
);

test('vault: another database, no database, a newer version, no folder → refused, and the file is left as it was', async () => {
  await vault.close();
  const other = join(folder, 'other.db');
  new Database(other).exec('CREATE TABLE theirs (id TEXT)').close();
  const text = join(folder, 'text');
  writeFileSync(text, 'no database at all, and long enough to be looked at'.repeat(20));
  for (const wrong of [other, text]) {
    const before = readFileSync(wrong);
    expect(() => openSqliteVault(wrong, CLOCK)).toThrow('is not a vault of Bursar');
    expect(readFileSync(wrong).equals(before)).toBe(true);
  }
  const newer = new Database(path);
  newer.pragma('user_version = 2');
  newer.close();
  expect(() => openSqliteVault(path, CLOCK)).toThrow('has format version 2; this Bursar reads 1');
  expect(() => openSqliteVault(join(folder, 'gone', 'vault.db'), CLOCK)).toThrow('cannot be made private');
});

test('vault: a file that lost a part, or is no file at all → refused, and whoever starts the server is told what to do', async () => {
  const torn = join(folder, 'torn.db');
  const whole = openSqliteVault(torn, CLOCK);
  await whole.put([{ id: 'chats/c/t', body: 'x'.repeat(100_000) }]);
  await whole.close();
  truncateSync(torn, 5_000);
  expect(() => openSqliteVault(torn, CLOCK)).toThrow('put it back from a backup, or move it away');
  const directory = join(folder, 'directory');
  mkdirSync(directory);
  expect(() => openSqliteVault(directory, CLOCK)).toThrow('is not a file: move it away');
});
