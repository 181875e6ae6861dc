// A journal in memory, for tests and for `:memory:` ledgers. The MemoryStore is the disk: it outlives its writers, so
// that a crash is to drop the writer and open the store again. Faults are injected on the store and strike at an exact
// append. Keeps the same lease, epoch and order rules as the durable adapters, and never waits on a clock.

import { createHash, randomUUID } from 'node:crypto';
import { JournalUnavailableError, LedgerClosedError } from '../../core/errors.js';
import type { Head } from '../../core/outcomes.js';
import {
  batchHash,
  CHAIN_START,
  type ChainPoint,
  inOrder,
  lastSequence,
  sameBytes,
  toHead,
} from '../chain.js';
import { assertNotFenced, refuseIfHeld } from '../lease.js';
import { assertAppendable, CHECKPOINTS_KEPT } from '../limits.js';
import type {
  BatchToAppend,
  Checkpoint,
  JournalReader,
  JournalWriter,
  LeaseHolder,
  OpenWriterOptions,
  StoredBatch,
} from '../port.js';

export interface MemoryCheckpoint {
  readonly sequence: number;
  readonly chainHash: Uint8Array;
  readonly bytes: Uint8Array;
  readonly digest: Uint8Array;
}

type Fault = 'fail_before_store' | 'lose_reply';

/** The "disk". All that a test may damage is public: cut `batches`, flip their bytes, drop `checkpoints`. */
export class MemoryStore {
  readonly batches: StoredBatch[] = [];
  readonly checkpoints: MemoryCheckpoint[] = [];
  lease: LeaseHolder | undefined;
  epoch = 0;
  diskFull = false;
  #fault: Fault | undefined;
  #appendsAllowed = Number.POSITIVE_INFINITY;
  readonly #writers = new Set<MemoryWriter>();

  /** The next append fails, and its batch is not stored. */
  failNextAppend(): void {
    this.#fault = 'fail_before_store';
  }

  /** The next append is stored, and yet its writer is told that it failed. */
  loseNextReply(): void {
    this.#fault = 'lose_reply';
  }

  /** From now on nothing can be stored, until `freeDisk`. */
  fillDisk(): void {
    this.diskFull = true;
  }

  freeDisk(): void {
    this.diskFull = false;
  }

  /** Shuts the gate: appends wait, not stored, until `releaseAppends`. */
  holdAppends(): void {
    this.#appendsAllowed = 0;
  }

