// Budgets, their accounts, units and grants over HTTP.

import type { FastifyInstance } from 'fastify';
import {
  balanceLimitIn,
  budgetIn,
  definitionsIn,
  exhaustIn,
  type OnBudget,
  statusIn,
  topUpIn,
  type UnitOf,
} from '../budgets/budget-commands.js';
import { BUDGET_ROUTES } from '../budgets/budgets-routes.js';
import { pageOf } from '../kit/page.js';
import { sendOutcome } from './answers.js';
import { type Api, type Request, statedIn } from './api.js';
import { commandIdIn, decide, decided, optionalCommandId } from './decide.js';
import { getBudget, listBalances, listBudgets, listGrants } from './lists.js';
import { serve } from './serve.js';

export function budgetRoutes(app: FastifyInstance, api: Api): void {
  serve(app, 'listBudgets', BUDGET_ROUTES.listBudgets, ({ caller, query }) =>
    listBudgets(api, caller, query),
  );
  serve(app, 'getBudget', BUDGET_ROUTES.getBudget, ({ caller, params }) => getBudget(api, caller, params.id));
  serve(app, 'putBudget', BUDGET_ROUTES.putBudget, async (request, reply) => {
    const { id } = request.params;
    const budgets = [budgetIn(id, request.body, statedIn(api, request))];
    const outcome = await decided(api, request, {
      command: 'put_definitions',
      budgets,
      ...optionalCommandId(request),
    });
    if (outcome.outcome === 'rejected') return sendOutcome(api, request, reply, outcome);
    return getBudget(api, request.caller, id);
  });
  serve(app, 'putDefinitions', BUDGET_ROUTES.putDefinitions, async (request, reply) => {
    const definitions = definitionsIn(request.body, statedIn(api, request));
    const outcome = await decided(api, request, {
      ...definitions,
      command: 'put_definitions',
      ...optionalCommandId(request),
    });
    api.scales.refresh();
    return sendOutcome(api, request, reply, outcome);
  });
  serve(app, 'getDefinitions', BUDGET_ROUTES.getDefinitions, () =>
    api.ledger.whenDurable(() => ({ units: [...api.ledger.units()], aliases: api.ledger.aliases() })),
  );
  serve(app, 'listBalances', BUDGET_ROUTES.listBalances, ({ caller, query }) =>
    listBalances(api, caller, query),
  );
  serve(app, 'listUnits', BUDGET_ROUTES.listUnits, ({ query }) =>
    api.ledger.whenDurable(() => pageOf(api.ledger.units(), ({ name }) => name, query)),
  );
  serve(app, 'listGrants', BUDGET_ROUTES.listGrants, ({ caller, query }) => listGrants(api, caller, query));
  accountRoutes(app, api);
}

function accountRoutes(app: FastifyInstance, api: Api): void {
  serve(app, 'setBudgetStatus', BUDGET_ROUTES.setBudgetStatus, (request, reply) =>
    decide(api, request, reply, statusIn(request.body, on(request, request.params))),
  );
  serve(app, 'topUp', BUDGET_ROUTES.topUp, (request, reply) => {
    const { id: budgetId } = request.params;
    const account: OnBudget = { budgetId, commandId: commandIdIn(request) };
    return decide(
      api,
      request,
      reply,
      topUpIn(request.body, account, unitsFor(api, request), statedIn(api, request)),
    );
  });
  serve(app, 'exhaust', BUDGET_ROUTES.exhaust, (request, reply) =>
    decide(api, request, reply, exhaustIn(request.body, on(request, request.params))),
  );
  serve(app, 'setBalanceLimit', BUDGET_ROUTES.setBalanceLimit, (request, reply) => {
    const account = on(request, request.params);
    const stated = statedIn(api, request);
    return decide(api, request, reply, balanceLimitIn(request.body, account, unitsFor(api, request), stated));
  });
}

function on(request: Request, { id }: { readonly id: string }): OnBudget {
  return { budgetId: id, ...optionalCommandId(request) };
}

function unitsFor(api: Api, { caller }: Request): UnitOf {
  return (budgetId) => api.units.unitOf(caller, budgetId);
}
