// Budgets, their accounts and definitions over HTTP: the schemas and the routes. budget-definitions.ts makes definitions of
// the ledger of them.

import { type Static, type TSchema, Type } from 'typebox';
import { BUDGET_FIELDS, type BudgetFieldName } from '../core/budget-fields.js';
import type { WindowInput } from '../core/requests.js';
import { ADMINS, ID_PARAMS, READERS, routes } from '../kit/route.js';
import {
  AmountIn,
  AmountOut,
  CLOSED,
  Id,
  InstantIn,
  InstantOut,
  LabelsIn,
  LabelsOut,
  listOf,
  oneOf,
  orNull,
  PAGE,
  PageQuery,
  WindowOut,
} from '../kit/schema-parts.js';
import { DoneRef, VerdictWord } from './outcomes-schema.js';

export const BUDGET_STATUSES = ['active', 'paused', 'closed'] as const;
const SHOWN_SCOPES = ['tenant', 'platform'] as const;
const ON_EXHAUSTED = BUDGET_FIELDS.onExhausted.choices;

const Window = Type.Unsafe<WindowInput>({
  type: ['string', 'object'],
  description:
    '"lifetime", "hour", "day", "week", "month" (UTC), {"calendar","timeZone","anchorDay"} or {"every","anchor"}.',
});
const LimitIn = Type.Unsafe<string | number | null>({ ...AmountIn, type: ['string', 'number', 'null'] });

const SPEC = {
  match: LabelsIn,
  unit: Type.String({ maxLength: 64 }),
  limit: LimitIn,
  window: Window,
  perHoldMax: Type.Optional(AmountIn),
  heldMax: Type.Optional(AmountIn),
  warnAtPercent: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
  onExhausted: Type.Optional(oneOf(ON_EXHAUSTED)),
} satisfies Readonly<Record<Exclude<BudgetFieldName, 'id'>, TSchema>>;
/** A budget as its owner states it; its id is in the path. */
export const BudgetRequest = Type.Object(SPEC, CLOSED);
export type BudgetRequest = Static<typeof BudgetRequest>;

/** Budgets in one definitions request, as the ledger's own bound. */
const DEFINED_MAX = 100_000;

export const DefinitionsRequest = Type.Object(
  {
    units: Type.Optional(
      Type.Array(
        Type.Object(
          { name: Type.String({ maxLength: 64 }), scale: Type.Integer({ minimum: 0, maximum: 18 }) },
          CLOSED,
        ),
        { maxItems: 31 },
      ),
    ),
    aliases: Type.Optional(
      Type.Unsafe<Readonly<Record<string, Readonly<Record<string, string>>>>>({
        type: 'object',
        additionalProperties: { type: 'object', additionalProperties: { type: 'string' } },
      }),
    ),
    budgets: Type.Optional(Type.Array(Type.Object({ id: Id, ...SPEC }, CLOSED), { maxItems: DEFINED_MAX })),
    close: Type.Optional(Type.Array(Id, { maxItems: DEFINED_MAX })),
  },
  CLOSED,
);
export type DefinitionsRequest = Static<typeof DefinitionsRequest>;

export const Definitions = Type.Object({
  units: Type.Array(Type.Object({ name: Type.String(), scale: Type.Integer() })),
  aliases: Type.Unsafe<Record<string, Record<string, string>>>({
    type: 'object',
    additionalProperties: { type: 'object', additionalProperties: { type: 'string' } },
  }),
});
export type Definitions = Static<typeof Definitions>;

/** One account of a budget: the values of its `'*'` labels, where it has any. */
const ACCOUNT = { values: Type.Optional(LabelsIn) };
const TOP_UP = { ...ACCOUNT, amount: AmountIn };
const STATUS = { ...ACCOUNT, status: oneOf(BUDGET_STATUSES) };
const EXHAUST = { ...ACCOUNT, until: Type.Optional(InstantIn) };
const BALANCE_LIMIT = {
  ...ACCOUNT,
  limit: Type.Unsafe<string | number | null | 'default'>({
    ...LimitIn,
    description: 'The account’s own limit; null: metered only; "default": the budget’s limit again.',
  }),
};
export const TopUpRequest = Type.Object(TOP_UP, CLOSED);
export const StatusRequest = Type.Object(STATUS, CLOSED);
export const ExhaustRequest = Type.Object(EXHAUST, CLOSED);
export const BalanceLimitRequest = Type.Object(BALANCE_LIMIT, CLOSED);
export type TopUpRequest = Static<typeof TopUpRequest>;
export type StatusRequest = Static<typeof StatusRequest>;
export type ExhaustRequest = Static<typeof ExhaustRequest>;
export type BalanceLimitRequest = Static<typeof BalanceLimitRequest>;

