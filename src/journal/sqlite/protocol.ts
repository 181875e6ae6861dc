// The messages between the writer's two threads. Each request is answered by one message, in order. A small shared
// board shows how far the worker is, so that the main thread can wait for it without using its event loop
// (drainSync).

import {
  FencedError,
  InvalidInputError,
  JournalCorruptError,
  JournalUnavailableError,
  LedgerHeldError,
} from '../../core/errors.js';
import type { Head } from '../../core/outcomes.js';
import { type ChainPoint, HASH_BYTES, toHead } from '../chain.js';
import type { OpenWriterOptions } from '../port.js';

export interface WorkerStart {
  readonly path: string;
  readonly options: OpenWriterOptions;
  readonly board: SharedArrayBuffer;
  /** Leases whose writers, in this process, have ended without being able to give them back. */
  readonly abandonedLeases: readonly string[];
}

export type Request =
  | {
      readonly kind: 'append';
      readonly firstSequence: number;
      readonly recordCount: number;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'renew'; readonly nowMs: number }
  | { readonly kind: 'checkpoint_begin'; readonly sequence: number; readonly chainHash: Uint8Array }
  | { readonly kind: 'checkpoint_chunk'; readonly bytes: Uint8Array }
  | { readonly kind: 'checkpoint_finish' }
  | { readonly kind: 'checkpoint_clear_one' }
  | { readonly kind: 'close' };

export interface Opened {
  readonly epoch: number;
  readonly leaseId: string;
}

/** An error as a message: class and fields do not survive the crossing by themselves. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly sequence?: number;
  readonly field?: string;
}

export type Answer =
  | { readonly ok: true; readonly value: Opened | Head | boolean | undefined }
  | { readonly ok: false; readonly failure: Failure };

export function toFailure(error: Error): Failure {
  if (error instanceof JournalCorruptError)
    return { code: error.code, message: error.message, sequence: error.sequence };
  if (error instanceof InvalidInputError)
    return { code: error.code, message: error.message, field: error.field };
  if (error instanceof FencedError || error instanceof LedgerHeldError)
    return { code: error.code, message: error.message };
  return { code: 'journal_unavailable', message: error.message };
}

export function fromFailure({ code, message, sequence, field }: Failure): Error {
  if (code === 'fenced') return new FencedError(message);
  if (code === 'ledger_held') return new LedgerHeldError(message);
  // These two put their place before the problem themselves.
  if (code === 'journal_corrupt')
    return new JournalCorruptError(sequence ?? 0, message.slice(`journal position ${sequence}: `.length));
  if (code === 'invalid_input') return new InvalidInputError(field ?? '', message.slice(`${field}: `.length));
  return new JournalUnavailableError(message);
}

/** Words of the board's first part. */
const SIGNAL = 0;
const APPENDED = 1;
const FAILED = 2;
const FAILURE_BYTES = 3;
const WORDS = 4;

const SEQUENCE_AT = WORDS * 4;
const HASH_AT = SEQUENCE_AT + 8;
const FAILURE_AT = HASH_AT + HASH_BYTES;
/** Room for a failure as JSON; a message is a few hundred bytes, and what does not fit is replaced by a short one. */
const FAILURE_BYTES_MAX = 4_096;

/** Written by the worker only. Whoever waits reads the signal first, so that no change between can be missed. */
export class CommitBoard {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #view: DataView;

  constructor(buffer = new SharedArrayBuffer(FAILURE_AT + FAILURE_BYTES_MAX)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer, 0, WORDS);
    this.#view = new DataView(buffer);
  }

  /** Where the journal stands when it is opened. */
  begin({ sequence, hash }: ChainPoint): void {
    this.#view.setFloat64(SEQUENCE_AT, sequence);
    new Uint8Array(this.buffer, HASH_AT, HASH_BYTES).set(hash);
  }

  /** One more batch is durable. */
  publish(point: ChainPoint): void {
    this.begin(point);
    Atomics.add(this.#words, APPENDED, 1);
    this.#wake();
  }

  /** Nothing more will be durable. */
  fail(failure: Failure): void {
    let text = new TextEncoder().encode(JSON.stringify(failure));
    if (text.byteLength > FAILURE_BYTES_MAX)
      text = new TextEncoder().encode(
        JSON.stringify({ ...failure, message: failure.message.slice(0, FAILURE_BYTES_MAX / 8) }),
      );
    new Uint8Array(this.buffer, FAILURE_AT, FAILURE_BYTES_MAX).set(text);
    Atomics.store(this.#words, FAILURE_BYTES, text.byteLength);
    Atomics.store(this.#words, FAILED, 1);
    this.#wake();
  }

  /** How many of `sent` batches are not durable yet; both are counted modulo 2^32. */
  waiting(sent: number): number {
    return (sent - Atomics.load(this.#words, APPENDED)) | 0;
  }

  /**
   * Blocks until `sent` batches are durable or none will be any more: the failure, if so.
   * `timed_out` when the worker shows no sign of life for `waitMsMax`.
   */
  wait(sent: number, waitMsMax: number): 'durable' | 'timed_out' | Failure {
    for (;;) {
      const signal = Atomics.load(this.#words, SIGNAL);
      if (this.waiting(sent) === 0) return 'durable';
      if (Atomics.load(this.#words, FAILED) === 1) return this.#failure();
      if (Atomics.wait(this.#words, SIGNAL, signal, waitMsMax) === 'timed-out') return 'timed_out';
    }
  }

  /** The last published head. Steady only while nothing is being appended, as after `wait`. */
  head(): Head {
    const hash = new Uint8Array(this.buffer, HASH_AT, HASH_BYTES).slice();
    return toHead({ sequence: this.#view.getFloat64(SEQUENCE_AT), hash });
  }

  #failure(): Failure {
    const length = Atomics.load(this.#words, FAILURE_BYTES);
    // A copy: a decoder takes no shared memory.
    const text = new Uint8Array(this.buffer, FAILURE_AT, length).slice();
    return JSON.parse(new TextDecoder().decode(text)) as Failure;
  }

  #wake(): void {
    Atomics.add(this.#words, SIGNAL, 1);
    Atomics.notify(this.#words, SIGNAL);
  }
}
