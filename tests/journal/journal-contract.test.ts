// One contract for every journal adapter: what the authority relies on holds for a file as for memory.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { batchHash, checkChain, fromHex, GENESIS_HASH, toHex } from '#bursar/journal/chain.js';
import { MemoryStore, openMemoryJournal, openMemoryReader } from '#bursar/journal/memory/journal.js';
import type { JournalReader, JournalWriter, OpenWriterOptions, StoredBatch } from '#bursar/journal/port.js';
import { openSqliteJournal } from '#bursar/journal/sqlite/journal.js';
import { openSqliteReader } from '#bursar/journal/sqlite/reader.js';

/** One ledger's store: what survives its writers, and the ways to hurt it. */
interface Place {
  open(options?: Partial<OpenWriterOptions>): Promise<JournalWriter>;
  reader(): JournalReader;
  /** From now on nothing can be appended. */
  breakDisk(): void;
  /** Flips a bit in the newest checkpoint. */
  damageNewestCheckpoint(): void;
  remove(): void;
}

const DEFAULTS: OpenWriterOptions = { authorityId: 'first', nowMs: 1_000_000, leaseMs: 10_000 };

function memoryPlace(): Place {
  const store = new MemoryStore();
  return {
    open: (options) => openMemoryJournal(store, { ...DEFAULTS, ...options }),
    reader: () => openMemoryReader(store),
    breakDisk: () => store.fillDisk(),
    damageNewestCheckpoint: () => {
      store.checkpoints.at(-1)!.bytes[7]! ^= 1;
    },
    remove: () => undefined,
  };
}

