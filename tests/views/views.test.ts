// The file of the views on a real ledger: facts are in it when their command is answered, it is made anew whenever
// something is wrong with it, and `viewsDifference` finds what is not as the facts make it.

import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Fact } from '#bursar/core/facts.js';
import { type Ledger, openLedger } from '#bursar/index.js';
import { EMPTY_HEAD, factBatches } from '#bursar/journal/fact-records.js';
import { openSqliteReader } from '#bursar/journal/sqlite/reader.js';
import { viewsDifference } from '#bursar/views/difference.js';
import type { View } from '#bursar/views/view.js';
import { openViews, type Views } from '#bursar/views/views.js';
import { NOTE_LINES, NOTES_VIEW, noteDeleted, notePut, TENANT_LINES } from './notes-view.mjs';
import { expectNoDifference, expectSameAfterRebuild } from './rebuilt.js';

const ACTOR = { key: 'key-ann', address: null };

let folder: string;
let ledgerPath: string;
let viewsPath: string;
let views: Views;
let ledger: Ledger;
/** Why files were made anew. */
let replaced: string[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bursar-views-'));
  ledgerPath = join(folder, 'ledger.db');
  viewsPath = join(folder, 'views.db');
  replaced = [];
  await open();
});
afterEach(async () => {
  await close();
  rmSync(folder, { recursive: true, force: true });
});

async function open(of: readonly View[] = [NOTES_VIEW]): Promise<void> {
  views = openViews(viewsPath, of, { onReplaced: (why) => replaced.push(why) });
  ledger = await openLedger({ path: ledgerPath, follower: views });
}

async function close(): Promise<void> {
  await ledger.close();
  views.closeFile();
}

async function write(...facts: Fact[]): Promise<void> {
  await ledger.run({ command: 'record_facts' }, { facts, actor: ACTOR });
}

function lines(of: Views = views): string[] {
  return of.prepare<[], string>(NOTE_LINES).pluck().all();
}

function sql(text: string): unknown {
  const db = new Database(viewsPath);
  try {
    return db.prepare(text).run();
  } finally {
    db.close();
  }
}

