// Amounts and units. An amount is a whole number of a unit's steps, 0 … 2^63−1, a bigint; on the wire it is
// a decimal string in the unit's natural scale ("0.25"). Nothing here rounds, and no float takes part.

/** The largest amount, 2^63−1 steps: what one signed 64-bit column holds. */
export const AMOUNT_MAX = 9_223_372_036_854_775_807n;

/** Most digits after the point that a unit may have; 10^18 is the last power of ten below 2^63. */
export const UNIT_SCALE_MAX = 18;

/** What is counted. `scale` is the number of decimal digits: usd has 8, so that one step is 1e-8 USD (a microcent). */
export interface Unit {
  readonly name: string;
  readonly scale: number;
}

/** Amounts by unit name, in steps of each unit. */
export type Amounts = Readonly<Record<string, bigint>>;

/** The units that every ledger has from its start. `calls` counts holds: each carries `calls: 1` unless it says otherwise. */
export const BUILT_IN_UNITS: readonly Unit[] = [
  { name: 'usd', scale: 8 },
  { name: 'tokens', scale: 0 },
  { name: 'calls', scale: 0 },
];

const ZERO = 0x30;

/** Says what is wrong with a text or number as an amount, without naming where it stood. */
export class AmountFormatError extends Error {
  override readonly name = 'AmountFormatError';
}

/**
 * Reads a decimal string (or a JSON number that is exact at the scale) as steps of a unit.
 * @throws AmountFormatError for a sign, an exponent, more digits than the scale, NaN, or more than 2^63−1 steps.
 */
export function parseAmount(input: string | number, scale: number): bigint {
  const text = typeof input === 'number' ? textOfNumber(input, scale) : input;
  const match = /^(\d{1,19})(?:\.(\d{1,18}))?$/.exec(text);
  if (match === null) {
    throw new AmountFormatError(`${quoted(text)} is not a decimal amount such as "12" or "0.25"`);
  }
  const fraction = match[2] ?? '';
  if (fraction.length > scale) {
    throw new AmountFormatError(
      `${quoted(text)} has ${fraction.length} decimal digits; at most ${scale} fit`,
    );
  }
  const steps = BigInt(match[1] + fraction.padEnd(scale, '0'));
  if (steps > AMOUNT_MAX) {
    throw new AmountFormatError(
      `${quoted(text)} is above the largest amount, ${formatAmount(AMOUNT_MAX, scale)}`,
    );
  }
  return steps;
}

/** Writes steps as a decimal string in the unit's natural scale, without trailing zeros: 25000000n at scale 8 is "0.25". */
export function formatAmount(steps: bigint, scale: number): string {
  if (steps < 0n) return `-${formatAmount(-steps, scale)}`;
  const digits = steps.toString();
  if (scale === 0 || steps === 0n) return digits;
  const point = digits.length - scale;
  let end = digits.length;
  while (digits.charCodeAt(end - 1) === ZERO) end -= 1;
  if (end <= point) return digits.slice(0, point);
  if (point <= 0) return `0.${'0'.repeat(-point)}${digits.slice(0, end)}`;
  return `${digits.slice(0, point)}.${digits.slice(point, end)}`;
}

/** US dollars as steps: `usd('0.25')` is 25_000_000n. @throws AmountFormatError */
export function usd(amount: string | number): bigint {
  return parseAmount(amount, 8);
}

// A JSON number is taken when its shortest decimal form is exact at the scale; an integer beyond 2^53 is not exact.
function textOfNumber(input: number, scale: number): string {
  if (!Number.isFinite(input)) throw new AmountFormatError(`${input} is not an amount`);
  if (input > Number.MAX_SAFE_INTEGER) {
    throw new AmountFormatError(`the number ${input} is not exact; write it as a string`);
  }
  const text = String(input);
  if (!text.includes('e-')) return text;
  // Number → string turns to exponents below 1e-6; within the scale the digits are still exact.
  const expanded = input.toFixed(scale);
  if (Number(expanded) !== input)
    throw new AmountFormatError(`${text} has more decimal digits than ${scale}`);
  return expanded.includes('.') ? expanded.replace(/\.?0+$/, '') : expanded;
}

function quoted(text: string): string {
  return text.length <= 40 ? JSON.stringify(text) : `${JSON.stringify(text.slice(0, 40))}…`;
}
