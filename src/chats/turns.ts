// Turns (rules T1–T5). A turn starts in one durable step: its texts go into the vault, then the ledger holds, and the fact
// that the turn has started rides with the authorisation. It ends in one (turn-settler.ts). Every step of a chat runs in the
// chat's queue, where the view says what is allowed. Called by the HTTP API.

import { labelsOfCall } from '../access/labels.js';
import { TURN_PREFIX, tenantPrefix } from '../access/tenant-ids.js';
import { InvalidInputError, OverloadedError } from '../core/errors.js';
import { quoted } from '../core/labels.js';
import type { Denied, Rejected } from '../core/outcomes.js';
import type { Labels } from '../core/requests.js';
import { actorOf, type Caller } from '../kit/caller.js';
import { newId } from '../kit/new-id.js';
import { RefusedError } from '../kit/refusals.js';
import { chatsFact, stepTexts, termsBody } from './chats-facts.js';
import type { ChatsParts } from './chats-parts.js';
import { type ChatToStart, isSeenBy, type PageAsked, type RowPage, type TurnRow } from './chats-reads.js';
import { digestOf } from './chats-texts.js';
import type { Message, Turn, TurnEnd, TurnWithMessages } from './turn.js';
import {
  assertRequest,
  assertResult,
  messageOf,
  saidIn,
  type TurnRequest,
  type TurnResult,
} from './turn-said.js';
import { type EndSaid, noteOf, type TurnSettler } from './turn-settler.js';

export type Started =
  | ({ readonly started: 'now' } & TurnWithMessages)
  /** The request completed earlier: its stored answer (rule T4). */
  | ({ readonly started: 'before' } & TurnWithMessages)
  | { readonly started: 'denied'; readonly decision: Denied | Rejected };

/** An end, and whether the caller's repeat of it found it done. */
export interface Ended extends TurnWithMessages {
  readonly replayed: boolean;
}

export interface TurnRef {
  readonly chatId: string;
  readonly turnId: string;
}

export class Turns {
  constructor(
    private readonly parts: ChatsParts,
    private readonly settler: TurnSettler,
  ) {}

  /** @throws RefusedError not_found, invalid_request, label_forbidden; conflict as rule T4 says */
  start(caller: Caller, chatId: string, request: TurnRequest): Promise<Started> {
    return this.parts.queue.run(chatId, () => this.#start(caller, chatId, request, null));
  }

  /** The last turn again, as a new one with a request id of its own; the old one is hidden once the new one holds. */
  retry(caller: Caller, ref: TurnRef, request: Omit<TurnRequest, 'text'>): Promise<Started> {
    return this.#again(caller, ref, request);
  }

  /** As `retry`, with another text of the user's. */
  edit(caller: Caller, ref: TurnRef, request: TurnRequest): Promise<Started> {
    return this.#again(caller, ref, request);
  }

  #again(
    caller: Caller,
    { chatId, turnId }: TurnRef,
    request: Omit<TurnRequest, 'text'> & { readonly text?: string },
  ): Promise<Started> {
    const { queue, reads, texts } = this.parts;
    return queue.run(chatId, async () => {
      const turn = reads.turn(caller, chatId, turnId);
      const said = await texts.said(turn, reads.messagesOfTurn(turn.number));
      const text = request.text ?? said.user;
      if (text === undefined)
        throw conflict(`the text of the turn ${turnId} is no longer kept: edit the turn`);
      const systemText = request.systemText ?? said.system;
      const again = { ...request, text, ...(systemText === undefined ? {} : { systemText }) };
      return this.#start(caller, chatId, again, turn);
    });
  }

