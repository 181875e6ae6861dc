// Agents over HTTP: their schemas, their routes, and an agent between the wire and the service.

import { type Static, Type } from 'typebox';
import { type AmountReading, amountOut, amountOutOrNull, amountsIn, type Scales } from '../kit/amounts.js';
import { SCOPES } from '../kit/caller.js';
import { instantIn, instantOut, instantOutOrNull } from '../kit/instants.js';
import { ID_PARAMS, routes, SPENDERS, SPENDERS_AND_READERS } from '../kit/route.js';
import {
  AmountOut,
  AmountsIn,
  CLOSED,
  InstantIn,
  InstantOut,
  issuedOf,
  LabelsIn,
  LabelsOut,
  listOf,
  Nothing,
  oneOf,
  orNull,
  PageQuery,
} from '../kit/schema-parts.js';
import {
  AGENT_MODES,
  AGENT_STATES,
  type Agent,
  depthOf,
  type AgentFigures as Figures,
  parentOf,
  type AgentView as View,
} from './agent.js';
import type { NewAgent } from './new-agent.js';

export const AgentRequest = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 200 }),
    mode: Type.Optional(
      oneOf(
        ['carved', 'shared'] as const,
        'Of a child: carved sets its limits aside at its parent, shared draws on what the parent has.',
      ),
    ),
    limits: Type.Optional(AmountsIn),
    ttlMs: Type.Optional(
      Type.Integer({ minimum: 1, description: 'How long it lives; instead of expiresAt.' }),
    ),
    expiresAt: Type.Optional(InstantIn),
    scopes: Type.Optional(Type.Array(oneOf(['spend', 'read'] as const), { minItems: 1, maxItems: 2 })),
    labels: Type.Optional(LabelsIn),
    callerLabels: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 32 })),
  },
  CLOSED,
);
export type AgentRequest = Static<typeof AgentRequest>;

export const AgentFigures = Type.Object(
  {
    unit: Type.String(),
    limit: orNull(Type.String({ description: 'null: it has none of its own.' })),
    used: Type.String({ description: 'Spent by it and all below it.' }),
    held: Type.String({ description: 'Held by open calls, and set aside for carved children.' }),
    left: orNull(AmountOut),
    returned: orNull(Type.String({ description: 'What it had not used when it ended.' })),
    available: Type.String({
      description: 'The least that is left on the way to the root: what a call may cost now.',
    }),
  },
  { description: 'Decimals in the unit’s natural scale; limit = used + held + left + returned.' },
);

export const AgentView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  tenant: Type.String(),
  parent: orNull(Type.String()),
  depth: Type.Integer(),
  mode: oneOf(AGENT_MODES),
  state: oneOf(AGENT_STATES),
  figures: Type.Array(AgentFigures),
  children: Type.Integer({ description: 'Those that have not ended.' }),
  scopes: Type.Array(oneOf(SCOPES)),
  labels: LabelsOut,
  callerLabels: Type.Array(Type.String()),
  keyId: orNull(Type.String()),
  createdAt: InstantOut,
  expiresAt: orNull(InstantOut),
  endedAt: orNull(InstantOut),
});
export type AgentView = Static<typeof AgentView>;
export const AgentIssued = issuedOf(AgentView);
export type AgentIssued = Static<typeof AgentIssued>;
export const AgentMade = Type.Object({
  key: orNull(
    Type.String({
      description: 'null: the same request made it earlier; ask for a new key where it is lost.',
    }),
  ),
  ...AgentView.properties,
});
export type AgentMade = Static<typeof AgentMade>;
export const AgentRaiseRequest = Type.Object({ limits: AmountsIn }, CLOSED);
export type AgentRaiseRequest = Static<typeof AgentRaiseRequest>;
export const AgentKeyRequest = Type.Object(
  {
    overlapMs: Type.Optional(
      Type.Integer({
        minimum: 0,
        description: 'How long the secret before stays valid; a day unless stated.',
      }),
    ),
  },
  CLOSED,
);
export type AgentKeyRequest = Static<typeof AgentKeyRequest>;
export const AgentList = listOf(AgentView);
export type AgentList = Static<typeof AgentList>;

export const AGENT_ROUTES = routes({
  createAgent: {
    method: 'POST',
    path: '/v1/agents',
    tag: 'agents',
    summary:
      'Make a root (a tenant’s administrator) or a child (its parent’s key); the answer alone shows its key, a repeat does not',
    scopes: SPENDERS,
    idempotencyKey: 'accepted',
    body: AgentRequest,
    answers: { 200: AgentMade, 201: AgentMade },
  },
  listAgents: {
    method: 'GET',
    path: '/v1/agents',
    tag: 'agents',
    summary: 'The tree below the caller, each agent before its children',
    scopes: SPENDERS_AND_READERS,
    query: PageQuery,
    answers: { 200: AgentList },
  },
  getAgent: {
    method: 'GET',
    path: '/v1/agents/:id',
    tag: 'agents',
    summary: 'What an agent was given, used, holds and has left; `self` is the agent that asks',
    scopes: SPENDERS_AND_READERS,
    params: ID_PARAMS,
    answers: { 200: AgentView },
  },
  renewAgentKey: {
    method: 'POST',
    path: '/v1/agents/:id/key',
    tag: 'agents',
    summary: 'Give an agent’s key a new secret, shown this once; the one before stays valid for the overlap',
    scopes: SPENDERS,
    params: ID_PARAMS,
    body: AgentKeyRequest,
    answers: { 200: AgentIssued },
  },
  raiseAgent: {
    method: 'POST',
    path: '/v1/agents/:id/raise',
    tag: 'agents',
    summary: 'Raise its limits to these: a root’s, or a child’s out of what those above it have left',
    scopes: SPENDERS,
    params: ID_PARAMS,
    body: AgentRaiseRequest,
    answers: { 200: AgentView },
  },
  closeAgent: {
    method: 'POST',
    path: '/v1/agents/:id/close',
    tag: 'agents',
    summary: 'Let nothing new begin, and give back what is left; refused while it has children',
    scopes: SPENDERS,
    params: ID_PARAMS,
    body: Nothing,
    answers: { 200: AgentView },
  },
  revokeAgent: {
    method: 'POST',
    path: '/v1/agents/:id/revoke',
    tag: 'agents',
    summary: 'End an agent and all below it at once, keys and budgets',
    scopes: SPENDERS,
    params: ID_PARAMS,
    body: Nothing,
    answers: { 200: AgentView },
  },
});

/** @throws RefusedError invalid_request */
export function agentIn(body: AgentRequest, requestId: string | undefined, stated: AmountReading): NewAgent {
  const { limits, expiresAt, ...rest } = body;
  // Does not compile where a field of the body is no field of NewAgent: it would be ignored.
  const asStated: Pick<NewAgent, keyof typeof rest> = rest;
  return {
    ...asStated,
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

function figuresOut({ unit, ...figures }: Figures, scales: Scales): AgentView['figures'][number] {
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
