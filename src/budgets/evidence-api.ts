// What proves the figures, over HTTP: events, explained decisions, verification, certificates, the head of the journal.
// Their schemas and routes.

import { type Static, Type } from 'typebox';
import { EVENT_TYPES } from '../core/outcomes.js';
import { ID_PARAMS, PLATFORM, READERS, routes, SPENDERS_AND_READERS } from '../kit/route.js';
import {
  AmountOut,
  AmountsOut,
  CLOSED,
  Cursor,
  Id,
  InstantOut,
  LabelsOut,
  Limit,
  listOf,
  Nothing,
  oneOf,
  orNull,
  Whole,
} from '../kit/schema-parts.js';
import { BudgetDefined } from './budgets-api.js';
import { LineRef } from './outcomes-schema.js';

export const LedgerEvent = Type.Object({
  sequence: Type.Integer(),
  eventId: Type.String(),
  type: oneOf(EVENT_TYPES),
  at: InstantOut,
  position: orNull(Type.Integer()),
  commandId: orNull(Type.String()),
  holdId: orNull(Type.String()),
  term: Type.String(),
  actor: Type.Optional(
    orNull(
      Type.Object(
        { key: Type.String(), address: orNull(Type.String()) },
        {
          description:
            'Who asked: the id of the acting key and the address of its client. For the platform alone; null for the ledger’s own commands.',
        },
      ),
    ),
  ),
  lines: Type.Array(LineRef),
  details: Type.Unsafe<Record<string, unknown>>({
    type: 'object',
    additionalProperties: true,
    description: 'The command’s own fields and what it did.',
  }),
});
export type LedgerEvent = Static<typeof LedgerEvent>;
export const EventList = listOf(LedgerEvent);
export type EventList = Static<typeof EventList>;

const EVENT_FILTER = {
  after: Type.Optional({ ...Whole, description: 'Only events after this sequence number.' }),
  holdId: Type.Optional(Id),
  type: Type.Optional(oneOf(EVENT_TYPES)),
};
export const EventQuery = Type.Object(
  { ...EVENT_FILTER, cursor: Type.Optional(Cursor), limit: Type.Optional(Limit) },
  CLOSED,
);
export const EventStreamQuery = Type.Object(EVENT_FILTER, CLOSED);
export type EventQuery = Static<typeof EventQuery>;
export type EventStreamQuery = Static<typeof EventStreamQuery>;

export const Head = Type.Object({ sequence: Type.Integer(), hash: Type.String() });
export type Head = Static<typeof Head>;

export const Explanation = Type.Object({
  decisionId: Type.String(),
  sentence: Type.String(),
  event: LedgerEvent,
  lines: Type.Array(
    Type.Object({
      line: LineRef,
      budget: Type.Optional(BudgetDefined),
      budgetVersion: Type.Optional(Type.Integer()),
      holds: Type.Optional(
        Type.Array(
          Type.Object({
            holdId: Type.String(),
            amount: AmountOut,
            labels: LabelsOut,
            expiresAt: InstantOut,
          }),
        ),
      ),
      openHolds: Type.Optional(Type.Integer()),
      addsUp: Type.Optional(Type.Boolean()),
    }),
  ),
});
export type Explanation = Static<typeof Explanation>;

export const VerifyReport = Type.Object({
  ok: Type.Boolean(),
  head: Head,
  batches: Type.Integer(),
  commands: Type.Integer(),
  failure: Type.Unsafe<{ sequence: number; what: string } | null>({
    type: ['object', 'null'],
    properties: { sequence: { type: 'integer' }, what: { type: 'string' } },
    required: ['sequence', 'what'],
  }),
  stateDigest: Type.String(),
});
export type VerifyReport = Static<typeof VerifyReport>;

export const Certificate = Type.Object({
  digest: Type.String(),
  status: oneOf(['balanced', 'unbalanced'] as const),
  failure: Type.Unsafe<Record<string, unknown> | null>({
    type: ['object', 'null'],
    additionalProperties: true,
  }),
  version: Type.Integer(),
  head: Head,
  at: InstantOut,
  spentSinceLast: AmountsOut,
});
export type Certificate = Static<typeof Certificate>;

export const EVIDENCE_ROUTES = routes({
  listEvents: {
    method: 'GET',
    path: '/v1/events',
    tag: 'evidence',
    summary: 'Events, in the journal’s order',
    scopes: READERS,
    query: EventQuery,
    answers: { 200: EventList },
  },
  streamEvents: {
    method: 'GET',
    path: '/v1/events/stream',
    tag: 'evidence',
    summary: 'Events as they become durable, as server-sent events; resumes after Last-Event-ID',
    scopes: READERS,
    query: EventStreamQuery,
    answers: {},
  },
  explainDecision: {
    method: 'GET',
    path: '/v1/decisions/:id',
    tag: 'evidence',
    summary: 'A decision, the holds and spend behind each of its lines, and whether they add up',
    scopes: SPENDERS_AND_READERS,
    params: ID_PARAMS,
    answers: { 200: Explanation },
  },
  verify: {
    method: 'POST',
    path: '/v1/verify',
    tag: 'evidence',
    summary: 'Decide every command of the journal again and compare, byte for byte',
    scopes: PLATFORM,
    platformOnly: true,
    body: Nothing,
    answers: { 200: VerifyReport },
  },
  certify: {
    method: 'POST',
    path: '/v1/certificates',
    tag: 'evidence',
    summary: 'A proof over a fresh snapshot of the books',
    scopes: PLATFORM,
    platformOnly: true,
    body: Nothing,
    answers: { 201: Certificate },
  },
  getHead: {
    method: 'GET',
    path: '/v1/head',
    tag: 'evidence',
    summary: 'The last sequence number of the journal, and its hash',
    scopes: READERS,
    platformOnly: true,
    answers: { 200: Head },
  },
});
