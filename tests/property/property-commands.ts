// What the property test may do to a ledger: intents that fast-check draws and shrinks, and how an intent becomes a
// command in the situation that it meets (which hold it means, which amounts that hold has).

import fc from 'fast-check';
import type { BudgetSpec, Command, Lease, WindowInput } from '#bursar/core/requests.js';
import { MAX, type ReferenceModel } from './reference-model.js';

export const START = Date.parse('2026-03-28T21:30:00Z');

/** Every budget that may be defined; limits and caps are drawn. Two wildcards, a zone with clock changes, five units. */
const SHAPES: readonly Pick<BudgetSpec, 'id' | 'match' | 'unit' | 'window'>[] = [
  { id: 'all', match: {}, unit: 'usd', window: 'lifetime' },
  { id: 'tenant-day', match: { tenant: '*' }, unit: 'usd', window: 'day' },
  { id: 'user-hour', match: { tenant: 'a', user: '*' }, unit: 'tokens', window: 'hour' },
  {
    id: 'berlin-month',
    match: { tenant: 'a' },
    unit: 'usd',
    window: { calendar: 'month', timeZone: 'Europe/Berlin', anchorDay: 29 },
  },
  {
    id: 'five-hours',
    match: { user: 'u1' },
    unit: 'calls',
    window: { every: 'PT5H', anchor: '2026-03-01T00:30:00.000Z' },
  },
  { id: 'provider', match: { provider: 'claude' }, unit: 'usd', window: 'hour' },
  { id: 'gpus', match: { gpu: 'yes' }, unit: 'gpu', window: 'day' },
  { id: 'pairs', match: { tenant: '*', user: '*' }, unit: 'usd', window: 'week' },
];

export type Intent =
  | { readonly do: 'tick'; readonly ms: number }
  | { readonly do: 'snapshot' | 'certify' | 'checkpoint' | 'reopen' | 'crash' }
  | { readonly do: 'again'; readonly which: number; readonly changed: boolean }
  | { readonly do: 'commands'; readonly together: boolean; readonly drafts: readonly Draft[] };

/** A command but for what depends on the situation: `hold` counts back from the newest. */
export interface Draft {
  readonly command: Command['command'];
  readonly hold: number;
  readonly withId: boolean;
  readonly fields: Readonly<Record<string, unknown>>;
  /** Percent of what is held, by unit, to settle, release or correct; null = not stated. */
  readonly percents: readonly (number | null)[];
  readonly states: { readonly labels: boolean; readonly grant: boolean; readonly lease: number };
}

const small = fc.bigInt({ min: 0n, max: 60n });
const amount = fc.oneof(
  { weight: 30, arbitrary: small },
  { weight: 1, arbitrary: fc.constantFrom(-1n, 0n, MAX - 5n, MAX) },
);
/** There in so many of ten cases, left out in the others. */
const optional = <T>(arbitrary: fc.Arbitrary<T>, ofTen = 6): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: ofTen, arbitrary }, { weight: 10 - ofTen, arbitrary: fc.constant(undefined) });

function record(fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Record<string, unknown>> {
  return fc
    .record(fields)
    .map((made) => Object.fromEntries(Object.entries(made).filter(([, value]) => value !== undefined)));
}

const labels = record({
  tenant: optional(fc.constantFrom('a', 'b'), 8),
  user: optional(fc.constantFrom('u1', 'u2'), 7),
  provider: optional(fc.constantFrom('claude', 'anthropic', 'claude/opus', 'other'), 4),
  gpu: optional(fc.constant('yes'), 1),
});
const amounts = record({
  usd: optional(amount, 9),
  tokens: optional(amount, 7),
  calls: optional(fc.bigInt({ min: 0n, max: 3n }), 1),
  gpu: optional(amount, 4),
});
const lease = fc.record({
  authorityId: fc.constantFrom('x', 'y'),
  leaseId: fc.constantFrom('l1', 'l2'),
  epoch: fc.integer({ min: 1, max: 3 }),
});
/** In one of ten cases; some are not ASCII. */
const note = optional(fc.constantFrom('', '{"prices":"7"}', 'zwölf ✓'), 1);
const ttlMs = fc.oneof(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 1, max: 8 * 86_400_000 }));
const limit = fc.oneof(
  { weight: 12, arbitrary: fc.bigInt({ min: 0n, max: 200n }) },
  { weight: 3, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.constant(MAX) },
);

