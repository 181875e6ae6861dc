// Open holds in the order of their expiry: a binary heap of hold slots that knows each slot's place, so that a hold that
// ends leaves it at once. Ties go to the hold opened first, which makes the order of expiry one and the same in a replay.

import { grown, ROWS_MIN } from './columns.js';

export class ExpiryQueue {
  #heap = new Int32Array(ROWS_MIN);
  #places = new Int32Array(ROWS_MIN);
  #size = 0;

  /** `keyOf` and `tieOf` are columns read by slot: when the hold expires, and when it was opened. */
  constructor(
    readonly columns: { readonly expiresAt: Float64Array; readonly openedSequence: Float64Array },
  ) {}

  get size(): number {
    return this.#size;
  }

  /** The slot that expires first, or -1. */
  first(): number {
    return this.#size === 0 ? -1 : this.#heap[0];
  }

  add(slot: number): void {
    if (this.#size === this.#heap.length) this.#heap = grown(this.#heap, this.#size * 2);
    if (slot >= this.#places.length)
      this.#places = grown(this.#places, Math.max(slot + 1, this.#places.length * 2));
    this.#size += 1;
    this.#rise(this.#size - 1, slot);
  }

  remove(slot: number): void {
    const place = this.#places[slot];
    this.#size -= 1;
    if (place === this.#size) return;
    this.#settle(place, this.#heap[this.#size]);
  }

  /** Finds the place of a slot anew after its expiry changed. */
  move(slot: number): void {
    this.#settle(this.#places[slot], slot);
  }

  #settle(place: number, slot: number): void {
    if (place > 0 && this.#before(slot, this.#heap[(place - 1) >> 1])) this.#rise(place, slot);
    else this.#sink(place, slot);
  }

  #rise(from: number, slot: number): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!this.#before(slot, this.#heap[parent])) break;
      this.#put(place, this.#heap[parent]);
      place = parent;
    }
    this.#put(place, slot);
  }

  #sink(from: number, slot: number): void {
    let place = from;
    for (;;) {
      let child = place * 2 + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#before(this.#heap[child + 1], this.#heap[child])) child += 1;
      if (!this.#before(this.#heap[child], slot)) break;
      this.#put(place, this.#heap[child]);
      place = child;
    }
    this.#put(place, slot);
  }

  #put(place: number, slot: number): void {
    this.#heap[place] = slot;
    this.#places[slot] = place;
  }

  #before(left: number, right: number): boolean {
    const { expiresAt, openedSequence } = this.columns;
    const difference = expiresAt[left] - expiresAt[right];
    return difference < 0 || (difference === 0 && openedSequence[left] < openedSequence[right]);
  }
}
