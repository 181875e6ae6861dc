// What every journal asks of a batch before it is stored: its size, and that it continues the chain where the writer
// believes the chain to be.

import { FencedError, InvalidInputError } from '../core/errors.js';
import { type ChainPoint, sameBytes } from './chain.js';
import type { BatchToAppend } from './port.js';

/** A batch is hashed, written and read whole: 64 MiB is far above any group commit and far below what hurts memory. */
export const BATCH_BYTES_MAX = 64 * 1024 * 1024;

/** The authority keeps a few appends in flight. More waiting appends mean that the caller ignores the back-pressure. */
export const APPENDS_QUEUED_MAX = 1_024;

/** How many checkpoints are kept: the newest, and the one before in case the newest is damaged. */
export const CHECKPOINTS_KEPT = 2;

/** Throws unless `batch` may follow: `believed` is where this writer left the chain, `stored` where it really ends. */
export function assertAppendable(batch: BatchToAppend, believed: ChainPoint, stored: ChainPoint): void {
  const { bytes, recordCount, firstSequence } = batch;
  if (!Number.isSafeInteger(recordCount) || recordCount < 1)
    throw new InvalidInputError('recordCount', `${recordCount} is not a number of records of at least 1`);
  if (bytes.byteLength < 1 || bytes.byteLength > BATCH_BYTES_MAX)
    throw new InvalidInputError(
      'bytes',
      `a batch of ${bytes.byteLength} bytes; it must have 1 to ${BATCH_BYTES_MAX}`,
    );
  if (stored.sequence !== believed.sequence || !sameBytes(stored.hash, believed.hash))
    throw new FencedError(
      `this writer left the journal at ${believed.sequence}, but it ends at ${stored.sequence} with another hash: ` +
        'another writer has been here',
    );
  if (firstSequence !== stored.sequence + 1)
    throw new FencedError(`the batch begins at ${firstSequence}, but the journal ends at ${stored.sequence}`);
}
