// Providers over HTTP: how they stand, exhausting one, booking what one cost. For the platform's keys.

import type { FastifyInstance } from 'fastify';
import { BUDGET_ROUTES } from '../budgets/budgets-routes.js';
import { spendIn } from '../budgets/hold-commands.js';
import { exhaustProvider, providers, providerVerdict } from '../budgets/providers.js';
import { providerOut } from '../budgets/views-out.js';
import { instantIn } from '../kit/instants.js';
import { pageOf } from '../kit/page.js';
import { sendOutcome } from './answers.js';
import { type Api, statedIn } from './api.js';
import { commandIdIn, decide } from './decide.js';
import { serve } from './serve.js';

export function providerRoutes(app: FastifyInstance, api: Api): void {
  serve(app, 'listProviders', BUDGET_ROUTES.listProviders, ({ query }) =>
    api.ledger.whenDurable(() => {
      const { items, nextCursor } = pageOf(providers(api.ledger), ({ provider }) => provider, query);
      return { items: items.map((one) => providerOut(one, api.scales)), nextCursor };
    }),
  );
  serve(app, 'getProvider', BUDGET_ROUTES.getProvider, ({ params }) => verdictOf(api, params.name));
  serve(app, 'exhaustProvider', BUDGET_ROUTES.exhaustProvider, async (request, reply) => {
    const { until } = request.body;
    const { name } = request.params;
    const at = until === undefined ? undefined : instantIn(until, 'until');
    const outcomes = await exhaustProvider(api.ledger, name, at);
    const refused = outcomes.find((outcome) => outcome.outcome === 'rejected');
    if (refused !== undefined) return sendOutcome(api, request, reply, refused);
    return verdictOf(api, name);
  });
  serve(app, 'recordProviderSpend', BUDGET_ROUTES.recordProviderSpend, (request, reply) => {
    const { usd, labels, occurredAt } = request.body;
    const spend = {
      labels: { ...labels, provider: request.params.name },
      amounts: { usd },
      ...(occurredAt === undefined ? {} : { occurredAt }),
    };
    return decide(api, request, reply, spendIn(spend, commandIdIn(request), statedIn(api, request)));
  });
}

function verdictOf(api: Api, name: string) {
  return api.ledger.whenDurable(() => providerOut(providerVerdict(api.ledger, name), api.scales));
}
