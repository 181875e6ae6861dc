// Decides what happens to a hold after its authorisation. The order of checks is rule H7: unknown hold, labels or grant,
// not open, amounts, authority; a refusal writes no figures. How an excess is treated is in charge.ts.

import { AMOUNT_MAX } from './amount.js';
import type { Charge } from './charge.js';
import { chargeActual, chargeCorrected, grantCap, pausedLines } from './charge.js';
import type {
  CorrectHold,
  ExpireHold,
  ExtendHold,
  HoldClaims,
  HoldCommand,
  ReleaseHold,
  ReverseHold,
  SettleHold,
} from './commands.js';
import { judgeLine, reasonOf } from './decide-authorize.js';
import type { CommandRejected, HoldCharged, HoldExtended, HoldReleased, HoldReversed } from './effects.js';
import { rejected } from './effects.js';
import { EXPIRED, OPEN, SETTLED } from './holds.js';
import { ALL_VIOLATIONS, IS_FORCED, IS_METERED } from './lines.js';
import type { RejectionCode } from './rejections.js';
import type { Lease } from './requests.js';
import { type State, saturates } from './state.js';
import type { Quantities } from './units.js';
import { CALLS } from './units.js';

const ENDED_AS: readonly (RejectionCode | null)[] = [
  null,
  'hold_already_settled',
  'hold_already_released',
  'hold_already_reversed',
  'hold_already_expired',
];

export function decideHold(
  state: State,
  command: HoldCommand,
  at: number,
): HoldExtended | HoldReleased | HoldReversed | HoldCharged | CommandRejected {
  const slot = state.holds.index.get(command.holdId);
  if (slot === -1) return rejected('hold_not_found', command.holdId);
  const mismatch = identityMismatch(state, slot, command.stated);
  if (mismatch !== null) return mismatch;
  const effect = decideOn(state, slot, command, at);
  if (effect.type === 'command_rejected') return effect;
  return authorityMismatch(state.holds.extrasOf(slot).lease, command.stated.authority) ?? effect;
}

function decideOn(
  state: State,
  slot: number,
  command: HoldCommand,
  at: number,
): HoldExtended | HoldReleased | HoldReversed | HoldCharged | CommandRejected {
  const status = state.holds.status[slot];
  if (command.kind === 'correct_hold') {
    return status === SETTLED
      ? decideCorrect(state, slot, command, at)
      : rejected('hold_not_settled', command.holdId);
  }
  const settlesLate = command.kind === 'settle_hold' && status === EXPIRED;
  if (status !== OPEN && !settlesLate) return rejected(ENDED_AS[status] as RejectionCode, command.holdId);
  switch (command.kind) {
    case 'settle_hold':
      return decideSettle(state, slot, command, at);
    case 'extend_hold':
      return decideExtend(state, slot, command, at);
    case 'release_hold':
      return decideRelease(state, slot, command, at);
    case 'reverse_hold':
      return decideReverse(state, slot, command, at);
  }
}

function identityMismatch(state: State, slot: number, stated: HoldClaims): CommandRejected | null {
  if (stated.labels !== null && stated.labels !== state.holds.labels[slot])
    return rejected('labels_mismatch');
  if (stated.grant === null) return null;
  const { capability, grant } = stated.grant;
  const isIts = (own: { capability: string; grant: string }) =>
    own.capability === capability && own.grant === grant;
  return state.holds.extrasOf(slot).grants.some(isIts)
    ? null
    : rejected('grant_mismatch', `${capability}/${grant}`);
}

// Rule H8: a hold opened under a lease is handled under the same one; each way to differ has its own code.
function authorityMismatch(own: Lease | null, stated: Lease | null): CommandRejected | null {
  if (own === null) return stated === null ? null : rejected('authority_unexpected', stated.authorityId);
  if (stated === null) return rejected('authority_missing', '', own.authorityId);
  if (stated.authorityId !== own.authorityId)
    return rejected('authority_other', stated.authorityId, own.authorityId);
  if (stated.leaseId !== own.leaseId) return rejected('lease_other', stated.leaseId, own.leaseId);
  if (stated.epoch < own.epoch) return rejected('epoch_older', BigInt(stated.epoch), BigInt(own.epoch));
  return stated.epoch > own.epoch ? rejected('epoch_newer', BigInt(stated.epoch), BigInt(own.epoch)) : null;
}

/**
 * Stated amounts by place of the hold's units; undefined where a unit is not stated. Refuses a negative amount, and a
 * unit that the hold does not have.
 */
