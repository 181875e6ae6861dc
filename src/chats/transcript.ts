// What was said in a call of the gateway: the user's last message and the system's text in the request, the assistant's in
// the answer, whole or streamed. Texts alone; images, audio and tools are not kept. One for each recorded call; it reads
// copies and never changes what passes. Called by recorder.ts and the gateway.

import { isObject, type Json } from '../gateway/dialects/json-scan.js';
import { eventData } from '../gateway/dialects/output-text.js';
import type { Endpoint } from '../gateway/metering/endpoints.js';
import { TEXT_BYTES_MAX } from './turn.js';

/** Endpoints in which somebody says something. */
const SPOKEN: ReadonlySet<Endpoint> = new Set(['chat_completions', 'responses', 'messages']);

export function isSpoken(endpoint: Endpoint): boolean {
  return SPOKEN.has(endpoint);
}

export class Transcript {
  readonly userText: string;
  readonly systemText: string | null;
  responseId: string | null = null;
  #pieces: string[] = [];
  #chars = 0;

  constructor(
    readonly endpoint: Endpoint,
    request: Json,
  ) {
    const said = endpoint === 'responses' ? request.input : request.messages;
    this.userText = typeof said === 'string' ? said : lastOf(said, ['user']);
    const system = endpoint === 'messages' ? request.system : request.instructions;
    const stated = textOf(system) || firstOf(said, ['system', 'developer']);
    this.systemText = stated === '' ? null : stated;
  }

  /** As far as it came; null when nothing did. */
  get answerText(): string | null {
    return this.#pieces.length === 0 ? null : this.#pieces.join('');
  }

  /** A whole answer. */
  answered(answer: unknown): void {
    if (!isObject(answer)) return;
    this.#identified(answer.id);
    this.#add(answerOf(this.endpoint, answer));
  }

  /** One event of a streamed answer. */
  event(bytes: Uint8Array): void {
    if (this.#chars > TEXT_BYTES_MAX) return;
    const data = eventData(bytes);
    if (data === null) return;
    if (this.endpoint === 'chat_completions') return this.#chunk(data);
    const { type, delta } = data;
    if (type === 'response.output_text.delta') this.#add(textOf(delta));
    else if (type === 'content_block_delta' && isObject(delta)) this.#add(textOf(delta.text));
    else if (type === 'message_start' && isObject(data.message)) this.#identified(data.message.id);
    else if (type === 'response.created' && isObject(data.response)) this.#identified(data.response.id);
  }

  #chunk({ id, choices }: Json): void {
    this.#identified(id);
    for (const choice of Array.isArray(choices) ? choices : [])
      if (isObject(choice) && (choice.index ?? 0) === 0 && isObject(choice.delta))
        this.#add(textOf(choice.delta.content));
  }

  #identified(id: unknown): void {
    if (typeof id === 'string' && /^[\x21-\x7e]{1,256}$/.test(id)) this.responseId ??= id;
  }

  #add(text: string): void {
    if (text === '') return;
    this.#pieces.push(text);
    this.#chars += text.length;
  }
}

function answerOf(endpoint: Endpoint, answer: Json): string {
  if (endpoint === 'messages') return textOf(answer.content);
  if (endpoint === 'responses') {
    const items = Array.isArray(answer.output) ? answer.output : [];
    return items.map((item) => (isObject(item) ? textOf(item.content) : '')).join('');
  }
  const [choice] = Array.isArray(answer.choices) ? answer.choices : [];
  return isObject(choice) && isObject(choice.message) ? textOf(choice.message.content) : '';
}

function lastOf(said: unknown, roles: readonly string[]): string {
  return messagesOf(said, roles).at(-1) ?? '';
}

function firstOf(said: unknown, roles: readonly string[]): string {
  return messagesOf(said, roles)[0] ?? '';
}

// A user's turn that carries only the results of tools says nothing.
function messagesOf(said: unknown, roles: readonly string[]): string[] {
  if (!Array.isArray(said)) return [];
  return said.flatMap((message: unknown) => {
    if (!isObject(message) || !roles.includes(String(message.role))) return [];
    const text = textOf(message.content);
    return text === '' ? [] : [text];
  });
}

/** A text, or the texts of its parts. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map((part: unknown) => (isObject(part) && typeof part.text === 'string' ? part.text : ''))
    .join('');
}
