// The write connection of a ledger file; lives in the worker thread. Keeps: one transaction per batch, in which the
// lease, the head and the batch are checked together (invariant 10), durable (synchronous=FULL) before it returns
// (invariant 7). After any failure it does nothing more but give the lease back.

import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import type Database from 'better-sqlite3';
import { JournalUnavailableError } from '../../core/errors.js';
import type { Head } from '../../core/outcomes.js';
import { batchHash, CHAIN_START, type ChainPoint, lastSequence, toHead } from '../chain.js';
import { assertNotFenced, LEASE_EXTEND_AFTER, refuseIfHeld } from '../lease.js';
import { assertAppendable } from '../limits.js';
import type { BatchToAppend, OpenWriterOptions } from '../port.js';
import { CheckpointWriter } from './checkpoints.js';
import { assertReaches, HighWater, readHighWater } from './high-water.js';
import {
  insertFirstLease,
  type LeaseRecord,
  readLease,
  SELECT_FENCE,
  SELECT_LEASE,
  writeLease,
} from './lease.js';
import { describeProcess, isProcessGone, type ProcessIdentity, thisProcess } from './process-identity.js';
import type { WorkerStart } from './protocol.js';
import { type BatchRow, pointOf, SELECT_LAST, toBatch } from './rows.js';
import { createLedgerFile, journalError, openLedgerFile, PAGE_BYTES } from './schema.js';

/**
 * The log is copied into the file when so much was written. The next append waits some ms for that: about one append in
 * 500. A larger log makes nothing faster. Each wait is then longer, and a crashed ledger opens more slowly.
 */
const WAL_COPY_BYTES = 16 * 1024 * 1024;
/** Where readers keep the log from starting over, it may grow to this before the writer waits for them. */
const WAL_BYTES_MAX = 128 * 1024 * 1024;
/** Readers' transactions last milliseconds; a longer one is not waited for: the log grows on, and this tries again. */
const READERS_WAIT_MS = 50;
/** What a commit writes besides its bytes: the row's page, and the file's first page when the file grew. */
const COMMIT_OVERHEAD_BYTES = 2 * PAGE_BYTES;

export class SqliteStore {
  readonly leaseId = randomUUID();
  readonly epoch: number;
  readonly #db: Database.Database;
  readonly #process: ProcessIdentity = thisProcess();
  readonly #options: OpenWriterOptions;
  readonly #ledgerId: string;
  readonly #statements: Statements;
  readonly #checkpoints: CheckpointWriter;
  readonly #highWater: HighWater;
  #point: ChainPoint;
  #expiresAtMs: number;
  /** Appends carry no time, so it is derived: the last time that the caller stated, plus the monotonic time since. */
  #nowMs: number;
  #toldAtMs = performance.now();
  #walBytes = 0;

  /** Opens or creates the ledger and takes its lease; throws and leaves everything as it was when it may not. */
  constructor({ path, options, abandonedLeases }: WorkerStart) {
    if (!existsSync(path)) createLedgerFile(path, insertFirstLease);
    this.#db = openLedgerFile(path, 'write');
    this.#options = options;
    this.#nowMs = options.nowMs;
    this.#expiresAtMs = options.nowMs + options.leaseMs;
    try {
      this.#makeDurable();
      this.#statements = prepare(this.#db);
      this.#checkpoints = new CheckpointWriter(this.#db);
      const taken = this.#transaction('taking the lease', () => this.#takeLease(path, abandonedLeases));
      this.epoch = taken.epoch;
      this.#ledgerId = taken.ledgerId;
      this.#point = taken.point;
      this.#highWater = new HighWater(path, this.#ledgerId);
      this.#highWater.write(this.#point.sequence);
    } catch (error) {
      this.#db.close();
      throw journalError(error, `cannot open the ledger ${path}`, 0);
    }
  }

