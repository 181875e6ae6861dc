// Batch rows as SQLite gives them, and their way into the port's terms; used by the writer and by readers. A damaged
// page can give a row any shape, whatever the table says, so each is checked.

import { JournalCorruptError } from '../../core/errors.js';
import { type ChainPoint, HASH_BYTES, lastSequence } from '../chain.js';
import type { StoredBatch } from '../port.js';

export interface BatchRow {
  first_sequence: unknown;
  record_count: unknown;
  previous_hash: unknown;
  hash: unknown;
  bytes: unknown;
}

export const SELECT_LAST = `SELECT first_sequence, record_count, previous_hash, hash, x'00' AS bytes
  FROM batches ORDER BY first_sequence DESC LIMIT 1`;

/** SQLite's buffers as the plain arrays that the port speaks of. */
export function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function pointOf(batch: StoredBatch): ChainPoint {
  return { sequence: lastSequence(batch), hash: batch.hash };
}

/** Throws JournalCorruptError unless the row has the shape of a batch. */
export function toBatch(row: BatchRow): StoredBatch {
  const { first_sequence, record_count, previous_hash, hash, bytes } = row;
  const firstSequence = Number.isSafeInteger(first_sequence) ? (first_sequence as number) : 0;
  const sound =
    firstSequence >= 1 &&
    Number.isSafeInteger(record_count) &&
    (record_count as number) >= 1 &&
    previous_hash instanceof Uint8Array &&
    previous_hash.byteLength === HASH_BYTES &&
    hash instanceof Uint8Array &&
    hash.byteLength === HASH_BYTES &&
    bytes instanceof Uint8Array;
  if (!sound) throw new JournalCorruptError(firstSequence, 'the batch row is damaged');
  return {
    firstSequence,
    recordCount: record_count as number,
    previousHash: plain(previous_hash),
    hash: plain(hash),
    bytes: plain(bytes),
  };
}