describe('views: following', () => {
  test('views: facts → are in the tables when the command is answered, in the order in which they were written', async () => {
    const count = views.prepare<[], number>('SELECT count(*) FROM notes').pluck();
    const written = write(notePut('a', 'one'), notePut('a', 'two'), notePut('b', 'three'), noteDeleted('b'));
    expect(count.get()).toBe(0);
    await written;
    expect(lines()).toEqual(['a two 2 done']);
    await Promise.all([write(notePut('a', 'x')), write(noteDeleted('a')), write(notePut('a', 'y', 'acme'))]);
    expect(lines()).toEqual(['a y 1 done']);
    expect(views.prepare<[], string>(TENANT_LINES).pluck().all()).toEqual(['acme 1', 'none 4']);
    const row = views.prepare<[], [string, number]>('SELECT actor, sequence FROM notes').raw().get();
    expect(row).toEqual(['key-ann', ledger.head().sequence]);
    expect(views.position()).toEqual(ledger.head());
  });

  test('views: facts of a command that is denied → change nothing; facts of a hold know its outcome', async () => {
    await ledger.putBudget({ id: 'all', match: {}, unit: 'usd', limit: 100n, window: 'day' });
    const authorize = (holdId: string) =>
      ledger.authorize({ holdId, labels: {}, amounts: { usd: 60n } }, { facts: [notePut(holdId, 'asked')] });
    expect((await authorize('h1')).outcome).toBe('authorized');
    expect((await authorize('h2')).outcome).toBe('denied');
    expect(lines()).toEqual(['h1 asked 1 authorized']);
  });

  test('views: a restart, with the file and without it → the same rows', async () => {
    await write(notePut('a', 'one', 'acme'), notePut('b', 'two'));
    await write(noteDeleted('b'), notePut('c', 'three', 'acme'));
    const everything = () => ({ notes: lines(), tenants: views.prepare(TENANT_LINES).all() });
    await expectSameAfterRebuild({ viewsPath, read: everything, open, close });
    expect(lines()).toEqual(['a one 1 done', 'c three 1 done']);
    expect(replaced).toEqual([]);
  });

  test('views: a restart → only what came after the position is read again', async () => {
    for (let index = 0; index < 30; index += 1) await write(notePut('a', `${index}`));
    await ledger.putBudget({ id: 'all', match: {}, unit: 'usd', limit: 100n, window: 'day' });
    const head = ledger.head();
    expect(views.position().sequence).toBeLessThan(head.sequence);
    await close();
    // Whoever reads from the start stops here: bytes of early batches are no longer those that were hashed.
    const db = new Database(ledgerPath);
    db.exec('UPDATE batches SET bytes = zeroblob(length(bytes)) WHERE first_sequence BETWEEN 3 AND 20');
    db.close();
    views = openViews(viewsPath, [NOTES_VIEW]);
    expect(views.position()).toEqual(head);
    const reader = openSqliteReader(ledgerPath);
    views.catchUp(reader);
    expect(lines()).toEqual(['a 29 30 done']);
    views.closeFile();
    rmSync(viewsPath);
    views = openViews(viewsPath, [NOTES_VIEW]);
    expect(() => views.catchUp(reader)).toThrow('stored bytes do not have the stored hash');
    reader.close();
  });

  test('views: a long journal → is taken in by parts, with progress', async () => {
    for (let group = 0; group < 5; group += 1)
      await Promise.all(
        Array.from({ length: 500 }, (_, index) => write(notePut(`n${group * 500 + index}`, 'x'))),
      );
    const head = ledger.head();
    await close();
    rmSync(viewsPath);
    views = openViews(viewsPath, [NOTES_VIEW]);
    const seen: number[][] = [];
    const reader = openSqliteReader(ledgerPath);
    views.catchUp(reader, (done, total) => seen.push([done, total]));
    reader.close();
    expect(seen.length).toBeGreaterThanOrEqual(2);
    expect(seen.every(([done, total]) => done <= total && total === head.sequence)).toBe(true);
    expect(lines()).toHaveLength(2_500);
  });

  test('views: facts that are in the tables already → are not applied again', async () => {
    await write(notePut('a', 'one'));
    const reader = openSqliteReader(ledgerPath);
    const second = openViews(join(folder, 'second.db'), [NOTES_VIEW]);
    second.catchUp(reader);
    await write(notePut('a', 'two'));
    const all = [...factBatches(reader, EMPTY_HEAD)];
    second.follow(
      all.flatMap(({ records }) => records),
      ledger.head(),
    );
    second.follow(all[0].records, all[0].head);
    expect(lines(second)).toEqual(['a two 2 done']);
    expect(second.position()).toEqual(ledger.head());
    second.closeFile();
    reader.close();
  });

  test('views: a fact that its view cannot take → nothing of the batch is applied, and the ledger stops', async () => {
    await write(notePut('a', 'one'));
    const before = views.position();
    const wrong = { feature: 'notes', kind: 'note_lost', body: '{"id":"a"}' };
    await expect(write(noteDeleted('a'), wrong)).rejects.toThrow('there is no fact note_lost');
    expect([lines(), views.position()]).toEqual([['a one 1 done'], before]);
    await expect(ledger.close()).rejects.toThrow('there is no fact note_lost');
    views.closeFile();
    await expect(open()).rejects.toThrow('there is no fact note_lost');
    views.closeFile();
    rmSync(ledgerPath);
    await open();
  });

  test('views: facts of a feature that has no view → are passed over, and taken once it has one', async () => {
    const tags: View = {
      feature: 'tags',
      tables: 'CREATE TABLE tags (tag TEXT PRIMARY KEY) STRICT -- a last line without an end',
      open(db) {
        const add = db.prepare<[string]>('INSERT INTO tags VALUES (?)');
        return ({ body }) => add.run(JSON.parse(body));
      },
    };
    await write({ feature: 'tags', kind: 'tag_added', body: '"blue"' }, notePut('a', 'one'));
    await close();
    await open([tags, NOTES_VIEW]);
    expect(replaced).toEqual(['its tables are of another version']);
    expect(views.prepare('SELECT * FROM tags').all()).toEqual([{ tag: 'blue' }]);
    await close();
    await open([NOTES_VIEW, tags]);
    expect(replaced).toHaveLength(1);
    expect(lines()).toEqual(['a one 1 done']);
  });

  test('views: a statement that writes outside of a fact → is refused', async () => {
    const remove = views.prepare('DELETE FROM notes');
    await write(notePut('a', 'one'));
    expect(() => remove.run()).toThrow('changed by something else than a fact: DELETE FROM notes');
    expect(lines()).toEqual(['a one 1 done']);
  });

  test('views: in memory, for a ledger in memory → as in a file', async () => {
    const inMemory = openViews(':memory:', [NOTES_VIEW]);
    const other = await openLedger({ path: ':memory:', follower: inMemory });
    await other.run({ command: 'record_facts' }, { facts: [notePut('a', 'one')] });
    expect(lines(inMemory)).toEqual(['a one 1 done']);
    await other.close();
    inMemory.closeFile();
  });
});