  /** Lets so many appends through; without a number all, for good. */
  releaseAppends(count = Number.POSITIVE_INFINITY): void {
    this.#appendsAllowed += count;
    for (const writer of this.#writers) writer.pump();
  }

  /** Kills the writers as a SIGKILL would: what waits at the gate is lost, nobody is answered, the holder is gone. */
  crash(): void {
    for (const writer of this.#writers) writer.kill();
    this.#writers.clear();
    this.#fault = undefined;
    this.#appendsAllowed = Number.POSITIVE_INFINITY;
  }

  point(): ChainPoint {
    const last = this.batches.at(-1);
    return last === undefined ? CHAIN_START : { sequence: lastSequence(last), hash: last.hash };
  }

  /** Whether a writer with this lease lives; a lease without one is a killed process's. */
  isAlive(leaseId: string): boolean {
    for (const writer of this.#writers) if (writer.leaseId === leaseId) return true;
    return false;
  }

  attach(writer: MemoryWriter): void {
    this.#writers.add(writer);
  }

  detach(writer: MemoryWriter): void {
    this.#writers.delete(writer);
  }

  /** Whether an append may pass the gate now; one that passes uses up its turn. */
  passGate(): boolean {
    if (this.#appendsAllowed < 1) return false;
    this.#appendsAllowed -= 1;
    return true;
  }

  takeFault(): Fault | undefined {
    const fault = this.#fault;
    this.#fault = undefined;
    return fault;
  }

  assertSpace(): void {
    if (this.diskFull) throw new JournalUnavailableError('the disk is full');
  }
}

/** Opens the store for writing. Without a store the journal is gone when the writer is. */
export async function openMemoryJournal(
  store: MemoryStore | undefined,
  options: OpenWriterOptions,
): Promise<JournalWriter> {
  return new MemoryWriter(store ?? new MemoryStore(), options);
}

export function openMemoryReader(store: MemoryStore): JournalReader {
  return new MemoryReader(store);
}

interface WaitingAppend {
  readonly batch: BatchToAppend;
  readonly resolve: (head: Head) => void;
  readonly reject: (error: Error) => void;
}

class MemoryWriter implements JournalWriter {
  readonly epoch: number;
  readonly leaseId = randomUUID();
  readonly reader: JournalReader;
  readonly #store: MemoryStore;
  readonly #leaseMs: number;
  #waiting: WaitingAppend[] = [];
  #point: ChainPoint;
  #failure: Error | undefined;

  constructor(store: MemoryStore, options: OpenWriterOptions) {
    const { lease } = store;
    refuseIfHeld(lease, options, () => lease !== undefined && !store.isAlive(lease.leaseId));
    store.assertSpace();
    store.epoch += 1;
    this.epoch = store.epoch;
    store.lease = {
      authorityId: options.authorityId,
      leaseId: this.leaseId,
      epoch: store.epoch,
      expiresAtMs: options.nowMs + options.leaseMs,
      holder: 'in memory',
    };
    this.#store = store;
    this.#leaseMs = options.leaseMs;
    this.#point = store.point();
    this.reader = openMemoryReader(store);
    store.attach(this);
  }

  append(batch: BatchToAppend): Promise<Head> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, resolve, reject });
      this.pump();
    });
  }

  /** Stores what the gate lets through. */
  pump(): void {
    while (this.#waiting.length > 0 && this.#store.passGate()) this.#storeNext();
  }

  drainSync(): Head {
    // A drain would wait for ever at a shut gate, so it lets through what waits there.
    while (this.#waiting.length > 0) this.#storeNext();
    if (this.#failure !== undefined) throw this.#failure;
    return toHead(this.#point);
  }

  async saveCheckpoint(checkpoint: Checkpoint): Promise<void> {
    this.#guard(() => {
      const bytes = checkpoint.bytes.slice();
      const stored = { sequence: checkpoint.sequence, chainHash: checkpoint.chainHash.slice(), bytes };
      this.#store.checkpoints.push({ ...stored, digest: digestOf(bytes) });
      this.#store.checkpoints.splice(0, this.#store.checkpoints.length - CHECKPOINTS_KEPT);
    });
  }

  async renewLease(nowMs: number): Promise<void> {
    this.#guard(() => {
      this.#store.lease = { ...this.#store.lease!, expiresAtMs: nowMs + this.#leaseMs };
    });
  }

  async close(): Promise<void> {
    while (this.#waiting.length > 0) this.#storeNext();
    this.#failure = new LedgerClosedError('the journal is closed');
    this.#store.detach(this);
    if (this.#store.lease?.leaseId === this.leaseId) this.#store.lease = undefined;
  }

  /** Ends the writer without answering anyone, as if its process had been killed. */
  kill(): void {
    this.#waiting = [];
    this.#failure = new JournalUnavailableError('the process that had this writer was killed');
  }

  #storeNext(): void {
    const next = this.#waiting.shift()!;
    try {
      next.resolve(this.#storeBatch(next.batch));
    } catch (error) {
      this.#failure = error as Error;
      for (const each of [next, ...this.#waiting.splice(0)]) each.reject(this.#failure);
    }
  }

  #storeBatch(batch: BatchToAppend): Head {
    const store = this.#store;
    const fault = store.takeFault();
    if (fault === 'fail_before_store') throw new JournalUnavailableError('injected: the append failed');
    store.assertSpace();
    assertNotFenced(this, store.lease ?? { leaseId: '', epoch: store.epoch });
    assertAppendable(batch, this.#point, store.point());
    const hash = batchHash(this.#point.hash, batch.bytes);
    store.batches.push({ ...batch, previousHash: this.#point.hash, hash });
    this.#point = { sequence: lastSequence(batch), hash };
    if (fault === 'lose_reply') throw new JournalUnavailableError('injected: stored, but the reply was lost');
    return toHead(this.#point);
  }

  #guard(change: () => void): void {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      this.#store.assertSpace();
      assertNotFenced(this, this.#store.lease ?? { leaseId: '', epoch: this.#store.epoch });
      change();
    } catch (error) {
      this.#failure = error as Error;
      throw error;
    }
  }
}

function digestOf(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}

class MemoryReader implements JournalReader {
  constructor(readonly store: MemoryStore) {}

  head(): Head {
    return toHead(this.store.point());
  }

  *batches(fromSequence = 1): IterableIterator<StoredBatch> {
    const { batches } = this.store;
    let start = batches.length;
    while (start > 0 && lastSequence(batches[start - 1]!) >= fromSequence) start -= 1;
    yield* inOrder(batchesFrom(batches, start), fromSequence);
  }

  *checkpoints(): IterableIterator<Checkpoint> {
    for (const { sequence, chainHash, bytes, digest } of [...this.store.checkpoints].reverse())
      if (sameBytes(digestOf(bytes), digest)) yield { sequence, chainHash, bytes };
  }

  lease(): LeaseHolder | undefined {
    return this.store.lease;
  }

  close(): void {}
}

/** Goes on to batches that are stored while it is read, as a reader of a file does. */
function* batchesFrom(batches: readonly StoredBatch[], start: number): IterableIterator<StoredBatch> {
  for (let i = start; i < batches.length; i += 1) yield batches[i]!;
}
