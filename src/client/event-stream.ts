// The journal's events as an async iterator that outlives connections: after a break it asks again from the last event
// that it gave, so that each comes once and in order. Called by the client.

import { BursarError } from './bursar-error.js';
import { serverSentEvents } from './server-sent-events.js';
import { backoffMs, paused, type Transport } from './transport.js';

/** The server sends a comment far more often; a connection that is silent for so long is taken for broken. */
const SILENCE_MAX_MS = 60_000;

export interface Follow {
  readonly query: object;
  /** Only events after this sequence number. */
  readonly after: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Never ends by itself. Breaks, restarts and overload are waited out; what is wrong with the request or the key throws.
 * @throws BursarError; the signal's reason when aborted
 */
export async function* followEvents<Event extends { readonly sequence: number }>(
  transport: Transport,
  follow: Follow,
): AsyncGenerator<Event> {
  let after = follow.after;
  for (let failures = 0; ; failures++) {
    try {
      for await (const event of connection<Event>(transport, follow, after)) {
        failures = 0;
        if (event.sequence <= after) continue;
        after = event.sequence;
        yield event;
      }
    } catch (error) {
      follow.signal?.throwIfAborted();
      if (error instanceof BursarError && !error.retryable) throw error;
    }
    await paused(backoffMs(failures), follow.signal);
  }
}

async function* connection<Event>(
  transport: Transport,
  follow: Follow,
  after: number,
): AsyncGenerator<Event> {
  const silence = new AbortController();
  const signal =
    follow.signal === undefined ? silence.signal : AbortSignal.any([silence.signal, follow.signal]);
  const body = await transport.stream(follow.query, { 'last-event-id': String(after) }, { signal });
  for await (const { data } of serverSentEvents(alive(body, silence))) yield parsed(data) as Event;
}

/** Ends the connection when nothing comes while something is waited for. */
async function* alive(
  body: ReadableStream<Uint8Array>,
  silence: AbortController,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const timer = setTimeout(() => silence.abort(), SILENCE_MAX_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(timer));
      if (done) return;
      yield value;
    }
  } catch (error) {
    throw new BursarError({
      message: 'the stream of events broke off',
      code: 'connection_failed',
      retryable: true,
      cause: error,
    });
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    throw new BursarError({ message: 'an event is not JSON', code: 'answer_unreadable', retryable: false });
  }
}
