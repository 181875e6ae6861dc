// A route of the HTTP API, before any server: its path, who may call it, and the schemas of requests and answers. Each
// feature's X-api.ts has a table of routes; the server, OpenAPI, the test of docs/http-api.md and the client's types read it.
// X-http.ts mounts a feature's routes on a RouteHost, which http/ implements.

import type { Readable } from 'node:stream';
import { type Static, type TSchema, Type } from 'typebox';
import type { CommandOutcome } from '../core/outcomes.js';
import type { Command } from '../core/requests.js';
import type { AmountReading } from './amounts.js';
import type { Caller, Scope } from './caller.js';
import { Id } from './schema-parts.js';
import type { UnitScales } from './unit-scales.js';

export interface Route {
  readonly method: 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE';
  /** With parameters as `:name`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  /** A key needs one of these, as access/scopes.ts has them contained in each other. */
  readonly scopes: readonly Scope[];
  /** The ledger's command that the route is, where it is one. */
  readonly command?: Command['command'];
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

/** A request whose caller is known. */
export interface RouteRequest {
  readonly id: string;
  readonly caller: Caller;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Numbers of the body that were not written plainly: an amount must not be one of them. */
  readonly unplainNumbers: ReadonlySet<number>;
}

/** A request that has passed the schemas of its route. */
export interface RequestOf<R extends Route> extends RouteRequest {
  readonly params: ParamsOf<R>;
  readonly query: QueryOf<R>;
  readonly body: BodyOf<R>;
}

/** The answer to a request: 200 unless another status is set. What a handler returns is its body. */
export interface RouteReply {
  code(status: number): unknown;
  header(name: string, value: string): unknown;
  /** Sends bytes that are no JSON value; the handler returns what this returns. */
  bytes(contentType: string, body: Readable | Buffer): unknown;
}

export type RouteHandler<R extends Route> = (request: RequestOf<R>, reply: RouteReply) => unknown;

/** An error as the API sends it (RFC 9457); budgets/outcomes-schema.ts has all its fields. */
export interface RouteProblem {
  readonly status: number;
  readonly code: string;
  readonly retryAfterMs?: number;
}

/** What features mount their routes on. */
export interface RouteHost {
  /** The units of the ledger, by which amounts are read and written. */
  readonly scales: UnitScales;
  serve<R extends Route>(name: string, route: R, handler: RouteHandler<R>): void;
  /** By what the amounts of a request are read. */
  stated(request: RouteRequest): AmountReading;
  /** Has the ledger decide a command, within the caller's tenancy. @throws what the tenancy or the ledger throws */
  decided(request: RouteRequest, command: Command): Promise<CommandOutcome>;
  /** Has the ledger decide a command, and answers with its outcome. */
  decide(request: RouteRequest, reply: RouteReply, command: Command): Promise<unknown>;
  sendOutcome(request: RouteRequest, reply: RouteReply, outcome: CommandOutcome): unknown;
  sendProblem(request: RouteRequest, reply: RouteReply, problem: RouteProblem): unknown;
}

export const READERS = ['read'] as const;
export const SPENDERS = ['spend'] as const;
/** A key with `spend` settles once; changing a charge later needs `correct`. */
export const CORRECTORS = ['correct'] as const;
export const SPENDERS_AND_READERS = ['spend', 'read'] as const;
export const ADMINS = ['tenant_admin'] as const;
export const PLATFORM = ['admin'] as const;

export const ID_PARAMS = Type.Object({ id: Id });
