// Writes to the service's file by many callers, committed together: what is asked for within one turn of the event loop is
// one transaction, and while the disk is busy with one group the next ones are committed. Each write stands for itself: one
// that throws is undone alone. A write sees what was committed before it, be it on disk or not; a caller of `durably` is
// told, of success or refusal, once all that its write could see is on disk, so nothing follows from what a power cut may
// undo. Used by all that conversations write, in the order in which it was asked for.

import type { ServiceStore } from '../kit/service-store.js';

/** Writes in one transaction: a few milliseconds of work before other requests get a turn. */
const WRITES_MAX = 256;

interface Waiting {
  readonly write: () => unknown;
  /** Whether the caller is told only once it is on disk. */
  readonly mustLast: boolean;
  readonly done: (given: never) => void;
  readonly fail: (error: unknown) => void;
}

/** Says to a caller what came of its write. */
type Tell = () => void;

export class GroupCommit {
  #waiting: Waiting[] = [];
  #flushes = false;

  readonly #begin;
  readonly #keep;
  readonly #undo;

  constructor(private readonly store: ServiceStore) {
    this.#begin = store.prepare<[]>('SAVEPOINT one');
    this.#keep = store.prepare<[]>('RELEASE one');
    this.#undo = store.prepare<[]>('ROLLBACK TO one');
  }

  /**
   * Runs `write`, again where it shares a group with one that throws; what it gave resolves once it is on disk.
   * @throws what `write` throws; store_unavailable
   */
  durably<T>(write: () => T): Promise<T> {
    return this.#enqueue(write, { mustLast: true });
  }

  /** As `durably`, for what can be made again from the ledger: a power cut may undo it, the end of the process does not. */
  casually<T>(write: () => T): Promise<T> {
    return this.#enqueue(write, { mustLast: false });
  }

  #enqueue<T>(write: () => T, { mustLast }: Pick<Waiting, 'mustLast'>): Promise<T> {
    return new Promise<T>((done, fail) => {
      this.#waiting.push({ write, mustLast, done, fail });
      if (this.#flushes) return;
      this.#flushes = true;
      setImmediate(() => this.#flush());
    });
  }

  #flush(): void {
    const group = this.#waiting.splice(0, WRITES_MAX);
    this.#flushes = this.#waiting.length > 0;
    if (this.#flushes) setImmediate(() => this.#flush());
    let tells: Tell[];
    try {
      tells = this.#written(group);
    } catch (error) {
      for (const { fail } of group) fail(error);
      return;
    }
    const lasting: Tell[] = [];
    for (const [index, { mustLast }] of group.entries()) {
      if (mustLast) lasting.push(tells[index]);
      else tells[index]();
    }
    if (lasting.length === 0) return;
    this.store.synced().then(
      () => {
        for (const tell of lasting) tell();
      },
      (error) => {
        for (const { mustLast, fail } of group) if (mustLast) fail(error);
      },
    );
  }

  /** All together; where one throws, all again, each by itself: savepoints cost too much to have them always. */
  #written(group: readonly Waiting[]): Tell[] {
    let throws = false;
    try {
      return this.store.casually(() =>
        group.map(({ write, done }) => {
          throws = true;
          const given = write() as never;
          throws = false;
          return () => done(given);
        }),
      );
    } catch (error) {
      if (!throws) throw error;
    }
    return this.store.casually(() => group.map((one) => this.#writtenAlone(one)));
  }

  #writtenAlone({ write, done, fail }: Waiting): Tell {
    this.#begin.run();
    try {
      const given = write() as never;
      return () => done(given);
    } catch (error) {
      this.#undo.run();
      return () => fail(error);
    } finally {
      this.#keep.run();
    }
  }
}
