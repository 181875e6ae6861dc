// Counts what a backtest sees, outcome by outcome in trace time: totals, refusals, each balance's figures as the ledger
// stated them last, and how much was held beside what those calls finally cost. Decides nothing. Fed by backtest.ts, read by
// backtest-report.ts.

import type { Amounts } from '../core/amount.js';
import type {
  Authorized,
  BudgetLine,
  BudgetView,
  Denied,
  Settled,
  Violation,
  WindowBounds,
} from '../core/outcomes.js';
import type { Labels } from '../core/requests.js';
import type { TraceRequest } from './trace-spread.js';

/** One request with what is held for it (its worst case, unless costs are foreseen) and its final cost. */
export interface TracedCall {
  readonly request: TraceRequest;
  readonly held: Amounts;
  readonly finalCost: Amounts;
}

/** One balance of one window: its figures as the last outcome stated them. */
export interface BalanceTally {
  readonly budgetId: string;
  readonly values: Labels;
  readonly unit: string;
  readonly window: WindowBounds;
  limit: bigint | null;
  granted: bigint | null;
  spent: bigint;
  held: bigint;
  /** The most that was spent and held together. */
  peakTaken: bigint;
  /** What the calls that are under way on it will finally have cost. */
  openFinalCost: bigint;
  refusals: number;
}

/** Refusals by one cap of one budget; a refusal that broke several caps counts for each. */
export interface CapTally {
  readonly budgetId: string;
  readonly cap: Violation;
  readonly unit: string;
  readonly tenants: Set<string>;
  readonly users: Set<string>;
  readonly firstAt: number;
  lastAt: number;
  refusals: number;
}

export interface UserTally {
  readonly tenant: string;
  readonly user: string;
  requests: number;
  refused: number;
  firstRefusedAt: number | null;
  lastRefusedAt: number | null;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Widths of the histogram's pieces of time, which people read at a glance. */
const WIDTHS_MS = [
  SECOND,
  5 * SECOND,
  15 * SECOND,
  MINUTE,
  2 * MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  HOUR,
  3 * HOUR,
  6 * HOUR,
  12 * HOUR,
  DAY,
  7 * DAY,
  30 * DAY,
];

/** As many lines as a terminal shows beside the rest of the report. */
const BINS_MAX = 20;

interface TimeBin {
  readonly start: number;
  readonly end: number;
  requests: number;
  refused: number;
}

/** The span of a trace in at most 20 equal, round pieces of time, for the histogram of refusals. */
class TimeBins {
  readonly bins: readonly TimeBin[];
  readonly #widthMs: number;
  readonly #start: number;

