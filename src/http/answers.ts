// How outcomes and errors go out: status, headers, body (docs/http-api.md). Every answer of a command passes here.

import type { VisibleLine } from '../access/visible.js';
import { authorizedOut, doneOut, settledOut } from '../budgets/outcomes-out.js';
import type { Authorized, Done, Problem, Settled } from '../budgets/outcomes-schema.js';
import { rateLimitHeaders } from '../budgets/rate-limit.js';
import type { CommandOutcome } from '../core/outcomes.js';
import type { Caller } from '../kit/caller.js';
import type { RouteRequest } from '../kit/route.js';
import type { Api, Reply } from './api.js';
import { type AnswerParts, deniedProblem, rejectedProblem } from './problems.js';

/** An outcome as its own route answers it, and the lines of it that the caller sees. */
export interface Answer {
  readonly status: number;
  readonly body: Authorized | Done | Settled | Problem;
  readonly lines: readonly VisibleLine[];
}

/** What the caller is answered: 201 where something came to be, else 200; denials and rejections are problems. */
export function answerOf(api: AnswerParts, caller: Caller, outcome: CommandOutcome): Answer {
  const { tenancy, scales } = api;
  switch (outcome.outcome) {
    case 'authorized': {
      const shown = tenancy.outcome(caller, outcome);
      return { status: 201, body: authorizedOut(shown, scales), lines: shown.lines };
    }
    case 'settled': {
      const shown = tenancy.outcome(caller, outcome);
      return { status: statusOf(outcome), body: settledOut(shown, scales), lines: shown.lines };
    }
    case 'done': {
      const shown = tenancy.outcome(caller, outcome);
      return { status: 200, body: doneOut(shown, scales), lines: shown.lines };
    }
    case 'denied': {
      const shown = tenancy.outcome(caller, outcome);
      const body = deniedProblem(api, caller, outcome, shown);
      return { status: body.status, body, lines: shown.lines };
    }
    case 'rejected': {
      const body = rejectedProblem(tenancy.outcome(caller, outcome));
      return { status: body.status, body, lines: NO_LINES };
    }
  }
}

/** What is neither denied nor rejected. */
export type Succeeded = Exclude<CommandOutcome, { outcome: 'denied' | 'rejected' }>;

/** 201 where something came to be. */
export function statusOf(outcome: Succeeded): 200 | 201 {
  if (outcome.outcome === 'authorized') return 201;
  return outcome.event === 'spend_recorded' ? 201 : 200;
}

const NO_LINES: readonly VisibleLine[] = [];

export function sendOutcome(
  api: Api,
  request: RouteRequest,
  reply: Reply,
  outcome: CommandOutcome,
): Answer['body'] {
  const { status, body, lines } = answerOf(api, request.caller, outcome);
  if (outcome.replayed) reply.header('idempotency-replayed', 'true');
  if (outcome.outcome === 'authorized' || outcome.outcome === 'denied')
    reply.headers(rateLimitHeaders(lines, { scales: api.scales, now: api.clock.now() }));
  if ('code' in body) return sendProblem(request, reply, body);
  reply.code(status);
  return body;
}

/** Client libraries retry 408, 409, 429 and ≥ 500 by themselves, unless they are told not to. */
export function sendProblem(request: Pick<RouteRequest, 'id'>, reply: Reply, problem: Problem): Problem {
  const { status, retryAfterMs } = problem;
  reply.code(status).type('application/problem+json');
  // Of a budget that is used up the body says when it resets; clients do not wait for that.
  if (retryAfterMs !== undefined && status !== 402) {
    reply.header('retry-after', Math.max(1, Math.ceil(retryAfterMs / 1_000)));
    reply.header('retry-after-ms', Math.max(0, Math.ceil(retryAfterMs)));
  } else if (status < 500) reply.header('x-should-retry', 'false');
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  return { ...problem, requestId: request.id };
}
