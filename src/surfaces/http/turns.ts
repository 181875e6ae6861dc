// Work that is done one at a time, since each takes the whole journal: so many wait, the rest are told to come again.

import { RefusedError } from '../../service/refusals.js';

export class Turns {
  #waiting = 0;
  #last: Promise<unknown> | null = null;

  constructor(
    private readonly what: string,
    private readonly waitingMax: number,
  ) {}

  /** @throws RefusedError overloaded */
  async take<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    if (before !== null && this.#waiting >= this.waitingMax)
      throw new RefusedError('overloaded', `as many ${this.what} as can wait are waiting; try again later`);
    const own = this.#after(before, work);
    this.#last = own;
    try {
      return await own;
    } finally {
      if (this.#last === own) this.#last = null;
    }
  }

  async #after<T>(before: Promise<unknown> | null, work: () => Promise<T>): Promise<T> {
    if (before !== null) {
      this.#waiting += 1;
      // Its failure is its own caller's.
      await before.catch(() => undefined);
      this.#waiting -= 1;
    }
    return work();
  }
}
