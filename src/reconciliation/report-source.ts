// Where a provider's report is read from: one of the report APIs with a key, or a CSV file; and the section `reconciliation` of the
// configuration, which names the API and the environment variable of its admin key for each provider. docs/configuration.md
// lists the fields.

import { baseUrl, keyFrom } from '../kit/base-url.js';
import { type FileValue, oneOf } from '../kit/file-value.js';
import { ANTHROPIC } from './anthropic-report.js';
import { csvReport } from './csv-report.js';
import type { DayRange } from './days.js';
import { OPENAI } from './openai-report.js';
import { type ProviderApi, providerReport, type ReportAccess } from './provider-report.js';
import type { UsageReport } from './usage-report.js';

export const REPORT_API_NAMES = ['openai', 'anthropic'] as const;
export type ReportApiName = (typeof REPORT_API_NAMES)[number];

export const REPORT_APIS: Readonly<Record<ReportApiName, ProviderApi>> = {
  openai: OPENAI,
  anthropic: ANTHROPIC,
};

/** Where the report of a provider is, as the configuration states it. */
export interface ReportSettings {
  readonly provider: string;
  readonly api: ReportApiName;
  readonly baseUrl: string;
  /** Environment variable with the admin key. */
  readonly keyFrom: string;
}

/** As many as providers. */
const REPORTS_MAX = 1_000;

export function readReconciliation(value: FileValue | undefined): ReportSettings[] {
  return [...(value?.entries(REPORTS_MAX) ?? [])].flatMap(([provider, entry]) => {
    const section = entry.section(['api', 'baseUrl', 'keyFrom']);
    const api = section.required('api', oneOf(REPORT_API_NAMES));
    if (api === undefined) return [];
    return [
      {
        provider,
        api,
        baseUrl: section.read('baseUrl', baseUrl) ?? REPORT_APIS[api].baseUrl,
        keyFrom: section.read('keyFrom', keyFrom) ?? REPORT_APIS[api].keyFrom,
      },
    ];
  });
}

export type ReportSource =
  | { readonly api: ReportApiName; readonly access: ReportAccess }
  | { readonly csv: AsyncIterable<string>; readonly name: string };

/** @throws ReportError; InvalidInputError for a file that is wrong */
export function readReport(source: ReportSource, range: DayRange): Promise<UsageReport> {
  if ('csv' in source) return csvReport(source.csv, source.name, range);
  return providerReport(REPORT_APIS[source.api], range, source.access);
}
