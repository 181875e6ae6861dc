// How numbers were written in a JSON text. An amount given as a number is exact only if it was written plainly: 1e2 and
// 0.30000000000000000004 become other texts once parsed. Called for each number of a body, once.

/** A double carries any decimal of so many significant digits exactly (IEEE 754). */
const EXACT_DIGITS = 15;

/** Whether a number's text is plain: digits, perhaps a point and digits; no sign, no exponent, no more than a number keeps. */
export function isPlain(token: string): boolean {
  if (!/^\d+(?:\.\d+)?$/.test(token)) return false;
  if (token.length <= EXACT_DIGITS) return true;
  const digits = token.replace('.', '').replace(/^0+/, '');
  const significant = token.includes('.') ? withoutLastZeros(digits) : digits;
  return significant.length <= EXACT_DIGITS || (Number.isSafeInteger(Number(token)) && !token.includes('.'));
}

// A pattern would look at each run of zeros again from each of its digits.
function withoutLastZeros(digits: string): string {
  let end = digits.length;
  while (end > 0 && digits[end - 1] === '0') end -= 1;
  return digits.slice(0, end);
}
