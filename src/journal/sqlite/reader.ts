// Reads a ledger file, beside its writer or without one. Each read is a short transaction of its own: a follower that
// kept one open would pin the write-ahead log and let it grow. Finds missing rows and a lost end; hashes nothing.

import { resolve } from 'node:path';
import type Database from 'better-sqlite3';
import { JournalCorruptError } from '../../core/errors.js';
import type { Head } from '../../core/outcomes.js';
import { CHAIN_START, inOrder, lastSequence, sameBytes, toHead } from '../chain.js';
import type { Checkpoint, JournalReader, LeaseHolder, StoredBatch } from '../port.js';
import { CheckpointDigest, chunksMatch } from './checkpoints.js';
import { assertReaches, readHighWater } from './high-water.js';
import { readLease, SELECT_LEASE } from './lease.js';
import { type BatchRow, plain, pointOf, SELECT_LAST, toBatch } from './rows.js';
import { journalError, openLedgerFile } from './schema.js';

/** One transaction reads rows until it has either: enough to spread its cost, and never much memory. */
const READ_ROWS_MAX = 256;
const READ_BYTES_MAX = 4 * 1024 * 1024;

/** Opens a ledger for reading only. It need not be open elsewhere; nothing is written. */
export function openSqliteReader(path: string): JournalReader {
  return new SqliteReader(resolve(path));
}

class SqliteReader implements JournalReader {
  readonly #path: string;
  readonly #db: Database.Database;
  readonly #last: Database.Statement;
  readonly #from: Database.Statement;
  readonly #holding: Database.Statement;
  readonly #lease: Database.Statement;
  readonly #checkpointBefore: Database.Statement;
  readonly #chunk: Database.Statement;

