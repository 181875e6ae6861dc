// The service's own file: private to its owner, of numbered migrations all or none of which happen, and refused when it is
// not ours, damaged, or of a newer Bursar.

import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, describe, expect, test } from 'vitest';
import { openServiceStore } from '#bursar/composition/store/areas.js';
import { InvalidInputError } from '#bursar/index.js';
import { ServiceStore, type StoreArea } from '#bursar/kit/service-store.js';
import { refusal } from './access-setup.js';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'bursar-store-'));
  folders.push(folder);
  return folder;
}

const CHATS: StoreArea = { name: 'chats', migrations: ['CREATE TABLE chats (id TEXT PRIMARY KEY) STRICT'] };

function problemOpening(path: string, areas: readonly StoreArea[] = [CHATS]): string {
  try {
    ServiceStore.open(path, areas).close();
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidInputError);
    return (error as Error).message;
  }
  return 'it opened';
}

describe('store: the service’s file', () => {
  test.skipIf(process.platform === 'win32')(
    'store: its files → only their owner reads them, also a file that others could read before',
    () => {
      const folder = newFolder();
      const path = join(folder, 'service.db');
      const store = openServiceStore(path);
      store.transaction(() => undefined);
      const modes = () => readdirSync(folder).map((name) => statSync(join(folder, name)).mode & 0o777);
      expect(modes()).toEqual([0o600, 0o600, 0o600]);
      store.close();
      chmodSync(path, 0o644);
      openServiceStore(path).close();
      expect(modes()).toEqual([0o600]);
    },
  );

  test('store: a file of an older version → gets the migrations that it lacks, and keeps what it has', () => {
    const path = join(newFolder(), 'service.db');
    const old = ServiceStore.open(path, [CHATS]);
    old.transaction(() => old.prepare('INSERT INTO chats VALUES (?)').run('c1'));
    old.close();
    const newer = { ...CHATS, migrations: [...CHATS.migrations, 'ALTER TABLE chats ADD COLUMN title TEXT'] };
    const store = ServiceStore.open(path, [
      newer,
      { name: 'hooks', migrations: ['CREATE TABLE hooks (id TEXT)'] },
    ]);
    expect(store.prepare('SELECT id, title FROM chats').all()).toEqual([{ id: 'c1', title: null }]);
    expect(store.prepare('SELECT name, version FROM areas ORDER BY name').all()).toEqual([
      { name: 'chats', version: 2 },
      { name: 'hooks', version: 1 },
    ]);
    store.close();
    expect(problemOpening(path)).toContain(
      'was written by a newer Bursar (chats version 2; this one knows 1)',
    );
    expect(problemOpening(path, [newer])).toContain('newer Bursar (hooks version 1; this one knows 0)');
    expect(problemOpening(path, [newer, { name: 'hooks', migrations: [''] }])).toBe('it opened');
  });

  test('store: a migration that fails → none of them happened', () => {
    const path = join(newFolder(), 'service.db');
    const broken = {
      name: 'hooks',
      migrations: ['CREATE TABLE hooks (id TEXT)', 'CREATE TABLE hooks (id TEXT)'],
    };
    expect(problemOpening(path, [CHATS, broken])).toContain('table hooks already exists');
    const store = ServiceStore.open(path, [CHATS]);
    expect(store.prepare('SELECT name FROM areas').all()).toEqual([{ name: 'chats' }]);
    store.close();
  });

  test('store: another database, no database, a folder that is not there → refused and left as it was', () => {
    const folder = newFolder();
    const other = join(folder, 'other.db');
    new Database(other).exec('CREATE TABLE theirs (id TEXT)').close();
    const text = join(folder, 'text');
    writeFileSync(text, 'no database at all, and long enough to be looked at'.repeat(20));
    for (const path of [other, text]) {
      const before = readFileSync(path);
      expect(problemOpening(path)).toMatch(
        /no service store of Bursar's|cannot be opened: file is not a database/,
      );
      expect(readFileSync(path).equals(before)).toBe(true);
    }
    expect(problemOpening(join(folder, 'gone', 'service.db'))).toContain('cannot be made private');
  });

  test('store: the disk takes a change no more → store_unavailable, and nothing is changed', () => {
    const store = ServiceStore.open(join(newFolder(), 'service.db'), [CHATS]);
    const count = () => store.prepare<[], { n: number }>('SELECT count(*) AS n FROM chats').get()?.n;
    const pages = store.prepare<[], { page_count: number }>('PRAGMA page_count').get()?.page_count;
    store.prepare(`PRAGMA max_page_count = ${pages}`).get();
    const insert = store.prepare<[string]>('INSERT INTO chats VALUES (?)');
    let said = '';
    let made = 0;
    for (; made < 1_000 && said === ''; made += 1) {
      const outcome = refusal(() => store.transaction(() => insert.run(`${made} ${'n'.repeat(200)}`)));
      if (outcome !== 'nothing was refused') said = outcome;
    }
    expect(said).toBe("store_unavailable: the service's file did not take the change (SQLITE_FULL)");
    expect(count()).toBe(made - 1);
    store.close();
  });
});
