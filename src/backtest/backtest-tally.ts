// Counts what a backtest sees, outcome by outcome in trace time: totals, refusals, each balance's figures as the ledger
// stated them last, and the exposure. Decides nothing. Fed by backtest.ts, read by backtest-report.ts.

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
import { TimeBins } from './backtest-bins.js';
import { Exposure } from './backtest-exposure.js';
import type { TraceRequest } from './trace-request.js';

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

export class BacktestTally {
  readonly balances = new Map<string, BalanceTally>();
  readonly caps = new Map<string, CapTally>();
  readonly users = new Map<string, UserTally>();
  readonly reasons = new Map<string, number>();
  /** A refusal counts once for each budget that it broke, however many caps of it. */
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
    const key = `${line.budgetId}\n${cap}`;
    let tally = this.caps.get(key);
    if (tally === undefined) {
      tally = {
        budgetId: line.budgetId,
        cap,
        unit: line.unit,
        tenants: new Set(),
        users: new Set(),
        firstAt: at,
        lastAt: at,
        refusals: 0,
      };
      this.caps.set(key, tally);
    }
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
    const key = balanceKey(line);
    let balance = this.balances.get(key);
    if (balance === undefined) {
      const { budgetId, values, unit, window } = line;
      balance = {
        budgetId,
        values,
        unit,
        window,
        limit: null,
        granted: null,
        spent: 0n,
        held: 0n,
        peakTaken: 0n,
        openFinalCost: 0n,
        refusals: 0,
      };
      this.balances.set(key, balance);
    }
    balance.limit = line.limit;
    balance.granted = line.granted;
    balance.spent = line.spent;
    balance.held = line.held;
    if (line.spent + line.held > balance.peakTaken) balance.peakTaken = line.spent + line.held;
    return balance;
  }

  #userOf(call: TracedCall): UserTally {
    const { tenant, user } = call.request;
    const key = userKey(tenant, user);
    let tally = this.users.get(key);
    if (tally === undefined) {
      tally = { tenant, user, requests: 0, refused: 0, firstRefusedAt: null, lastRefusedAt: null };
      this.users.set(key, tally);
    }
    return tally;
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
    let exposure = map.get(key);
    if (exposure === undefined) {
      exposure = new Exposure(this.#startAt);
      map.set(key, exposure);
    }
    return exposure;
  }
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
