// Agents on the wire: what is asked of the routes in routes-agents.ts, and what they answer.

import { type Static, Type } from 'typebox';
import { SCOPES } from '../kit/caller.js';
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
  oneOf,
  orNull,
} from '../kit/schema-parts.js';
import { AGENT_MODES, AGENT_STATES } from './agent.js';

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