const BUDGET = { budgetId: Id };
export const AccountCommand = {
  top_up: Type.Object({ command: Type.Literal('top_up'), ...BUDGET, ...TOP_UP }, CLOSED),
  set_budget_status: Type.Object(
    { command: Type.Literal('set_budget_status'), ...BUDGET, ...STATUS },
    CLOSED,
  ),
  exhaust_budget: Type.Object({ command: Type.Literal('exhaust_budget'), ...BUDGET, ...EXHAUST }, CLOSED),
  set_balance_limit: Type.Object(
    { command: Type.Literal('set_balance_limit'), ...BUDGET, ...BALANCE_LIMIT },
    CLOSED,
  ),
};
export type AccountCommand = {
  [Name in keyof typeof AccountCommand]: Static<(typeof AccountCommand)[Name]>;
}[keyof typeof AccountCommand];

const DEFINED = {
  id: Type.String(),
  match: LabelsOut,
  unit: Type.String(),
  limit: orNull(AmountOut),
  window: Window,
  perHoldMax: Type.Optional(AmountOut),
  heldMax: Type.Optional(AmountOut),
  warnAtPercent: Type.Optional(Type.Integer()),
  onExhausted: Type.Optional(oneOf(ON_EXHAUSTED)),
} satisfies Readonly<Record<BudgetFieldName, TSchema>>;
/** A budget as it was defined, without how it stands. */
export const BudgetDefined = Type.Object(DEFINED);
export type BudgetDefined = Static<typeof BudgetDefined>;

export const BudgetView = Type.Object({
  ...DEFINED,
  version: Type.Integer(),
  status: oneOf(BUDGET_STATUSES),
  forcedExhaustedUntil: orNull(InstantOut),
  currentWindow: Type.Unsafe<Static<typeof WindowOut> | null>({ ...WindowOut, type: ['object', 'null'] }),
  scope: oneOf(SHOWN_SCOPES),
  balances: Type.Optional(Type.Integer({ description: 'How many balances its window in force has.' })),
});
export type BudgetView = Static<typeof BudgetView>;
export const BudgetList = listOf(BudgetView);
export type BudgetList = Static<typeof BudgetList>;

export const BalanceView = Type.Object({
  id: Type.String(),
  budgetId: Type.String(),
  values: LabelsOut,
  unit: Type.String(),
  window: WindowOut,
  current: Type.Boolean(),
  limit: orNull(AmountOut),
  granted: orNull(AmountOut),
  held: AmountOut,
  spent: AmountOut,
  remaining: orNull(AmountOut),
  saturated: Type.Optional(
    Type.Literal(true, {
      description:
        'A balance without a limit has stopped at the largest amount; more was spent than it says.',
    }),
  ),
  openHolds: Type.Integer(),
  status: oneOf(BUDGET_STATUSES),
  forcedExhausted: Type.Boolean(),
  verdict: VerdictWord,
  scope: oneOf(SHOWN_SCOPES),
});
export type BalanceView = Static<typeof BalanceView>;
export const BalanceList = listOf(BalanceView);
export type BalanceList = Static<typeof BalanceList>;

export const BudgetQuery = Type.Object(PAGE, CLOSED);
export type BudgetQuery = Static<typeof BudgetQuery>;
export const BalanceQuery = Type.Object(
  {
    ...PAGE,
    budgetId: Type.Optional(Id),
    label: Type.Optional(
      Type.Unsafe<string | readonly string[]>({
        type: ['string', 'array'],
        items: { type: 'string' },
        description: '`key=value` of the balance’s values; repeatable.',
      }),
    ),
    current: Type.Optional(oneOf(['true', 'false'] as const, 'false: windows that are over too.')),
  },
  CLOSED,
);
export type BalanceQuery = Static<typeof BalanceQuery>;

