// A hash index from text to a number (a slot, a sequence) in two typed arrays: 12 bytes a place, half of the places free,
// no objects for the collector to walk, and no upper bound at 2^24 entries as a Map has. Linear probing; deletion shifts
// later entries back.

import { grown } from './columns.js';

const PLACES_MIN = 8;

/** A seeded 32-bit hash of a text. The seed differs in each process, so that nobody can prepare colliding ids. */
export function hashText(text: string, seed: number): number {
  let hash = seed ^ text.length;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x85ebca6b);
    hash = (hash << 13) | (hash >>> 19);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0xc2b2ae35);
  return (hash ^ (hash >>> 15)) >>> 0;
}

export class HashIndex {
  #tags = new Uint32Array(PLACES_MIN);
  /** value + 1; 0 marks an empty place. */
  #values = new Float64Array(PLACES_MIN);
  #count = 0;
  /** The text looked up last. A text that was not found is usually added next, and its hash is then known. */
  #lastKey: string | null = null;
  #lastTag = 0;

  /** `keyOf` gives the text that a stored value stands for; equal hashes are told apart by it. */
  constructor(
    public seed: number,
    readonly keyOf: (value: number) => string,
  ) {}

  get size(): number {
    return this.#count;
  }

  /** The value of a text, or -1. */
  get(key: string): number {
    const mask = this.#tags.length - 1;
    const tag = hashText(key, this.seed);
    this.#lastKey = key;
    this.#lastTag = tag;
    for (let place = tag & mask; this.#values[place] !== 0; place = (place + 1) & mask) {
      if (this.#tags[place] === tag && this.keyOf(this.#values[place] - 1) === key)
        return this.#values[place] - 1;
    }
    return -1;
  }

  /** All values whose text may be this one: those of equal hash. For an index whose texts are not in memory. */
  candidates(key: string): number[] {
    const found: number[] = [];
    const mask = this.#tags.length - 1;
    const tag = hashText(key, this.seed);
    for (let place = tag & mask; this.#values[place] !== 0; place = (place + 1) & mask) {
      if (this.#tags[place] === tag) found.push(this.#values[place] - 1);
    }
    return found;
  }

  /** Adds a text that is not in the index, and gives its hash, by which it is removed the fastest. */
  add(key: string, value: number): number {
    const tag = key === this.#lastKey ? this.#lastTag : hashText(key, this.seed);
    this.addHash(tag, value);
    return tag;
  }

  addHash(tag: number, value: number): void {
    if ((this.#count + 1) * 2 > this.#tags.length) this.#grow();
    this.#place(tag, value);
    this.#count += 1;
  }

  /** Removes the entry of this hash and value. */
  removeHash(tag: number, value: number): void {
    const mask = this.#tags.length - 1;
    let hole = tag & mask;
    while (this.#values[hole] !== value + 1 || this.#tags[hole] !== tag) {
      if (this.#values[hole] === 0) return;
      hole = (hole + 1) & mask;
    }
    // Shift later entries of the run back, so that no probe ever meets a hole before its entry.
    for (let place = (hole + 1) & mask; this.#values[place] !== 0; place = (place + 1) & mask) {
      const home = this.#tags[place] & mask;
      if (((place - home) & mask) < ((place - hole) & mask)) continue;
      this.#tags[hole] = this.#tags[place];
      this.#values[hole] = this.#values[place];
      hole = place;
    }
    this.#values[hole] = 0;
    this.#count -= 1;
  }

  /** Makes room for so many entries at once. */
  reserve(entries: number): void {
    while (entries * 2 > this.#tags.length) this.#grow();
  }

  #place(tag: number, value: number): void {
    const mask = this.#tags.length - 1;
    let place = tag & mask;
    while (this.#values[place] !== 0) place = (place + 1) & mask;
    this.#tags[place] = tag;
    this.#values[place] = value + 1;
  }

  #grow(): void {
    const tags = this.#tags;
    const values = this.#values;
    this.#tags = grown(new Uint32Array(0), tags.length * 2);
    this.#values = grown(new Float64Array(0), tags.length * 2);
    for (let place = 0; place < tags.length; place += 1) {
      if (values[place] !== 0) this.#place(tags[place], values[place] - 1);
    }
  }
}
