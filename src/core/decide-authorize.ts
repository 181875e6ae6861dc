// Decides authorisations: every cap of every budget that the labels match is judged, and all that is violated is
// gathered (invariants 1, 3, 4; rules L3, L4, H1, H2). Reads the state, fills `lines`, changes nothing else.

import { AMOUNT_MAX } from './amount.js';
import type { Budget, Window } from './budgets.js';
import { grantValues } from './charge.js';
import type { AuthorizeHold, CandidateCommand } from './commands.js';
import type { CommandRejected, HoldAuthorized, HoldDenied, Skip, WindowsDue } from './effects.js';
import { rejected } from './effects.js';
import { figuresOf } from './line-figures.js';
import {
  ALL_VIOLATIONS,
  CLOSED,
  FORCED_EXHAUSTED,
  HELD_MAX,
  IS_FORCED,
  IS_METERED,
  LIMIT,
  LIMIT_STATED,
  LineSet,
  PAUSED,
  PER_HOLD_MAX,
  UNIT_MISSING,
} from './lines.js';
import type { MatchedBudget } from './matcher.js';
import { slotOf } from './matcher.js';
import type { DenialReason } from './outcomes.js';
import type { GrantCaps } from './requests.js';
import { grantBudgetId, type State, saturates } from './state.js';
import type { Quantities } from './units.js';
import { CALLS } from './units.js';
import { NEVER_MS } from './window.js';

/** How long to wait when only other holds are in the way. Calls usually end within seconds, but nobody knows when. */
export const HELD_RETRY_MS = 1_000;

/** How many budgets one hold may count towards. More than these are a mistake in the definitions. */
export const LINES_MAX = 255;

/** Causes of a denial, the one that lasts longest first. The order agrees with `causeOf` and with VIOLATIONS (lines.ts). */
const REASONS: readonly DenialReason[] = [
  'no_budget',
  'unit_missing',
  'closed',
  'too_large',
  'paused',
  'exhausted',
  'held',
];

type Judgement = 'fits' | 'windows_due' | 'amount_overflow' | 'too_many_budgets' | DenialReason;

export function decideAuthorize(
  state: State,
  command: AuthorizeHold,
  at: number,
): HoldAuthorized | HoldDenied | CommandRejected | WindowsDue {
  const { candidates } = command;
  const invalid = candidates === null ? invalidAmounts(command) : invalidCandidate(command);
  if (invalid !== null) return invalid;
  if (state.holds.index.get(command.holdId) !== -1) return rejected('hold_already_exists', command.holdId);
  if (candidates === null) {
    const judgement = judgeCandidate(state, command, command.labels, command.amounts, at, state.lines);
    return concluded(
      state,
      command,
      { index: -1, labels: command.labels, amounts: command.amounts },
      judgement,
      NONE_SKIPPED,
      at,
    );
  }
  const skipped: Skip[] = [];
  for (let index = 0; ; index += 1) {
    const { labels, amounts } = candidates[index];
    const judgement = judgeCandidate(state, command, labels, amounts, at, state.lines);
    const goesOn = isReason(judgement) && index < candidates.length - 1;
    if (!goesOn) return concluded(state, command, { index, labels, amounts }, judgement, skipped, at);
    const lines = new LineSet();
    lines.copy(state.lines);
    lines.judged = lines.slots.map((_slot, line) => figuresOf(state, state.lines, line));
    state.lines.clear();
    skipped.push({ candidate: index, reason: judgement, amounts, lines });
  }
}

const NONE_SKIPPED: readonly Skip[] = [];

interface Tried {
  readonly index: number;
  readonly labels: string;
  readonly amounts: Quantities;
}

function isReason(judgement: Judgement): judgement is DenialReason {
  return REASONS.includes(judgement as DenialReason);
}

// What the judgement of the last candidate means for the request.
function concluded(
  state: State,
  command: AuthorizeHold,
  { index: candidate, labels, amounts }: Tried,
  judgement: Judgement,
  skipped: readonly Skip[],
  at: number,
): HoldAuthorized | HoldDenied | CommandRejected | WindowsDue {
  switch (judgement) {
    case 'fits': {
      const slot = state.holds.nextSlot();
      return {
        type: 'hold_authorized',
        slot,
        candidate,
        labels,
        amounts,
        expiresAt: at + command.ttlMs,
        skipped,
      };
    }
    case 'windows_due':
      return windowsDue(state, labels, at);
    case 'amount_overflow':
      return rejected('amount_overflow', command.holdId);
    case 'too_many_budgets':
      return rejected('too_many_budgets', state.lines.count, LINES_MAX);
    default: {
      const retryAfterMs = retryAfter(state, judgement, at);
      const unmet = unmetKeys(state.lines, command.require);
      return { type: 'hold_denied', candidate, reason: judgement, retryAfterMs, amounts, unmet, skipped };
    }
  }
}

/**
 * Judges one candidate; its lines are in `lines` afterwards. Also serves `check`: it may not open windows, so it passes
 * `standIn`, a window to judge by when none is open.
 */
