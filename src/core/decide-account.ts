// Decides what is done to budgets and their accounts: top-up, status, forced exhaustion, overrides (rules L1, L2, L4,
// P5, G4), and the definitions themselves. A refusal changes nothing.

import { AMOUNT_MAX } from './amount.js';
import { restoreProblem } from './books.js';
import { fixedFieldThatDiffers, makesNewVersion, sameRecord } from './budget-fields.js';
import type { Budget } from './budgets.js';
import type {
  AccountCommand,
  ExhaustBudget,
  PutDefinitionsCommand,
  RestoreSnapshot,
  SetLimit,
  SetStatus,
  TopUpBalance,
} from './commands.js';
import type { Administration, CommandRejected, WindowsDue } from './effects.js';
import { rejected } from './effects.js';
import { labelsOf } from './labels.js';
import { IS_FORCED, IS_METERED } from './lines.js';
import { valuesText } from './matcher.js';
import type { BudgetSpec } from './requests.js';
import type { State } from './state.js';
import { NEVER_MS } from './window.js';

/**
 * The account that a command means: its values text, '' for a budget without wildcards, null for the budget as a
 * whole. A top-up and a limit concern one balance, so the command must state its values.
 */
export function accountOf(state: State, budget: Budget, command: AccountCommand): string | null | 'mismatch' {
  const isOne = command.kind === 'top_up' || command.kind === 'set_balance_limit';
  if (command.values === null || command.values === '')
    return budget.wildcards.length === 0 ? '' : isOne ? 'mismatch' : null;
  const stated = state.matcher.canonicalLabels(labelsOf(command.values));
  const isComplete = Object.keys(stated).length === budget.wildcards.length;
  return (isComplete ? valuesText(stated, budget.wildcards) : null) ?? 'mismatch';
}

export function decideAccount(
  state: State,
  command: AccountCommand,
  at: number,
): Administration | CommandRejected | WindowsDue {
  if (command.kind === 'top_up' && command.amount <= 0n) return rejected('invalid_amount', command.amount, 1);
  const budget = state.budgetById.get(command.budgetId);
  if (budget === undefined || budget.forGrants) return rejected('budget_not_found', command.budgetId);
  if (budget.standing.status === 'closed') return rejected('budget_closed', command.budgetId);
  if (budget.current === null || at >= budget.current.end) {
    return { type: 'windows_due', budgetIds: [budget.id], instant: at };
  }
  const account = accountOf(state, budget, command);
  if (account === 'mismatch')
    return rejected('values_mismatch', budget.wildcards.join(', ') || 'no wildcards');
  const slot = account === null ? -1 : budget.current.index.get(account);
  if (slot >= 0) {
    const line = state.lines.add(budget, budget.current, account as string, slot, 0n);
    if (state.balances.isMetered(slot)) state.lines.flags[line] = IS_METERED;
    if (budget.exhaustedUntilOf(account as string) > at) state.lines.flags[line] |= IS_FORCED;
  }
  const target: Target = { budget, account, slot };
  switch (command.kind) {
    case 'top_up':
      return decideTopUp(state, target, command);
    case 'set_budget_status':
      return decideStatus(state, target, command);
    case 'exhaust_budget':
      return decideExhaust(state, target, command, at);
    case 'set_balance_limit':
      return decideLimit(state, target, command);
  }
}

/** What a command is done to: an account (null = the budget as a whole) and its balance in force, -1 when none. */
interface Target {
  readonly budget: Budget;
  readonly account: string | null;
  readonly slot: number;
}

function administration(type: Administration['type'], changes: boolean, until = 0): Administration {
  return { type, changes, until };
}

function decideTopUp(
  state: State,
  { budget, slot }: Target,
  command: TopUpBalance,
): Administration | CommandRejected {
  if (slot === -1) return rejected('balance_not_found', command.budgetId);
  if (state.balances.isMetered(slot)) return rejected('budget_metered', budget.id);
  const granted = state.balances.granted[slot];
  if (command.amount > AMOUNT_MAX - granted)
    return rejected('amount_overflow', command.amount, AMOUNT_MAX - granted);
  state.lines.requested[0] = command.amount;
  return administration('balance_topped_up', true);
}

function decideStatus(
  state: State,
  { budget, account, slot }: Target,
  command: SetStatus,
): Administration | CommandRejected {
  const standing = account === null ? budget.standing : budget.account(account);
  const status = standing?.status ?? 'active';
  if (status === 'closed') return rejected('budget_closed', command.budgetId);
  const resumes = command.status === 'active' && status === 'paused' && budget.pausesWhenUsedUp;
  // Rule G4: resuming needs money in it.
  if (resumes && slot >= 0 && !state.balances.isMetered(slot)) {
    const { spent, granted } = state.balances;
    if (spent[slot] >= granted[slot]) return rejected('budget_used_up', spent[slot], granted[slot]);
  }
  return administration('budget_status_set', status !== command.status);
}

