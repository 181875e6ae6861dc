// Chats, turns and messages over HTTP. A turn's denial is the same problem as a hold's.

import type { Labels } from '../core/requests.js';
import type { Caller } from '../kit/caller.js';
import { type PageRequest, readSequenceCursor } from '../kit/page.js';
import type { RouteHost, RouteReply, RouteRequest } from '../kit/route.js';
import type { Chats } from './chats.js';
import {
  CHAT_ROUTES,
  chatOut,
  messageOut,
  resultIn,
  retryIn,
  rowsOut,
  type SeenBy,
  turnDetailOut,
  turnIn,
  turnOut,
} from './chats-api.js';
import type { PageAsked } from './chats-reads.js';
import { CHAT_ROWS_DEFAULT } from './chats-schema.js';
import type { TurnEnd } from './turn.js';
import type { TurnResult } from './turn-said.js';
import type { Started, TurnRef } from './turns.js';

export interface ChatParts {
  readonly chats: Chats;
  /** Refuses labels that name a goal of another owner. @throws RefusedError not_found */
  readonly assertGoalUsable: (caller: Caller, labels: Labels) => void;
}

export function chatRoutes(host: RouteHost, parts: ChatParts): void {
  const { chats } = parts;
  host.serve('createChat', CHAT_ROUTES.createChat, async ({ caller, body }, reply) => {
    const chat = await chats.create(caller, body);
    reply.code(201);
    return chatOut(chat);
  });
  host.serve('listChats', CHAT_ROUTES.listChats, async ({ caller, query }) =>
    rowsOut(await chats.list(caller, query, rowsAsked(query)), chatOut),
  );
  host.serve('getChat', CHAT_ROUTES.getChat, async ({ caller, params }) =>
    chatOut(await chats.get(caller, params.id)),
  );
  host.serve('changeChat', CHAT_ROUTES.changeChat, async ({ caller, params, body }) =>
    chatOut(await chats.change(caller, params.id, body)),
  );
  host.serve('deleteChat', CHAT_ROUTES.deleteChat, async ({ caller, params }) => {
    await chats.remove(caller, params.id);
    return {};
  });
  readRoutes(host, parts);
  startRoutes(host, parts);
  endRoutes(host, parts);
}

function readRoutes(host: RouteHost, parts: ChatParts): void {
  const { turns } = parts.chats;
  host.serve('listMessages', CHAT_ROUTES.listMessages, async ({ caller, params, query }) =>
    rowsOut(await turns.listMessages(caller, params.id, rowsAsked(query)), messageOut),
  );
  host.serve('listTurns', CHAT_ROUTES.listTurns, ({ caller, params, query }) => {
    const seen = { caller, scales: host.scales };
    return rowsOut(turns.list(caller, params.id, rowsAsked(query)), (turn) => turnOut(turn, seen));
  });
  host.serve('getTurn', CHAT_ROUTES.getTurn, async ({ caller, params }) =>
    turnDetailOut(await turns.get(caller, refOf(params)), { caller, scales: host.scales }),
  );
  host.serve('deleteTurn', CHAT_ROUTES.deleteTurn, async ({ caller, params }) => {
    await turns.remove(caller, refOf(params));
    return {};
  });
}

function startRoutes(host: RouteHost, parts: ChatParts): void {
  const { turns } = parts.chats;
  host.serve('startTurn', CHAT_ROUTES.startTurn, async (request, reply) => {
    const asked = ofOwnGoal(parts, request, turnIn(request.body, host.stated(request)));
    return started(host, request, reply, await turns.start(request.caller, request.params.id, asked));
  });
  host.serve('retryTurn', CHAT_ROUTES.retryTurn, async (request, reply) => {
    const asked = ofOwnGoal(parts, request, retryIn(request.body, host.stated(request)));
    return started(host, request, reply, await turns.retry(request.caller, refOf(request.params), asked));
  });
  host.serve('editTurn', CHAT_ROUTES.editTurn, async (request, reply) => {
    const asked = ofOwnGoal(parts, request, turnIn(request.body, host.stated(request)));
    return started(host, request, reply, await turns.edit(request.caller, refOf(request.params), asked));
  });
}

/** A turn counts towards no goal but the caller's. @throws RefusedError not_found */
function ofOwnGoal<Asked extends { readonly labels?: Labels }>(
  parts: ChatParts,
  { caller }: RouteRequest,
  asked: Asked,
): Asked {
  parts.assertGoalUsable(caller, asked.labels ?? {});
  return asked;
}

function started(host: RouteHost, request: RouteRequest, reply: RouteReply, result: Started): unknown {
  const { caller } = request;
  if (result.started === 'denied') return host.sendOutcome(request, reply, result.decision);
  const detail = turnDetailOut(result, { caller, scales: host.scales });
  if (result.started === 'now') {
    reply.code(201);
    return { outcome: 'started', ...detail };
  }
  reply.header('idempotency-replayed', 'true');
  return { outcome: 'stored', ...detail };
}

function endRoutes(host: RouteHost, parts: ChatParts): void {
  const { turns } = parts.chats;
  const end = async (
    request: RouteRequest & { readonly params: TurnParams },
    reply: RouteReply,
    how: TurnEnd,
    result: TurnResult,
  ) => {
    const ended = await turns.end(request.caller, refOf(request.params), how, result);
    if (ended.replayed) reply.header('idempotency-replayed', 'true');
    return turnDetailOut(ended, seenBy(host, request));
  };
  host.serve('completeTurn', CHAT_ROUTES.completeTurn, (request, reply) =>
    end(request, reply, 'completed', resultIn(request.body, host.stated(request))),
  );
  host.serve('failTurn', CHAT_ROUTES.failTurn, (request, reply) => {
    const { reachedProvider, ...result } = request.body;
    const how = reachedProvider ? 'failed_at_provider' : 'failed_before';
    return end(request, reply, how, resultIn(result, host.stated(request)));
  });
  host.serve('cancelTurn', CHAT_ROUTES.cancelTurn, (request, reply) =>
    end(request, reply, 'cancelled', resultIn(request.body, host.stated(request))),
  );
  host.serve('noteProgress', CHAT_ROUTES.noteProgress, async (request) =>
    turnDetailOut(await turns.progress(request.caller, refOf(request.params)), seenBy(host, request)),
  );
}

interface TurnParams {
  readonly id: string;
  readonly turn: string;
}

function refOf({ id, turn }: TurnParams): TurnRef {
  return { chatId: id, turnId: turn };
}

function seenBy(host: RouteHost, { caller }: RouteRequest): SeenBy {
  return { caller, scales: host.scales };
}

function rowsAsked(page: PageRequest): PageAsked {
  return { after: readSequenceCursor(page), max: page.limit ?? CHAT_ROWS_DEFAULT };
}
