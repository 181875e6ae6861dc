// The HTTP server: its bounds, hooks and routes. The native API lives in a scope of its own; the gateway registers
// beside it, with its own errors and bodies, and shares ids, logs, metrics and spans. Called by the composition root.

import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { keyRoutes } from '../access/keys-http.js';
import { agentRoutes } from '../agents/agents-http.js';
import { budgetRoutes } from '../budgets/budgets-http.js';
import { EventStreams } from '../budgets/event-stream.js';
import { evidenceRoutes } from '../budgets/evidence-http.js';
import { holdRoutes } from '../budgets/holds-http.js';
import { SHARED_SCHEMAS } from '../budgets/outcomes-schema.js';
import { providerRoutes } from '../budgets/providers-http.js';
import { chatRoutes } from '../chats/chats-http.js';
import { priceRoutes } from '../gateway/prices/prices-http.js';
import { goalRoutes } from '../goals/goals-http.js';
import type { RouteHost } from '../kit/route.js';
import { noticeRoutes } from '../notices/notices-http.js';
import { quotaRoutes } from '../quotas/quotas-http.js';
import { reconciliationRoutes } from '../reconciliation/reconciliation-http.js';
import { type Api, apiOf } from './api.js';
import { authenticate } from './authentication.js';
import { batchRoute } from './batch.js';
import { Closing } from './closing.js';
import { answerError, answerUnknownRoute } from './errors.js';
import { healthRoutes, metricsRoute } from './health-http.js';
import { takeJsonOnly } from './json-body.js';
import * as limits from './limits.js';
import { Metrics } from './metrics.js';
import { describeApi } from './openapi.js';
import type { HttpParts } from './parts.js';
import { loggerFor, logRequest } from './request-log.js';
import { routeHost } from './serve.js';
import { serviceRoutes } from './service-http.js';
import { beginSpan, endSpan } from './spans.js';

export type { HttpParts } from './parts.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** Counts a decision that another surface on this server asked for. */
    decided(outcome: string, ms: number): void;
    /** Counts an attempt at a provider that failed. */
    providerFailed(provider: string, what: string): void;
  }
}

/** The server with the native API on it, not listening yet: plugins may still be registered. */
export function buildHttp(parts: HttpParts): FastifyInstance {
  const streams = new EventStreams();
  const metrics = new Metrics(parts, () => streams.count);
  const api = apiOf(parts, metrics);
  const app = newServer(parts);
  app.decorate('decided', (outcome, ms) => metrics.decided(outcome, ms));
  app.decorate('providerFailed', (provider, what) => metrics.providerFailed(provider, what));
  const closing = new Closing(app.server);
  hooks(app, api);
  app.addHook('preClose', (done) => {
    streams.endAll();
    closing.begin();
    done();
  });
  app.setErrorHandler(answerError);
  app.setNotFoundHandler((request, reply) => {
    if (!parts.answersUnrouted(null, request, reply)) answerUnknownRoute(request, reply);
  });
  for (const schema of SHARED_SCHEMAS) app.addSchema(schema);
  describeApi(app);
  app.register((scope, _options, done) => {
    healthRoutes(scope, api);
    done();
  });
  app.register((scope, _options, done) => {
    takeJsonOnly(scope);
    scope.addHook('onRequest', authenticate(api));
    metricsRoute(scope, api);
    mountRoutes(routeHost(scope, api), api, streams);
    done();
  });
  return app;
}

/** The routes of the native API, in the order in which OpenAPI has them. */
function mountRoutes(host: RouteHost, api: Api, streams: EventStreams): void {
  const { agents, goals } = api;
  const assertGoalUsable = goals.assertUsable.bind(goals);
  holdRoutes(host, { ...api, assertGoalUsable });
  batchRoute(host, api);
  budgetRoutes(host, api);
  providerRoutes(host, api);
  quotaRoutes(host, api);
  reconciliationRoutes(host, api);
  evidenceRoutes(host, api, streams);
  keyRoutes(host, { ...api, revokeOwner: (caller, keyId) => agents.revokeWithKey(caller, keyId) });
  priceRoutes(host, api);
  serviceRoutes(host, api);
  goalRoutes(host, api);
  noticeRoutes(host, api);
  agentRoutes(host, api);
  chatRoutes(host, { ...api, assertGoalUsable });
}

function newServer(parts: HttpParts): FastifyInstance {
  const app = Fastify({
    loggerInstance: loggerFor(parts.log) as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    // One logger for all: a child for each request would cost more than its one line, which has the id.
    childLoggerFactory: (logger) => logger,
    genReqId: requestIds(),
    bodyLimit: limits.BODY_BYTES_MAX,
    requestTimeout: limits.REQUEST_TIMEOUT_MS,
    keepAliveTimeout: limits.KEEP_ALIVE_MS,
    http: {
      headersTimeout: limits.HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: limits.TIMEOUT_CHECK_MS,
      maxHeaderSize: limits.HEADER_BYTES_MAX,
    },
    routerOptions: { maxParamLength: limits.PATH_PARAMETER_LENGTH_MAX },
    exposeHeadRoutes: false,
    frameworkErrors: (error, request, reply) => {
      if (!parts.answersUnrouted(error, request, reply)) answerError(error, request, reply);
    },
    // A body is taken as it is stated: nothing is coerced, dropped or filled in.
    ajv: {
      customOptions: {
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        allErrors: false,
        allowUnionTypes: true,
        discriminator: true,
      },
    },
  });
  app.server.maxConnections = limits.CONNECTIONS_MAX;
  app.decorateRequest('caller', null as never);
  app.decorateReply('bytes', function bytes(contentType, body) {
    return this.type(contentType).send(body);
  });
  return app;
}

/** Every request has an id, a security header or two, a line of log, its place in the metrics, and a span. */
function hooks(app: FastifyInstance, api: Api): void {
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    reply.header('x-content-type-options', 'nosniff');
    reply.header('cache-control', 'no-store');
    beginSpan(request);
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    endSpan(request, reply);
    logRequest(api, request, reply);
    done();
  });
}

/** A caller's own id is kept when it is short and plain, so that its logs and ours meet. */
const SANE_ID = /^[\w.:/+=-]{1,128}$/;

function requestIds(): (request: Pick<IncomingMessage, 'headers'>) => string {
  const start = randomBytes(6).toString('base64url');
  let count = 0;
  return ({ headers }) => {
    const stated = headers['x-request-id'];
    if (typeof stated === 'string' && SANE_ID.test(stated)) return stated;
    count += 1;
    return `req-${start}-${count.toString(36)}`;
  };
}
