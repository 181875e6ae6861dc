// The second of the four verbs, and the only code that changes the state. It takes the effect that decide returned, or
// that the journal recorded, and cannot fail: everything that can be refused has been refused before. Keeps
// invariants 1, 4, 6, 8, 9.

import { applyAccount, applyDefinitions, applyRestore, standingOfLine } from './apply-account.js';
import type { Budget } from './budgets.js';
import { Window } from './budgets.js';
import type { AuthorizeHold, CoreCommand, OpenLedger, OpenWindow, TakeSnapshot } from './commands.js';
import type {
  Administration,
  Effect,
  HoldAuthorized,
  HoldCharged,
  HoldExtended,
  SpendCredited,
  SpendRecorded,
} from './effects.js';
import { hashText } from './hash-index.js';
import type { EndedList } from './holds.js';
import { EXPIRED, OPEN, OVERRUN_RECORD, RELEASED, REVERSED, SETTLED } from './holds.js';
import { UNIT_MISSING } from './lines.js';
import type { State } from './state.js';
import { CALLS } from './units.js';

/** Applies a decided command at its time. Returns whether it changed something, and so took a commit position. */
export function apply(state: State, command: CoreCommand, effect: Effect, at: number): boolean {
  state.sequence += 1;
  state.time = at;
  const changed = applyEffect(state, command, effect, at);
  if (changed) state.position += 1;
  if (command.commandId !== null) rememberCommandId(state, command.commandId, at);
  forgetOld(state, at);
  return changed;
}

function applyEffect(state: State, command: CoreCommand, effect: Effect, at: number): boolean {
  switch (effect.type) {
    case 'hold_authorized':
      applyAuthorized(state, command as AuthorizeHold, effect, at);
      return true;
    case 'hold_settled':
    case 'hold_corrected':
    case 'hold_expired':
      applyCharged(state, effect, at);
      return true;
    case 'hold_extended':
      applyExtended(state, effect);
      return true;
    case 'hold_released':
      applyReleased(state, effect.slot, effect.returned, effect.ends, at);
      return true;
    case 'hold_reversed':
      applyReversed(state, effect.slot, at);
      return true;
    case 'spend_recorded':
      applyRecorded(state, effect);
      return true;
    case 'spend_credited':
      applyCredited(state, effect);
      return true;
    case 'hold_denied':
    case 'command_rejected':
      return false;
    default:
      return applyAdministration(state, command, effect, at);
  }
}

function applyAdministration(
  state: State,
  command: CoreCommand,
  effect: Administration,
  at: number,
): boolean {
  switch (command.kind) {
    case 'open_window':
      applyWindow(state, command, at);
      return false;
    case 'open_ledger':
      applyOpened(state, command);
      return false;
    case 'take_snapshot':
      applySnapshot(state, command);
      return false;
    case 'record_facts':
      return false;
    case 'put_definitions':
      if (effect.changes) applyDefinitions(state, command);
      return effect.changes;
    case 'restore_snapshot':
      applyRestore(state, command);
      return true;
    case 'top_up':
    case 'set_budget_status':
    case 'exhaust_budget':
    case 'set_balance_limit':
      if (effect.changes) applyAccount(state, command, effect);
      return effect.changes;
    default:
      throw new Error(`bug: ${effect.type} is not what ${command.kind} does`);
  }
}

/** Opens the balances that do not exist yet. Until then, their lines have the slot -1. */
function openBalances(state: State): void {
  const { lines, balances } = state;
  for (let line = 0; line < lines.count; line += 1) {
    if (lines.slots[line] !== -1 || lines.flags[line] & UNIT_MISSING) continue;
    const { budgets, windows, values } = lines;
    // Two grants of one request may name the same balance. The first of them opens it.
    const known = windows[line].index.get(values[line]);
    lines.slots[line] =
      known === -1 ? balances.open(windows[line], values[line], budgets[line].limitOf(values[line])) : known;
  }
}

function applyAuthorized(state: State, command: AuthorizeHold, effect: HoldAuthorized, at: number): void {
  const { lines, balances, holds } = state;
  const { set, steps } = effect.amounts;
  openBalances(state);
  const { holdId: id, overrun, chargeOnExpiry, extras } = command;
  const slot = holds.add(
    {
      id,
      labels: effect.labels,
      units: set,
      steps,
      openedAt: at,
      openedSequence: state.sequence,
      expiresAt: effect.expiresAt,
      overrun,
      chargeOnExpiry,
      extras,
    },
    lines.count,
  );
  for (let line = 0; line < lines.count; line += 1) {
    const balance = lines.slots[line];
    holds.setPosting(slot, line, balance);
    balances.post(balance, steps[set.placeOf[lines.budgets[line].unit]], 0n);
    balances.openHolds[balance] += 1;
    balances.retainedHolds[balance] += 1;
  }
}

