// Reads money as providers write it, without floats: decimals of any length, with or without an exponent, in dollars or
// cents. Providers print sums of doubles ("0.8958740000000000", 6.2e-05), so more digits than the ledger keeps are usual.

/** One usd has 10^18 of them: more digits than any report states, so that sums are rounded once, at their end. */
const ATTO_DIGITS = 18;
/** A step of the ledger, 10^-8 usd. */
export const ATTOS_PER_STEP = 10_000_000_000n;

/** A text longer than this is no amount; a double has at most 17 digits that mean something. */
const TEXT_LENGTH_MAX = 64;
/** Far beyond any sum, and small enough that the power of ten stays small. */
const EXPONENT_MAX = 40;

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/;

/**
 * Billionths of a billionth of a usd, or null when the text is no decimal. `unitDigits`: 0 for dollars, 2 for cents.
 * Digits beyond 10^-18 usd are cut off.
 */
export function attosOf(text: string, unitDigits: 0 | 2 = 0): bigint | null {
  if (text.length > TEXT_LENGTH_MAX) return null;
  const match = DECIMAL.exec(text);
  if (match === null) return null;
  const [, sign, whole, fraction = '', exponentText = '0'] = match;
  if (whole === '' && fraction === '') return null;
  const exponent = Number(exponentText);
  if (Math.abs(exponent) > EXPONENT_MAX) return null;
  const digits = BigInt(whole + fraction);
  const shift = ATTO_DIGITS - unitDigits + exponent - fraction.length;
  const attos = shift >= 0 ? digits * 10n ** BigInt(shift) : digits / 10n ** BigInt(-shift);
  return sign === '-' ? -attos : attos;
}

/** At most as long as an amount may be. A longer run is not a number, and parsing fails. */
const NUMBER = /-?\d[\d.eE+-]{0,63}/g;

/**
 * Parses JSON and keeps each number as the text in which it was written, since `JSON.parse` would make doubles of amounts.
 * Takes linear time; no pattern runs over the whole text, since a long one would exhaust the stack.
 * @throws SyntaxError
 */
export function parseJsonWithNumberTexts(text: string): unknown {
  const pieces: string[] = [];
  let at = 0;
  while (at < text.length) {
    const begin = text.indexOf('"', at);
    const outside = begin === -1 ? text.slice(at) : text.slice(at, begin);
    pieces.push(outside.replace(NUMBER, '"$&"'));
    if (begin === -1) break;
    at = endOfText(text, begin);
    pieces.push(text.slice(begin, at));
  }
  return JSON.parse(pieces.join(''));
}

/** Behind the quote that ends a text: the first with an even number of backslashes before it. */
function endOfText(text: string, begin: number): number {
  for (let quote = text.indexOf('"', begin + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
  }
  return text.length;
}
