// Writes to the service's file by many callers, committed together: what is asked for within one turn of the event loop is
// one transaction and one wait for the disk. Each write stands for itself: one that throws is undone alone. Used by all
// that conversations write, in the order in which it was asked for.

import type { ServiceStore } from '../store/service-store.js';

/** Writes in one transaction: a few milliseconds of work before other requests get a turn. */
const WRITES_MAX = 256;

interface Waiting {
  readonly write: () => void;
  readonly fail: (error: unknown) => void;
  readonly done: () => void;
}

export class GroupCommit {
  #waiting: Waiting[] = [];
  #mustLast = false;
  #flushes = false;

  readonly #begin;
  readonly #keep;
  readonly #undo;

  constructor(private readonly store: ServiceStore) {
    this.#begin = store.prepare<[]>('SAVEPOINT one');
    this.#keep = store.prepare<[]>('RELEASE one');
    this.#undo = store.prepare<[]>('ROLLBACK TO one');
  }

  /** Runs `write`; what it gave resolves once it is on disk. @throws what `write` throws; store_unavailable */
  durably<T>(write: () => T): Promise<T> {
    this.#mustLast = true;
    return this.#enqueue(write);
  }

  /** As `durably`, for what can be made again from the ledger: a power cut may undo it, the end of the process does not. */
  casually<T>(write: () => T): Promise<T> {
    return this.#enqueue(write);
  }

  #enqueue<T>(write: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let given: T;
      this.#waiting.push({
        write: () => {
          given = write();
        },
        fail: reject,
        done: () => resolve(given),
      });
      if (this.#flushes) return;
      this.#flushes = true;
      setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    const group = this.#waiting.splice(0, WRITES_MAX);
    const mustLast = this.#mustLast;
    this.#flushes = this.#waiting.length > 0;
    if (this.#flushes) setImmediate(() => this.#flush());
    else this.#mustLast = false;
    const written: Waiting[] = [];
    try {
      const writeAll = () => this.#writeEach(group, written);
      if (mustLast) this.store.transaction(writeAll);
      else this.store.casually(writeAll);
    } catch (error) {
      // Those that failed by themselves have been told already.
      for (const one of group) one.fail(error);
      return;
    }
    for (const one of written) one.done();
  }

  #writeEach(group: readonly Waiting[], written: Waiting[]): void {
    for (const one of group) {
      this.#begin.run();
      try {
        one.write();
        written.push(one);
      } catch (error) {
        this.#undo.run();
        one.fail(error);
      }
      this.#keep.run();
    }
  }
}