describe('views: the file is made anew', () => {
  const altered = (text: string) => () => void sql(text);
  const overwritten = (at: number) => () => {
    const bytes = readFileSync(viewsPath);
    bytes.fill(0xa5, at, at + 8_000);
    writeFileSync(viewsPath, bytes);
  };

  test.each<[string, () => void, RegExp]>([
    ['empty', () => writeFileSync(viewsPath, ''), /^$/],
    [
      'no database',
      () => writeFileSync(viewsPath, 'Dear Sir or Madam'.repeat(100)),
      /is not a Bursar file of views/,
    ],
    ['another program’s database', altered('PRAGMA application_id = 7'), /is not a Bursar file of views/],
    ['of other tables', altered("UPDATE position SET format = 'older'"), /another version/],
    ['without a table', altered('DROP TABLE tenants'), /another version/],
    ['without an index', altered('DROP INDEX notes_by_text'), /another version/],
    ['without its position', altered('DELETE FROM position'), /another version|position is lost/],
    ['damaged after its first page', overwritten(4_096), /malformed/],
    ['cut short', () => writeFileSync(viewsPath, readFileSync(viewsPath).subarray(0, 9_000)), /malformed/],
    ['of another ledger', altered("UPDATE position SET hash = '00'"), /follows another ledger/],
    ['ahead of the ledger', altered('UPDATE position SET sequence = 1000000'), /follows another ledger/],
    ['with a log that is not its own', () => writeFileSync(`${viewsPath}-wal`, 'x'.repeat(50_000)), /^$/],
  ])('views: the file is %s → is made anew from the journal', async (_what, damage, why) => {
    await Promise.all(
      Array.from({ length: 300 }, (_, index) => write(notePut(`n${index}`, 'x'.repeat(100)))),
    );
    const before = lines();
    await close();
    damage();
    await open();
    expect(lines()).toEqual(before);
    expect(replaced.join()).toMatch(why);
    expectNoDifference({ ledgerPath, viewsPath, views: [NOTES_VIEW] });
    await write(noteDeleted('n0'));
    expect(lines()).toHaveLength(299);
  });

  test('views: the file is damaged while it is used → the next read makes it anew, and later facts go on', async () => {
    await Promise.all(
      Array.from({ length: 300 }, (_, index) => write(notePut(`n${index}`, 'x'.repeat(100)))),
    );
    const text = views.prepare<[string], string>('SELECT text FROM notes WHERE id = ?').pluck();
    const before = lines();
    const copied = new Database(viewsPath);
    copied.pragma('wal_checkpoint(TRUNCATE)');
    copied.close();
    const file = openSync(viewsPath, 'r+');
    const pages = statSync(viewsPath).size / 4_096;
    for (let page = 1; page < pages; page += 1)
      writeSync(file, Buffer.alloc(4_096, 0xa5), 0, 4_096, page * 4_096);
    expect(lines()).toEqual(before);
    expect(replaced).toEqual([expect.stringMatching(/malformed/)]);
    expect(text.get('n7')).toBe('x'.repeat(100));
    await write(notePut('n7', 'new'));
    expect(text.get('n7')).toBe('new');
    expectNoDifference({ ledgerPath, viewsPath, views: [NOTES_VIEW] });
  });

  test('views: another process holds the file’s lock → it loses the file; callers wait for a moment only', async () => {
    await write(notePut('a', 'one'));
    const other = new Database(viewsPath);
    other.exec("BEGIN IMMEDIATE; UPDATE notes SET text = 'wrong'");
    await write(notePut('b', 'two'));
    expect(replaced).toEqual(['another process holds it']);
    expect(lines()).toEqual(['a one 1 done', 'b two 1 done']);
    other.exec('COMMIT');
    other.close();
    expect(lines()).toEqual(['a one 1 done', 'b two 1 done']);
    await close();
    await open();
    expect(lines()).toEqual(['a one 1 done', 'b two 1 done']);
  });

  test('views: another process holds the file’s lock at the opening → it loses the file', async () => {
    await write(notePut('a', 'one'));
    const other = new Database(viewsPath);
    other.exec('BEGIN IMMEDIATE');
    await close();
    await open();
    expect(replaced).toEqual(['another process holds it']);
    expect(lines()).toEqual(['a one 1 done']);
    other.close();
  });

  test('views: a server of another version starts beside the one that holds the ledger → the file is left to that one', async () => {
    await write(notePut('a', 'one'));
    const other = { ...NOTES_VIEW, tables: `${NOTES_VIEW.tables} -- of another version` };
    const second = openViews(viewsPath, [other], { onReplaced: (why) => replaced.push(why) });
    await expect(openLedger({ path: ledgerPath, follower: second })).rejects.toMatchObject({
      code: 'ledger_held',
    });
    second.closeFile();
    expect(replaced).toEqual([]);
    const file = new Database(viewsPath, { readonly: true });
    expect(file.prepare(NOTE_LINES).pluck().all()).toEqual(['a one 1 done']);
    file.close();
  });

  test('views: another process takes facts in with the same file → both show the same, and go on', async () => {
    await write(notePut('a', 'one'));
    await ledger.putBudget({ id: 'all', match: {}, unit: 'usd', limit: 100n, window: 'day' });
    const reader = openSqliteReader(ledgerPath);
    const second = openViews(viewsPath, [NOTES_VIEW]);
    second.catchUp(reader);
    expect(second.position().sequence).toBeGreaterThan(views.position().sequence);
    await write(notePut('b', 'two'));
    second.catchUp(reader);
    expect(lines(second)).toEqual(['a one 1 done', 'b two 1 done']);
    await write(notePut('b', 'three'));
    expect(lines()).toEqual(['a one 1 done', 'b three 2 done']);
    expect(replaced).toEqual([]);
    second.closeFile();
    reader.close();
  });

  test('views: another ledger under the same name → the views follow that one', async () => {
    await write(notePut('a', 'one'));
    await close();
    const kept = join(folder, 'kept.db');
    copyFileSync(viewsPath, kept);
    for (const name of readdirSync(folder)) if (name !== 'kept.db') rmSync(join(folder, name));
    copyFileSync(kept, viewsPath);
    await open();
    await write(notePut('z', 'other'));
    expect(lines()).toEqual(['z other 1 done']);
    expect(replaced).toEqual(['it follows another ledger']);
  });

  test.skipIf(process.platform === 'win32')('views: the files → only their owner reads them', async () => {
    await write(notePut('a', 'one'));
    const modes = () =>
      readdirSync(folder)
        .filter((name) => name.startsWith('views'))
        .map((name) => statSync(join(folder, name)).mode & 0o777);
    expect(modes()).toEqual([0o600, 0o600, 0o600]);
    await close();
    chmodSync(viewsPath, 0o644);
    await open();
    expect(modes()).toEqual([0o600, 0o600, 0o600]);
  });
});

