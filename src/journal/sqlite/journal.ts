// The SQLite journal's writer, as the main thread has it. The write connection lives in a worker thread: hashing and
// commits never block the event loop. Requests go out in order and are answered in order; after the first failure
// nothing is sent any more, since what is on disk is then unknown.

import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { InvalidInputError, JournalUnavailableError, LedgerClosedError } from '../../core/errors.js';
import type { Head } from '../../core/outcomes.js';
import { APPENDS_QUEUED_MAX } from '../limits.js';
import type { BatchToAppend, Checkpoint, JournalReader, JournalWriter, OpenWriterOptions } from '../port.js';
import { CHUNK_BYTES } from './checkpoints.js';
import {
  type Answer,
  CommitBoard,
  fromFailure,
  type Opened,
  type Request,
  type WorkerStart,
} from './protocol.js';
import { openSqliteReader } from './reader.js';

/** A commit takes milliseconds and waits at most 5 s for another's lock; a worker silent for this long is dead. */
const DRAIN_WAIT_MS_MAX = 60_000;

/** At most one for each failed writer of this process; see WorkerStart. */
const abandonedLeases = new Set<string>();

/** Opens the ledger file for writing, and makes it when there is none. Refused with LedgerHeldError while held. */
export async function openSqliteJournal(path: string, options: OpenWriterOptions): Promise<JournalWriter> {
  if (path === '' || path === ':memory:')
    throw new InvalidInputError('path', `"${path}" is not a file; use the memory journal`);
  const absolute = resolve(path);
  const board = new CommitBoard();
  const thread = new WorkerThread({
    path: absolute,
    options,
    board: board.buffer,
    abandonedLeases: [...abandonedLeases],
  });
  let opened: Opened;
  try {
    opened = (await thread.opened) as Opened;
  } catch (error) {
    await thread.end();
    throw error;
  }
  try {
    return new SqliteWriter(thread, board, opened, openSqliteReader(absolute));
  } catch (error) {
    await thread.request({ kind: 'close' });
    await thread.end();
    throw error;
  }
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** The worker and the requests that it has not answered. Keeps the process running only while there are any. */
class WorkerThread {
  readonly opened: Promise<unknown>;
  readonly #ended: Promise<void>;
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];
  #failure: Error | undefined;

  constructor(start: WorkerStart) {
    // The process's own flags (loaders, --input-type) are not for this thread; some of them would stop it.
    const options = { workerData: start, execArgv: [] };
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), options);
    this.opened = this.#answer();
    this.#worker.on('message', (answer: Answer) => this.#answered(answer));
    this.#worker.on('error', (error: Error) =>
      this.#end(
        new JournalUnavailableError(`the journal's thread failed: ${error.message}`, { cause: error }),
      ),
    );
    this.#ended = new Promise((done) =>
      this.#worker.on('exit', () => {
        this.#end(new JournalUnavailableError("the journal's thread has ended"));
        done();
      }),
    );
  }

  request(request: Request, transfer: readonly ArrayBuffer[] = []): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#worker.postMessage(request, transfer);
    return this.#answer();
  }

  /** Waits until the thread has let go of the file; the process must not end before. */
  end(): Promise<void> {
    this.#worker.ref();
    return this.#ended;
  }

  #answer(): Promise<unknown> {
    if (this.#waiting.length === 0) this.#worker.ref();
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  #answered(answer: Answer): void {
    const waiting = this.#waiting.shift();
    if (this.#waiting.length === 0) this.#worker.unref();
    if (answer.ok) waiting?.resolve(answer.value);
    else waiting?.reject(fromFailure(answer.failure));
  }

  #end(failure: Error): void {
    this.#failure ??= failure;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}

class SqliteWriter implements JournalWriter {
  readonly epoch: number;
  readonly leaseId: string;
  readonly reader: JournalReader;
  readonly #thread: WorkerThread;
  readonly #board: CommitBoard;
  /** Modulo 2^32, as the board counts. */
  #appendsSent = 0;
  #failure: Error | undefined;
  #closing: Promise<void> | undefined;
  #checkpointing: Promise<void> = Promise.resolve();

  constructor(thread: WorkerThread, board: CommitBoard, opened: Opened, reader: JournalReader) {
    this.#thread = thread;
    this.#board = board;
    this.epoch = opened.epoch;
    this.leaseId = opened.leaseId;
    this.reader = reader;
  }

  append(batch: BatchToAppend): Promise<Head> {
    if (this.#board.waiting(this.#appendsSent) >= APPENDS_QUEUED_MAX)
      this.#failure ??= new JournalUnavailableError(
        `${APPENDS_QUEUED_MAX} appends are waiting: the caller does not wait for their answers`,
      );
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const bytes = ownBuffer(batch.bytes);
    this.#appendsSent = (this.#appendsSent + 1) | 0;
    const { firstSequence, recordCount } = batch;
    return this.#send({ kind: 'append', firstSequence, recordCount, bytes }, [bytes.buffer]) as Promise<Head>;
  }

  drainSync(): Head {
    if (this.#failure !== undefined) throw this.#failure;
    const state = this.#board.wait(this.#appendsSent, DRAIN_WAIT_MS_MAX);
    if (state === 'durable') return this.#board.head();
    this.#failure =
      state === 'timed_out'
        ? new JournalUnavailableError(`the journal did nothing for ${DRAIN_WAIT_MS_MAX} ms`)
        : fromFailure(state);
    throw this.#failure;
  }

  saveCheckpoint(checkpoint: Checkpoint): Promise<void> {
    // One at a time: chunks belong to the checkpoint that was begun last.
    const saved = this.#checkpointing.then(() => this.#saveCheckpoint(checkpoint));
    this.#checkpointing = saved.catch(() => undefined);
    return saved;
  }

  async renewLease(nowMs: number): Promise<void> {
    await this.#send({ kind: 'renew', nowMs });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#failure = new LedgerClosedError('the journal is closed');
    this.reader.close();
    // A full disk takes no change of the lease either, and a dead thread makes none.
    const released = await this.#thread.request({ kind: 'close' }).catch(() => false);
    if (released !== true) abandonedLeases.add(this.leaseId);
    await this.#thread.end();
  }

  async #saveCheckpoint({ sequence, chainHash, bytes }: Checkpoint): Promise<void> {
    await this.#send({ kind: 'checkpoint_begin', sequence, chainHash });
    for (let at = 0; at < bytes.byteLength; at += CHUNK_BYTES) {
      // A copy, whatever kind of view the bytes are: its buffer is given away.
      const chunk = new Uint8Array(bytes.subarray(at, at + CHUNK_BYTES));
      // Each waits for the one before, so that appends made meanwhile go first.
      await this.#send({ kind: 'checkpoint_chunk', bytes: chunk }, [chunk.buffer]);
    }
    await this.#send({ kind: 'checkpoint_finish' });
    while ((await this.#send({ kind: 'checkpoint_clear_one' })) === true);
  }

  async #send(request: Request, transfer: readonly ArrayBuffer[] = []): Promise<unknown> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return await this.#thread.request(request, transfer);
    } catch (error) {
      this.#failure ??= error as Error;
      throw error;
    }
  }
}

/** Bytes that alone fill their buffer, so that it can be handed over without a copy. */
function ownBuffer(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  // A small part of a big buffer is cheaper copied; it may also be Node's shared pool, which must not go.
  const worthIt = buffer instanceof ArrayBuffer && bytes.byteLength * 2 >= buffer.byteLength;
  return worthIt ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}
