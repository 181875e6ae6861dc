// The routes of chats, their turns and messages.

import { Type } from 'typebox';
import { ID_PARAMS, routes, SPENDERS, SPENDERS_AND_READERS } from '../kit/route.js';
import { CLOSED, Id } from '../kit/schema-parts.js';
import {
  CancelRequest,
  ChatList,
  ChatPageQuery,
  ChatQuery,
  ChatRequest,
  ChatView,
  CompleteRequest,
  FailRequest,
  MessageList,
  RetryRequest,
  TurnDetail,
  TurnList,
  TurnRequest,
  TurnStarted,
} from './chats-schema.js';

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
  deleteChat: {
    method: 'DELETE',
    path: '/v1/chats/:id',
    tag: 'chats',
    summary: 'Hide a chat and all that was said in it',
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
    summary: 'Hide a turn and its messages; what it cost stays spent',
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
