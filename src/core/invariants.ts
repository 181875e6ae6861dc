// The invariants (ARCHITECTURE.md) that can be checked on a state alone. Tests check them after every step, and
// `verify` at the end of its walk. Slow on purpose: every figure is summed anew from the holds.

import { balanceId } from './budgets.js';
import { OPEN } from './holds.js';
import type { State } from './state.js';

/** The first invariant that does not hold, in words; null when all do. */
export function stateProblem(state: State): string | null {
  const held = new Map<number, bigint>();
  const open = new Map<number, number>();
  const retained = new Map<number, number>();
  const { holds, balances } = state;
  let openHolds = 0;
  for (let slot = 0; slot < holds.used; slot += 1) {
    if (holds.isFree(slot)) continue;
    const isOpen = holds.status[slot] === OPEN;
    if (isOpen) openHolds += 1;
    const problem = holdProblem(state, slot, isOpen);
    if (problem !== null) return problem;
    for (let line = 0; line < holds.postingCount[slot]; line += 1) {
      const balance = holds.posting(slot, line);
      retained.set(balance, (retained.get(balance) ?? 0) + 1);
      if (!isOpen) continue;
      const unit = balances.windows[balance]?.budget.unit as number;
      held.set(balance, (held.get(balance) ?? 0n) + holds.figure(slot, holds.units[slot].placeOf[unit]));
      open.set(balance, (open.get(balance) ?? 0) + 1);
    }
  }
  if (openHolds !== holds.open || holds.expiry.size !== openHolds)
    return `${openHolds} holds are open, ${holds.open} are counted`;
  for (let slot = 0; slot < balances.used; slot += 1) {
    if (!balances.isLive(slot)) continue;
    const problem = balanceProblem(state, slot, held.get(slot) ?? 0n);
    if (problem !== null) return `${nameOf(state, slot)}: ${problem}`;
    if (balances.openHolds[slot] !== (open.get(slot) ?? 0))
      return `${nameOf(state, slot)}: miscounts its open holds`;
    if (balances.retainedHolds[slot] !== (retained.get(slot) ?? 0))
      return `${nameOf(state, slot)}: miscounts its holds`;
  }
  return null;
}

function nameOf(state: State, slot: number): string {
  const window = state.balances.windows[slot];
  return window === null
    ? `balance ${slot}`
    : balanceId(window.budget.id, state.balances.values[slot], window.start);
}

function holdProblem(state: State, slot: number, isOpen: boolean): string | null {
  const { holds } = state;
  if (holds.index.get(holds.ids[slot]) !== slot) return `hold ${holds.ids[slot]} is not found by its id`;
  for (let place = 0; place < holds.units[slot].units.length; place += 1) {
    if (holds.figure(slot, place) < 0n) return `hold ${holds.ids[slot]} has a negative figure`;
    if (isOpen && holds.figure(slot, place) > holds.authorized(slot, place)) {
      return `hold ${holds.ids[slot]} holds more than was authorised`;
    }
  }
  return null;
}

// Invariant 1, and rule S3 for what may be negative.
function balanceProblem(state: State, slot: number, heldByHolds: bigint): string | null {
  const { balances } = state;
  const granted = balances.granted[slot];
  const held = balances.held[slot];
  const spent = balances.spent[slot];
  const remaining = balances.remaining[slot];
  if (remaining + held + spent !== granted) {
    return `remaining ${remaining} + held ${held} + spent ${spent} is not granted ${granted}`;
  }
  if (held !== heldByHolds) return `held is ${held}, its open holds make ${heldByHolds}`;
  if (held < 0n || spent < 0n || granted < 0n) return 'a figure is negative';
  if (remaining < 0n && !balances.isMetered(slot) && !balances.mayBeNegative(slot)) {
    return `remaining is ${remaining} though nothing allowed it`;
  }
  return null;
}