function applyCharged(state: State, effect: HoldCharged, at: number): void {
  const { holds, lines, balances } = state;
  const { slot, charged } = effect;
  const wasOpen = holds.status[slot] === OPEN;
  const { units, placeOf } = holds.units[slot];
  for (let line = 0; line < lines.count; line += 1) {
    const place = placeOf[lines.budgets[line].unit];
    const balance = lines.slots[line];
    const figure = holds.figure(slot, place);
    if (wasOpen) balances.settle(balance, figure, charged[place]);
    else balances.post(balance, 0n, charged[place] - figure);
    if (balances.remaining[balance] < 0n && mayOverdraw(state, effect, slot)) balances.allowNegative(balance);
    if (wasOpen) balances.openHolds[balance] -= 1;
  }
  for (let place = 0; place < units.length; place += 1) {
    const before = wasOpen ? 0n : holds.figure(slot, place);
    state.spentTotal[units[place]] += charged[place] - before;
    holds.setFigure(slot, place, charged[place]);
  }
  pauseLines(state, effect.pausedLines);
  if (effect.type === 'hold_settled' && !wasOpen) holds.settleLate(slot, effect.ending);
  else if (effect.type !== 'hold_corrected') {
    holds.end(slot, effect.type === 'hold_expired' ? EXPIRED : SETTLED, at, effect.ending);
  }
}

// Invariant 2 and rule S3: only spend that is booked whatever it is may take a balance below zero.
function mayOverdraw(state: State, effect: HoldCharged, slot: number): boolean {
  return effect.late || state.holds.overrun(slot) === OVERRUN_RECORD;
}

function pauseLines(state: State, pausedLines: readonly number[]): void {
  for (const line of pausedLines) standingOfLine(state, line).status = 'paused';
}

function applyExtended(state: State, effect: HoldExtended): void {
  const { holds, lines, balances } = state;
  const { slot, added } = effect;
  if (effect.expiresAt !== holds.expiresAt[slot]) holds.setExpiry(slot, effect.expiresAt);
  if (added === null) return;
  holds.touch(slot);
  const { placeOf } = holds.units[slot];
  for (let line = 0; line < lines.count; line += 1) {
    balances.post(lines.slots[line], added[placeOf[lines.budgets[line].unit]], 0n);
  }
  for (let place = 0; place < added.length; place += 1) {
    holds.setFigure(slot, place, holds.figure(slot, place) + added[place]);
    holds.setAuthorized(slot, place, holds.authorized(slot, place) + added[place]);
  }
}

// Rule H5: a release leaves the call counted. When it ends the hold, the hold's call moves from held to spent.
function applyReleased(
  state: State,
  slot: number,
  returned: readonly bigint[],
  ends: boolean,
  at: number,
): void {
  const { holds, lines, balances } = state;
  const { units, placeOf } = holds.units[slot];
  const spent = units.map((unit, place) => (ends && unit === CALLS ? holds.figure(slot, place) : 0n));
  for (let line = 0; line < lines.count; line += 1) {
    const place = placeOf[lines.budgets[line].unit];
    balances.post(lines.slots[line], -(returned[place] + spent[place]), spent[place]);
    if (ends) balances.openHolds[lines.slots[line]] -= 1;
  }
  for (let place = 0; place < units.length; place += 1) {
    state.spentTotal[units[place]] += spent[place];
    holds.setFigure(slot, place, ends ? spent[place] : holds.figure(slot, place) - returned[place]);
  }
  if (ends) holds.end(slot, RELEASED, at, 0);
  else holds.touch(slot);
}

function applyReversed(state: State, slot: number, at: number): void {
  const { holds, lines, balances } = state;
  const { units, placeOf } = holds.units[slot];
  for (let line = 0; line < lines.count; line += 1) {
    balances.post(lines.slots[line], -holds.figure(slot, placeOf[lines.budgets[line].unit]), 0n);
    balances.openHolds[lines.slots[line]] -= 1;
  }
  for (let place = 0; place < units.length; place += 1) holds.setFigure(slot, place, 0n);
  holds.end(slot, REVERSED, at, 0);
}

function applyRecorded(state: State, effect: SpendRecorded): void {
  const { lines, balances } = state;
  const { set, steps } = effect.amounts;
  openBalances(state);
  for (let line = 0; line < lines.count; line += 1) {
    if (lines.slots[line] === -1 || lines.flags[line] & UNIT_MISSING) continue;
    balances.post(lines.slots[line], 0n, steps[set.placeOf[lines.budgets[line].unit]]);
    balances.allowNegative(lines.slots[line]);
  }
  for (let place = 0; place < steps.length; place += 1) state.spentTotal[set.units[place]] += steps[place];
  pauseLines(state, effect.pausedLines);
}

// A balance that does not exist has nothing to give back, and is not opened for it.
function applyCredited(state: State, { set, returned }: SpendCredited): void {
  const { lines, balances } = state;
  for (let line = 0; line < lines.count; line += 1) {
    if (lines.slots[line] === -1 || lines.flags[line] & UNIT_MISSING) continue;
    balances.post(lines.slots[line], 0n, -returned[set.placeOf[lines.budgets[line].unit]]);
  }
  for (let place = 0; place < returned.length; place += 1)
    state.spentTotal[set.units[place]] -= returned[place];
}

