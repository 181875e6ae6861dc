// Chats, turns and messages over HTTP: their routes, and what they are between the wire (chats-schema.ts) and the service.

import { Type } from 'typebox';
import { visibleId } from '../access/tenant-ids.js';
import { type AmountReading, amountsIn, amountsOut, type Scales } from '../kit/amounts.js';
import type { Caller } from '../kit/caller.js';
import { instantOut, instantOutOrNull } from '../kit/instants.js';
import { cursorOf, type Page } from '../kit/page.js';
import { ID_PARAMS, routes, SPENDERS, SPENDERS_AND_READERS } from '../kit/route.js';
import { CLOSED, Id } from '../kit/schema-parts.js';
import type { RowPage } from './chats-reads.js';
import {
  CancelRequest,
  ChatChangeRequest,
  ChatList,
  ChatPageQuery,
  ChatQuery,
  ChatRequest,
  ChatView,
  CompleteRequest,
  FailRequest,
  MessageList,
  type MessageView,
  RetryRequest,
  TurnDetail,
  TurnList,
  TurnRequest,
  TurnStarted,
  type TurnView,
} from './chats-schema.js';
import type { Chat, Message, Turn, TurnWithMessages } from './turn.js';
import type { TurnWish } from './turn-budget.js';
import type { TurnRequest as TurnAsked, TurnResult } from './turn-said.js';

const Nothing = Type.Object({}, CLOSED);
const TURN_PARAMS = Type.Object({ id: Id, turn: Id });

const read = { method: 'GET', tag: 'chats', scopes: SPENDERS_AND_READERS } as const;
const start = {
  method: 'POST',
  tag: 'chats',
  scopes: SPENDERS,
  answers: { 200: TurnStarted, 201: TurnStarted },
} as const;
const onTurn = {
  method: 'POST',
  tag: 'chats',
  scopes: SPENDERS,
  params: TURN_PARAMS,
  answers: { 200: TurnDetail },
} as const;

export const CHAT_ROUTES = routes({
  createChat: {
    method: 'POST',
    path: '/v1/chats',
    tag: 'chats',
    summary: 'A new chat of a user',
    scopes: SPENDERS,
    body: ChatRequest,
    answers: { 201: ChatView },
  },
  listChats: {
    ...read,
    path: '/v1/chats',
    summary: 'Chats, the newest first',
    query: ChatQuery,
    answers: { 200: ChatList },
  },
  getChat: {
    ...read,
    path: '/v1/chats/:id',
    summary: 'One chat',
    params: ID_PARAMS,
    answers: { 200: ChatView },
  },
  changeChat: {
    method: 'PATCH',
    path: '/v1/chats/:id',
    tag: 'chats',
    summary: 'Change the title, the model or the mark of a chat; what is not stated stays',
    scopes: SPENDERS,
    params: ID_PARAMS,
    body: ChatChangeRequest,
    answers: { 200: ChatView },
  },
  deleteChat: {
    method: 'DELETE',
    path: '/v1/chats/:id',
    tag: 'chats',
    summary: 'Delete a chat and all that was said in it; what its turns cost stays spent',
    scopes: SPENDERS,
    params: ID_PARAMS,
    answers: { 200: Nothing },
  },
  listMessages: {
    ...read,
    path: '/v1/chats/:id/messages',
    summary: 'Messages of a chat, in the order in which they were said',
    params: ID_PARAMS,
    query: ChatPageQuery,
    answers: { 200: MessageList },
  },
  startTurn: {
    ...start,
    path: '/v1/chats/:id/turns',
    summary:
      'Start a turn and hold its quota, in one step; a request that completed earlier gives its stored answer',
    params: ID_PARAMS,
    body: TurnRequest,
  },
  listTurns: {
    ...read,
    path: '/v1/chats/:id/turns',
    summary: 'Turns of a chat, in the order of their start',
    params: ID_PARAMS,
    query: ChatPageQuery,
    answers: { 200: TurnList },
  },
  getTurn: {
    ...read,
    path: '/v1/chats/:id/turns/:turn',
    summary: 'One turn, with its messages',
    params: TURN_PARAMS,
    answers: { 200: TurnDetail },
  },
  deleteTurn: {
    method: 'DELETE',
    path: '/v1/chats/:id/turns/:turn',
    tag: 'chats',
    summary: 'Delete a turn and what was said in it; what it cost stays spent',
    scopes: SPENDERS,
    params: TURN_PARAMS,
    answers: { 200: Nothing },
  },
  completeTurn: {
    ...onTurn,
    path: '/v1/chats/:id/turns/:turn/complete',
    summary: 'End a turn with its answer and settle it, in one step; the first end wins',
    body: CompleteRequest,
  },
  failTurn: {
    ...onTurn,
    path: '/v1/chats/:id/turns/:turn/fail',
    summary: 'End a turn that failed; charged unless the provider was never reached',
    body: FailRequest,
  },
  cancelTurn: {
    ...onTurn,
    path: '/v1/chats/:id/turns/:turn/cancel',
    summary: 'End a turn that its user stopped; charged as far as it came',
    body: CancelRequest,
  },
  noteProgress: {
    ...onTurn,
    path: '/v1/chats/:id/turns/:turn/progress',
    summary: 'Say that a turn still runs, so that the watchdog leaves it alone',
    body: Nothing,
  },
  retryTurn: {
    ...start,
    path: '/v1/chats/:id/turns/:turn/retry',
    summary: 'Run the last turn of a chat again, as a new turn in its place',
    params: TURN_PARAMS,
    body: RetryRequest,
  },
  editTurn: {
    ...start,
    path: '/v1/chats/:id/turns/:turn/edit',
    summary: 'Run the last turn of a chat again with another text, as a new turn in its place',
    params: TURN_PARAMS,
    body: TurnRequest,
  },
});

