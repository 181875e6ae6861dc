// `bursar verify` on a server's data folder: the rows of views.db are compared with the facts of the ledger.

import { copyFileSync, existsSync, rmSync } from 'node:fs';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CloseStack } from '#bursar/composition/close-stack.js';
import { openDataFolder } from '#bursar/composition/data-folder.js';
import { BursarFolder } from '../setup/bursar-process.js';

const LOGGER = { info: () => undefined, warn: () => undefined, error: () => undefined };
const CLOCK = { now: () => Date.parse('2026-03-01T10:00:00Z') };

let folder: BursarFolder;

beforeEach(async () => {
  folder = await BursarFolder.make();
  const opened = new CloseStack();
  const { ledger } = await openDataFolder(folder.path, { clock: CLOCK, logger: LOGGER, opened });
  await ledger.putBudget({ id: 'all', match: {}, unit: 'usd', limit: 100n, window: 'day' });
  await opened.close(LOGGER);
});
afterEach(() => folder.remove());

function alter(sql: string): void {
  const db = new Database(folder.file('views.db'));
  db.exec(sql);
  db.close();
}

const verify = (more = '') => folder.run(`verify${more}`, folder.file('ledger.db'));

test('verify: views.db as the facts make it → says so; a ledger without views → says nothing of them', async () => {
  expect(await verify()).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('the chain holds'),
    stderr: "views.db: every row is as the ledger's facts make it\n",
  });
  rmSync(folder.file('views.db'));
  expect(await verify()).toMatchObject({ code: 0, stderr: '' });
  expect(existsSync(folder.file('views.db'))).toBe(false);
});

test('verify: a row that no fact made → is named, the exit code is 1, and --json has the report alone', async () => {
  const table = new Database(folder.file('views.db'))
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'quota_policies'")
    .pluck()
    .get();
  expect(table).toBe('quota_policies');
  alter("INSERT INTO quota_policies (number, body) VALUES (7, '{}')");
  const { code, stdout, stderr } = await verify(' --json');
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ ok: true });
  expect(stderr).toContain('WRONG in views.db, table quota_policies: found {"number":7,');
  expect(stderr).toContain('expected no such row; delete the file');
});

test('verify: views.db of another ledger → is wrong; of another version → is passed over', async () => {
  copyFileSync(folder.file('views.db'), folder.file('kept.db'));
  alter("UPDATE position SET hash = '00'");
  expect(await verify()).toMatchObject({
    code: 1,
    stderr: 'WRONG in views.db: it follows another ledger; the next start makes it anew\n',
  });
  copyFileSync(folder.file('kept.db'), folder.file('views.db'));
  alter("UPDATE position SET format = 'older'");
  expect(await verify()).toMatchObject({ code: 0, stderr: '' });
});
