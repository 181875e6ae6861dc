// Amounts between the wire and the ledger: decimals in the unit's natural scale outside, whole steps inside. A JSON
// number is taken only where its text is exact; nothing rounds. Called by the conversions of each feature's API.

import { AmountFormatError, type Amounts, formatAmount, parseAmount } from '../core/amount.js';
import { invalid } from './refusals.js';

/** The decimal digits of a unit; undefined for one that the ledger does not have. */
export interface Scales {
  get(unit: string): number | undefined;
}

/** What the amounts of a request are read by. */
export interface AmountReading {
  readonly scales: Scales;
  /** Numbers of the body that were not written plainly: JSON.parse forgets how numbers were written. */
  readonly unplain: ReadonlySet<number>;
}

/** @throws RefusedError invalid_request naming the field, the value and the bound */
export function amountIn(value: string | number, unit: string, field: string, stated: AmountReading): bigint {
  const scale = stated.scales.get(unit);
  if (scale === undefined) throw invalid(field, `the ledger has no unit ${cut(unit)}`);
  if (typeof value === 'number' && stated.unplain.has(value))
    throw invalid(
      field,
      `${value} was written with an exponent, a sign, or more digits than a number keeps; write it as text, "0.25"`,
    );
  try {
    return parseAmount(value, scale);
  } catch (error) {
    if (error instanceof AmountFormatError) throw invalid(field, error.message);
    throw error;
  }
}

/** Amounts by unit. @throws RefusedError invalid_request */
export function amountsIn(
  amounts: Readonly<Record<string, string | number>>,
  field: string,
  stated: AmountReading,
): Amounts {
  const steps: Record<string, bigint> = {};
  for (const unit in amounts) {
    const value = amounts[unit];
    const scale = stated.scales.get(unit);
    // The name of the field is made up only where something is wrong with it.
    steps[unit] =
      (typeof value === 'string' && scale !== undefined ? plainSteps(value, scale) : undefined) ??
      amountIn(value, unit, `${field}.${cut(unit)}`, stated);
  }
  return steps;
}

/** A double keeps whole numbers of so many digits exactly. */
const EXACT_DIGITS = 15;
const POWERS = Array.from({ length: EXACT_DIGITS + 1 }, (_, digits) => 10 ** digits);

/** The steps of an ordinary amount, in whole numbers, ten times faster; undefined for one that parseAmount must judge. */
function plainSteps(text: string, scale: number): bigint | undefined {
  const point = text.indexOf('.');
  const wholeDigits = point === -1 ? text.length : point;
  const decimals = point === -1 ? 0 : text.length - point - 1;
  if (wholeDigits === 0 || wholeDigits + scale > EXACT_DIGITS || decimals > scale) return undefined;
  if (point !== -1 && decimals === 0) return undefined;
  let digits = 0;
  for (let index = 0; index < text.length; index += 1) {
    const digit = text.charCodeAt(index) - 48;
    if (index === point) continue;
    if (digit < 0 || digit > 9) return undefined;
    digits = digits * 10 + digit;
  }
  return BigInt(digits * POWERS[scale - decimals]);
}

/** A decimal in the unit's natural scale. */
export function amountOut(steps: bigint, unit: string, scales: Scales): string {
  return formatAmount(steps, scales.get(unit) ?? 0);
}

export function amountOutOrNull(steps: bigint | null, unit: string, scales: Scales): string | null {
  return steps === null ? null : amountOut(steps, unit, scales);
}

export function amountsOut(amounts: Amounts, scales: Scales): Record<string, string> {
  const shown: Record<string, string> = {};
  for (const unit of Object.keys(amounts)) shown[unit] = amountOut(amounts[unit], unit, scales);
  return shown;
}

// A unit's name is 64 characters at most.
function cut(text: string): string {
  return JSON.stringify(text.length <= 64 ? text : text.slice(0, 64)).slice(1, -1);
}