const spec = fc
  .record({
    shape: fc.constantFrom(...SHAPES),
    limit,
    perHoldMax: optional(small, 1),
    heldMax: optional(fc.bigInt({ min: 0n, max: 120n }), 1),
    warnAtPercent: optional(fc.integer({ min: 1, max: 100 }), 1),
    onExhausted: optional(fc.constantFrom('pause' as const, 'refuse' as const), 4),
    window: optional(fc.constant<WindowInput>('month'), 1),
    odd: fc.integer({ min: 0, max: 30 }),
  })
  .map(({ shape, odd, window, ...own }) => {
    const made = { ...shape, ...own };
    // Rarely a window that is not the budget's: a conflict.
    if (odd === 0 && window !== undefined) made.window = window;
    return Object.fromEntries(
      Object.entries(made).filter(([, value]) => value !== undefined),
    ) as unknown as BudgetSpec;
  });

const accountRef = fc.constantFrom(
  { budgetId: 'all' },
  { budgetId: 'tenant-day', values: { tenant: 'a' } },
  { budgetId: 'tenant-day', values: { tenant: 'b' } },
  { budgetId: 'user-hour', values: { user: 'u1' } },
  { budgetId: 'berlin-month' },
  { budgetId: 'five-hours' },
  { budgetId: 'provider' },
  { budgetId: 'pairs', values: { tenant: 'a', user: 'u2' } },
);

const grant = fc.record({
  capability: fc.constant('cap'),
  grant: fc.constantFrom('0', '0', '1'),
  unit: fc.constantFrom('usd', 'tokens', 'calls'),
  maxCalls: optional(fc.integer({ min: 0, max: 4 }), 4),
  maxPerHold: optional(small, 4),
  maxTotal: optional(fc.bigInt({ min: 0n, max: 100n }), 4),
});

const FIELDS: Record<Command['command'], fc.Arbitrary<Record<string, unknown>>> = {
  authorize_hold: record({
    labels,
    amounts,
    ttlMs: optional(ttlMs, 7),
    onExpiry: optional(fc.constantFrom('release', 'charge', 'estimate'), 4),
    overrun: optional(
      fc.oneof(
        fc.constantFrom('record', 'reject', 'forbid'),
        fc.integer({ min: 0, max: 60 }).map((tolerancePercent) => ({ cap: { tolerancePercent } })),
      ),
      7,
    ),
    candidates: optional(
      fc.array(record({ labels: optional(labels, 7), amounts: optional(amounts, 7) }), {
        minLength: 1,
        maxLength: 3,
      }),
      1,
    ),
    require: optional(fc.subarray(['tenant', 'user', 'capability']), 1),
    grants: optional(
      fc.array(
        grant.map((one) =>
          Object.fromEntries(Object.entries(one).filter(([, value]) => value !== undefined)),
        ),
        { minLength: 1, maxLength: 3 },
      ),
      1,
    ),
    authority: optional(lease, 1),
    note,
  }),
  extend_hold: record({ ttlMs: optional(ttlMs, 4), add: optional(amounts, 4) }),
  release_hold: record({}),
  reverse_hold: record({}),
  settle_hold: record({
    outcome: optional(fc.constantFrom('completed', 'failed', 'cancelled', 'unknown'), 4),
    note,
  }),
  correct_hold: record({ reason: fc.constant('invoice'), note }),
  record_spend: record({
    labels,
    amounts,
    agoMs: optional(fc.integer({ min: -10, max: 4 * 86_400_000 }), 4),
    note,
  }),
  credit_spend: record({
    labels,
    amounts,
    agoMs: optional(fc.integer({ min: -10, max: 4 * 86_400_000 }), 1),
    reason: fc.constant('wrong'),
  }),
  top_up: record({ account: accountRef, amount: fc.oneof(amount, fc.constant(0n)) }),
  set_budget_status: record({
    account: accountRef,
    whole: fc.boolean(),
    status: fc.constantFrom('active', 'active', 'active', 'active', 'paused', 'paused', 'paused', 'closed'),
  }),
  exhaust_budget: record({
    account: accountRef,
    whole: fc.boolean(),
    inMs: optional(fc.integer({ min: -10, max: 2 * 86_400_000 }), 4),
  }),
  set_balance_limit: record({ account: accountRef, limit: fc.oneof(limit, fc.constant('default')) }),
  put_definitions: record({
    budgets: fc.uniqueArray(spec, { minLength: 1, maxLength: 4, selector: (one) => one.id }),
    aliases: optional(
      fc.constantFrom(
        {},
        { provider: { anthropic: 'claude' } },
        { provider: { other: 'claude' }, tenant: { b: 'a' } },
      ),
      1,
    ),
    units: optional(fc.constantFrom([{ name: 'gpu', scale: 2 }], [{ name: 'gpu', scale: 3 }]), 1),
    close: optional(fc.constantFrom(['gpus'], ['provider'], ['nowhere']), 1),
  }),
};

