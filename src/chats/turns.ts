// Turns (rules T1–T4): started with their hold, ended with their settlement. Starting is three steps: the intent in the
// service's file (which refuses a second turn of the request, and a second running one), the authorisation in the ledger
// (which decides whether the turn came to be), and the row's mark that it did. A crash between two of them is cleared up by
// recovery.ts from the ledger's answer. Ends are turn-ends.ts's. Called by surfaces through conversations.ts.

import { labelsOfCall } from '../access/labels.js';
import { TURN_PREFIX, tenantPrefix } from '../access/tenant-ids.js';
import type { Amounts } from '../core/amount.js';
import { InvalidInputError, OverloadedError } from '../core/errors.js';
import { ID_LENGTH_MAX, quoted, textProblem } from '../core/labels.js';
import type { Authorized, Denied, Rejected } from '../core/outcomes.js';
import type { Labels } from '../core/requests.js';
import type { Caller } from '../kit/caller.js';
import { newId } from '../kit/new-id.js';
import { RefusedError } from '../kit/refusals.js';
import { amountsToJson } from './amounts-json.js';
import type { ChatRow } from './chat-table.js';
import { type Chats, pageOfRows, type RowPage } from './chats.js';
import type { GroupCommit } from './group-commit.js';
import type { MessageRow, MessageTable } from './message-table.js';
import {
  assertText,
  type HeldTerms,
  RESPONSE_ID_LENGTH_MAX,
  type TurnEnd,
  type TurnUsage,
  type TurnWithMessages,
} from './turn.js';
import type { TurnBudget, TurnWish } from './turn-budget.js';
import { noteOf, ownLabels, type TurnEnds } from './turn-ends.js';
import { type ConversationParts, digestOf } from './turn-parts.js';
import { isEnding, type SeenTurn, type TurnRow, type TurnTable } from './turn-table.js';

export interface TurnRequest {
  /** Names the request: the same one never runs twice in a chat (rules T1, T4). */
  readonly requestId: string;
  readonly text: string;
  readonly systemText?: string;
  readonly webSearch?: boolean;
  readonly labels?: Labels;
  readonly wish: TurnWish;
}

export interface TurnResult {
  /** What the ledger charged for the turn to have, in steps; absent: what is estimated or held. */
  readonly amounts?: Amounts | null;
  readonly usage?: TurnUsage;
  readonly text?: string;
  readonly responseId?: string;
}

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

interface Intended {
  readonly turn: TurnRow;
  readonly messages: readonly MessageRow[];
  readonly labels: Labels;
}

type HeldTurn =
  | { readonly decision: Authorized; readonly terms: HeldTerms }
  | { readonly decision: Denied | Rejected };

/** How a turn is to start, whoever asks for it. */
interface Starting {
  readonly id: string;
  readonly meteredBy: 'quota' | 'amounts';
  readonly request: TurnRequest;
  /** The turn whose place it takes. */
  readonly replaced: TurnRow | null;
}

export class Turns {
  constructor(
    private readonly parts: ConversationParts,
    private readonly writer: GroupCommit,
    private readonly chats: Chats,
    private readonly table: TurnTable,
    private readonly messages: MessageTable,
    private readonly ends: TurnEnds,
  ) {}

  /** @throws RefusedError not_found, invalid_request, label_forbidden; conflict as rule T4 says */
  start(caller: Caller, chatId: string, request: TurnRequest): Promise<Started> {
    return this.#start(caller, chatId, request, null);
  }

  /** The last turn again, as a new one with a request id of its own; the old one is soft-deleted once the new one is held. */
  retry(caller: Caller, ref: TurnRef, request: Omit<TurnRequest, 'text'>): Promise<Started> {
    const { number } = this.#own(caller, ref);
    const text = this.messages.textOf(number, 'user') ?? '';
    return this.edit(caller, ref, { ...request, text });
  }

  /** As `retry`, with another text of the user's. */
  edit(caller: Caller, ref: TurnRef, request: TurnRequest): Promise<Started> {
    const turn = this.#own(caller, ref);
    const system = request.systemText ?? this.messages.textOf(turn.number, 'system');
    const again = system === undefined ? request : { ...request, systemText: system };
    return this.#start(caller, ref.chatId, again, turn);
  }

