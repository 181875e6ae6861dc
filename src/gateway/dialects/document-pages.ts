// Estimates how many pages a document in base64 has, from its bytes. Holds and estimates of its tokens are made from it; the
// charge is made from the provider's usage. Linear in the document's size. Called by input-bound.ts.

import { Buffer } from 'node:buffer';

/**
 * Bytes of a page, for documents whose pages cannot be counted. A page of compressed text has 3 to 5 kB, one with fonts and a
 * drawing more.
 */
const BYTES_PER_PAGE = 10_000;
/** More pages than any context window holds; OpenAI and Anthropic take at most 1,000. */
const PAGES_MAX = 10_000;
/** How many names that begin like a page's are looked at. A document has a few for each page; this many take 10 ms. */
const FOUND_MAX = 50_000;

const PAGE = '/Page';
const TYPE = '/Type';

/** At least 1. */
export function pagesOf(base64: string): number {
  const bytes = Buffer.from(base64, 'base64');
  const shown = bytes.toString('latin1', 0, 5) === '%PDF-' ? pageObjects(bytes) : 0;
  if (shown > 0) return shown;
  return Math.min(PAGES_MAX, Math.max(1, Math.ceil(bytes.length / BYTES_PER_PAGE)));
}

// Counts `/Type /Page` (ISO 32000-1, 7.7.3.3). Newer files compress these objects, so that the size has to decide.
function pageObjects(bytes: Buffer): number {
  let pages = 0;
  let at = bytes.indexOf(PAGE);
  for (let found = 0; found < FOUND_MAX && at >= 0; found++) {
    if (!isRegular(bytes[at + PAGE.length])) {
      let before = at;
      while (before > 0 && isSpace(bytes[before - 1])) before--;
      if (bytes.toString('latin1', Math.max(0, before - TYPE.length), before) === TYPE) pages++;
    }
    at = bytes.indexOf(PAGE, at + PAGE.length);
  }
  return Math.min(PAGES_MAX, pages);
}

/** Characters that continue a name, as in `/Pages` and `/PageLabels`. */
const REGULAR: ReadonlySet<number> = new Set(
  Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-'),
);

function isRegular(byte: number | undefined): boolean {
  return byte !== undefined && REGULAR.has(byte);
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09 || byte === 0x0c || byte === 0;
}
