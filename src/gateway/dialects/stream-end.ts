// When a stream has ended, and whether the usage that it stated is final. One state for every dialect, moved only by what the
// provider states:
//
//   fact                                            the answer       the usage stated so far
//   output (text, thinking, a call) of a choice     is open          is a running total: more was generated since
//   a usage                                         -                stands
//   a reason to finish, for every choice seen       is finished      -
//   the dialect's end ([DONE], message_stop, …)     is ended         -
//
// A stream is whole when it was ended, or when it was finished and the connection then closed cleanly. A usage is final when
// it stands and the answer is finished or ended. `EventMeter` is what the meters of all dialects begin with.

import type { UsageReading } from '../metering/usage.js';
import type { StreamMeter, StreamStep } from './dialect.js';
import { OutputTally } from './output-text.js';

export const PASSED: StreamStep = { shown: 'all', ended: false, error: null };
export const ENDED: StreamStep = { shown: 'all', ended: true, error: null };

export class StreamEnd {
  /** The choices seen, and whether each has its reason to finish. */
  readonly #choices = new Map<number, boolean>();
  #isEnded = false;
  #usageStands = false;

  /** A choice was mentioned without output. One that has finished stays so. */
  began(choice: number): void {
    if (!this.#choices.has(choice)) this.#choices.set(choice, false);
  }

  /** Output of a choice came. After a reason to finish that was not its end. */
  output(choice: number): void {
    this.#choices.set(choice, false);
    this.#usageStands = false;
  }

  /** A usage came. What the same event has of output is counted in it, so that `output` is told first. */
  usage(): void {
    this.#usageStands = true;
  }

  /** A reason to finish came for a choice. */
  finished(choice: number): void {
    this.#choices.set(choice, true);
  }

  /** The provider said that this is the end. */
  ended(): void {
    this.#isEnded = true;
  }

  /** Whether the answer is whole when the connection closes cleanly now. */
  get isWhole(): boolean {
    if (this.#isEnded) return true;
    for (const isFinished of this.#choices.values()) if (!isFinished) return false;
    return this.#choices.size > 0;
  }

  get usageFinal(): boolean {
    return this.#usageStands && this.isWhole;
  }
}

/** The event that ends a stream of chunks, and with some providers those of the other APIs too. Longer ones speak of it. */
const DONE = /^data: ?\[DONE\]/m;
const DONE_CHARS_MAX = 256;

/** Whether an event is `[DONE]`. */
export function isDone(event: string): boolean {
  return event.length < DONE_CHARS_MAX && DONE.test(event);
}

/** A meter that counts output and keeps where the stream's end stands. */
export abstract class EventMeter implements StreamMeter {
  protected readonly output: OutputTally;
  protected readonly end = new StreamEnd();
  begun = false;

  /** @param newOutput the field of an event that has what is new */
  constructor(newOutput: 'delta' | 'text' = 'delta') {
    this.output = new OutputTally(newOutput);
  }

  get outputTokensSoFar(): number {
    return this.output.tokens;
  }
  get usageFinal(): boolean {
    return this.end.usageFinal;
  }
  get isWhole(): boolean {
    return this.end.isWhole;
  }

  abstract usage(): UsageReading | null;
  abstract step(event: Uint8Array): StreamStep;
}
