// What a route of the HTTP API is, before any server: its place, who may call it, and the schemas of what goes in and out.
// The tables in routes-*.ts are read by the server, by OpenAPI, by docs/http-api.md's test and, for types, by the client.

import type { Static, TSchema } from 'typebox';
import { Type } from 'typebox';
import type { Scope } from './caller.js';
import { Id } from './schema-parts.js';

export interface Route {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** With parameters as `:name`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  /** A key needs one of these, as access/scopes.ts has them contained in each other. */
  readonly scopes: readonly Scope[];
  /** Only keys without a tenant. */
  readonly platformOnly?: true;
  /** required: the command changes money, so a repeat must be known as one. */
  readonly idempotencyKey?: 'required' | 'accepted';
  readonly params?: TSchema;
  readonly query?: TSchema;
  readonly body?: TSchema;
  /** Bytes of the body, where more than the usual is meant. */
  readonly bodyBytesMax?: number;
  readonly answers: Readonly<Record<number, TSchema>>;
}

/** The types of a route, for handlers and for the client. */
export type BodyOf<R extends Route> = R['body'] extends TSchema ? Static<R['body']> : undefined;
export type QueryOf<R extends Route> = R['query'] extends TSchema ? Static<R['query']> : unknown;
export type ParamsOf<R extends Route> = R['params'] extends TSchema ? Static<R['params']> : unknown;
export type AnswerOf<R extends Route> = Static<R['answers'][keyof R['answers']] & TSchema>;

/** Checks a table's entries and keeps their exact types. */
export function routes<const Table extends Readonly<Record<string, Route>>>(table: Table): Table {
  return table;
}

export const READERS = ['read'] as const;
export const SPENDERS = ['spend'] as const;
/** Who spends says what something cost once; changing it afterwards is another's to do. */
export const CORRECTORS = ['correct'] as const;
export const SPENDERS_AND_READERS = ['spend', 'read'] as const;
export const ADMINS = ['tenant_admin'] as const;
export const PLATFORM = ['admin'] as const;

export const ID_PARAMS = Type.Object({ id: Id });
