// The memory journal's faults strike exactly where a test asks, and its stored bytes can be damaged: what the tests of
// the layers above rely on.

import { beforeEach, expect, test } from 'vitest';
import { checkChain } from '#bursar/journal/chain.js';
import { MemoryStore, openMemoryJournal, openMemoryReader } from '#bursar/journal/memory/journal.js';

const OPTIONS = { authorityId: 'a', nowMs: 2_000_000, leaseMs: 60_000 };

let store: MemoryStore;
const open = (options = {}) => openMemoryJournal(store, { ...OPTIONS, ...options });
const batch = (firstSequence: number) => ({
  firstSequence,
  recordCount: 1,
  bytes: Uint8Array.of(1, firstSequence),
});
const chain = () => Array.from(checkChain(openMemoryReader(store).batches()), (each) => each.firstSequence);
beforeEach(() => {
  store = new MemoryStore();
});

test('failNextAppend → not stored; the writer is dead, the next one goes on', async () => {
  const writer = await open();
  await writer.append(batch(1));
  store.failNextAppend();
  await expect(writer.append(batch(2))).rejects.toMatchObject({ code: 'journal_unavailable' });
  await expect(writer.append(batch(2))).rejects.toMatchObject({ code: 'journal_unavailable' });
  await writer.close();
  await (await open()).append(batch(2));
  expect(chain()).toEqual([1, 2]);
});

test('loseNextReply → stored though the writer is told otherwise; the next one finds it', async () => {
  const writer = await open();
  store.loseNextReply();
  await expect(writer.append(batch(1))).rejects.toMatchObject({ code: 'journal_unavailable' });
  await writer.close();
  const next = await open();
  expect(next.drainSync().sequence).toBe(1);
  await next.append(batch(2));
  expect(chain()).toEqual([1, 2]);
});

test('fillDisk → appends, checkpoints and openings fail until freeDisk', async () => {
  const writer = await open();
  await writer.append(batch(1));
  store.fillDisk();
  await expect(writer.append(batch(2))).rejects.toThrow('disk is full');
  await writer.close();
  await expect(open()).rejects.toMatchObject({ code: 'journal_unavailable' });
  store.freeDisk();
  await (await open()).append(batch(2));
  expect(chain()).toEqual([1, 2]);
});

test('holdAppends → nothing is stored or answered until released, one by one or all', async () => {
  const writer = await open();
  store.holdAppends();
  const answered: number[] = [];
  const appends = [1, 2, 3].map((i) => writer.append(batch(i)).then((head) => answered.push(head.sequence)));
  expect(store.batches).toHaveLength(0);
  store.releaseAppends(1);
  await appends[0];
  expect([store.batches.length, answered]).toEqual([1, [1]]);
  store.releaseAppends();
  await Promise.all(appends);
  expect(answered).toEqual([1, 2, 3]);
});

test('drainSync at a shut gate → what waits is stored', async () => {
  const writer = await open();
  store.holdAppends();
  const append = writer.append(batch(1));
  expect(writer.drainSync().sequence).toBe(1);
  expect((await append).sequence).toBe(1);
});

test('crash → what waited is lost and never answered; the store opens again at once', async () => {
  const writer = await open();
  await writer.append(batch(1));
  store.holdAppends();
  let answered = false;
  const waiting = writer.append(batch(2)).finally(() => {
    answered = true;
  });
  store.crash();
  const next = await open({ authorityId: 'b' });
  await expect(writer.append(batch(2))).rejects.toMatchObject({ code: 'journal_unavailable' });
  await next.append(batch(2));
  expect([chain(), answered, next.epoch]).toEqual([[1, 2], false, 2]);
  expect(waiting).toBeInstanceOf(Promise);
});

test('stored bytes flipped, cut or removed → found at their position', async () => {
  const writer = await open();
  for (let i = 1; i <= 5; i += 1) await writer.append(batch(i));
  store.batches[2]!.bytes[1]! ^= 4;
  expect(chain).toThrow(expect.objectContaining({ code: 'journal_corrupt', sequence: 3 }));
  store.batches[2]!.bytes[1]! ^= 4;
  expect(chain()).toEqual([1, 2, 3, 4, 5]);
  store.batches[3] = { ...store.batches[3]!, bytes: store.batches[3]!.bytes.subarray(0, 1) };
  expect(chain).toThrow(expect.objectContaining({ code: 'journal_corrupt', sequence: 4 }));
  store.batches.splice(1, 1);
  expect(chain).toThrow(expect.objectContaining({ code: 'journal_corrupt', sequence: 2 }));
});
