// What the service refuses before the ledger is asked, and why: one catalogue, as core/rejections.ts is the ledger's.
// Every surface maps this list in one place; a code that is retired is never used again.

import { quoted } from '../core/labels.js';

export const REFUSALS = {
  invalid_request: { meaning: 'The request is malformed; the field, the value and the limit are named.' },
  invalid_api_key: { meaning: 'No key was given, or it is unknown, revoked or expired.' },
  forbidden: { meaning: 'The key lacks the scope that this needs.' },
  label_forbidden: { meaning: 'The key does not let its caller state this label, or fixes it.' },
  not_found: { meaning: 'Nothing has this id, or it belongs to another tenant.' },
  websocket_not_taken: { meaning: 'WebSockets are not taken; the same request goes over HTTP.' },
  route_not_metered: { meaning: 'The gateway forwards only routes that it meters.' },
  model_not_found: { meaning: 'The routing table has no candidate for this model in this dialect.' },
  price_unknown: { meaning: 'The model, or an option of the request, has no price.' },
  not_meterable: { meaning: 'The request asks for something whose cost cannot be bounded or settled.' },
  no_provider: { meaning: 'Every candidate for this model is exhausted.' },
  provider_failed: {
    meaning: 'The provider could not be reached, timed out, or gave an answer that cannot be read.',
  },
  idempotency_key_required: { meaning: 'This command changes money and needs an Idempotency-Key.' },
  idempotency_key_reused: { meaning: 'The Idempotency-Key was used for another request.' },
  idempotency_key_in_flight: {
    meaning: 'The first request with this Idempotency-Key is still being decided.',
  },
  conflict: { meaning: 'The state of the thing does not allow this.' },
  too_large: { meaning: 'The request body is larger than the limit.' },
  rate_limited: { meaning: 'A share of the key is used up; the limit is named.' },
  overloaded: { meaning: 'More requests or streams are open than the server takes.' },
  draining: { meaning: 'The server is stopping and takes no new calls.' },
  store_unavailable: {
    meaning:
      'The file of texts and secrets did not take the change; nothing was changed unless the disk itself failed.',
  },
  ledger_unavailable: { meaning: 'The ledger cannot make a decision durable; nothing was authorised.' },
} as const;

/** What clients are told to wait when the ledger or the server cannot answer now. */
export const RETRY_AFTER_MS = 1_000;

export type RefusalCode = keyof typeof REFUSALS;

/** Thrown by the service for misuse: the message names the field, the value and the limit, and nothing was changed. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  constructor(
    readonly code: RefusalCode,
    message: string,
    /** The field of the request that is wrong, where one is; and when trying again may help. */
    readonly about: { readonly field?: string; readonly retryAfterMs?: number } = {},
  ) {
    super(message);
  }
}

/** The refusal of a field that is wrong by itself: `field: problem`. */
export function invalid(field: string, problem: string): RefusedError {
  return new RefusedError('invalid_request', `${field}: ${problem}`, { field });
}

/** The refusal of an id that nothing has, or nothing that the caller may see. `field` is where the request states it. */
export function notFound(field: string, what: string, id: unknown): RefusedError {
  return new RefusedError('not_found', `there is no ${what} ${quoted(id)}`, { field });
}
