// Makes the report of a backtest from its tally: sorts, sums and writes figures as decimal strings. Called by backtest.ts.

import { formatAmount, type Unit } from '../core/amount.js';
import type { BudgetView } from '../core/outcomes.js';
import { parseWindow, windowLabel } from '../core/window.js';
import type { CostModel } from './backtest-costs.js';
import type { Exposure } from './backtest-exposure.js';
import {
  type BacktestReport,
  type BalanceRow,
  type BudgetRow,
  type Decimals,
  type HeadroomRow,
  type TenantRow,
  TOP_ROWS,
} from './backtest-report.js';
import type { BacktestTally, BalanceTally } from './backtest-tally.js';
import type { Trace } from './trace.js';

export interface ReportInput {
  readonly trace: Trace;
  readonly costs: CostModel;
  readonly budgets: readonly BudgetView[];
  readonly units: readonly Unit[];
  readonly tally: BacktestTally;
  /** Of the replay in which every call was held at its final cost; null when there was none. */
  readonly foreseen: BacktestTally | null;
  readonly ttlMs: number;
  readonly endAt: number;
}

type DecimalsOf = (sums: ReadonlyMap<string, bigint>) => Decimals;
type Decimal = (steps: bigint, unit: string) => string;

export function buildReport(input: ReportInput): BacktestReport {
  const { trace, costs, tally } = input;
  const scales = new Map(input.units.map((unit) => [unit.name, unit.scale]));
  const decimal: Decimal = (steps, unit) => formatAmount(steps, scales.get(unit) ?? 0);
  const decimals: DecimalsOf = (sums) =>
    Object.fromEntries([...sums].map(([unit, steps]) => [unit, decimal(steps, unit)]));
  return {
    trace: {
      sources: trace.sources,
      requests: trace.requests.length,
      firstArrival: iso(trace.requests[0].at),
      lastArrival: iso(trace.requests[trace.requests.length - 1].at),
      lastCompletion: iso(input.endAt),
    },
    assumptions: {
      spread: trace.spread,
      maxOutputTokens: costs.maxOutputTokens,
      prices: Object.entries(costs.prices).map(([model, price]) => ({
        model,
        input: decimal(price.inputPerMillion, 'usd'),
        output: decimal(price.outputPerMillion, 'usd'),
      })),
      latency: costs.latency,
      ttlMs: input.ttlMs,
    },
    totals: {
      requests: trace.requests.length,
      authorized: tally.authorized,
      refused: tally.refused,
      refusedPercent: percent(tally.refused, trace.requests.length),
      settled: tally.settled,
      peakOpen: tally.peakOpen,
      heldInAll: decimals(tally.heldInAll),
      spent: decimals(tally.spent),
      refusedFinalCost: decimals(tally.refusedFinalCost),
    },
    refusals: refusalsOf(tally),
    ...budgetsOf(input, decimal),
    headroom: headroomOf(input, decimals, decimal),
  };
}

function refusalsOf(tally: BacktestTally): BacktestReport['refusals'] {
  const users = [...tally.users.values()];
  const refused = users.filter((user) => user.refused > 0);
  const firsts = refused.map((user) => user.firstRefusedAt!);
  const lasts = refused.map((user) => user.lastRefusedAt!);
  return {
    first: refused.length === 0 ? null : iso(firsts.reduce((a, b) => Math.min(a, b))),
    last: refused.length === 0 ? null : iso(lasts.reduce((a, b) => Math.max(a, b))),
    byReason: [...tally.reasons]
      .map(([reason, refusals]) => ({ reason, refusals }))
      .sort((a, b) => b.refusals - a.refusals || compareText(a.reason, b.reason)),
    byCap: [...tally.caps.values()]
      .sort((a, b) => b.refusals - a.refusals || compareText(a.budgetId + a.cap, b.budgetId + b.cap))
      .map((cap) => ({
        budgetId: cap.budgetId,
        cap: cap.cap,
        refusals: cap.refusals,
        tenants: cap.tenants.size,
        users: cap.users.size,
        first: iso(cap.firstAt),
        last: iso(cap.lastAt),
      })),
    byTenant: tenantsOf(tally),
    users: { all: users.length, refused: refused.length },
    mostRefusedUsers: refused
      .sort((a, b) => b.refused - a.refused || compareText(a.tenant + a.user, b.tenant + b.user))
      .slice(0, TOP_ROWS)
      .map(({ tenant, user, requests, refused: count, firstRefusedAt, lastRefusedAt }) => ({
        tenant,
        user,
        requests,
        refused: count,
        first: iso(firstRefusedAt!),
        last: iso(lastRefusedAt!),
      })),
    histogram: tally.bins.bins.map((bin) => ({ ...bin, start: iso(bin.start), end: iso(bin.end) })),
  };
}