  async #start(
    caller: Caller,
    chatId: string,
    request: TurnRequest,
    replaced: TurnRow | null,
  ): Promise<Started> {
    assertRequest(request);
    const { meteredBy, budget } = this.ends.budgetNow;
    const starting = { id: newId(this.parts.clock.now()), meteredBy, request, replaced };
    const found = await this.writer.durably(() => this.#intend(caller, chatId, starting));
    if ('stored' in found) return { started: 'before', ...found.stored };
    const { turn, messages } = found;
    this.parts.atStep?.('turn_intended', turn.id);
    const held = await this.#hold(budget, found, request);
    this.parts.atStep?.('turn_held', turn.id);
    if (!('terms' in held)) {
      await this.writer.casually(() => this.#forget(turn.number));
      return { started: 'denied', decision: held.decision };
    }
    const { terms, decision } = held;
    await this.writer.casually(() => {
      this.table.run(turn.number, terms, decision.expiresAt);
      if (replaced !== null) this.table.remove(replaced.number, this.parts.clock.now());
    });
    return { started: 'now', turn: { ...turn, state: 'running', terms }, messages };
  }

  // A key that fixes a label need not state it; one that may not state `user` for others is refused by labelsOfCall.
  #owner(caller: Caller, chat: ChatRow): Labels {
    return caller.tenant === null ? ownLabels(chat) : { user: chat.user };
  }

  /** Within a write: the first step. @throws RefusedError as `start` */
  #intend(
    caller: Caller,
    chatId: string,
    { id, meteredBy, request, replaced }: Starting,
  ): Intended | { readonly stored: TurnWithMessages } {
    const chat = this.chats.get(caller, chatId);
    const { requestId, text, systemText, webSearch } = request;
    assertOwner(chat, request.labels ?? {});
    const labels = labelsOfCall(caller, { ...request.labels, ...this.#owner(caller, chat) });
    const before = this.table.byRequest(chat.number, requestId);
    if (before !== undefined) return { stored: this.#stored(before) };
    const open = this.table.open(chat.number);
    if (open !== undefined) throw conflict(`the turn ${open} of this chat is running: end it first`);
    if (replaced !== null && this.table.last(chat.number)?.number !== replaced.number)
      throw conflict(
        `the turn ${replaced.id} is not the last of its chat: only that can be retried or edited`,
      );
    const at = this.parts.clock.now();
    const holdId = `${tenantPrefix(chat.tenant)}${TURN_PREFIX}${id}`;
    const replaces = replaced?.number ?? null;
    const turn = this.table.insert({ id, chat, requestId, meteredBy, holdId, replaces, at });
    const messages: MessageRow[] = [];
    if (systemText !== undefined)
      messages.push(this.messages.insert(turn, { role: 'system', text: systemText, at }));
    messages.push(this.messages.insert(turn, { role: 'user', text, webSearch, at }));
    return { turn, messages, labels };
  }

  /** Rule T4. */
  #stored(turn: TurnRow): TurnWithMessages {
    if (turn.isDeleted)
      throw conflict('a turn that was deleted or replaced had this request id: choose another');
    if (turn.state === 'completed') return this.#shown(turn as SeenTurn);
    const state = turn.state === 'starting' ? 'running' : turn.state;
    throw conflict(`this request has the turn ${turn.id}, which is ${state}`);
  }

  async #hold(
    budget: TurnBudget,
    { turn, labels }: Intended,
    { text, systemText = '', wish }: TurnRequest,
  ): Promise<HeldTurn> {
    const { holdId, number } = turn;
    const note = noteOf(turn, digestOf(text));
    const textBytes = Buffer.byteLength(text) + Buffer.byteLength(systemText);
    try {
      const plan = budget.hold({ holdId, labels, ttlMs: this.#holdTtlMs, note, textBytes, wish });
      const decision = await this.parts.ledger.authorize(plan.request);
      if (decision.outcome !== 'authorized') return { decision };
      const { decisionId, candidate } = decision;
      return { decision, terms: { ...plan.terms[candidate ?? 0], decisionId } };
    } catch (error) {
      // These say that the ledger was not asked, or did nothing. After any other fault nobody knows: recovery will.
      const isNothingDone =
        error instanceof RefusedError ||
        error instanceof InvalidInputError ||
        error instanceof OverloadedError;
      if (isNothingDone) await this.writer.casually(() => this.#forget(number));
      throw error;
    }
  }

  #forget(number: number): void {
    this.messages.forget(number);
    this.table.forget(number);
  }

  /** Longer than the watchdog ever lets a silent turn run, so that no turn outlives its hold. */
  get #holdTtlMs(): number {
    const { turnTimeoutMs, watchdogIntervalMs } = this.parts.settings();
    return 2 * (turnTimeoutMs + watchdogIntervalMs);
  }

  /**
   * Ends a turn: the first end wins, and its exact repeat is answered as it was.
   * @throws RefusedError not_found; conflict where another end was first, or the turn is the gateway's
   */
  async end(caller: Caller, ref: TurnRef, end: TurnEnd, result: TurnResult): Promise<Ended> {
    assertResult(result);
    const { text = null, responseId = null, usage = null, amounts = null } = result;
    const textDigest = text === null ? null : digestOf(text);
    const said = [end, textDigest, responseId, usage, amounts && amountsToJson(amounts)];
    const digest = digestOf(JSON.stringify(said));
    const ending = { end, digest, usage, amounts, textDigest, command: null };
    const decided = { ending, text, responseId };
    const { turn, replayed } = await this.writer.durably(() => {
      const turn = this.#own(caller, ref);
      if (turn.meteredBy === 'gateway') throw conflict('the turn is a call of the gateway, and ends with it');
      if (amounts !== null) this.ends.assertCharge(turn, amounts);
      const won = this.ends.decide(turn, decided, this.parts.clock.now());
      if (won !== null) return { turn: won, replayed: false };
      if (isEnding(turn) && turn.ending.digest === digest) return { turn, replayed: true };
      throw hasEnded(turn);
    });
    return { replayed, ...(await this.ends.finish(turn)) };
  }

  /** Keeps the watchdog away (rule T6), and the hold alive. @throws RefusedError not_found; conflict once it ended */
  async progress(caller: Caller, ref: TurnRef): Promise<TurnWithMessages> {
    const at = this.parts.clock.now();
    const { holdId, holdExpiresAt, number } = this.#own(caller, ref);
    let expiresAt: number | null = null;
    if (holdExpiresAt !== null && holdExpiresAt - at < this.#holdTtlMs / 2) {
      const outcome = await this.parts.ledger.extend({ holdId, ttlMs: this.#holdTtlMs });
      if (outcome.outcome === 'done') expiresAt = outcome.at + this.#holdTtlMs;
    }
    return this.writer.casually(() => {
      const turn = this.#own(caller, ref);
      if (turn.state !== 'running' || turn.ending !== null) throw hasEnded(turn);
      this.table.progress(number, at, expiresAt);
      return this.#shown(this.#own(caller, ref));
    });
  }

  /** Soft. @throws RefusedError not_found; conflict while it runs */
  async remove(caller: Caller, ref: TurnRef): Promise<void> {
    await this.writer.durably(() => {
      const turn = this.#own(caller, ref);
      if (turn.state === 'running') throw conflict(`the turn ${turn.id} is running: cancel it first`);
      this.table.remove(turn.number, this.parts.clock.now());
    });
  }

  get(caller: Caller, ref: TurnRef): TurnWithMessages {
    return this.#shown(this.#own(caller, ref));
  }

  /** The newest by start, without deleted ones; null in an empty chat (rule T3). */
  last(caller: Caller, chatId: string): TurnRow | null {
    return this.table.last(this.chats.get(caller, chatId).number) ?? null;
  }

  /** The running turn of a chat; null once it ended (rule T3). */
  running(caller: Caller, chatId: string): TurnRow | null {
    const last = this.last(caller, chatId);
    return last?.state === 'running' ? last : null;
  }

  /** In the order of their start. */
  list(caller: Caller, chatId: string, page: { after: number; max: number }): RowPage<SeenTurn> {
    const rows = this.table.page(this.chats.get(caller, chatId).number, page.after, page.max + 1);
    return pageOfRows(rows, page.max);
  }

  /** In the order in which they were said. */
  listMessages(caller: Caller, chatId: string, page: { after: number; max: number }): RowPage<MessageRow> {
    const rows = this.messages.page(this.chats.get(caller, chatId).number, page.after, page.max + 1);
    return pageOfRows(rows, page.max);
  }

  /** One read for both: who does not see the chat does not find the turn. */
  #own(caller: Caller, { chatId, turnId }: TurnRef): SeenTurn {
    const turn = this.table.byId(turnId);
    const isOwn = turn?.chatId === chatId && this.chats.sees(caller, turn);
    if (isOwn && !turn.isDeleted && turn.state !== 'starting') return turn as SeenTurn;
    this.chats.get(caller, chatId);
    throw new RefusedError('not_found', `there is no turn ${quoted(turnId)}`, { field: 'turn' });
  }

  #shown(turn: SeenTurn): { readonly turn: SeenTurn; readonly messages: MessageRow[] } {
    return { turn, messages: this.messages.ofTurn(turn) };
  }
}

function assertRequest({ requestId, text, systemText }: TurnRequest): void {
  const problem = textProblem(requestId, ID_LENGTH_MAX);
  if (problem !== null) throw invalid('requestId', `${quoted(requestId)} ${problem}`);
  assertText(text, 'text');
  if (systemText !== undefined) assertText(systemText, 'systemText');
}

/** A turn is its chat's user's: other labels than the chat's would be passed over. @throws RefusedError label_forbidden */
function assertOwner(chat: ChatRow, labels: Labels): void {
  for (const name of ['tenant', 'user'] as const) {
    if (Object.hasOwn(labels, name) && labels[name] !== chat[name])
      throw new RefusedError('label_forbidden', `labels.${name}: is the chat’s, ${quoted(chat[name])}`, {
        field: `labels.${name}`,
      });
  }
}

function assertResult({ text, responseId }: TurnResult): void {
  if (text !== undefined) assertText(text, 'text');
  const problem = responseId === undefined ? null : textProblem(responseId, RESPONSE_ID_LENGTH_MAX);
  if (problem !== null) throw invalid('responseId', `${quoted(responseId)} ${problem}`);
}

function hasEnded({ id, ending, state }: TurnRow): RefusedError {
  return conflict(`the turn ${id} has ended already: ${ending?.end ?? state}`);
}

function conflict(why: string): RefusedError {
  return new RefusedError('conflict', why);
}

function invalid(field: string, problem: string): RefusedError {
  return new RefusedError('invalid_request', `${field}: ${problem}`, { field });
}
