// Reconciliations over HTTP. For the platform's admin: a report is about every tenant.

import { cursorOf, limitOf, readSequenceCursor } from '../kit/page.js';
import type { RouteHost } from '../kit/route.js';
import { RECONCILIATION_ROUTES } from './reconciliation-api.js';
import type { Reconciliations } from './reconciliations.js';

export function reconciliationRoutes(
  host: RouteHost,
  { reconciliations }: { readonly reconciliations: Reconciliations },
): void {
  host.serve('reconcile', RECONCILIATION_ROUTES.reconcile, ({ caller, body }, reply) => {
    reply.code(201);
    return reconciliations.run(caller, body);
  });
  host.serve('listReconciliations', RECONCILIATION_ROUTES.listReconciliations, ({ query }) => {
    const before = readSequenceCursor(query) || null;
    const { items, next } = reconciliations.list({ before, max: limitOf(query) });
    return { items, nextCursor: next === null ? null : cursorOf(next) };
  });
  host.serve('getReconciliation', RECONCILIATION_ROUTES.getReconciliation, ({ params }) =>
    reconciliations.get(params.id),
  );
}
