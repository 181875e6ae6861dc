// JSON as the dialects take it: parsed values that nobody has checked, and text that is searched and not parsed, or not yet:
// bodies of requests, and the events of a stream, of which one comes for each token. A key cannot be found inside a string by
// mistake, since the quotes of a string's own text are escaped.

/** A parsed object, its values unknown. */
export type Json = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Json {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** Names of fields, written as one line of words. */
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

/** How far a string is walked by characters before the next quote is searched for: pictures in base64 have none. */
const WALK_CHARS = 16;

/** Just behind the closing quote of the string that opens there; the text's end where it has none. */
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
 * Just behind the value that begins there; the text's end where it has none. A number or a word ends before the comma,
 * brace or bracket behind it, spaces included.
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
