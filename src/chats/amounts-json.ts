// Amounts in the JSON of rows and notes: steps as decimal texts, since JSON has no whole numbers of 64 bits.

import type { Amounts } from '../core/amount.js';

export function amountsToJson(amounts: Amounts): Record<string, string> {
  const json: Record<string, string> = {};
  for (const unit of Object.keys(amounts)) json[unit] = amounts[unit].toString();
  return json;
}

export function amountsFromJson(value: unknown): Amounts | null {
  if (typeof value !== 'object' || value === null) return null;
  const json = value as Readonly<Record<string, string>>;
  const amounts: Record<string, bigint> = {};
  for (const unit of Object.keys(json)) amounts[unit] = BigInt(json[unit]);
  return amounts;
}
