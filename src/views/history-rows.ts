// How the history's companion file keeps holds and balances as rows: labels and amounts as JSON, steps as SQLite's 64-bit
// integers or as decimal text, never as floats. Called by history-file.ts.

import type { Amounts } from '../core/amount.js';
import type { BalanceView, HoldStatus, HoldView } from '../core/outcomes.js';
import type { HoldEnding, Labels, Lease } from '../core/requests.js';

/** A balance of one window, as it stands or as it stood when it left memory. Amounts in steps. */
export type HistoryBalance = Pick<
  BalanceView,
  'id' | 'budgetId' | 'values' | 'unit' | 'window' | 'granted' | 'held' | 'spent' | 'remaining' | 'openHolds'
>;

export interface HistoryHoldFilter {
  /** Every hold that ever had this id, the newest first. */
  readonly holdId?: string;
  readonly status?: HoldStatus;
  readonly labels?: Labels;
  /** Only holds opened after this sequence number: the cursor. */
  readonly afterSequence?: number;
  /** At most so many; default 1,000. */
  readonly max?: number;
}

export interface HistoryBalanceFilter {
  readonly budgetId?: string;
  /** Balances whose values contain these. */
  readonly values?: Labels;
  /** Windows that start at this instant or later, epoch ms; a lifetime has no start. */
  readonly from?: number;
  /** Windows that start before this instant. */
  readonly to?: number;
  readonly max?: number;
}

type Whole = bigint | null;

/** Columns as read, whole numbers as bigints. */
export interface HoldRow {
  readonly opened_sequence: bigint;
  readonly hold_id: string;
  readonly status: HoldStatus;
  readonly labels: string;
  readonly held: string;
  readonly authorized: string;
  readonly charged: string | null;
  readonly late: bigint;
  readonly opened_at: bigint;
  readonly expires_at: bigint;
  readonly ended_at: Whole;
  readonly ending: HoldEnding | null;
  readonly authority: string | null;
  readonly balances: string;
}

export interface BalanceRow {
  readonly balance_id: string;
  readonly budget_id: string;
  readonly label_values: string;
  readonly unit: string;
  readonly window_start: Whole;
  readonly window_end: Whole;
  readonly granted: Whole;
  readonly held: bigint;
  readonly spent: bigint;
  readonly remaining: Whole;
  readonly open_holds: bigint;
}

/** A hold as the named parameters of the statement that puts it. */
export function holdRow(hold: HoldView): Record<string, unknown> {
  return {
    openedSequence: hold.openedSequence,
    holdId: hold.holdId,
    status: hold.status,
    labels: JSON.stringify(hold.labels),
    held: amountsText(hold.held),
    authorized: amountsText(hold.authorized),
    charged: hold.charged === undefined ? null : amountsText(hold.charged),
    late: hold.late ? 1 : 0,
    openedAt: hold.openedAt,
    expiresAt: hold.expiresAt,
    endedAt: hold.endedAt,
    ending: hold.ending,
    authority: hold.authority === null ? null : JSON.stringify(hold.authority),
    balances: JSON.stringify(hold.balances),
  };
}

export function holdOf(row: HoldRow): HoldView {
  return {
    holdId: row.hold_id,
    status: row.status,
    labels: JSON.parse(row.labels) as Labels,
    held: amountsOf(row.held),
    authorized: amountsOf(row.authorized),
    ...(row.charged === null ? {} : { charged: amountsOf(row.charged) }),
    late: row.late !== 0n,
    openedAt: Number(row.opened_at),
    expiresAt: Number(row.expires_at),
    endedAt: numberOf(row.ended_at),
    openedSequence: Number(row.opened_sequence),
    ending: row.ending,
    authority: row.authority === null ? null : (JSON.parse(row.authority) as Lease),
    balances: JSON.parse(row.balances) as string[],
  };
}

export function balanceRow(balance: HistoryBalance): Record<string, unknown> {
  const { id, budgetId, unit, window, granted, held, spent, remaining, openHolds } = balance;
  const values = JSON.stringify(balance.values);
  const { start, end } = window;
  return { id, budgetId, values, unit, start, end, granted, held, spent, remaining, openHolds };
}

export function balanceOf(row: BalanceRow): HistoryBalance {
  return {
    id: row.balance_id,
    budgetId: row.budget_id,
    values: JSON.parse(row.label_values) as Labels,
    unit: row.unit,
    window: { start: numberOf(row.window_start), end: numberOf(row.window_end) },
    granted: row.granted,
    held: row.held,
    spent: row.spent,
    remaining: row.remaining,
    openHolds: Number(row.open_holds),
  };
}

function amountsText(amounts: Amounts): string {
  return JSON.stringify(
    Object.fromEntries(Object.entries(amounts).map(([unit, steps]) => [unit, `${steps}`])),
  );
}

function amountsOf(text: string): Amounts {
  const entries = Object.entries(JSON.parse(text) as Record<string, string>);
  return Object.fromEntries(entries.map(([unit, steps]) => [unit, BigInt(steps)]));
}

function numberOf(value: Whole): number | null {
  return value === null ? null : Number(value);
}