describe('views: proven from the journal', () => {
  function difference() {
    const reader = openSqliteReader(ledgerPath);
    try {
      return viewsDifference({ path: viewsPath, views: [NOTES_VIEW], reader });
    } finally {
      reader.close();
    }
  }

  beforeEach(async () => {
    await write(notePut('a', 'one', 'acme'), notePut('b', 'two'), notePut('c', 'three'));
  });

  test('views: rows as the facts make them → no difference, also while facts are written', async () => {
    expect(difference()).toBeNull();
    const writing = write(notePut('d', 'four'));
    expect(difference()).toBeNull();
    await writing;
    expect(difference()).toBeNull();
  });

  test.each([
    [
      "UPDATE notes SET text = 'TWO' WHERE id = 'b'",
      'notes',
      { id: 'b', text: 'two' },
      { id: 'b', text: 'TWO' },
    ],
    ["DELETE FROM notes WHERE id = 'b'", 'notes', { id: 'b' }, { id: 'c' }],
    ["DELETE FROM notes WHERE id = 'c'", 'notes', { id: 'c' }, null],
    [
      "INSERT INTO notes SELECT 'd', text, 1, 'done', NULL, 1, 1 FROM notes LIMIT 1",
      'notes',
      null,
      { id: 'd' },
    ],
    ["UPDATE tenants SET notes = 9 WHERE tenant = 'acme'", 'tenants', { notes: 1n }, { notes: 9n }],
  ])('views: %s → the difference is named', (change, table, expected, found) => {
    sql(change);
    const asRow = (row: object | null) => (row === null ? null : expect.objectContaining(row));
    expect(difference()).toEqual({ table, expected: asRow(expected), found: asRow(found) });
  });

  test('views: a file that cannot be compared → says why, and is left as it is', async () => {
    await close();
    sql('DROP TABLE tenants');
    const before = readFileSync(viewsPath);
    expect(difference).toThrow('its tables are of another version');
    expect(readFileSync(viewsPath).equals(before)).toBe(true);
    writeFileSync(viewsPath, 'Dear Sir or Madam'.repeat(100));
    expect(difference).toThrow('file is not a database');
    expect(existsSync(viewsPath)).toBe(true);
  });
});
