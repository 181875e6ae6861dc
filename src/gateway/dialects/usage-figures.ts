// Reads single figures of a usage as providers state them, hostile ones included. A charge is never below what is stated, and
// no figure becomes negative. A missing figure is null, and an explicit 0 stays 0. Fractions are rounded up; a text of digits
// counts as its number. A value that cannot be a count (negative, words, above the bound) counts as missing: the charge is
// then an estimate and marked as one.

import { type Component, type Quantities, TOKENS_MAX } from '../metering/usage.js';

/** Some providers write their counts as texts; no count within the bound has more digits. */
const DIGITS = /^\d{1,8}$/;

/** A count of tokens or calls; null when there is none. */
export function figure(value: unknown): number | null {
  const count = typeof value === 'string' && DIGITS.test(value) ? Number(value) : value;
  if (typeof count !== 'number' || !(count >= 0) || count > TOKENS_MAX) return null;
  return Math.ceil(count);
}

/** The larger of two figures that may be missing; null when both are. */
export function larger(left: number | null, right: number | null): number | null {
  if (left === null || right === null) return left ?? right;
  return Math.max(left, right);
}

/** Two figures that may be missing, added up; null when both are. */
export function sum(left: number | null, right: number | null): number | null {
  return left === null || right === null ? (left ?? right) : left + right;
}

/** Quantities with `always` as they are, 0 included, and of `parts` those that are above 0. */
export function quantitiesOf(
  always: Partial<Record<Component, number | null>>,
  parts: Partial<Record<Component, number | null>>,
): Quantities {
  const quantities: Partial<Record<Component, number>> = {};
  // for…in allocates nothing, unlike Object.entries: every answer comes here.
  for (const component in always) {
    const quantity = always[component as Component];
    if (quantity != null) quantities[component as Component] = quantity;
  }
  for (const component in parts) {
    const quantity = parts[component as Component];
    if (quantity != null && quantity > 0) quantities[component as Component] = quantity;
  }
  return quantities;
}
