// The price book: own prices, then the price data, under one version. Every request looks prices up, so that the meaning of a
// name is worked out once. Which of its prices is in force is worked out each time, since prices change at instants.

import { LABEL_VALUE_LENGTH_MAX } from '../../core/labels.js';
import type { DatedPrice } from './data-rates.js';
import { canonicalOfOwn } from './model-match.js';
import { isModelPattern, matchesModel } from './model-pattern.js';
import { orderedOwnPrices, ownPricesDigest } from './own-prices.js';
import type { ModelPrice, OwnPrice, PriceBook } from './price.js';
import { dataModels, dataPrice, dataVersion } from './price-data.js';
import type { PricePage, PriceQuery } from './price-list.js';
import { listPrices } from './price-list.js';

/** Remembered names of a provider: more than any provider has with dated variants, and a few MiB at most. */
const NAMES_MAX = 4_096;

/** The price book with its contents, for people to read. */
export interface PriceCatalogue extends PriceBook {
  /** A page of the prices in force, by provider and model. @throws RefusedError `invalid_request` */
  list(query: PriceQuery): PricePage;
  /** Names under which a provider's models have prices: own exact ones, then the data's ids. */
  models(provider: string): string[];
}

/**
 * Opens the book. An own price counts as a whole: no rate of the data is added to it. An own price of zero is a price.
 * @throws RefusedError `invalid_request` for own prices that contradict themselves.
 */
export function openPriceBook(own: readonly OwnPrice[]): PriceCatalogue {
  const ordered = orderedOwnPrices(own);
  const version = dataVersion() + (ordered.length === 0 ? '' : `+${ownPricesDigest(ordered)}`);
  const known = new Map<string, Map<string, PricedModel>>();
  const named = ({ provider, model }: { readonly provider: string; readonly model: string }) => {
    const remembered = known.get(provider)?.get(model);
    if (remembered !== undefined) return remembered;
    const found = model.length > LABEL_VALUE_LENGTH_MAX ? null : modelOf(ordered, provider, model);
    // Names without a price are not remembered, so that invented names do not displace those in use.
    if (found !== null) remember(known, { provider, model, found });
    return found;
  };
  const book: PriceBook = {
    version,
    price: (query) => named(query)?.priceAt(query.at) ?? null,
    canonicalModel: (query) => named(query)?.canonical ?? null,
  };
  return {
    ...book,
    list: (query) => listPrices({ ...book, own: ordered }, query),
    models(provider) {
      const own = ordered.filter((one) => one.provider === provider && !isModelPattern(one.model));
      return [...new Set([...own.map(({ model }) => model), ...dataModels(provider)])];
    },
  };
}

/** What a provider's name for a model means. */
interface PricedModel {
  readonly priceAt: DatedPrice;
  readonly canonical: string;
}

function remember(
  known: Map<string, Map<string, PricedModel>>,
  { provider, model, found }: { provider: string; model: string; found: PricedModel },
): void {
  let names = known.get(provider);
  if (names === undefined) {
    names = new Map();
    known.set(provider, names);
  }
  if (names.size >= NAMES_MAX) names.delete(names.keys().next().value as string);
  names.set(model, found);
}

function modelOf(ordered: readonly OwnPrice[], provider: string, model: string): PricedModel | null {
  const own = ordered.filter((price) => price.provider === provider && matchesModel(price.model, model));
  const data = dataPrice(provider, model);
  if (own.length === 0) return data;
  const priceOfData = data?.priceAt ?? null;
  const prices = own.map((price) => ({ from: price.from, price: modelPriceOf(price, priceOfData) }));
  return {
    canonical: canonicalOfOwn(own[0], model, data?.canonical ?? null),
    priceAt: (at) => prices.find(({ from }) => from <= at)?.price ?? priceOfData?.(at) ?? null,
  };
}

// The context window belongs to the model: where the own price states none, the data's counts.
function modelPriceOf(own: OwnPrice, data: DatedPrice | null): ModelPrice {
  const { provider, model, rates, outputTokensMax, modifiers } = own;
  const contextWindow = own.contextWindow ?? data?.(own.from)?.contextWindow ?? null;
  const price = { provider, model, source: 'own', rates, contextWindow, outputTokensMax } as const;
  return modifiers === undefined ? price : { ...price, modifiers };
}
