// Implements the RouteHost of the features with Fastify: puts a route on the server with its schemas, and checks who may
// call it.

import type { FastifyInstance, FastifyRequest, RouteShorthandOptions } from 'fastify';
import type { TSchema } from 'typebox';
import { hasScope } from '../access/scopes.js';
import type { Problem } from '../budgets/outcomes-schema.js';
import { RefusedError } from '../kit/refusals.js';
import type { Route, RouteHandler, RouteHost } from '../kit/route.js';
import { sendOutcome, sendProblem } from './answers.js';
import { type Api, type Reply, statedIn } from './api.js';
import { decided } from './decide.js';
import { longListSteps } from './long-lists.js';

/** The features' host: puts their routes on the server, and has their commands decided. */
export function routeHost(app: FastifyInstance, api: Api): RouteHost {
  return {
    scales: api.scales,
    serve: (name, route, handler) => serve(app, name, route, handler),
    stated: (request) => statedIn(api.scales, request),
    decided: (request, command) => decided(api, request, command),
    decide: async (request, reply, command) =>
      sendOutcome(api, request, reply as Reply, await decided(api, request, command)),
    sendOutcome: (request, reply, outcome) => sendOutcome(api, request, reply as Reply, outcome),
    sendProblem: (request, reply, problem) => sendProblem(request, reply as Reply, problem as Problem),
  };
}

/** Puts a route of the table on the server. */
function serve<R extends Route>(
  app: FastifyInstance,
  name: string,
  route: R,
  handler: RouteHandler<R>,
): void {
  const longLists = route.bodyBytesMax === undefined ? null : longListSteps(route.body as TSchema);
  const preValidation = [...before(route), ...(longLists === null ? [] : [longLists.preValidation])];
  const options: RouteShorthandOptions = {
    schema: schemaOf(name, route),
    // Before the body is read: who may not ask has none of it parsed.
    onRequest: scopeStep(route),
    ...(preValidation.length === 0 ? {} : { preValidation }),
    ...(longLists === null ? {} : { bodyLimit: route.bodyBytesMax, preHandler: longLists.preHandler }),
  };
  // A large body that has no lists by its schema is one large text: it cannot be read in parts.
  const wholeBytesMax = longLists?.hasLists === false ? route.bodyBytesMax : undefined;
  app.route({
    method: route.method,
    url: route.path,
    ...(wholeBytesMax === undefined ? {} : { config: { wholeBytesMax } }),
    ...options,
    handler: handler as unknown as (request: FastifyRequest, reply: Reply) => unknown,
  } as Parameters<FastifyInstance['route']>[0]);
}

type Before = (request: FastifyRequest, reply: Reply, done: (error?: Error) => void) => void;

/** What is made of a request before its schemas, which would be too strict about it. */
function before(route: Route): Before[] {
  const steps: Before[] = [];
  const numbers = numbersIn(route.query);
  if (numbers.length > 0) steps.push(numberStep(numbers));
  if (route.body !== undefined && (requiredOf(route.body) ?? []).length === 0) steps.push(emptyBodyStep);
  return steps;
}

function scopeStep({ scopes, platformOnly }: Route): Before {
  return ({ caller }, _reply, done) => {
    if (!scopes.some((scope) => hasScope(caller, scope)))
      done(new RefusedError('forbidden', `this needs a key with the scope ${scopes.join(' or ')}`));
    else if (platformOnly && caller.tenant !== null)
      done(new RefusedError('forbidden', 'this is about every tenant and needs a key of the platform’s own'));
    else done();
  };
}

/** A query is text: whole numbers in it are read here, and judged by the schema. */
function numberStep(names: readonly string[]): Before {
  return (request, _reply, done) => {
    const query = request.query as Record<string, unknown>;
    for (const name of names) {
      const text = query[name];
      if (typeof text === 'string' && /^\d{1,16}$/.test(text)) query[name] = Number(text);
    }
    done();
  };
}

/** A command that says nothing may come without a body. */
function emptyBodyStep(request: FastifyRequest, _reply: Reply, done: (error?: Error) => void): void {
  request.body ??= {};
  done();
}

interface JsonObject {
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, { readonly type?: unknown }>>;
}

function numbersIn(query: TSchema | undefined): string[] {
  const properties = (query as JsonObject | undefined)?.properties ?? {};
  return Object.keys(properties).filter((name) => properties[name].type === 'integer');
}

function requiredOf(body: TSchema): readonly string[] | undefined {
  return (body as JsonObject).required;
}

// Problems are every route's and written as they are: a serialiser of each route's own would double the time of a start.
function schemaOf(name: string, route: Route): Record<string, unknown> {
  const { tag, summary, params, query, body, answers, idempotencyKey } = route;
  return {
    operationId: name,
    tags: [tag],
    summary,
    ...(params === undefined ? {} : { params }),
    ...(query === undefined ? {} : { querystring: query }),
    ...(body === undefined ? {} : { body }),
    ...(idempotencyKey === undefined ? {} : { 'x-idempotency-key': idempotencyKey }),
    response: answers,
  };
}
