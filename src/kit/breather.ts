// Lets other requests run while one request works for long. Such work is done in small parts; between two parts it calls
// `breathe`, which waits once the time of its turn is up. Used for bodies, batches and lists.

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
