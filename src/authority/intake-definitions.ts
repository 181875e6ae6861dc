// The part of the edge that takes definitions and what is done to budgets and their accounts.

import { UNIT_SCALE_MAX } from '../core/amount.js';
import { BUDGET_FIELD_LIST, BUDGET_FIELDS, type BudgetFieldKind } from '../core/budget-fields.js';
import type { AccountCommand, PutDefinitionsCommand } from '../core/commands.js';
import { InvalidInputError } from '../core/errors.js';
import {
  assertLabels,
  assertText,
  LABEL_VALUE_LENGTH_MAX,
  labelKeyProblem,
  labelText,
  quoted,
} from '../core/labels.js';
import type {
  Aliases,
  BudgetSpec,
  BudgetStatus,
  Command,
  PutDefinitions,
  WindowInput,
} from '../core/requests.js';
import type { State } from '../core/state.js';
import { GRANT_BUDGET_PREFIX } from '../core/state.js';
import { UNITS_MAX } from '../core/units.js';
import { parseWindow, windowInputOf } from '../core/window.js';
import { assertList, assertObject, commandIdIn, INSTANT_MAX_MS, stepsIn, wholeIn } from './checks.js';
import { assertTimeZone } from './time-zones.js';

/** Budgets put in one step at most: what one definitions file may hold. */
export const BUDGETS_PUT_MAX = 100_000;
export const ALIASES_MAX = 10_000;
const STATUSES: readonly BudgetStatus[] = ['active', 'paused', 'closed'];

type OnAccount = Command & { command: AccountCommand['kind'] };

export function accountCommand(request: OnAccount): AccountCommand {
  assertObject(request, 'request');
  assertText(request.budgetId, 'budgetId');
  const commandId = commandIdIn(request.commandId);
  const { budgetId } = request;
  if (request.values !== undefined) assertLabels(request.values, 'values');
  const values = request.values === undefined ? null : labelText(request.values);
  switch (request.command) {
    case 'top_up': {
      if (typeof request.amount !== 'bigint')
        throw new InvalidInputError(
          'amount',
          `expected a bigint number of steps, got ${quoted(request.amount)}`,
        );
      return {
        kind: 'top_up',
        commandId,
        budgetId,
        values,
        amount:
          BigInt.asIntN(64, request.amount) === request.amount
            ? request.amount
            : stepsIn(request.amount, 'amount'),
      };
    }
    case 'set_budget_status':
      if (!STATUSES.includes(request.status)) {
        throw new InvalidInputError('status', `${quoted(request.status)} is none of ${STATUSES.join(', ')}`);
      }
      return { kind: 'set_budget_status', commandId, budgetId, values, status: request.status };
    case 'exhaust_budget': {
      const until = request.until === undefined ? null : wholeIn(request.until, 'until', 0, INSTANT_MAX_MS);
      return { kind: 'exhaust_budget', commandId, budgetId, values, until };
    }
    case 'set_balance_limit': {
      const { limit } = request;
      const steps = limit === null || limit === 'default' ? limit : stepsIn(limit, 'limit');
      return { kind: 'set_balance_limit', commandId, budgetId, values, limit: steps };
    }
  }
}

export function definitionsCommand(state: State, request: PutDefinitions): PutDefinitionsCommand {
  assertObject(request, 'request');
  const unknown = Object.keys(request).find((key) => !REQUEST_FIELDS.includes(key));
  if (unknown !== undefined) {
    throw new InvalidInputError(
      quoted(unknown),
      `is no field of definitions; these are: ${REQUEST_FIELDS.join(', ')}`,
    );
  }
  const units = unitsIn(state, request.units ?? []);
  const names = new Set([...state.units.units, ...units].map((unit) => unit.name));
  assertList(request.budgets ?? [], 'budgets', BUDGETS_PUT_MAX);
  assertList(request.close ?? [], 'close', BUDGETS_PUT_MAX);
  for (const [index, id] of (request.close ?? []).entries()) assertText(id, `close[${index}]`);
  const budgets = (request.budgets ?? []).map((spec, index) => budgetIn(spec, `budgets[${index}]`, names));
  const twice = firstTwice(budgets.map((spec) => spec.id));
  if (twice !== undefined) throw new InvalidInputError('budgets', `${quoted(twice)} is defined twice`);
  return {
    kind: 'put_definitions',
    commandId: commandIdIn(request.commandId),
    units,
    aliases: request.aliases === undefined ? null : aliasesIn(request.aliases),
    budgets,
    close: [...(request.close ?? [])],
  };
}

function firstTwice(ids: readonly string[]): string | undefined {
  const seen = new Set<string>();
  return ids.find((id) => seen.size === seen.add(id).size);
}

