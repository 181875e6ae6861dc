// The section `reconciliation` of the configuration: where each provider's own report of what it billed is, and which
// environment variable holds the admin key for it. Called by settings-file.ts; docs/configuration.md lists the fields.

import { type Findings, type Located, pathOf, readMap } from '../kit/located-values.js';
import { Section } from '../kit/settings-section.js';
import { REPORT_APIS, REPORT_BASE_URLS, REPORT_KEYS, type ReportSettings } from './report-source.js';

/** As many as providers. */
const REPORTS_MAX = 1_000;

export interface ReportFields {
  readonly readBaseUrl: (node: Located, field: string) => string | undefined;
  readonly readKeyFrom: (section: Section) => string | null;
}

export function readReconciliation(
  node: Located | undefined,
  findings: Findings,
  { readBaseUrl, readKeyFrom }: ReportFields,
): ReportSettings[] {
  const entries = (node && readMap(node, 'reconciliation', findings)) ?? new Map();
  if (node !== undefined && entries.size > REPORTS_MAX) {
    findings.add(
      node.offset,
      'reconciliation',
      `has ${entries.size} entries; at most ${REPORTS_MAX} are taken`,
    );
    return [];
  }
  return [...entries].flatMap(([provider, { value }]) => {
    const section = Section.read(
      value,
      pathOf('reconciliation', provider),
      ['api', 'baseUrl', 'keyFrom'],
      findings,
    );
    const api = section.oneOf('api', REPORT_APIS);
    if (api === null) return [];
    const stated = section.node('baseUrl');
    const baseUrl = (stated && readBaseUrl(stated, section.path('baseUrl'))) ?? REPORT_BASE_URLS[api];
    return [{ provider, api, baseUrl, keyFrom: readKeyFrom(section) ?? REPORT_KEYS[api] }];
  });
}
