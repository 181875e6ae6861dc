// Damage is found, never skipped: whatever is cut off or flipped, a ledger file either still gives the history that was
// written, to the byte, or says that it does not.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkChain, lastSequence } from '#bursar/journal/chain.js';
import type { JournalReader, StoredBatch } from '#bursar/journal/port.js';
import { openSqliteJournal } from '#bursar/journal/sqlite/journal.js';
import { openSqliteReader } from '#bursar/journal/sqlite/reader.js';
import { killWriter, startWriter } from './journal-child.js';

const OPTIONS = { authorityId: 'a', nowMs: 2_000_000, leaseMs: 60_000 };

/**
 * Batches of many sizes, so that the file has every kind of page: leaves, interior pages, overflow chains, an index.
 * Their bytes begin with their own place and count, as every real batch's do: the reader of the bytes checks them.
 */
const WRITE_BATCHES = `
  let sequence = 1;
  for (let i = 0; i < 60; i += 1) {
    const bytes = new Uint8Array([30, 700, 5_000, 40_000][i % 4] + i);
    for (let at = 0, noise = i; at < bytes.length; at += 1) {
      noise = (Math.imul(noise, 1103515245) + 12345) >>> 0;
      bytes[at] = noise >>> 24;
    }
    const count = 1 + (i % 3);
    new DataView(bytes.buffer).setUint32(0, sequence);
    new DataView(bytes.buffer).setUint32(4, count);
    const head = await journal.append({ firstSequence: sequence, recordCount: count, bytes });
    sequence += count;
    if (i % 20 === 18) {
      const chainHash = Uint8Array.from(Buffer.from(head.hash, 'hex'));
      await journal.saveCheckpoint({ sequence: head.sequence, chainHash, bytes: new Uint8Array(50_000).fill(i) });
    }
  }`;

/** Never 'ALTERED', and never an error that is not the journal's own. */
const EXPECTED = new Set(['whole', 'journal_corrupt', 'journal_unavailable', 'invalid_input']);

/** The files of one ledger. */
const PARTS = ['', '-wal', '-head'] as const;
type Part = (typeof PARTS)[number];
type Image = ReadonlyMap<Part, Buffer>;

let folder: string;
/** A ledger as its writer left it: closed in order, or killed with all of its log still beside the file. */
let closed: Image;
let killed: Image;
let history: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bursar-damage-'));
  const closedPath = join(folder, 'closed.db');
  const writer = await startWriter(closedPath, `${WRITE_BATCHES} await journal.close();`);
  closed = imageOf(closedPath);
  await killWriter(writer);
  const killedPath = join(folder, 'killed.db');
  await killWriter(await startWriter(killedPath, WRITE_BATCHES));
  killed = imageOf(killedPath);
  history = readHistory(closedPath);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function imageOf(path: string): Image {
  return new Map(
    PARTS.filter((part) => existsSync(path + part)).map((part) => [part, readFileSync(path + part)]),
  );
}

let copies = 0;
function place(image: Image): string {
  copies += 1;
  const path = join(folder, `copy-${copies}.db`);
  for (const [part, bytes] of image) writeFileSync(path + part, bytes);
  return path;
}

function removeCopy(path: string): void {
  for (const part of [...PARTS, '-shm', '-journal']) rmSync(path + part, { force: true });
}

/** What the ledger holds, as its reader would use it: proven batches, whose bytes agree with their row. */
function readHistory(path: string): string {
  const reader = openSqliteReader(path);
  try {
    return historyOf(reader);
  } finally {
    reader.close();
  }
}

function historyOf(reader: JournalReader): string {
  const lines: string[] = [];
  let last = 0;
  const head = reader.head();
  for (const batch of checkChain(reader.batches())) {
    assertOwnHeader(batch);
    last = lastSequence(batch);
    lines.push(`${batch.firstSequence}+${batch.recordCount} ${Buffer.from(batch.hash).toString('hex')}`);
  }
  if (head.sequence !== last) throw corrupt('the head is not the last batch');
  for (const { sequence, bytes } of reader.checkpoints())
    if (bytes.some((byte) => byte !== bytes[0]))
      throw new Error(`checkpoint ${sequence} was altered, and given`);
  return lines.join('\n');
}

