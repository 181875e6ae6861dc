// Writes checkpoints into the ledger file: chunk after chunk, each in a transaction of its own so that appends go in
// between, then one row that makes them valid. Old ones are deleted the same way. A save that was cut short leaves
// chunks without a row; the next save clears them away.

import { createHash } from 'node:crypto';
import type Database from 'better-sqlite3';
import { CHECKPOINTS_KEPT } from '../limits.js';

/** One chunk keeps an append waiting for a few ms; smaller chunks would only make more commits. */
export const CHUNK_BYTES = 1024 * 1024;

/** SHA-256("bursar/checkpoint/1\0" ‖ sequence, 8 bytes big-endian ‖ chainHash ‖ bytes). */
export class CheckpointDigest {
  readonly #hash = createHash('sha256').update('bursar/checkpoint/1\0');

  constructor(sequence: number, chainHash: Uint8Array) {
    const place = Buffer.alloc(8);
    place.writeBigInt64BE(BigInt(sequence));
    this.#hash.update(place).update(chainHash);
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  finish(): Uint8Array {
    return this.#hash.digest();
  }
}

export function chunksMatch(chunks: readonly Uint8Array[], byteLength: number): boolean {
  return chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0) === byteLength;
}

interface Saving {
  readonly checkpointId: number;
  readonly sequence: number;
  readonly chainHash: Uint8Array;
  readonly digest: CheckpointDigest;
  chunkCount: number;
  byteLength: number;
}

/** Each method is called inside a transaction that has checked the lease. */
export class CheckpointWriter {
  readonly #nextId: Database.Statement;
  readonly #insertChunk: Database.Statement;
  readonly #insertRow: Database.Statement;
  readonly #deleteOldRows: Database.Statement;
  readonly #deleteOrphan: Database.Statement;
  #saving: Saving | undefined;

  constructor(db: Database.Database) {
    this.#nextId = db
      .prepare(
        `SELECT 1 + max((SELECT coalesce(max(checkpoint_id), 0) FROM checkpoints),
                        (SELECT coalesce(max(checkpoint_id), 0) FROM checkpoint_chunks))`,
      )
      .pluck();
    this.#insertChunk = db.prepare('INSERT INTO checkpoint_chunks VALUES (?, ?, ?)');
    this.#insertRow = db.prepare('INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?, ?)');
    this.#deleteOldRows = db.prepare(`DELETE FROM checkpoints WHERE checkpoint_id NOT IN
      (SELECT checkpoint_id FROM checkpoints ORDER BY checkpoint_id DESC LIMIT ${CHECKPOINTS_KEPT})`);
    this.#deleteOrphan = db.prepare(`DELETE FROM checkpoint_chunks WHERE rowid =
      (SELECT rowid FROM checkpoint_chunks
        WHERE checkpoint_id NOT IN (SELECT checkpoint_id FROM checkpoints) LIMIT 1)`);
  }

  begin(sequence: number, chainHash: Uint8Array): void {
    this.#saving = {
      checkpointId: this.#nextId.get() as number,
      sequence,
      chainHash,
      digest: new CheckpointDigest(sequence, chainHash),
      chunkCount: 0,
      byteLength: 0,
    };
  }

  addChunk(bytes: Uint8Array): void {
    const saving = this.#saving!;
    this.#insertChunk.run(saving.checkpointId, saving.chunkCount, bytes);
    saving.digest.update(bytes);
    saving.chunkCount += 1;
    saving.byteLength += bytes.byteLength;
  }

  /** The row that makes the chunks a checkpoint, and the end of those before the newest two. */
  finish(): void {
    const { checkpointId, sequence, chainHash, digest, chunkCount, byteLength } = this.#saving!;
    this.#saving = undefined;
    this.#insertRow.run(checkpointId, sequence, chainHash, chunkCount, byteLength, digest.finish());
    this.#deleteOldRows.run();
  }

  /** Deletes one chunk that belongs to no checkpoint; false when there was none. */
  clearOne(): boolean {
    return this.#deleteOrphan.run().changes > 0;
  }
}
