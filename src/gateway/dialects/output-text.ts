// How much text a model has generated, from whole answers and from the events of a stream, without parsing the latter: an
// event of a few bytes comes for each token of each open stream. Used for cutting streams and for charges without usage.

import { Buffer } from 'node:buffer';
import {
  BACKSLASH,
  COLON,
  isObject,
  type Json,
  LIST_CLOSES,
  LIST_OPENS,
  OBJECT_CLOSES,
  OBJECT_OPENS,
  QUOTE,
  stringEnd,
  valueEnd,
} from './json-scan.js';

const LETTER_U = 0x75;

/**
 * Of UTF-8, as rule Q5 has it for the input: right to a tenth for English. Chinese and Japanese have three bytes a character
 * and, by model, 0.6 to 1.2 tokens, where this counts 0.75; Cyrillic has two bytes and 0.3 to 0.5, where it counts 0.5.
 */
const BYTES_PER_TOKEN = 4;
/** Audio is streamed as PCM of 24 kHz in base64: 64,000 characters a second, which OpenAI bills as 20 tokens. */
const AUDIO_CHARS_PER_TOKEN = 3_200;
/** Nested lists and objects of an answer: the deepest that providers send has eight. What is deeper is not told apart. */
const DEPTH_MAX = 32;

/** What stands under a key: the largest of several spellings of one text counts, and nothing of what frames it. */
type Kind = 'framing' | 'thinking' | 'call' | 'data';
const KINDS: ReadonlyMap<string, Kind> = kinds({
  // The provider writes it, not the model.
  framing: [
    ...['type', 'id', 'call_id', 'item_id', 'tool_call_id', 'object', 'role', 'model', 'status', 'format'],
    ...['finish_reason', 'stop_reason', 'annotations', 'logprobs'],
    ...['cited_text', 'document_title', 'title', 'url'],
    // What the reader of an answer cannot read: signatures of thinking, and thinking that is encrypted.
    ...['signature', 'thought_signature', 'thoughtSignature', 'extra_content', 'reasoning_opaque'],
    ...['encrypted_content', 'encrypted_index', 'redacted_thinking'],
  ],
  // Providers send several side by side, for clients of every kind.
  thinking: [
    ...['reasoning', 'reasoning_content', 'reasoning_details', 'reasoning_text'],
    ...['thinking', 'thinking_blocks', 'thinking_content', 'thoughts', 'provider_specific_fields'],
  ],
  call: ['tool_calls', 'function_call'],
  // Audio where it is that, else encrypted.
  data: ['data'],
});

function kinds(names: Readonly<Record<Kind, readonly string[]>>): ReadonlyMap<string, Kind> {
  const entries = Object.entries(names) as [Kind, readonly string[]][];
  return new Map(entries.flatMap(([kind, list]) => list.map((name) => [name, kind] as const)));
}

/** By expression: V8's search for a text goes from one quote to the next, and JSON is full of them. */
const NEW_OUTPUT = { delta: /"delta" *: */g, text: /"text" *: */g } as const;

/** Text that was generated, summed up. */
export class OutputTally {
  readonly #newOutput: RegExp;
  #textBytes = 0;
  #audioChars = 0;
  #deltas = 0;
  /** Up to where an event was read. */
  #at = 0;

  /** @param newOutput the field of an event that has what is new */
  constructor(newOutput: keyof typeof NEW_OUTPUT = 'delta') {
    this.#newOutput = NEW_OUTPUT[newOutput];
  }

