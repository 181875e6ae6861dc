// Hands the facts of durable batches to a follower, in order, before the replies of those batches go out. After the
// follower has failed once, nothing is delivered any more: what it keeps may lack a batch.

import { JournalUnavailableError } from '../core/errors.js';
import type { Head } from '../core/outcomes.js';
import type { FactRecord } from '../journal/fact-records.js';
import type { Follower } from './api.js';

export class FollowerFeed {
  /** The facts of commands that are decided but not yet durable, by rising sequence. */
  readonly #waiting: FactRecord[] = [];
  #fault: JournalUnavailableError | null = null;

  constructor(private readonly follower: Follower) {}

  add(record: FactRecord): void {
    this.#waiting.push(record);
  }

  /** Delivers the facts up to a durable head. @throws JournalUnavailableError when the follower failed, now or before */
  deliver(head: Head): void {
    if (this.#fault !== null) throw this.#fault;
    const waiting = this.#waiting;
    let count = 0;
    while (count < waiting.length && waiting[count].sequence <= head.sequence) count += 1;
    if (count === 0) return;
    try {
      this.follower.follow(waiting.splice(0, count), head);
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : String(cause);
      const message = `what follows the ledger could not take in what became durable: ${problem}`;
      this.#fault = new JournalUnavailableError(message, { cause });
      throw this.#fault;
    }
  }

  /** Says that the ledger closed with this head. Not said to a follower that failed. */
  close(head: Head): void {
    if (this.#fault === null) this.follower.close?.(head);
  }
}
