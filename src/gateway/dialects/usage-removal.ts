// Removes the field `usage` from a chunk whose caller did not ask for it. The field and one comma go; every other byte stays as
// the provider wrote it. The text is searched and not parsed, since every event of a stream comes here. Called by
// openai-stream.ts.

import {
  COLON,
  COMMA,
  isSpace,
  LIST_CLOSES,
  LIST_OPENS,
  OBJECT_CLOSES,
  OBJECT_OPENS,
  QUOTE,
  type Span,
  stringEnd,
  valueEnd,
} from './json-scan.js';

/**
 * What may stand between two tokens of JSON; the data of one event may continue on a further line. No character matches in two
 * ways, so that matching takes linear time.
 */
const GAP = String.raw`(?:[ \t]|\r?\n(?:data:)?)*`;
/** The key with what precedes it. Inside a string its quotes would be escaped. */
const FIELD = new RegExp(`([{,])(${GAP})"usage"${GAP}:${GAP}`, 'g');
const COMMA_BEHIND = new RegExp(`${GAP},${GAP}`, 'y');

const KEY = '"usage"';
/** How many fields of the name are tried, each up to the end of the event: a chunk has one, and one in each choice. */
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

/** The field as nearly every provider writes it: near the end, after a comma, without a space. */
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

/** Whether exactly one object is open at `from`: after a field of the outermost object, only its brace closes. */
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
