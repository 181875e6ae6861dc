// The prices in force, page by page, as people read them: decimal usd for a million tokens and for a thousand calls.
// Behind `GET /v1/prices` and `bursar prices`.

import { formatAmount } from '../../core/amount.js';
import { RefusedError } from '../../kit/refusals.js';
import { COMPONENTS, type Component } from '../metering/usage.js';
import { coversPattern } from './model-pattern.js';
import type { ModelPrice, OwnPrice, PriceBook } from './price.js';
import { dataModels, dataProviders } from './price-data.js';

/** Prices on a page: about 400 KiB of JSON. */
const PAGE_MAX = 1_000;
const PAGE_DEFAULT = 100;

const CURSOR_BYTES_MAX = 2_048;

/** The unit of a listed price, where the component is not counted in tokens. */
const COUNTED_IN: Readonly<Partial<Record<Component, ListedRate['per']>>> = {
  request: 'thousand_calls',
  web_search: 'thousand_calls',
  code_interpreter: 'thousand_calls',
  file_search: 'thousand_calls',
  character: 'million_characters',
  audio_second: 'thousand_seconds',
  image: 'thousand_images',
};

export interface PriceQuery {
  /** Epoch ms. */
  readonly at: number;
  readonly provider?: string;
  /** The whole name of a model, or of an own price's pattern; a trailing `*` matches any ending. */
  readonly model?: string;
  /** A page's `next`. */
  readonly cursor?: string;
  /** 1 … 1,000, 100 unless stated. */
  readonly limit?: number;
}

/** What a listed price is for. */
export const RATE_UNITS = [
  'million_tokens',
  'thousand_calls',
  'million_characters',
  'thousand_seconds',
  'thousand_images',
] as const;

interface ListedRate {
  readonly component: Component;
  /** What `usd` is for. */
  readonly per: (typeof RATE_UNITS)[number];
  /** Applies to inputs of at least so many tokens. */
  readonly fromInputTokens: number;
  /** Decimal usd. */
  readonly usd: string;
}

interface ListedPrice {
  readonly provider: string;
  readonly model: string;
  readonly source: ModelPrice['source'];
  readonly rates: readonly ListedRate[];
  readonly contextWindow: number | null;
  readonly outputTokensMax: number | null;
}

export interface PricePage {
  readonly version: string;
  readonly prices: readonly ListedPrice[];
  /** The cursor of the next page; null at the end. */
  readonly next: string | null;
}

/** A price book, and the own prices in it. */
interface ListedBook extends PriceBook {
  readonly own: readonly OwnPrice[];
}

export function listPrices(book: ListedBook, query: PriceQuery): PricePage {
  const limit = query.limit ?? PAGE_DEFAULT;
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX) {
    throw new RefusedError('invalid_request', `limit is ${limit}; it is 1 to ${PAGE_MAX}.`, {
      field: 'limit',
    });
  }
  const after = query.cursor === undefined ? null : readCursor(query.cursor);
  const prices: ListedPrice[] = [];
  for (const { provider, model } of namesAfter(book.own, query, after)) {
    const price = book.price({ provider, model, at: query.at });
    if (price === null) continue;
    if (prices.length === limit) return { version: book.version, prices, next: cursorOf(prices[limit - 1]) };
    prices.push({ ...listed(price), provider, model });
  }
  return { version: book.version, prices, next: null };
}

/** A price as it is shown. */
export function listed(price: ModelPrice): ListedPrice {
  const { provider, model, source, contextWindow, outputTokensMax } = price;
  const rates = COMPONENTS.flatMap((component) =>
    (price.rates[component] ?? []).map(({ fromInputTokens, perMillion }): ListedRate => {
      const per = COUNTED_IN[component] ?? 'million_tokens';
      const usd = formatAmount(perMillion, per.startsWith('thousand') ? 11 : 8);
      return { component, per, fromInputTokens, usd };
    }),
  );
  return { provider, model, source, rates, contextWindow, outputTokensMax };
}

interface PriceName {
  readonly provider: string;
  readonly model: string;
}

// The names of own prices, patterns included, and the ids of the data's models; each name once.
function namesAfter(own: readonly OwnPrice[], query: PriceQuery, after: PriceName | null): PriceName[] {
  const names = new Map<string, PriceName>();
  const add = (provider: string, model: string): void => {
    const name = { provider, model };
    if (query.provider !== undefined && query.provider !== provider) return;
    if (query.model !== undefined && !coversPattern(query.model, model)) return;
    if (after !== null && compareNames(name, after) <= 0) return;
    names.set(cursorOf(name), name);
  };
  for (const { provider, model } of own) add(provider, model);
  for (const provider of dataProviders()) for (const model of dataModels(provider)) add(provider, model);
  return [...names.values()].sort(compareNames);
}

function compareNames(left: PriceName, right: PriceName): number {
  if (left.provider !== right.provider) return left.provider < right.provider ? -1 : 1;
  return left.model === right.model ? 0 : left.model < right.model ? -1 : 1;
}

function cursorOf({ provider, model }: PriceName): string {
  return `${encodeURIComponent(provider)}/${encodeURIComponent(model)}`;
}

function readCursor(cursor: string): PriceName {
  const parts = cursor.length <= CURSOR_BYTES_MAX ? cursor.split('/') : [];
  try {
    if (parts.length === 2)
      return { provider: decodeURIComponent(parts[0]), model: decodeURIComponent(parts[1]) };
  } catch {
    // Not percent-encoded: refused below, like any other text that is no cursor.
  }
  throw new RefusedError('invalid_request', 'cursor is not the `next` of a page of prices.', {
    field: 'cursor',
  });
}
