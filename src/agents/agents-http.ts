// Mounts the routes of agents. Figures go out once they are durable.

import type { Tenancy } from '../access/tenancy.js';
import type { Ledger } from '../authority/api.js';
import type { Problem } from '../budgets/outcomes-schema.js';
import { lineFigures } from '../gateway/calls/figures.js';
import { amountOut, amountsIn, type Scales } from '../kit/amounts.js';
import type { Caller } from '../kit/caller.js';
import { statedKey } from '../kit/idempotency-key.js';
import { cursorOf, limitOf, readCursor } from '../kit/page.js';
import type { RouteHost } from '../kit/route.js';
import type { AgentView } from './agent.js';
import type { Lacking } from './agent-ledger.js';
import type { Agents } from './agents.js';
import { AGENT_ROUTES, agentIn, agentOut, type AgentView as WireAgent } from './agents-api.js';

export interface AgentParts {
  readonly agents: Agents;
  readonly ledger: Ledger;
  readonly tenancy: Tenancy;
}

export function agentRoutes(host: RouteHost, parts: AgentParts): void {
  const { agents, ledger } = parts;
  const durable = (read: () => AgentView): Promise<WireAgent> =>
    ledger.whenDurable(() => agentOut(read(), host.scales));
  host.serve('createAgent', AGENT_ROUTES.createAgent, async (request, reply) => {
    const requestId = statedKey(request.headers['idempotency-key']);
    const asked = agentIn(request.body, requestId, host.stated(request));
    const answer = await agents.create(request.caller, asked);
    if (answer.made === false)
      return host.sendProblem(
        request,
        reply,
        lackingProblem(parts.tenancy, host.scales, request.caller, answer),
      );
    const view = await durable(() => answer.view);
    if (answer.made === 'before') {
      reply.header('idempotency-replayed', 'true');
      return { key: null, ...view };
    }
    reply.code(201);
    return { key: answer.secret, ...view };
  });
  host.serve('listAgents', AGENT_ROUTES.listAgents, ({ caller, query }) => {
    const after = readCursor(query);
    return ledger.whenDurable(() => {
      const { views, next } = agents.list(caller, {
        max: limitOf(query),
        ...(after === undefined ? {} : { after }),
      });
      const items = views.map((view) => agentOut(view, host.scales));
      return { items, nextCursor: next === null ? null : cursorOf(next) };
    });
  });
  host.serve('getAgent', AGENT_ROUTES.getAgent, ({ caller, params }) =>
    durable(() => agents.get(caller, params.id)),
  );
  host.serve('renewAgentKey', AGENT_ROUTES.renewAgentKey, async ({ caller, params, body }) => {
    const { view, secret } = await agents.renewKey(caller, params.id, body.overlapMs);
    return { key: secret, ...(await durable(() => view)) };
  });
  host.serve('raiseAgent', AGENT_ROUTES.raiseAgent, async (request, reply) => {
    const { caller, params, body } = request;
    const limits = amountsIn(body.limits, 'limits', host.stated(request));
    const answer = await agents.raise(caller, params.id, limits);
    if (!answer.raised)
      return host.sendProblem(
        request,
        reply,
        lackingProblem(parts.tenancy, host.scales, request.caller, answer),
      );
    return durable(() => answer.view);
  });
  host.serve('closeAgent', AGENT_ROUTES.closeAgent, async ({ caller, params }) => {
    const view = await agents.close(caller, params.id);
    return durable(() => view);
  });
  host.serve('revokeAgent', AGENT_ROUTES.revokeAgent, async ({ caller, params }) => {
    const view = await agents.revoke(caller, params.id);
    return durable(() => view);
  });
}

/** As for calls: 402 for what will not fit, 429 for what fits once open calls have ended. */
function lackingProblem(
  tenancy: Tenancy,
  scales: Scales,
  caller: Caller,
  { line, isHeldByCalls }: Lacking,
): Problem {
  const { unit, requested, spent } = line;
  const granted = line.granted ?? 0n;
  const [status, code, title] =
    requested > granted
      ? ([402, 'request_exceeds_budget', 'The agents above were never given so much.'] as const)
      : isHeldByCalls
        ? ([429, 'budget_held', 'Open calls hold what this needs; it fits once they end.'] as const)
        : ([402, 'budget_exhausted', 'The agents above have too little left.'] as const);
  const [visible] = tenancy.lines(caller, [line]);
  const text = (steps: bigint) => `${amountOut(steps, unit, scales)} ${unit}`;
  const detail = `${title} ${text(requested)} asked; of ${text(granted)}, ${text(spent)} are spent and ${text(line.held)} held.`;
  const retry = status === 429 ? { retryAfterMs: HELD_RETRY_MS } : {};
  return {
    type: `urn:bursar:${code}`,
    title,
    status,
    code,
    detail,
    ...lineFigures(visible, scales),
    ...retry,
  };
}

/** The same as for a denied call: calls end within seconds. */
const HELD_RETRY_MS = 1_000;
