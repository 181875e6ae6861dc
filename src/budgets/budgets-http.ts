// Budgets, their accounts, units and grants over HTTP.

import { commandIdIn, optionalCommandId } from '../kit/idempotency-key.js';
import { pageOf } from '../kit/page.js';
import type { RouteHost, RouteRequest } from '../kit/route.js';
import type { BudgetUnits } from './budget-units.js';
import {
  BUDGET_ROUTES,
  balanceLimitIn,
  budgetIn,
  definitionsIn,
  exhaustIn,
  type OnBudget,
  statusIn,
  topUpIn,
  type UnitOf,
} from './budgets-api.js';
import type { LedgerParts } from './ledger-parts.js';
import { getBudget, listBalances, listBudgets, listGrants } from './lists.js';

export interface BudgetParts extends LedgerParts {
  readonly units: BudgetUnits;
}

export function budgetRoutes(host: RouteHost, parts: BudgetParts): void {
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
  accountRoutes(host, parts);
}

function accountRoutes(host: RouteHost, parts: BudgetParts): void {
  host.serve('setBudgetStatus', BUDGET_ROUTES.setBudgetStatus, (request, reply) =>
    host.decide(request, reply, statusIn(request.body, on(request, request.params))),
  );
  host.serve('topUp', BUDGET_ROUTES.topUp, (request, reply) => {
    const { id: budgetId } = request.params;
    const account: OnBudget = { budgetId, commandId: commandIdIn(request) };
    return host.decide(
      request,
      reply,
      topUpIn(request.body, account, unitsFor(parts, request), host.stated(request)),
    );
  });
  host.serve('exhaust', BUDGET_ROUTES.exhaust, (request, reply) =>
    host.decide(request, reply, exhaustIn(request.body, on(request, request.params))),
  );
  host.serve('setBalanceLimit', BUDGET_ROUTES.setBalanceLimit, (request, reply) => {
    const account = on(request, request.params);
    const stated = host.stated(request);
    return host.decide(
      request,
      reply,
      balanceLimitIn(request.body, account, unitsFor(parts, request), stated),
    );
  });
}

function on(request: RouteRequest, { id }: { readonly id: string }): OnBudget {
  return { budgetId: id, ...optionalCommandId(request) };
}

function unitsFor(parts: BudgetParts, { caller }: RouteRequest): UnitOf {
  return (budgetId) => parts.units.unitOf(caller, budgetId);
}
