// A cost as the ledger's notes keep it, so that years later anybody can tell which price a charge used (and do the sum):
// one row for each component, at most 15 rows and 1.5 KiB.

import { formatAmount } from '../../core/amount.js';
import type { Component, Cost } from './price.js';

/** Component; quantity; decimal usd for 1,000,000 of it; decimal usd that it cost. */
export type CostRow = readonly [Component, number, string, string];

export function costNote(cost: Cost): CostRow[] {
  return cost.components.map(({ component, quantity, perMillion, cost: steps }) => [
    component,
    quantity,
    formatAmount(perMillion, 8),
    formatAmount(steps, 8),
  ]);
}
