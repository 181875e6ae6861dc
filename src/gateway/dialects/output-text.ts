// Measures how much text a model has generated, in whole answers and in the events of a stream. Events are searched and not
// parsed, since one comes for each token of each open stream. Used for cutting streams and for charges without usage.

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
 * Bytes of UTF-8 to a token, as in rule Q5 for the input. It is right to a tenth for English. A Chinese or Japanese character
 * has three bytes and counts 0.75 tokens; models use 0.6 to 1.2. A Cyrillic one has two and counts 0.5; models use 0.3 to 0.5.
 */
const BYTES_PER_TOKEN = 4;
/** Audio is streamed as PCM of 24 kHz in base64: 64,000 characters a second, which OpenAI bills as 20 tokens. */
const AUDIO_CHARS_PER_TOKEN = 3_200;
/** Nested lists and objects that are told apart. Providers send up to eight levels. */
const DEPTH_MAX = 32;

/** What a field holds. Of several spellings of one text the largest counts; framing does not count. */
type FieldKind = 'framing' | 'thinking' | 'call' | 'data';
const KINDS: ReadonlyMap<string, FieldKind> = kinds({
  // Written by the provider, not by the model.
  framing: [
    ...['type', 'id', 'call_id', 'item_id', 'tool_call_id', 'object', 'role', 'model', 'status', 'format'],
    ...['finish_reason', 'stop_reason', 'annotations', 'logprobs'],
    ...['cited_text', 'document_title', 'title', 'url'],
    // Unreadable for the caller: signatures of thinking, and encrypted thinking.
    ...['signature', 'thought_signature', 'thoughtSignature', 'extra_content', 'reasoning_opaque'],
    ...['encrypted_content', 'encrypted_index', 'redacted_thinking'],
  ],
  // Providers send the same thinking in several of these fields, for different clients.
  thinking: [
    ...['reasoning', 'reasoning_content', 'reasoning_details', 'reasoning_text'],
    ...['thinking', 'thinking_blocks', 'thinking_content', 'thoughts', 'provider_specific_fields'],
  ],
  call: ['tool_calls', 'function_call'],
  // Audio within `audio`, elsewhere encrypted.
  data: ['data'],
});

function kinds(names: Readonly<Record<FieldKind, readonly string[]>>): ReadonlyMap<string, FieldKind> {
  const entries = Object.entries(names) as [FieldKind, readonly string[]][];
  return new Map(entries.flatMap(([kind, list]) => list.map((name) => [name, kind] as const)));
}

/** Regular expressions: V8's search for a text stops at each quote, and JSON has many. */
const NEW_OUTPUT = { delta: /"delta" *: */g, text: /"text" *: */g } as const;

/** Sums up generated text. */
export class OutputTally {
  readonly #newOutput: RegExp;
  #textBytes = 0;
  #audioChars = 0;
  #deltas = 0;
  /** The index up to which the event has been read. */
  #at = 0;

  /** @param newOutput the field of an event that has its new output */
  constructor(newOutput: keyof typeof NEW_OUTPUT = 'delta') {
    this.#newOutput = NEW_OUTPUT[newOutput];
  }

  /** A delta counts as at least one token: providers send no delta without one. */
  get tokens(): number {
    const counted = Math.ceil(this.#textBytes / BYTES_PER_TOKEN + this.#audioChars / AUDIO_CHARS_PER_TOKEN);
    return Math.max(this.#deltas, counted);
  }

  /**
   * Adds the deltas of an event. The event is given in latin-1, so that a character is a byte. Other fields (ids, padding
   * against traffic analysis) are not measured. @returns whether the event had output
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

  /** Adds all strings of a parsed value, except framing. */
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

  // Reads the value at `#at`, and gives the bytes of its strings.
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

  // The length as written in the JSON, but an escape by number counts as its character: é and \u00e9 count the same.
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

/** The bytes of all strings in a value, at any depth. */
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

/** Characters of an escape by number, such as \u00e9. */
const NUMBERED_CHARS = 6;
const SPACE = 0x20;

function isSpaceOrColon(code: number): boolean {
  return code === COLON || code === SPACE;
}

/** Bytes of one unit of UTF-16. A character of two units has four bytes. */
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

/** A stream may begin with a byte-order mark. */
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
