// Anthropic's cost and usage reports of an organization. Neither counts requests.
//
// Wire format: https://platform.claude.com/docs/en/api/admin-api/usage-cost/get-cost-report and …/get-messages-usage-report
// (GET /v1/organizations/cost_report and /v1/organizations/usage_report/messages): buckets of a day, at most 31 a page,
// `next_page` as `page`; amounts are decimal texts in cents ("123.45" is 1.2345 usd); `model` and `cost_type` are stated
// when grouped by `description`. Costs of the priority tier are in no report. The pages call both legacy since 2026-08, for
// GET /v1/organizations/analytics/cost, which is in beta.

import { modelItem, otherItem, type ReportedItem } from './items.js';
import { countOf, type ProviderApi } from './provider-report.js';
import { isObject } from './report-pages.js';

/** Fields of a cost that name its price, and what they say where it is the usual one. */
const PRICE_FIELDS: readonly (readonly [field: string, usual: readonly string[]])[] = [
  ['service_tier', ['standard']],
  ['context_window', ['0-200k']],
  ['inference_geo', ['global', 'not_available']],
  ['speed', ['standard']],
];

export const ANTHROPIC: ProviderApi = {
  baseUrl: 'https://api.anthropic.com',
  keyFrom: 'ANTHROPIC_ADMIN_KEY',
  prefix: '/v1/organizations',
  costs: { path: 'cost_report', groupBy: 'description' },
  usage: [{ path: 'usage_report/messages', what: 'tokens' }],
  rangeQuery: ({ startAt, endAt }) => [
    ['starting_at', instant(startAt)],
    ['ending_at', instant(endAt)],
  ],
  headers: (secret) => ({ 'x-api-key': secret, 'anthropic-version': '2023-06-01' }),
  bucketStart: 'starting_at',
  startOf: (bucket) => Date.parse(String(bucket.starting_at)),
  costOf: (result) => ({
    amount: result.amount ?? '0',
    unitDigits: 2,
    currency: result.currency ?? 'USD',
    item: itemOf(result),
    tier: tierOf(result),
  }),
  useOf: (result) => {
    const written = isObject(result.cache_creation) ? result.cache_creation : {};
    const counts = [
      result.uncached_input_tokens,
      result.cache_read_input_tokens,
      written.ephemeral_5m_input_tokens,
      written.ephemeral_1h_input_tokens,
      result.output_tokens,
    ];
    return { tokens: counts.reduce((sum: number, count) => sum + countOf(count), 0) };
  },
};

function itemOf({
  model,
  cost_type: costType,
  description,
}: Readonly<Record<string, unknown>>): ReportedItem | null {
  if (typeof model === 'string' && model !== '') return modelItem(model);
  const words = [costType, description].find((text) => typeof text === 'string' && text !== '');
  return words === undefined ? null : otherItem(words as string);
}

function tierOf(result: Readonly<Record<string, unknown>>): string | null {
  const unusual = PRICE_FIELDS.flatMap(([field, usual]) => {
    const value = result[field];
    return typeof value === 'string' && value !== '' && !usual.includes(value) ? [value.slice(0, 40)] : [];
  });
  return unusual.length === 0 ? null : unusual.join(', ');
}

/** RFC 3339 without parts of a second, as the provider's own examples have it. */
function instant(at: number): string {
  return new Date(at).toISOString().replace('.000Z', 'Z');
}
