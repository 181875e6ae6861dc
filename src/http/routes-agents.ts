// Agents over HTTP. Figures go out once they are durable.

import type { FastifyInstance } from 'fastify';
import type { AgentView } from '../agents/agent.js';
import type { Delegation } from '../agents/agents.js';
import { agentIn, agentOut } from '../agents/agents-conversions.js';
import { AGENT_ROUTES } from '../agents/agents-routes.js';
import type { AgentView as WireAgent } from '../agents/agents-schema.js';
import type { Lacking } from '../agents/transfers.js';
import type { Problem } from '../budgets/outcomes-schema.js';
import { lineFigures } from '../gateway/calls/figures.js';
import { amountOut, amountsIn } from '../kit/amounts.js';
import { statedKey } from '../kit/idempotency-key.js';
import { cursorOf, limitOf, readCursor } from '../kit/page.js';
import { sendProblem } from './answers.js';
import { type Api, type Request, statedIn } from './api.js';
import { serve } from './serve.js';

export function agentRoutes(app: FastifyInstance, api: Api, delegation: Delegation): void {
  const shown = (read: () => AgentView): Promise<WireAgent> =>
    api.ledger.whenDurable(() => agentOut(read(), api.scales));
  serve(app, 'createAgent', AGENT_ROUTES.createAgent, async (request, reply) => {
    const requestId = statedKey(request.headers['idempotency-key']);
    const asked = agentIn(request.body, requestId, statedIn(api, request));
    const answer = await delegation.create(request.caller, asked);
    if (answer.made === false) return sendProblem(request, reply, lackingProblem(api, request, answer));
    const view = await shown(() => answer.view);
    if (answer.made === 'before') {
      reply.header('idempotency-replayed', 'true');
      return { key: null, ...view };
    }
    reply.code(201);
    return { key: answer.secret, ...view };
  });
  serve(app, 'listAgents', AGENT_ROUTES.listAgents, ({ caller, query }) => {
    const after = readCursor(query);
    return api.ledger.whenDurable(() => {
      const { views, next } = delegation.list(caller, {
        max: limitOf(query),
        ...(after === undefined ? {} : { after }),
      });
      const items = views.map((view) => agentOut(view, api.scales));
      return { items, nextCursor: next === null ? null : cursorOf(next) };
    });
  });
  serve(app, 'getAgent', AGENT_ROUTES.getAgent, ({ caller, params }) =>
    shown(() => delegation.get(caller, params.id)),
  );
  serve(app, 'renewAgentKey', AGENT_ROUTES.renewAgentKey, async ({ caller, params, body }) => {
    const { view, secret } = delegation.renewKey(caller, params.id, body.overlapMs);
    return { key: secret, ...(await shown(() => view)) };
  });
  serve(app, 'raiseAgent', AGENT_ROUTES.raiseAgent, async (request, reply) => {
    const { caller, params, body } = request;
    const limits = amountsIn(body.limits, 'limits', statedIn(api, request));
    const answer = await delegation.raise(caller, params.id, limits);
    if (!answer.raised) return sendProblem(request, reply, lackingProblem(api, request, answer));
    return shown(() => answer.view);
  });
  serve(app, 'closeAgent', AGENT_ROUTES.closeAgent, async ({ caller, params }) => {
    const view = await delegation.close(caller, params.id);
    return shown(() => view);
  });
  serve(app, 'revokeAgent', AGENT_ROUTES.revokeAgent, async ({ caller, params }) => {
    const view = await delegation.revoke(caller, params.id);
    return shown(() => view);
  });
}

/** As for calls: what does not fit for good is 402, what open calls hold comes back. */
function lackingProblem(api: Api, { caller }: Request, { line, isHeldByCalls }: Lacking): Problem {
  const { unit, requested, spent } = line;
  const granted = line.granted ?? 0n;
  const [status, code, title] =
    requested > granted
      ? ([402, 'request_exceeds_budget', 'The agents above were never given so much.'] as const)
      : isHeldByCalls
        ? ([429, 'budget_held', 'Open calls hold what this needs; it fits once they end.'] as const)
        : ([402, 'budget_exhausted', 'The agents above have too little left.'] as const);
  const [shown] = api.tenancy.lines(caller, [line]);
  const text = (steps: bigint) => `${amountOut(steps, unit, api.scales)} ${unit}`;
  const detail = `${title} ${text(requested)} asked; of ${text(granted)}, ${text(spent)} are spent and ${text(line.held)} held.`;
  const retry = status === 429 ? { retryAfterMs: HELD_RETRY_MS } : {};
  return {
    type: `urn:bursar:${code}`,
    title,
    status,
    code,
    detail,
    ...lineFigures(shown, api.scales),
    ...retry,
  };
}

/** As the ledger says it of a denial: calls end within seconds. */
const HELD_RETRY_MS = 1_000;
