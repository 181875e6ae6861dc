// The routes of agents that hand budgets to agents.

import { Type } from 'typebox';
import { PageQuery } from '../http/service-schema.js';
import { ID_PARAMS, routes, SPENDERS, SPENDERS_AND_READERS } from '../kit/route.js';
import { CLOSED } from '../kit/schema-parts.js';
import {
  AgentIssued,
  AgentKeyRequest,
  AgentList,
  AgentMade,
  AgentRaiseRequest,
  AgentRequest,
  AgentView,
} from './agents-schema.js';

/** For commands that have nothing to say. */
const Nothing = Type.Object({}, CLOSED);

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
