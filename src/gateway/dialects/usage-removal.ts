// Takes the field `usage` out of a chunk whose caller did not ask for it: the field and one comma go, every other byte stays
// as the provider wrote it. Done for each event of a stream, so the text is searched and not parsed. Called by
// openai-stream.ts.

import {
  COLON,
  COMMA,
  LIST_CLOSES,
  LIST_OPENS,
  OBJECT_CLOSES,
  OBJECT_OPENS,
  QUOTE,
  stringEnd,
  valueEnd,
} from './json-scan.js';

/**
 * Between two parts of JSON; the data of one event may go on in a further line. No character can be taken in two ways, so that
 * no gap takes more than linear time.
 */
const GAP = String.raw`(?:[ \t]|\r?\n(?:data:)?)*`;
/** The key with what stands before it. Inside a string it would have its quotes escaped. */
const FIELD = new RegExp(`([{,])(${GAP})"usage"${GAP}:${GAP}`, 'g');
const COMMA_BEHIND = new RegExp(`${GAP},${GAP}`, 'y');

const KEY = '"usage"';
/** Fields of the name that are looked at, each up to the end of the event: a chunk has one, and one in each choice. */
const FIELDS_MAX = 128;

/**
 * The event without the `usage` of its outermost object; null where there is none.
 * @param text the event in latin1, a character for each byte
 * @example `data: {"id":1,"usage":null}` becomes `data: {"id":1}`
 */
export function withoutUsage(event: Buffer, text: string): Buffer | null {
  const key = text.lastIndexOf(KEY);
  if (key < 0) return null;
  const field = fieldAt(text, key) ?? anyField(text);
  return field === null ? null : Buffer.concat([event.subarray(0, field.start), event.subarray(field.end)]);
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Where the field stands as nearly every provider writes it: near the end, behind a comma, without a space. */
function fieldAt(text: string, key: number): Span | null {
  const colon = key + KEY.length;
  if (text.charCodeAt(key - 1) !== COMMA || text.charCodeAt(colon) !== COLON) return null;
  const end = valueEnd(text, colon + 1);
  return isOutermost(text, end) && !isSpace(text.charCodeAt(end - 1)) ? { start: key - 1, end } : null;
}

function anyField(text: string): Span | null {
  FIELD.lastIndex = 0;
  for (let tried = 0; tried < FIELDS_MAX; tried++) {
    const found = FIELD.exec(text);
    if (found === null) return null;
    let end = valueEnd(text, FIELD.lastIndex);
    if (!isOutermost(text, end)) continue;
    while (isSpace(text.charCodeAt(end - 1))) end--;
    if (found[1] === ',') return { start: found.index, end };
    COMMA_BEHIND.lastIndex = end;
    return {
      start: found.index + 1 + found[2].length,
      end: COMMA_BEHIND.test(text) ? COMMA_BEHIND.lastIndex : end,
    };
  }
  return null;
}

/** Whether one object is open there, and no more: behind a field of the outermost, one brace closes. */
function isOutermost(text: string, from: number): boolean {
  let depth = 1;
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = stringEnd(text, at) - 1;
    else if (code === OBJECT_OPENS || code === LIST_OPENS) depth++;
    else if (code === OBJECT_CLOSES || code === LIST_CLOSES) depth--;
  }
  return depth === 0;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}