function byPlace(state: State, slot: number, amounts: Quantities): (bigint | undefined)[] | CommandRejected {
  const own = state.holds.units[slot];
  const steps = new Array<bigint | undefined>(own.units.length);
  for (let place = 0; place < steps.length; place += 1) steps[place] = undefined;
  for (let index = 0; index < amounts.steps.length; index += 1) {
    const place = own.placeOf[amounts.set.units[index]];
    if (place < 0) return rejected('unit_not_held', state.units.name(amounts.set.units[index]));
    if (amounts.steps[index] < 0n) return rejected('invalid_amount', amounts.steps[index], 0);
    steps[place] = amounts.steps[index];
  }
  return steps;
}

/** Fills the lines with the balances of a hold, as they stand at this time. */
function linesOfHold(state: State, slot: number, steps: readonly bigint[], at: number): void {
  const { holds, balances, lines } = state;
  const { placeOf } = holds.units[slot];
  for (let index = 0; index < holds.postingCount[slot]; index += 1) {
    const balance = holds.posting(slot, index);
    const window = balances.windows[balance];
    if (window === null) throw new Error('bug: a hold is posted to a balance that is gone');
    const amount = steps[placeOf[window.budget.unit]];
    const values = balances.values[balance];
    const line = lines.add(window.budget, window, values, balance, amount);
    if (balances.isMetered(balance)) lines.flags[line] = IS_METERED;
    else if (at < window.end && window.budget.exhaustedUntilOf(values) > at) lines.flags[line] = IS_FORCED;
  }
}

function decideSettle(
  state: State,
  slot: number,
  command: SettleHold,
  at: number,
): HoldCharged | CommandRejected {
  const late = state.holds.status[slot] === EXPIRED;
  const { holds } = state;
  const { units } = holds.units[slot];
  const actual = byPlace(state, slot, command.amounts) as bigint[] | CommandRejected;
  if (!Array.isArray(actual)) return actual;
  for (let place = 0; place < units.length; place += 1) {
    if (actual[place] !== undefined) continue;
    if (units[place] !== CALLS) return rejected('unit_not_stated', state.units.name(units[place]));
    actual[place] = holds.figure(slot, place);
  }
  if (command.exposure !== null) {
    const differs = exposureDiffers(state, slot, command.exposure);
    if (differs !== null) return differs;
  }
  linesOfHold(state, slot, actual, at);
  const charge = chargeActual(state, slot, actual, late);
  if (charge.type === 'command_rejected') return charge;
  return charged(state, slot, 'hold_settled', charge, { ending: command.ending, late, at });
}

// Rule H6: the exposure that the caller states must equal what is still held.
function exposureDiffers(state: State, slot: number, exposure: Quantities): CommandRejected | null {
  const stated = byPlace(state, slot, exposure);
  if (!Array.isArray(stated)) return stated;
  for (let place = 0; place < stated.length; place += 1) {
    const held = state.holds.status[slot] === OPEN ? state.holds.figure(slot, place) : 0n;
    if (stated[place] !== undefined && stated[place] !== held) {
      return rejected('exposure_mismatch', stated[place] as bigint, held);
    }
  }
  return null;
}

function decideCorrect(
  state: State,
  slot: number,
  command: CorrectHold,
  at: number,
): HoldCharged | CommandRejected {
  const stated = byPlace(state, slot, command.amounts);
  if (!Array.isArray(stated)) return stated;
  const final = stated.map((steps, place) => steps ?? state.holds.figure(slot, place));
  linesOfHold(state, slot, final, at);
  const charge = chargeCorrected(state, slot, final);
  if (charge.type === 'command_rejected') return charge;
  const how = { ending: state.holds.ending[slot], late: state.holds.isLate(slot), at };
  return charged(state, slot, 'hold_corrected', charge, how);
}

function charged(
  state: State,
  slot: number,
  type: HoldCharged['type'],
  charge: Charge,
  how: { readonly ending: number; readonly late: boolean; readonly at: number },
): HoldCharged {
  const { lines } = state;
  const { placeOf } = state.holds.units[slot];
  for (let line = 0; line < lines.count; line += 1) {
    lines.requested[line] = charge.charged[placeOf[lines.budgets[line].unit]];
  }
  return {
    type,
    slot,
    set: state.holds.units[slot],
    charged: charge.charged,
    returned: charge.returned,
    late: how.late,
    ending: how.ending,
    cappedPlaces: charge.cappedPlaces,
    pausedLines: pausedLines(state, slot, charge, how.at),
  };
}

