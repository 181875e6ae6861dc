// Amounts in the JSON of rows and notes: steps as decimal texts, since JSON has no whole numbers of 64 bits.

import type { Amounts } from '../../core/amount.js';

export function amountsToJson(amounts: Amounts): Record<string, string> {
  return Object.fromEntries(Object.entries(amounts).map(([unit, steps]) => [unit, steps.toString()]));
}

export function amountsFromJson(value: unknown): Amounts | null {
  if (typeof value !== 'object' || value === null) return null;
  return Object.fromEntries(Object.entries(value).map(([unit, steps]) => [unit, BigInt(steps as string)]));
}
