// What a ledger does by itself as time passes: holds expire when their time is up, the lease is renewed, and those who
// follow events are woken. Timers never keep the process alive.

import { FencedError, LedgerClosedError } from '../core/errors.js';
import type { JournalWriter } from '../journal/port.js';
import type { Clock } from './api.js';
import type { Pipeline } from './pipeline.js';

/** Looks for holds to expire at least so often: a clock may have been set forward meanwhile. */
const EXPIRY_LOOK_MS = 250;

/** How long a lease lasts without renewal, and by which clock. */
export interface LeaseTerms {
  readonly clock: Clock;
  readonly leaseMs: number;
}

export class Keeper {
  #expiryTimer: NodeJS.Timeout | null = null;
  #leaseTimer: NodeJS.Timeout | null = null;
  #stopped = false;
  readonly #followers = new Set<() => void>();

  constructor(
    readonly pipeline: Pipeline,
    readonly journal: JournalWriter,
    readonly lease: LeaseTerms,
  ) {}

  start(): void {
    this.#expiryTimer = setInterval(() => this.#look(), EXPIRY_LOOK_MS).unref();
    // A third of its length: two renewals may fail before the lease is lost.
    this.#leaseTimer = setInterval(() => this.#renew(), Math.max(this.lease.leaseMs / 3, 1)).unref();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#expiryTimer !== null) clearInterval(this.#expiryTimer);
    if (this.#leaseTimer !== null) clearInterval(this.#leaseTimer);
    for (const wake of [...this.#followers]) wake();
  }

  /** Resolves when the durable head is beyond a sequence number, or the signal or the ledger's end ends the wait. */
  whenBeyond(sequence: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setInterval(() => {
        if (this.pipeline.head.sequence > sequence) done();
      }, FOLLOW_LOOK_MS);
      const done = () => {
        clearInterval(timer);
        this.#followers.delete(done);
        signal?.removeEventListener('abort', done);
        if (this.#stopped && !signal?.aborted) reject(new LedgerClosedError('the ledger is closed'));
        else resolve();
      };
      this.#followers.add(done);
      signal?.addEventListener('abort', done);
      if (this.#stopped || signal?.aborted || this.pipeline.head.sequence > sequence) done();
    });
  }

  #look(): void {
    try {
      this.pipeline.assertAlive();
      this.pipeline.expireDue();
    } catch {
      this.stop();
    }
  }

  #renew(): void {
    this.journal.renewLease(this.lease.clock.now()).catch((error) => {
      // Any other fault shows itself at the next append. A lost lease may have no next append, and its writer must end.
      if (error instanceof FencedError) this.pipeline.stop(error);
    });
  }
}

/** Followers of events see a new one within this time. */
const FOLLOW_LOOK_MS = 20;
