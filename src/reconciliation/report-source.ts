// Where a provider's report is read from: one of the report APIs with a key, or a CSV file. Called by reconcile.ts.

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

export type ReportSource =
  | { readonly api: ReportApiName; readonly access: ReportAccess }
  | { readonly csv: AsyncIterable<string>; readonly name: string };

/** @throws ReportError; InvalidInputError for a file that is wrong */
export function readReport(source: ReportSource, range: DayRange): Promise<UsageReport> {
  if ('csv' in source) return csvReport(source.csv, source.name, range);
  return providerReport(REPORT_APIS[source.api], range, source.access);
}
