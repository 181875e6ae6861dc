// Long work of one request gives other requests their turn: whoever works asks here between small parts, and waits once
// its time is up. Used for bodies, batches and lists.

import { setImmediate as nextTurn } from 'node:timers/promises';

/** How long one request may keep the event loop: a fifth of the 50 ms that nothing may exceed, as parts may take longer. */
const TURN_MS = 10;

export class Breather {
  #until = performance.now() + TURN_MS;

  /** Waits for the others when this request's time is up; else goes on at once. */
  breathe(): Promise<void> | undefined {
    if (performance.now() < this.#until) return undefined;
    return this.#wait();
  }

  async #wait(): Promise<void> {
    await nextTurn();
    this.#until = performance.now() + TURN_MS;
  }
}
