// Budgets, their accounts, units and grants over HTTP.

import { optionalCommandId } from '../kit/idempotency-key.js';
import { pageOf } from '../kit/page.js';
import type { RouteHost } from '../kit/route.js';
import { budgetIn, definitionsIn } from './budget-definitions.js';
import { BUDGET_ROUTES } from './budgets-api.js';
import { commandRoutes } from './commands-in.js';
import type { LedgerParts } from './ledger-parts.js';
import { getBudget, listBalances, listBudgets, listGrants } from './lists.js';

export function budgetRoutes(host: RouteHost, parts: LedgerParts): void {
  host.serve('listBudgets', BUDGET_ROUTES.listBudgets, ({ caller, query }) =>
    listBudgets(parts, caller, query),
  );
  host.serve('getBudget', BUDGET_ROUTES.getBudget, ({ caller, params }) =>
    getBudget(parts, caller, params.id),
  );
  host.serve('putBudget', BUDGET_ROUTES.putBudget, async (request, reply) => {
    const { id } = request.params;
    const budgets = [budgetIn(id, request.body, host.stated(request))];
    const outcome = await host.decided(request, {
      command: 'put_definitions',
      budgets,
      ...optionalCommandId(request),
    });
    if (outcome.outcome === 'rejected') return host.sendOutcome(request, reply, outcome);
    return getBudget(parts, request.caller, id);
  });
  host.serve('putDefinitions', BUDGET_ROUTES.putDefinitions, async (request, reply) => {
    const definitions = definitionsIn(request.body, host.stated(request));
    const outcome = await host.decided(request, {
      ...definitions,
      command: 'put_definitions',
      ...optionalCommandId(request),
    });
    host.scales.refresh();
    return host.sendOutcome(request, reply, outcome);
  });
  host.serve('getDefinitions', BUDGET_ROUTES.getDefinitions, () =>
    parts.ledger.whenDurable(() => ({ units: [...parts.ledger.units()], aliases: parts.ledger.aliases() })),
  );
  host.serve('listBalances', BUDGET_ROUTES.listBalances, ({ caller, query }) =>
    listBalances(parts, caller, query),
  );
  host.serve('listUnits', BUDGET_ROUTES.listUnits, ({ query }) =>
    parts.ledger.whenDurable(() => pageOf(parts.ledger.units(), ({ name }) => name, query)),
  );
  host.serve('listGrants', BUDGET_ROUTES.listGrants, ({ caller, query }) => listGrants(parts, caller, query));
  commandRoutes(host, BUDGET_ROUTES, { idField: 'budgetId', units: parts.units });
}
