// One day and item of what the ledger charged, with what of it may differ from the bill, and why. Filled by
// ledger-spend.ts, read by gaps.ts.

import type { ItemKind, ReportedItem } from './items.js';

export interface Count {
  calls: number;
  /** Steps of usd. */
  usd: bigint;
}

export interface LedgerRow {
  readonly day: string;
  readonly item: string | null;
  readonly kind: ItemKind;
  /** A name as the ledger's labels have it. */
  readonly name: string;
  usd: bigint;
  calls: number;
  tokens: number;
  /** Parts of costs that were each rounded up to a step: the ledger may be above the bill by so many steps. */
  roundedParts: number;
  /** Charged without, or with only a part of, the provider's own figures. */
  readonly estimated: Count;
  /** Answers that stated a tier, a place or a speed without a known price; they are estimated as well. */
  readonly unpriced: Count;
  readonly cancelled: Count;
  readonly failed: Count;
  /** Nobody settled them before their holds expired. */
  readonly expired: Count;
  /** Settled after they had expired. */
  readonly late: Count;
  /** Booked by somebody, without a hold. */
  readonly recorded: Count;
  /** Booked by a reconciliation. */
  readonly posted: Count;
  /** Of `usd`: recorded, by whomever, and therefore in no hold whose charge could be lowered. */
  withoutHoldUsd: bigint;
}

/** Joins the ledger's rows with the report's. */
export function rowKey(day: string, item: string | null): string {
  return `${day} ${item ?? ''}`;
}

export function emptyRow(day: string, item: ReportedItem | null): LedgerRow {
  return {
    day,
    item: item?.item ?? null,
    kind: item?.kind ?? 'other',
    name: item?.name ?? '',
    usd: 0n,
    calls: 0,
    tokens: 0,
    roundedParts: 0,
    estimated: none(),
    unpriced: none(),
    cancelled: none(),
    failed: none(),
    expired: none(),
    late: none(),
    recorded: none(),
    posted: none(),
    withoutHoldUsd: 0n,
  };
}

const COUNTS = [
  'estimated',
  'unpriced',
  'cancelled',
  'failed',
  'expired',
  'late',
  'recorded',
  'posted',
] as const;

/** The rows of each day as one, for a report that does not tell items apart. */
export function byDay(rows: Iterable<LedgerRow>): Map<string, LedgerRow> {
  const days = new Map<string, LedgerRow>();
  for (const row of rows) {
    const key = rowKey(row.day, null);
    const day = days.get(key) ?? emptyRow(row.day, null);
    days.set(key, day);
    day.usd += row.usd;
    day.calls += row.calls;
    day.tokens += row.tokens;
    day.roundedParts += row.roundedParts;
    day.withoutHoldUsd += row.withoutHoldUsd;
    for (const count of COUNTS) {
      day[count].calls += row[count].calls;
      day[count].usd += row[count].usd;
    }
  }
  return days;
}

function none(): Count {
  return { calls: 0, usd: 0n };
}