export function judgeCandidate(
  state: State,
  command: Pick<AuthorizeHold, 'extras' | 'require'>,
  labels: string,
  amounts: Quantities,
  at: number,
  lines: LineSet,
  standIn: ((budget: Budget) => Window) | null = null,
): Judgement {
  const { entries } = state.matcher.matched(labels);
  let violations = 0;
  for (let index = 0; index < entries.length; index += 1) {
    const entry = entries[index];
    const { budget, values } = entry;
    const place = amounts.set.placeOf[budget.unit];
    const requested = place < 0 ? 0n : amounts.steps[place];
    const window = budget.current;
    let line: number;
    if (window !== null && at < window.end)
      line = lines.add(budget, window, values, slotOf(entry), requested);
    else if (standIn === null) return 'windows_due';
    else line = lines.add(budget, standIn(budget), values, -1, requested);
    if (!judgeLine(state, lines, line, at)) return 'amount_overflow';
    if (place < 0) lines.flags[line] |= UNIT_MISSING;
    violations |= lines.flags[line];
  }
  const { grants } = command.extras;
  for (let index = 0; index < grants.length; index += 1) {
    if (!judgeGrant(state, lines, grants[index], amounts)) return 'amount_overflow';
  }
  for (let line = entries.length; line < lines.count; line += 1) violations |= lines.flags[line];
  if (lines.count > LINES_MAX) return 'too_many_budgets';
  if (command.require.length > 0 && unmetKeys(lines, command.require).length > 0) return 'no_budget';
  return (violations & ALL_VIOLATIONS) === 0 ? 'fits' : reasonOf(state, lines);
}

/** Marks a line with every cap that its amount violates. False when a sum would pass 2^63−1. */
export function judgeLine(state: State, lines: LineSet, line: number, at: number): boolean {
  const budget = lines.budgets[line];
  const slot = lines.slots[line];
  const amount = lines.requested[line];

  const { balances } = state;
  const held = slot < 0 ? 0n : balances.held[slot];
  const heldAfter = BigInt.asIntN(64, held + amount);
  if (heldAfter < 0n) return false;
  let flags = standingFlags(budget, lines.values[line], at);
  if (budget.heldMax !== null && heldAfter > budget.heldMax) flags |= HELD_MAX;
  if (budget.perHoldMax !== null && amount > budget.perHoldMax) flags |= PER_HOLD_MAX;
  const limit = slot < 0 ? budget.limitOf(lines.values[line]) : null;
  const metered = slot < 0 ? limit === null : balances.isMetered(slot);
  if (metered) {
    flags = (flags & ~(FORCED_EXHAUSTED | IS_FORCED)) | IS_METERED;
    const overflows = slot >= 0 && BigInt.asIntN(64, heldAfter + balances.spent[slot]) < 0n;
    if (overflows && !saturates(state, budget, slot)) return false;
  } else {
    const remaining = slot < 0 ? (limit as bigint) : balances.remaining[slot];
    const granted = slot < 0 ? (limit as bigint) : balances.granted[slot];
    if (amount > remaining || granted === 0n) flags |= LIMIT;
  }
  lines.flags[line] = flags;
  return true;
}

function standingFlags(budget: Budget, values: string, at: number): number {
  const status = budget.statusOf(values);
  const forced = budget.exhaustedUntilOf(values) > at ? FORCED_EXHAUSTED | IS_FORCED : 0;
  return status === 'active' ? forced : forced | (status === 'paused' ? PAUSED : CLOSED);
}

// Rule H1: the caps come from this request; the figures are what the grant has used so far. Two lines: one in the grant's
// unit, one in calls.
function judgeGrant(state: State, lines: LineSet, grant: GrantCaps, amounts: Quantities): boolean {
  const calls = grant.maxCalls === undefined ? undefined : BigInt(grant.maxCalls);
  const line = grantLine(state, lines, grant, grant.unit, amounts);
  if (grant.maxPerHold !== undefined && lines.requested[line] > grant.maxPerHold)
    lines.flags[line] |= PER_HOLD_MAX;
  const callsLine = grantLine(state, lines, grant, state.units.name(CALLS), amounts);
  return judgeTotal(state, lines, line, grant.maxTotal) && judgeTotal(state, lines, callsLine, calls);
}

// The line of a grant in a unit: one balance is one line, however many grants of the request name it.
function grantLine(
  state: State,
  lines: LineSet,
  grant: GrantCaps,
  unit: string,
  amounts: Quantities,
): number {
  const budget = state.budgetById.get(grantBudgetId(unit)) as Budget;
  const values = grantValues(grant);
  for (let line = 0; line < lines.count; line += 1) {
    if (lines.budgets[line] === budget && lines.values[line] === values) return line;
  }
  const [window] = budget.windows;
  const place = amounts.set.placeOf[budget.unit];
  const line = lines.add(
    budget,
    window,
    values,
    window.index.get(values),
    place < 0 ? 0n : amounts.steps[place],
  );
  lines.flags[line] = place < 0 ? UNIT_MISSING | IS_METERED : IS_METERED;
  return line;
}

