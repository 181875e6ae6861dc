// JSON as the dialects read it: parsed values of unknown shape, and JSON text that is searched without parsing. Bodies of
// requests and events of streams are searched, since an event comes for each token. A search for a quoted key never finds text
// inside a string, because a string's own quotes are escaped.

/** A parsed object, its values unknown. */
export type Json = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Json {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** Splits a line of field names at its spaces. */
export function namesIn(line: string): string[] {
  return line.split(' ');
}

export const QUOTE = 0x22;
export const COMMA = 0x2c;
export const COLON = 0x3a;
export const BACKSLASH = 0x5c;
export const LIST_OPENS = 0x5b;
export const LIST_CLOSES = 0x5d;
export const OBJECT_OPENS = 0x7b;
export const OBJECT_CLOSES = 0x7d;

/** Where a value stands, in characters or in bytes. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Whether a character or byte is JSON's white space. */
export function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

/** The span without white space at its ends. */
export function trimmed(text: string, start: number, end: number): Span {
  while (start < end && isSpace(text.charCodeAt(start))) start++;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return { start, end };
}

/** How many characters of a string are read one by one before the next quote is searched for. Base64 has no quotes. */
const WALK_CHARS = 16;

/** The index after the closing quote of the string that opens at `opens`; the text's end where it has none. */
export function stringEnd(text: string, opens: number): number {
  let at = opens + 1;
  for (;;) {
    for (const walkEnd = at + WALK_CHARS; at < walkEnd; at++) {
      const code = text.charCodeAt(at);
      if (code === BACKSLASH) at++;
      else if (code === QUOTE) return at + 1;
    }
    const quote = text.indexOf('"', at);
    if (quote < 0) return text.length;
    let backslashes = 0;
    while (quote - 1 - backslashes >= at && text.charCodeAt(quote - 1 - backslashes) === BACKSLASH)
      backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
    at = quote + 1;
  }
}

/**
 * The index after the value that begins at `from`; the text's end where it is not complete. A number or a word ends before the
 * next comma, brace or bracket, so that it includes spaces.
 */
export function valueEnd(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = stringEnd(text, at) - 1;
      if (depth === 0) return at + 1;
    } else if (code === OBJECT_OPENS || code === LIST_OPENS) depth++;
    else if (code === OBJECT_CLOSES || code === LIST_CLOSES) {
      if (depth === 0) return at;
      if (--depth === 0) return at + 1;
    } else if (code === COMMA && depth === 0) return at;
  }
  return text.length;
}
