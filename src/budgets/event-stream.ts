// Events as server-sent events. A stream reads the next event when the socket has taken the last one, so a slow reader
// costs no memory; it ends with its key, with its client, or when the server stops. Only what the caller may see goes out.

import { Readable } from 'node:stream';
import type { KeyRing } from '../access/key-ring.js';
import type { LedgerEvent } from '../core/outcomes.js';
import type { Caller } from '../kit/caller.js';
import { RefusedError } from '../kit/refusals.js';
import type { EventStreamQuery } from './evidence-api.js';
import type { LedgerParts } from './ledger-parts.js';
import { EVENTS_PER_TURN, eventSeen } from './lists.js';

/** Event streams at once: each decodes every event on its own, which at 10,000 events/s is what a core does for 16. */
const EVENT_STREAMS_MAX = 256;
/** Of one key, so that no one takes them all. */
const EVENT_STREAMS_OF_KEY_MAX = 32;
/** Below the minute after which proxies cut silent connections. */
const KEEP_ALIVE_COMMENT_MS = 15_000;
/** What a stream that is ended may still take to send what it has. */
const LAST_WORDS_MS = 1_000;

export interface EventStreamParts extends LedgerParts {
  readonly keyRing: KeyRing;
  /** Whether the server is stopping: no event stream begins then. */
  readonly isDraining: () => boolean;
}

/** All open streams: how many there are, of whom, and how to end them. */
export class EventStreams {
  readonly #open = new Set<EventStream>();
  readonly #ofKey = new Map<string, number>();

  get count(): number {
    return this.#open.size;
  }

  /** @throws RefusedError overloaded, draining */
  open(parts: EventStreamParts, caller: Caller, filter: EventStreamQuery): Readable {
    const ofKey = this.#ofKey.get(caller.keyId) ?? 0;
    if (parts.isDraining()) throw new RefusedError('draining', 'the server is stopping');
    if (this.#open.size >= EVENT_STREAMS_MAX || ofKey >= EVENT_STREAMS_OF_KEY_MAX)
      throw new RefusedError(
        'overloaded',
        `at most ${EVENT_STREAMS_MAX} event streams are open at once, ${EVENT_STREAMS_OF_KEY_MAX} of one key`,
      );
    const stream = new EventStream(parts, caller, filter);
    this.#open.add(stream);
    this.#ofKey.set(caller.keyId, ofKey + 1);
    stream.once('close', () => {
      this.#open.delete(stream);
      const left = (this.#ofKey.get(caller.keyId) ?? 1) - 1;
      if (left === 0) this.#ofKey.delete(caller.keyId);
      else this.#ofKey.set(caller.keyId, left);
    });
    return stream;
  }

  endAll(): void {
    for (const stream of this.#open) stream.finish();
  }
}

class EventStream extends Readable {
  readonly #ended = new AbortController();
  readonly #events: AsyncIterator<LedgerEvent>;
  readonly #keepAlive: NodeJS.Timeout;
  #reading = false;

  constructor(
    private readonly parts: EventStreamParts,
    private readonly caller: Caller,
    private readonly wanted: EventStreamQuery,
  ) {
    // One event ahead at most.
    super({ highWaterMark: 1 });
    const { after = 0 } = wanted;
    this.#events = parts.ledger
      .events({ after, follow: true, signal: this.#ended.signal })
      [Symbol.asyncIterator]();
    this.#keepAlive = setInterval(() => this.#comment(), KEEP_ALIVE_COMMENT_MS);
    this.push(': events of the ledger\n\n');
  }

  override _read(): void {
    if (this.#reading) return;
    this.#reading = true;
    this.#next().then(
      (text) => {
        this.#reading = false;
        this.push(text);
      },
      (error) => this.destroy(error),
    );
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearInterval(this.#keepAlive);
    this.#ended.abort();
    done(error);
  }

  /** Lets what waits go out, and ends; a reader that takes nothing is not waited for. */
  finish(): void {
    this.#ended.abort();
    setTimeout(() => this.destroy(), LAST_WORDS_MS).unref();
  }

  async #next(): Promise<string | null> {
    for (let looked = 1; ; looked += 1) {
      const { value, done } = await this.#events.next();
      if (done) return null;
      const text = this.#frame(value);
      if (text !== null) return text;
      if (looked % EVENTS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #frame(event: LedgerEvent): string | null {
    if (!this.parts.keyRing.isInForce(this.caller)) {
      this.finish();
      return null;
    }
    const shown = eventSeen(this.parts, this.caller, event, this.wanted);
    if (shown === null) return null;
    return `id: ${event.sequence}\nevent: ${event.type}\ndata: ${JSON.stringify(shown)}\n\n`;
  }

  #comment(): void {
    if (!this.parts.keyRing.isInForce(this.caller)) this.finish();
    else if (this.readableLength === 0) this.push(': keep-alive\n\n');
  }
}
