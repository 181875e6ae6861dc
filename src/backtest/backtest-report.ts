// The report of a backtest, made from its tally. It is JSON: amounts are decimal strings in each unit's natural scale, instants are
// ISO 8601. Called by backtest.ts; backtest-text.ts writes it for people. Its type is what `buildReport` returns.

import { formatAmount, type Unit } from '../core/amount.js';
import type { BudgetView } from '../core/outcomes.js';
import { parseWindow, windowLabel } from '../core/window.js';
import { instantOut, instantOutOrNull } from '../kit/instants.js';
import type { CostModel } from './backtest-costs.js';
import type { BacktestTally, BalanceTally, Exposure } from './backtest-tally.js';
import type { Trace } from './trace.js';

/** Rows in the lists of the most refused and the most used; the totals beside them count all. */
const TOP_ROWS = 10;

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

type DecimalsOf = (sums: ReadonlyMap<string, bigint>) => Readonly<Record<string, string>>;
type Decimal = (steps: bigint, unit: string) => string;

export type BacktestReport = ReturnType<typeof buildReport>;
export type BalanceRow = ReturnType<typeof balanceRow>;
export type HeadroomRow = BacktestReport['headroom']['units'][number];

export function buildReport(input: ReportInput) {
  const { trace, costs, tally } = input;
  const scales = new Map(input.units.map((unit) => [unit.name, unit.scale]));
  const decimal: Decimal = (steps, unit) => formatAmount(steps, scales.get(unit) ?? 0);
  const decimals: DecimalsOf = (sums) =>
    Object.fromEntries([...sums].map(([unit, steps]) => [unit, decimal(steps, unit)]));
  return {
    trace: {
      sources: trace.sources,
      requests: trace.requests.length,
      firstArrival: instantOut(trace.requests[0].at),
      lastArrival: instantOut(trace.requests[trace.requests.length - 1].at),
      lastCompletion: instantOut(input.endAt),
    },
    assumptions: {
      spread: trace.spread,
      maxOutputTokens: costs.maxOutputTokens,
      /** usd for a million tokens. */
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
      /** The worst cases of all that was authorised. */
      heldInAll: decimals(tally.heldInAll),
      spent: decimals(tally.spent),
      /** What the refused requests would have cost by the trace. */
      refusedFinalCost: decimals(tally.refusedFinalCost),
    },
    refusals: refusalsOf(tally),
    ...budgetsOf(input, decimal),
    headroom: headroomOf(input, decimals, decimal),
  };
}

function refusalsOf(tally: BacktestTally) {
  const users = [...tally.users.values()];
  const refused = users.filter((user) => user.refused > 0);
  const firsts = refused.map((user) => user.firstRefusedAt!);
  const lasts = refused.map((user) => user.lastRefusedAt!);
  return {
    first: refused.length === 0 ? null : instantOut(firsts.reduce((a, b) => Math.min(a, b))),
    last: refused.length === 0 ? null : instantOut(lasts.reduce((a, b) => Math.max(a, b))),
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
        first: instantOut(cap.firstAt),
        last: instantOut(cap.lastAt),
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
        first: instantOut(firstRefusedAt!),
        last: instantOut(lastRefusedAt!),
      })),
    histogram: tally.bins.bins.map((bin) => ({
      ...bin,
      start: instantOut(bin.start),
      end: instantOut(bin.end),
    })),
  };
}

function tenantsOf(tally: BacktestTally) {
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

function budgetsOf(input: ReportInput, decimal: Decimal) {
  const balances = [...input.tally.balances.values()].sort(byUse);
  const ofBudget = new Map<string, BalanceTally[]>(input.budgets.map(({ id }) => [id, []]));
  for (const balance of balances) ofBudget.get(balance.budgetId)?.push(balance);
  const budgets = input.budgets.map(({ id, unit, window, limit }) => {
    const own = ofBudget.get(id) ?? [];
    const spent = own.reduce((sum, balance) => sum + balance.spent, 0n);
    const limited = own.length > 0 && own.every((balance) => balance.granted !== null);
    const granted = limited ? own.reduce((sum, balance) => sum + balance.granted!, 0n) : null;
    return {
      budgetId: id,
      unit,
      window: windowLabel(parseWindow(window, 'window')),
      limit: limit === null ? null : decimal(limit, unit),
      /** Balances of all windows that the trace reached. */
      balances: own.length,
      spent: decimal(spent, unit),
      /** The sum of what those balances were granted; null where there is no limit. */
      granted: granted === null ? null : decimal(granted, unit),
      usedPercent: percentOrNull(spent, granted),
      refusals: input.tally.refusalsOfBudget.get(id) ?? 0,
      worst: own.length === 0 ? null : balanceRow(own[0], decimal),
    };
  });
  const limited = balances.filter((balance) => balance.granted !== null).slice(0, TOP_ROWS);
  return { budgets, mostUsedBalances: limited.map((balance) => balanceRow(balance, decimal)) };
}

function balanceRow(balance: BalanceTally, decimal: Decimal) {
  const { budgetId, values, unit, window, granted, spent, peakTaken, refusals } = balance;
  return {
    budgetId,
    values,
    unit,
    windowStart: instantOutOrNull(window.start),
    windowEnd: instantOutOrNull(window.end),
    granted: granted === null ? null : decimal(granted, unit),
    spent: decimal(spent, unit),
    /** Spent as part of granted; null where there is no limit. */
    usedPercent: percentOrNull(spent, granted),
    /** The most that was spent and held together, as part of granted. */
    peakPercent: percentOrNull(peakTaken, granted),
    refusals,
  };
}

function headroomOf(input: ReportInput, decimals: DecimalsOf, decimal: Decimal) {
  const { tally, foreseen, endAt } = input;
  const row = (of: string, unit: string, exposure: Exposure) => {
    const figures = exposure.figuresAt(endAt);
    return {
      /** The unit's or the budget's name. */
      of,
      unit,
      peakHeld: decimal(figures.peakHeld, unit),
      peakAt: instantOut(figures.peakAt),
      /** What the calls that were held at the peak finally cost. */
      peakFinalCost: decimal(figures.finalCostAtPeak, unit),
      meanHeld: decimal(figures.meanHeld, unit),
      meanFinalCost: decimal(figures.meanFinalCost, unit),
      /** Of what was held on average, the part that was never spent. */
      unusedPercent: percent(figures.meanHeld - figures.meanFinalCost, figures.meanHeld),
    };
  };
  return {
    /** Refusals each of which would have fitted, had the calls then under way, and it, been held at their final cost. */
    wouldHaveFitted: tally.refusedByWorstCaseOnly,
    /** The same trace with every call held at its final cost, as if that were known; null when this was not replayed. */
    foreseen: foreseen === null ? null : { refused: foreseen.refused, spent: decimals(foreseen.spent) },
    /** Refusals with the ledger's reason `held`: would have fitted with nothing else under way. */
    refusedHeld: tally.reasons.get('held') ?? 0,
    units: [...tally.exposureByUnit].map(([unit, exposure]) => row(unit, unit, exposure)),
    budgets: input.budgets.flatMap(({ id, unit }) => {
      const exposure = tally.exposureByBudget.get(id);
      return exposure === undefined ? [] : [row(id, unit, exposure)];
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
  const tenths = (BigInt(part) * 1_000n) / BigInt(whole);
  return `${tenths / 10n}.${tenths % 10n}`;
}

/** Like `percent`; a balance that was granted nothing is used up, and null is one without a limit. */
function percentOrNull(part: bigint, whole: bigint | null): string | null {
  if (whole === null) return null;
  return whole === 0n ? '100.0' : percent(part, whole);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