function sqlitePlace(): Place {
  const folder = mkdtempSync(join(tmpdir(), 'bursar-journal-'));
  const path = join(folder, 'ledger.db');
  const change = (sql: string) => {
    const db = new Database(path);
    db.exec(sql);
    db.close();
  };
  return {
    open: (options) => openSqliteJournal(path, { ...DEFAULTS, ...options }),
    reader: () => openSqliteReader(path),
    // The same path as a full disk: the statement in the transaction fails.
    breakDisk: () =>
      change("CREATE TRIGGER broken BEFORE INSERT ON batches BEGIN SELECT RAISE(FAIL, 'broken disk'); END"),
    damageNewestCheckpoint: () =>
      change(`UPDATE checkpoint_chunks SET bytes = CAST(substr(bytes, 1, 6) || x'ff' || substr(bytes, 8) AS BLOB)
        WHERE checkpoint_id = (SELECT max(checkpoint_id) FROM checkpoints) AND chunk = 0`),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const adapters = [
  ['memory', memoryPlace],
  ['sqlite', sqlitePlace],
] as const;

const text = (value: string) => new TextEncoder().encode(value);
const batch = (firstSequence: number, recordCount: number, value: string) => ({
  firstSequence,
  recordCount,
  bytes: text(value),
});
const valuesOf = (batches: Iterable<StoredBatch>) =>
  Array.from(batches, (each) => new TextDecoder().decode(each.bytes));

describe.each(adapters)('%s journal', (_name, makePlace) => {
  let place: Place;
  let writers: JournalWriter[];
  let readers: JournalReader[];

  const open = async (options?: Partial<OpenWriterOptions>) => {
    const writer = await place.open(options);
    writers.push(writer);
    return writer;
  };
  const read = () => {
    const reader = place.reader();
    readers.push(reader);
    return reader;
  };

  beforeEach(() => {
    place = makePlace();
    writers = [];
    readers = [];
  });
  afterEach(async () => {
    for (const reader of readers) reader.close();
    for (const writer of writers) await writer.close();
    place.remove();
  });

  test('head: empty journal → sequence 0 and 64 zeros', async () => {
    const writer = await open();
    expect(writer.reader.head()).toEqual({ sequence: 0, hash: '0'.repeat(64) });
    expect(writer.drainSync()).toEqual({ sequence: 0, hash: '0'.repeat(64) });
    expect([...writer.reader.batches()]).toEqual([]);
  });

  test('append: two batches → each head is the batch’s end and its chain hash', async () => {
    const writer = await open();
    const first = await writer.append(batch(1, 3, 'abc'));
    const second = await writer.append(batch(4, 1, 'd'));
    const hash1 = batchHash(GENESIS_HASH, text('abc'));
    expect(first).toEqual({ sequence: 3, hash: toHex(hash1) });
    expect(second).toEqual({ sequence: 4, hash: toHex(batchHash(hash1, text('d'))) });
    expect(writer.reader.head()).toEqual(second);
    expect([...writer.reader.batches()]).toEqual([
      { ...batch(1, 3, 'abc'), previousHash: GENESIS_HASH, hash: hash1 },
      { ...batch(4, 1, 'd'), previousHash: hash1, hash: fromHex(second.hash) },
    ]);
  });

  test('append: hash → SHA-256 of the domain tag, the previous hash and the bytes, as documented', async () => {
    const writer = await open();
    const { hash } = await writer.append(batch(1, 1, 'abc'));
    expect(hash).toBe('7cadf5d219ff2df39e2c8eb1213bd59f0616b580aea47c2c713162d8d65444b7');
  });

  test('append: many queued at once → answered in order, and none is lost', async () => {
    const writer = await open();
    const answered: number[] = [];
    const appends = Array.from({ length: 50 }, (_, i) =>
      writer.append(batch(i + 1, 1, `${i}`)).then((head) => answered.push(head.sequence)),
    );
    await Promise.all(appends);
    expect(answered).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
    expect(valuesOf(checkChain(writer.reader.batches()))).toEqual(
      Array.from({ length: 50 }, (_, i) => `${i}`),
    );
  });

  test('append: bytes that are a part of a shared buffer → stored as they were, and the rest is left alone', async () => {
    const writer = await open();
    const pooled = Buffer.from('a pooled buffer');
    const neighbour = Buffer.from('its neighbour');
    await writer.append({ firstSequence: 1, recordCount: 1, bytes: pooled });
    expect(neighbour.toString()).toBe('its neighbour');
    expect(valuesOf(writer.reader.batches())).toEqual(['a pooled buffer']);
  });

  test.each([
    ['a gap', batch(3, 1, 'x'), 'fenced'],
    ['an overlap', batch(1, 1, 'x'), 'fenced'],
    ['no records', batch(2, 0, 'x'), 'invalid_input'],
    ['no bytes', batch(2, 1, ''), 'invalid_input'],
  ])('append: %s → refused, and nothing is stored', async (_what, wrong, code) => {
    const writer = await open();
    await writer.append(batch(1, 1, 'a'));
    await expect(writer.append(wrong)).rejects.toMatchObject({ code });
    expect(valuesOf(read().batches())).toEqual(['a']);
  });

  test('batches: from a sequence in the middle of a batch → that batch first', async () => {
    const writer = await open();
    for (const [first, value] of [
      [1, 'a'],
      [4, 'b'],
      [7, 'c'],
    ] as const)
      await writer.append(batch(first, 3, value));
    expect(valuesOf(writer.reader.batches(3))).toEqual(['a', 'b', 'c']);
    expect(valuesOf(writer.reader.batches(4))).toEqual(['b', 'c']);
    expect(valuesOf(writer.reader.batches(9))).toEqual(['c']);
    expect(valuesOf(writer.reader.batches(10))).toEqual([]);
  });

  test('drainSync: appends on their way → durable for another reader at once, and their promises hold', async () => {
    const writer = await open();
    const appends = [1, 2, 3].map((i) => writer.append(batch(i, 1, `${i}`)));
    const head = writer.drainSync();
    expect(valuesOf(read().batches())).toEqual(['1', '2', '3']);
    expect(head).toEqual(read().head());
    expect(await Promise.all(appends)).toMatchObject([{ sequence: 1 }, { sequence: 2 }, { sequence: 3 }]);
    expect(await appends[2]).toEqual(head);
  });

  test('drainSync: after each of 2,000 appends with no turn of the event loop → no queue builds up', async () => {
    const writer = await open();
    const appends: Promise<unknown>[] = [];
    for (let i = 1; i <= 2_000; i += 1) {
      appends.push(writer.append(batch(i, 1, 'x')));
      expect(writer.drainSync().sequence).toBe(i);
    }
    await Promise.all(appends);
  });

  test('open: held → the second opener is refused and told by whom and until when', async () => {
    const first = await open();
    await first.append(batch(1, 1, 'a'));
    const refused = place.open({ authorityId: 'second', nowMs: DEFAULTS.nowMs + DEFAULTS.leaseMs - 1 });
    await expect(refused).rejects.toMatchObject({ code: 'ledger_held' });
    await expect(refused).rejects.toThrow(/"first" \(.+\) until 1970-01-01T00:16:50\.000Z/);
    await first.append(batch(2, 1, 'b'));
  });

  test('open: lease run out → the next opener gets the next epoch, and the old writer is fenced', async () => {
    const first = await open();
    const second = await open({ authorityId: 'second', nowMs: DEFAULTS.nowMs + DEFAULTS.leaseMs });
    expect(second.epoch).toBe(first.epoch + 1);
    await expect(first.append(batch(1, 1, 'old'))).rejects.toMatchObject({ code: 'fenced' });
    await second.append(batch(1, 1, 'new'));
    expect(valuesOf(second.reader.batches())).toEqual(['new']);
  });

  test('open: takeOver → the epoch rises though the lease is alive, and the old writer can do nothing', async () => {
    const first = await open();
    await first.append(batch(1, 1, 'a'));
    const second = await open({ authorityId: 'second', takeOver: true });
    expect(second.epoch).toBe(first.epoch + 1);
    await expect(first.append(batch(2, 1, 'old'))).rejects.toMatchObject({ code: 'fenced' });
    expect(() => first.drainSync()).toThrow(expect.objectContaining({ code: 'fenced' }));
    await expect(first.renewLease(DEFAULTS.nowMs)).rejects.toMatchObject({ code: 'fenced' });
    expect(second.reader.head().sequence).toBe(1);
    await second.append(batch(2, 1, 'b'));
    expect(valuesOf(second.reader.batches())).toEqual(['a', 'b']);
  });

  test('open: taken over → the old writer’s close and checkpoints leave the new one’s lease alone', async () => {
    const first = await open();
    const second = await open({ authorityId: 'second', takeOver: true });
    const saved = first.saveCheckpoint({ sequence: 0, chainHash: GENESIS_HASH, bytes: text('old') });
    await expect(saved).rejects.toMatchObject({ code: 'fenced' });
    await first.close();
    expect(read().lease()).toMatchObject({ authorityId: 'second', epoch: second.epoch });
    await second.append(batch(1, 1, 'a'));
    expect([...second.reader.checkpoints()]).toEqual([]);
  });

  test('renewLease: taken over → fenced, and so is every later call', async () => {
    const first = await open();
    await first.append(batch(1, 1, 'a'));
    await open({ authorityId: 'second', takeOver: true });
    await expect(first.renewLease(DEFAULTS.nowMs)).rejects.toMatchObject({ code: 'fenced' });
    expect(() => first.drainSync()).toThrow(expect.objectContaining({ code: 'fenced' }));
    await expect(first.append(batch(2, 1, 'old'))).rejects.toMatchObject({ code: 'fenced' });
  });

  test('renewLease: the lease lasts from then on', async () => {
    const first = await open();
    await first.renewLease(DEFAULTS.nowMs + 9_000);
    await expect(place.open({ nowMs: DEFAULTS.nowMs + 18_999 })).rejects.toMatchObject({
      code: 'ledger_held',
    });
    expect(read().lease()).toMatchObject({ expiresAtMs: DEFAULTS.nowMs + 19_000, leaseId: first.leaseId });
  });

  test('close: the lease is given back → the next opens at once, one epoch higher, with the journal whole', async () => {
    const first = await open();
    const last = first.append(batch(1, 2, 'a'));
    await first.close();
    expect((await last).sequence).toBe(2);
    expect(read().lease()).toBeUndefined();
    const second = await open({ authorityId: 'second' });
    expect(second.epoch).toBe(first.epoch + 1);
    expect(second.leaseId).not.toBe(first.leaseId);
    expect(second.drainSync()).toEqual(await last);
    await second.append(batch(3, 1, 'b'));
    expect(valuesOf(checkChain(second.reader.batches()))).toEqual(['a', 'b']);
  });

  test('close: later calls → say that it is closed; a second close does nothing', async () => {
    const writer = await open();
    await writer.close();
    await writer.close();
    await expect(writer.append(batch(1, 1, 'a'))).rejects.toMatchObject({ code: 'ledger_closed' });
    await expect(writer.renewLease(0)).rejects.toMatchObject({ code: 'ledger_closed' });
    expect(() => writer.drainSync()).toThrow(expect.objectContaining({ code: 'ledger_closed' }));
  });

  test('failure: the disk breaks → that append and every later call are refused, and the journal ends before', async () => {
    const writer = await open();
    await writer.append(batch(1, 1, 'a'));
    place.breakDisk();
    const appends = [writer.append(batch(2, 1, 'b')), writer.append(batch(3, 1, 'c'))];
    expect(() => writer.drainSync()).toThrow(expect.objectContaining({ code: 'journal_unavailable' }));
    for (const append of appends) await expect(append).rejects.toMatchObject({ code: 'journal_unavailable' });
    await expect(writer.append(batch(2, 1, 'b'))).rejects.toMatchObject({ code: 'journal_unavailable' });
    await expect(writer.renewLease(DEFAULTS.nowMs)).rejects.toMatchObject({ code: 'journal_unavailable' });
    expect(writer.reader.head().sequence).toBe(1);
  });

  test('checkpoints: three saved → the newest two, newest first, byte for byte', async () => {
    const writer = await open();
    const sizes = [10, 1024 * 1024, 2_500_000];
    for (const [i, size] of sizes.entries()) {
      const head = await writer.append(batch(i + 1, 1, `${i}`));
      const bytes = new Uint8Array(size).fill(i + 1);
      await writer.saveCheckpoint({ sequence: head.sequence, chainHash: fromHex(head.hash), bytes });
      expect(bytes.byteLength).toBe(size);
    }
    const kept = [...read().checkpoints()];
    expect(kept.map(({ sequence, bytes }) => [sequence, bytes.byteLength])).toEqual([
      [3, 2_500_000],
      [2, 1024 * 1024],
    ]);
    expect(kept[0]!.bytes.every((byte) => byte === 3)).toBe(true);
    expect(toHex(kept[0]!.chainHash)).toBe(writer.reader.head().hash);
  });

  test('checkpoints: the newest is damaged → it is left out, the one before it is given', async () => {
    const writer = await open();
    for (const sequence of [1, 2]) {
      const { hash } = await writer.append(batch(sequence, 1, 'x'));
      await writer.saveCheckpoint({ sequence, chainHash: fromHex(hash), bytes: new Uint8Array(2_000_000) });
    }
    place.damageNewestCheckpoint();
    expect(Array.from(read().checkpoints(), ({ sequence }) => sequence)).toEqual([1]);
  });

  test('checkpoints: two saved at once → one after the other, both whole', async () => {
    const writer = await open();
    const heads = [await writer.append(batch(1, 1, 'a')), await writer.append(batch(2, 1, 'b'))];
    await Promise.all(
      heads.map(({ sequence, hash }) => {
        const bytes = new Uint8Array(3_000_000).fill(sequence);
        return writer.saveCheckpoint({ sequence, chainHash: fromHex(hash), bytes });
      }),
    );
    const kept = [...read().checkpoints()];
    expect(kept.map(({ sequence }) => sequence)).toEqual([2, 1]);
    for (const { sequence, bytes } of kept) expect(bytes.every((byte) => byte === sequence)).toBe(true);
  });

  test('checkpoints: appends made while one is saved → durable before it is', async () => {
    const writer = await open();
    const { hash } = await writer.append(batch(1, 1, 'a'));
    let saved = false;
    const bytes = new Uint8Array(12 * 1024 * 1024);
    const saving = writer.saveCheckpoint({ sequence: 1, chainHash: fromHex(hash), bytes }).then(() => {
      saved = true;
    });
    const savedAtAppend: boolean[] = [];
    for (let i = 2; i <= 4; i += 1) {
      await writer.append(batch(i, 1, 'x'));
      savedAtAppend.push(saved);
    }
    await saving;
    if (_name === 'sqlite') expect(savedAtAppend).toEqual([false, false, false]);
    expect([...writer.reader.checkpoints()]).toHaveLength(1);
    expect(writer.reader.head().sequence).toBe(4);
  });

  test('reader: beside the writer → sees each durable batch, and its pace holds nobody up', async () => {
    const writer = await open();
    const reader = read();
    for (let i = 1; i <= 300; i += 1) writer.append(batch(i, 1, `${i}`));
    writer.drainSync();
    const slow = reader.batches();
    expect(slow.next().value).toMatchObject({ firstSequence: 1 });
    await writer.append(batch(301, 1, '301'));
    expect(reader.head().sequence).toBe(301);
    expect(valuesOf(slow).at(-1)).toBe('301');
  });
});
