// The Idempotency-Key header (IETF draft: a quoted string; unquoted is accepted too) as the id of the ledger's command:
// the ledger then gives the first answer to it again, durably, refusals too.

import { createHash } from 'node:crypto';
import { RefusedError } from './refusals.js';

/** As long as other services take them; a UUID has 36. */
export const KEY_LENGTH_MAX = 255;
/** Kept as they are: a tenant's id has 64 characters at least, less the prefix and a place in a batch. */
const READABLE = /^[A-Za-z0-9._~:+=@-]{1,48}$/;

/** @throws RefusedError idempotency_key_required, or invalid_request for one that is no key */
export function requiredKey(header: string | readonly string[] | undefined): string {
  const key = statedKey(header);
  if (key !== undefined) return key;
  throw new RefusedError(
    'idempotency_key_required',
    'this changes money: send an Idempotency-Key header, the same one for every repeat of this request',
    { field: 'Idempotency-Key' },
  );
}

/** The key as stated, without its quotes; undefined when there is none. @throws RefusedError invalid_request */
export function statedKey(header: string | readonly string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  const text = typeof header === 'string' ? header.trim() : '';
  const quoted = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/.exec(text);
  const key = quoted === null ? text : quoted[1].replace(/\\(["\\])/g, '$1');
  if (quoted === null && !/^[\x21\x23-\x7e]+$/.test(text)) throw invalid('is one text of printable ASCII');
  if (key.length === 0 || key.length > KEY_LENGTH_MAX)
    throw invalid(`has ${key.length} characters; 1 to ${KEY_LENGTH_MAX} are allowed`);
  return key;
}

/** The command id of a request whose repeat must be known as one. @throws RefusedError */
export function commandIdIn({ headers }: { readonly headers: Headers }): string {
  return commandIdOf(requiredKey(headers['idempotency-key']));
}

/** Where the key may be left out. */
export function optionalCommandId({ headers }: { readonly headers: Headers }): {
  readonly commandId?: string;
} {
  const key = statedKey(headers['idempotency-key']);
  return key === undefined ? {} : { commandId: commandIdOf(key) };
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** The command's id: readable keys as they are, others by their hash. */
export function commandIdOf(key: string): string {
  return READABLE.test(key) ? `idem:${key}` : `idem-sha256:${hashOf(key)}`;
}

/** Of a batch each command has an id of its own: the key and its place. */
export function batchIdOf(key: string): (index: number) => string {
  const base = READABLE.test(key) ? `batch:${key}` : `batch-sha256:${hashOf(key)}`;
  return (index) => `${base}:${index}`;
}

function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url');
}

function invalid(problem: string): RefusedError {
  return new RefusedError('invalid_request', `Idempotency-Key ${problem}`, { field: 'Idempotency-Key' });
}
