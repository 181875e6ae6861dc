// What a settlement or a correction charges: all overrun policies in one place (rules L5, L6, Q8). Keeps invariant 2:
// under reject, forbid and cap no charge takes a balance's remaining below zero.

import { AMOUNT_MAX } from './amount.js';
import type { CommandRejected } from './effects.js';
import { rejected } from './effects.js';
import { OPEN, OVERRUN_CAP, OVERRUN_FORBID, OVERRUN_RECORD } from './holds.js';
import { SEPARATOR } from './labels.js';
import type { GrantCaps } from './requests.js';
import { type State, saturates } from './state.js';
import { CALLS } from './units.js';

/** Amounts by place of the hold's units. `before` is what was charged already: zero unless late or corrected. */
export interface Charge {
  readonly type: 'charge';
  readonly charged: readonly bigint[];
  readonly returned: readonly bigint[];
  readonly before: readonly bigint[];
  readonly cappedPlaces: number;
}

/**
 * The charge of a settlement. A late settlement is always booked, whatever its amount: spend that happened is never
 * dropped.
 */
export function chargeActual(
  state: State,
  slot: number,
  actual: readonly bigint[],
  late: boolean,
): Charge | CommandRejected {
  const { holds } = state;
  const { zeros } = holds.units[slot];
  if (late) {
    const charge: Charge = {
      type: 'charge',
      charged: actual,
      returned: zeros,
      before: holdFigures(state, slot),
      cappedPlaces: 0,
    };
    return checkedForBounds(state, slot, charge);
  }
  let { charged, cappedPlaces }: Judged = { charged: actual, cappedPlaces: 0 };
  if (holds.overrun(slot) !== OVERRUN_RECORD) {
    const figures = holdFigures(state, slot);
    const judged = byPolicy(state, slot, actual, figures, figures);
    if ('type' in judged) return judged;
    ({ charged, cappedPlaces } = judged);
  }
  const returned = new Array<bigint>(charged.length);
  let exceeds = false;
  for (let place = 0; place < returned.length; place += 1) {
    const rest = BigInt.asIntN(64, holds.figure(slot, place) - charged[place]);
    if (rest < 0n) exceeds = true;
    returned[place] = rest < 0n ? 0n : rest;
  }
  const charge: Charge = { type: 'charge', charged, returned, before: zeros, cappedPlaces };
  // Moving an amount from held to spent cannot overflow. Only an amount above what was held can.
  return exceeds ? checkedForBounds(state, slot, charge) : charge;
}

function holdFigures(state: State, slot: number): bigint[] {
  return state.holds.units[slot].units.map((_unit, place) => state.holds.figure(slot, place));
}

interface Judged {
  readonly charged: readonly bigint[];
  readonly cappedPlaces: number;
}

/** The charge of a correction: the policy of the hold judges the new amount against what was authorised. */
export function chargeCorrected(
  state: State,
  slot: number,
  final: readonly bigint[],
): Charge | CommandRejected {
  const { holds } = state;
  const before = final.map((_steps, place) => holds.figure(slot, place));
  const ceiling = final.map((_steps, place) => holds.authorized(slot, place));
  const judged = holds.isLate(slot)
    ? { charged: final, cappedPlaces: 0 }
    : byPolicy(state, slot, final, ceiling, before);
  if ('type' in judged) return judged;
  return checkedForBounds(state, slot, {
    type: 'charge',
    ...judged,
    returned: holds.units[slot].zeros,
    before,
  });
}

// `ceiling` is what the hold allows for; `covered` is what the balances have taken already, so that only what is above
// it must still fit.
function byPolicy(
  state: State,
  slot: number,
  wanted: readonly bigint[],
  ceiling: readonly bigint[],
  covered: readonly bigint[],
): Judged | CommandRejected {
  const policy = state.holds.overrun(slot);
  if (policy === OVERRUN_RECORD) return { charged: wanted, cappedPlaces: 0 };
  let charged = wanted;
  let cappedPlaces = 0;
  for (let place = 0; place < wanted.length; place += 1) {
    if (wanted[place] > ceiling[place] && policy === OVERRUN_FORBID) {
      return rejected('overrun_forbidden', wanted[place], ceiling[place]);
    }
    const fits = fitsEverywhere(state, slot, place, wanted[place] - covered[place]);
    if (policy !== OVERRUN_CAP) {
      if (!fits) return rejected('overrun', wanted[place], covered[place]);
      continue;
    }
    const tolerance = BigInt(state.holds.extrasOf(slot).tolerancePercent);
    if (fits && wanted[place] <= ceiling[place] + (ceiling[place] * tolerance) / 100n) continue;
    if (!fitsEverywhere(state, slot, place, ceiling[place] - covered[place])) {
      return rejected('overrun', wanted[place], covered[place]);
    }
    if (charged === wanted) charged = [...wanted];
    (charged as bigint[])[place] = ceiling[place];
    cappedPlaces |= 1 << place;
  }
  return { charged, cappedPlaces };
}

