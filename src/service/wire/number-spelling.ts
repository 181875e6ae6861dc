// How numbers were written in a JSON text. An amount given as a number is exact only if it was written plainly: 1e2 and
// 0.30000000000000000004 become other texts once parsed. Called by amounts.ts for numbers alone, so texts cost nothing.

/** A double carries any decimal of so many significant digits exactly (IEEE 754). */
const EXACT_DIGITS = 15;

/**
 * Whether every number in the text that has this value is plain: digits, perhaps a point and digits; no sign, no
 * exponent, no more digits than a number keeps.
 */
export function isPlainNumber(value: number, text: string): boolean {
  for (const [token] of withoutTexts(text).matchAll(/-?\d[\d.eE+-]*/g)) {
    if (Number(token) === value && !isPlain(token)) return false;
  }
  return true;
}

function isPlain(token: string): boolean {
  if (!/^\d+(?:\.\d+)?$/.test(token)) return false;
  const digits = token.replace('.', '').replace(/^0+/, '');
  const significant = token.includes('.') ? digits.replace(/0+$/, '') : digits;
  return significant.length <= EXACT_DIGITS || (Number.isSafeInteger(Number(token)) && !token.includes('.'));
}

// One pass without backtracking: a text ends at the first quote that no backslash stands before.
function withoutTexts(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"/gs, '""');
}
