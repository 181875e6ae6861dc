// What those who run the server ask: is it alive, may it be sent calls, its metrics, its description.

import type { FastifyInstance } from 'fastify';
import { hasScope } from '../access/scopes.js';
import { RefusedError } from '../kit/refusals.js';
import type { Api, Reply } from './api.js';

/** Open to all: they say nothing about anybody. */
export function healthRoutes(app: FastifyInstance, api: Api): void {
  app.get('/healthz', HIDDEN, () => ({ status: 'alive' }));
  app.get('/readyz', HIDDEN, (_request, reply) => readiness(api, reply));
  // Made once: it is open to all, and making it takes longer than any other answer.
  let description: Buffer | null = null;
  app.addHook('onReady', (done) => {
    description = Buffer.from(JSON.stringify(app.swagger()));
    done();
  });
  app.get('/openapi.json', HIDDEN, (_request, reply) =>
    reply.type('application/json; charset=utf-8').send(description),
  );
}

const HIDDEN = { schema: { hide: true } };

function readiness(api: Api, reply: Reply): { status: string } {
  if (api.isDraining()) {
    reply.code(503);
    return { status: 'draining' };
  }
  // Throws when the journal has failed: nothing would be authorised.
  api.ledger.head();
  return { status: 'ready' };
}

export function metricsRoute(app: FastifyInstance, api: Api): void {
  app.get('/metrics', HIDDEN, async ({ caller }, reply) => {
    // Totals are every tenant's.
    if (caller.tenant !== null || !hasScope(caller, 'read'))
      throw new RefusedError('forbidden', 'this needs a key of the platform’s own with the scope read');
    const { registry } = api.metrics;
    const text = await registry.metrics();
    return reply.type(registry.contentType).send(text);
  });
}
