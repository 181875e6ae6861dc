// Tells when a stream has ended, and whether its stated usage is final. All dialects share this state; only facts that the
// provider states change it:
//
//   fact                                            the answer       the usage stated so far
//   output (text, thinking, a call) of a choice     is open          is a running total: more was generated since
//   a usage                                         -                stands
//   a reason to finish, for every choice seen       is finished      -
//   the dialect's end ([DONE], message_stop, …)     is ended         -
//
// A stream is whole when it is ended, or when it is finished and the connection then closes cleanly. A usage is final when it
// stands and the answer is finished or ended. The meters of all dialects extend `EventMeter`.

import type { UsageReading } from '../metering/usage.js';
import type { StreamMeter, StreamStep } from './dialect.js';
import { OutputTally } from './output-text.js';

export const PASSED: StreamStep = { shown: 'all', ended: false, error: null };
export const ENDED: StreamStep = { shown: 'all', ended: true, error: null };

class StreamEnd {
  /** The choices seen, and whether each has its reason to finish. */
  readonly #choices = new Map<number, boolean>();
  #isEnded = false;
  #usageStands = false;

  /** A choice is mentioned without output. A finished choice stays finished. */
  began(choice: number): void {
    if (!this.#choices.has(choice)) this.#choices.set(choice, false);
  }

  /** A choice has output. A finished choice is then open again. */
  output(choice: number): void {
    this.#choices.set(choice, false);
    this.#usageStands = false;
  }

  /** A usage came. It includes the output of its own event, so that `output` must be called before. */
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

/** The event that ends a stream of chunks, and other streams of some providers. A longer event only mentions it. */
const DONE = /^data: ?\[DONE\]/m;
const DONE_CHARS_MAX = 256;

/** Whether an event is `[DONE]`. */
export function isDone(event: string): boolean {
  return event.length < DONE_CHARS_MAX && DONE.test(event);
}

/** A meter that counts output and tracks the end of the stream. */
export abstract class EventMeter implements StreamMeter {
  protected readonly output: OutputTally;
  protected readonly end = new StreamEnd();
  begun = false;

  /** @param newOutput the field of an event that has its new output */
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