function assertOwnHeader({ bytes, firstSequence, recordCount }: StoredBatch): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== firstSequence || view.getUint32(4) !== recordCount)
    throw corrupt("the row is not the bytes' own");
}

function corrupt(message: string): Error {
  return Object.assign(new Error(message), { code: 'journal_corrupt' });
}

/** What a ledger with these files turns out to be. */
function verdictOn(image: Image): string {
  const path = place(image);
  try {
    return readHistory(path) === history ? 'whole' : 'ALTERED';
  } catch (error) {
    return String((error as { code?: string }).code ?? error);
  } finally {
    removeCopy(path);
  }
}

function flipped(image: Image, { part, at, mask }: { part: Part; at: number; mask: number }): Image {
  const bytes = Buffer.from(image.get(part)!);
  bytes[at]! ^= mask;
  return new Map([...image, [part, bytes]]);
}

function cut(image: Image, part: Part, length: number): Image {
  return new Map([...image, [part, image.get(part)!.subarray(0, length)]]);
}

function without(image: Image, part: Part): Image {
  return new Map([...image].filter(([each]) => each !== part));
}

/** Verdicts of many damages, counted; each damage by its name, so that a wrong verdict says where. */
function tally(damages: Iterable<[name: string, image: Image]>): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const [name, image] of damages) {
    const verdict = verdictOn(image);
    found[verdict] = [...(found[verdict] ?? []), name];
  }
  return found;
}

/** One bit in each place: the lowest or the highest by turns. */
function* flips(image: Image, part: Part, places: Iterable<number>): IterableIterator<[string, Image]> {
  let mask = 0x80;
  for (const at of places) {
    mask ^= 0x81;
    yield [`byte ${at}`, flipped(image, { part, at, mask })];
  }
}

function* every(step: number, { from = 0, to }: { from?: number; to: number }): IterableIterator<number> {
  for (let at = from; at < to; at += step) yield at;
}

const PAGE = 16_384;
/** In the log: a header, then frames of a header and a page. */
const LOG_HEADER = 32;
const FRAME = 24 + PAGE;

describe('a closed ledger file', () => {
  test('nothing flipped → whole, in one file', () => {
    expect([...closed.keys()]).toEqual(['']);
    expect(verdictOn(closed)).toBe('whole');
  });

  test('any byte of the file header flipped → found, or the history is whole', () => {
    const found = tally(flips(closed, '', every(1, { to: 100 })));
    expect(Object.keys(found).filter((verdict) => !EXPECTED.has(verdict))).toEqual([]);
    // The first bytes, the page size and the application id make it a ledger at all.
    for (const at of [0, 15, 16, 68, 71, 60]) expect(found.whole).not.toContain(`byte ${at}`);
  });

  test('the first bytes of any page flipped → found, or the history is whole', () => {
    const pages = [...every(PAGE, { to: closed.get('')!.length })];
    const places = pages.flatMap((page) => [0, 3, 4, 5, 8, 9, 12].map((at) => page + at));
    const found = tally(flips(closed, '', places));
    expect(Object.keys(found).filter((verdict) => !EXPECTED.has(verdict))).toEqual([]);
    expect(found.journal_corrupt!.length).toBeGreaterThan(pages.length);
  });

  test('bytes all over the file flipped → found, or the history is whole', () => {
    const found = tally(flips(closed, '', every(2_477, { from: 100, to: closed.get('')!.length })));
    expect(Object.keys(found).filter((verdict) => !EXPECTED.has(verdict))).toEqual([]);
    expect(found.journal_corrupt!.length).toBeGreaterThan(150);
  });

  test('any byte of a batch flipped → found at that batch', () => {
    const bytes = closed.get('')!;
    // Bytes from the middle of the fourth batch, which has 40,003 and begins at sequence 7.
    const run: number[] = [];
    for (let at = 0, noise = 3; at < 20_064; at += 1) {
      noise = (Math.imul(noise, 1103515245) + 12345) >>> 0;
      run.push(noise >>> 24);
    }
    const needle = Buffer.from(run.slice(20_000));
    const at = bytes.indexOf(needle);
    expect(at).toBeGreaterThan(0);
    const path = place(flipped(closed, { part: '', at: at + 5, mask: 0x10 }));
    expect(() => readHistory(path)).toThrow(
      expect.objectContaining({ code: 'journal_corrupt', sequence: 7 }),
    );
  });

  test('cut off anywhere → found', () => {
    const { length } = closed.get('')!;
    const lengths = [
      0,
      1,
      50,
      99,
      100,
      512,
      PAGE - 1,
      PAGE,
      ...every(PAGE * 3 + 11, { from: PAGE * 2, to: length }),
    ];
    const found = tally([...lengths, length - PAGE].map((to) => [`cut to ${to}`, cut(closed, '', to)]));
    expect(Object.keys(found)).toEqual(['journal_corrupt']);
  });

  test('opened for writing with damage in its first page → refused, and the file is as it was', async () => {
    for (const at of [3, 68, PAGE - 20]) {
      const image = flipped(closed, { part: '', at, mask: 0x11 });
      const path = place(image);
      await expect(openSqliteJournal(path, OPTIONS)).rejects.toMatchObject({
        code: expect.stringMatching(/journal_corrupt|invalid_input/),
      });
      expect(readFileSync(path).equals(image.get('')!)).toBe(true);
      removeCopy(path);
    }
  });
});

