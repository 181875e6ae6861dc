// What only the SQLite journal has: a file that others may open, hold, kill or mistake for something else.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkChain, fromHex } from '#bursar/journal/chain.js';
import type { JournalReader, JournalWriter } from '#bursar/journal/port.js';
import { openSqliteJournal } from '#bursar/journal/sqlite/journal.js';
import { isProcessGone, thisProcess } from '#bursar/journal/sqlite/process-identity.js';
import { openSqliteReader } from '#bursar/journal/sqlite/reader.js';
import { killWriter, startWriter } from './journal-child.js';

const OPTIONS = { authorityId: 'parent', nowMs: 1_000_000, leaseMs: 60_000 };
const MIB = 1024 * 1024;

let folder: string;
let path: string;
let opened: (JournalWriter | JournalReader)[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bursar-sqlite-'));
  path = join(folder, 'ledger.db');
  opened = [];
});
afterEach(async () => {
  for (const each of opened) await each.close();
  rmSync(folder, { recursive: true, force: true });
});

async function open(options: Partial<typeof OPTIONS> = {}): Promise<JournalWriter> {
  const writer = await openSqliteJournal(path, { ...OPTIONS, ...options });
  opened.push(writer);
  return writer;
}

function read(): JournalReader {
  const reader = openSqliteReader(path);
  opened.push(reader);
  return reader;
}

const batch = (firstSequence: number, size = 10) => ({
  firstSequence,
  recordCount: 1,
  bytes: new Uint8Array(size).fill(firstSequence),
});
const APPEND_THREE = `for (let i = 1; i <= 3; i += 1)
  await journal.append({ firstSequence: i, recordCount: 1, bytes: new Uint8Array(10).fill(i) });`;

describe('a holder in another process', () => {
  test('alive → refused and named; killed → opened at once with all that was answered, one epoch higher', async () => {
    const child = await startWriter(path, APPEND_THREE);
    await expect(open()).rejects.toThrow(
      new RegExp(`held by authority "child" \\(host .+, process ${child.pid},`),
    );
    expect(read().head().sequence).toBe(3);
    await killWriter(child);
    const writer = await open();
    expect(writer.epoch).toBe(2);
    expect(Array.from(checkChain(writer.reader.batches()), (each) => each.bytes[0])).toEqual([1, 2, 3]);
    await writer.append(batch(4));
  });

  test('killed, its ledger only read → the reader needs nothing of the dead', async () => {
    await killWriter(await startWriter(path, APPEND_THREE));
    expect([...checkChain(read().batches())]).toHaveLength(3);
    expect(read().lease()).toMatchObject({ authorityId: 'child', epoch: 1 });
  });

  test('killed in the midst of appends → every answered batch is there, in an unbroken chain', async () => {
    const child = await startWriter(
      path,
      `${APPEND_THREE}
      const { openSync, writeSync } = await import('node:fs');
      let next = 4;
      const append = async () => {
        const bytes = new Uint8Array(20_000).fill(next);
        const head = await journal.append({ firstSequence: next++, recordCount: 1, bytes });
        writeSync(answers, head.sequence + '\\n');
      };
      const answers = openSync(path + '.answered', 'w');
      for (let i = 0; i < 30; i += 1) await append();
      // Goes on for ever, while it is being killed.
      const goOn = () => append().then(() => setImmediate(goOn));
      goOn();`,
    );
    await killWriter(child);
    const writer = await open();
    const sequences = Array.from(checkChain(writer.reader.batches()), (each) => each.firstSequence);
    expect(sequences).toEqual(sequences.map((_, i) => i + 1));
    const answered = readFileSync(`${path}.answered`, 'utf8').trim().split('\n');
    expect(answered.length).toBeGreaterThanOrEqual(30);
    expect(sequences.length).toBeGreaterThanOrEqual(Number(answered.at(-1)));
  });

  test('killed in the midst of a checkpoint → it is not given, and the next save clears it away', async () => {
    const child = await startWriter(
      path,
      `${APPEND_THREE}
      journal.saveCheckpoint({ sequence: 3, chainHash: new Uint8Array(32), bytes: new Uint8Array(400 * ${MIB}) });
      for (let i = 4; i < 8; i += 1)
        await journal.append({ firstSequence: i, recordCount: 1, bytes: new Uint8Array(10).fill(i) });`,
    );
    await killWriter(child);
    const writer = await open();
    expect([...writer.reader.checkpoints()]).toEqual([]);
    expect(countRows('checkpoint_chunks')).toBeGreaterThan(0);
    const { sequence, hash } = writer.reader.head();
    await writer.saveCheckpoint({ sequence, chainHash: fromHex(hash), bytes: new Uint8Array(10) });
    expect(Array.from(writer.reader.checkpoints(), (each) => each.sequence)).toEqual([sequence]);
    expect(countRows('checkpoint_chunks')).toBe(1);
  });

  test('only what is certainly gone is gone: not another host’s, boot’s or container’s process', () => {
    const here = thisProcess();
    expect(isProcessGone(here)).toBe(false);
    expect(isProcessGone({ ...here, pid: 2 ** 22 + 1 })).toBe(true);
    for (const other of [{ host: 'elsewhere' }, { bootId: 'another' }, { pidNamespace: 'pid:[1]' }])
      expect(isProcessGone({ ...here, pid: 2 ** 22 + 1, ...other })).toBe(false);
  });

  test.runIf(process.platform === 'linux')(
    'a later process with the same number → the holder is gone',
    () => {
      expect(isProcessGone({ ...thisProcess(), startedTicks: '1' })).toBe(true);
    },
  );
});

