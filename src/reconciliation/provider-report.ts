// A provider's own report, read over its admin API: first the costs, which are what is billed, then the usage, which says how many
// calls and tokens that was and is not needed for the money. What differs between providers is a `ProviderApi`.

import { type DayRange, dayOf } from './days.js';
import { modelItem, type ReportedItem } from './items.js';
import { attosOf } from './money-text.js';
import {
  isObject,
  ReportMissingError,
  type ReportPages,
  type ReportReader,
  reportPages,
} from './report-pages.js';
import { ReportBuilder, ReportError, type UsageReport } from './usage-report.js';

/** The most days that the usage of both providers gives on a page; the costs take it as well. */
const DAYS_ON_PAGE = '31';

type Fields = Readonly<Record<string, unknown>>;

export interface ProviderApi {
  /** Where it is unless stated otherwise, and the environment variable that the provider's own package reads its key from. */
  readonly baseUrl: string;
  readonly keyFrom: string;
  /** Behind the base URL, before the paths below. */
  readonly prefix: string;
  readonly costs: { readonly path: string; readonly groupBy: string };
  /** Reports of calls or tokens, grouped by model, and what is not known without them. */
  readonly usage: readonly { readonly path: string; readonly what: string }[];
  readonly rangeQuery: (range: DayRange) => readonly (readonly [string, string])[];
  readonly headers: (secret: string) => Readonly<Record<string, string>>;
  /** The field of a bucket that says when it begins, and that instant in epoch ms. */
  readonly bucketStart: string;
  readonly startOf: (bucket: Fields) => number;
  /** Null for a result that states no cost. */
  readonly costOf: (result: Fields) => ReportedCost | null;
  readonly useOf: (result: Fields) => { readonly requests?: number; readonly tokens: number };
}

export interface ReportedCost {
  readonly amount: unknown;
  /** Digits behind the point of usd that its unit has. */
  readonly unitDigits: 0 | 2;
  readonly currency: unknown;
  readonly item: ReportedItem | null;
  /** What is billed at another price than the usual one; null: it is the usual one. */
  readonly tier: string | null;
}

/** How an API is reached. */
export interface ReportAccess {
  /** Without a trailing slash. */
  readonly baseUrl: string;
  readonly key: ReportPages['key'];
  readonly reader: ReportReader;
  readonly signal: AbortSignal | undefined;
}

/** @throws ReportError */
export async function providerReport(
  api: ProviderApi,
  range: DayRange,
  access: ReportAccess,
): Promise<UsageReport> {
  const pagesOf = (path: string, groupBy: string): ReportPages => ({
    ...access,
    url: `${access.baseUrl}${api.prefix}/${path}`,
    query: [
      ...api.rangeQuery(range),
      ['bucket_width', '1d'],
      ['group_by[]', groupBy],
      ['limit', DAYS_ON_PAGE],
    ],
    headers: { ...api.headers(access.key.secret), accept: 'application/json' },
  });
  const costs = pagesOf(api.costs.path, api.costs.groupBy);
  const report = new ReportBuilder(costs.url);
  for await (const { day, result } of results(api, costs, range)) {
    const cost = api.costOf(result);
    if (cost !== null) report.addMoney(day, cost.item, moneyOf(cost, costs.url), cost.tier);
  }
  for (const { path, what } of api.usage) {
    try {
      for await (const { day, result } of results(api, pagesOf(path, 'model'), range)) {
        if (typeof result.model === 'string' && result.model !== '')
          report.addUse(day, modelItem(result.model), api.useOf(result));
      }
    } catch (error) {
      // The money is complete without it.
      if (!(error instanceof ReportMissingError)) throw error;
      report.note(`${what} are not known: ${error.message}`);
    }
  }
  return report.build();
}

function moneyOf({ amount, unitDigits, currency }: ReportedCost, url: string): bigint {
  if (String(currency).toLowerCase() !== 'usd')
    throw new ReportError(`${url}: states ${String(currency).slice(0, 8)}; only usd is compared`);
  const attos = attosOf(String(amount), unitDigits);
  if (attos !== null) return attos;
  throw new ReportError(`${url}: the amount ${JSON.stringify(amount).slice(0, 40)} is no decimal`);
}

/** Every result with the day of its bucket. What lies outside the range is left out: a provider may give a day more. */
async function* results(
  { startOf, bucketStart }: ProviderApi,
  pages: ReportPages,
  range: DayRange,
): AsyncGenerator<{ readonly day: string; readonly result: Fields }> {
  for await (const data of reportPages(pages)) {
    for (const bucket of data) {
      const startAt = isObject(bucket) ? startOf(bucket) : Number.NaN;
      // OpenAI's description once called the list `result`.
      const list = isObject(bucket) ? (bucket.results ?? bucket.result) : null;
      if (Number.isNaN(startAt) || !Array.isArray(list))
        throw new ReportError(`${pages.url}: a bucket has no ${bucketStart} or no results`);
      if (startAt < range.startAt || startAt >= range.endAt) continue;
      for (const result of list) if (isObject(result)) yield { day: dayOf(startAt), result };
    }
  }
}

/** Counts come as texts, since numbers are kept as they were written. What is no count is taken for zero. */
export function countOf(value: unknown): number {
  const count = Number(value ?? 0);
  return Number.isSafeInteger(count) && count >= 0 ? count : 0;
}