/** Opens a window of a budget; it is the one in force when it contains the ledger's time. */
export function applyWindow(
  state: State,
  command: Pick<OpenWindow, 'budgetId' | 'start' | 'end'>,
  at: number,
): void {
  const budget = state.budgetById.get(command.budgetId) as Budget;
  const { balances } = state;
  // A restored snapshot may have brought a window that is in force only now.
  let window = budget.windows.find((known) => known.start === command.start);
  if (window === undefined) {
    window = new Window(
      budget,
      command.start,
      command.end,
      state.options.seed,
      (slot) => balances.values[slot],
    );
    budget.windows.push(window);
    // A budget without wildcards is one balance, and has it from the start; others get theirs at first use.
    if (budget.wildcards.length === 0) balances.open(window, '', budget.limitOf(''));
  }
  if (at >= window.start && at < window.end) budget.current = window;
  closeOldWindows(state, budget, at);
}

// Windows that ended before the retention period leave memory. Balances stay as long as a hold in memory is posted to
// them.
function closeOldWindows(state: State, budget: Budget, at: number): void {
  const { balances } = state;
  for (let index = budget.windows.length - 1; index >= 0; index -= 1) {
    const window = budget.windows[index];
    if (window === budget.current || window.end + state.retentionMs > at) continue;
    let kept = -1;
    for (let slot = window.firstBalance; slot !== -1; ) {
      const next = balances.next[slot];
      if (balances.retainedHolds[slot] > 0) {
        balances.next[slot] = kept;
        kept = slot;
      } else {
        window.index.removeHash(hashText(balances.values[slot], window.index.seed), slot);
        window.balanceCount -= 1;
        balances.free(slot);
        state.balanceGeneration += 1;
      }
      slot = next;
    }
    window.firstBalance = kept;
    if (kept === -1) budget.windows.splice(index, 1);
  }
}

function applyOpened(state: State, command: OpenLedger): void {
  state.authorityId = command.authorityId;
  state.epoch = command.epoch;
  state.term = `${command.authorityId}:${command.epoch}`;
  state.retentionMs = command.retentionMs;
  state.endedHoldsMax = command.endedHoldsMax;
  if (state.sequence === 1) state.commandIds.seed = command.seed;
}

// Rule S5: the certified baseline only rises.
function applySnapshot(state: State, command: TakeSnapshot): void {
  state.snapshotVersion += 1;
  if (!command.certify) return;
  for (let unit = 0; unit < state.spentTotal.length; unit += 1) {
    if (state.spentTotal[unit] > state.certifiedTotal[unit])
      state.certifiedTotal[unit] = state.spentTotal[unit];
  }
}

function rememberCommandId(state: State, commandId: string, at: number): void {
  const tag = hashText(commandId, state.commandIds.seed);
  state.commandIds.addHash(tag, state.sequence);
  state.commandIdAges.push(tag, state.sequence, at);
}

// Ended holds and command ids leave memory after the retention period. Each command forgets a few of them, so the
// work is bounded.
function forgetOld(state: State, at: number): void {
  const { holds, commandIdAges, commandIds } = state;
  const before = at - state.retentionMs;
  if (before > state.horizon) state.horizon = before;
  forgetHolds(state, holds.ended, before, state.endedHoldsMax);
  forgetHolds(state, holds.expired, before, Number.POSITIVE_INFINITY);
  for (let step = 0; step < FORGET_STEPS && commandIdAges.firstTime() < before; step += 1) {
    commandIds.removeHash(commandIdAges.firstTag(), commandIdAges.firstSequence());
    commandIdAges.dropFirst();
  }
}

/** Whether an ended hold may leave memory while so many further commands are applied at this time. */
export function mayBeForgotten(
  { holds, retentionMs, endedHoldsMax }: State,
  slot: number,
  { at, commands }: { at: number; commands: number },
): boolean {
  if (holds.status[slot] === OPEN || commands === 0) return false;
  if (holds.endedAt[slot] >= at - retentionMs && holds.ended.count + commands <= endedHoldsMax) return false;
  return [holds.ended, holds.expired].some(({ first }) => {
    let each = first;
    for (let left = commands * FORGET_STEPS; left > 0 && each !== -1; left -= 1) {
      if (each === slot) return true;
      each = holds.next[each];
    }
    return false;
  });
}

/**
 * How many entries one command forgets at most. More than one, so that memory shrinks while new commands add entries.
 */
const FORGET_STEPS = 4;

function forgetHolds(state: State, list: EndedList, before: number, countMax: number): void {
  const { holds, balances } = state;
  for (let step = 0; step < FORGET_STEPS && list.first !== -1; step += 1) {
    const slot = list.first;
    if (list.count <= countMax && holds.endedAt[slot] >= before) return;
    for (let line = 0; line < holds.postingCount[slot]; line += 1) {
      balances.retainedHolds[holds.posting(slot, line)] -= 1;
    }
    holds.freeFirst(list);
  }
}
