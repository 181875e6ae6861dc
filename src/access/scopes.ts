// What each scope of a key allows. Every surface asks here, before it asks anything else; what belongs to whom is
// tenancy.ts's to say.

import type { Command } from '../core/requests.js';
import type { Caller, Scope } from '../kit/caller.js';
import { RefusedError } from '../kit/refusals.js';

/** A scope contains those behind it: an admin may do all, a tenant's admin spends, corrects and reads. */
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
  // It counts for everybody whom the balances count: the platform's alone.
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
