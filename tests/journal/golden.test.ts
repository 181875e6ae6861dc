// Golden files pin the journal's bytes (docs/journal-format.md): the same script gives the same bytes, and files that older
// versions wrote still read and verify. `UPDATE_GOLDEN=1 npx vitest run tests/journal/golden.test.ts` writes those of the
// version in force anew; do that only before a version is released, or with a new FORMAT_VERSION.

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { recover } from '#bursar/authority/recovery.js';
import { verifyJournal } from '#bursar/authority/verify.js';
import { stateProblem } from '#bursar/core/invariants.js';
import { EVENT_TYPES } from '#bursar/core/outcomes.js';
import { BatchReader } from '#bursar/journal/batch-reader.js';
import { GENESIS_HASH, toHex } from '#bursar/journal/chain.js';
import { encodeCheckpoint } from '#bursar/journal/checkpoint-codec.js';
import { COMMAND_KINDS, FORMAT_VERSION } from '#bursar/journal/format.js';
import { MemoryStore, openMemoryJournal, openMemoryReader } from '#bursar/journal/memory/journal.js';
import { eventOf } from '#bursar/journal/recorded.js';
import { goldenCredits, goldenFacts, goldenLedger, goldenNotes, goldenRestored } from './golden-ledger.js';

const FOLDER = fileURLToPath(new URL('../golden/', import.meta.url));
const SCRIPTS = {
  journal: goldenLedger,
  restored: goldenRestored,
  notes: goldenNotes,
  credits: goldenCredits,
  facts: goldenFacts,
} as const;

/** One batch a line: first sequence number, records, hash, bytes. */
function journalText(store: MemoryStore): string {
  const lines = store.batches.map(
    ({ firstSequence, recordCount, hash, bytes }) =>
      `${firstSequence} ${recordCount} ${toHex(hash)} ${toHex(bytes)}`,
  );
  return `${lines.join('\n')}\n`;
}

function storeOf(text: string): MemoryStore {
  const store = new MemoryStore();
  let previousHash = GENESIS_HASH;
  for (const line of text.trim().split('\n')) {
    const [first, records, hash, bytes] = line.split(' ') as [string, string, string, string];
    const batch = {
      ...{ firstSequence: Number(first), recordCount: Number(records), previousHash },
      ...{ hash: new Uint8Array(Buffer.from(hash, 'hex')), bytes: new Uint8Array(Buffer.from(bytes, 'hex')) },
    };
    store.batches.push(batch);
    previousHash = batch.hash;
  }
  return store;
}

function eventsText(store: MemoryStore): string {
  const events: unknown[] = [];
  for (const batch of store.batches) {
    const records = new BatchReader(batch.bytes, batch.firstSequence);
    while (records.next()) events.push(eventOf(records));
  }
  return `${JSON.stringify(events, readable, 1)}\n`;
}

// An event without an actor is written as before events had one.
function readable(key: string, part: unknown): unknown {
  if (key === 'actor' && part === null) return undefined;
  return typeof part === 'bigint' ? `${part}n` : part;
}

function golden(name: string, ours: string): string {
  const path = join(FOLDER, name);
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(path, ours);
  if (!existsSync(path))
    throw new Error(`there is no ${path}; see the head of this file for how to write it`);
  return readFileSync(path, 'utf8');
}

describe('golden: the bytes that this version writes', () => {
  test('script: it has every kind of command and every type of event', () => {
    const kinds = new Set<string>();
    const types = new Set<string>();
    for (const script of Object.values(SCRIPTS)) {
      for (const batch of script().store.batches) {
        const records = new BatchReader(batch.bytes, batch.firstSequence);
        while (records.next()) {
          kinds.add(records.command.kind);
          types.add(records.effect.type);
        }
      }
    }
    expect([...kinds].sort()).toEqual([...COMMAND_KINDS].sort());
    expect([...types].sort()).toEqual([...EVENT_TYPES].sort());
  });

  test.each(Object.keys(SCRIPTS) as (keyof typeof SCRIPTS)[])(
    '%s: the script is run → the bytes of the golden file, and its events',
    (name) => {
      const { store } = SCRIPTS[name]();
      const file = `${name}-${FORMAT_VERSION}`;
      expect(journalText(store)).toBe(golden(`${file}.hex`, journalText(store)));
      expect(eventsText(store)).toBe(golden(`${file}.json`, eventsText(store)));
    },
  );

  test('checkpoint: the script’s state is saved → the bytes of the golden file', () => {
    const { state } = goldenLedger();
    const ours = `${toHex(encodeCheckpoint(state))}\n`;
    expect(ours).toBe(golden(`checkpoint-${FORMAT_VERSION}.hex`, ours));
  });
});

describe('golden: files of every version', () => {
  const journals = readdirSync(FOLDER).filter((file) => /^(?!checkpoint).*-\d+\.hex$/.test(file));

  test.each(journals)('%s: it is read → the events of its golden file, and it verifies', async (file) => {
    const store = storeOf(readFileSync(join(FOLDER, file), 'utf8'));
    expect(eventsText(store)).toBe(readFileSync(join(FOLDER, file.replace('.hex', '.json')), 'utf8'));
    const report = await verifyJournal(openMemoryReader(store), 99);
    expect(report.failure).toBeNull();
    expect(report.ok).toBe(true);
    expect(stateProblem(recover(openMemoryReader(store), { seed: 4 }).state)).toBeNull();
  });

  test(`checkpoint-${FORMAT_VERSION}.hex: it is saved beside its journal → verified, and the state to recover from`, async () => {
    const text = readFileSync(join(FOLDER, `journal-${FORMAT_VERSION}.hex`), 'utf8');
    const bytes = new Uint8Array(
      Buffer.from(readFileSync(join(FOLDER, `checkpoint-${FORMAT_VERSION}.hex`), 'utf8').trim(), 'hex'),
    );
    const store = storeOf(text);
    const { sequence, hash } = store.point();
    const writer = await openMemoryJournal(store, { authorityId: 'x', nowMs: 0, leaseMs: 1 });
    await writer.saveCheckpoint({ sequence, chainHash: hash, bytes });
    expect((await verifyJournal(openMemoryReader(store), 1)).failure).toBeNull();
    const { state } = recover(openMemoryReader(store), { seed: 2 });
    expect(toHex(encodeCheckpoint(state))).toBe(toHex(bytes));
  });
});