function countRows(table: string): number {
  const db = new Database(path, { readonly: true });
  const count = db.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number;
  db.close();
  return count;
}

describe('the file', () => {
  test('open and closed → one file, that a reader who may write nothing can read', async () => {
    const writer = await open();
    await writer.append(batch(1));
    expect(readdirSync(folder).sort()).toEqual([
      'ledger.db',
      'ledger.db-head',
      'ledger.db-shm',
      'ledger.db-wal',
    ]);
    await writer.close();
    expect(readdirSync(folder)).toEqual(['ledger.db']);
    // Bytes 18 and 19: 1 = no write-ahead log, so that no other file must be made to read it.
    expect([...readFileSync(path).subarray(18, 20)]).toEqual([1, 1]);
    expect(read().head().sequence).toBe(1);
    expect(readdirSync(folder)).toEqual(['ledger.db']);
  });

  test('taken over, and the old writer closes → it leaves the new one’s files alone', async () => {
    const first = await open();
    const second = await openSqliteJournal(path, { ...OPTIONS, takeOver: true });
    opened.push(second);
    await first.close();
    expect(existsSync(`${path}-head`)).toBe(true);
    await second.append(batch(1));
  });

  test('closed while another reads → whole, and opens again', async () => {
    const writer = await open();
    await writer.append(batch(1));
    const batches = read().batches();
    batches.next();
    await writer.close();
    expect((await open()).reader.head().sequence).toBe(1);
  });

  test('a reader is there before the writer → it sees what is appended', async () => {
    await (await open()).close();
    const reader = read();
    expect(reader.head().sequence).toBe(0);
    const writer = await open();
    await writer.append(batch(1));
    expect(reader.head()).toEqual(writer.reader.head());
    expect([...checkChain(reader.batches())]).toHaveLength(1);
  });

  test.each([
    ['a file that is no database', () => writeFileSync(path, 'x'.repeat(5_000)), 'journal_corrupt'],
    ['an empty file', () => writeFileSync(path, ''), 'journal_corrupt'],
    ['another program’s database', () => makeDatabase('PRAGMA user_version = 1'), 'invalid_input'],
    [
      'a newer format',
      () => makeDatabase(`PRAGMA application_id = ${0x42525352}; PRAGMA user_version = 2`),
      'invalid_input',
    ],
    [
      'other tables',
      () => makeDatabase(`PRAGMA application_id = ${0x42525352}; PRAGMA user_version = 1`),
      'journal_corrupt',
    ],
  ])('%s → refused to writer and reader, and left as it was', async (_what, make, code) => {
    make();
    const before = readFileSync(path);
    await expect(open()).rejects.toMatchObject({ code });
    expect(read).toThrow(expect.objectContaining({ code }));
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(folder)).toEqual(['ledger.db']);
  });

  function makeDatabase(sql: string): void {
    const db = new Database(path);
    db.exec(`${sql}; CREATE TABLE t (x)`);
    db.close();
  }

  test('no file → the reader says so and makes none', () => {
    expect(read).toThrow(/there is no ledger at/);
    expect(existsSync(path)).toBe(false);
  });

  test('a folder that is not there → refused, and names it', async () => {
    const nowhere = join(folder, 'none', 'ledger.db');
    await expect(openSqliteJournal(nowhere, OPTIONS)).rejects.toThrow(/there is no folder .*none/);
  });

  test.each(['', ':memory:'])('path "%s" → refused: the memory journal is for that', async (wrong) => {
    await expect(openSqliteJournal(wrong, OPTIONS)).rejects.toMatchObject({ code: 'invalid_input' });
  });

  test('a ledger deleted and made anew → what the old one left behind is not held against it', async () => {
    await killWriter(await startWriter(path, APPEND_THREE));
    for (const part of ['', '-wal', '-shm']) rmSync(path + part, { force: true });
    expect(existsSync(`${path}-head`)).toBe(true);
    expect((await open()).reader.head().sequence).toBe(0);
  });

  test('two openers of a new path at once → one gets it, the other is told so', async () => {
    const results = await Promise.allSettled([open({ authorityId: 'a' }), open({ authorityId: 'b' })]);
    const refused = results.filter((each) => each.status === 'rejected');
    expect(refused).toHaveLength(1);
    expect(refused[0]).toMatchObject({ reason: { code: 'ledger_held' } });
    expect(readdirSync(folder).filter((name) => name.includes('.new-'))).toEqual([]);
  });
});

