// The ages of remembered command ids, oldest first, in a ring of columns: what leaves the index when its retention ends.

import { grown, ROWS_MIN } from './columns.js';

export class CommandIdAges {
  #tags = new Uint32Array(ROWS_MIN);
  #sequences = new Float64Array(ROWS_MIN);
  #times = new Float64Array(ROWS_MIN);
  #first = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(tag: number, sequence: number, time: number): void {
    if (this.#size === this.#tags.length) this.#grow();
    const place = (this.#first + this.#size) & (this.#tags.length - 1);
    this.#tags[place] = tag;
    this.#sequences[place] = sequence;
    this.#times[place] = time;
    this.#size += 1;
  }

  /** When the oldest was used; infinity when there is none. */
  firstTime(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : this.#times[this.#first];
  }

  firstTag(): number {
    return this.#tags[this.#first];
  }

  firstSequence(): number {
    return this.#sequences[this.#first];
  }

  dropFirst(): void {
    this.#first = (this.#first + 1) & (this.#tags.length - 1);
    this.#size -= 1;
  }

  /** Calls `visit` for each, oldest first. */
  each(visit: (tag: number, sequence: number, time: number) => void): void {
    for (let index = 0; index < this.#size; index += 1) {
      const place = (this.#first + index) & (this.#tags.length - 1);
      visit(this.#tags[place], this.#sequences[place], this.#times[place]);
    }
  }

  #grow(): void {
    const length = this.#tags.length;
    const unrolled = <T extends Uint32Array | Float64Array>(column: T): T => {
      const wider = grown(column, length * 2);
      wider.set(column.subarray(this.#first) as never, 0);
      wider.set(column.subarray(0, this.#first) as never, length - this.#first);
      return wider;
    };
    this.#tags = unrolled(this.#tags);
    this.#sequences = unrolled(this.#sequences);
    this.#times = unrolled(this.#times);
    this.#first = 0;
  }
}