const WEIGHTS: Record<Command['command'], number> = {
  authorize_hold: 24,
  settle_hold: 14,
  release_hold: 6,
  extend_hold: 6,
  reverse_hold: 3,
  correct_hold: 4,
  record_spend: 7,
  credit_spend: 4,
  top_up: 4,
  set_budget_status: 3,
  exhaust_budget: 2,
  set_balance_limit: 3,
  put_definitions: 5,
};

const kinds = Object.keys(WEIGHTS) as Command['command'][];
const draft = fc.oneof(
  ...kinds.map((command) => ({
    weight: WEIGHTS[command],
    arbitrary: fc.record<Draft>({
      command: fc.constant(command),
      hold: fc.oneof({ weight: 4, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.nat(30) }),
      withId: fc.boolean(),
      fields: FIELDS[command],
      percents: fc.array(
        fc.option(fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 250 })), { freq: 5 }),
        {
          minLength: 4,
          maxLength: 4,
        },
      ),
      states: fc.record({ labels: fc.boolean(), grant: fc.boolean(), lease: fc.nat(40) }),
    }),
  })),
);

const tick = fc.oneof(
  fc.integer({ min: 0, max: 5_000 }),
  fc.integer({ min: 0, max: 3_600_000 }),
  fc.integer({ min: 0, max: 2 * 86_400_000 }),
  fc.integer({ min: -3 * 86_400_000, max: 0 }),
);

