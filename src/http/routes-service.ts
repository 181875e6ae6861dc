// Access keys, prices and reloading over HTTP.

import type { FastifyInstance } from 'fastify';
import type { IssuedKey } from '../access/key-ring.js';
import { keyOut } from '../budgets/views-out.js';
import { amountIn } from '../kit/amounts.js';
import { instantIn } from '../kit/instants.js';
import { cursorOf, limitOf, readCursor } from '../kit/page.js';
import { RefusedError } from '../kit/refusals.js';
import { type Api, statedIn } from './api.js';
import { serve } from './serve.js';
import { SERVICE_ROUTES } from './service-routes.js';
import type { KeyIssued, PriceList, PriceQuery } from './service-schema.js';

/** Prices on a page, as the price list has it. */
const PRICES_LISTED_MAX = 500;

export function serviceRoutes(app: FastifyInstance, api: Api): void {
  keyRoutes(app, api);
  serve(app, 'listPrices', SERVICE_ROUTES.listPrices, ({ query }) => prices(api, query));
  serve(app, 'reload', SERVICE_ROUTES.reload, async () => {
    const { reloaded, message } = await api.reload();
    if (!reloaded) throw new RefusedError('conflict', message);
    api.scales.refresh();
    return { reloaded, message };
  });
}

function keyRoutes(app: FastifyInstance, api: Api): void {
  const { keyRing } = api;
  serve(app, 'listKeys', SERVICE_ROUTES.listKeys, ({ caller, query }) => {
    const after = readCursor(query);
    const page = keyRing.list(caller, { max: limitOf(query), ...(after === undefined ? {} : { after }) });
    return { items: page.keys.map(keyOut), nextCursor: page.next === null ? null : cursorOf(page.next) };
  });
  serve(app, 'createKey', SERVICE_ROUTES.createKey, (request, reply) => {
    const { expiresAt, amountMaxUsd, ...key } = request.body;
    const issued = keyRing.create(request.caller, {
      ...key,
      ...(expiresAt === undefined ? {} : { expiresAt: instantIn(expiresAt, 'expiresAt') }),
      ...(amountMaxUsd === undefined
        ? {}
        : { amountMaxUsd: amountIn(amountMaxUsd, 'usd', 'amountMaxUsd', statedIn(api, request)) }),
    });
    reply.code(201);
    return issuedOut(issued);
  });
  serve(app, 'getKey', SERVICE_ROUTES.getKey, ({ caller, params }) => keyOut(keyRing.get(caller, params.id)));
  serve(app, 'rotateKey', SERVICE_ROUTES.rotateKey, ({ caller, params, body }) =>
    issuedOut(keyRing.rotate(caller, params.id, body)),
  );
  serve(app, 'revokeKey', SERVICE_ROUTES.revokeKey, async ({ caller, params }) => {
    const key = keyRing.revoke(caller, params.id);
    await api.delegation.keyRevoked(key.id);
    return keyOut(key);
  });
}

function issuedOut({ key, secret }: IssuedKey): KeyIssued {
  return { key: secret, ...keyOut(key) };
}

function prices(api: Api, query: PriceQuery): PriceList {
  const { provider, model, cursor, at } = query;
  const page = api.prices().list({
    at: at === undefined ? api.clock.now() : instantIn(at, 'at'),
    limit: Math.min(limitOf(query), PRICES_LISTED_MAX),
    ...(provider === undefined ? {} : { provider }),
    ...(model === undefined ? {} : { model }),
    ...(cursor === undefined ? {} : { cursor }),
  });
  const items = page.prices.map((price) => ({ ...price, rates: [...price.rates] }));
  return { version: page.version, items, nextCursor: page.next };
}
