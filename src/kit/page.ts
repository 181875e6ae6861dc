// Pages of lists. A cursor names the last row that was given, so rows that come or go meanwhile shift nothing.

import { RefusedError } from './refusals.js';
import { LISTED_DEFAULT } from './schema-parts.js';

export interface PageRequest {
  readonly cursor?: string;
  readonly limit?: number;
}

export interface Page<T> {
  readonly items: T[];
  readonly nextCursor: string | null;
}

export function limitOf({ limit }: PageRequest): number {
  return limit ?? LISTED_DEFAULT;
}

export function cursorOf(last: string | number): string {
  return Buffer.from(String(last)).toString('base64url');
}

/** The text behind a cursor. @throws RefusedError invalid_request */
export function readCursor({ cursor }: PageRequest): string | undefined {
  if (cursor === undefined) return undefined;
  const text = Buffer.from(cursor, 'base64url').toString();
  if (text !== '' && cursorOf(text) === cursor) return text;
  throw invalidCursor();
}

/** The sequence number behind a cursor; 0 at the beginning. @throws RefusedError invalid_request */
export function readSequenceCursor(page: PageRequest): number {
  const text = readCursor(page) ?? '0';
  if (!/^\d{1,15}$/.test(text)) throw invalidCursor();
  return Number(text);
}

export function invalidCursor(): RefusedError {
  return new RefusedError('invalid_request', 'cursor: is none that this list gave', { field: 'cursor' });
}

/** A page of rows that are all at hand, each known by its id. @throws RefusedError when the cursor's row is gone */
export function pageOf<T>(rows: readonly T[], idOf: (row: T) => string, page: PageRequest): Page<T> {
  const last = readCursor(page);
  const start = last === undefined ? 0 : rows.findIndex((row) => idOf(row) === last) + 1;
  if (last !== undefined && start === 0) throw invalidCursor();
  const end = start + limitOf(page);
  const items = rows.slice(start, end);
  return { items, nextCursor: end < rows.length ? cursorOf(idOf(items[items.length - 1])) : null };
}
