// Damage and forgery of a real ledger of about 2,000 commands. Whatever is cut off, flipped or forged: opening or
// verifying names it, and nothing that is read differs in silence from what was written.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LedgerReads } from '#bursar/authority/api.js';
import { openLedger, openReader } from '#bursar/authority/open.js';
import { verifyJournal } from '#bursar/authority/verify.js';
import type { CoreCommand } from '#bursar/core/commands.js';
import { decide } from '#bursar/core/decide.js';
import type { Effect, HoldCharged } from '#bursar/core/effects.js';
import { JournalCorruptError } from '#bursar/core/errors.js';
import type { VerifyReport } from '#bursar/core/outcomes.js';
import { openMemoryReader } from '#bursar/journal/memory/journal.js';
import type { StoredBatch } from '#bursar/journal/port.js';
import { openSqliteReader } from '#bursar/journal/sqlite/reader.js';
import { cutRecord, type Forging, forge } from './forger.js';

const START = Date.parse('2026-01-10T12:00:00Z');
const PARTS = ['', '-wal', '-head'] as const;
type Image = ReadonlyMap<string, Buffer>;

let folder: string;
let image: Image;
let batches: readonly StoredBatch[];
let truth: { report: VerifyReport; events: string; figures: string };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bursar-ledger-damage-'));
  const path = join(folder, 'ledger.db');
  await writeLedger(path);
  image = new Map(
    PARTS.filter((part) => existsSync(path + part)).map((part) => [part, readFileSync(path + part)]),
  );
  const reader = openSqliteReader(path);
  batches = [...reader.batches()].map((batch) => ({ ...batch, bytes: batch.bytes.slice() }));
  reader.close();
  truth = await allThatIsRead(path);
  expect(truth.report).toMatchObject({ ok: true, failure: null });
  expect(truth.report.commands).toBeGreaterThan(1_800);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** About 2,000 commands of every kind in many batches, with a checkpoint in the middle. */
async function writeLedger(path: string): Promise<void> {
  let now = START;
  const ledger = await openLedger({ path, clock: { now: () => now } });
  await ledger.putDefinitions({
    units: [{ name: 'gpu', scale: 2 }],
    budgets: [
      { id: 'all', match: {}, unit: 'usd', limit: 100_000n, window: 'day' },
      { id: 'tenant', match: { tenant: '*' }, unit: 'tokens', limit: 1_500n, window: 'hour' },
    ],
  });
  for (let round = 0; round < 60; round += 1) {
    now += 250_000;
    const ids = Array.from({ length: 16 }, (_, index) => `h${round}-${index}`);
    const authorized = ids.map((holdId, index) =>
      ledger.authorize({
        holdId,
        labels: { tenant: `t${index % 3}` },
        amounts: { usd: BigInt(5 + index), tokens: BigInt(10 * index) },
        commandId: `c${holdId}`,
        ttlMs: 200_000,
      }),
    );
    await Promise.all(authorized);
    const ends = ids.slice(0, 14).map((holdId, index) => {
      if (index % 5 === 3) return ledger.release({ holdId });
      if (index % 5 === 4) return ledger.reverse({ holdId });
      return ledger.settle({ holdId, amounts: { usd: BigInt(index), tokens: 30n } });
    });
    await Promise.all(ends);
    await ledger.record({ labels: { tenant: 't1' }, amounts: { usd: 1n, tokens: 2n } });
    if (round === 30) await ledger.checkpoint();
  }
  ledger.certify();
  await ledger.close();
}

let copies = 0;
function place(damaged: Image): string {
  copies += 1;
  const path = join(folder, `copy-${copies}.db`);
  for (const [part, bytes] of damaged) writeFileSync(path + part, bytes);
  return path;
}

function withByte(at: number, change: (byte: number) => number): Image {
  const bytes = Buffer.from(image.get('')!);
  bytes[at] = change(bytes[at]!);
  return new Map([...image, ['', bytes]]);
}

function text(value: unknown): string {
  return JSON.stringify(value, (_key, part) => (typeof part === 'bigint' ? `${part}n` : part));
}

const readerClock = { now: () => START + 90 * 250_000 };

async function allThatIsRead(path: string): Promise<typeof truth> {
  const reader = await openReader(path, { clock: readerClock });
  try {
    return { report: await reader.verify(), events: await eventsOf(reader), figures: figuresOf(reader) };
  } finally {
    reader.close();
  }
}

async function eventsOf(reads: LedgerReads): Promise<string> {
  let all = '';
  for await (const event of reads.events()) all += text(event);
  return all;
}

function figuresOf(reads: LedgerReads): string {
  return text([reads.balances({ current: false }), reads.holds({ max: 10_000 }), reads.budgets()]);
}

/** What a fault says of damage: a corrupt journal, or a file that is none of ours. */
function isNamed(error: unknown): boolean {
  return (
    error instanceof JournalCorruptError ||
    /is not a Bursar ledger|format version|is damaged/.test(String(error))
  );
}

