// Budgets, their accounts and definitions over HTTP: the routes, and requests (budgets-schema.ts) as commands of the ledger.

import type { BudgetSpec, Command, PutDefinitions } from '../core/requests.js';
import { amountIn, type Scales, type Stated } from '../kit/amounts.js';
import { instantIn } from '../kit/instants.js';
import { RefusedError } from '../kit/refusals.js';
import { ADMINS, ID_PARAMS, READERS, routes } from '../kit/route.js';
import { PageQuery } from '../kit/schema-parts.js';
import {
  type AccountCommand,
  BalanceLimitRequest,
  BalanceList,
  BalanceQuery,
  BudgetList,
  BudgetQuery,
  BudgetRequest,
  BudgetView,
  Definitions,
  DefinitionsRequest,
  ExhaustRequest,
  StatusRequest,
  TopUpRequest,
  UnitList,
} from './budgets-schema.js';
import { DoneRef } from './outcomes-schema.js';

/** As a budget file: 100,000 budgets of 160 characters. */
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
    path: '/v1/budgets/:id/status',
    summary: 'Pause, resume or close a budget or one of its accounts',
    idempotencyKey: 'accepted',
    body: StatusRequest,
    answers: { 200: DoneRef },
  },
  topUp: {
    ...onBudget,
    path: '/v1/budgets/:id/top-up',
    summary: 'Add money to the open window',
    idempotencyKey: 'required',
    body: TopUpRequest,
    answers: { 200: DoneRef },
  },
  exhaust: {
    ...onBudget,
    path: '/v1/budgets/:id/exhaust',
    summary: 'Refuse every call until an instant, or until the window ends; figures stay as they are',
    idempotencyKey: 'accepted',
    body: ExhaustRequest,
    answers: { 200: DoneRef },
  },
  setBalanceLimit: {
    ...onBudget,
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

/** The budget that a request is about; only top-ups need a command id. */
export interface OnBudget {
  readonly budgetId: string;
  readonly commandId?: string;
}

/** Looks a budget's unit up: amounts of a request on a budget are in it. */
export type UnitOf = (budgetId: string) => string;

export function budgetIn(id: string, body: BudgetRequest, stated: Stated, at = ''): BudgetSpec {
  const { limit, perHoldMax, heldMax, ...rest } = body;
  const amount = (value: string | number, field: string) => amountIn(value, body.unit, at + field, stated);
  return {
    ...rest,
    id,
    limit: limit === null ? null : amount(limit, 'limit'),
    ...(perHoldMax === undefined ? {} : { perHoldMax: amount(perHoldMax, 'perHoldMax') }),
    ...(heldMax === undefined ? {} : { heldMax: amount(heldMax, 'heldMax') }),
  };
}

export function definitionsIn(body: DefinitionsRequest, stated: Stated): PutDefinitions {
  const { budgets, ...rest } = body;
  const withNew = { ...stated, scales: scalesWith(stated.scales, body.units ?? []) };
  return {
    ...rest,
    ...(budgets === undefined
      ? {}
      : {
          budgets: budgets.map(({ id, ...spec }, index) => budgetIn(id, spec, withNew, `budgets[${index}].`)),
        }),
  };
}

// Budgets may be in units that the same request declares.
function scalesWith(scales: Scales, units: readonly { name: string; scale: number }[]): Scales {
  const declared = new Map(units.map(({ name, scale }) => [name, scale]));
  return { get: (unit) => declared.get(unit) ?? scales.get(unit) };
}

export function topUpIn(body: TopUpRequest, on: OnBudget, unitOf: UnitOf, stated: Stated): Command {
  const amount = amountIn(body.amount, unitOf(on.budgetId), 'amount', stated);
  return { ...body, ...on, command: 'top_up', amount };
}

export function statusIn(body: StatusRequest, on: OnBudget): Command {
  return { ...body, ...on, command: 'set_budget_status' };
}

export function exhaustIn({ until, ...rest }: ExhaustRequest, on: OnBudget): Command {
  return {
    ...rest,
    ...on,
    command: 'exhaust_budget',
    ...(until === undefined ? {} : { until: instantIn(until, 'until') }),
  };
}

export function balanceLimitIn(
  { limit, ...rest }: BalanceLimitRequest,
  on: OnBudget,
  unitOf: UnitOf,
  stated: Stated,
): Command {
  const steps =
    limit === null || limit === 'default' ? limit : amountIn(limit, unitOf(on.budgetId), 'limit', stated);
  return { ...rest, ...on, command: 'set_balance_limit', limit: steps };
}

/** A command of a batch. */
export function accountCommandIn(
  { command, budgetId, ...body }: AccountCommand,
  commandId: string,
  unitOf: UnitOf,
  stated: Stated,
): Command {
  const on = { budgetId, commandId };
  switch (command) {
    case 'top_up':
      return topUpIn(body as TopUpRequest, on, unitOf, stated);
    case 'set_budget_status':
      return statusIn(body as StatusRequest, on);
    case 'exhaust_budget':
      return exhaustIn(body as ExhaustRequest, on);
    case 'set_balance_limit':
      return balanceLimitIn(body as BalanceLimitRequest, on, unitOf, stated);
  }
}

/** @throws RefusedError not_found, the same for a budget of another tenant's */
export function budgetNotFound(budgetId: string): RefusedError {
  return new RefusedError('not_found', `there is no budget ${JSON.stringify(budgetId.slice(0, 64))}`, {
    field: 'budgetId',
  });
}
