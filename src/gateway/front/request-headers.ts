// The labels that a caller states in the headers of a call. Hostile input: a header that could be read in two ways is
// refused.

import type { IncomingHttpHeaders } from 'node:http';
import type { Labels } from '../../core/requests.js';
import { RefusedError } from '../../kit/refusals.js';

const LABEL_PREFIX = 'bursar-label-';
/** As the ledger bounds the labels of a call. */
const LABELS_MAX = 32;
/** Percent-encoded UTF-8: visible ASCII without a comma, with which proxies and node join repeated headers. */
const ENCODED = /^[\x21-\x2b\x2d-\x7e]+$/;

/** Labels in `Bursar-Label-<name>` headers. @throws RefusedError invalid_request */
export function labelsIn(headers: IncomingHttpHeaders): Labels | undefined {
  let labels: Record<string, string> | undefined;
  let count = 0;
  for (const header in headers) {
    if (!header.startsWith(LABEL_PREFIX)) continue;
    count += 1;
    if (count > LABELS_MAX) throw refused(header, `is one of more than ${LABELS_MAX} labels`);
    labels ??= Object.create(null) as Record<string, string>;
    labels[header.slice(LABEL_PREFIX.length)] = decoded(header, headers[header]);
  }
  return labels;
}

function decoded(header: string, value: string | string[] | undefined): string {
  if (typeof value !== 'string' || !ENCODED.test(value)) {
    throw refused(header, 'is not one percent-encoded value: visible ASCII without spaces and commas');
  }
  try {
    return decodeURIComponent(value);
  } catch {
    throw refused(header, 'is not percent-encoded UTF-8');
  }
}

function refused(header: string, problem: string): RefusedError {
  return new RefusedError('invalid_request', `the header ${header.slice(0, 64)} ${problem}`, {
    field: header.slice(0, 64),
  });
}
