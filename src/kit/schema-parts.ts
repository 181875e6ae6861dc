// The parts that requests and answers of the HTTP API are made of, as TypeBox schemas: one source for validation,
// serialisation, OpenAPI and the client's types. Bounds are the ledger's own; what a schema cannot say it checks itself.

import { type Static, type TObject, type TProperties, type TSchema, Type } from 'typebox';
import { ID_LENGTH_MAX, LABEL_VALUE_LENGTH_MAX, LABELS_MAX } from '../core/labels.js';
import { UNITS_MAX } from '../core/units.js';

/** Rows of a list: what a page of a screen or a script reads at once, and the most that one answer is made of. */
export const LISTED_DEFAULT = 100;
export const LISTED_MAX = 1_000;

/** A request names no field that does not exist: a misspelt one would be silently without effect. */
export const CLOSED = { additionalProperties: false } as const;

export const Id = Type.String({ minLength: 1, maxLength: ID_LENGTH_MAX });

/** A value or null. One type list instead of `anyOf`: it is validated and written several times faster. */
export function orNull<T extends TSchema & { type?: string }>(schema: T) {
  return Type.Unsafe<Static<T> | null>({ ...schema, type: [schema.type as string, 'null'] });
}

/** A list of words, one of which is meant. */
export function oneOf<const Words extends readonly string[]>(words: Words, description?: string) {
  return Type.Unsafe<Words[number]>({
    type: 'string',
    enum: [...words],
    ...(description === undefined ? {} : { description }),
  });
}

export const AmountIn = Type.Unsafe<string | number>({
  type: ['string', 'number'],
  maxLength: 40,
  description:
    'A decimal in the unit’s natural scale, best as text: "0.25". A JSON number is taken when it is written plainly and is exact.',
});
export const AmountOut = Type.String({ description: 'A decimal in the unit’s natural scale: "0.25".' });

export const AmountsIn = Type.Unsafe<Readonly<Record<string, string | number>>>({
  type: 'object',
  maxProperties: UNITS_MAX,
  additionalProperties: AmountIn,
  description: 'Amounts by unit: {"usd":"0.25","tokens":"4000"}.',
});
export const AmountsOut = Type.Unsafe<Record<string, string>>({
  type: 'object',
  additionalProperties: { type: 'string' },
  description: 'Amounts by unit, each a decimal in the unit’s natural scale.',
});

export const InstantIn = Type.Unsafe<string | number>({
  type: ['string', 'integer'],
  maxLength: 40,
  description: 'An instant: ISO 8601 with a time zone, or milliseconds since 1970.',
});
export const InstantOut = Type.String({ description: 'An instant: ISO 8601, UTC, with milliseconds.' });

export const LabelsIn = Type.Unsafe<Readonly<Record<string, string>>>({
  type: 'object',
  maxProperties: LABELS_MAX,
  additionalProperties: { type: 'string', maxLength: LABEL_VALUE_LENGTH_MAX },
  description: 'What the call is for; the labels of the key are added.',
});
export const LabelsOut = Type.Unsafe<Record<string, string>>({
  type: 'object',
  additionalProperties: { type: 'string' },
});

export const Whole = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

export const WindowOut = Type.Object(
  { start: orNull(InstantOut), end: orNull(InstantOut) },
  { description: 'Start included, end not; null where there is none.' },
);

export const Lease = Type.Object({ authorityId: Id, leaseId: Id, epoch: Whole }, CLOSED);

export const Usage = Type.Partial(
  Type.Object(
    {
      inputTokens: Whole,
      outputTokens: Whole,
      cacheReadTokens: Whole,
      cacheWriteTokens: Whole,
      reasoningTokens: Whole,
      toolCalls: Whole,
    },
    CLOSED,
  ),
  CLOSED,
);

/** Text of the caller's own; the ledger bounds its bytes. */
export const Note = Type.String({ maxLength: 4_096 });

export const Limit = Type.Integer({ minimum: 1, maximum: LISTED_MAX, default: LISTED_DEFAULT });
export const Cursor = Type.String({
  maxLength: 512,
  description: 'Where the last page ended: its `nextCursor`. Opaque.',
});

/** What every list takes besides its filters. */
export const PAGE = { cursor: Type.Optional(Cursor), limit: Type.Optional(Limit) };

export const PageQuery = Type.Object(PAGE, CLOSED);
export type PageQuery = Static<typeof PageQuery>;

/** The body of a command that states nothing. */
export const Nothing = Type.Object({}, CLOSED);

/** What every list answers. */
export function listOf<T extends TSchema>(item: T) {
  return Type.Object({
    items: Type.Array(item),
    nextCursor: orNull(Type.String({ description: 'The next page; null at the end.' })),
  });
}

/** The only answer with a key itself, beside what every view of it has: it is kept as a hash and cannot be shown again. */
export function issuedOf<T extends TProperties>(view: TObject<T>) {
  return Type.Object({ key: Type.String(), ...view.properties });
}
