// Writes of conversations committed together: who is told when, what a power cut leaves, and what a disk that fails does.
// The files are real; the disk's answer is held up or failed in their place.

import { copyFileSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { GroupCommit } from '#bursar/chats/group-commit.js';
import { ServiceStore } from '#bursar/kit/service-store.js';
import { refused } from './files-setup.js';

const AREA = { name: 'words', migrations: ['CREATE TABLE words (word TEXT NOT NULL UNIQUE) STRICT'] };

let folder: string;
let path: string;
let disk: Disk;
let store: ServiceStore;
let writer: GroupCommit;

interface Asked {
  /** Of the log, when it was asked. */
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Takes what is written only when it is told to. */
class Disk {
  /** Bytes of the log that it has taken. */
  taken = 0;
  readonly #asked: Asked[] = [];

  readonly take = () =>
    new Promise<void>((resolve, reject) => {
      this.#asked.push({ bytes: statSync(`${path}-wal`).size, resolve, reject });
    });

  get asked(): number {
    return this.#asked.length;
  }

  async takes(): Promise<void> {
    await settled();
    const { bytes, resolve } = this.#asked.shift() as Asked;
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
  folder = mkdtempSync(join(tmpdir(), 'bursar-group-'));
  path = join(folder, 'service.db');
  disk = new Disk();
  store = ServiceStore.open(path, [AREA], disk.take);
  writer = new GroupCommit(store);
});
afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

const add = (word: string) => () => {
  store.prepare<[string]>('INSERT INTO words (word) VALUES (?)').run(word);
  return word;
};

function words(of = store): string[] {
  return of
    .prepare<[], { word: string }>('SELECT word FROM words')
    .all()
    .map((row) => row.word);
}

/** What a file has after the power was cut: of the log no more than the disk took. */
function afterPowerCut(): string[] {
  const cut = join(folder, 'cut.db');
  copyFileSync(path, cut);
  copyFileSync(`${path}-wal`, `${cut}-wal`);
  truncateSync(`${cut}-wal`, disk.taken);
  const opened = ServiceStore.open(cut, [AREA]);
  try {
    return words(opened);
  } finally {
    opened.close();
  }
}

/** Notes who was told, in that order. */
function listen(...callers: Promise<string>[]): string[] {
  const told: string[] = [];
  for (const caller of callers)
    caller.then(
      (word) => told.push(word),
      (error) => told.push(`${(error as Error).message}`),
    );
  return told;
}

test('group: a durable caller is told once the disk has its write, a casual one at once; readers see both', async () => {
  const told = listen(writer.durably(add('durable')), writer.casually(add('casual')));
  await settled();
  expect(told).toEqual(['casual']);
  expect(words()).toEqual(['durable', 'casual']);
  await disk.takes();
  expect(told).toEqual(['casual', 'durable']);
  expect(afterPowerCut()).toEqual(['durable', 'casual']);
});

test('group: what is written while the disk is busy waits for the next time, all of it for the same', async () => {
  const told = listen(writer.durably(add('first')));
  await settled();
  const later = listen(writer.durably(add('second')));
  await settled();
  const last = listen(writer.durably(add('third')));
  await settled();
  expect([disk.asked, words()]).toEqual([1, ['first', 'second', 'third']]);
  await disk.takes();
  expect([told, later, last, disk.asked]).toEqual([['first'], [], [], 1]);
  expect(afterPowerCut()).toEqual(['first']);
  await disk.takes();
  expect([later, last, disk.asked]).toEqual([['second'], ['third'], 0]);
  expect(afterPowerCut()).toEqual(['first', 'second', 'third']);
});

test('group: a write that throws is undone alone, and its caller told no sooner than those of the others', async () => {
  const throwing = (word: string) => () => {
    add(word)();
    throw new Error(`not ${word}`);
  };
  const told = listen(
    writer.durably(add('a')),
    writer.durably(throwing('b')),
    writer.casually(throwing('c')),
    // A fault of SQLite's own is its writer's alone as well.
    writer.casually(add('a')),
    writer.durably(add('d')),
  );
  await settled();
  expect(told).toEqual(['not c', 'UNIQUE constraint failed: words.word']);
  await disk.takes();
  expect(told.slice(2)).toEqual(['a', 'not b', 'd']);
  expect(words()).toEqual(['a', 'd']);
  expect(afterPowerCut()).toEqual(['a', 'd']);
});

test('group: a disk that fails → its callers are told, and nothing is taken any more until the file is opened again', async () => {
  await Promise.all([writer.durably(add('before')), disk.takes()]);
  const first = refused(() => writer.durably(add('lost')));
  await settled();
  const second = refused(() => writer.durably(add('after')));
  await disk.fails();
  const why =
    "store_unavailable: the service's file did not take a change (EIO), and takes none until Bursar is started again";
  expect([await first, await second]).toEqual([why, why]);
  // The disk is not asked again: a success would say nothing of what it lost.
  expect(disk.asked).toBe(0);
  for (const write of [writer.durably.bind(writer), writer.casually.bind(writer)])
    expect(await refused(() => write(add('more')))).toBe(why);
  expect(await refused(() => store.transaction(add('more')))).toBe(why);
  expect(afterPowerCut()).toEqual(['before']);
  store.close();
  store = ServiceStore.open(path, [AREA]);
  await new GroupCommit(store).durably(add('again'));
  expect(words()).toContain('again');
});

test('store: what a killed process left in the log → opening writes it to the file', () => {
  store.casually(add('casual'));
  const copy = (name: string, of: string, ...ends: string[]) => {
    for (const end of ends) copyFileSync(of + end, join(folder, name) + end);
    return join(folder, name);
  };
  const killed = copy('killed.db', path, '', '-wal');
  const opened = ServiceStore.open(killed, [AREA]);
  const fileAlone = ServiceStore.open(copy('alone.db', killed, ''), [AREA]);
  expect(words(fileAlone)).toEqual(['casual']);
  fileAlone.close();
  opened.close();
});

test('store: a transaction waits for the disk itself, or is undone; what is casual does not', () => {
  // SQLite's own names: 1 is NORMAL, which leaves the disk to `synced`; 2 is FULL, which waits for it.
  const synchronous = () => store.prepare<[], number>('PRAGMA synchronous').pluck().get();
  expect(store.casually(synchronous)).toBe(1);
  expect(store.transaction(synchronous)).toBe(2);
  expect(() => store.transaction(() => add('sure')() && add('sure')())).toThrow(/store_unavailable|not take/);
  expect(store.casually(synchronous)).toBe(1);
  expect(words()).toEqual([]);
  const within = () => {
    store.transaction(add('inner'));
    return synchronous();
  };
  expect([store.transaction(within), store.casually(synchronous), words()]).toEqual([2, 1, ['inner']]);
});