test('the disk takes nothing, not even the lease back → once it does, this process opens again at once', async () => {
  const change = (sql: string) => {
    const db = new Database(path);
    db.exec(sql);
    db.close();
  };
  const writer = await open();
  for (const table of ['batches', 'lease'])
    change(`CREATE TRIGGER no_${table} BEFORE INSERT ON ${table} BEGIN SELECT RAISE(FAIL, 'full'); END`);
  await expect(writer.append(batch(1))).rejects.toMatchObject({ code: 'journal_unavailable' });
  await writer.close();
  change('DROP TRIGGER no_batches; DROP TRIGGER no_lease');
  expect(read().lease()).toMatchObject({ leaseId: writer.leaseId });
  expect((await open()).epoch).toBe(2);
});

describe('the write-ahead log', () => {
  test('200 MiB appended with a slow follower beside → stays bounded', async () => {
    const writer = await open();
    const reader = read();
    const follower = reader.batches();
    let logBytesMax = 0;
    for (let i = 1; i <= 200; i += 1) {
      await writer.append(batch(i, MIB));
      if (i % 20 === 1) follower.next();
      logBytesMax = Math.max(logBytesMax, statSync(`${path}-wal`).size);
    }
    expect(logBytesMax).toBeLessThan(64 * MIB);
    expect([...follower].at(-1)!.firstSequence).toBe(200);
  });
});

describe('the writer’s thread', () => {
  test('the process ends without close → it does, and what was answered is there', () => {
    const program = `
      import { openSqliteJournal } from '#bursar/journal/sqlite/journal.js';
      const journal = await openSqliteJournal(${JSON.stringify(path)}, ${JSON.stringify(OPTIONS)});
      journal.append({ firstSequence: 1, recordCount: 1, bytes: new Uint8Array(9) });
      await journal.append({ firstSequence: 2, recordCount: 1, bytes: new Uint8Array(9) });`;
    const cwd = fileURLToPath(new URL('../..', import.meta.url));
    const ended = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd,
      timeout: 30_000,
    });
    expect([ended.status, ended.signal, String(ended.stderr)]).toEqual([0, null, '']);
    expect(read().head().sequence).toBe(2);
  });

  test('close is the last thing that a process does → it is waited for', () => {
    const program = `
      import { openSqliteJournal } from '#bursar/journal/sqlite/journal.js';
      for (let round = 0; round < 10; round += 1) {
        const journal = await openSqliteJournal(${JSON.stringify(path)}, ${JSON.stringify(OPTIONS)});
        await journal.close();
      }`;
    const cwd = fileURLToPath(new URL('../..', import.meta.url));
    const ended = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd,
      timeout: 30_000,
    });
    expect([ended.status, String(ended.stderr)]).toEqual([0, '']);
    expect(readdirSync(folder)).toEqual(['ledger.db']);
  });

  test('an append that nobody waits for, and the process ends → it is made durable first', () => {
    const program = `
      import { openSqliteJournal } from '#bursar/journal/sqlite/journal.js';
      const journal = await openSqliteJournal(${JSON.stringify(path)}, ${JSON.stringify(OPTIONS)});
      journal.append({ firstSequence: 1, recordCount: 1, bytes: new Uint8Array(9) });`;
    const cwd = fileURLToPath(new URL('../..', import.meta.url));
    const ended = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      cwd,
      timeout: 30_000,
    });
    expect(ended.status).toBe(0);
    expect(read().head().sequence).toBe(1);
  });

  test('the caller’s big buffer → handed over, not copied', async () => {
    const writer = await open();
    const { bytes, ...place } = batch(1, MIB);
    const append = writer.append({ ...place, bytes });
    expect(bytes.byteLength).toBe(0);
    await append;
    expect(read().batches().next().value.bytes).toHaveLength(MIB);
  });

  test('more appends at once than the queue holds → refused, not piled up', async () => {
    const writer = await open();
    const results = await Promise.allSettled(
      Array.from({ length: 3_000 }, (_, i) => writer.append(batch(i + 1))),
    );
    const stored = results.filter((each) => each.status === 'fulfilled').length;
    expect(stored).toBeGreaterThanOrEqual(1_024);
    expect(stored).toBeLessThan(3_000);
    expect(read().head().sequence).toBe(stored);
  });

  test('the lease runs down while appends go on → they extend it', async () => {
    // A lease of 3 ms: any commit comes after a third of it.
    const writer = await open({ leaseMs: 3 });
    const before = read().lease()!.expiresAtMs;
    for (let i = 1; i <= 100; i += 1) await writer.append(batch(i));
    expect(read().lease()!.expiresAtMs).toBeGreaterThan(before);
  });
});