function decideExtend(
  state: State,
  slot: number,
  command: ExtendHold,
  at: number,
): HoldExtended | CommandRejected {
  const { holds, lines, balances } = state;
  const expiresAt = command.ttlMs === null ? holds.expiresAt[slot] : at + command.ttlMs;
  if (command.ttlMs !== null && expiresAt <= holds.expiresAt[slot]) {
    return rejected('expiry_not_later', BigInt(expiresAt), BigInt(holds.expiresAt[slot]));
  }
  const { units } = holds.units[slot];
  if (command.add === null) {
    linesOfHold(
      state,
      slot,
      units.map(() => 0n),
      at,
    );
    return { type: 'hold_extended', slot, expiresAt, set: holds.units[slot], added: null };
  }
  const stated = byPlace(state, slot, command.add);
  if (!Array.isArray(stated)) return stated;
  const added = stated.map((steps) => steps ?? 0n);
  const total = added.map((steps, place) => steps + holds.figure(slot, place));
  if (total.some((steps) => steps > AMOUNT_MAX)) return rejected('amount_overflow', command.holdId);
  linesOfHold(state, slot, added, at);
  for (let line = 0; line < lines.count; line += 1) {
    const place = holds.units[slot].placeOf[lines.budgets[line].unit];
    const { spec } = lines.budgets[line];
    const spentAndHeld = balances.held[lines.slots[line]] + balances.spent[lines.slots[line]];
    const overflows =
      spentAndHeld > AMOUNT_MAX - added[place] && !saturates(state, lines.budgets[line], lines.slots[line]);
    if (overflows || !judgeLine(state, lines, line, at)) {
      return rejected('amount_overflow', command.holdId);
    }
    if (added[place] === 0n) lines.flags[line] &= ~ALL_VIOLATIONS;
    const perHoldMax = grantCap(state, slot, line)?.perHold ?? spec.perHoldMax;
    const totalMax = grantCap(state, slot, line)?.total;
    const breaksGrant = totalMax !== undefined && spentAndHeld + added[place] > totalMax;
    const breaksPerHold = perHoldMax !== undefined && total[place] > perHoldMax;
    if (added[place] > 0n && (breaksGrant || breaksPerHold || (lines.flags[line] & ALL_VIOLATIONS) !== 0)) {
      const reason = breaksPerHold ? 'too_large' : breaksGrant ? 'exhausted' : reasonOf(state, lines);
      return rejected('extension_denied', reason, lines.budgets[line].id);
    }
  }
  return { type: 'hold_extended', slot, expiresAt, set: holds.units[slot], added };
}

function decideRelease(
  state: State,
  slot: number,
  command: ReleaseHold,
  at: number,
): HoldReleased | CommandRejected {
  const { holds } = state;
  const { units } = holds.units[slot];
  const stated = command.amounts === null ? null : byPlace(state, slot, command.amounts);
  if (stated !== null && !Array.isArray(stated)) return stated;
  const returned: bigint[] = [];
  let left = false;
  let any = stated === null;
  for (let place = 0; place < units.length; place += 1) {
    const held = holds.figure(slot, place);
    const isCalls = units[place] === CALLS;
    const back = isCalls ? 0n : stated === null ? held : (stated[place] ?? 0n);
    if (isCalls && stated !== null && (stated[place] ?? 0n) > 0n) return rejected('calls_not_released');
    if (back > held) return rejected('release_exceeds_held', back, held);
    if (back > 0n) any = true;
    if (!isCalls && back < held) left = true;
    returned.push(back);
  }
  if (!any) return rejected('invalid_amount', 0, 1);
  linesOfHold(state, slot, returned, at);
  return { type: 'hold_released', slot, set: holds.units[slot], returned, ends: !left };
}

function decideReverse(
  state: State,
  slot: number,
  command: ReverseHold,
  at: number,
): HoldReversed | CommandRejected {
  if (state.holds.isTouched(slot)) return rejected('hold_touched', command.holdId);
  const { units } = state.holds.units[slot];
  const returned = units.map((_unit, place) => state.holds.figure(slot, place));
  linesOfHold(state, slot, returned, at);
  return { type: 'hold_reversed', slot, set: state.holds.units[slot], returned };
}

/** The authority's own: the hold's time is up. The call stays counted, as with a release. */
export function decideExpire(state: State, command: ExpireHold, at: number): HoldCharged {
  const { holds } = state;
  const { slot } = command;
  if (holds.isFree(slot) || holds.status[slot] !== OPEN || holds.expiresAt[slot] > at) {
    throw new Error('bug: a hold expires only once its time is up');
  }
  const { units } = holds.units[slot];
  const stated = holds.extrasOf(slot).expiryCharge;
  const charges = units.map((unit, place) => {
    const held = holds.figure(slot, place);
    if (unit === CALLS) return held;
    if (!holds.chargesOnExpiry(slot)) return 0n;
    const own = stated === null ? -1 : stated.set.placeOf[unit];
    const wanted = own < 0 ? held : (stated as Quantities).steps[own];
    if (wanted > held) return held;
    return wanted;
  });
  const returned = units.map((_unit, place) => holds.figure(slot, place) - charges[place]);
  linesOfHold(state, slot, charges, at);
  const charge: Charge = {
    type: 'charge',
    charged: charges,
    returned,
    before: units.map(() => 0n),
    cappedPlaces: 0,
  };
  return charged(state, slot, 'hold_expired', charge, { ending: 0, late: false, at });
}
