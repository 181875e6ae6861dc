// Commands as the core decides them: checked at the edge (authority/intake.ts), labels as canonical text, amounts as
// lists in a unit set. The journal stores exactly these, so that a decision can be taken again.

import type { Unit } from './amount.js';
import type { HoldExtras } from './holds.js';
import type { Snapshot } from './outcomes.js';
import type { Aliases, BudgetSpec, BudgetStatus, GrantCaps, Lease, Usage } from './requests.js';
import type { Quantities } from './units.js';

interface FromCaller {
  readonly commandId: string | null;
}

/** A caller's own text, journalled with the command. No decision looks at it. */
interface WithNote {
  readonly note: string | null;
}

/** One alternative, complete. */
export interface CandidateCommand {
  readonly labels: string;
  readonly amounts: Quantities;
  readonly callsStated: boolean;
}

export interface AuthorizeHold extends FromCaller, WithNote {
  readonly kind: 'authorize_hold';
  readonly holdId: string;
  readonly labels: string;
  readonly amounts: Quantities;
  /**
   * Whether the caller stated `calls` itself. Stated amounts that are all zero are refused, and the implied call does
   * not count as stated.
   */
  readonly callsStated: boolean;
  readonly ttlMs: number;
  readonly overrun: number;
  readonly chargeOnExpiry: boolean;
  readonly extras: HoldExtras;
  /** Alternatives in order, each with all its labels and amounts; null when the request itself is the only one. */
  readonly candidates: readonly CandidateCommand[] | null;
  readonly require: readonly string[];
}

/** What a command on a hold claims about the hold. Each claim is checked where it is stated (rules H7, H8). */
export interface HoldClaims {
  readonly labels: string | null;
  readonly grant: Pick<GrantCaps, 'capability' | 'grant'> | null;
  readonly authority: Lease | null;
}

export const NO_CLAIMS: HoldClaims = { labels: null, grant: null, authority: null };

interface OnHold extends FromCaller {
  readonly holdId: string;
  readonly stated: HoldClaims;
}

export interface ExtendHold extends OnHold {
  readonly kind: 'extend_hold';
  readonly ttlMs: number | null;
  readonly add: Quantities | null;
}

export interface ReleaseHold extends OnHold {
  readonly kind: 'release_hold';
  readonly amounts: Quantities | null;
}

export interface ReverseHold extends OnHold {
  readonly kind: 'reverse_hold';
}

export interface SettleHold extends OnHold, WithNote {
  readonly kind: 'settle_hold';
  readonly amounts: Quantities;
  readonly exposure: Quantities | null;
  readonly usage: Usage | null;
  /** Index in HOLD_ENDINGS. */
  readonly ending: number;
}

export interface CorrectHold extends OnHold, WithNote {
  readonly kind: 'correct_hold';
  readonly amounts: Quantities;
  readonly reason: string;
}

export interface RecordSpendCommand extends FromCaller, WithNote {
  readonly kind: 'record_spend';
  readonly labels: string;
  readonly amounts: Quantities;
  readonly occurredAt: number | null;
  readonly usage: Usage | null;
}

export interface CreditSpendCommand extends FromCaller {
  readonly kind: 'credit_spend';
  readonly labels: string;
  readonly amounts: Quantities;
  readonly occurredAt: number | null;
  readonly reason: string;
}

interface OnAccount extends FromCaller {
  readonly budgetId: string;
  /** The stated values as label text; null when none were stated. `accountOf` finds the account that they mean. */
  readonly values: string | null;
}

export interface TopUpBalance extends OnAccount {
  readonly kind: 'top_up';
  readonly amount: bigint;
}

export interface SetStatus extends OnAccount {
  readonly kind: 'set_budget_status';
  readonly status: BudgetStatus;
}

export interface ExhaustBudget extends OnAccount {
  readonly kind: 'exhaust_budget';
  readonly until: number | null;
}

export interface SetLimit extends OnAccount {
  readonly kind: 'set_balance_limit';
  readonly limit: bigint | null | 'default';
}

export interface PutDefinitionsCommand extends FromCaller {
  readonly kind: 'put_definitions';
  readonly units: readonly Unit[];
  readonly aliases: Aliases | null;
  readonly budgets: readonly BudgetSpec[];
  readonly close: readonly string[];
}

export interface RestoreSnapshot extends FromCaller {
  readonly kind: 'restore_snapshot';
  readonly snapshot: Snapshot;
}

/** Changes nothing: the facts that ride with it are its whole content. */
export interface RecordFactsCommand extends FromCaller {
  readonly kind: 'record_facts';
}

/** A snapshot, and a certificate over it when `certify`. */
export interface TakeSnapshot extends FromCaller {
  readonly kind: 'take_snapshot';
  readonly certify: boolean;
}

/** The authority's own: a hold's time is up. */
export interface ExpireHold extends FromCaller {
  readonly kind: 'expire_hold';
  readonly slot: number;
}

/** The authority's own: a budget's window for an instant, its bounds worked out from calendar and time zone. */
export interface OpenWindow extends FromCaller {
  readonly kind: 'open_window';
  readonly budgetId: string;
  readonly start: number;
  readonly end: number;
}

/** The authority's own: a writer opened the ledger, with these settings. */
export interface OpenLedger extends FromCaller {
  readonly kind: 'open_ledger';
  readonly authorityId: string;
  readonly epoch: number;
  readonly retentionMs: number;
  readonly endedHoldsMax: number;
  /** Seeds the index of command ids for the ledger's whole life; that of its first opening counts. */
  readonly seed: number;
}

export type HoldCommand = ExtendHold | ReleaseHold | ReverseHold | SettleHold | CorrectHold;
export type AccountCommand = TopUpBalance | SetStatus | ExhaustBudget | SetLimit;

export type CoreCommand =
  | AuthorizeHold
  | HoldCommand
  | RecordSpendCommand
  | CreditSpendCommand
  | AccountCommand
  | PutDefinitionsCommand
  | RecordFactsCommand
  | RestoreSnapshot
  | TakeSnapshot
  | ExpireHold
  | OpenWindow
  | OpenLedger;

/** The units that a command adds to the ledger's own, where it changes something. */
export function unitsBroughtBy(command: CoreCommand): readonly Unit[] {
  if (command.kind === 'put_definitions') return command.units;
  return command.kind === 'restore_snapshot' ? command.snapshot.units : [];
}
