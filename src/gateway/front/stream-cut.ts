// The end of a stream that the gateway cuts (cutStreams): in each dialect the events that its clients take for an answer
// that reached its limit of output, made of what the stream has said of itself. One for each stream that may be cut.

import type { Endpoint } from '../metering/endpoints.js';

/** Of an event that is read for its fields; larger ones (images) open and close nothing. */
const READ_BYTES_MAX = 64 * 1024;

type Json = Record<string, unknown>;

export class StreamCut {
  /** What every chunk or event repeats: its id, model, time. */
  #first: Json | null = null;
  /** Content blocks (Anthropic) or choices (OpenAI) that were begun and not ended. */
  readonly #open = new Set<number>();
  #sequence = 0;

  constructor(private readonly endpoint: Endpoint) {}

  /** Reads an event that was passed on. */
  observe(event: Buffer): void {
    if (event.length > READ_BYTES_MAX) return;
    const data = dataOf(event);
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

/** The JSON object of an event with one data line; null for any other. */
function dataOf(event: Buffer): Json | null {
  const match = /^data: ?(\{.*\})\r?$/m.exec(event.toString('utf8'));
  if (match === null) return null;
  try {
    return JSON.parse(match[1]) as Json;
  } catch {
    return null;
  }
}