  constructor(path: string) {
    this.#path = path;
    this.#db = openLedgerFile(path, 'read');
    this.#last = this.#db.prepare(SELECT_LAST);
    this.#from = this.#db.prepare('SELECT * FROM batches WHERE first_sequence >= ? ORDER BY first_sequence');
    this.#holding = this.#db
      .prepare('SELECT max(first_sequence) FROM batches WHERE first_sequence <= ?')
      .pluck();
    this.#lease = this.#db.prepare(SELECT_LEASE);
    this.#checkpointBefore = this.#db.prepare(
      'SELECT * FROM checkpoints WHERE checkpoint_id < ? ORDER BY checkpoint_id DESC LIMIT 1',
    );
    this.#chunk = this.#db
      .prepare('SELECT bytes FROM checkpoint_chunks WHERE checkpoint_id = ? AND chunk = ?')
      .pluck();
  }

  head(): Head {
    const { recorded, durable } = this.#known();
    const row = this.#read('reading the head', 0, () => this.#last.get()) as BatchRow | undefined;
    const head = toHead(row === undefined ? CHAIN_START : pointOf(toBatch(row)));
    assertReaches(head.sequence, durable, this.#path);
    if (head.sequence === recorded.sequence) assertSame(recorded, head);
    return head;
  }

  *batches(fromSequence = 1): IterableIterator<StoredBatch> {
    // Read before the batches: they can only be more by then.
    const { recorded, durable } = this.#known();
    let reached = 0;
    for (const batch of inOrder(this.#rows(fromSequence), fromSequence)) {
      reached = lastSequence(batch);
      if (batch.firstSequence <= recorded.sequence && recorded.sequence <= reached)
        assertSame(recorded, toHead(pointOf(batch)));
      yield batch;
    }
    if (durable >= fromSequence) assertReaches(Math.max(reached, fromSequence - 1), durable, this.#path);
  }

  *checkpoints(): IterableIterator<Checkpoint> {
    let before = Number.MAX_SAFE_INTEGER;
    for (;;) {
      const row = this.#checkpointRow(before);
      if (row === undefined) return;
      before = row.checkpoint_id;
      const checkpoint = this.#checkpoint(row);
      if (checkpoint !== undefined) yield checkpoint;
    }
  }

  lease(): LeaseHolder | undefined {
    return this.#read('reading the lease', 0, () => readLease(this.#lease)).lease;
  }

  close(): void {
    this.#db.close();
  }

  /** A head that the lease row records, and how far the journal is known to have been durable. */
  #known(): { recorded: Head; durable: number } {
    const { ledgerId, head } = this.#read('reading the lease', 0, () => readLease(this.#lease));
    return { recorded: head, durable: Math.max(head.sequence, readHighWater(this.#path, ledgerId)) };
  }

  *#rows(fromSequence: number): IterableIterator<StoredBatch> {
    const holding = this.#read('finding a batch', fromSequence, () => this.#holding.get(fromSequence));
    let next = typeof holding === 'number' ? holding : 0;
    for (;;) {
      const page = this.#read('reading batches', next, () => this.#page(next));
      if (page.length === 0) return;
      yield* page;
      next = lastSequence(page[page.length - 1]!) + 1;
    }
  }

  /** Some batches whose first sequence is at least `from`, in one short transaction. */
  #page(from: number): readonly StoredBatch[] {
    const page: StoredBatch[] = [];
    let byteCount = 0;
    let next = from;
    try {
      for (const row of this.#from.iterate(from) as IterableIterator<BatchRow>) {
        const batch = toBatch(row);
        page.push(batch);
        next = lastSequence(batch) + 1;
        byteCount += batch.bytes.byteLength;
        if (page.length >= READ_ROWS_MAX || byteCount >= READ_BYTES_MAX) break;
      }
    } catch (error) {
      // What came before the damage is still given out: the reader learns exactly where it begins.
      if (page.length === 0) throw journalError(error, 'reading batches', next);
    }
    return page;
  }

  #checkpointRow(before: number): CheckpointRow | undefined {
    try {
      const row = this.#checkpointBefore.get(before) as CheckpointRow | undefined;
      return row !== undefined && Number.isSafeInteger(row.checkpoint_id) ? row : undefined;
    } catch (error) {
      // Damaged checkpoints only cost a longer replay; any other failure is one.
      const failure = journalError(error, 'reading checkpoints', 0);
      if (failure instanceof JournalCorruptError) return undefined;
      throw failure;
    }
  }

  #checkpoint(row: CheckpointRow): Checkpoint | undefined {
    try {
      const chunks: Uint8Array[] = [];
      for (let chunk = 0; chunk < row.chunk_count; chunk += 1) {
        const bytes = this.#chunk.get(row.checkpoint_id, chunk);
        if (!(bytes instanceof Uint8Array)) return undefined;
        chunks.push(bytes);
      }
      if (!(row.chain_hash instanceof Uint8Array) || !chunksMatch(chunks, row.byte_length)) return undefined;
      const digest = new CheckpointDigest(row.sequence, row.chain_hash);
      for (const chunk of chunks) digest.update(chunk);
      if (!(row.digest instanceof Uint8Array) || !sameBytes(digest.finish(), row.digest)) return undefined;
      return {
        sequence: row.sequence,
        chainHash: plain(row.chain_hash),
        bytes: plain(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)),
      };
    } catch (error) {
      const failure = journalError(error, 'reading a checkpoint', 0);
      if (failure instanceof JournalCorruptError) return undefined;
      throw failure;
    }
  }

  #read<T>(doing: string, sequence: number, read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw journalError(error, doing, sequence);
    }
  }
}

interface CheckpointRow {
  checkpoint_id: number;
  sequence: number;
  chain_hash: unknown;
  chunk_count: number;
  byte_length: number;
  digest: unknown;
}

function assertSame(recorded: Head, found: Head): void {
  if (found.sequence === recorded.sequence && found.hash === recorded.hash) return;
  throw new JournalCorruptError(
    recorded.sequence,
    `a batch ended here with hash ${recorded.hash}; now one ends at ${found.sequence} with hash ${found.hash}`,
  );
}
