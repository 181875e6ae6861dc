// The section `reconciliation` of the configuration: where each provider's own report of what it billed is, and which
// environment variable holds the admin key for it. docs/configuration.md lists the fields.

import { baseUrl, keyFrom } from '../kit/base-url.js';
import { type FileValue, oneOf } from '../kit/file-value.js';
import { REPORT_API_NAMES, REPORT_APIS, type ReportSettings } from './report-source.js';

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