/** Each way of reading either gives what was written or says that it cannot. Gives whether anything was said. */
async function assertFoundOrHarmless(path: string): Promise<boolean> {
  let found = false;
  const attempt = async (read: () => Promise<void>) => {
    try {
      await read();
    } catch (error) {
      if (!isNamed(error)) throw error;
      found = true;
    }
  };
  await attempt(async () => {
    const reader = await openReader(path, { clock: readerClock });
    try {
      expect(figuresOf(reader), 'figures of a reader').toBe(truth.figures);
      await attempt(async () => {
        const report = await reader.verify();
        if (report.ok) expect(report).toEqual(truth.report);
        else {
          expect(report.failure!.sequence).toBeGreaterThanOrEqual(0);
          expect(report.failure!.what).not.toBe('');
          found = true;
        }
      });
      await attempt(async () => expect(await eventsOf(reader), 'events').toBe(truth.events));
    } finally {
      reader.close();
    }
  });
  return found;
}

async function assertWriterFindsOrHarmless(path: string): Promise<void> {
  try {
    const ledger = await openLedger({ path, clock: readerClock });
    try {
      const report = await ledger.verify();
      if (report.ok) {
        const balances = text(ledger.balances({ current: false }).map((one) => [one.id, one.spent]));
        const sound = (JSON.parse(truth.figures)[0] as { id: string; spent: string }[]).map((one) => [
          one.id,
          one.spent,
        ]);
        expect(balances).toBe(JSON.stringify(sound));
      } else expect(report.failure!.what).not.toBe('');
    } finally {
      await ledger.close().catch(() => undefined);
    }
  } catch (error) {
    if (!isNamed(error)) throw error;
  }
}

/** Places over the whole file: some in every stretch of it, the seams of pages, and the bytes of batches themselves. */
function places(count: number): number[] {
  const size = image.get('')!.length;
  const found: number[] = [];
  let noise = 12345;
  for (let index = 0; index < count; index += 1) {
    noise = (Math.imul(noise, 1103515245) + 12345) >>> 0;
    const stretch = size / count;
    found.push(Math.floor(index * stretch + ((noise >>> 8) % stretch)));
  }
  return [0, 17, 24, 40, 99, 100, 105, 4_095, 4_096, ...found].filter((at) => at < size);
}

describe('a damaged file', () => {
  test('flipped bytes: anywhere in the file → found and named, or what is read is what was written', async () => {
    let found = 0;
    const all = places(50);
    for (const [index, at] of all.entries()) {
      const bit = 1 << (index % 8);
      const path = place(withByte(at, (byte) => (index % 3 === 0 ? byte ^ 0xff : byte ^ bit)));
      try {
        if (await assertFoundOrHarmless(path)) found += 1;
      } catch (error) {
        if (error instanceof Error) error.message = `byte ${at} flipped: ${error.message}`;
        throw error;
      }
      rmSync(path, { force: true });
    }
    // Most of a ledger's file is batches.
    expect(found).toBeGreaterThan(all.length / 2);
  });

  test('flipped bytes: a figure in a stored record → events and replays do not give the altered figure', async () => {
    const middle = batches[Math.floor(batches.length / 2)]!;
    const at = image.get('')!.indexOf(middle.bytes.subarray(0, 64));
    expect(at).toBeGreaterThan(0);
    let altered = 0;
    for (let offset = 40; offset < Math.min(middle.bytes.length, 1_500); offset += 97) {
      const path = place(withByte(at + offset, (byte) => byte ^ 1));
      if (await assertFoundOrHarmless(path)) altered += 1;
      rmSync(path, { force: true });
    }
    expect(altered).toBeGreaterThan(0);
  });

  test('truncation: at any length → found and named', async () => {
    const size = image.get('')!.length;
    for (const length of [0, 1, 99, 512, 4_096, ...places(14).filter((at) => at > 4_096), size - 4_096]) {
      const path = place(new Map([...image, ['', image.get('')!.subarray(0, length)]]));
      expect(await assertFoundOrHarmless(path), `cut to ${length} of ${size} bytes`).toBe(true);
      rmSync(path, { force: true });
    }
  });

  test('opening for writing: the file is damaged → found and named, or the balances are those that were written', async () => {
    for (const at of places(10)) {
      const path = place(withByte(at, (byte) => byte ^ 0x10));
      await assertWriterFindsOrHarmless(path);
      for (const part of ['', '-wal', '-shm', '-head']) rmSync(path + part, { force: true });
    }
  });
});