function decideExhaust(
  { lines }: State,
  { budget, account }: Target,
  command: ExhaustBudget,
  at: number,
): Administration | CommandRejected {
  if (command.until !== null && command.until <= at) {
    return rejected('until_not_later', BigInt(command.until), BigInt(at));
  }
  const end = budget.current?.end ?? NEVER_MS;
  const standing = account === null ? budget.standing : budget.account(account);
  const until = command.until ?? Math.max(end, standing?.exhaustedUntil ?? 0);
  if (lines.count > 0) lines.flags[0] |= IS_FORCED;
  return administration('budget_exhausted', true, until);
}

function decideLimit(state: State, target: Target, command: SetLimit): Administration | CommandRejected {
  const { budget, slot } = target;
  const account = target.account as string;
  const limit = command.limit === 'default' ? budget.limit : command.limit;
  if (limit !== null && limit < 0n) return rejected('invalid_amount', limit, 0);
  if (slot >= 0 && limitOverflows(state, slot, budget.limitOf(account), limit))
    return rejected('amount_overflow', limit ?? 0n);
  // The line shows the balance as the new limit makes it.
  if (slot >= 0) {
    const { flags } = state.lines;
    flags[0] = limit === null ? flags[0] | IS_METERED : flags[0] & ~IS_METERED;
  }
  const own = budget.account(account)?.limit;
  const wanted = command.limit === 'default' ? undefined : command.limit;
  return administration('balance_limit_set', own !== wanted);
}

/** Whether a balance's granted would pass 2^63−1 when its limit changes: top-ups come on top. */
function limitOverflows(state: State, slot: number, from: bigint | null, to: bigint | null): boolean {
  return state.balances.granted[slot] - (from ?? 0n) + (to ?? 0n) > AMOUNT_MAX;
}

export function decideDefinitions(
  state: State,
  command: PutDefinitionsCommand,
  at: number,
): Administration | CommandRejected | WindowsDue {
  for (const unit of command.units) {
    const known = state.units.index(unit.name);
    if (known !== -1 && state.units.units[known].scale !== unit.scale) {
      return rejected('definition_conflict', `unit ${unit.name}`);
    }
  }
  for (const spec of command.budgets) {
    const conflict = budgetConflict(state, spec, at);
    if (conflict !== null) return conflict;
  }
  for (const id of command.close) {
    if (!state.budgetById.has(id)) return rejected('budget_not_found', id);
  }
  // A changed limit applies to the window in force, so that one must be open.
  const lapsed = command.budgets.filter((spec) => {
    const current = state.budgetById.get(spec.id)?.current ?? null;
    return current !== null && at >= current.end;
  });
  if (lapsed.length > 0)
    return { type: 'windows_due', budgetIds: lapsed.map((spec) => spec.id), instant: at };
  return administration('definitions_put', definitionsChange(state, command));
}

function budgetConflict(state: State, spec: BudgetSpec, at: number): CommandRejected | null {
  const known = state.budgetById.get(spec.id);
  if (known === undefined) return null;
  if (known.forGrants) return rejected('definition_conflict', spec.id);
  if (known.standing.status === 'closed') return rejected('budget_closed', spec.id);
  const part = fixedFieldThatDiffers(known.spec, spec);
  if (part !== null) return rejected('definition_conflict', `${spec.id} ${part}`);
  // A changed limit applies to the window in force alone, so balances of a window that has ended cannot overflow.
  const first = known.current === null || at >= known.current.end ? -1 : known.current.firstBalance;
  for (let slot = first; slot !== -1; slot = state.balances.next[slot]) {
    if (known.account(state.balances.values[slot])?.limit !== undefined) continue;
    if (limitOverflows(state, slot, known.limit, spec.limit))
      return rejected('amount_overflow', spec.limit ?? 0n);
  }
  return null;
}

function definitionsChange(state: State, command: PutDefinitionsCommand): boolean {
  if (command.units.some((unit) => state.units.index(unit.name) === -1)) return true;
  if (command.aliases !== null && !sameAliases(command.aliases, state.matcher.aliases)) return true;
  if (command.close.some((id) => state.budgetById.get(id)?.standing.status !== 'closed')) return true;
  return command.budgets.some((spec) => budgetChanges(state.budgetById.get(spec.id), spec));
}

function sameAliases(left: State['matcher']['aliases'], right: State['matcher']['aliases']): boolean {
  const keys = Object.keys(left);
  if (keys.length !== Object.keys(right).length) return false;
  return keys.every((key) => Object.hasOwn(right, key) && sameRecord(left[key], right[key]));
}

/** Whether putting this specification over a budget in force makes a new version of it (rule L1). */
export function budgetChanges(known: Budget | undefined, spec: BudgetSpec): boolean {
  return known === undefined || makesNewVersion(known.spec, spec);
}

export function decideRestore(state: State, command: RestoreSnapshot): Administration | CommandRejected {
  const isEmpty =
    state.holds.used === 0 && state.balances.used === 0 && state.budgets.every((budget) => budget.forGrants);
  if (!isEmpty) return rejected('ledger_not_empty');
  return restoreProblem(command.snapshot) ?? administration('snapshot_restored', true);
}
