// Agents between the wire and the service: amounts as decimals outside and steps inside, instants as texts.

import { amountOut, amountOutOrNull, amountsIn, type Scales, type Stated } from '../kit/amounts.js';
import { instantIn, instantOut, instantOutOrNull } from '../kit/instants.js';
import { type Agent, type AgentFigures, depthOf, parentOf, type AgentView as View } from './agent.js';
import type { AgentRequest, AgentView } from './agents-schema.js';
import type { NewAgent } from './new-agent.js';

/** @throws RefusedError invalid_request */
export function agentIn(body: AgentRequest, requestId: string | undefined, stated: Stated): NewAgent {
  const { limits, expiresAt, ...rest } = body;
  return {
    ...rest,
    ...(limits === undefined ? {} : { limits: amountsIn(limits, 'limits', stated) }),
    ...(expiresAt === undefined ? {} : { expiresAt: instantIn(expiresAt, 'expiresAt') }),
    ...(requestId === undefined ? {} : { requestId }),
  };
}

export function agentOut({ agent, figures, children }: View, scales: Scales): AgentView {
  const { id, name, tenant, mode, state, scopes, labels, callerLabels, keyId, createdAt } = agent;
  return {
    ...{ id, name, tenant, parent: parentOf(agent), depth: depthOf(agent), mode, state },
    figures: figures.map((one) => figuresOut(one, scales)),
    ...{ children, scopes: [...scopes], labels: { ...labels }, callerLabels: [...callerLabels], keyId },
    createdAt: instantOut(createdAt),
    ...endsOut(agent),
  };
}

function endsOut({ expiresAt, endedAt }: Agent) {
  return { expiresAt: instantOutOrNull(expiresAt), endedAt: instantOutOrNull(endedAt) };
}

function figuresOut({ unit, ...figures }: AgentFigures, scales: Scales): AgentView['figures'][number] {
  const { limit, used, held, left, returned, available } = figures;
  return {
    unit,
    limit: amountOutOrNull(limit, unit, scales),
    used: amountOut(used, unit, scales),
    held: amountOut(held, unit, scales),
    left: amountOutOrNull(left, unit, scales),
    returned: amountOutOrNull(returned, unit, scales),
    available: amountOut(available, unit, scales),
  };
}
