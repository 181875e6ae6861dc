// How much text a model has generated, from whole answers and from the events of a stream, without parsing the latter: an
// event of a few bytes comes for each token of each open stream. Used for cutting streams and for charges without usage.

import { Buffer } from 'node:buffer';
import { isObject, type Json } from './request-body.js';

const SPACE = 0x20;
const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OBJECT_OPENS = 0x7b;
const OBJECT_CLOSES = 0x7d;

/** As rule Q5 has it for the input. */
const BYTES_PER_TOKEN = 4;
/** Audio is streamed as PCM of 24 kHz in base64: 64,000 characters a second, which OpenAI bills as 20 tokens. */
const AUDIO_CHARS_PER_TOKEN = 3_200;
/** Values that frame the output: the provider writes them, not the model. */
const FRAMING: ReadonlySet<string> = new Set([
  'type',
  'id',
  'call_id',
  'object',
  'role',
  'model',
  'status',
  'finish_reason',
  'stop_reason',
  'signature',
  'encrypted_content',
  'cited_text',
  'document_title',
  'title',
  'url',
  'encrypted_index',
  'annotations',
  'logprobs',
]);

/** By expression: V8's search for a text goes from one quote to the next, and JSON is full of them. */
const DELTA = /"delta" *: */g;

/** Text that was generated, summed up. */
export class OutputTally {
  #textBytes = 0;
  #audioChars = 0;
  #deltas = 0;

  /** A delta is at least one token: providers send none without one. */
  get tokens(): number {
    const counted = Math.ceil(this.#textBytes / BYTES_PER_TOKEN + this.#audioChars / AUDIO_CHARS_PER_TOKEN);
    return Math.max(this.#deltas, counted);
  }

  /**
   * The deltas in an event, in latin-1 so that a character is a byte. Their string values are measured as they stand in
   * the JSON; what else the event has (ids, padding against traffic analysis) is not. The searched key cannot occur
   * inside a JSON string, whose quotes are escaped.
   */
  addEvent(event: string): void {
    DELTA.lastIndex = 0;
    while (DELTA.test(event)) {
      const value = DELTA.lastIndex;
      const before = this.#textBytes + this.#audioChars;
      const code = event.charCodeAt(value);
      if (code === QUOTE) this.#textBytes += stringEnd(event, value) - value - 2;
      else if (code === OBJECT_OPENS) this.#addObject(event, value);
      if (this.#textBytes + this.#audioChars > before) this.#deltas++;
    }
  }

  /** All strings in a parsed value, save framing. */
  addValue(root: unknown): void {
    const left: [string, unknown][] = [['', root]];
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const [key, value] = next;
      if (typeof value === 'string') this.#add(key, Buffer.byteLength(value));
      else if (Array.isArray(value)) for (const element of value) left.push([key, element]);
      else if (isObject(value)) {
        for (const entry of Object.entries(value)) if (!FRAMING.has(entry[0])) left.push(entry);
      }
    }
  }

  #addObject(event: string, from: number): void {
    let depth = 0;
    let key = '';
    for (let at = from; at < event.length; at++) {
      const code = event.charCodeAt(at);
      if (code === QUOTE) {
        const end = stringEnd(event, at);
        if (afterColon(event, end) >= 0) key = event.slice(at + 1, end - 1);
        else this.#add(key, end - at - 2);
        at = end - 1;
      } else if (code === OBJECT_OPENS) depth++;
      else if (code === OBJECT_CLOSES && --depth === 0) return;
    }
  }

  #add(key: string, bytes: number): void {
    if (key === 'data') this.#audioChars += bytes;
    else if (!FRAMING.has(key)) this.#textBytes += bytes;
  }
}

/** An event's bytes as text, a character for each byte: enough to search, and the cheapest. */
export function eventText(event: Uint8Array): string {
  return bufferOf(event).toString('latin1');
}

function bufferOf(event: Uint8Array): Buffer {
  return event instanceof Buffer ? event : Buffer.from(event.buffer, event.byteOffset, event.length);
}

/** The JSON object in the data of an event; null where there is none. */
export function eventData(event: Uint8Array): Json | null {
  const lines = bufferOf(event)
    .toString('utf8')
    .split(/\r\n|\r|\n/);
  const data = lines.filter((line) => line.startsWith('data:')).map((line) => line.slice('data:'.length));
  try {
    const value: unknown = JSON.parse(data.join('\n'));
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

/** Where the value behind a colon begins; -1 where no colon follows. */
function afterColon(text: string, from: number): number {
  const colon = skipSpaces(text, from);
  return text.charCodeAt(colon) === COLON ? skipSpaces(text, colon + 1) : -1;
}

function skipSpaces(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) === SPACE) at++;
  return at;
}

/** Just behind the closing quote, or the end of the text. */
function stringEnd(text: string, opens: number): number {
  for (let at = opens + 1; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === BACKSLASH) at++;
    else if (char === QUOTE) return at + 1;
  }
  return text.length + 1;
}
