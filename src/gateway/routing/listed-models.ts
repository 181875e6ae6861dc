// The models that a caller can name: those that routes name, and where a route is a pattern, the names below it that its
// providers have prices for. Behind the gateway's lists of models, and `bursar check`.

import { isModelPattern, matchesModel } from '../prices/model-pattern.js';
import type { PriceCatalogue } from '../prices/price-book.js';
import type { CompiledRoute, RoutingTable } from './routing-table.js';

/** Three times what the largest provider of the price data has; the answer then has some 100 KiB. */
const MODELS_MAX = 2_000;

export interface ListParts {
  readonly routing: Pick<RoutingTable, 'routes'>;
  readonly prices: Pick<PriceCatalogue, 'models' | 'price'>;
  /** Epoch ms. */
  readonly now: number;
}

/** In the order of the routes, the names below a pattern in that of the alphabet; each once. */
export function listedModels(dialect: Parameters<RoutingTable['routes']>[0], parts: ListParts): string[] {
  const names = new Set<string>();
  for (const route of parts.routing.routes(dialect)) {
    const found = isModelPattern(route.pattern) ? belowPattern(route, parts) : [route.pattern];
    for (const name of found) if (names.size < MODELS_MAX) names.add(name);
  }
  return [...names];
}

/** Whether a route names the model, or sends it to a provider that has a price for it. */
export function isListed(
  dialect: Parameters<RoutingTable['routes']>[0],
  name: string,
  { routing, prices, now }: ListParts,
): boolean {
  const route = routing.routes(dialect).find(({ pattern }) => matchesModel(pattern, name));
  if (route === undefined) return false;
  if (!isModelPattern(route.pattern)) return true;
  return route.candidates.some(
    ({ provider, model }) =>
      prices.price({ provider: provider.pricedAs, model: model ?? name, at: now }) !== null,
  );
}

// A candidate with a name of its own for the model takes every name below the pattern: it adds none.
function belowPattern({ pattern, candidates }: CompiledRoute, { prices, now }: ListParts): string[] {
  const found = candidates.flatMap(({ provider: { pricedAs: provider }, model: renamed }) =>
    renamed !== null
      ? []
      : prices
          .models(provider)
          .filter(
            (model) => matchesModel(pattern, model) && prices.price({ provider, model, at: now }) !== null,
          ),
  );
  return found.sort();
}
