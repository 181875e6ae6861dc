// Blocks of a column, for rows of different lengths. A freed block is used again for the next of the same length: the
// lengths are few (a hold's units, a hold's budgets), so nothing is lost to fragments.

import { grown } from './columns.js';

export class Arena<T extends Int32Array | BigInt64Array> {
  #used = 0;
  readonly #free: number[][] = [];

  constructor(public column: T) {}

  /** A block's start. Its cells hold whatever was there before. */
  take(length: number): number {
    const freed = this.#free[length];
    if (freed !== undefined && freed.length > 0) return freed.pop() as number;
    const start = this.#used;
    this.#used += length;
    let capacity = this.column.length;
    while (this.#used > capacity) capacity *= 2;
    if (capacity > this.column.length) this.column = grown(this.column, capacity);
    return start;
  }

  free(start: number, length: number): void {
    this.#free[length] ??= [];
    this.#free[length].push(start);
  }
}