function fitsEverywhere(state: State, slot: number, place: number, excess: bigint): boolean {
  if (excess <= 0n) return true;
  const { lines, balances, holds } = state;
  const unit = holds.units[slot].units[place];
  for (let line = 0; line < lines.count; line += 1) {
    if (lines.budgets[line].unit !== unit) continue;
    const balance = lines.slots[line];
    if (!balances.isMetered(balance) && excess > balances.remaining[balance]) return false;
    const total = grantCap(state, slot, line)?.total;
    if (total !== undefined && balances.held[balance] + balances.spent[balance] + excess > total)
      return false;
  }
  return true;
}

// Rule L6: a charge that takes a figure past 2^63−1 is refused and the hold kept. A balance without a limit stops at the
// largest amount (saturates) instead of refusing. Held and spent together stay below that bound, so remaining = granted − held − spent always fits its
// column. No figure falls below zero: a lower charge does not take back again what a credit has taken back already.
function checkedForBounds(state: State, slot: number, charge: Charge): Charge | CommandRejected {
  const { lines, balances, holds } = state;
  const { placeOf } = holds.units[slot];
  const open = holds.status[slot] === OPEN;
  for (let place = 0; place < charge.charged.length; place += 1) {
    const back = charge.before[place] - charge.charged[place];
    if (back > state.spentTotal[holds.units[slot].units[place]])
      return rejected('credit_exceeds_spent', back);
  }
  for (let line = 0; line < lines.count; line += 1) {
    const place = placeOf[lines.budgets[line].unit];
    const balance = lines.slots[line];
    const back = charge.before[place] - charge.charged[place];
    if (back > balances.spent[balance] && !balances.isSaturated(balance))
      return rejected('credit_exceeds_spent', back);
    if (saturates(state, lines.budgets[line], balance)) continue;
    const leaving = open ? holds.figure(slot, place) : 0n;
    const total =
      balances.spent[balance] +
      balances.held[balance] -
      leaving -
      charge.before[place] +
      charge.charged[place];
    if (total > AMOUNT_MAX) return rejected('amount_overflow', charge.charged[place]);
  }
  return charge;
}

/** The strictest caps that the hold's request stated for one of its lines (rule H1); undefined for a budget's own. */
export function grantCap(
  state: State,
  slot: number,
  line: number,
): { readonly total: bigint | undefined; readonly perHold: bigint | undefined } | undefined {
  const budget = state.lines.budgets[line];
  if (!budget.forGrants) return undefined;
  let total: bigint | undefined;
  let perHold: bigint | undefined;
  for (const grant of state.holds.extrasOf(slot).grants) {
    if (grantValues(grant) !== state.lines.values[line]) continue;
    if (grant.unit === budget.spec.unit) {
      total = stricter(total, grant.maxTotal);
      perHold = stricter(perHold, grant.maxPerHold);
    }
    if (budget.unit === CALLS && grant.maxCalls !== undefined)
      total = stricter(total, BigInt(grant.maxCalls));
  }
  return { total, perHold };
}

function stricter(left: bigint | undefined, right: bigint | undefined): bigint | undefined {
  if (left === undefined || right === undefined) return left ?? right;
  return left < right ? left : right;
}

/** The account of a grant: its wildcard labels are `capability` and `grant`, in this order. */
export function grantValues(grant: Pick<GrantCaps, 'capability' | 'grant'>): string {
  return grant.capability + SEPARATOR + grant.grant;
}

const NO_LINES: readonly number[] = [];

/** The lines whose account this charge uses up, of budgets that pause themselves then (rule G3). */
export function pausedLines(state: State, slot: number, charge: Charge, at: number): readonly number[] {
  const { lines } = state;
  const { placeOf } = state.holds.units[slot];
  let paused = NO_LINES;
  for (let line = 0; line < lines.count; line += 1) {
    if (!lines.budgets[line].pausesWhenUsedUp) continue;
    const place = placeOf[lines.budgets[line].unit];
    if (!usesUp(state, line, charge.charged[place] - charge.before[place], at)) continue;
    paused = [...paused, line];
  }
  return paused;
}

/** Whether spending so much more uses up the balance of an active account in the window that is in force. */
export function usesUp(state: State, line: number, spending: bigint, at: number): boolean {
  const { lines, balances } = state;
  const slot = lines.slots[line];
  const budget = lines.budgets[line];
  if (lines.windows[line] !== budget.current || at >= lines.windows[line].end) return false;
  if (budget.statusOf(lines.values[line]) !== 'active') return false;
  const limit = slot < 0 ? budget.limitOf(lines.values[line]) : null;
  if (slot < 0 ? limit === null : balances.isMetered(slot)) return false;
  const granted = slot < 0 ? (limit as bigint) : balances.granted[slot];
  const spent = slot < 0 ? 0n : balances.spent[slot];
  return spent + spending >= granted;
}
