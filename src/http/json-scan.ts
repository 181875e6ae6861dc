// One pass over the bytes of a JSON body before it is parsed: refuses what two parsers could read differently (a key that
// stands twice in one object, names that poison prototypes), finds the numbers that were not written plainly, and notes
// where the elements of the top object's lists stand. It goes on in steps, so that a large body never keeps the event loop.
// Keeps: the work is linear in the bytes. The grammar is JSON.parse's to judge. Called by json-body.ts.

import { isPlain } from '../kit/number-spelling.js';
import { RefusedError } from '../kit/refusals.js';

/** Nested lists and objects: several times what the deepest request has. */
const DEPTH_MAX = 64;

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const BACKSLASH = 0x5c;
const LIST_OPENS = 0x5b;
const LIST_CLOSES = 0x5d;
const OBJECT_OPENS = 0x7b;
const OBJECT_CLOSES = 0x7d;

/** How far a string is walked byte by byte before the next quote is searched for: long texts have few. */
const WALK_BYTES = 16;

/** A list of the top object: where what is between its brackets stands, and its elements. */
export interface ListPlace {
  readonly name: string;
  readonly start: number;
  end: number;
  /** Starts and ends in turn. */
  readonly elements: number[];
}

export class JsonScan {
  /** Values of numbers with an exponent, a sign, or more digits than a number keeps. */
  readonly unplain = new Set<number>();
  readonly lists: ListPlace[] = [];
  readonly #bytes: Buffer;
  #at = 0;
  /** For each open object the keys that it has had, for each open list null; and where each stands in the one around it. */
  readonly #open: (Set<string> | null)[] = [];
  readonly #places: (string | number)[] = [];
  #keyNext = false;
  #elementStart = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Goes on by about so many bytes; true at the end. @throws RefusedError invalid_request naming the key */
  step(bytesMax: number): boolean {
    const bytes = this.#bytes;
    const until = Math.min(bytes.length, this.#at + bytesMax);
    while (this.#at < until) {
      const code = bytes[this.#at];
      if (code === QUOTE) this.#text();
      else if ((code >= DIGIT_0 && code <= DIGIT_9) || code === MINUS) this.#number();
      else {
        if (code === COMMA) this.#comma();
        else if (code === OBJECT_OPENS || code === LIST_OPENS) this.#opens(code === OBJECT_OPENS);
        else if (code === OBJECT_CLOSES || code === LIST_CLOSES) this.#closes(code === OBJECT_CLOSES);
        this.#at += 1;
      }
    }
    if (this.#at < bytes.length) return false;
    if (this.#open.length > 0) throw notJson();
    return true;
  }

  #text(): void {
    const start = this.#at;
    this.#at = this.#textEnd(start);
    if (!this.#keyNext) return;
    this.#keyNext = false;
    const key = unquoted(this.#bytes.toString('utf8', start, this.#at));
    const depth = this.#places.length - 1;
    const around = this.#places[depth - 1];
    this.#places[depth] = key;
    const keys = this.#open[depth];
    if (keys === null || keys === undefined) return;
    if (key === '__proto__' || (key === 'prototype' && around === 'constructor'))
      throw this.#refused('is a reserved name');
    if (keys.has(key))
      throw this.#refused('stands there twice; which of the two counts would depend on the parser');
    keys.add(key);
  }

  /** Just behind a text's closing quote; the end of the body where it has none. */
  #textEnd(opens: number): number {
    const bytes = this.#bytes;
    let at = opens + 1;
    for (;;) {
      for (const walkEnd = Math.min(at + WALK_BYTES, bytes.length); at < walkEnd; at += 1) {
        if (bytes[at] === BACKSLASH) at += 1;
        else if (bytes[at] === QUOTE) return at + 1;
      }
      const quote = bytes.indexOf(QUOTE, at);
      if (quote === -1) return bytes.length;
      let backslashes = 0;
      while (quote - 1 - backslashes >= at && bytes[quote - 1 - backslashes] === BACKSLASH) backslashes += 1;
      if (backslashes % 2 === 0) return quote + 1;
      at = quote + 1;
    }
  }

  #number(): void {
    const bytes = this.#bytes;
    const start = this.#at;
    let end = start + 1;
    while (end < bytes.length && isOfNumber(bytes[end])) end += 1;
    this.#at = end;
    const token = bytes.toString('latin1', start, end);
    if (!isPlain(token)) this.unplain.add(Number(token));
  }

  #comma(): void {
    const depth = this.#open.length - 1;
    if (depth < 0) return;
    if (this.#open[depth] !== null) this.#keyNext = true;
    else {
      this.#places[depth] = (this.#places[depth] as number) + 1;
      if (depth === 1 && this.#open[0] !== null) {
        this.lists[this.lists.length - 1].elements.push(this.#elementStart, this.#at);
        this.#elementStart = this.#at + 1;
      }
    }
  }

  #opens(isObject: boolean): void {
    if (this.#open.length === DEPTH_MAX)
      throw invalid(`body: is nested deeper than ${DEPTH_MAX} levels`, 'body');
    this.#open.push(isObject ? new Set() : null);
    this.#places.push(isObject ? '' : 0);
    this.#keyNext = isObject;
    if (isObject || this.#open.length !== 2 || this.#open[0] === null) return;
    const start = this.#at + 1;
    this.lists.push({ name: String(this.#places[0]), start, end: start, elements: [] });
    this.#elementStart = start;
  }

  #closes(isObject: boolean): void {
    const closed = this.#open.pop();
    if (closed === undefined || isObject !== (closed !== null)) throw notJson();
    this.#places.pop();
    this.#keyNext = false;
    if (isObject || this.#open.length !== 1 || this.#open[0] === null) return;
    const list = this.lists[this.lists.length - 1];
    list.end = this.#at;
    const isEmpty = list.elements.length === 0 && this.#isBlank(this.#elementStart, this.#at);
    if (!isEmpty) list.elements.push(this.#elementStart, this.#at);
  }

  #isBlank(start: number, end: number): boolean {
    for (let at = start; at < end; at += 1) {
      const code = this.#bytes[at];
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return false;
    }
    return true;
  }

  #refused(problem: string): RefusedError {
    let field = '';
    for (const place of this.#places)
      field += typeof place === 'number' ? `[${place}]` : `${field === '' ? '' : '.'}${place.slice(0, 64)}`;
    return invalid(`${field}: the key ${problem}`, field);
  }
}

export function notJson(): RefusedError {
  return invalid('body: is not valid JSON', 'body');
}

function invalid(message: string, field: string): RefusedError {
  return new RefusedError('invalid_request', message, { field });
}

function isOfNumber(code: number): boolean {
  // 0-9 . e E + -
  return (
    (code >= DIGIT_0 && code <= DIGIT_9) ||
    code === 0x2e ||
    code === 0x65 ||
    code === 0x45 ||
    code === 0x2b ||
    code === MINUS
  );
}

function unquoted(quoted: string): string {
  if (!quoted.includes('\\')) return quoted.slice(1, -1);
  try {
    return JSON.parse(quoted) as string;
  } catch {
    throw notJson();
  }
}
