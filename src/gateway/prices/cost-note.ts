// A cost as the ledger's notes keep it, so that years later anybody can tell which price a charge used (and do the sum):
// JSON of one row for each component, at most 15 rows and 1.5 KiB. Written by hand: each call of the gateway has two.

import { formatAmount } from '../../core/amount.js';
import type { Cost } from './price.js';

/** `[[component, quantity, "decimal usd for 1,000,000 of it", "decimal usd that it cost"], …]` */
export function costNote({ components }: Cost): string {
  let rows = '';
  for (const { component, quantity, perMillion, cost } of components) {
    if (rows !== '') rows += ',';
    rows += `["${component}",${quantity},"${formatAmount(perMillion, 8)}","${formatAmount(cost, 8)}"]`;
  }
  return `[${rows}]`;
}
