// The part of apply that changes budgets, accounts and definitions. Called by apply.ts alone.

import type { Unit } from './amount.js';
import { BUILT_IN_UNITS } from './amount.js';
import { Budget, type Standing, Window } from './budgets.js';
import type { AccountCommand, PutDefinitionsCommand, RestoreSnapshot, SetLimit } from './commands.js';
import { accountOf, budgetChanges } from './decide-account.js';
import type { Administration } from './effects.js';
import { valuesText } from './matcher.js';
import type { BudgetSpec } from './requests.js';
import type { StateOptions } from './state.js';
import { grantBudgetId, State } from './state.js';
import { BEGINNING_MS, NEVER_MS, parseWindow } from './window.js';

/** What commands have set on a line's account. Makes an empty entry when nothing was set so far. */
export function standingOfLine(state: State, line: number): Standing {
  return state.lines.budgets[line].own(state.lines.values[line]);
}

export function applyAccount(state: State, command: AccountCommand, effect: Administration): void {
  const budget = state.budgetById.get(command.budgetId) as Budget;
  const account = accountOf(state, budget, command);
  const standing = budget.own(account);
  switch (command.kind) {
    case 'top_up':
      state.balances.grant(state.lines.slots[0], command.amount);
      return;
    case 'set_budget_status':
      standing.status = command.status;
      return;
    case 'exhaust_budget':
      standing.exhaustedUntil = effect.until;
      return;
    case 'set_balance_limit':
      applyLimit(state, budget, account as string, command);
      return;
  }
}

function applyLimit(state: State, budget: Budget, values: string, command: SetLimit): void {
  state.balanceGeneration += 1;
  const before = budget.limitOf(values);
  budget.own(values).limit = command.limit === 'default' ? undefined : command.limit;
  const slot = budget.current?.index.get(values) ?? -1;
  if (slot !== -1) changeLimit(state, slot, before, budget.limitOf(values));
}

/** Moves a balance's granted from one limit to another; top-ups stay on top. */
function changeLimit(state: State, slot: number, from: bigint | null, to: bigint | null): void {
  const { balances } = state;
  balances.setMetered(slot, to === null);
  balances.grant(slot, (to ?? 0n) - (from ?? 0n));
  balances.allowNegative(slot);
}

/** The state of a ledger before its first record. */
export function newState(options: StateOptions): State {
  const state = new State(options);
  for (const unit of BUILT_IN_UNITS) addGrantBudget(state, unit.name);
  return state;
}

function addUnit(state: State, unit: Unit): void {
  state.units.add(unit);
  addGrantBudget(state, unit.name);
}

// One balance for each grant in each unit, without a limit: the caps come with each request (rule H1).
function addGrantBudget(state: State, unit: string): void {
  addBudget(state, grantBudget(unit), true);
}

/** The ledger's own budget for the figures of grants in a unit. */
export function grantBudget(unit: string): BudgetSpec {
  const match = { capability: '*', grant: '*' };
  return { id: grantBudgetId(unit), match, unit, limit: null, window: 'lifetime' };
}

export function applyDefinitions(state: State, command: PutDefinitionsCommand): void {
  state.balanceGeneration += 1;
  for (const unit of command.units) {
    if (state.units.index(unit.name) === -1) addUnit(state, unit);
  }
  if (command.aliases !== null) {
    state.matcher.aliases = frozen(command.aliases);
    state.matcher.refile(state.budgets);
  }
  for (const spec of command.budgets) {
    const known = state.budgetById.get(spec.id);
    if (known === undefined) addBudget(state, spec);
    else if (budgetChanges(known, spec)) changeBudget(state, known, spec);
  }
  for (const id of command.close) (state.budgetById.get(id) as Budget).own(null).status = 'closed';
}

// Definitions are shared with those who read them, so nobody may change them.
export function frozen<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (part !== null && typeof part === 'object') frozen(part);
  return Object.freeze(value);
}

/** Adds a budget; a lifetime one has its only window from the start. */
export function addBudget(state: State, spec: BudgetSpec, forGrants = false): Budget {
  const wildcards = Object.keys(spec.match)
    .filter((key) => spec.match[key] === '*')
    .sort();
  const unit = state.units.index(spec.unit);
  const window = parseWindow(spec.window, 'window');
  frozen(spec);
  const budget = new Budget({ index: state.budgets.length, spec, unit, window, wildcards, forGrants });
  state.budgets.push(budget);
  state.budgetById.set(spec.id, budget);
  state.matcher.add(budget);
  if (window.kind === 'lifetime') {
    const only = new Window(
      budget,
      BEGINNING_MS,
      NEVER_MS,
      state.options.seed,
      (slot) => state.balances.values[slot],
    );
    budget.windows.push(only);
    budget.current = only;
    if (wildcards.length === 0) state.balances.open(only, '', spec.limit);
  }
  return budget;
}

// A new version applies to the open window at once; balances with a limit of their own keep it.
function changeBudget(state: State, budget: Budget, spec: BudgetSpec): void {
  const before = budget.limit;
  budget.define(frozen(spec));
  budget.version += 1;
  if (before === spec.limit || budget.current === null) return;
  for (let slot = budget.current.firstBalance; slot !== -1; slot = state.balances.next[slot]) {
    if (budget.account(state.balances.values[slot])?.limit === undefined)
      changeLimit(state, slot, before, spec.limit);
  }
}

/** Rule S2: the figures of a snapshot become those of an empty ledger, and its version goes on. */
export function applyRestore(state: State, command: RestoreSnapshot): void {
  const { snapshot } = command;
  for (const unit of snapshot.units) if (state.units.index(unit.name) === -1) addUnit(state, unit);
  state.matcher.aliases = frozen(snapshot.aliases);
  for (const spec of snapshot.budgets) addBudget(state, spec);
  for (const { budgetId, values, status, exhaustedUntil, limit } of snapshot.accounts) {
    const budget = state.budgetById.get(budgetId) as Budget;
    const standing = budget.own(values === null ? null : (valuesText(values, budget.wildcards) as string));
    standing.status = status;
    standing.exhaustedUntil = exhaustedUntil ?? 0;
    standing.limit = limit === 'default' ? undefined : limit;
  }
  for (const row of snapshot.balances) {
    const budget = state.budgetById.get(row.budgetId) as Budget;
    const values = valuesText(row.values, budget.wildcards) as string;
    const start = row.window.start ?? BEGINNING_MS;
    let window = budget.windows.find((known) => known.start === start);
    if (window === undefined) {
      const end = row.window.end ?? NEVER_MS;
      window = new Window(budget, start, end, state.options.seed, (slot) => state.balances.values[slot]);
      budget.windows.push(window);
      if (start <= state.time && state.time < end) budget.current = window;
    }
    const known = window.index.get(values);
    const slot = known === -1 ? state.balances.open(window, values, row.granted === null ? null : 0n) : known;
    state.balances.grant(slot, (row.granted ?? 0n) - state.balances.granted[slot]);
    state.balances.post(slot, 0n, row.spent);
    state.balances.allowNegative(slot);
  }
  for (const [unit, steps] of Object.entries(snapshot.spent))
    state.spentTotal[state.units.index(unit)] = steps;
  state.snapshotVersion = snapshot.version;
}
