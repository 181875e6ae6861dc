// What proves the figures: events, explained decisions, verification, certificates, the head of the journal.

import { type Static, Type } from 'typebox';
import { EVENT_TYPES } from '../core/outcomes.js';
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
  oneOf,
  orNull,
  Whole,
} from '../kit/schema-parts.js';
import { BudgetDefined } from './budgets-schema.js';
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
