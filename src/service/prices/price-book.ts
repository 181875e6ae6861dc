// The price book: own prices, then the price data, under one version. On every request's path, so that what a name means
// is worked out once; which of its prices is in force is asked each time, since prices change at instants.

import { LABEL_VALUE_LENGTH_MAX } from '../../core/labels.js';
import { matchesModel } from '../settings/model-pattern.js';
import type { OwnPrice } from '../settings/settings.js';
import type { DatedPrice } from './data-rates.js';
import { orderedOwnPrices, ownPricesDigest } from './own-prices.js';
import type { ModelPrice, PriceBook } from './price.js';
import { dataPrice, dataVersion } from './price-data.js';
import type { PricePage, PriceQuery } from './price-list.js';
import { listPrices } from './price-list.js';

/** Names remembered for a provider: more than any provider has, dated variants included, and a few MiB at most. */
const NAMES_MAX = 4_096;

/** The price book with its contents, for people to read. */
export interface PriceCatalogue extends PriceBook {
  /** A page of the prices in force, by provider and model. @throws RefusedError `invalid_request` */
  list(query: PriceQuery): PricePage;
}

/**
 * Own prices come first, whole: no rate is taken from the data beside an own one. An own price of zero is a price.
 * @throws RefusedError `invalid_request` for own prices that contradict themselves.
 */
export function openPriceBook(own: readonly OwnPrice[]): PriceCatalogue {
  const ordered = orderedOwnPrices(own);
  const version = dataVersion() + (ordered.length === 0 ? '' : `+${ownPricesDigest(ordered)}`);
  const known = new Map<string, Map<string, DatedPrice>>();

  const price: PriceBook['price'] = ({ provider, model, at }) => {
    const remembered = known.get(provider)?.get(model);
    if (remembered !== undefined) return remembered(at);
    const found = model.length > LABEL_VALUE_LENGTH_MAX ? null : pricesOf(ordered, provider, model);
    // Names without a price are not kept, so that callers who invent some do not push out those in use.
    if (found === null) return null;
    remember(known, { provider, model, found });
    return found(at);
  };
  return { version, price, list: (query) => listPrices({ own: ordered, version, price }, query) };
}

function remember(
  known: Map<string, Map<string, DatedPrice>>,
  { provider, model, found }: { provider: string; model: string; found: DatedPrice },
): void {
  let names = known.get(provider);
  if (names === undefined) {
    names = new Map();
    known.set(provider, names);
  }
  if (names.size >= NAMES_MAX) names.delete(names.keys().next().value as string);
  names.set(model, found);
}

function pricesOf(ordered: readonly OwnPrice[], provider: string, model: string): DatedPrice | null {
  const own = ordered.filter((price) => price.provider === provider && matchesModel(price.model, model));
  const data = dataPrice(provider, model);
  if (own.length === 0) return data;
  const prices = own.map((price) => ({ from: price.from, price: modelPriceOf(price, data) }));
  return (at) => prices.find(({ from }) => from <= at)?.price ?? data?.(at) ?? null;
}

// The context window is a fact of the model, not of the price: the data's counts where the own price states none.
function modelPriceOf(own: OwnPrice, data: DatedPrice | null): ModelPrice {
  const { provider, model, rates, outputTokensMax, modifiers } = own;
  const contextWindow = own.contextWindow ?? data?.(own.from)?.contextWindow ?? null;
  const price = { provider, model, source: 'own', rates, contextWindow, outputTokensMax } as const;
  return modifiers === undefined ? price : { ...price, modifiers };
}
