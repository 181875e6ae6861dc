// Providers over HTTP: how they stand, exhausting one, booking what one cost. For the platform's keys.

import { actorOf } from '../kit/caller.js';
import { commandIdIn } from '../kit/idempotency-key.js';
import { instantIn } from '../kit/instants.js';
import { pageOf } from '../kit/page.js';
import type { RouteHost } from '../kit/route.js';
import { commandIn, readingOf } from './commands-in.js';
import type { LedgerParts } from './ledger-parts.js';
import { exhaustProvider, providers, providerVerdict } from './providers.js';
import { PROVIDER_ROUTES, providerOut } from './providers-api.js';

export function providerRoutes(host: RouteHost, parts: LedgerParts): void {
  host.serve('listProviders', PROVIDER_ROUTES.listProviders, ({ query }) =>
    parts.ledger.whenDurable(() => {
      const { items, nextCursor } = pageOf(providers(parts.ledger), ({ provider }) => provider, query);
      return { items: items.map((one) => providerOut(one, host.scales)), nextCursor };
    }),
  );
  host.serve('getProvider', PROVIDER_ROUTES.getProvider, ({ params }) => verdictOf(parts, params.name));
  host.serve('exhaustProvider', PROVIDER_ROUTES.exhaustProvider, async (request, reply) => {
    const { until } = request.body;
    const { name } = request.params;
    const at = until === undefined ? undefined : instantIn(until, 'until');
    const outcomes = await exhaustProvider(parts.ledger, name, at, { actor: actorOf(request.caller) });
    const refused = outcomes.find((outcome) => outcome.outcome === 'rejected');
    if (refused !== undefined) return host.sendOutcome(request, reply, refused);
    return verdictOf(parts, name);
  });
  host.serve('recordProviderSpend', PROVIDER_ROUTES.recordProviderSpend, (request, reply) => {
    const { usd, labels, occurredAt } = request.body;
    const spend = {
      command: 'record_spend',
      labels: { ...labels, provider: request.params.name },
      amounts: { usd },
      ...(occurredAt === undefined ? {} : { occurredAt }),
    } as const;
    const ids = { commandId: commandIdIn(request) };
    return host.decide(request, reply, commandIn(spend, readingOf(host, request, parts.units, ids)));
  });
}

function verdictOf(parts: LedgerParts, name: string) {
  return parts.ledger.whenDurable(() => providerOut(providerVerdict(parts.ledger, name), parts.scales));
}
