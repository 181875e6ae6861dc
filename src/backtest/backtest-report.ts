// A backtest's findings as data: JSON-serialisable, amounts as decimal strings in each unit's natural scale, instants in
// ISO 8601. Built by backtest-findings.ts; backtest-text.ts writes it for people.

import type { CostModel } from './backtest-costs.js';
import type { TraceSource } from './trace.js';
import type { SpreadNote } from './trace-spread.js';

/** Rows in the lists of the most refused and the most used; the totals beside them count all. */
export const TOP_ROWS = 10;

export type Decimals = Readonly<Record<string, string>>;

export interface BacktestReport {
  readonly trace: {
    readonly sources: readonly TraceSource[];
    readonly requests: number;
    readonly firstArrival: string;
    readonly lastArrival: string;
    readonly lastCompletion: string;
  };
  readonly assumptions: {
    readonly spread: SpreadNote | null;
    readonly maxOutputTokens: number;
    /** usd for a million tokens. */
    readonly prices: readonly { readonly model: string; readonly input: string; readonly output: string }[];
    readonly latency: CostModel['latency'];
    readonly ttlMs: number;
  };
  readonly totals: {
    readonly requests: number;
    readonly authorized: number;
    readonly refused: number;
    readonly refusedPercent: string;
    readonly settled: number;
    readonly peakOpen: number;
    /** The worst cases of all that was authorised. */
    readonly heldInAll: Decimals;
    readonly spent: Decimals;
    /** What the refused requests would have cost by the trace. */
    readonly refusedFinalCost: Decimals;
  };
  readonly refusals: {
    readonly first: string | null;
    readonly last: string | null;
    readonly byReason: readonly { readonly reason: string; readonly refusals: number }[];
    readonly byCap: readonly CapRow[];
    readonly byTenant: readonly TenantRow[];
    readonly users: { readonly all: number; readonly refused: number };
    readonly mostRefusedUsers: readonly UserRow[];
    readonly histogram: readonly {
      readonly start: string;
      readonly end: string;
      readonly requests: number;
      readonly refused: number;
    }[];
  };
  readonly budgets: readonly BudgetRow[];
  readonly mostUsedBalances: readonly BalanceRow[];
  readonly headroom: {
    /** Refusals each of which would have fitted, had the calls then under way, and it, been held at their final cost. */
    readonly wouldHaveFitted: number;
    /** The same trace with every call held at its final cost, as if that were known; null when this was not replayed. */
    readonly foreseen: { readonly refused: number; readonly spent: Decimals } | null;
    /** Refusals with the ledger's reason `held`: would have fitted with nothing else under way. */
    readonly refusedHeld: number;
    readonly units: readonly HeadroomRow[];
    readonly budgets: readonly HeadroomRow[];
  };
}

export interface CapRow {
  readonly budgetId: string;
  readonly cap: string;
  readonly refusals: number;
  readonly tenants: number;
  readonly users: number;
  readonly first: string;
  readonly last: string;
}

export interface TenantRow {
  readonly tenant: string;
  readonly requests: number;
  readonly refused: number;
  readonly refusedPercent: string;
  readonly usersRefused: number;
}

export interface UserRow {
  readonly tenant: string;
  readonly user: string;
  readonly requests: number;
  readonly refused: number;
  readonly first: string;
  readonly last: string;
}

export interface BalanceRow {
  readonly budgetId: string;
  readonly values: Readonly<Record<string, string>>;
  readonly unit: string;
  readonly windowStart: string | null;
  readonly windowEnd: string | null;
  readonly granted: string | null;
  readonly spent: string;
  /** Spent as part of granted; null where there is no limit. */
  readonly usedPercent: string | null;
  /** The most that was spent and held together, as part of granted. */
  readonly peakPercent: string | null;
  readonly refusals: number;
}

export interface BudgetRow {
  readonly budgetId: string;
  readonly unit: string;
  readonly window: string;
  readonly limit: string | null;
  /** Balances of all windows that the trace reached. */
  readonly balances: number;
  readonly spent: string;
  /** The sum of what those balances were granted; null where there is no limit. */
  readonly granted: string | null;
  readonly usedPercent: string | null;
  readonly refusals: number;
  readonly worst: BalanceRow | null;
}

export interface HeadroomRow {
  /** The unit's or the budget's name. */
  readonly of: string;
  readonly unit: string;
  readonly peakHeld: string;
  readonly peakAt: string;
  /** What the calls that were held at the peak finally cost. */
  readonly peakFinalCost: string;
  readonly meanHeld: string;
  readonly meanFinalCost: string;
  /** Of what was held on average, the part that was never spent. */
  readonly unusedPercent: string;
}
