// Prices over HTTP.

import type { Clock } from '../../authority/api.js';
import { instantIn } from '../../kit/instants.js';
import { limitOf } from '../../kit/page.js';
import type { RouteHost } from '../../kit/route.js';
import type { PriceCatalogue } from './price-book.js';
import { PRICE_ROUTES, type PriceList, type PriceQuery } from './prices-api.js';

/** Prices on a page, as the price list has it. */
const PRICES_LISTED_MAX = 500;

interface PriceParts {
  /** The price book in force; asked at each use, since a reload replaces it. */
  readonly prices: () => PriceCatalogue;
  readonly clock: Clock;
}

export function priceRoutes(host: RouteHost, parts: PriceParts): void {
  host.serve('listPrices', PRICE_ROUTES.listPrices, ({ query }) => prices(parts, query));
}

function prices(parts: PriceParts, query: PriceQuery): PriceList {
  const { provider, model, cursor, at } = query;
  const page = parts.prices().list({
    at: at === undefined ? parts.clock.now() : instantIn(at, 'at'),
    limit: Math.min(limitOf(query), PRICES_LISTED_MAX),
    ...(provider === undefined ? {} : { provider }),
    ...(model === undefined ? {} : { model }),
    ...(cursor === undefined ? {} : { cursor }),
  });
  const items = page.prices.map((price) => ({ ...price, rates: [...price.rates] }));
  return { version: page.version, items, nextCursor: page.next };
}