  /** A delta is at least one token: providers send none without one. */
  get tokens(): number {
    const counted = Math.ceil(this.#textBytes / BYTES_PER_TOKEN + this.#audioChars / AUDIO_CHARS_PER_TOKEN);
    return Math.max(this.#deltas, counted);
  }

  /**
   * The deltas in an event, in latin-1 so that a character is a byte; what else the event has (ids, padding against traffic
   * analysis) is not measured. True: there was output among them.
   */
  addEvent(event: string): boolean {
    const before = this.#deltas;
    const field = this.#newOutput;
    field.lastIndex = 0;
    while (field.test(event)) {
      const audioBefore = this.#audioChars;
      this.#at = field.lastIndex;
      const bytes = this.#value(event, '', 0);
      this.#textBytes += bytes;
      if (bytes > 0 || this.#audioChars > audioBefore) this.#deltas++;
      field.lastIndex = this.#at;
    }
    return this.#deltas > before;
  }

  /** All strings in a parsed value, save framing. */
  addValue(root: unknown): void {
    this.#textBytes += this.#parsed(root, '', 0);
  }

  #parsed(value: unknown, key: string, depth: number): number {
    if (typeof value === 'string') return Buffer.byteLength(value);
    if (value === null || typeof value !== 'object') return 0;
    if (depth === DEPTH_MAX) return stringBytes(value);
    if (Array.isArray(value)) {
      let bytes = 0;
      for (const element of value) bytes += this.#parsed(element, key, depth + 1);
      return bytes;
    }
    let text = 0;
    let thinking = 0;
    let calls = 0;
    for (const [name, part] of Object.entries(value)) {
      const kind = KINDS.get(name);
      if (kind === 'framing') continue;
      if (kind === 'data') {
        if (key === 'audio' && typeof part === 'string') this.#audioChars += part.length;
        continue;
      }
      const bytes = this.#parsed(part, name, depth + 1);
      if (kind === undefined) text += bytes;
      else if (kind === 'thinking') thinking = Math.max(thinking, bytes);
      else calls = Math.max(calls, bytes);
    }
    return text + thinking + calls;
  }

  // Bytes of the strings in the value that begins where the event was read up to, and is then read.
  #value(text: string, key: string, depth: number): number {
    const code = text.charCodeAt(this.#at);
    if (code === QUOTE) return this.#string(text);
    const isList = code === LIST_OPENS;
    if (depth === DEPTH_MAX || !(isList || code === OBJECT_OPENS)) {
      this.#at = valueEnd(text, this.#at);
      return 0;
    }
    this.#at++;
    return isList ? this.#list(text, key, depth) : this.#object(text, key, depth);
  }

  #list(text: string, key: string, depth: number): number {
    let bytes = 0;
    while (this.#at < text.length) {
      const code = text.charCodeAt(this.#at);
      if (code === LIST_CLOSES) {
        this.#at++;
        break;
      }
      if (code === QUOTE || code === OBJECT_OPENS || code === LIST_OPENS)
        bytes += this.#value(text, key, depth + 1);
      else this.#at++;
    }
    return bytes;
  }

  #object(text: string, key: string, depth: number): number {
    let rest = 0;
    let thinking = 0;
    let calls = 0;
    while (this.#at < text.length) {
      const code = text.charCodeAt(this.#at);
      if (code === OBJECT_CLOSES) {
        this.#at++;
        break;
      }
      if (code !== QUOTE) {
        this.#at++;
        continue;
      }
      const nameEnd = stringEnd(text, this.#at);
      const name = text.slice(this.#at + 1, nameEnd - 1);
      this.#at = nameEnd;
      while (isSpaceOrColon(text.charCodeAt(this.#at))) this.#at++;
      const kind = KINDS.get(name);
      if (kind === undefined) rest += this.#value(text, name, depth + 1);
      else if (kind === 'thinking') thinking = Math.max(thinking, this.#value(text, name, depth + 1));
      else if (kind === 'call') calls = Math.max(calls, this.#value(text, name, depth + 1));
      else this.#skip(text, kind === 'data' && key === 'audio');
    }
    return rest + thinking + calls;
  }

  #skip(text: string, isAudio: boolean): void {
    const from = this.#at;
    this.#at = valueEnd(text, from);
    if (isAudio) this.#audioChars += Math.max(0, this.#at - from - 2);
  }

  // As it stands in the JSON, but for characters that are escaped by number: whether a provider writes é or \u00e9 changes
  // nothing.
  #string(text: string): number {
    let at = this.#at + 1;
    let saved = 0;
    for (; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) break;
      if (code !== BACKSLASH) continue;
      at++;
      if (text.charCodeAt(at) !== LETTER_U) continue;
      saved += NUMBERED_CHARS - utf8Bytes(Number.parseInt(text.slice(at + 1, at + 5), 16));
      at += 4;
    }
    const bytes = Math.min(at, text.length) - this.#at - 1 - saved;
    this.#at = Math.min(at + 1, text.length);
    return Math.max(0, bytes);
  }
}

/** All strings in a value, however deep. */
function stringBytes(root: object): number {
  let bytes = 0;
  const left: unknown[] = [root];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (typeof next === 'string') bytes += Buffer.byteLength(next);
    else if (next !== null && typeof next === 'object')
      for (const value of Object.values(next)) left.push(value);
  }
  return bytes;
}

/** Of an escape by number, as \u00e9. */
const NUMBERED_CHARS = 6;
const SPACE = 0x20;

function isSpaceOrColon(code: number): boolean {
  return code === COLON || code === SPACE;
}

/** Of one unit of UTF-16; a character that takes two of them has four bytes. */
function utf8Bytes(unit: number): number {
  if (unit < 0x80) return 1;
  if (unit < 0x800) return 2;
  return unit >= 0xd800 && unit <= 0xdfff ? 2 : 3;
}

/** An event's bytes as text, a character for each byte: enough to search, and the cheapest. */
export function eventText(event: Uint8Array): string {
  return eventBuffer(event).toString('latin1');
}

/** The event itself, as a Buffer. */
export function eventBuffer(event: Uint8Array): Buffer {
  return event instanceof Buffer ? event : Buffer.from(event.buffer, event.byteOffset, event.length);
}

/** A stream may begin with one. */
const BYTE_ORDER_MARK = /^\ufeff/;

/** The JSON object in the data of an event; null where there is none. */
export function eventData(event: Uint8Array): Json | null {
  const lines = eventBuffer(event)
    .toString('utf8')
    .replace(BYTE_ORDER_MARK, '')
    .split(/\r\n|\r|\n/);
  const data = lines.filter((line) => line.startsWith('data:')).map((line) => line.slice('data:'.length));
  try {
    const value: unknown = JSON.parse(data.join('\n'));
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}
