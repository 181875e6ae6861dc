// What a provider says that it billed: usd by UTC day and item, with requests and tokens where it states them. Filled by
// provider-report.ts and csv-report.ts; compared with the ledger by gaps.ts. Money is exact: amounts
// are summed with more digits than the ledger keeps, and rounded once for each day and item.

import { createHash } from 'node:crypto';
import { type DayItem, dayItem, type ReportedItem, rowKey } from './items.js';
import { ATTOS_PER_STEP } from './money-text.js';

/** More lines of a day and item than a year of every model of the largest provider has; each takes some 300 bytes. */
const ROWS_MAX = 100_000;

export interface ReportRow extends DayItem {
  /** Steps of usd. A credit makes it negative. */
  readonly usd: bigint;
  /** Null where the report does not count them. */
  readonly requests: number | null;
  readonly tokens: number | null;
  /** Of `usd`: what is billed at another price than the usual one, by the provider's word for it (`priority`, `batch`). */
  readonly tiers: Readonly<Record<string, bigint>>;
}

export interface UsageReport {
  /** Where it came from, for people: a URL without its query, or the name of a file. */
  readonly source: string;
  /** By day, then item. */
  readonly rows: readonly ReportRow[];
  /** Whether it tells models apart. Where it does not, days alone are compared. */
  readonly hasItems: boolean;
  /** SHA-256 of the rows: the name of the report. The same figures have the same one. */
  readonly digest: string;
  /** For people: parts of the report that could not be read. */
  readonly notes: readonly string[];
}

/** The report has no usable answer: the message says what was wrong, and never has a key in it. */
export class ReportError extends Error {
  override readonly name = 'ReportError';
}

interface RowSum extends DayItem {
  attos: bigint;
  requests: number | null;
  tokens: number | null;
  readonly tiers: Map<string, bigint>;
}

/** Adds up the lines of a report. */
export class ReportBuilder {
  readonly #rows = new Map<string, RowSum>();
  readonly #notes: string[] = [];

  constructor(private readonly source: string) {}

  /** `attos`: billionths of a billionth of a usd. `tier`: null where the usual price applies. */
  addMoney(day: string, item: ReportedItem | null, attos: bigint, tier: string | null = null): void {
    const row = this.#row(day, item);
    row.attos += attos;
    if (tier !== null) row.tiers.set(tier, (row.tiers.get(tier) ?? 0n) + attos);
  }

  addUse(
    day: string,
    item: ReportedItem,
    use: { readonly requests?: number | undefined; readonly tokens?: number | undefined },
  ): void {
    const row = this.#row(day, item);
    if (use.requests !== undefined) row.requests = (row.requests ?? 0) + use.requests;
    if (use.tokens !== undefined) row.tokens = (row.tokens ?? 0) + use.tokens;
  }

  note(text: string): void {
    this.#notes.push(text);
  }

  build(): UsageReport {
    const sums = [...this.#rows.values()];
    const withMoney = sums.filter(({ attos }) => attos !== 0n);
    const hasItems = (withMoney.length === 0 ? sums : withMoney).some(({ item }) => item !== null);
    // Money that names no items is compared by day, and so are the calls that are counted by model.
    const rows = (hasItems ? sums : foldedByDay(sums)).map(rowOf).sort(byDayAndItem);
    return { source: this.source, rows, hasItems, digest: digestOf(rows), notes: this.#notes };
  }

  /** @throws ReportError */
  #row(day: string, item: ReportedItem | null): RowSum {
    const key = rowKey({ day, item: item?.item ?? null });
    const known = this.#rows.get(key);
    if (known !== undefined) return known;
    if (this.#rows.size >= ROWS_MAX)
      throw new ReportError(`${this.source}: has more than ${ROWS_MAX} days and models; ask for fewer days`);
    const made = emptySum(day, item);
    this.#rows.set(key, made);
    return made;
  }
}

function foldedByDay(sums: readonly RowSum[]): RowSum[] {
  const days = new Map<string, RowSum>();
  for (const { day, attos, requests, tokens } of sums) {
    const sum = days.get(day) ?? emptySum(day, null);
    days.set(day, sum);
    sum.attos += attos;
    if (requests !== null) sum.requests = (sum.requests ?? 0) + requests;
    if (tokens !== null) sum.tokens = (sum.tokens ?? 0) + tokens;
  }
  return [...days.values()];
}

function emptySum(day: string, item: ReportedItem | null): RowSum {
  return { ...dayItem(day, item), attos: 0n, requests: null, tokens: null, tiers: new Map() };
}

function rowOf({ attos, tiers, ...row }: RowSum): ReportRow {
  const inSteps = [...tiers].map(([tier, money]) => [tier, nearestStep(money)] as const);
  return { ...row, usd: nearestStep(attos), tiers: Object.fromEntries(inSteps) };
}

/** Half a step and more goes up, away from zero. */
function nearestStep(attos: bigint): bigint {
  if (attos < 0n) return -nearestStep(-attos);
  return (attos + ATTOS_PER_STEP / 2n) / ATTOS_PER_STEP;
}

function byDayAndItem(left: ReportRow, right: ReportRow): number {
  if (left.day !== right.day) return left.day < right.day ? -1 : 1;
  const [one, other] = [left.item ?? '', right.item ?? ''];
  return one === other ? 0 : one < other ? -1 : 1;
}

// The money alone: how often a request was counted does not make it another bill.
function digestOf(rows: readonly ReportRow[]): string {
  const hash = createHash('sha256').update('bursar usage report 1\n');
  for (const { day, item, usd } of rows) hash.update(`${JSON.stringify([day, item, String(usd)])}\n`);
  return hash.digest('hex');
}
