// Reconciliations over HTTP. For the platform's admin: a report is about every tenant.

import type { FastifyInstance } from 'fastify';
import { cursorOf, limitOf, readSequenceCursor } from '../kit/page.js';
import { RECONCILIATION_ROUTES } from '../reconciliation/reconciliation-routes.js';
import type { Api } from './api.js';
import { serve } from './serve.js';

export function reconciliationRoutes(app: FastifyInstance, { reconciliations }: Api): void {
  serve(app, 'reconcile', RECONCILIATION_ROUTES.reconcile, ({ body }, reply) => {
    reply.code(201);
    return reconciliations.run(body);
  });
  serve(app, 'listReconciliations', RECONCILIATION_ROUTES.listReconciliations, ({ query }) => {
    const before = readSequenceCursor(query) || null;
    const { items, next } = reconciliations.list({ before, max: limitOf(query) });
    return { items, nextCursor: next === null ? null : cursorOf(next) };
  });
  serve(app, 'getReconciliation', RECONCILIATION_ROUTES.getReconciliation, ({ params }) =>
    reconciliations.get(params.id),
  );
}
