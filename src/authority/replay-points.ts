// States along a journal that are kept in memory while the journal is read again and again. A decision far from any
// checkpoint in the file is then replayed from a state near it. Used by evidence-worker.ts.

import { encodeCheckpoint } from '../journal/checkpoint-codec.js';
import type { Checkpoint } from '../journal/port.js';
import type { PassedStates, Recovered } from './recovery.js';

/** Records between two points: replayed in about 0.1 s. */
const APART_RECORDS = 50_000;
/** All points together: a tenth of what a busy server takes. Where they are more, every second one goes. */
const BYTES_MAX = 64 * 1024 * 1024;

export class ReplayPoints implements PassedStates {
  #points: Checkpoint[] = [];
  #apart = APART_RECORDS;

  nearest(upTo: number): Checkpoint | undefined {
    return this.#points.findLast(({ sequence }) => sequence <= upTo);
  }

  /** Keeps the state where it is far enough behind the point before it. Called at the end of a batch. */
  pass({ state, point }: Recovered): void {
    const before = this.nearest(point.sequence)?.sequence ?? 0;
    if (point.sequence - before < this.#apart) return;
    const kept = { sequence: point.sequence, chainHash: point.hash, bytes: encodeCheckpoint(state) };
    this.#points.push(kept);
    this.#points.sort((left, right) => left.sequence - right.sequence);
    while (this.#bytes() > BYTES_MAX) {
      this.#apart *= 2;
      this.#points = this.#points.filter((_point, index) => index % 2 === 1);
    }
  }

  #bytes(): number {
    return this.#points.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
  }
}
