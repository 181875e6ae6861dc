// Reads a stream of server-sent events (WHATWG HTML, 9.2) piece by piece. Called by event-stream.ts.

/** Far above any event of a ledger, whose lines are bounded; a stream that passes it is none of ours. */
const EVENT_CHARS_MAX = 16 * 1_024 * 1_024;

export interface ServerSentEvent {
  readonly id: string | null;
  readonly event: string;
  readonly data: string;
}

/** @throws RangeError when one event passes 16 Mi characters */
export async function* serverSentEvents(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const piece of bytes) {
    rest += decoder.decode(piece, { stream: true });
    const blocks = rest.split(/\r?\n\r?\n/);
    rest = blocks.pop() as string;
    if (rest.length > EVENT_CHARS_MAX)
      throw new RangeError(`an event has more than ${EVENT_CHARS_MAX} characters`);
    for (const block of blocks) {
      const event = eventOf(block);
      if (event !== null) yield event;
    }
  }
}

// Null for what has no data: comments, which keep the connection alive.
function eventOf(block: string): ServerSentEvent | null {
  let id: string | null = null;
  let event = 'message';
  const data: string[] = [];
  for (const line of block.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') data.push(value);
    else if (field === 'id') id = value;
    else if (field === 'event') event = value;
  }
  return data.length === 0 ? null : { id, event, data: data.join('\n') };
}
