// How long a part of long work may keep the event loop before others have their turn. It measures work, never the ledger's
// time. Used by group-turns.ts, pipeline.ts and the lists.

/** Less than half of the 50 ms that nothing may exceed, as one more step may take longer than those before it. */
const SLICE_MS = 20;

export class TimeSlice {
  readonly #until = performance.now() + SLICE_MS;

  get isOver(): boolean {
    return performance.now() >= this.#until;
  }
}
