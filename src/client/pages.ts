// Lists: a page at a time, or all of them one after another. Called by the nouns of the client.

import type { CallOptions, QueryValue, Transport } from './transport.js';

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Asks for the next page; null at the end. */
  readonly nextCursor: string | null;
}

/** Rows of a page when all are read: the most that the server gives at once. */
const PAGE_ROWS = 1_000;

/** One list of the server. `list` reads a page, `all` goes through every page as it is asked for. */
export class List<
  Query extends { readonly cursor?: string; readonly limit?: number },
  Item,
  OnePage extends Page<Item>,
> {
  readonly #transport: Transport;
  readonly #path: string;

  constructor(transport: Transport, path: string) {
    this.#transport = transport;
    this.#path = path;
  }

  list(query?: Query, options?: CallOptions): Promise<OnePage> {
    return this.#transport.json({
      method: 'GET',
      path: this.#path,
      query: { ...query } as Record<string, QueryValue>,
      repeat: 'read',
      options,
    });
  }

  async *all(query?: Omit<Query, 'cursor'>, options?: CallOptions): AsyncGenerator<Item> {
    let cursor: string | null = null;
    do {
      const asked = {
        limit: PAGE_ROWS,
        ...query,
        ...(cursor === null ? {} : { cursor }),
      } as unknown as Query;
      const page: OnePage = await this.list(asked, options);
      yield* page.items;
      cursor = page.nextCursor;
    } while (cursor !== null);
  }
}