function unitsIn(
  state: State,
  units: NonNullable<PutDefinitions['units']>,
): { name: string; scale: number }[] {
  assertList(units, 'units', UNITS_MAX);
  const checked = units.map((unit, index) => {
    assertObject(unit, `units[${index}]`);
    const problem = typeof unit.name === 'string' ? labelKeyProblem(unit.name) : 'is not text';
    if (problem !== null)
      throw new InvalidInputError(`units[${index}].name`, `${quoted(unit.name)} ${problem}`);
    return { name: unit.name, scale: wholeIn(unit.scale, `units[${index}].scale`, 0, UNIT_SCALE_MAX) };
  });
  const twice = firstTwice(checked.map((unit) => unit.name));
  if (twice !== undefined) throw new InvalidInputError('units', `${quoted(twice)} is defined twice`);
  const added = checked.filter((unit) => state.units.index(unit.name) === -1).length;
  if (state.units.units.length + added > UNITS_MAX) {
    throw new InvalidInputError(
      'units',
      `the ledger would have ${state.units.units.length + added} units; at most ${UNITS_MAX}`,
    );
  }
  return checked;
}

function aliasesIn(aliases: Aliases): Aliases {
  assertObject(aliases, 'aliases');
  let count = 0;
  const checked: Record<string, Record<string, string>> = {};
  for (const [key, table] of Object.entries(aliases)) {
    const problem = labelKeyProblem(key);
    if (problem !== null) throw new InvalidInputError(`aliases.${quoted(key)}`, `the label key ${problem}`);
    assertObject(table, `aliases.${key}`);
    checked[key] = {};
    for (const [name, canonical] of Object.entries(table)) {
      const field = `aliases.${key}.${quoted(name)}`;
      assertText(name, field, LABEL_VALUE_LENGTH_MAX);
      assertText(canonical, field, LABEL_VALUE_LENGTH_MAX);
      if (name === '*' || canonical === '*' || name === '__proto__')
        throw new InvalidInputError(field, 'is a reserved name');
      if (Object.hasOwn(table, canonical))
        throw new InvalidInputError(
          field,
          `${quoted(canonical)} is itself an alias; name the canonical value`,
        );
      checked[key][name] = canonical;
      count += 1;
    }
  }
  if (count > ALIASES_MAX)
    throw new InvalidInputError('aliases', `has ${count} names; at most ${ALIASES_MAX}`);
  return checked;
}

const REQUEST_FIELDS = ['command', 'commandId', 'units', 'aliases', 'budgets', 'close'];

function budgetIn(spec: BudgetSpec, field: string, units: ReadonlySet<string>): BudgetSpec {
  assertObject(spec, field);
  const unknown = Object.keys(spec).find((key) => !Object.hasOwn(BUDGET_FIELDS, key));
  if (unknown !== undefined)
    throw new InvalidInputError(
      `${field}.${quoted(unknown)}`,
      `is no field of a budget; these are: ${Object.keys(BUDGET_FIELDS).join(', ')}`,
    );
  const read: Record<string, unknown> = {};
  for (const [name, decided] of BUDGET_FIELD_LIST) {
    const value: unknown = spec[name];
    if (value === undefined && !decided.required) continue;
    const { kind } = decided;
    const words = kind === 'choice' ? decided.choices : kind === 'unit' ? [...units] : [];
    read[name] = READERS[kind](value, `${field}.${name}`, words);
  }
  return read as unknown as BudgetSpec;
}

/** Checks a value and gives it as the core takes it; `words` are the units, or the choices of the field. */
type Reader = (value: unknown, field: string, words: readonly string[]) => unknown;

const READERS: Record<BudgetFieldKind, Reader> = {
  id: (value, field) => {
    assertText(value, field);
    if (value.startsWith(GRANT_BUDGET_PREFIX))
      throw new InvalidInputError(
        field,
        `${quoted(value)} begins with ${GRANT_BUDGET_PREFIX}, which is the ledger's own`,
      );
    return value;
  },
  match: (value, field) => {
    assertLabels(value, field);
    return { ...value };
  },
  unit: oneOf,
  limit: (value, field) => (value === null ? null : stepsIn(value, field)),
  window: (value, field) => {
    const window = parseWindow(value as WindowInput, field);
    if (window.kind === 'calendar') assertTimeZone(window.timeZone, `${field}.timeZone`);
    return windowInputOf(window);
  },
  cap: stepsIn,
  cap_above_zero: (value, field) => stepsIn(typeof value === 'bigint' && value < 0n ? 0n : value, field),
  percent: (value, field) => wholeIn(value, field, 1, 100),
  choice: oneOf,
};

function oneOf(value: unknown, field: string, words: readonly string[]): string {
  const word = words.find((known) => known === value);
  if (word === undefined)
    throw new InvalidInputError(field, `${quoted(value)} is none of ${words.join(', ')}`);
  return word;
}