const intent: fc.Arbitrary<Intent> = fc.oneof(
  {
    weight: 40,
    arbitrary: fc.record({
      do: fc.constant('commands' as const),
      together: fc.boolean(),
      drafts: fc.array(draft, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('tick' as const), ms: tick }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('again' as const), which: fc.nat(20), changed: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('snapshot' as const, 'certify' as const, 'checkpoint' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('reopen' as const, 'crash' as const) }) },
);

/** A start with some budgets, then anything. */
export const intents = fc
  .tuple(
    fc.uniqueArray(spec, { minLength: 2, maxLength: 6, selector: (one) => one.id }),
    fc.array(intent, { maxLength: 60, size: 'max' }),
  )
  .map(([budgets, rest]): Intent[] => [
    {
      do: 'commands',
      together: true,
      drafts: [
        {
          command: 'put_definitions',
          hold: 0,
          withId: false,
          fields: { budgets: budgets.filter((one) => one.unit !== 'gpu') },
          percents: [],
          states: { labels: false, grant: false, lease: 0 },
        },
      ],
    },
    ...rest,
  ]);

/** The command that a draft means now; null when nothing can be made of it. */
export function commandOf(model: ReferenceModel, draft: Draft, serial: number): Command | null {
  const { command, fields } = draft;
  const id = draft.withId ? { commandId: `cmd-${serial}` } : {};
  switch (command) {
    case 'authorize_hold':
      return authorizeOf(model, draft, serial, id);
    case 'credit_spend':
    case 'record_spend': {
      const { agoMs, ...rest } = fields as { agoMs?: number };
      if (!unitsKnown(model, rest)) return null;
      const occurredAt = agoMs === undefined ? {} : { occurredAt: model.time - agoMs };
      return { command, ...id, ...rest, ...occurredAt } as Command;
    }
    case 'put_definitions': {
      const { budgets, units } = fields as { budgets: BudgetSpec[]; units?: { name: string }[] };
      const knows = (unit: string) => model.units.includes(unit) || units?.some((one) => one.name === unit);
      return { command, ...id, ...fields, budgets: budgets.filter((one) => knows(one.unit)) } as Command;
    }
    case 'top_up':
    case 'set_budget_status':
    case 'exhaust_budget':
    case 'set_balance_limit': {
      const { account, whole, inMs, ...rest } = fields as {
        account: { budgetId: string };
        whole?: boolean;
        inMs?: number;
      };
      const ref = whole === true ? { budgetId: account.budgetId } : account;
      const until = inMs === undefined ? {} : { until: model.time + inMs };
      return { command, ...id, ...ref, ...rest, ...until } as Command;
    }
    default:
      return onHoldOf(model, draft, id);
  }
}

function unitsKnown(model: ReferenceModel, fields: { amounts?: object }): boolean {
  return model.units.includes('gpu') || !('gpu' in (fields.amounts ?? {}));
}

function authorizeOf(model: ReferenceModel, draft: Draft, serial: number, id: object): Command | null {
  const { onExpiry, ...rest } = draft.fields as { onExpiry?: string; amounts: Record<string, bigint> };
  const all = [
    rest.amounts,
    ...((rest as { candidates?: { amounts?: object }[] }).candidates ?? []).map((one) => one.amounts ?? {}),
  ];
  if (!model.units.includes('gpu') && all.some((one) => 'gpu' in one)) return null;
  // Now and then the id of a hold that is there.
  const used = draft.hold > 28 ? holdOf(model, draft.hold) : undefined;
  const positive = Object.entries(rest.amounts).filter(([unit, steps]) => unit !== 'calls' && steps >= 0n);
  const estimate = { charge: Object.fromEntries(positive.map(([unit, steps]) => [unit, steps / 2n])) };
  const states = onExpiry === 'estimate' ? { onExpiry: estimate } : { onExpiry };
  const request = {
    command: 'authorize_hold',
    ...id,
    holdId: used?.id ?? `h${serial}`,
    ...rest,
    ...states,
  };
  return Object.fromEntries(
    Object.entries(request).filter(([, value]) => value !== undefined),
  ) as unknown as Command;
}

function holdOf(model: ReferenceModel, back: number) {
  return model.holds[model.holds.length - 1 - (back % Math.max(model.holds.length, 1))];
}

const OTHER_LEASE: Lease = { authorityId: 'x', leaseId: 'l1', epoch: 2 };

function onHoldOf(model: ReferenceModel, draft: Draft, id: object): Command | null {
  const { command, fields, percents, states } = draft;
  const hold = holdOf(model, draft.hold);
  if (hold === undefined) return null;
  if (command === 'extend_hold' && !('ttlMs' in fields) && !('add' in fields)) return null;
  const add = (fields as { add?: Record<string, bigint> }).add;
  if (add !== undefined && 'gpu' in add && !model.units.includes('gpu')) return null;
  const parts: Record<string, bigint> = {};
  [...hold.authorized].forEach(([unit, steps], place) => {
    const percent = percents[place] ?? null;
    if (percent !== null && steps * 3n < MAX) parts[unit] = (steps * BigInt(percent)) / 100n;
  });
  const amounts = command === 'extend_hold' || command === 'reverse_hold' ? {} : { amounts: parts };
  const all = command === 'release_hold' && percents[3] === null ? {} : amounts;
  const lease = states.lease === 0 ? OTHER_LEASE : states.lease === 1 ? undefined : hold.request.authority;
  const grant = hold.request.grants?.[0] ?? { capability: 'cap', grant: 'none' };
  const exposure =
    command === 'settle_hold' && percents[3] === null ? { exposure: Object.fromEntries(hold.figures) } : {};
  return {
    ...{ command, ...id, holdId: hold.id, ...fields, ...all, ...exposure },
    ...(states.labels && states.lease > 2
      ? { labels: states.lease > 3 ? hold.labels : { tenant: 'nobody' } }
      : {}),
    ...(states.grant && states.lease > 20 && hold.request.grants !== undefined
      ? { grant: { capability: grant.capability, grant: grant.grant } }
      : {}),
    ...(lease === undefined ? {} : { authority: lease }),
  } as unknown as Command;
}