describe('the ledger file of a killed writer', () => {
  test('nothing flipped → whole, though it is all in the log', () => {
    expect(killed.get('-wal')!.length).toBeGreaterThan(500_000);
    expect(verdictOn(killed)).toBe('whole');
  });

  test('any part of the log’s header or frame headers flipped → found, or the history is whole', () => {
    const { length } = killed.get('-wal')!;
    const frames = [...every(FRAME, { from: LOG_HEADER, to: length })].filter(
      (_, i, all) => i % 7 === 0 || i > all.length - 4,
    );
    const places = [
      0,
      5,
      9,
      13,
      17,
      21,
      25,
      30,
      ...frames.flatMap((frame) => [3, 7, 9, 15, 17, 22].map((at) => frame + at)),
    ];
    const found = tally(flips(killed, '-wal', places));
    expect(Object.keys(found).filter((verdict) => !EXPECTED.has(verdict))).toEqual([]);
    expect(found.journal_corrupt!.length).toBeGreaterThan(frames.length);
  });

  test('pages in the log flipped → found', () => {
    const { length } = killed.get('-wal')!;
    const found = tally(
      flips(killed, '-wal', every(FRAME * 3 + 1_777, { from: LOG_HEADER + 24, to: length })),
    );
    expect(Object.keys(found).filter((verdict) => !EXPECTED.has(verdict))).toEqual([]);
    expect(found.journal_corrupt!.length).toBeGreaterThan(30);
  });

  test('the log cut off anywhere, or gone → found', () => {
    const { length } = killed.get('-wal')!;
    const lengths = [
      0,
      31,
      32,
      ...every(FRAME * 5 + 100, { from: FRAME, to: length }),
      length - FRAME,
      length - 1,
    ];
    const found = tally([
      ['no log', without(killed, '-wal')],
      ...lengths.map((to): [string, Image] => [`cut to ${to}`, cut(killed, '-wal', to)]),
    ]);
    expect(Object.keys(found)).toEqual(['journal_corrupt']);
  });

  test('the log cut off → a writer is refused too, and told what to do', async () => {
    const path = place(cut(killed, '-wal', killed.get('-wal')!.length - FRAME));
    await expect(openSqliteJournal(path, OPTIONS)).rejects.toThrow(/was durable up to 120.*delete .*-head$/);
    rmSync(`${path}-head`);
    const writer = await openSqliteJournal(path, OPTIONS);
    expect(writer.reader.head().sequence).toBeLessThan(120);
    await writer.close();
  });

  test('the high-water file damaged or gone → the history is whole', () => {
    const { length } = killed.get('-head')!;
    const found = tally([
      ['no file', without(killed, '-head')],
      ['cut', cut(killed, '-head', 9)],
      ...flips(killed, '-head', every(1, { to: length })),
    ]);
    expect(Object.keys(found)).toEqual(['whole']);
  });
});

