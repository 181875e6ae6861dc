// Takes the field `usage` out of a chunk whose caller did not ask for it: the field and one comma go, every other byte stays
// as the provider wrote it. One pass over the event's text. Called by openai-stream.ts.

import {
  COMMA,
  LIST_CLOSES,
  LIST_OPENS,
  OBJECT_CLOSES,
  OBJECT_OPENS,
  QUOTE,
  stringEnd,
  valueEnd,
} from './json-scan.js';

const KEY = '"usage"';
const DATA = /^data:/m;
/** Between two parts of JSON; the data of one event may go on in a further line. */
const GAP = String.raw`(?:\s|(?<=[\r\n])data:)*`;
const COLON = new RegExp(`${GAP}:${GAP}`, 'y');
const COMMA_BEHIND = new RegExp(`${GAP},${GAP}`, 'y');

/**
 * The event without the `usage` of its outermost object; null where there is none.
 * @param text the event in latin1, a character for each byte
 * @example `data: {"id":1,"usage":null}` becomes `data: {"id":1}`
 */
export function withoutUsage(event: Buffer, text: string): Buffer | null {
  const field = fieldIn(text);
  if (field === null) return null;
  return Buffer.concat([event.subarray(0, field.start), event.subarray(field.end)]);
}

interface Span {
  readonly start: number;
  readonly end: number;
}

function fieldIn(text: string): Span | null {
  const data = DATA.exec(text);
  if (data === null) return null;
  let depth = 0;
  let keyNext = false;
  let comma = -1;
  for (let at = text.indexOf('{', data.index); at >= 0 && at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = stringEnd(text, at);
      const isKey = depth === 1 && keyNext && end - at === KEY.length && text.startsWith(KEY, at);
      if (isKey) return spanOf(text, { key: at, keyEnd: end, comma });
      keyNext = false;
      at = end - 1;
    } else if (code === COMMA && depth === 1) {
      comma = at;
      keyNext = true;
    } else if (code === OBJECT_OPENS || code === LIST_OPENS) {
      depth++;
      keyNext = depth === 1;
    } else if (code === OBJECT_CLOSES || code === LIST_CLOSES) {
      if (--depth === 0) return null;
    }
  }
  return null;
}

/** The field with the comma before it; with the one behind it where it is the first. */
function spanOf(
  text: string,
  at: { readonly key: number; readonly keyEnd: number; readonly comma: number },
): Span | null {
  COLON.lastIndex = at.keyEnd;
  if (!COLON.test(text)) return null;
  let end = valueEnd(text, COLON.lastIndex);
  while (/\s/.test(text.charAt(end - 1))) end--;
  if (at.comma >= 0) return { start: at.comma, end };
  COMMA_BEHIND.lastIndex = end;
  return { start: at.key, end: COMMA_BEHIND.test(text) ? COMMA_BEHIND.lastIndex : end };
}
