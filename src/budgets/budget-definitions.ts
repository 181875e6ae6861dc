// Definitions of budgets between the wire and the ledger. Every field of a budget is in BUDGET_FIELDS with its kind, and is
// read and written by that table.

import { BUDGET_FIELD_LIST, type BudgetFieldKind } from '../core/budget-fields.js';
import type { BudgetSpec, PutDefinitions } from '../core/requests.js';
import { type AmountReading, amountIn, amountOutOrNull, type Scales } from '../kit/amounts.js';
import type { BudgetDefined, BudgetRequest, DefinitionsRequest } from './budgets-api.js';

/** A budget as the ledger takes it. */
export function budgetIn(id: string, body: BudgetRequest, stated: AmountReading, at = ''): BudgetSpec {
  const spec: Record<string, unknown> = {};
  for (const [name, { kind }] of BUDGET_FIELD_LIST) {
    const value = name === 'id' ? id : body[name];
    if (value === undefined) continue;
    spec[name] =
      isAmount(kind) && value !== null
        ? amountIn(value as string | number, body.unit, at + name, stated)
        : value;
  }
  return spec as unknown as BudgetSpec;
}

/** A budget as it was defined, as the wire has it. */
export function budgetDefinedOut(spec: BudgetSpec, scales: Scales): BudgetDefined {
  const out: Record<string, unknown> = {};
  for (const [name, { kind }] of BUDGET_FIELD_LIST) {
    const value = spec[name];
    if (value === undefined) continue;
    out[name] = isAmount(kind) ? amountOutOrNull(value as bigint | null, spec.unit, scales) : value;
  }
  return out as unknown as BudgetDefined;
}

/** Kinds of fields whose value is an amount of the budget's unit. A new kind is decided here before it compiles. */
const IS_AMOUNT: Readonly<Record<BudgetFieldKind, boolean>> = {
  id: false,
  match: false,
  unit: false,
  limit: true,
  window: false,
  cap: true,
  cap_above_zero: true,
  percent: false,
  choice: false,
};

function isAmount(kind: BudgetFieldKind): boolean {
  return IS_AMOUNT[kind];
}

export function definitionsIn(body: DefinitionsRequest, stated: AmountReading): PutDefinitions {
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

/** What to put, as a request of the wire states it. `units` are those in force; the request may bring more. */
export function definitionsOut(
  { budgets, units = [], aliases, close }: PutDefinitions,
  inForce: readonly { readonly name: string; readonly scale: number }[],
): DefinitionsRequest {
  const scales = new Map([...inForce, ...units].map(({ name, scale }) => [name, scale]));
  return {
    ...(units.length === 0 ? {} : { units: [...units] }),
    ...(aliases === undefined ? {} : { aliases }),
    ...(budgets === undefined ? {} : { budgets: budgets.map((spec) => budgetDefinedOut(spec, scales)) }),
    ...(close === undefined ? {} : { close: [...close] }),
  };
}
