// Scans the text of a body once before it is parsed. The scan bounds the work of parsing, finds duplicate keys at every depth,
// and records where the top-level values stand. It does not check the grammar; JSON.parse does. Called by request-body.ts.

import { RefusedError } from '../../kit/refusals.js';
import {
  COLON,
  COMMA,
  LIST_CLOSES,
  LIST_OPENS,
  OBJECT_CLOSES,
  OBJECT_OPENS,
  QUOTE,
  type Span,
  stringEnd,
  trimmed,
} from './json-scan.js';
import { isOtherSpelling } from './request-spelling.js';

/** Nested lists and objects. Schemas of tools are the deepest values in practice; OpenAI takes ten levels of them. */
const DEPTH_MAX = 128;
/** Values in a body: more than the largest embeddings request has (300,000 tokens, each a number). */
const VALUES_MAX = 400_000;
/** Keys of one object: above OpenAI's limits for logit_bias (1,024) and for properties of a schema (5,000 in all). */
const KEYS_MAX = 8_192;

const BYTE_ORDER_MARK = 0xfeff;

/** Where the fields of an object stand, and where one can be added. */
export interface Places {
  readonly spans: ReadonlyMap<string, Span>;
  readonly insertAt: number;
}

export class Scan {
  readonly text: string;
  readonly #spans = new Map<string, Span>();
  /** The keys seen so far of each open object; null for an open list. */
  readonly #open: (Set<string> | null)[] = [];
  hasOtherSpellings = false;
  #at = 0;
  #insertAt = 0;
  #values = 0;
  #name = '';
  #valueStart = 0;
  #keyNext = false;

  /** @throws RefusedError `invalid_request` for a byte-order mark */
  constructor(text: string) {
    if (text.charCodeAt(0) === BYTE_ORDER_MARK)
      throw refused('The body begins with a byte-order mark; leave it out.');
    this.text = text;
  }

  get isDone(): boolean {
    return this.#at >= this.text.length;
  }
  get places(): Places {
    return { spans: this.#spans, insertAt: this.#insertAt };
  }

  /** Scans about so many characters more: it stops at the end of a string. */
  goOn(chars: number): void {
    const { text } = this;
    const open = this.#open;
    const end = Math.min(text.length, this.#at + chars);
    let keyNext = this.#keyNext;
    let values = this.#values;
    let at = this.#at;
    for (; at < end; at++) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        const closes = stringEnd(text, at);
        if (keyNext) {
          const key = keyOf(text, at, closes, open.at(-1) ?? new Set());
          if (open.length === 1) this.#name = key;
          this.hasOtherSpellings ||= isOtherSpelling(key);
          keyNext = false;
        }
        at = closes - 1;
      } else if (code === COLON) {
        if (open.length === 1) this.#valueStart = at + 1;
      } else if (code === COMMA) {
        this.#endValue(at);
        if (++values > VALUES_MAX) throw refused(`The body has more than ${VALUES_MAX} values.`);
        keyNext = open.at(-1) instanceof Set;
      } else if (code === OBJECT_OPENS || code === LIST_OPENS) {
        if (++values > VALUES_MAX) throw refused(`The body has more than ${VALUES_MAX} values.`);
        if (open.length === DEPTH_MAX) throw refused(`The body is nested deeper than ${DEPTH_MAX} levels.`);
        if (open.length === 0) this.#insertAt = at + 1;
        keyNext = code === OBJECT_OPENS;
        open.push(keyNext ? new Set() : null);
      } else if (code === OBJECT_CLOSES || code === LIST_CLOSES) {
        this.#endValue(at);
        open.pop();
        keyNext = false;
      }
    }
    this.#keyNext = keyNext;
    this.#values = values;
    this.#at = at;
  }

  #endValue(end: number): void {
    if (this.#open.length !== 1) return;
    if (this.#valueStart > 0) this.#spans.set(this.#name, trimmed(this.text, this.#valueStart, end));
    this.#valueStart = 0;
  }
}

function keyOf(text: string, start: number, end: number, keys: Set<string>): string {
  const key = unquoted(text.slice(start, end));
  if (keys.has(key)) {
    throw new RefusedError(
      'invalid_request',
      `The body states the key ${JSON.stringify(key.slice(0, 64))} twice in one object; parsers differ on which of them counts.`,
      { field: key.slice(0, 64) },
    );
  }
  keys.add(key);
  if (keys.size > KEYS_MAX) throw refused(`An object in the body has more than ${KEYS_MAX} keys.`);
  return key;
}

function unquoted(quoted: string): string {
  if (!quoted.includes('\\')) return quoted.slice(1, -1);
  try {
    return JSON.parse(quoted) as string;
  } catch {
    throw refused('The body is not valid JSON.');
  }
}

function refused(message: string): RefusedError {
  return new RefusedError('invalid_request', message);
}
