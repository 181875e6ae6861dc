// Open holds in the order of their expiry: a heap in which each node has four children. It knows the place of each
// slot, so a hold that ends leaves the heap at once. Keys lie beside the slots, and those of four children in one
// cache line: with a million holds, memory access is what costs. Of two holds that expire together the one opened
// first comes first, so a replay has the same order.

import { grown, ROWS_MIN } from './columns.js';

const CHILDREN = 4;

export class ExpiryQueue {
  #slots = new Int32Array(ROWS_MIN);
  /** When the hold at each place expires. */
  #keys = new Float64Array(ROWS_MIN);
  /** By slot. */
  #places = new Int32Array(ROWS_MIN);
  #size = 0;

  /** The columns are read by slot: when a hold expires as it is added or moved, and when it was opened. */
  constructor(
    readonly columns: { readonly expiresAt: Float64Array; readonly openedSequence: Float64Array },
  ) {}

  get size(): number {
    return this.#size;
  }

  /** The slot that expires first, or -1. */
  first(): number {
    return this.#size === 0 ? -1 : this.#slots[0];
  }

  add(slot: number): void {
    if (this.#size === this.#slots.length) {
      this.#slots = grown(this.#slots, this.#size * 2);
      this.#keys = grown(this.#keys, this.#size * 2);
    }
    if (slot >= this.#places.length) {
      this.#places = grown(this.#places, Math.max(slot + 1, this.#places.length * 2));
    }
    this.#size += 1;
    this.#rise(this.#size - 1, slot, this.columns.expiresAt[slot]);
  }

  remove(slot: number): void {
    const place = this.#places[slot];
    this.#size -= 1;
    if (place !== this.#size) this.#settle(place, this.#slots[this.#size], this.#keys[this.#size]);
  }

  /** Moves a slot to its place after its expiry changed. */
  move(slot: number): void {
    this.#settle(this.#places[slot], slot, this.columns.expiresAt[slot]);
  }

  #settle(place: number, slot: number, key: number): void {
    const parent = (place - 1) >> 2;
    if (place > 0 && this.#before(slot, key, parent)) this.#rise(place, slot, key);
    else this.#sink(place, slot, key);
  }

  #rise(from: number, slot: number, key: number): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 2;
      if (!this.#before(slot, key, parent)) break;
      this.#put(place, this.#slots[parent], this.#keys[parent]);
      place = parent;
    }
    this.#put(place, slot, key);
  }

  #sink(from: number, slot: number, key: number): void {
    let place = from;
    for (;;) {
      const firstChild = place * CHILDREN + 1;
      if (firstChild >= this.#size) break;
      const end = Math.min(firstChild + CHILDREN, this.#size);
      let least = firstChild;
      for (let child = firstChild + 1; child < end; child += 1) {
        if (this.#before(this.#slots[child], this.#keys[child], least)) least = child;
      }
      if (this.#before(slot, key, least)) break;
      this.#put(place, this.#slots[least], this.#keys[least]);
      place = least;
    }
    this.#put(place, slot, key);
  }

  #put(place: number, slot: number, key: number): void {
    this.#slots[place] = slot;
    this.#keys[place] = key;
    this.#places[slot] = place;
  }

  /** Whether a slot expires before the one at a place. */
  #before(slot: number, key: number, place: number): boolean {
    const other = this.#keys[place];
    if (key !== other) return key < other;
    const { openedSequence } = this.columns;
    return openedSequence[slot] < openedSequence[this.#slots[place]];
  }
}
