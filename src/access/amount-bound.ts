// The most that one command of a key may state: what is reported or held is believed, so a mistake or a lie has a bound that
// says so at once. Called for every command that states amounts.

import { AMOUNT_MAX, type Amounts, formatAmount } from '../core/amount.js';
import type { Command } from '../core/requests.js';
import type { Caller } from '../kit/caller.js';
import { RefusedError } from '../kit/refusals.js';
import { hasScope } from './scopes.js';

const USD_SCALE = 8;

/** Unless the key states another: a million USD, above what any one call costs. */
export const AMOUNT_MAX_USD_DEFAULT = 1_000_000n * 10n ** BigInt(USD_SCALE);

/** Of any other unit: no thousand reports fill a figure. */
const OTHER_AMOUNT_MAX = AMOUNT_MAX / 1_000n;

/** @throws RefusedError forbidden naming the amount and the bound */
export function assertBounded(caller: Caller, command: Command): void {
  for (const [field, amounts] of amountsIn(command)) assertAmounts(caller, field, amounts);
}

/** What a key may state in USD; null: as much as the ledger takes. */
export function amountMaxUsdOf(caller: Pick<Caller, 'scopes' | 'amountMaxUsd'>): bigint | null {
  return caller.amountMaxUsd ?? (caller.scopes.has('admin') ? null : AMOUNT_MAX_USD_DEFAULT);
}

function assertAmounts(caller: Caller, field: string, amounts: Amounts): void {
  for (const unit of Object.keys(amounts)) {
    const isUsd = unit === 'usd';
    const max = isUsd ? amountMaxUsdOf(caller) : hasScope(caller, 'admin') ? null : OTHER_AMOUNT_MAX;
    if (max === null || amounts[unit] <= max) continue;
    const text = (steps: bigint) => (isUsd ? `${formatAmount(steps, USD_SCALE)} USD` : `${steps} steps`);
    throw new RefusedError(
      'forbidden',
      `${field}.${unit}: ${text(amounts[unit])} are above the ${text(max)} that one command with this key may state`,
      { field: `${field}.${unit}` },
    );
  }
}

function amountsIn(command: Command): [string, Amounts][] {
  switch (command.command) {
    case 'authorize_hold': {
      const stated: [string, Amounts][] = [['amounts', command.amounts]];
      for (const [index, { amounts }] of (command.candidates ?? []).entries())
        if (amounts !== undefined) stated.push([`candidates[${index}].amounts`, amounts]);
      return stated;
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