  async #start(
    caller: Caller,
    chatId: string,
    request: TurnRequest,
    replaced: TurnRow | null,
  ): Promise<Started> {
    assertRequest(request);
    const { reads, texts, ledger, clock } = this.parts;
    const { requestId } = request;
    const chat = reads.chatToStart(caller, chatId, requestId);
    assertOwner(chat, request.labels ?? {});
    const labels = labelsOfCall(caller, { ...request.labels, ...ownLabels(caller, chat) });
    if (chat.wasAsked) return this.#stored(chat, requestId);
    this.#assertMayStart(chat, replaced);
    const at = clock.now();
    const id = newId(at);
    const { tenant, user } = chat;
    const holdId = `${tenantPrefix(tenant)}${TURN_PREFIX}${id}`;
    const said = saidIn(request);
    const { meteredBy, budget } = this.parts.budgets.ofNewTurns;
    const plan = budget.hold({
      holdId,
      labels,
      ttlMs: this.#holdTtlMs,
      note: noteOf({ id, chatId, tenant, requestId }, said[said.length - 1].body.digest),
      textBytes: said.reduce((bytes, { text }) => bytes + Buffer.byteLength(text), 0),
      wish: chat.model === null ? request.wish : { model: chat.model, ...request.wish },
    });
    const replaces = replaced?.id ?? null;
    const started = chatsFact('turn_started', {
      id,
      chat: chatId,
      request: requestId,
      meteredBy,
      hold: holdId,
      replaces,
      terms: plan.terms.map(termsBody),
      messages: said.map(({ body }) => body),
      at,
    });
    const place = { chatId, id };
    await texts.put(place, said);
    const decision = await ledger
      .run({ command: 'authorize_hold', ...plan.request }, { actor: actorOf(caller), facts: [started] })
      .catch((error: unknown) => {
        // These say that the ledger did nothing. After any other fault nobody knows, and the sweep finds out.
        if (error instanceof InvalidInputError || error instanceof OverloadedError) texts.forget(place);
        throw error;
      });
    if (decision.outcome !== 'authorized') {
      texts.forget(place);
      return { started: 'denied', decision };
    }
    if (replaced !== null) texts.forget(replaced);
    const { decisionId, candidate } = decision;
    const turn: Turn = {
      id,
      chatId,
      tenant,
      requestId,
      state: 'running',
      meteredBy,
      end: null,
      holdId,
      decisionId,
      terms: plan.terms[candidate ?? 0],
      charged: null,
      isLate: false,
      responseId: null,
      replaces,
      startedAt: at,
      progressAt: at,
      endedAt: null,
    };
    const messages = said.map(({ body, text }) => messageOf(turn, body, text));
    this.parts.justStarted.keep({ turn, messages, user });
    return { started: 'now', turn, messages };
  }

  /** Rule T4. */
  async #stored({ number }: ChatToStart, requestId: string): Promise<Started> {
    const turn = this.parts.reads.turnOfRequest(number, requestId);
    if (turn === undefined || turn.isDeleted)
      throw conflict('a turn that was deleted or replaced had this request id: choose another');
    if (turn.state === 'completed') return { started: 'before', ...(await this.#shown(turn)) };
    throw conflict(`this request has the turn ${turn.id}, which is ${turn.state}`);
  }

  /** Rule T3. @throws RefusedError conflict */
  #assertMayStart({ number, running }: ChatToStart, replaced: TurnRow | null): void {
    if (running !== null) throw conflict(`the turn ${running} of this chat is running: end it first`);
    if (replaced !== null && this.parts.reads.lastTurn(number)?.number !== replaced.number)
      throw conflict(
        `the turn ${replaced.id} is not the last of its chat: only that can be retried or edited`,
      );
  }

  /** Longer than the watchdog ever lets a silent turn run, so that no turn outlives its hold. */
  get #holdTtlMs(): number {
    const { turnTimeoutMs, watchdogIntervalMs } = this.parts.settings();
    return 2 * (turnTimeoutMs + watchdogIntervalMs);
  }

  /**
   * Ends a turn: the first end wins, and its exact repeat is answered as it was. A turn that the watchdog ended keeps its
   * state, and the first end that states what it has used corrects its charge.
   * @throws RefusedError not_found; conflict where another end was first, or the turn is the gateway's
   */
  async end(caller: Caller, { chatId, turnId }: TurnRef, end: TurnEnd, result: TurnResult): Promise<Ended> {
    assertResult(result);
    const { text = null, responseId = null, usage = null, amounts = null } = result;
    const answer = text === null ? null : { text, digest: digestOf(text) };
    const stated = [end, answer?.digest ?? null, responseId, usage, amounts && stepTexts(amounts)];
    const digest = digestOf(JSON.stringify(stated));
    const said: EndSaid = { end, digest, usage, amounts, answer, responseId };
    return this.parts.queue.run(chatId, async () => {
      const kept = this.#justStarted(caller, chatId, turnId);
      if (kept !== null) return this.#end(kept.turn, said, { caller, messages: kept.messages });
      const turn = this.parts.reads.turn(caller, chatId, turnId);
      if (turn.meteredBy === 'gateway') throw conflict('the turn is a call of the gateway, and ends with it');
      if (turn.state === 'running')
        return this.#end(turn, said, { caller, messages: await this.parts.messagesOf(turn) });
      const replayed = turn.endDigest === digest;
      if (!replayed) {
        const isCorrected = isOrphan(turn) && (await this.settler.correct(turn, said, actorOf(caller)));
        if (!isCorrected) throw hasEnded(turn);
      }
      return { replayed, ...(await this.#shown(this.parts.reads.turn(caller, chatId, turnId))) };
    });
  }

  #justStarted(caller: Caller, chatId: string, turnId: string): TurnWithMessages | null {
    const kept = this.parts.justStarted.get(turnId);
    if (kept === undefined || kept.turn.chatId !== chatId) return null;
    return isSeenBy(caller, { tenant: kept.turn.tenant, user: kept.user }) ? kept : null;
  }

  async #end(
    running: Turn,
    said: EndSaid,
    { caller, messages }: { readonly caller: Caller; readonly messages: readonly Message[] },
  ): Promise<Ended> {
    if (said.amounts !== null) this.parts.budgets.assertCharge(running, said.amounts);
    const { turn, message } = await this.settler.end(running, said, actorOf(caller));
    if (message === null || said.answer === null) return { replayed: false, turn, messages };
    return { replayed: false, turn, messages: [...messages, messageOf(turn, message, said.answer.text)] };
  }

  /** Keeps the watchdog away (rule T6), and the hold alive. @throws RefusedError not_found; conflict once it ended */
  async progress(caller: Caller, { chatId, turnId }: TurnRef): Promise<TurnWithMessages> {
    const { queue, reads, ledger, clock, justStarted } = this.parts;
    const actor = actorOf(caller);
    return queue.run(chatId, async () => {
      const turn = reads.turn(caller, chatId, turnId);
      if (turn.state !== 'running') throw hasEnded(turn);
      justStarted.drop(turnId);
      const at = clock.now();
      const { holdId, holdExpiresAt } = turn;
      const ttlMs = this.#holdTtlMs;
      const isDue = holdExpiresAt !== null && holdExpiresAt - at < ttlMs / 2;
      const extended =
        isDue &&
        (await ledger.run(
          { command: 'extend_hold', holdId, ttlMs },
          { actor, facts: [chatsFact('turn_progressed', { id: turnId, at, ttlMs })] },
        ));
      if (extended === false || extended.outcome === 'rejected')
        await ledger.run(
          { command: 'record_facts' },
          { actor, facts: [chatsFact('turn_progressed', { id: turnId, at })] },
        );
      return this.#shown(reads.turn(caller, chatId, turnId));
    });
  }

  /** Hides a turn and deletes what was said in it. @throws RefusedError not_found; conflict while it runs */
  async remove(caller: Caller, { chatId, turnId }: TurnRef): Promise<void> {
    const { queue, reads, texts, ledger, clock } = this.parts;
    await queue.run(chatId, async () => {
      const turn = reads.turn(caller, chatId, turnId);
      if (turn.state === 'running') throw conflict(`the turn ${turn.id} is running: cancel it first`);
      await ledger.run(
        { command: 'record_facts' },
        { actor: actorOf(caller), facts: [chatsFact('turn_deleted', { id: turnId, at: clock.now() })] },
      );
      texts.forget(turn);
    });
  }

  async get(caller: Caller, { chatId, turnId }: TurnRef): Promise<TurnWithMessages> {
    return this.#shown(this.parts.reads.turn(caller, chatId, turnId));
  }

  /** The newest by start, without deleted ones; null in an empty chat (rule T3). */
  last(caller: Caller, chatId: string): Turn | null {
    const { reads } = this.parts;
    return reads.lastTurn(reads.chat(caller, chatId).number) ?? null;
  }

  /** The running turn of a chat; null once it ended (rule T3). */
  running(caller: Caller, chatId: string): Turn | null {
    const last = this.last(caller, chatId);
    return last?.state === 'running' ? last : null;
  }

  /** In the order of their start. */
  list(caller: Caller, chatId: string, page: PageAsked): RowPage<Turn> {
    const { reads } = this.parts;
    return reads.turns(reads.chat(caller, chatId).number, page);
  }

  /** In the order in which they were said. */
  async listMessages(caller: Caller, chatId: string, page: PageAsked): Promise<RowPage<Message>> {
    const { reads, texts } = this.parts;
    const { rows, next } = reads.messages(reads.chat(caller, chatId).number, page);
    return { rows: await texts.messages(chatId, rows), next };
  }

  async #shown(turn: TurnRow): Promise<TurnWithMessages> {
    return { turn, messages: await this.parts.messagesOf(turn) };
  }
}

/** Ended by the watchdog, and its charge not corrected yet. */
function isOrphan({ end, isLate }: Turn): boolean {
  return end === 'orphaned' && !isLate;
}

// A key that fixes a label need not state it; one that may not state `user` for others is refused by labelsOfCall.
function ownLabels(caller: Caller, { tenant, user }: ChatToStart): Labels {
  return caller.tenant === null ? { tenant, user } : { user };
}

/** A turn counts as its chat's user's. @throws RefusedError label_forbidden where the labels say another */
function assertOwner(chat: ChatToStart, labels: Labels): void {
  for (const name of ['tenant', 'user'] as const) {
    if (Object.hasOwn(labels, name) && labels[name] !== chat[name])
      throw new RefusedError('label_forbidden', `labels.${name}: is the chat’s, ${quoted(chat[name])}`, {
        field: `labels.${name}`,
      });
  }
}

function hasEnded({ id, end, state }: Turn): RefusedError {
  return conflict(`the turn ${id} has ended already: ${end ?? state}`);
}

function conflict(why: string): RefusedError {
  return new RefusedError('conflict', why);
}
