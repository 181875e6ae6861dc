// How definitions are put in the reference model (rule L1). Part of reference-model.ts.

import type { BudgetSpec, Command } from '#bursar/core/requests.js';
import {
  deepKey,
  type Expected,
  keyOf,
  MAX,
  newBudget,
  type ReferenceBalance,
  type ReferenceBudget,
  type ReferenceModel,
} from './reference-model.js';

export function putDefinitions(
  model: ReferenceModel,
  command: Extract<Command, { command: 'put_definitions' }>,
): Expected {
  const { units = [], budgets = [], close = [] } = command;
  const scaleOf = (name: string) =>
    model.scales.get(name) ?? ({ usd: 8, tokens: 0, calls: 0 } as const)[name as 'usd'];
  if (units.some(({ name, scale }) => model.units.includes(name) && scaleOf(name) !== scale))
    return model.rejected('definition_conflict');
  const known = (id: string) => model.budgets.find((one) => one.id === id);
  for (const spec of budgets) {
    const own = known(spec.id);
    if (own === undefined) continue;
    if (own.standing.status === 'closed') return model.rejected('budget_closed');
    const fixed = (one: BudgetSpec) => JSON.stringify([one.unit, one.window, keyOf(one.match)]);
    if (fixed(own.spec) !== fixed(spec)) return model.rejected('definition_conflict');
    const overflows = balancesOfDefault(model, own).some(
      (balance) => (spec.limit ?? 0n) + balance.topUps > MAX,
    );
    if (overflows) return model.rejected('amount_overflow');
  }
  if (close.some((id) => known(id) === undefined)) return model.rejected('budget_not_found');
  for (const spec of budgets) if (known(spec.id)?.wasOpen) model.windowFor(known(spec.id)!, model.time);
  let changes = command.aliases !== undefined && deepKey(command.aliases) !== deepKey(model.aliases);
  for (const { name, scale } of units) {
    if (model.units.includes(name)) continue;
    model.units.push(name);
    model.scales.set(name, scale);
    changes = true;
  }
  if (command.aliases !== undefined) model.aliases = command.aliases;
  for (const spec of budgets) changes = put(model, spec) || changes;
  for (const id of close) {
    if (known(id)!.standing.status !== 'closed') changes = true;
    known(id)!.standing.status = 'closed';
  }
  return model.done('definitions_put', [], changes);
}

function put(model: ReferenceModel, spec: BudgetSpec): boolean {
  const own = model.budgets.find((one) => one.id === spec.id);
  if (own === undefined) {
    const budget = newBudget(spec, false);
    model.budgets.push(budget);
    if (spec.window === 'lifetime') model.windowFor(budget, model.time);
    return true;
  }
  const says = (one: BudgetSpec) =>
    deepKey({
      ...one,
      heldMax: one.heldMax ?? 0n,
      onExhausted: one.onExhausted ?? 'refuse',
      match: 0,
      window: 0,
    });
  if (says(own.spec) === says(spec)) return false;
  const balances = balancesOfDefault(model, own);
  own.spec = spec;
  own.version += 1;
  for (const balance of balances) balance.limit = spec.limit;
  return true;
}

/** Balances of the window in force that have no limit of their own. */
function balancesOfDefault(model: ReferenceModel, budget: ReferenceBudget): ReferenceBalance[] {
  const window = budget.windows.find((one) => model.inForce(one));
  const balances = [...(window?.balances.values() ?? [])];
  return balances.filter((balance) => model.account(budget, balance.values).limit === undefined);
}
