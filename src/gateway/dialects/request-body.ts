// The bytes of a request body: checked once, parsed once, and changed by replacing single fields. Everything else (spellings of
// numbers, order of keys, tools, images) reaches the provider byte for byte. A body that two JSON parsers could read
// differently is refused: the provider might run another request than the authorised one.

import { Buffer, isUtf8 } from 'node:buffer';
import { setImmediate as turnOfOthers } from 'node:timers/promises';
import { RefusedError } from '../../kit/refusals.js';
import { type Places, Scan } from './body-scan.js';
import {
  COLON,
  COMMA,
  isObject,
  isSpace,
  type Json,
  LIST_CLOSES,
  LIST_OPENS,
  OBJECT_CLOSES,
  OBJECT_OPENS,
  QUOTE,
  type Span,
  stringEnd,
  trimmed,
} from './json-scan.js';

/** Characters that are scanned before other work of the event loop gets a turn: about 10 ms. */
const TURN_CHARS = 2_000_000;

/** A field to be written: JSON text, `LEFT_OUT` to take it out, or null to leave it as it is. */
export type FieldEdits = Readonly<Record<string, string | null>>;

/** Takes a field out. No JSON value is an empty text. */
export const LEFT_OUT = '';

/** A parsed body. `json` is used at once and dropped; `fields` is kept as long as the call and does not hold `json`. */
export interface ParsedBody {
  readonly json: Json;
  readonly fields: RequestFields;
  /** Whether a parser that ignores case may take some key for a field that bears on the cost: see request-spelling.ts. */
  readonly hasOtherSpellings: boolean;
}

/** The fields of a body, a JSON object or a form, as bytes. */
export interface RequestFields {
  readonly bytes: Uint8Array;
  /** The content type that goes to the provider. */
  readonly contentType: string;
  /** The JSON text of one field's value; null where the body does not have it, and for every field of a form. */
  get(name: string): Uint8Array | null;
  /** The body with fields replaced, or added. The same bytes where nothing is written. */
  with(edits: FieldEdits): Uint8Array;
}

/**
 * The JSON object in a body, in one pass over it.
 * @throws RefusedError `invalid_request`: not UTF-8, a byte-order mark, not one JSON object, too deep, too many values, or
 *   an object that states one key twice.
 */
export function parseBody(bytes: Uint8Array): ParsedBody {
  refuseUnlessUtf8(bytes);
  const text = textOf(bytes);
  const scan = new Scan(text);
  scan.goOn(text.length);
  return bodyOf(bytes, scan, jsonIn(text));
}

/** Like `parseBody`, for large bodies: other work of the event loop gets a turn between the steps. */
export async function parseInTurns(bytes: Uint8Array): Promise<ParsedBody> {
  refuseUnlessUtf8(bytes);
  await turnOfOthers();
  const text = textOf(bytes);
  const scan = new Scan(text);
  while (!scan.isDone) {
    await turnOfOthers();
    scan.goOn(TURN_CHARS);
  }
  await turnOfOthers();
  const json = jsonIn(text);
  await turnOfOthers();
  return bodyOf(bytes, scan, json);
}

function refuseUnlessUtf8(bytes: Uint8Array): void {
  if (!isUtf8(bytes)) throw refused('The body is not valid UTF-8.');
}

function jsonIn(text: string): Json {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw refused('The body is not valid JSON.');
  }
  if (!isObject(json)) throw refused('The body must be one JSON object.');
  return json;
}

function bodyOf(bytes: Uint8Array, { places, hasOtherSpellings, text }: Scan, json: Json): ParsedBody {
  return { json, fields: new BodyFields(bytes, places, text.length), hasOtherSpellings };
}

/** The fields of one JSON object as bytes: each can be read and replaced without touching the others. */
export class BodyFields implements RequestFields {
  readonly contentType = 'application/json';
  readonly bytes: Uint8Array;
  #places: Places;
  /** Whether the places are in bytes; before, they are in characters of the text. */
  #isInBytes: boolean;

  constructor(bytes: Uint8Array, places: Places, chars: number) {
    this.bytes = bytes;
    this.#places = places;
    this.#isInBytes = chars === bytes.length;
  }

  /** Reads a valid JSON object, such as the value of a field or an element of a list. */
  static of(bytes: Uint8Array): BodyFields {
    const text = textOf(bytes);
    const scan = new Scan(text);
    scan.goOn(text.length);
    return new BodyFields(bytes, scan.places, text.length);
  }

  /** The bytes of one field's value; null when the object does not have it. */
  get(name: string): Uint8Array | null {
    const span = this.#inBytes().spans.get(name);
    return span === undefined ? null : this.bytes.subarray(span.start, span.end);
  }

