// The hash chain and the order of batches: each batch's hash covers the hash before it and its own stored bytes, so
// that one altered, missing or moved batch makes every later hash wrong. Adapters hash with it, recovery and `verify`
// check with it.

import { createHash } from 'node:crypto';
import { JournalCorruptError } from '../core/errors.js';
import type { Head } from '../core/outcomes.js';
import type { StoredBatch } from './port.js';

export const HASH_BYTES = 32;

/** What the first batch's hash covers in place of a previous one: 32 zero bytes. Never written to. */
export const GENESIS_HASH: Uint8Array = new Uint8Array(HASH_BYTES);

/** Names what is hashed, so that a hash made for another purpose cannot be taken for that of a batch. */
const BATCH_DOMAIN = Buffer.from('bursar/batch/1\0', 'latin1');

/** A place in the chain: the last sequence number of a batch (0 = before the first) and the hash there. */
export interface ChainPoint {
  readonly sequence: number;
  readonly hash: Uint8Array;
}

export const CHAIN_START: ChainPoint = { sequence: 0, hash: GENESIS_HASH };

/** SHA-256("bursar/batch/1\0" ‖ previousHash ‖ bytes). */
export function batchHash(previousHash: Uint8Array, bytes: Uint8Array): Uint8Array {
  const digest = createHash('sha256').update(BATCH_DOMAIN).update(previousHash).update(bytes).digest();
  return new Uint8Array(digest.buffer, digest.byteOffset, digest.byteLength);
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** The bytes of a lower-case hex string, such as a head's hash. */
export function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && Buffer.compare(a, b) === 0;
}

export function lastSequence(batch: { firstSequence: number; recordCount: number }): number {
  return batch.firstSequence + batch.recordCount - 1;
}

/** A place in the chain as callers see it. */
export function toHead(point: ChainPoint): Head {
  return { sequence: point.sequence, hash: toHex(point.hash) };
}

/**
 * Passes batches on and throws JournalCorruptError at the first whose numbers or stored previous hash do not follow
 * the one before. Hashes nothing: it costs next to nothing, so every reader has it. The first batch must begin at 1
 * or hold `fromSequence`.
 */
export function* inOrder(
  batches: Iterable<StoredBatch>,
  fromSequence: number,
): IterableIterator<StoredBatch> {
  let previous: StoredBatch | undefined;
  for (const batch of batches) {
    if (!Number.isSafeInteger(batch.recordCount) || batch.recordCount < 1)
      throw new JournalCorruptError(
        batch.firstSequence,
        `the batch says that it has ${batch.recordCount} records`,
      );
    const expected = previous === undefined ? Math.max(fromSequence, 1) : lastSequence(previous) + 1;
    if (previous === undefined ? batch.firstSequence > expected : batch.firstSequence !== expected)
      throw new JournalCorruptError(
        expected,
        `the batch here is missing; the next one begins at ${batch.firstSequence}`,
      );
    if (batch.firstSequence === 1 && !sameBytes(batch.previousHash, GENESIS_HASH))
      throw new JournalCorruptError(1, 'the first batch does not begin the chain');
    if (previous !== undefined && !sameBytes(batch.previousHash, previous.hash))
      throw new JournalCorruptError(batch.firstSequence, 'the batch does not follow the one before it');
    previous = batch;
    if (lastSequence(batch) >= fromSequence) yield batch;
  }
}

/**
 * Passes on batches whose chain is proven, hashing each; throws JournalCorruptError at the first that is not what was
 * written. `after` is where the batches must continue: the start, or a checkpoint's place.
 */
export function* checkChain(
  batches: Iterable<StoredBatch>,
  after: ChainPoint = CHAIN_START,
): IterableIterator<StoredBatch> {
  let { sequence, hash } = after;
  for (const batch of batches) {
    if (batch.firstSequence !== sequence + 1)
      throw new JournalCorruptError(
        sequence + 1,
        `expected a batch here, found one that begins at ${batch.firstSequence}`,
      );
    if (!sameBytes(batch.previousHash, hash))
      throw new JournalCorruptError(batch.firstSequence, 'the batch does not follow the one before it');
    if (!sameBytes(batchHash(hash, batch.bytes), batch.hash))
      throw new JournalCorruptError(batch.firstSequence, 'the stored bytes do not have the stored hash');
    sequence = lastSequence(batch);
    hash = batch.hash;
    yield batch;
  }
}

/**
 * Checks one batch that is read without walking the chain up to it: hashing its bytes must give its stored hash.
 */
export function assertOwnHash(batch: StoredBatch): void {
  if (!sameBytes(batchHash(batch.previousHash, batch.bytes), batch.hash))
    throw new JournalCorruptError(batch.firstSequence, 'the stored bytes do not have the stored hash');
}

/** SHA-256 of bytes or text as lower-case hex: digests of states and of books. */
export function digestOf(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex');
}
