// Writes the end of a stream that the gateway cuts (setting cutStreams): the events by which clients of each dialect
// recognise an answer that reached its limit of output. They repeat the id, model and time that the stream has stated. One for
// each stream that may be cut.

import type { Json } from '../dialects/json-scan.js';
import { eventData } from '../dialects/output-text.js';
import type { Endpoint } from '../metering/endpoints.js';

/** The largest event that is parsed; larger ones (images) begin and end no block. */
const READ_BYTES_MAX = 64 * 1024;

export class StreamCut {
  /** The first chunk or event; every other one repeats its id, model and time. */
  #first: Json | null = null;
  /** Content blocks (Anthropic) or choices (OpenAI) that have begun and not ended. */
  readonly #open = new Set<number>();
  #sequence = 0;

  constructor(private readonly endpoint: Endpoint) {}

  /** Reads an event that was passed on. */
  observe(event: Buffer): void {
    if (event.length > READ_BYTES_MAX) return;
    const data = eventData(event);
    if (data === null) return;
    this.#first ??= data;
    if (typeof data.sequence_number === 'number') this.#sequence = data.sequence_number;
    if (data.type === 'content_block_start' && typeof data.index === 'number') this.#open.add(data.index);
    if (data.type === 'content_block_stop' && typeof data.index === 'number') this.#open.delete(data.index);
    for (const choice of Array.isArray(data.choices) ? (data.choices as Json[]) : []) {
      if (typeof choice?.index !== 'number') continue;
      if (typeof choice.finish_reason === 'string') this.#open.delete(choice.index);
      else this.#open.add(choice.index);
    }
  }

  /** The events that end the stream: `length`, `max_output_tokens` or `max_tokens`, as the endpoint calls it. */
  ending(outputTokens: number): Buffer {
    const events = this.endpoint === 'messages' ? this.#message(outputTokens) : this.#openAI();
    return Buffer.from(events.join(''));
  }

  #openAI(): string[] {
    if (this.endpoint === 'responses') return [this.#response()];
    const { id = '', object = 'chat.completion.chunk', created = 0, model = '' } = this.#first ?? {};
    const choices = [...this.#open].map((index) => ({ index, delta: {}, finish_reason: 'length' }));
    return [`data: ${JSON.stringify({ id, object, created, model, choices })}\n\n`, 'data: [DONE]\n\n'];
  }

  #response(): string {
    const begun = (this.#first?.response ?? {}) as Json;
    const response = { ...begun, status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } };
    return named({ type: 'response.incomplete', sequence_number: this.#sequence + 1, response });
  }

  #message(outputTokens: number): string[] {
    const stops = [...this.#open].map((index) => named({ type: 'content_block_stop', index }));
    const delta = { stop_reason: 'max_tokens', stop_sequence: null };
    const usage = { output_tokens: outputTokens };
    return [...stops, named({ type: 'message_delta', delta, usage }), named({ type: 'message_stop' })];
  }
}

function named(data: { readonly type: string } & Json): string {
  return `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;
}
