// The part of the edge that takes definitions and what is done to budgets and their accounts.

import { UNIT_SCALE_MAX } from '../core/amount.js';
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
import type { Aliases, BudgetSpec, BudgetStatus, Command, PutDefinitions } from '../core/requests.js';
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
const SPEC_FIELDS = [
  'id',
  'match',
  'unit',
  'limit',
  'window',
  'perHoldMax',
  'heldMax',
  'warnAtPercent',
  'onExhausted',
];

function budgetIn(spec: BudgetSpec, field: string, units: ReadonlySet<string>): BudgetSpec {
  assertObject(spec, field);
  const unknown = Object.keys(spec).find((key) => !SPEC_FIELDS.includes(key));
  if (unknown !== undefined)
    throw new InvalidInputError(
      `${field}.${quoted(unknown)}`,
      `is no field of a budget; these are: ${SPEC_FIELDS.join(', ')}`,
    );
  assertText(spec.id, `${field}.id`);
  if (spec.id.startsWith(GRANT_BUDGET_PREFIX))
    throw new InvalidInputError(
      `${field}.id`,
      `${quoted(spec.id)} begins with ${GRANT_BUDGET_PREFIX}, which is the ledger's own`,
    );
  assertLabels(spec.match, `${field}.match`);
  if (!units.has(spec.unit))
    throw new InvalidInputError(`${field}.unit`, `${quoted(spec.unit)} is none of ${[...units].join(', ')}`);
  const { onExhausted } = spec;
  if (onExhausted !== undefined && onExhausted !== 'refuse' && onExhausted !== 'pause') {
    throw new InvalidInputError(
      `${field}.onExhausted`,
      `${quoted(onExhausted)} is neither 'refuse' nor 'pause'`,
    );
  }
  const window = parseWindow(spec.window, `${field}.window`);
  if (window.kind === 'calendar') assertTimeZone(window.timeZone, `${field}.window.timeZone`);
  return {
    id: spec.id,
    match: { ...spec.match },
    unit: spec.unit,
    limit: spec.limit === null ? null : stepsIn(spec.limit, `${field}.limit`),
    window: windowInputOf(window),
    ...(spec.perHoldMax === undefined ? {} : { perHoldMax: stepsIn(spec.perHoldMax, `${field}.perHoldMax`) }),
    ...(spec.heldMax === undefined
      ? {}
      : { heldMax: stepsIn(spec.heldMax < 0n ? 0n : spec.heldMax, `${field}.heldMax`) }),
    ...(spec.warnAtPercent === undefined
      ? {}
      : { warnAtPercent: wholeIn(spec.warnAtPercent, `${field}.warnAtPercent`, 1, 100) }),
    ...(onExhausted === undefined ? {} : { onExhausted }),
  };
}
