// Many commands in one request: one durable group, decided in order. One Idempotency-Key serves all of them; the id of each
// command is the key and its place.

import { Readable } from 'node:stream';
import { commandIn } from '../budgets/commands-in.js';
import { type BatchAnswer, type BatchRequest, HOLD_ROUTES } from '../budgets/holds-api.js';
import { briefOut } from '../budgets/outcomes-out.js';
import type { CommandOutcome } from '../core/outcomes.js';
import type { Command } from '../core/requests.js';
import { Breather } from '../kit/breather.js';
import { actorOf } from '../kit/caller.js';
import { batchIdOf, requiredKey } from '../kit/idempotency-key.js';
import { RefusedError } from '../kit/refusals.js';
import type { RouteHost, RouteReply, RouteRequest } from '../kit/route.js';
import { answerOf, statusOf } from './answers.js';
import { type Api, statedIn } from './api.js';
import { askedBy } from './decide.js';

/** Characters of an answer that go out as one piece. */
const PIECE_LENGTH = 256 * 1024;

export function batchRoute(host: RouteHost, api: Api): void {
  host.serve('batch', HOLD_ROUTES.batch, (request, reply) => runBatch(api, request, reply, request.body));
}

/** The answer is bytes already: the outcomes of 10,000 commands are too many to be kept as objects as well. */
async function runBatch(
  api: Api,
  request: RouteRequest,
  reply: RouteReply,
  { commands, answer }: BatchRequest,
): Promise<unknown> {
  const commandId = batchIdOf(requiredKey(request.headers['idempotency-key']));
  const breather = new Breather();
  const asked: Command[] = [];
  const opening = new Set<string>();
  for (const command of commands) {
    await breather.breathe();
    const index = asked.length;
    const made = askedOf(api, request, { command, commandId: commandId(index), index, opening });
    if (made.command === 'authorize_hold') opening.add(made.holdId);
    asked.push(made);
  }
  const marker = asked[0].commandId as string;
  api.inFlight.begin(marker);
  const began = performance.now();
  try {
    const outcomes = await api.ledger.submit(asked, { inTurns: true, actor: actorOf(request.caller) });
    api.metrics.decided('batch', performance.now() - began);
    if (outcomes.every(({ replayed }) => replayed)) reply.header('idempotency-replayed', 'true');
    const pieces = await answerPieces(
      outcomes,
      answer === 'full' ? inFull(api, request) : inBrief(api, request),
    );
    return reply.bytes(
      'application/json; charset=utf-8',
      pieces.length === 1 ? pieces[0] : Readable.from(pieces),
    );
  } finally {
    api.inFlight.end(marker);
  }
}

type AnswerOf = (outcome: CommandOutcome) => BatchAnswer['outcomes'][number];

async function answerPieces(outcomes: readonly CommandOutcome[], answerTo: AnswerOf): Promise<Buffer[]> {
  const breather = new Breather();
  const pieces: Buffer[] = [];
  let text = '{"outcomes":[';
  for (let index = 0; index < outcomes.length; index += 1) {
    await breather.breathe();
    text += (index === 0 ? '' : ',') + JSON.stringify(answerTo(outcomes[index]));
    if (text.length < PIECE_LENGTH) continue;
    pieces.push(Buffer.from(text));
    text = '';
  }
  pieces.push(Buffer.from(`${text}]}`));
  return pieces;
}

function inFull(api: Api, { caller }: RouteRequest): AnswerOf {
  return (outcome) => {
    const { status, body } = answerOf(api, caller, outcome);
    return { status, body };
  };
}

/** What did not succeed says why, in full. */
function inBrief(api: Api, request: RouteRequest): AnswerOf {
  const { caller } = request;
  const full = inFull(api, request);
  return (outcome) =>
    outcome.outcome === 'denied' || outcome.outcome === 'rejected'
      ? full(outcome)
      : { status: statusOf(outcome), body: briefOut(caller, outcome, api.scales) };
}

interface Placed {
  readonly command: BatchRequest['commands'][number];
  readonly commandId: string;
  readonly index: number;
  /** Holds that the commands before it open. */
  readonly opening: ReadonlySet<string>;
}

function askedOf(api: Api, request: RouteRequest, { command, commandId, index, opening }: Placed): Command {
  try {
    const reading = {
      ...statedIn(api.scales, request),
      commandId,
      unitOf: (id: string) => api.units.unitOf(request.caller, id),
    };
    return askedBy(api, request, commandIn(command, reading), opening);
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    // Which of the commands it was; nothing of the batch was done.
    const { field } = error.about;
    throw new RefusedError(error.code, `commands[${index}]: ${error.message}`, {
      ...error.about,
      ...(field === undefined ? {} : { field: `commands[${index}].${field}` }),
    });
  }
}