  /** The object with fields replaced, or added as the first; every other byte stays. The same bytes where nothing is written. */
  with(edits: FieldEdits): Uint8Array {
    const { spans, insertAt } = this.#inBytes();
    const pieces: { readonly span: Span; readonly text: string }[] = [];
    let added = '';
    const leftOut: Span[] = [];
    for (const [name, text] of Object.entries(edits)) {
      if (text === null) continue;
      const span = spans.get(name);
      if (text === LEFT_OUT) {
        if (span !== undefined) leftOut.push(span);
      } else if (span !== undefined) pieces.push({ span, text });
      else added += `${added === '' ? '' : ','}${JSON.stringify(name)}:${text}`;
    }
    // Before the removed fields: both may begin at the same place.
    if (added !== '') {
      const text = spans.size === leftOut.length ? added : `${added},`;
      pieces.push({ span: { start: insertAt, end: insertAt }, text });
    }
    for (const span of fieldSpans(this.bytes, leftOut)) pieces.push({ span, text: '' });
    return pieces.length === 0 ? this.bytes : spliced(this.bytes, pieces);
  }

  // Most bodies go out unchanged, so that bytes are counted only where a field is read or changed.
  #inBytes(): Places {
    if (!this.#isInBytes) {
      this.#places = inBytes(textOf(this.bytes), this.#places);
      this.#isInBytes = true;
    }
    return this.#places;
  }
}

/** The list with the bytes of each element replaced by the result of `change`; every other byte stays. */
export function changeElements(
  list: Uint8Array,
  change: (element: Uint8Array, index: number) => Uint8Array,
): Uint8Array {
  const text = textOf(list);
  const inChars = elementSpans(text);
  const spans = text.length === list.length ? inChars : spansInBytes(text, inChars);
  const pieces = spans.map((span, index) => ({
    span,
    bytes: change(list.subarray(span.start, span.end), index),
  }));
  const out: Uint8Array[] = [];
  let at = 0;
  for (const { span, bytes } of pieces) {
    out.push(list.subarray(at, span.start), bytes);
    at = span.end;
  }
  return Buffer.concat([...out, list.subarray(at)]);
}

/**
 * The spans of fields that are removed from an object, given the spans of their values: each with its key and the comma before
 * it, or the comma after it at the object's beginning.
 */
function fieldSpans(bytes: Uint8Array, values: readonly Span[]): Span[] {
  let beginning = -1;
  return [...values]
    .sort((left, right) => left.start - right.start)
    .map((value) => {
      const closing = bytes.lastIndexOf(QUOTE, bytes.lastIndexOf(COLON, value.start - 1));
      const start = bytes.lastIndexOf(QUOTE, closing - 1);
      const before = beforeSpaces(bytes, start);
      if (bytes[before] === COMMA && before !== beginning) return { start: before, end: value.end };
      const behind = bytes.indexOf(COMMA, value.end);
      const end = behind === -1 || !isGap(bytes, value.end, behind) ? value.end : behind + 1;
      beginning = end - 1;
      return { start, end };
    });
}

function beforeSpaces(bytes: Uint8Array, from: number): number {
  let at = from - 1;
  while (at >= 0 && isSpace(bytes[at])) at--;
  return at;
}

function isGap(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (!isSpace(bytes[at])) return false;
  return true;
}

function spliced(bytes: Uint8Array, pieces: { readonly span: Span; readonly text: string }[]): Uint8Array {
  const out: Uint8Array[] = [];
  let at = 0;
  for (const { span, text } of pieces.sort((left, right) => left.span.start - right.span.start)) {
    out.push(bytes.subarray(at, span.start), Buffer.from(text));
    at = span.end;
  }
  out.push(bytes.subarray(at));
  return Buffer.concat(out);
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}

function refused(message: string): RefusedError {
  return new RefusedError('invalid_request', message);
}

function elementSpans(text: string): Span[] {
  const spans: Span[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = stringEnd(text, at) - 1;
    else if (code === OBJECT_OPENS || code === LIST_OPENS) {
      if (++depth === 1) start = at + 1;
    } else if (depth === 1 && (code === COMMA || code === LIST_CLOSES)) {
      const span = trimmed(text, start, at);
      if (span.end > span.start) spans.push(span);
      start = at + 1;
      if (code === LIST_CLOSES) depth--;
    } else if (code === OBJECT_CLOSES || code === LIST_CLOSES) depth--;
  }
  return spans;
}

function inBytes(text: string, places: Places): Places {
  const offset = offsetsIn(text);
  const insertAt = offset(places.insertAt);
  const spans = new Map<string, Span>();
  for (const [name, { start, end }] of places.spans)
    spans.set(name, { start: offset(start), end: offset(end) });
  return { spans, insertAt };
}

function spansInBytes(text: string, spans: readonly Span[]): Span[] {
  const offset = offsetsIn(text);
  return spans.map(({ start, end }) => ({ start: offset(start), end: offset(end) }));
}

/** Converts places in characters to places in bytes. Called with ascending places, so that each character is counted once. */
function offsetsIn(text: string): (to: number) => number {
  let at = 0;
  let bytes = 0;
  return (to) => {
    bytes += Buffer.byteLength(text.slice(at, to));
    at = to;
    return bytes;
  };
}
