// What a key may do: which commands its scopes allow, and the largest amount that one command may state. Every surface asks
// here before it asks anything else. Whose thing a command is about is decided in tenancy.ts.

import { AMOUNT_MAX, type Amounts, formatAmount } from '../core/amount.js';
import type { Command } from '../core/requests.js';
import type { Caller, Scope } from '../kit/caller.js';
import { RefusedError } from '../kit/refusals.js';

/** Each scope contains those behind it: an admin may do everything, a tenant's admin spends, corrects and reads. */
const CONTAINED: Readonly<Record<Scope, readonly Scope[]>> = {
  admin: ['admin', 'tenant_admin', 'spend', 'correct', 'read'],
  tenant_admin: ['tenant_admin', 'spend', 'correct', 'read'],
  spend: ['spend'],
  correct: ['correct'],
  read: ['read'],
};

/** The scope that each of the ledger's commands needs, alone or in a batch. */
export const SCOPE_OF_COMMAND: Readonly<Record<Command['command'], Scope>> = {
  authorize_hold: 'spend',
  extend_hold: 'spend',
  release_hold: 'spend',
  reverse_hold: 'spend',
  settle_hold: 'spend',
  correct_hold: 'correct',
  record_spend: 'spend',
  // A credit lowers figures that all tenants share, so only the platform may give one.
  credit_spend: 'admin',
  top_up: 'tenant_admin',
  set_budget_status: 'tenant_admin',
  exhaust_budget: 'tenant_admin',
  set_balance_limit: 'tenant_admin',
  put_definitions: 'tenant_admin',
};

export function hasScope(caller: Caller, scope: Scope): boolean {
  for (const held of caller.scopes) if (CONTAINED[held].includes(scope)) return true;
  return false;
}

/** @throws RefusedError forbidden, naming the scope */
export function requireScope(caller: Caller, scope: Scope): void {
  if (!hasScope(caller, scope))
    throw new RefusedError('forbidden', `this needs a key with the scope ${scope}`);
}

const USD_SCALE = 8;

/** The largest amount in USD for a key that names no other: one million, which is above the cost of any single call. */
export const AMOUNT_MAX_USD_DEFAULT = 1_000_000n * 10n ** BigInt(USD_SCALE);

/** The largest amount in any other unit: a thousand such reports do not fill a balance. */
const OTHER_AMOUNT_MAX = AMOUNT_MAX / 1_000n;

/** The largest amount in USD that one command with the key may state; null: whatever the ledger takes. */
export function amountMaxUsdOf(caller: Pick<Caller, 'scopes' | 'amountMaxUsd'>): bigint | null {
  return caller.amountMaxUsd ?? (caller.scopes.has('admin') ? null : AMOUNT_MAX_USD_DEFAULT);
}

/**
 * Refuses a command that states more than its key may. Reported amounts are believed, so the bound limits what a mistake
 * or a lie can do. @throws RefusedError forbidden, naming the amount and the bound
 */
export function assertAmountsAllowed(caller: Caller, command: Command): void {
  for (const [field, amounts] of amountsIn(command)) {
    for (const unit of Object.keys(amounts)) {
      const max = amountMaxOf(caller, unit);
      if (max === null || amounts[unit] <= max) continue;
      const text = (steps: bigint) =>
        unit === 'usd' ? `${formatAmount(steps, USD_SCALE)} USD` : `${steps} steps`;
      const why = `${text(amounts[unit])} are above the ${text(max)} that one command with this key may state`;
      throw new RefusedError('forbidden', `${field}.${unit}: ${why}`, { field: `${field}.${unit}` });
    }
  }
}

function amountMaxOf(caller: Caller, unit: string): bigint | null {
  if (unit === 'usd') return amountMaxUsdOf(caller);
  return hasScope(caller, 'admin') ? null : OTHER_AMOUNT_MAX;
}

function amountsIn(command: Command): [field: string, amounts: Amounts][] {
  switch (command.command) {
    case 'authorize_hold': {
      const found: [string, Amounts][] = [['amounts', command.amounts]];
      for (const [index, { amounts }] of (command.candidates ?? []).entries())
        if (amounts !== undefined) found.push([`candidates[${index}].amounts`, amounts]);
      return found;
    }
    case 'extend_hold':
      return command.add === undefined ? [] : [['add', command.add]];
    case 'settle_hold':
    case 'correct_hold':
    case 'record_spend':
    case 'credit_spend':
      return [['amounts', command.amounts]];
    default:
      return [];
  }
}
