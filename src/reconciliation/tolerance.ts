// The tolerance of a reconciliation: how large a deviation is accepted, as a share of what the provider billed or as usd.

import { AmountFormatError, formatAmount, parseAmount } from '../core/amount.js';
import { InvalidInputError } from '../core/errors.js';

/** Digits after the point of a percentage. */
const PERCENT_DIGITS = 6;

export type Tolerance =
  /** Millionths of a per cent. */
  | { readonly percentMillionths: bigint }
  /** Steps of usd. */
  | { readonly usd: bigint };

export const NO_TOLERANCE: Tolerance = { usd: 0n };

/** `1%`, `0.25%`, or an amount of usd such as `0.50`. @throws InvalidInputError */
export function parseTolerance(text: string): Tolerance {
  try {
    if (!text.endsWith('%')) return { usd: parseAmount(text, 8) };
    const percentMillionths = parseAmount(text.slice(0, -1), PERCENT_DIGITS);
    if (percentMillionths <= 100n * 10n ** BigInt(PERCENT_DIGITS)) return { percentMillionths };
  } catch (error) {
    if (!(error instanceof AmountFormatError)) throw error;
  }
  throw new InvalidInputError(
    'tolerance',
    `${JSON.stringify(text.slice(0, 40))} is neither a percentage from 0% to 100%, such as 1%, nor an amount of usd, such as 0.50`,
  );
}

export function toleranceText(tolerance: Tolerance): string {
  if ('usd' in tolerance) return formatAmount(tolerance.usd, 8);
  return `${formatAmount(tolerance.percentMillionths, PERCENT_DIGITS)}%`;
}

/** The accepted deviation of a bill, both in steps of usd. */
export function toleratedUsd(tolerance: Tolerance, billedUsd: bigint): bigint {
  if ('usd' in tolerance) return tolerance.usd;
  const billed = billedUsd < 0n ? -billedUsd : billedUsd;
  return (billed * tolerance.percentMillionths) / (100n * 10n ** BigInt(PERCENT_DIGITS));
}
