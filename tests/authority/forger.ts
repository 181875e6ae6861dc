// Forges journals: takes a real one apart, changes what a test asks for, and writes it anew with valid records, valid
// hashes and every later figure worked out to match. Only deciding again can tell such a journal from a true one.

import { apply } from '#bursar/core/apply.js';
import { newState } from '#bursar/core/apply-account.js';
import type { CoreCommand } from '#bursar/core/commands.js';
import { decide } from '#bursar/core/decide.js';
import type { Effect } from '#bursar/core/effects.js';
import type { State } from '#bursar/core/state.js';
import { BatchReader } from '#bursar/journal/batch-reader.js';
import { BatchWriter } from '#bursar/journal/batch-writer.js';
import { batchHash, GENESIS_HASH } from '#bursar/journal/chain.js';
import { MemoryStore } from '#bursar/journal/memory/journal.js';
import type { StoredBatch } from '#bursar/journal/port.js';

/** One record as it is about to be written. */
export interface Forging {
  readonly state: State;
  /** In the true journal. */
  readonly sequence: number;
  readonly command: CoreCommand;
  readonly at: number;
  readonly effect: Effect;
  /** Writes a record of the forger's own before this one. */
  inject(command: CoreCommand, effect: Effect): void;
}

/** What to write in a record's place: another effect, nothing at all, or false figures after it. */
export type Forgery =
  | { readonly effect: Effect }
  | 'leave out'
  | { readonly falsify: (state: State, restore: boolean) => void }
  | null;

export function forge(batches: readonly StoredBatch[], tamper: (record: Forging) => Forgery): MemoryStore {
  const store = new MemoryStore();
  const state = newState({ seed: 11 });
  const writer = new BatchWriter();
  let previousHash = GENESIS_HASH;
  for (const batch of batches) {
    const records = new BatchReader(batch.bytes, batch.firstSequence);
    writer.begin(state, batch.bytes.length);
    while (records.next()) {
      const { at } = records;
      const write = (one: CoreCommand, effect: Effect) =>
        writer.record(state, one, effect, apply(state, one, effect, at));
      const due = dueSlot(state, at);
      const expires = records.command.kind === 'expire_hold';
      // What was forged before may have holds expire that did not, and keep others from it.
      if (expires && due === -1) continue;
      const command = expires ? expiry(due) : records.command;
      if (!expires && due !== -1) write(expiry(due), decide(state, expiry(due), at) as Effect);
      const effect = decide(state, command, at) as Effect;
      const forgery = tamper({ state, sequence: records.sequence, command, at, effect, inject: write });
      if (forgery === 'leave out') continue;
      if (forgery !== null && 'falsify' in forgery) {
        const changed = apply(state, command, effect, at);
        forgery.falsify(state, false);
        writer.record(state, command, effect, changed);
        forgery.falsify(state, true);
        continue;
      }
      // What was injected may have changed what this record is decided on.
      const decided = forgery === null ? (decide(state, command, at) as Effect) : forgery.effect;
      write(command, decided);
    }
    const { firstSequence, recordCount } = writer;
    if (recordCount === 0) continue;
    const bytes = writer.take().slice();
    const hash = batchHash(previousHash, bytes);
    store.batches.push({ firstSequence, recordCount, previousHash, hash, bytes });
    previousHash = hash;
  }
  return store;
}

function dueSlot(state: State, at: number): number {
  const slot = state.holds.expiry.first();
  return slot !== -1 && state.holds.expiresAt[slot]! <= at ? slot : -1;
}

function expiry(slot: number): CoreCommand {
  return { kind: 'expire_hold', commandId: null, slot };
}

/** Cuts one record out of its batch's bytes, and re-chains what follows; sequence numbers of later batches stay. */
export function cutRecord(batches: readonly StoredBatch[], sequence: number): MemoryStore {
  const store = new MemoryStore();
  let previousHash = GENESIS_HASH;
  for (const batch of batches) {
    let { bytes, recordCount } = batch;
    const records = new BatchReader(bytes, batch.firstSequence);
    while (records.next()) {
      if (records.sequence !== sequence) continue;
      const { start, end } = records;
      bytes = Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
      recordCount -= 1;
    }
    const hash = batchHash(previousHash, bytes);
    store.batches.push({ ...batch, bytes: new Uint8Array(bytes), recordCount, previousHash, hash });
    previousHash = hash;
  }
  return store;
}
