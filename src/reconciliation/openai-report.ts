// OpenAI's costs and usage of an organization as a usage report. The costs are what is billed: usd a UTC day and line item.
// The usage says how many requests and tokens that was, and is not needed for the money.
//
// Wire format: https://platform.openai.com/docs/api-reference/usage (GET /v1/organization/costs and
// /v1/organization/usage/…), as the npm package openai 6.49.0 types it (resources/admin/organization/usage.d.ts): buckets of
// a day by `start_time` in Unix seconds, at most 31 a page, lists in a query as `group_by[]`, `next_page` as `page`. Line
// items are texts: "gpt-4o-2024-08-06, cached input", "priority | gpt-5.6, output, long context", "web search tool calls".

import { type DayRange, dayOf } from './days.js';
import { modelItem, otherItem, type ReportedItem } from './items.js';
import { attosOf } from './money-text.js';
import type { ReportAccess } from './report-pages.js';
import { isObject, ReportMissingError, type ReportPages, reportPages } from './report-pages.js';
import { ReportBuilder, ReportError, type UsageReport } from './usage-report.js';

/** The most days that the usage gives on a page; the costs take it as well. */
const DAYS_ON_PAGE = '31';

/** What calls that Bursar meters are counted under. */
const COUNTED = [
  'completions',
  'embeddings',
  'moderations',
  'images',
  'audio_speeches',
  'audio_transcriptions',
];

/** @throws ReportError */
export async function openAiReport(range: DayRange, access: ReportAccess): Promise<UsageReport> {
  const report = new ReportBuilder(`${access.baseUrl}/v1/organization/costs`);
  await readCosts(report, range, access);
  for (const counted of COUNTED) await readUsage(report, counted, range, access);
  return report.build();
}

async function readCosts(report: ReportBuilder, range: DayRange, access: ReportAccess): Promise<void> {
  const pages = pagesOf(range, access, { path: 'costs', groupBy: 'line_item' });
  for await (const { day, result } of results(pages, range)) {
    const { amount, line_item: lineItem } = result;
    if (!isObject(amount) || amount.value === undefined || amount.value === null) continue;
    const { currency = 'usd', value } = amount;
    if (String(currency).toLowerCase() !== 'usd')
      throw new ReportError(`${pages.url}: states ${String(currency).slice(0, 8)}; only usd is compared`);
    const attos = attosOf(String(value));
    if (attos === null)
      throw new ReportError(`${pages.url}: the amount ${JSON.stringify(value).slice(0, 40)} is no decimal`);
    const { item, tier } = typeof lineItem === 'string' ? lineItemOf(lineItem) : NO_ITEM;
    report.addMoney(day, item, attos, tier);
  }
}

const NO_ITEM = { item: null, tier: null };

/** Of a line item: what it is for, and which price other than the usual one it says that it has. */
export function lineItemOf(text: string): {
  readonly item: ReportedItem | null;
  readonly tier: string | null;
} {
  const [, before, rest] = /^(?:([^|,]+) \| )?(.*)$/s.exec(text) as RegExpExecArray;
  const [head, ...words] = rest.split(', ');
  const tiers = [before, ...words.filter((word) => /batch|flex|priority|long context/i.test(word))];
  const tier = tiers
    .filter((word) => word !== undefined)
    .join(', ')
    .toLowerCase();
  // "gpt-image-1 text, input": a word for what went in or out may follow the model.
  const model = head.replace(/ (?:text|audio|image)$/, '');
  const isModel = words.length > 0 && /^\S+$/.test(model);
  if (head.trim() === '') return NO_ITEM;
  return { item: isModel ? modelItem(model) : otherItem(rest), tier: tier === '' ? null : tier };
}

async function readUsage(
  report: ReportBuilder,
  counted: string,
  range: DayRange,
  access: ReportAccess,
): Promise<void> {
  const pages = pagesOf(range, access, { path: `usage/${counted}`, groupBy: 'model' });
  try {
    for await (const { day, result } of results(pages, range)) {
      if (typeof result.model !== 'string' || result.model === '') continue;
      const requests = countOf(result.num_model_requests);
      const tokens = countOf(result.input_tokens) + countOf(result.output_tokens);
      report.addUse(day, modelItem(result.model), { requests, tokens });
    }
  } catch (error) {
    // The money is complete without it.
    if (!(error instanceof ReportMissingError)) throw error;
    report.note(`calls and tokens of ${counted} are not known: ${error.message}`);
  }
}

function pagesOf(
  range: DayRange,
  { baseUrl, key, reader, signal }: ReportAccess,
  { path, groupBy }: { readonly path: string; readonly groupBy: string },
): ReportPages {
  const query = [
    ['start_time', String(range.startAt / 1_000)],
    ['end_time', String(range.endAt / 1_000)],
    ['bucket_width', '1d'],
    ['group_by[]', groupBy],
    ['limit', DAYS_ON_PAGE],
  ] as const;
  const headers = { authorization: `Bearer ${key.secret}`, accept: 'application/json' };
  return { reader, url: `${baseUrl}/v1/organization/${path}`, query, headers, key, signal };
}

/** Every result, with the day of its bucket. What lies outside the range is left out: OpenAI may give a day more. */
async function* results(
  pages: ReportPages,
  range: DayRange,
): AsyncGenerator<{ readonly day: string; readonly result: Record<string, unknown> }> {
  for await (const { data } of reportPages(pages)) {
    for (const bucket of data) {
      const startAt = isObject(bucket) ? countOf(bucket.start_time) * 1_000 : 0;
      // Its description once called the list `result`.
      const list = isObject(bucket) ? (bucket.results ?? bucket.result) : null;
      if (startAt === 0 || !Array.isArray(list))
        throw new ReportError(`${pages.url}: a bucket has no start_time or no results`);
      if (startAt < range.startAt || startAt >= range.endAt) continue;
      for (const result of list) if (isObject(result)) yield { day: dayOf(startAt), result };
    }
  }
}

/** Counts come as texts, since numbers are kept as they were written. What is none counts as zero. */
export function countOf(value: unknown): number {
  const count = Number(value ?? 0);
  return Number.isSafeInteger(count) && count >= 0 ? count : 0;
}