describe('rows of a ledger file', () => {
  const changed = (sql: string): string => {
    const path = place(closed);
    const db = new Database(path);
    db.exec(sql);
    db.close();
    return path;
  };
  const afterChange = (sql: string): { values: number[]; error: unknown } => {
    const path = changed(sql);
    const reader = openSqliteReader(path);
    const values: number[] = [];
    try {
      for (const { firstSequence } of reader.batches()) values.push(firstSequence);
      return { values, error: undefined };
    } catch (error) {
      return { values, error };
    } finally {
      reader.close();
      removeCopy(path);
    }
  };
  const row = (n: number) =>
    `(SELECT first_sequence FROM batches ORDER BY first_sequence LIMIT 1 OFFSET ${n})`;

  test.each([
    ['the first row is deleted', `DELETE FROM batches WHERE first_sequence = 1`, 1],
    ['a row in the middle is deleted', `DELETE FROM batches WHERE first_sequence = ${row(10)}`, 20],
    [
      'two pages of rows are deleted',
      `DELETE FROM batches WHERE first_sequence BETWEEN ${row(20)} AND ${row(40)}`,
      40,
    ],
    ['the last row is deleted', `DELETE FROM batches WHERE first_sequence = ${row(59)}`, 118],
    ['all rows are deleted', 'DELETE FROM batches', 1],
    ['a count is raised', `UPDATE batches SET record_count = 9 WHERE first_sequence = ${row(10)}`, 29],
    [
      'the last count is raised',
      `UPDATE batches SET record_count = 9 WHERE first_sequence = ${row(59)}`,
      120,
    ],
    [
      'a previous hash is replaced',
      `UPDATE batches SET previous_hash = zeroblob(32) WHERE first_sequence = ${row(10)}`,
      20,
    ],
    ['a hash is cut', `UPDATE batches SET hash = x'00' WHERE first_sequence = ${row(10)}`, 20],
    [
      'the last hash is replaced',
      `UPDATE batches SET hash = zeroblob(32) WHERE first_sequence = ${row(59)}`,
      120,
    ],
    ['the lease row is altered', 'UPDATE lease SET epoch = epoch - 1', 0],
    ['the lease row is deleted', 'DELETE FROM lease', 0],
  ])('%s → found at its position', (_what, sql, sequence) => {
    expect(afterChange(sql).error).toMatchObject({ code: 'journal_corrupt', sequence });
  });

  test.each([
    ['deleted', `DELETE FROM batches WHERE first_sequence = ${row(59)}`, 118],
    ['replaced', `UPDATE batches SET hash = zeroblob(32) WHERE first_sequence = ${row(59)}`, 120],
  ])('the last row is %s → the head alone tells', (_what, sql, sequence) => {
    const path = changed(sql);
    const reader = openSqliteReader(path);
    expect(() => reader.head()).toThrow(expect.objectContaining({ code: 'journal_corrupt', sequence }));
    reader.close();
    removeCopy(path);
  });

  test('a row in the middle is deleted → all before it is still given', () => {
    const { values } = afterChange(`DELETE FROM batches WHERE first_sequence = ${row(10)}`);
    expect(values).toHaveLength(10);
  });

  test('a batch is replaced together with its hash → the next one’s link is wrong', () => {
    const sql = `UPDATE batches SET bytes = x'00', hash = zeroblob(32) WHERE first_sequence = ${row(10)}`;
    expect(afterChange(sql).error).toMatchObject({ code: 'journal_corrupt', sequence: 22 });
  });
});