  constructor(firstAt: number, lastAt: number) {
    const fits = (width: number) => Math.floor(lastAt / width) - Math.floor(firstAt / width) < BINS_MAX;
    this.#widthMs = WIDTHS_MS.find(fits) ?? Math.ceil((lastAt - firstAt + 1) / (BINS_MAX - 1) / DAY) * DAY;
    this.#start = Math.floor(firstAt / this.#widthMs) * this.#widthMs;
    const bins: TimeBin[] = [];
    for (let start = this.#start; start <= lastAt; start += this.#widthMs) {
      bins.push({ start, end: start + this.#widthMs, requests: 0, refused: 0 });
    }
    this.bins = bins;
  }

  binOf(at: number): TimeBin {
    return this.bins[Math.floor((at - this.#start) / this.#widthMs)];
  }
}

/**
 * Held and final cost of the calls under way, of one unit, in all or of one budget: peaks and time-weighted means. All sums are
 * whole steps and step-milliseconds, so that the report is the same on every machine.
 */
export class Exposure {
  #held = 0n;
  #finalCost = 0n;
  #heldStepMs = 0n;
  #finalCostStepMs = 0n;
  #lastAt: number;
  #peakHeld = 0n;
  #finalCostAtPeak = 0n;
  #peakAt: number;

  constructor(readonly startAt: number) {
    this.#lastAt = startAt;
    this.#peakAt = startAt;
  }

  /** A call starts (`direction` 1) or ends (−1) at an instant not before the last one. */
  move(change: { at: number; held: bigint; finalCost: bigint; direction: 1n | -1n }): void {
    this.#passTo(change.at);
    this.#held += change.direction * change.held;
    this.#finalCost += change.direction * change.finalCost;
    if (this.#held > this.#peakHeld) {
      this.#peakHeld = this.#held;
      this.#finalCostAtPeak = this.#finalCost;
      this.#peakAt = change.at;
    }
  }

  /** The figures from the start to this instant; means are rounded down to a step. */
  figuresAt(at: number) {
    this.#passTo(at);
    const spanMs = BigInt(Math.max(1, at - this.startAt));
    return {
      peakHeld: this.#peakHeld,
      /** What the calls that were under way at the peak finally cost. */
      finalCostAtPeak: this.#finalCostAtPeak,
      peakAt: this.#peakAt,
      meanHeld: this.#heldStepMs / spanMs,
      meanFinalCost: this.#finalCostStepMs / spanMs,
    };
  }

  #passTo(at: number): void {
    const passedMs = BigInt(at - this.#lastAt);
    this.#heldStepMs += this.#held * passedMs;
    this.#finalCostStepMs += this.#finalCost * passedMs;
    this.#lastAt = at;
  }
}

export class BacktestTally {
  readonly balances = new Map<string, BalanceTally>();
  readonly caps = new Map<string, CapTally>();
  readonly users = new Map<string, UserTally>();
  readonly reasons = new Map<string, number>();
  /** A refusal counts once for each budget, however many of its caps were broken. */
  readonly refusalsOfBudget = new Map<string, number>();
  readonly exposureByUnit = new Map<string, Exposure>();
  readonly exposureByBudget = new Map<string, Exposure>();
  readonly bins: TimeBins;
  readonly spent = new Map<string, bigint>();
  readonly heldInAll = new Map<string, bigint>();
  /** What the refused requests would have cost. */
  readonly refusedFinalCost = new Map<string, bigint>();
  authorized = 0;
  refused = 0;
  settled = 0;
  /** Refusals each of which would have fitted, had the calls then under way, and it, been held at what they finally cost. */
  refusedByWorstCaseOnly = 0;
  open = 0;
  peakOpen = 0;
  #budgets: ReadonlyMap<string, BudgetView> = new Map();
  readonly #startAt: number;

  constructor(options: { startAt: number; lastArrivalAt: number }) {
    this.#startAt = options.startAt;
    this.bins = new TimeBins(options.startAt, options.lastArrivalAt);
  }

  /** The budgets in force, whose caps say what would have fitted. */
  useBudgets(budgets: readonly BudgetView[]): void {
    this.#budgets = new Map(budgets.map((budget) => [budget.id, budget]));
  }

  noteAuthorized(call: TracedCall, decision: Authorized): void {
    this.authorized++;
    this.open++;
    this.peakOpen = Math.max(this.peakOpen, this.open);
    this.#userOf(call).requests++;
    this.bins.binOf(call.request.at).requests++;
    addAll(this.heldInAll, call.held);
    for (const line of decision.lines) this.#balanceOf(line).openFinalCost += call.finalCost[line.unit] ?? 0n;
    this.#moveExposure({ call, lines: decision.lines, at: decision.at, direction: 1n });
  }

  noteSettled(call: TracedCall, settlement: Settled): void {
    this.settled++;
    this.open--;
    addAll(this.spent, settlement.charged);
    for (const line of settlement.lines)
      this.#balanceOf(line).openFinalCost -= call.finalCost[line.unit] ?? 0n;
    this.#moveExposure({ call, lines: settlement.lines, at: settlement.at, direction: -1n });
  }

  noteDenied(call: TracedCall, decision: Denied): void {
    this.refused++;
    const { at } = call.request;
    const user = this.#userOf(call);
    user.requests++;
    user.refused++;
    user.firstRefusedAt ??= at;
    user.lastRefusedAt = at;
    const bin = this.bins.binOf(at);
    bin.requests++;
    bin.refused++;
    this.reasons.set(decision.reason, (this.reasons.get(decision.reason) ?? 0) + 1);
    addAll(this.refusedFinalCost, call.finalCost);
    for (const line of decision.lines) {
      if (line.violated === null) continue;
      this.#noteRefusal(line);
      for (const cap of line.violations) this.#noteViolation(call, line, cap);
    }
    if (decision.lines.every((line) => this.#fitsAtFinalCost(call, line))) this.refusedByWorstCaseOnly++;
  }

  #noteRefusal(line: BudgetLine): void {
    this.refusalsOfBudget.set(line.budgetId, (this.refusalsOfBudget.get(line.budgetId) ?? 0) + 1);
    // A denial makes no balance in the ledger, so here it only counts on one that is there already.
    const balance = this.balances.get(balanceKey(line));
    if (balance !== undefined) balance.refusals++;
  }

  #noteViolation(call: TracedCall, line: BudgetLine, cap: Violation): void {
    const { tenant, user, at } = call.request;
    const { budgetId, unit } = line;
    const tally = found(this.caps, `${budgetId}\n${cap}`, () => {
      const nobody = { tenants: new Set<string>(), users: new Set<string>() };
      return { budgetId, cap, unit, ...nobody, firstAt: at, lastAt: at, refusals: 0 };
    });
    tally.refusals++;
    tally.lastAt = at;
    tally.tenants.add(tenant);
    tally.users.add(userKey(tenant, user));
  }

  // At this one moment, each refusal by itself: what letting it through would have changed is not replayed here.
  #fitsAtFinalCost(call: TracedCall, line: BudgetLine): boolean {
    const finalCost = call.finalCost[line.unit] ?? 0n;
    const open = this.balances.get(balanceKey(line))?.openFinalCost ?? 0n;
    const budget = this.#budgets.get(line.budgetId);
    return line.violations.every((cap) => {
      if (cap === 'limit') return line.granted !== null && line.spent + open + finalCost <= line.granted;
      if (cap === 'per_hold_max') return finalCost <= (budget?.perHoldMax ?? 0n);
      if (cap === 'held_max') return open + finalCost <= (budget?.heldMax ?? 0n);
      return false;
    });
  }

  #balanceOf(line: BudgetLine): BalanceTally {
    const { budgetId, values, unit, window, limit, granted, spent, held } = line;
    const balance = found(this.balances, balanceKey(line), () => {
      const counts = { peakTaken: 0n, openFinalCost: 0n, refusals: 0 };
      return { budgetId, values, unit, window, limit, granted, spent, held, ...counts };
    });
    Object.assign(balance, { limit, granted, spent, held });
    if (spent + held > balance.peakTaken) balance.peakTaken = spent + held;
    return balance;
  }

  #userOf({ request: { tenant, user } }: TracedCall): UserTally {
    const none = { requests: 0, refused: 0, firstRefusedAt: null, lastRefusedAt: null };
    return found(this.users, userKey(tenant, user), () => ({ tenant, user, ...none }));
  }

  #moveExposure(move: {
    call: TracedCall;
    lines: readonly BudgetLine[];
    at: number;
    direction: 1n | -1n;
  }): void {
    const { call, at, direction } = move;
    for (const [unit, held] of Object.entries(call.held)) {
      this.#exposureOf(this.exposureByUnit, unit).move({
        at,
        held,
        finalCost: call.finalCost[unit],
        direction,
      });
    }
    for (const { budgetId, unit } of move.lines) {
      const held = call.held[unit] ?? 0n;
      const finalCost = call.finalCost[unit] ?? 0n;
      this.#exposureOf(this.exposureByBudget, budgetId).move({ at, held, finalCost, direction });
    }
  }

  #exposureOf(map: Map<string, Exposure>, key: string): Exposure {
    return found(map, key, () => new Exposure(this.#startAt));
  }
}

/** The entry of a map, made where there is none. */
function found<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

function balanceKey(line: { budgetId: string; values: Labels; window: WindowBounds }): string {
  return `${line.budgetId}\n${line.window.start}\n${JSON.stringify(line.values)}`;
}

function userKey(tenant: string, user: string): string {
  return `${tenant}\n${user}`;
}

function addAll(sums: Map<string, bigint>, amounts: Amounts): void {
  for (const [unit, amount] of Object.entries(amounts)) sums.set(unit, (sums.get(unit) ?? 0n) + amount);
}
