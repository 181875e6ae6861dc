// Where a provider's report is read from: one of the report APIs with a key, or a CSV file. Called by reconcile.ts.

import { anthropicReport } from './anthropic-report.js';
import { csvReport } from './csv-report.js';
import type { DayRange } from './days.js';
import { openAiReport } from './openai-report.js';
import type { ReportAccess } from './report-pages.js';
import type { UsageReport } from './usage-report.js';

export const REPORT_APIS = ['openai', 'anthropic'] as const;
export type ReportApi = (typeof REPORT_APIS)[number];

/** Where each API is, unless stated otherwise. */
export const REPORT_BASE_URLS: Readonly<Record<ReportApi, string>> = {
  openai: 'https://api.openai.com',
  anthropic: 'https://api.anthropic.com',
};

/** The environment variables that hold the admin keys, as the providers' own packages call them. */
export const REPORT_KEYS: Readonly<Record<ReportApi, string>> = {
  openai: 'OPENAI_ADMIN_KEY',
  anthropic: 'ANTHROPIC_ADMIN_KEY',
};

/** Where the report of a provider is, as the configuration states it. */
export interface ReportSettings {
  readonly provider: string;
  readonly api: ReportApi;
  readonly baseUrl: string;
  /** Environment variable with the admin key. */
  readonly keyFrom: string;
}

export type ReportSource =
  | { readonly api: ReportApi; readonly access: ReportAccess }
  | { readonly csv: AsyncIterable<string>; readonly name: string };

/** @throws ReportError; InvalidInputError for a file that is wrong */
export function readReport(source: ReportSource, range: DayRange): Promise<UsageReport> {
  if ('csv' in source) return csvReport(source.csv, source.name, range);
  return source.api === 'openai' ? openAiReport(range, source.access) : anthropicReport(range, source.access);
}
