// Chats, turns and messages between the wire and the service: amounts at their unit's scale, instants as texts, ids as
// their tenant sees them.

import { visibleId } from '../access/tenant-ids.js';
import { amountsIn, amountsOut, type Scales, type Stated } from '../kit/amounts.js';
import type { Caller } from '../kit/caller.js';
import { instantOut, instantOutOrNull } from '../kit/instants.js';
import { cursorOf, type Page } from '../kit/page.js';
import type { RowPage } from './chats.js';
import type {
  CancelRequest,
  ChatView,
  MessageView,
  RetryRequest,
  TurnDetail,
  TurnRequest,
  TurnView,
} from './chats-schema.js';
import type { Chat, Message, Turn, TurnWithMessages } from './turn.js';
import type { TurnWish } from './turn-budget.js';
import type { TurnRequest as TurnAsked, TurnResult } from './turns.js';

export function chatOut({ id, tenant, user, title, createdAt }: Chat): ChatView {
  return { id, tenant, user, title, createdAt: instantOut(createdAt) };
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
    decisionId: terms?.decisionId ?? null,
    policy: terms?.policy ?? null,
    tier: terms?.tier ?? null,
    model: terms?.model ?? null,
    reasons: [...(terms?.reasons ?? [])],
    held: terms === null ? null : amountsOut(terms.held, scales),
    charged: charged === null ? null : amountsOut(charged, scales),
    responseId: turn.responseId,
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

export function turnIn(body: TurnRequest, stated: Stated): TurnAsked {
  const { text, systemText, ...rest } = body;
  return { ...retryIn(rest, stated), text, ...(systemText === undefined ? {} : { systemText }) };
}

export function retryIn(body: RetryRequest, stated: Stated): Omit<TurnAsked, 'text'> {
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

export function resultIn(body: CancelRequest, stated: Stated): TurnResult {
  const { amounts } = body;
  return { ...body, amounts: amounts === undefined ? null : amountsIn(amounts, 'amounts', stated) };
}
