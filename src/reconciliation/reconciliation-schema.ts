// Reconciliations as the wire has them. Conversions are in reconciliation/reconciliation-out.ts.

import { type Static, Type } from 'typebox';
import { LABEL_VALUE_LENGTH_MAX } from '../core/labels.js';
import {
  AmountOut,
  CLOSED,
  Id,
  InstantOut,
  LabelsIn,
  listOf,
  oneOf,
  orNull,
  PAGE,
  Whole,
} from '../kit/schema-parts.js';
import { CAUSES } from './gaps.js';

/** A year of 150 models, day by day; the command line reads longer files from a ledger's machine. */
export const CSV_LENGTH_MAX = 4 * 1024 * 1024;

const Day = Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\d$', description: 'A UTC day: 2026-11-30.' });
/** Unlike an amount, it may be below zero. */
const Difference = Type.String({ description: 'A decimal amount of usd with its sign: "-0.25".' });

export const ReconciliationRequest = Type.Object(
  {
    provider: Type.String({
      minLength: 1,
      maxLength: LABEL_VALUE_LENGTH_MAX,
      description: 'As the label `provider` has it.',
    }),
    from: Day,
    to: Type.String({ ...Day, description: 'A UTC day, included; at most 366 days from the first.' }),
    tolerance: Type.Optional(
      Type.String({
        maxLength: 40,
        description: 'A percentage of what the provider billed, "1%", or usd, "0.50"; none unless stated.',
      }),
    ),
    post: Type.Optional(
      Type.Boolean({ description: 'Books the difference. The same report books it once.' }),
    ),
    labels: Type.Optional(LabelsIn),
    csv: Type.Optional(
      Type.String({
        maxLength: CSV_LENGTH_MAX,
        description: 'A report as CSV, instead of the provider’s API.',
      }),
    ),
  },
  CLOSED,
);
export type ReconciliationRequest = Static<typeof ReconciliationRequest>;

const CauseView = Type.Object({
  cause: oneOf(CAUSES),
  calls: orNull(Whole),
  usd: Type.String({ description: 'The money that it touches.' }),
});

const Booked = Type.Object({ count: Whole, usd: AmountOut });

export const ReconciliationSummary = Type.Object({
  id: Id,
  provider: Type.String(),
  from: Type.String(),
  to: Type.String(),
  at: InstantOut,
  report: Type.Object({
    source: Type.String(),
    digest: Type.String({ description: 'SHA-256 of its days, items and amounts.' }),
  }),
  ledgerUsd: Difference,
  reportUsd: Difference,
  gapUsd: Type.String({
    description: 'What the provider billed above the ledger; negative where it billed less.',
  }),
  deviationUsd: Type.String({
    description:
      'The gaps of all rows without their signs, beyond rounding: what the tolerance is compared with.',
  }),
  tolerance: Type.String(),
  toleratedUsd: AmountOut,
  isWithin: Type.Boolean({
    description: 'Whether the tolerance holds; after posting, as the books are then.',
  }),
  causes: Type.Array(CauseView),
  posting: Type.Unsafe<{
    recorded: Static<typeof Booked>;
    lowered: Static<typeof Booked>;
    notPosted: { day: string; item: string | null; usd: string; why: string }[];
  } | null>({
    ...Type.Object({
      recorded: Booked,
      lowered: Booked,
      notPosted: Type.Array(
        Type.Object({
          day: Type.String(),
          item: orNull(Type.String()),
          usd: Difference,
          why: Type.String(),
        }),
      ),
    }),
    type: ['object', 'null'],
  }),
  gapLeftUsd: Type.String({ description: 'The gap after what was posted.' }),
  notes: Type.Array(Type.String()),
});
export type ReconciliationSummary = Static<typeof ReconciliationSummary>;

export const ReconciliationView = Type.Object({
  ...ReconciliationSummary.properties,
  rows: Type.Array(
    Type.Object({
      day: Type.String(),
      item: orNull(
        Type.String({ description: 'A model without its date, or a tool; null: the report has days alone.' }),
      ),
      kind: oneOf(['model', 'tool', 'other']),
      name: Type.String(),
      ledgerUsd: Difference,
      reportUsd: Difference,
      gapUsd: Difference,
      ledgerCalls: Whole,
      reportCalls: orNull(Whole),
      ledgerTokens: Whole,
      reportTokens: orNull(Whole),
      postedUsd: Type.String({ description: 'Of the ledger’s: what earlier reconciliations booked.' }),
      causes: Type.Array(CauseView),
    }),
  ),
  rowsLeftOut: Type.Integer({
    minimum: 0,
    description: 'Rows beyond the most that are answered, those with the smallest gaps; the sums have them.',
  }),
});
export type ReconciliationView = Static<typeof ReconciliationView>;

export const ReconciliationQuery = Type.Object(PAGE, CLOSED);
export type ReconciliationQuery = Static<typeof ReconciliationQuery>;
export const ReconciliationList = listOf(ReconciliationSummary);
export type ReconciliationList = Static<typeof ReconciliationList>;
