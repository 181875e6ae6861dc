// Many commands in one request: one durable group, decided in order. One Idempotency-Key serves all of them; each is
// known by its place.

import type { CommandOutcome } from '../../core/outcomes.js';
import type { Command } from '../../core/requests.js';
import { RefusedError } from '../../service/refusals.js';
import { accountCommandIn } from '../../service/wire/budget-commands.js';
import { batchCommandIn } from '../../service/wire/hold-commands.js';
import { batchIdOf, requiredKey } from '../../service/wire/idempotency-key.js';
import { briefOut } from '../../service/wire/outcomes-out.js';
import type { BatchAnswer, BatchRequest } from '../../service/wire/schema-holds.js';
import { answerOf, statusOf } from './answers.js';
import { type Api, type Reply, type Request, statedIn } from './api.js';
import { askedBy } from './decide.js';

/** Outcomes written before other requests get a turn: about 2 ms. */
const WRITTEN_PER_TURN = 500;

/** The answer is text already: the outcomes of 10,000 commands are too many to be kept as objects as well. */
export async function runBatch(
  api: Api,
  request: Request,
  reply: Reply,
  { commands, answer }: BatchRequest,
): Promise<string> {
  const commandId = batchIdOf(requiredKey(request.headers['idempotency-key']));
  const asked = commands.map((command, index) => askedOf(api, request, command, commandId(index), index));
  const marker = asked[0].commandId as string;
  api.inFlight.begin(marker);
  const began = performance.now();
  try {
    const outcomes = await api.ledger.submit(asked);
    api.metrics.decided('batch', performance.now() - began);
    if (outcomes.every(({ replayed }) => replayed)) reply.header('idempotency-replayed', 'true');
    reply.type('application/json; charset=utf-8').serializer(asItIs);
    return await answersText(outcomes, answer === 'full' ? inFull(api, request) : inBrief(api, request));
  } finally {
    api.inFlight.end(marker);
  }
}

type AnswerOf = (outcome: CommandOutcome) => BatchAnswer['outcomes'][number];

async function answersText(outcomes: readonly CommandOutcome[], answerTo: AnswerOf): Promise<string> {
  let text = '';
  for (let index = 0; index < outcomes.length; index += 1) {
    if (index > 0 && index % WRITTEN_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    text += (index === 0 ? '' : ',') + JSON.stringify(answerTo(outcomes[index]));
  }
  return `{"outcomes":[${text}]}`;
}

function inFull(api: Api, { caller }: Request): AnswerOf {
  return (outcome) => {
    const { status, body } = answerOf(api, caller, outcome);
    return { status, body };
  };
}

/** What did not succeed says why, in full. */
function inBrief(api: Api, request: Request): AnswerOf {
  const { caller } = request;
  const full = inFull(api, request);
  return (outcome) =>
    outcome.outcome === 'denied' || outcome.outcome === 'rejected'
      ? full(outcome)
      : { status: statusOf(outcome), body: briefOut(caller, outcome, api.scales) };
}

function asItIs(text: unknown): string {
  return text as string;
}

function askedOf(
  api: Api,
  request: Request,
  command: BatchRequest['commands'][number],
  commandId: string,
  index: number,
): Command {
  try {
    return askedBy(api, request, commandIn(api, request, command, commandId));
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

function commandIn(
  api: Api,
  request: Request,
  command: BatchRequest['commands'][number],
  commandId: string,
): Command {
  const stated = statedIn(api, request);
  switch (command.command) {
    case 'top_up':
    case 'set_budget_status':
    case 'exhaust_budget':
    case 'set_balance_limit':
      return accountCommandIn(command, commandId, (id) => api.units.unitOf(request.caller, id), stated);
    default:
      return batchCommandIn(command, commandId, stated);
  }
}