// Of several caps on one balance the strictest is the line's.
function judgeTotal(state: State, lines: LineSet, line: number, cap: bigint | undefined): boolean {
  const slot = lines.slots[line];
  const amount = lines.requested[line];
  const used = slot < 0 ? 0n : state.balances.held[slot] + state.balances.spent[slot];
  if (amount > AMOUNT_MAX - used) return false;
  if (cap === undefined) return true;
  if (used + amount > cap) lines.flags[line] |= LIMIT;
  const isFirst = (lines.flags[line] & LIMIT_STATED) === 0;
  lines.flags[line] = (lines.flags[line] | LIMIT_STATED) & ~IS_METERED;
  if (isFirst || cap < lines.stated[line]) lines.stated[line] = cap;
  return true;
}

function invalidCandidate(command: AuthorizeHold): CommandRejected | null {
  for (const candidate of command.candidates ?? []) {
    const invalid = invalidAmounts(candidate);
    if (invalid !== null) return invalid;
  }
  return null;
}

// Rule L3: a negative amount, or stated amounts that are all zero; the implied call is not stated.
function invalidAmounts({ amounts, callsStated }: CandidateCommand): CommandRejected | null {
  const { set, steps } = amounts;
  let positive = false;
  let stated = false;
  for (let place = 0; place < steps.length; place += 1) {
    if (steps[place] < 0n) return rejected('invalid_amount', steps[place], 0);
    if (set.units[place] === CALLS && !callsStated) continue;
    stated = true;
    if (steps[place] > 0n) positive = true;
  }
  return stated && !positive ? rejected('invalid_amount', 0, 1) : null;
}

/** Of all violations, the cause that lasts longest. */
export function reasonOf(state: State, lines: LineSet): DenialReason {
  let worst = REASONS.length - 1;
  for (let line = 0; line < lines.count; line += 1) {
    if ((lines.flags[line] & ALL_VIOLATIONS) === 0) continue;
    worst = Math.min(worst, REASONS.indexOf(causeOf(state, lines, line)));
  }
  return REASONS[worst];
}

function causeOf(state: State, lines: LineSet, line: number): DenialReason {
  const flags = lines.flags[line];
  const slot = lines.slots[line];
  if (flags & UNIT_MISSING) return 'unit_missing';
  if (flags & CLOSED) return 'closed';
  const amount = lines.requested[line];
  const spent = slot < 0 ? 0n : state.balances.spent[slot];
  const granted = grantedOf(state, lines, line);
  const aboveHeldMax = (flags & HELD_MAX) !== 0 && amount > (lines.budgets[line].heldMax as bigint);
  const aboveLimit = (flags & LIMIT) !== 0 && granted > 0n && amount > granted;
  if (flags & PER_HOLD_MAX || aboveHeldMax || aboveLimit) return 'too_large';
  if (flags & PAUSED) return 'paused';
  if (flags & FORCED_EXHAUSTED) return 'exhausted';
  return flags & LIMIT && (granted === 0n || amount > granted - spent) ? 'exhausted' : 'held';
}

function grantedOf(state: State, lines: LineSet, line: number): bigint {
  if (lines.flags[line] & LIMIT_STATED) return lines.stated[line];
  const slot = lines.slots[line];
  return slot < 0 ? (lines.budgets[line].limitOf(lines.values[line]) ?? 0n) : state.balances.granted[slot];
}

// The required label keys that no line with a limit covers. A budget without a limit does not count.
function unmetKeys(lines: LineSet, keys: readonly string[]): string[] {
  return keys.filter((key) => {
    for (let line = 0; line < lines.count; line += 1) {
      const limiting = (lines.flags[line] & IS_METERED) === 0;
      if (limiting && Object.hasOwn(lines.budgets[line].spec.match, key)) return false;
    }
    return true;
  });
}

function retryAfter(state: State, reason: DenialReason, at: number): number {
  const { lines } = state;
  if (reason === 'held') return HELD_RETRY_MS;
  if (reason !== 'exhausted') return 0;
  let until = 0;
  for (let line = 0; line < lines.count; line += 1) {
    const flags = lines.flags[line];
    // Amounts that are only held come back by themselves, and sooner than the window ends.
    if ((flags & ALL_VIOLATIONS) === 0 || causeOf(state, lines, line) !== 'exhausted') continue;
    if (flags & LIMIT) until = Math.max(until, lines.windows[line].end);
    if (flags & FORCED_EXHAUSTED) {
      until = Math.max(until, lines.budgets[line].exhaustedUntilOf(lines.values[line]));
    }
  }
  return until === NEVER_MS ? 0 : Math.max(until - at, HELD_RETRY_MS);
}

/** Names the budgets of a label set whose window in force has ended, or was never opened. */
export function windowsDue(state: State, labels: string, at: number): WindowsDue {
  const lapsed = (entry: MatchedBudget) => !entry.budget.isInForce(at);
  const budgetIds = state.matcher
    .matched(labels)
    .entries.filter(lapsed)
    .map((entry) => entry.budget.id);
  return { type: 'windows_due', budgetIds, instant: at };
}
