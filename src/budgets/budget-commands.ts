// From requests on budgets and their accounts to the ledger's commands, as the caller states them.

import type { BudgetSpec, Command, PutDefinitions } from '../core/requests.js';
import { amountIn, type Scales, type Stated } from '../kit/amounts.js';
import { instantIn } from '../kit/instants.js';
import { RefusedError } from '../kit/refusals.js';
import type {
  AccountCommand,
  BalanceLimitRequest,
  BudgetRequest,
  DefinitionsRequest,
  ExhaustRequest,
  StatusRequest,
  TopUpRequest,
} from './budgets-schema.js';

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
