// OpenAI's costs and usage of an organization. The costs are usd by UTC day and line item.
//
// Wire format: https://platform.openai.com/docs/api-reference/usage (GET /v1/organization/costs and
// /v1/organization/usage/…), as the npm package openai 6.49.0 types it (resources/admin/organization/usage.d.ts): buckets of
// a day by `start_time` in Unix seconds, at most 31 a page, lists in a query as `group_by[]`, `next_page` as `page`. Line
// items are texts: "gpt-4o-2024-08-06, cached input", "priority | gpt-5.6, output, long context", "web search tool calls".

import { modelItem, otherItem, type ReportedItem } from './items.js';
import { countOf, type ProviderApi } from './provider-report.js';
import { isObject } from './report-pages.js';

/** What calls that Bursar meters are counted under. */
const COUNTED = [
  'completions',
  'embeddings',
  'moderations',
  'images',
  'audio_speeches',
  'audio_transcriptions',
];

export const OPENAI: ProviderApi = {
  baseUrl: 'https://api.openai.com',
  keyFrom: 'OPENAI_ADMIN_KEY',
  prefix: '/v1/organization',
  costs: { path: 'costs', groupBy: 'line_item' },
  usage: COUNTED.map((counted) => ({ path: `usage/${counted}`, what: `calls and tokens of ${counted}` })),
  rangeQuery: ({ startAt, endAt }) => [
    ['start_time', String(startAt / 1_000)],
    ['end_time', String(endAt / 1_000)],
  ],
  headers: (secret) => ({ authorization: `Bearer ${secret}` }),
  bucketStart: 'start_time',
  startOf: (bucket) => countOf(bucket.start_time) * 1_000 || Number.NaN,
  costOf: ({ amount, line_item: lineItem }) => {
    if (!isObject(amount) || amount.value === undefined || amount.value === null) return null;
    const { item, tier } = typeof lineItem === 'string' ? lineItemOf(lineItem) : NO_ITEM;
    return { amount: amount.value, unitDigits: 0, currency: amount.currency ?? 'usd', item, tier };
  },
  useOf: (result) => ({
    requests: countOf(result.num_model_requests),
    tokens: countOf(result.input_tokens) + countOf(result.output_tokens),
  }),
};

const NO_ITEM = { item: null, tier: null };

/** What a line item is for, and which price other than the usual one it says that it has. */
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