  get head(): Head {
    return toHead(this.#point);
  }

  get point(): ChainPoint {
    return this.#point;
  }

  append(batch: BatchToAppend): void {
    const hash = batchHash(this.#point.hash, batch.bytes);
    const next: ChainPoint = { sequence: lastSequence(batch), hash };
    this.#fenced('appending a batch', () => {
      assertAppendable(batch, this.#point, this.#storedPoint());
      const { firstSequence, recordCount, bytes } = batch;
      this.#statements.insertBatch.run(firstSequence, recordCount, this.#point.hash, hash, bytes);
      this.#extendLeaseWhenDue(next);
    });
    this.#point = next;
    this.#highWater.write(next.sequence);
    this.#walBytes += batch.bytes.byteLength + COMMIT_OVERHEAD_BYTES;
  }

  renewLease(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#toldAtMs = performance.now();
    const expiresAtMs = nowMs + this.#options.leaseMs;
    this.#fenced('renewing the lease', () => this.#writeLease(expiresAtMs, this.#point));
    this.#expiresAtMs = expiresAtMs;
  }

  beginCheckpoint(sequence: number, chainHash: Uint8Array): void {
    this.#fenced('saving a checkpoint', () => this.#checkpoints.begin(sequence, chainHash));
  }

  addCheckpointChunk(bytes: Uint8Array): void {
    this.#fenced('saving a checkpoint', () => this.#checkpoints.addChunk(bytes));
    this.#walBytes += bytes.byteLength + COMMIT_OVERHEAD_BYTES;
  }

  finishCheckpoint(): void {
    this.#fenced('saving a checkpoint', () => this.#checkpoints.finish());
  }

  clearOneCheckpointChunk(): boolean {
    this.#walBytes += COMMIT_OVERHEAD_BYTES;
    return this.#fenced('deleting an old checkpoint', () => this.#checkpoints.clearOne());
  }

  /** Keeps the write-ahead log small. Called between requests, after the answer: nobody waits for it. */
  tidy(): void {
    if (this.#walBytes < WAL_COPY_BYTES) return;
    try {
      const [state] = this.#db.pragma('wal_checkpoint(PASSIVE)') as { log: number }[];
      if ((state?.log ?? 0) * PAGE_BYTES > WAL_BYTES_MAX) this.#restartLog();
      this.#walBytes = 0;
    } catch (error) {
      throw journalError(error, 'copying the write-ahead log', this.#point.sequence);
    }
  }

  /** Gives the lease back if it can, and says whether; closes. The ledger is then one file again. */
  close(): boolean {
    let released = false;
    try {
      this.#fenced('giving the lease back', () =>
        writeLease(this.#db, {
          ledgerId: this.#ledgerId,
          epoch: this.epoch,
          lease: undefined,
          process: undefined,
          head: toHead(this.#storedPoint()),
        }),
      );
      released = true;
      // Without a log the file can be read where nothing can be written. Not possible while others read: no harm.
      this.#db.pragma('journal_mode = DELETE');
    } catch {
      // Fenced, or the disk fails: the lease runs out by itself, and what is durable stays so.
    } finally {
      this.#highWater.close(released ? 'remove' : 'keep');
      this.#db.close();
    }
    return released;
  }

  #makeDurable(): void {
    // A driver may be built with another default for WAL: set, and read back.
    const mode = this.#db.pragma('journal_mode = WAL', { simple: true });
    if (mode !== 'wal')
      throw new JournalUnavailableError(`this file system allows no write-ahead log (got "${mode}")`);
    this.#db.pragma('synchronous = FULL');
    const full = 2;
    if (this.#db.pragma('synchronous', { simple: true }) !== full)
      throw new JournalUnavailableError('SQLite does not sync every commit');
    this.#db.pragma('wal_autocheckpoint = 0');
    this.#db.pragma(`journal_size_limit = ${WAL_BYTES_MAX}`);
  }

  #takeLease(
    path: string,
    abandonedLeases: readonly string[],
  ): { epoch: number; ledgerId: string; point: ChainPoint } {
    const record = readLease(this.#statements.lease);
    const isGone = () =>
      abandonedLeases.includes(record.lease?.leaseId ?? '') ||
      (record.process !== undefined && isProcessGone(record.process));
    refuseIfHeld(record.lease, this.#options, isGone);
    const point = this.#storedPoint();
    assertReaches(point.sequence, Math.max(record.head.sequence, readHighWater(path, record.ledgerId)), path);
    const epoch = record.epoch + 1;
    writeLease(this.#db, this.#leaseRecord(record.ledgerId, epoch, this.#expiresAtMs, point));
    return { epoch, ledgerId: record.ledgerId, point };
  }

  #leaseRecord(ledgerId: string, epoch: number, expiresAtMs: number, point: ChainPoint): LeaseRecord {
    const { authorityId } = this.#options;
    const holder = describeProcess(this.#process);
    return {
      ledgerId,
      epoch,
      lease: { authorityId, leaseId: this.leaseId, epoch, expiresAtMs, holder },
      process: this.#process,
      head: toHead(point),
    };
  }

  #writeLease(expiresAtMs: number, point: ChainPoint): void {
    writeLease(this.#db, this.#leaseRecord(this.#ledgerId, this.epoch, expiresAtMs, point));
  }

  #extendLeaseWhenDue(point: ChainPoint): void {
    const nowMs = this.#nowMs + Math.floor(performance.now() - this.#toldAtMs);
    const { leaseMs } = this.#options;
    if (nowMs < this.#expiresAtMs - leaseMs * (1 - LEASE_EXTEND_AFTER)) return;
    this.#expiresAtMs = nowMs + leaseMs;
    this.#writeLease(this.#expiresAtMs, point);
  }

  #storedPoint(): ChainPoint {
    const row = this.#statements.last.get() as BatchRow | undefined;
    return row === undefined ? CHAIN_START : pointOf(toBatch(row));
  }

  #restartLog(): void {
    const before = this.#db.pragma('busy_timeout', { simple: true });
    this.#db.pragma(`busy_timeout = ${READERS_WAIT_MS}`);
    this.#db.pragma('wal_checkpoint(RESTART)');
    this.#db.pragma(`busy_timeout = ${before}`);
  }

  /** A transaction of the lease's holder: does nothing but throw FencedError for anybody else. */
  #fenced<T>(doing: string, change: () => T): T {
    return this.#transaction(doing, () => {
      assertNotFenced(this, this.#statements.fence.get() as { epoch: number; leaseId: string } | undefined);
      return change();
    });
  }

  #transaction<T>(doing: string, change: () => T): T {
    try {
      this.#statements.begin.run();
      const result = change();
      this.#statements.commit.run();
      return result;
    } catch (error) {
      // SQLite has undone some failures itself already.
      if (this.#db.inTransaction) this.#statements.rollback.run();
      throw journalError(error, doing, this.#point === undefined ? 0 : this.#point.sequence + 1);
    }
  }
}

interface Statements {
  readonly begin: Database.Statement;
  readonly commit: Database.Statement;
  readonly rollback: Database.Statement;
  readonly fence: Database.Statement;
  readonly lease: Database.Statement;
  readonly last: Database.Statement;
  readonly insertBatch: Database.Statement;
}

function prepare(db: Database.Database): Statements {
  return {
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    rollback: db.prepare('ROLLBACK'),
    fence: db.prepare(SELECT_FENCE),
    lease: db.prepare(SELECT_LEASE),
    last: db.prepare(SELECT_LAST),
    insertBatch: db.prepare('INSERT INTO batches VALUES (?, ?, ?, ?, ?)'),
  };
}
