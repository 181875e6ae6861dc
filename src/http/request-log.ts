// One line of log for each request: its id, key id, route, status and duration. Never a header, a query or a body: they
// may hold secrets, and what a tenant writes is its own.

import { pino } from 'pino';
import type { Api, Reply, Request } from './api.js';
import type { HttpParts } from './parts.js';

export function loggerFor({ level, stream }: HttpParts['log']) {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream);
}

export function logRequest(api: Api, request: Request, reply: Reply): void {
  const { routeOptions, method } = request;
  const ms = reply.elapsedTime;
  // A path that is no route could be anything.
  const route = routeOptions.url ?? 'unknown';
  api.metrics.answered({ method, route, status: reply.statusCode }, ms);
  request.log.info(
    {
      requestId: request.id,
      keyId: request.caller?.keyId ?? null,
      method,
      route,
      status: reply.statusCode,
      ms: Math.round(ms * 1_000) / 1_000,
    },
    'request',
  );
}
