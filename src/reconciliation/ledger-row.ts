// What the ledger charged for one day and item, and what part of that may differ from the bill, by reason. Filled by
// ledger-spend.ts, read by gaps.ts.

import { type DayItem, dayItem, type ReportedItem, rowKey } from './items.js';

export interface Count {
  calls: number;
  /** Steps of usd. */
  usd: bigint;
}

/**
 * What is counted apart. `estimated`: charged without, or with only a part of, the provider's own figures. `unpriced`: the
 * answer stated a tier, a place or a speed without a known price; these are estimated as well. `cancelled`, `failed`: charged
 * by rule Q9. `expired`: not settled before their holds expired; `late`: settled after that. `recorded`: booked by a
 * caller, without a hold; `posted`: booked by a reconciliation.
 */
export const COUNTED = [
  'estimated',
  'unpriced',
  'cancelled',
  'failed',
  'expired',
  'late',
  'recorded',
  'posted',
] as const;
export type Counted = (typeof COUNTED)[number];

export interface LedgerRow extends DayItem {
  usd: bigint;
  calls: number;
  tokens: number;
  /** Parts of costs that were each rounded up to a step: the ledger may be above the bill by so many steps. */
  roundedParts: number;
  /** The part of `usd` that was recorded without a hold, so that there is no charge that could be lowered. */
  withoutHoldUsd: bigint;
  readonly counts: Readonly<Record<Counted, Count>>;
}

export function emptyRow(day: string, item: ReportedItem | null): LedgerRow {
  const counts = COUNTED.map((counted): [Counted, Count] => [counted, { calls: 0, usd: 0n }]);
  return {
    ...dayItem(day, item),
    usd: 0n,
    calls: 0,
    tokens: 0,
    roundedParts: 0,
    withoutHoldUsd: 0n,
    counts: Object.fromEntries(counts) as Record<Counted, Count>,
  };
}

/** The rows of each day as one, for a report that does not tell items apart. */
export function byDay(rows: Iterable<LedgerRow>): Map<string, LedgerRow> {
  const days = new Map<string, LedgerRow>();
  for (const row of rows) {
    const key = rowKey({ day: row.day, item: null });
    const day = days.get(key) ?? emptyRow(row.day, null);
    days.set(key, day);
    day.usd += row.usd;
    day.calls += row.calls;
    day.tokens += row.tokens;
    day.roundedParts += row.roundedParts;
    day.withoutHoldUsd += row.withoutHoldUsd;
    for (const counted of COUNTED) addTo(day.counts[counted], row.counts[counted]);
  }
  return days;
}

export function addTo(count: Count, { calls, usd }: Count): void {
  count.calls += calls;
  count.usd += usd;
}
