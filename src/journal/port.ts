// The journal port: what the authority needs of a store, without saying how the store keeps it. A store keeps batches
// of bytes in order under a hash chain, checkpoints beside them, and one lease. Each adapter has a folder: sqlite/,
// memory/.

import type { Head } from '../core/outcomes.js';

/** A batch as stored. `hash` = SHA-256("bursar/batch/1\0" ‖ previousHash ‖ bytes); the bytes carry their own header. */
export interface StoredBatch {
  readonly firstSequence: number;
  readonly recordCount: number;
  readonly previousHash: Uint8Array;
  readonly hash: Uint8Array;
  readonly bytes: Uint8Array;
}

export interface BatchToAppend {
  readonly firstSequence: number;
  readonly recordCount: number;
  /** Ownership passes to the journal: the caller never touches the buffer again. */
  readonly bytes: Uint8Array;
}

/** A saved state from which recovery starts; several chunks, all of one sequence number. */
export interface Checkpoint {
  /** The state after this sequence number, which is the last of a batch. */
  readonly sequence: number;
  /** The chain's hash there: a checkpoint of another history is not used. */
  readonly chainHash: Uint8Array;
  readonly bytes: Uint8Array;
}

/** Who holds the ledger; written down at opening so that a refused opener can be told by whom. */
export interface LeaseHolder {
  readonly authorityId: string;
  readonly leaseId: string;
  readonly epoch: number;
  readonly expiresAtMs: number;
  /** Free text for people: host and process. */
  readonly holder: string;
}

/** Reads a journal; any number of readers beside one writer. */
export interface JournalReader {
  /** The last durable batch's end; `{sequence: 0, hash: 64 zeros}` when empty. */
  head(): Head;
  /** Batches in order, from the one that holds `fromSequence` (default: the first). Does not check hashes. */
  batches(fromSequence?: number): IterableIterator<StoredBatch>;
  /** Newest first. One whose stored bytes do not have their stored digest is left out. */
  checkpoints(): IterableIterator<Checkpoint>;
  lease(): LeaseHolder | undefined;
  close(): void;
}

/** The one writer. Created only by winning the lease; its epoch is one above any before. */
export interface JournalWriter {
  readonly epoch: number;
  readonly leaseId: string;
  readonly reader: JournalReader;
  /**
   * Makes one batch durable. Calls are answered in order. Rejects with FencedError when a newer epoch exists, else with
   * JournalUnavailableError; after a rejection every later call rejects too, for what is on disk is then unknown.
   */
  append(batch: BatchToAppend): Promise<Head>;
  /** Blocks until every batch appended so far is durable, and gives the head. Throws what `append` would reject with. */
  drainSync(): Head;
  /** Stores a checkpoint beside the batches and deletes all but the newest two. */
  saveCheckpoint(checkpoint: Checkpoint): Promise<void>;
  /** Keeps the lease alive; rejects with FencedError when it is lost. */
  renewLease(nowMs: number): Promise<void>;
  /** Gives the lease back and closes. */
  close(): Promise<void>;
}

export interface OpenWriterOptions {
  readonly authorityId: string;
  readonly nowMs: number;
  /** How long the lease lasts without renewal. */
  readonly leaseMs: number;
  /** Takes the ledger over from a holder that is alive, by raising the epoch: an operator's decision. */
  readonly takeOver?: boolean;
}
