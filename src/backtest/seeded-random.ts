// Numbers that look random and are the same for the same seed on every machine: integer arithmetic only. Used by the
// trace spread and the generated trace; never by anything that needs to be hard to guess.

/** Weight of the first rank; later ones have this divided by their rank. Large, so that rounding does not show. */
const RANK_WEIGHT = 1_000_000;

export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 up to 2^32−1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** A fraction, 0 included and 1 not. */
  fraction(): number {
    return this.next() / 4_294_967_296;
  }
}

/** Ranks 0 … n−1 of which rank k is drawn in proportion to 1/(k+1): a few are busy and many are rare. */
export class HeavyTail {
  readonly #upTo: readonly number[];

  constructor(readonly ranks: number) {
    const upTo: number[] = [];
    let total = 0;
    for (let rank = 1; rank <= ranks; rank++) {
      total += Math.max(1, Math.floor(RANK_WEIGHT / rank));
      upTo.push(total);
    }
    this.#upTo = upTo;
  }

  /** The rank for one draw of `SeededRandom.next`, or any other 32-bit number. */
  rankOf(draw: number): number {
    const target = Math.floor((draw / 4_294_967_296) * this.#upTo[this.ranks - 1]);
    let low = 0;
    let high = this.ranks - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#upTo[middle] > target) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** A 32-bit hash of a text (FNV-1a), for choices that must follow a name and not its place in a file. */
export function hashOfText(text: string, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return new SeededRandom(hash).next();
}
