// Chats, turns and messages: one method for each route. Put together by client.ts.

import type {
  CancelRequest,
  ChatList,
  ChatPageQuery,
  ChatQuery,
  ChatRequest,
  ChatView,
  CompleteRequest,
  FailRequest,
  MessageList,
  MessageView,
  RetryRequest,
  TurnDetail,
  TurnList,
  TurnRequest,
  TurnStarted,
  TurnView,
} from '../chats/chats-schema.js';
import type { Denied, Rejected } from './outcomes.js';
import { List, type Page } from './pages.js';
import { type CallOptions, path, type Transport } from './transport.js';

/** Started now, or the stored answer of a request that completed earlier; or what the budgets say against it. */
export type StartedTurn = TurnStarted | Denied | Rejected;

/** The most rows that a page of these lists has. */
const PAGE_ROWS = 100;

class ShortList<
  Query extends { readonly cursor?: string; readonly limit?: number },
  Item,
  OnePage extends Page<Item>,
> extends List<Query, Item, OnePage> {
  override all(query?: Omit<Query, 'cursor'>, options?: CallOptions): AsyncGenerator<Item> {
    return super.all({ limit: PAGE_ROWS, ...query } as Omit<Query, 'cursor'>, options);
  }
}

export class Chats extends ShortList<ChatQuery, ChatView, ChatList> {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    super(transport, '/v1/chats');
    this.#transport = transport;
  }

  /** Of the key's user, or of the one that is stated. A repeat would make a second one, so it is sent once. */
  create(request: ChatRequest = {}, options?: CallOptions): Promise<ChatView> {
    return this.#transport.json({
      method: 'POST',
      path: '/v1/chats',
      body: request,
      repeat: 'once',
      options,
    });
  }

  get(chatId: string, options?: CallOptions): Promise<ChatView> {
    return this.#transport.read(path`/v1/chats/${chatId}`, options);
  }

  /** Hides the chat; refused while a turn of it runs. */
  async delete(chatId: string, options?: CallOptions): Promise<void> {
    await this.#transport.json({
      method: 'DELETE',
      path: path`/v1/chats/${chatId}`,
      repeat: 'once',
      options,
    });
  }

  turns(chatId: string): Turns {
    return new Turns(this.#transport, chatId);
  }

  messages(chatId: string): List<ChatPageQuery, MessageView, MessageList> {
    return new ShortList(this.#transport, path`/v1/chats/${chatId}/messages`);
  }
}

/** The turns of one chat. */
export class Turns extends ShortList<ChatPageQuery, TurnView, TurnList> {
  readonly #transport: Transport;
  readonly #chatId: string;

  constructor(transport: Transport, chatId: string) {
    super(transport, path`/v1/chats/${chatId}/turns`);
    this.#transport = transport;
    this.#chatId = chatId;
  }

  /**
   * Starts a turn and holds for it, in one step. A request that completed earlier gives its stored answer; one that is in
   * any other state, or another turn that runs, is a BursarError of the code `conflict`, whose message names the turn.
   */
  start(request: TurnRequest, options?: CallOptions): Promise<StartedTurn> {
    return this.#start(path`/v1/chats/${this.#chatId}/turns`, request, options);
  }

  get(turnId: string, options?: CallOptions): Promise<TurnDetail> {
    return this.#transport.read(path`/v1/chats/${this.#chatId}/turns/${turnId}`, options);
  }

  /** Ends a turn with its answer. The first end wins; others are a BursarError of the code `conflict`. */
  complete(turnId: string, request: CompleteRequest, options?: CallOptions): Promise<TurnDetail> {
    return this.#on(path`/v1/chats/${this.#chatId}/turns/${turnId}/complete`, request, options);
  }

  fail(turnId: string, request: FailRequest, options?: CallOptions): Promise<TurnDetail> {
    return this.#on(path`/v1/chats/${this.#chatId}/turns/${turnId}/fail`, request, options);
  }

  cancel(turnId: string, request: CancelRequest = {}, options?: CallOptions): Promise<TurnDetail> {
    return this.#on(path`/v1/chats/${this.#chatId}/turns/${turnId}/cancel`, request, options);
  }

  /** Keeps the watchdog away; say it more often than the time-out. */
  progress(turnId: string, options?: CallOptions): Promise<TurnDetail> {
    return this.#on(path`/v1/chats/${this.#chatId}/turns/${turnId}/progress`, {}, options);
  }

  /** The last turn again, as a new one in its place. */
  retry(turnId: string, request: RetryRequest, options?: CallOptions): Promise<StartedTurn> {
    return this.#start(path`/v1/chats/${this.#chatId}/turns/${turnId}/retry`, request, options);
  }

  /** As `retry`, with another text. */
  edit(turnId: string, request: TurnRequest, options?: CallOptions): Promise<StartedTurn> {
    return this.#start(path`/v1/chats/${this.#chatId}/turns/${turnId}/edit`, request, options);
  }

  /** Hides a turn and its messages; what it cost stays spent. */
  async delete(turnId: string, options?: CallOptions): Promise<void> {
    const to = path`/v1/chats/${this.#chatId}/turns/${turnId}`;
    await this.#transport.json({ method: 'DELETE', path: to, repeat: 'once', options });
  }

  #start(to: string, body: unknown, options: CallOptions | undefined): Promise<StartedTurn> {
    return this.#transport.outcome({ method: 'POST', path: to, body, options });
  }

  // The server knows an exact repeat of an end by itself.
  #on(to: string, body: unknown, options: CallOptions | undefined): Promise<TurnDetail> {
    return this.#transport.command({ method: 'POST', path: to, body, options });
  }
}
