// Figures of a usage as providers state them, hostile ones included. The rule: what is stated is never charged below, and
// nothing becomes negative. Missing is null, an explicit 0 stays 0, fractions go up to the next whole, digits in a text count
// as their number. What cannot be a count (negative, words, above the bound) counts as not stated: the charge is then an
// estimate, and marked so.

import type { Component, Quantities } from '../metering/usage.js';

/** Rule Q4 bounds tokens so. A figure above it would book a fortune because of a provider's fault. */
const FIGURE_MAX = 10_000_000;

/** Some providers write their counts as texts; none has more digits than this. */
const DIGITS = /^\d{1,8}$/;

/** A count of tokens or calls; null when there is none. */
export function figure(value: unknown): number | null {
  const count = typeof value === 'string' && DIGITS.test(value) ? Number(value) : value;
  if (typeof count !== 'number' || !(count >= 0) || count > FIGURE_MAX) return null;
  return Math.ceil(count);
}

/** The larger of two figures that may be missing; null when both are. */
export function larger(left: number | null, right: number | null): number | null {
  if (left === null || right === null) return left ?? right;
  return Math.max(left, right);
}

/** Quantities with `always` as they are, 0 included, and of `parts` those that are above 0. */
export function quantitiesOf(
  always: Partial<Record<Component, number | null>>,
  parts: Partial<Record<Component, number | null>>,
): Quantities {
  const quantities: Partial<Record<Component, number>> = {};
  // By for…in, which unlike Object.entries makes nothing: this is on the path of every answer.
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
