// Anthropic's cost and usage reports of an organization as a usage report. The cost report is what is billed; the usage
// report says how many tokens that was, and is not needed for the money. Neither counts requests.
//
// Wire format: https://platform.claude.com/docs/en/api/admin-api/usage-cost/get-cost-report and …/get-messages-usage-report
// (GET /v1/organizations/cost_report and /v1/organizations/usage_report/messages): buckets of a day, at most 31 a page,
// `next_page` as `page`; amounts are decimal texts in cents ("123.45" is 1.2345 usd); `model` and `cost_type` are stated
// when grouped by `description`. Costs of the priority tier are in no report. The pages call both legacy since 2026-08, for
// GET /v1/organizations/analytics/cost, which is in beta.

import { type DayRange, dayOf } from './days.js';
import { modelItem, otherItem, type ReportedItem } from './items.js';
import { attosOf } from './money-text.js';
import { countOf } from './openai-report.js';
import type { ReportAccess } from './report-pages.js';
import { isObject, ReportMissingError, type ReportPages, reportPages } from './report-pages.js';
import { ReportBuilder, ReportError, type UsageReport } from './usage-report.js';

const DAYS_ON_PAGE = '31';
const API_VERSION = '2023-06-01';

/** Fields of a cost that name its price, and what they say where it is the usual one. */
const PRICE_FIELDS: readonly (readonly [field: string, usual: readonly string[]])[] = [
  ['service_tier', ['standard']],
  ['context_window', ['0-200k']],
  ['inference_geo', ['global', 'not_available']],
  ['speed', ['standard']],
];

/** @throws ReportError */
export async function anthropicReport(range: DayRange, access: ReportAccess): Promise<UsageReport> {
  const report = new ReportBuilder(`${access.baseUrl}/v1/organizations/cost_report`);
  await readCosts(report, range, access);
  await readUsage(report, range, access);
  return report.build();
}

async function readCosts(report: ReportBuilder, range: DayRange, access: ReportAccess): Promise<void> {
  const pages = pagesOf(range, access, { path: 'cost_report', groupBy: 'description' });
  for await (const { day, result } of results(pages, range)) {
    const { amount, currency = 'USD' } = result;
    if (String(currency).toUpperCase() !== 'USD')
      throw new ReportError(`${pages.url}: states ${String(currency).slice(0, 8)}; only usd is compared`);
    const attos = amount === undefined || amount === null ? 0n : attosOf(String(amount), 2);
    if (attos === null)
      throw new ReportError(`${pages.url}: the amount ${JSON.stringify(amount).slice(0, 40)} is no decimal`);
    report.addMoney(day, itemOf(result), attos, tierOf(result));
  }
}

function itemOf({ model, cost_type: costType, description }: Record<string, unknown>): ReportedItem | null {
  if (typeof model === 'string' && model !== '') return modelItem(model);
  const words = [costType, description].find((text) => typeof text === 'string' && text !== '');
  return words === undefined ? null : otherItem(words as string);
}

function tierOf(result: Record<string, unknown>): string | null {
  const unusual = PRICE_FIELDS.flatMap(([field, usual]) => {
    const value = result[field];
    return typeof value === 'string' && value !== '' && !usual.includes(value) ? [value.slice(0, 40)] : [];
  });
  return unusual.length === 0 ? null : unusual.join(', ');
}

async function readUsage(report: ReportBuilder, range: DayRange, access: ReportAccess): Promise<void> {
  const pages = pagesOf(range, access, { path: 'usage_report/messages', groupBy: 'model' });
  try {
    for await (const { day, result } of results(pages, range)) {
      if (typeof result.model !== 'string' || result.model === '') continue;
      const written = isObject(result.cache_creation) ? result.cache_creation : {};
      const tokens =
        countOf(result.uncached_input_tokens) +
        countOf(result.cache_read_input_tokens) +
        countOf(written.ephemeral_5m_input_tokens) +
        countOf(written.ephemeral_1h_input_tokens) +
        countOf(result.output_tokens);
      report.addUse(day, modelItem(result.model), { tokens });
    }
  } catch (error) {
    // The money is complete without it.
    if (!(error instanceof ReportMissingError)) throw error;
    report.note(`tokens are not known: ${error.message}`);
  }
}

function pagesOf(
  range: DayRange,
  { baseUrl, key, reader, signal }: ReportAccess,
  { path, groupBy }: { readonly path: string; readonly groupBy: string },
): ReportPages {
  const query = [
    ['starting_at', instant(range.startAt)],
    ['ending_at', instant(range.endAt)],
    ['bucket_width', '1d'],
    ['group_by[]', groupBy],
    ['limit', DAYS_ON_PAGE],
  ] as const;
  const headers = { 'x-api-key': key.secret, 'anthropic-version': API_VERSION, accept: 'application/json' };
  return { reader, url: `${baseUrl}/v1/organizations/${path}`, query, headers, key, signal };
}

/** RFC 3339 without parts of a second, as the provider's own examples have it. */
function instant(at: number): string {
  return new Date(at).toISOString().replace('.000Z', 'Z');
}

async function* results(
  pages: ReportPages,
  range: DayRange,
): AsyncGenerator<{ readonly day: string; readonly result: Record<string, unknown> }> {
  for await (const { data } of reportPages(pages)) {
    for (const bucket of data) {
      const startAt = isObject(bucket) ? Date.parse(String(bucket.starting_at)) : Number.NaN;
      if (!isObject(bucket) || Number.isNaN(startAt) || !Array.isArray(bucket.results))
        throw new ReportError(`${pages.url}: a bucket has no starting_at or no results`);
      if (startAt < range.startAt || startAt >= range.endAt) continue;
      for (const result of bucket.results) if (isObject(result)) yield { day: dayOf(startAt), result };
    }
  }
}