describe('a forged journal', () => {
  async function verified(
    tamper: (record: Forging) => ReturnType<Parameters<typeof forge>[1]>,
  ): Promise<VerifyReport> {
    return verifyJournal(openMemoryReader(forge(batches, tamper)), 5);
  }

  const isAt = (sequence: number) => (record: Forging) => record.sequence === sequence;

  /** The sequence number of a record like this, in the second half. */
  function findSequence(matches: (record: Forging) => boolean): number {
    let found = 0;
    forge(batches, (record) => {
      if (found === 0 && record.sequence > 1_000 && matches(record)) found = record.sequence;
      return null;
    });
    expect(found).toBeGreaterThan(1_000);
    return found;
  }

  test('nothing forged: taken apart and written anew → the same bytes', () => {
    const again = forge(batches, () => null);
    expect(
      again.batches.map((one) =>
        Buffer.from(one.bytes).equals(Buffer.from(batches[again.batches.indexOf(one)]!.bytes)),
      ),
    ).toEqual(batches.map(() => true));
  });

  test('a charge is lowered: all later figures match it → its position, and both amounts', async () => {
    const sequence = findSequence(({ effect }) => effect.type === 'hold_settled' && effect.charged[0]! > 3n);
    const report = await verified((record) => {
      if (!isAt(sequence)(record)) return null;
      const effect = record.effect as HoldCharged;
      const charged = effect.charged.map((steps, index) => (index === 0 ? steps - 3n : steps));
      const returned = effect.returned.map((steps, index) => (index === 0 ? steps + 3n : steps));
      return { effect: { ...effect, charged, returned } };
    });
    expect(report.ok).toBe(false);
    expect(report.failure!.sequence).toBe(sequence);
    expect(report.failure!.what).toMatch(/recorded as .*deciding again gives/);
  });

  test('a balance’s figure is falsified in one record → its position', async () => {
    const sequence = findSequence(({ effect }) => effect.type === 'hold_settled');
    const report = await verified((record) => {
      if (!isAt(sequence)(record)) return null;
      return {
        falsify: (state, restore) => {
          state.balances.post(state.lines.slots[0]!, 0n, restore ? 1n : -1n);
        },
      };
    });
    expect(report.failure).toMatchObject({ sequence });
    expect(report.failure!.what).toMatch(/spent is recorded as/);
  });

  test('a denial becomes an authorisation → its position, and both outcomes', async () => {
    const sequence = findSequence(({ effect }) => effect.type === 'hold_denied');
    const report = await verified(({ sequence: at, effect, command, state, at: time }) => {
      if (at !== sequence || effect.type !== 'hold_denied' || command.kind !== 'authorize_hold') return null;
      for (let line = 0; line < state.lines.count; line += 1) state.lines.flags[line] = 0;
      const forged: Effect = {
        type: 'hold_authorized',
        slot: state.holds.nextSlot(),
        candidate: -1,
        labels: command.labels,
        amounts: command.amounts,
        expiresAt: time + command.ttlMs,
        skipped: [],
      };
      return { effect: forged };
    });
    expect(report.failure).toMatchObject({ sequence });
    expect(report.failure!.what).toMatch(/hold_authorized.*hold_denied/);
  });

  test('a record is cut out of its batch, the batch’s own count kept or not → its batch is named', async () => {
    const sequence = findSequence(({ effect }) => effect.type === 'hold_settled');
    const report = await verifyJournal(openMemoryReader(cutRecord(batches, sequence)), 5);
    expect(report.ok).toBe(false);
    const batch = batches.find((one) => one.firstSequence + one.recordCount > sequence)!;
    expect(report.failure!.sequence).toBeGreaterThanOrEqual(batch.firstSequence);
    expect(report.failure!.sequence).toBeLessThanOrEqual(batch.firstSequence + batch.recordCount);
  });

  test('an expiry is left out: the hold lives on → the next record’s position, and which hold was due', async () => {
    const sequence = findSequence(({ effect }) => effect.type === 'hold_expired');
    const report = await verified((record) => {
      if (!isAt(sequence)(record)) return null;
      record.state.holds.setExpiry((record.effect as HoldCharged).slot, START * 2);
      return 'leave out';
    });
    expect(report.failure).toMatchObject({ sequence });
    expect(report.failure!.what).toMatch(/hold h\d+-\d+ was due to expire/);
  });

  test('an expiry comes early: the hold’s money is free too soon → its position', async () => {
    const sequence = findSequence(({ effect }) => effect.type === 'hold_settled');
    const report = await verified(({ sequence: at, state, at: time, inject }) => {
      if (at !== sequence) return null;
      const slot = state.holds.expiry.first();
      const due = state.holds.expiresAt[slot]!;
      expect(due).toBeGreaterThan(time);
      state.holds.setExpiry(slot, time);
      const command: CoreCommand = { kind: 'expire_hold', commandId: null, slot };
      inject(command, decide(state, command, time) as Effect);
      return null;
    });
    expect(report.failure).toMatchObject({ sequence });
    expect(report.failure!.what).toMatch(/expires only once its time is up/);
  });

  test('a whole batch is left out, the rest re-chained → the first position that is missing', async () => {
    const left = Math.floor(batches.length / 2);
    const store = forge(batches, () => null);
    store.batches.splice(left, 1);
    const report = await verifyJournal(openMemoryReader(store), 5);
    expect(report.failure).toMatchObject({ sequence: batches[left]!.firstSequence });
  });
});
