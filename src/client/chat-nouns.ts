// Chats, turns and messages: one method for each route. Put together by client.ts.

import type { Answer, Body } from './calls.js';
import type { OutcomeOf } from './outcomes.js';
import { List } from './pages.js';
import type { CallOptions, Transport } from './transport.js';

/** Started now, or the stored answer of a request that completed earlier; or what the budgets say against it. */
export type StartedTurn = OutcomeOf<'startTurn'>;
type TurnDetail = Answer<'getTurn'>;

export class Chats extends List<'listChats'> {
  constructor(transport: Transport) {
    super(transport, 'listChats');
  }

  /**
   * Of the key's user, or of the one that is stated. A repeat would make a second chat, so the call is sent once.
   * @example const chat = await client.chats.create({ user: 'u1', title: 'Trip to Lisbon' });
   */
  create(request: Body<'createChat'> = {}, options?: CallOptions): Promise<Answer<'createChat'>> {
    return this.transport.call('createChat', { body: request }, options);
  }

  /**
   * One chat.
   * @example const { title } = await client.chats.get(chat.id);
   */
  get(chatId: string, options?: CallOptions): Promise<Answer<'getChat'>> {
    return this.transport.call('getChat', { params: { id: chatId } }, options);
  }

  /**
   * Changes what is stated, and leaves the rest.
   * @example await client.chats.change(chat.id, { title: 'Trip to Porto' });
   */
  change(chatId: string, request: Body<'changeChat'>, options?: CallOptions): Promise<Answer<'changeChat'>> {
    return this.transport.call('changeChat', { params: { id: chatId }, body: request }, options);
  }

  /**
   * Deletes the chat and what was said in it; refused while a turn of it runs.
   * @example await client.chats.delete(chat.id);
   */
  async delete(chatId: string, options?: CallOptions): Promise<void> {
    await this.transport.call('deleteChat', { params: { id: chatId } }, options);
  }

  /**
   * The turns of a chat.
   * @example const turns = client.chats.turns(chat.id);
   */
  turns(chatId: string): Turns {
    return new Turns(this.transport, chatId);
  }

  /**
   * The messages of a chat.
   * @example for await (const { role, text } of client.chats.messages(chat.id).all()) console.log(role, text);
   */
  messages(chatId: string): List<'listMessages'> {
    return new List(this.transport, 'listMessages', { id: chatId });
  }
}

/** The turns of one chat. */
export class Turns extends List<'listTurns'> {
  readonly #chatId: string;

  constructor(transport: Transport, chatId: string) {
    super(transport, 'listTurns', { id: chatId });
    this.#chatId = chatId;
  }

  #ids(turnId: string): { readonly id: string; readonly turn: string } {
    return { id: this.#chatId, turn: turnId };
  }

  /**
   * Starts a turn and holds for it, in one step. A request that completed earlier gives its stored answer; one that is in
   * any other state, or another turn that runs, is a BursarError of the code `conflict`, whose message names the turn.
   * @example const started = await turns.start({ requestId: 'r1', text: 'Hello', amounts: { usd: '0.05' } });
   */
  start(request: Body<'startTurn'>, options?: CallOptions): Promise<StartedTurn> {
    return this.transport.outcome('startTurn', { params: { id: this.#chatId }, body: request }, options);
  }

  /**
   * One turn and its messages.
   * @example const { state, charged } = await turns.get(turnId);
   */
  get(turnId: string, options?: CallOptions): Promise<TurnDetail> {
    return this.transport.call('getTurn', { params: this.#ids(turnId) }, options);
  }

  /**
   * Ends a turn with its answer. The first end wins; others are a BursarError of the code `conflict`.
   * @example await turns.complete(turnId, { text: 'Hi!', amounts: { usd: '0.01' } });
   */
  complete(turnId: string, request: Body<'completeTurn'>, options?: CallOptions): Promise<TurnDetail> {
    return this.transport.call('completeTurn', { params: this.#ids(turnId), body: request }, options);
  }

  /**
   * Ends a turn that failed. Where the provider was never reached nothing is charged.
   * @example await turns.fail(turnId, { reachedProvider: false });
   */
  fail(turnId: string, request: Body<'failTurn'>, options?: CallOptions): Promise<TurnDetail> {
    return this.transport.call('failTurn', { params: this.#ids(turnId), body: request }, options);
  }

  /**
   * Ends a turn that its user stopped; charged as far as it came.
   * @example await turns.cancel(turnId, { text: 'Hi', amounts: { usd: '0.004' } });
   */
  cancel(turnId: string, request: Body<'cancelTurn'> = {}, options?: CallOptions): Promise<TurnDetail> {
    return this.transport.call('cancelTurn', { params: this.#ids(turnId), body: request }, options);
  }

  /**
   * Keeps the watchdog away; call it more often than the time-out.
   * @example await turns.progress(turnId);
   */
  progress(turnId: string, options?: CallOptions): Promise<TurnDetail> {
    return this.transport.call('noteProgress', { params: this.#ids(turnId) }, options);
  }

  /**
   * The last turn again, as a new one in its place.
   * @example const started = await turns.retry(turnId, { requestId: 'r2' });
   */
  retry(turnId: string, request: Body<'retryTurn'>, options?: CallOptions): Promise<StartedTurn> {
    return this.transport.outcome('retryTurn', { params: this.#ids(turnId), body: request }, options);
  }

  /**
   * As `retry`, with another text.
   * @example const started = await turns.edit(turnId, { requestId: 'r3', text: 'Hello again' });
   */
  edit(turnId: string, request: Body<'editTurn'>, options?: CallOptions): Promise<StartedTurn> {
    return this.transport.outcome('editTurn', { params: this.#ids(turnId), body: request }, options);
  }

  /**
   * Deletes a turn and what was said in it; what it cost stays spent.
   * @example await turns.delete(turnId);
   */
  async delete(turnId: string, options?: CallOptions): Promise<void> {
    await this.transport.call('deleteTurn', { params: this.#ids(turnId) }, options);
  }
}