function tenantsOf(tally: BacktestTally): readonly TenantRow[] {
  const rows = new Map<string, { requests: number; refused: number; usersRefused: number }>();
  for (const user of tally.users.values()) {
    const row = rows.get(user.tenant) ?? { requests: 0, refused: 0, usersRefused: 0 };
    rows.set(user.tenant, row);
    row.requests += user.requests;
    row.refused += user.refused;
    if (user.refused > 0) row.usersRefused++;
  }
  return [...rows]
    .map(([tenant, row]) => ({ tenant, ...row, refusedPercent: percent(row.refused, row.requests) }))
    .filter((row) => row.refused > 0)
    .sort((a, b) => b.refused - a.refused || compareText(a.tenant, b.tenant))
    .slice(0, TOP_ROWS);
}

function budgetsOf(
  input: ReportInput,
  decimal: Decimal,
): Pick<BacktestReport, 'budgets' | 'mostUsedBalances'> {
  const balances = [...input.tally.balances.values()].sort(byUse);
  const ofBudget = new Map<string, BalanceTally[]>(input.budgets.map((budget) => [budget.id, []]));
  for (const balance of balances) ofBudget.get(balance.budgetId)?.push(balance);
  const rowOf = (balance: BalanceTally): BalanceRow => ({
    budgetId: balance.budgetId,
    values: balance.values,
    unit: balance.unit,
    windowStart: isoOrNull(balance.window.start),
    windowEnd: isoOrNull(balance.window.end),
    granted: balance.granted === null ? null : decimal(balance.granted, balance.unit),
    spent: decimal(balance.spent, balance.unit),
    usedPercent: percentOrNull(balance.spent, balance.granted),
    peakPercent: percentOrNull(balance.peakTaken, balance.granted),
    refusals: balance.refusals,
  });
  const budgets = input.budgets.map((budget): BudgetRow => {
    const own = ofBudget.get(budget.id) ?? [];
    const spent = own.reduce((sum, balance) => sum + balance.spent, 0n);
    const limited = own.length > 0 && own.every((balance) => balance.granted !== null);
    const granted = limited ? own.reduce((sum, balance) => sum + balance.granted!, 0n) : null;
    return {
      budgetId: budget.id,
      unit: budget.unit,
      window: windowLabel(parseWindow(budget.window, 'window')),
      limit: budget.limit === null ? null : decimal(budget.limit, budget.unit),
      balances: own.length,
      spent: decimal(spent, budget.unit),
      granted: granted === null ? null : decimal(granted, budget.unit),
      usedPercent: percentOrNull(spent, granted),
      refusals: input.tally.refusalsOfBudget.get(budget.id) ?? 0,
      worst: own.length === 0 ? null : rowOf(own[0]),
    };
  });
  const limited = balances.filter((balance) => balance.granted !== null);
  return { budgets, mostUsedBalances: limited.slice(0, TOP_ROWS).map(rowOf) };
}

function headroomOf(input: ReportInput, decimals: DecimalsOf, decimal: Decimal): BacktestReport['headroom'] {
  const { tally, foreseen, endAt } = input;
  const row = (named: { of: string; unit: string; exposure: Exposure }): HeadroomRow => {
    const figures = named.exposure.figuresAt(endAt);
    return {
      of: named.of,
      unit: named.unit,
      peakHeld: decimal(figures.peakHeld, named.unit),
      peakAt: iso(figures.peakAt),
      peakFinalCost: decimal(figures.finalCostAtPeak, named.unit),
      meanHeld: decimal(figures.meanHeld, named.unit),
      meanFinalCost: decimal(figures.meanFinalCost, named.unit),
      unusedPercent: percent(figures.meanHeld - figures.meanFinalCost, figures.meanHeld),
    };
  };
  return {
    wouldHaveFitted: tally.refusedByWorstCaseOnly,
    foreseen: foreseen === null ? null : { refused: foreseen.refused, spent: decimals(foreseen.spent) },
    refusedHeld: tally.reasons.get('held') ?? 0,
    units: [...tally.exposureByUnit].map(([unit, exposure]) => row({ of: unit, unit, exposure })),
    budgets: input.budgets.flatMap(({ id, unit }) => {
      const exposure = tally.exposureByBudget.get(id);
      return exposure === undefined ? [] : [row({ of: id, unit, exposure })];
    }),
  };
}

/** The most used first; those without a limit last. Exact: shares are compared by cross-multiplication. */
function byUse(a: BalanceTally, b: BalanceTally): number {
  if (a.granted === null || b.granted === null)
    return Number(a.granted === null) - Number(b.granted === null);
  const difference = b.spent * a.granted - a.spent * b.granted;
  return difference > 0n ? 1 : difference < 0n ? -1 : 0;
}

/** A share in percent with one decimal, cut off; "0.0" of nothing. */
function percent(part: number | bigint, whole: number | bigint): string {
  if (BigInt(whole) === 0n) return '0.0';
  return formatTenths((BigInt(part) * 1_000n) / BigInt(whole));
}

/** Like `percent`; a balance that was granted nothing is used up, and null is one without a limit. */
function percentOrNull(part: bigint, whole: bigint | null): string | null {
  if (whole === null) return null;
  return whole === 0n ? '100.0' : percent(part, whole);
}

function formatTenths(tenths: bigint): string {
  return `${tenths / 10n}.${tenths % 10n}`;
}

function iso(at: number): string {
  return new Date(at).toISOString();
}

function isoOrNull(at: number | null): string | null {
  return at === null ? null : iso(at);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
