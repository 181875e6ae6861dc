// Facts as the features write and read them: the body is one plain record in JSON. A record has whole numbers, texts, booleans,
// null, lists and records of these; an amount in it is a text of steps, since JSON has no whole numbers of that size. By custom
// a fact carries the thing whole, as it is after the change, so that a view puts it in its place whatever came before.

import { createHash } from 'node:crypto';
import type { Fact } from '../core/facts.js';

/** @param kind what happened, such as `goal_begun` */
export function factOf(feature: string, kind: string, record: object): Fact {
  return { feature, kind, body: JSON.stringify(record) };
}

/** The record that `factOf` was given. The journal's hash chain covers the body, so its form is the writer's. */
export function recordOf<T>({ body }: Pick<Fact, 'body'>): T {
  return JSON.parse(body) as T;
}

/** The digest of a whole request, whatever the order of its fields: a repeat under one key must state the same. */
export function requestDigest(request: object): string {
  return digestOf(JSON.stringify(request, inOrder));
}

function inOrder(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)));
}

/** SHA-256 in base64url: by it a fact names a text of the vault, and the body of a request that may be repeated. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
