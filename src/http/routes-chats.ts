// Chats, turns and messages over HTTP. A turn's denial is the same problem as a hold's.

import type { FastifyInstance } from 'fastify';
import {
  chatOut,
  messageOut,
  resultIn,
  retryIn,
  rowsOut,
  type SeenBy,
  turnDetailOut,
  turnIn,
  turnOut,
} from '../chats/chats-conversions.js';
import { CHAT_ROUTES } from '../chats/chats-routes.js';
import { CHAT_ROWS_DEFAULT } from '../chats/chats-schema.js';
import type { TurnEnd } from '../chats/turn.js';
import type { Started, TurnRef, TurnResult } from '../chats/turns.js';
import type { Labels } from '../core/requests.js';
import { type PageRequest, readSequenceCursor } from '../kit/page.js';
import { sendOutcome } from './answers.js';
import { type Api, type Reply, type Request, statedIn } from './api.js';
import { serve } from './serve.js';

export function chatRoutes(app: FastifyInstance, api: Api): void {
  const { chats } = api.conversations;
  serve(app, 'createChat', CHAT_ROUTES.createChat, async ({ caller, body }, reply) => {
    const chat = await chats.create(caller, body);
    reply.code(201);
    return chatOut(chat);
  });
  serve(app, 'listChats', CHAT_ROUTES.listChats, ({ caller, query }) => {
    const { after, max } = rowsAsked(query);
    return rowsOut(chats.list(caller, query, { before: after === 0 ? null : after, max }), chatOut);
  });
  serve(app, 'getChat', CHAT_ROUTES.getChat, ({ caller, params }) => chatOut(chats.get(caller, params.id)));
  serve(app, 'deleteChat', CHAT_ROUTES.deleteChat, async ({ caller, params }) => {
    await chats.remove(caller, params.id);
    return {};
  });
  readRoutes(app, api);
  startRoutes(app, api);
  endRoutes(app, api);
}

function readRoutes(app: FastifyInstance, api: Api): void {
  const { turns } = api.conversations;
  serve(app, 'listMessages', CHAT_ROUTES.listMessages, ({ caller, params, query }) =>
    rowsOut(turns.listMessages(caller, params.id, rowsAsked(query)), messageOut),
  );
  serve(app, 'listTurns', CHAT_ROUTES.listTurns, ({ caller, params, query }) => {
    const seen = { caller, scales: api.scales };
    return rowsOut(turns.list(caller, params.id, rowsAsked(query)), (turn) => turnOut(turn, seen));
  });
  serve(app, 'getTurn', CHAT_ROUTES.getTurn, ({ caller, params }) =>
    turnDetailOut(turns.get(caller, refOf(params)), { caller, scales: api.scales }),
  );
  serve(app, 'deleteTurn', CHAT_ROUTES.deleteTurn, async ({ caller, params }) => {
    await turns.remove(caller, refOf(params));
    return {};
  });
}

function startRoutes(app: FastifyInstance, api: Api): void {
  const { turns } = api.conversations;
  serve(app, 'startTurn', CHAT_ROUTES.startTurn, async (request, reply) => {
    const asked = ofOwnGoal(api, request, turnIn(request.body, statedIn(api, request)));
    return started(api, request, reply, await turns.start(request.caller, request.params.id, asked));
  });
  serve(app, 'retryTurn', CHAT_ROUTES.retryTurn, async (request, reply) => {
    const asked = ofOwnGoal(api, request, retryIn(request.body, statedIn(api, request)));
    return started(api, request, reply, await turns.retry(request.caller, refOf(request.params), asked));
  });
  serve(app, 'editTurn', CHAT_ROUTES.editTurn, async (request, reply) => {
    const asked = ofOwnGoal(api, request, turnIn(request.body, statedIn(api, request)));
    return started(api, request, reply, await turns.edit(request.caller, refOf(request.params), asked));
  });
}

/** A turn counts towards no goal but the caller's. @throws RefusedError not_found */
function ofOwnGoal<Asked extends { readonly labels?: Labels }>(
  api: Api,
  { caller }: Request,
  asked: Asked,
): Asked {
  api.goals.assertUsable(caller, asked.labels ?? {});
  return asked;
}

function started(api: Api, request: Request, reply: Reply, result: Started): unknown {
  const { caller } = request;
  if (result.started === 'denied') return sendOutcome(api, request, reply, result.decision);
  const detail = turnDetailOut(result, { caller, scales: api.scales });
  if (result.started === 'now') {
    reply.code(201);
    return { outcome: 'started', ...detail };
  }
  reply.header('idempotency-replayed', 'true');
  return { outcome: 'stored', ...detail };
}

function endRoutes(app: FastifyInstance, api: Api): void {
  const { turns } = api.conversations;
  const end = async (
    request: Request & { readonly params: TurnParams },
    reply: Reply,
    how: TurnEnd,
    result: TurnResult,
  ) => {
    const ended = await turns.end(request.caller, refOf(request.params), how, result);
    if (ended.replayed) reply.header('idempotency-replayed', 'true');
    return turnDetailOut(ended, seenBy(api, request));
  };
  serve(app, 'completeTurn', CHAT_ROUTES.completeTurn, (request, reply) =>
    end(request, reply, 'completed', resultIn(request.body, statedIn(api, request))),
  );
  serve(app, 'failTurn', CHAT_ROUTES.failTurn, (request, reply) => {
    const { reachedProvider, ...result } = request.body;
    const how = reachedProvider ? 'failed_at_provider' : 'failed_before';
    return end(request, reply, how, resultIn(result, statedIn(api, request)));
  });
  serve(app, 'cancelTurn', CHAT_ROUTES.cancelTurn, (request, reply) =>
    end(request, reply, 'cancelled', resultIn(request.body, statedIn(api, request))),
  );
  serve(app, 'noteProgress', CHAT_ROUTES.noteProgress, async (request) =>
    turnDetailOut(await turns.progress(request.caller, refOf(request.params)), seenBy(api, request)),
  );
}

interface TurnParams {
  readonly id: string;
  readonly turn: string;
}

function refOf({ id, turn }: TurnParams): TurnRef {
  return { chatId: id, turnId: turn };
}

function seenBy(api: Api, { caller }: Request): SeenBy {
  return { caller, scales: api.scales };
}

function rowsAsked(page: PageRequest): { readonly after: number; readonly max: number } {
  return { after: readSequenceCursor(page), max: page.limit ?? CHAT_ROWS_DEFAULT };
}
