// Lists: a page at a time, or all rows one after another. The nouns of the client are made of them.

import type { Answer, CallName, CallParts, Query } from './calls.js';
import type { CallOptions, Transport } from './transport.js';

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Asks for the next page; null at the end. */
  readonly nextCursor: string | null;
}

/** Calls that answer pages. */
export type ListName = {
  [Name in CallName]: Answer<Name> extends Page<unknown> ? Name : never;
}[CallName];
export type ItemOf<Name extends ListName> = Answer<Name>['items'][number];

/** Rows of a page when all are read: the most that the server gives at once, and of chats, turns and messages. */
const PAGE_ROWS = 1_000;
const CHAT_PAGE_ROWS = 100;

/** One list of the server. */
export class List<Name extends ListName> {
  /** For the nouns; not part of the client's interface. */
  protected readonly transport: Transport;
  readonly #name: Name;
  readonly #params: Readonly<Record<string, string>> | undefined;

  constructor(transport: Transport, name: Name, params?: Readonly<Record<string, string>>) {
    this.transport = transport;
    this.#name = name;
    this.#params = params;
  }

  /**
   * One page.
   * @example const { items, nextCursor } = await client.holds.list({ status: 'open', limit: 50 });
   */
  list(query?: Query<Name>, options?: CallOptions): Promise<Answer<Name>> {
    return this.transport.call(this.#name, { params: this.#params, query } as CallParts<Name>, options);
  }

  /**
   * Every row, page after page as they are asked for.
   * @example for await (const hold of client.holds.all({ status: 'open' })) console.log(hold.holdId);
   */
  async *all(query?: Omit<Query<Name>, 'cursor'>, options?: CallOptions): AsyncGenerator<ItemOf<Name>> {
    const limit = CHAT_LISTS.has(this.#name) ? CHAT_PAGE_ROWS : PAGE_ROWS;
    let cursor: string | null = null;
    do {
      const next = cursor === null ? {} : { cursor };
      const page: Page<ItemOf<Name>> = await this.list({ limit, ...query, ...next } as Query<Name>, options);
      yield* page.items;
      cursor = page.nextCursor;
    } while (cursor !== null);
  }
}

const CHAT_LISTS: ReadonlySet<string> = new Set(['listChats', 'listTurns', 'listMessages']);