export function chatOut(chat: Chat): ChatView {
  const { id, tenant, user, title, model, isTemporary: temporary, createdAt, updatedAt } = chat;
  const instants = { createdAt: instantOut(createdAt), updatedAt: instantOut(updatedAt) };
  return { id, tenant, user, title, model, temporary, ...instants };
}

export function messageOut(message: Message): MessageView {
  return { ...message, createdAt: instantOut(message.createdAt) };
}

/** As a caller sees it. */
export interface SeenBy {
  readonly caller: Caller;
  readonly scales: Scales;
}

export function turnOut(turn: Turn, { caller, scales }: SeenBy): TurnView {
  const { terms, charged } = turn;
  return {
    id: turn.id,
    chatId: turn.chatId,
    requestId: turn.requestId,
    state: turn.state,
    end: turn.end,
    meteredBy: turn.meteredBy,
    holdId: visibleId(caller, turn.holdId),
    decisionId: turn.decisionId,
    policy: terms.policy ?? null,
    tier: terms.tier ?? null,
    model: terms.model ?? null,
    reasons: [...(terms.reasons ?? [])],
    held: amountsOut(terms.held, scales),
    charged: charged === null ? null : amountsOut(charged, scales),
    late: turn.isLate,
    responseId: turn.responseId,
    replaces: turn.replaces,
    startedAt: instantOut(turn.startedAt),
    progressAt: instantOut(turn.progressAt),
    endedAt: instantOutOrNull(turn.endedAt),
  };
}

export function turnDetailOut({ turn, messages }: TurnWithMessages, seen: SeenBy): TurnDetail {
  return { ...turnOut(turn, seen), messages: messages.map(messageOut) };
}

export function rowsOut<Row, Out>({ rows, next }: RowPage<Row>, out: (row: Row) => Out): Page<Out> {
  return { items: rows.map(out), nextCursor: next === null ? null : cursorOf(next) };
}

export function turnIn(body: TurnRequest, stated: AmountReading): TurnAsked {
  const { text, systemText, ...rest } = body;
  return { ...retryIn(rest, stated), text, ...(systemText === undefined ? {} : { systemText }) };
}

export function retryIn(body: RetryRequest, stated: AmountReading): Omit<TurnAsked, 'text'> {
  const { requestId, webSearch, labels, amounts, ...rest } = body;
  const wish: TurnWish =
    amounts === undefined ? rest : { ...rest, amounts: amountsIn(amounts, 'amounts', stated) };
  return {
    requestId,
    wish,
    ...(webSearch === undefined ? {} : { webSearch }),
    ...(labels === undefined ? {} : { labels }),
  };
}

export function resultIn(body: CancelRequest, stated: AmountReading): TurnResult {
  const { amounts } = body;
  return { ...body, amounts: amounts === undefined ? null : amountsIn(amounts, 'amounts', stated) };
}