export const UnitList = listOf(Type.Object({ name: Type.String(), scale: Type.Integer() }));
export type UnitList = Static<typeof UnitList>;

/** Large enough for a whole budget file: 100,000 budgets of 160 characters. */
const DEFINITIONS_BYTES_MAX = 16 * 1024 * 1024;

const onBudget = { method: 'POST', tag: 'budgets', scopes: ADMINS, params: ID_PARAMS } as const;

export const BUDGET_ROUTES = routes({
  listBudgets: {
    method: 'GET',
    path: '/v1/budgets',
    tag: 'budgets',
    summary: 'Budgets, in the order of their definition',
    scopes: READERS,
    query: BudgetQuery,
    answers: { 200: BudgetList },
  },
  getBudget: {
    method: 'GET',
    path: '/v1/budgets/:id',
    tag: 'budgets',
    summary: 'One budget',
    scopes: READERS,
    params: ID_PARAMS,
    answers: { 200: BudgetView },
  },
  putBudget: {
    method: 'PUT',
    path: '/v1/budgets/:id',
    tag: 'budgets',
    summary: 'Define a budget, or change it',
    scopes: ADMINS,
    idempotencyKey: 'accepted',
    params: ID_PARAMS,
    body: BudgetRequest,
    answers: { 200: BudgetView },
  },
  setBudgetStatus: {
    ...onBudget,
    command: 'set_budget_status',
    path: '/v1/budgets/:id/status',
    summary: 'Pause, resume or close a budget or one of its accounts',
    idempotencyKey: 'accepted',
    body: StatusRequest,
    answers: { 200: DoneRef },
  },
  topUp: {
    ...onBudget,
    command: 'top_up',
    path: '/v1/budgets/:id/top-up',
    summary: 'Add money to the open window',
    idempotencyKey: 'required',
    body: TopUpRequest,
    answers: { 200: DoneRef },
  },
  exhaust: {
    ...onBudget,
    command: 'exhaust_budget',
    path: '/v1/budgets/:id/exhaust',
    summary: 'Refuse every call until an instant, or until the window ends; figures stay as they are',
    idempotencyKey: 'accepted',
    body: ExhaustRequest,
    answers: { 200: DoneRef },
  },
  setBalanceLimit: {
    ...onBudget,
    command: 'set_balance_limit',
    path: '/v1/budgets/:id/balance-limit',
    summary: 'Give one account a limit of its own',
    idempotencyKey: 'accepted',
    body: BalanceLimitRequest,
    answers: { 200: DoneRef },
  },
  putDefinitions: {
    method: 'POST',
    path: '/v1/definitions',
    tag: 'budgets',
    summary: 'Units, aliases and budgets in one step',
    scopes: ADMINS,
    idempotencyKey: 'accepted',
    body: DefinitionsRequest,
    bodyBytesMax: DEFINITIONS_BYTES_MAX,
    answers: { 200: DoneRef },
  },
  listBalances: {
    method: 'GET',
    path: '/v1/balances',
    tag: 'budgets',
    summary: 'Balances, by budget and id',
    scopes: READERS,
    query: BalanceQuery,
    answers: { 200: BalanceList },
  },
  getDefinitions: {
    method: 'GET',
    path: '/v1/definitions',
    tag: 'budgets',
    summary: 'The units and aliases in force',
    scopes: READERS,
    platformOnly: true,
    answers: { 200: Definitions },
  },
  listUnits: {
    method: 'GET',
    path: '/v1/units',
    tag: 'budgets',
    summary: 'Units and the decimal digits of each',
    // Whoever may state or is told an amount needs its scale.
    scopes: ['spend', 'correct', 'read'],
    query: PageQuery,
    answers: { 200: UnitList },
  },
  listGrants: {
    method: 'GET',
    path: '/v1/grants',
    tag: 'budgets',
    summary: 'Figures of the grants that requests brought, the newest used first',
    scopes: READERS,
    query: PageQuery,
    answers: { 200: BalanceList },
  },
});
