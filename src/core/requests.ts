// What callers ask of a ledger: one type a command. Amounts are bigint steps; durations end in Ms; instants are epoch ms.
// `commandId` makes any command idempotent for the ledger's retention period (invariant 5).

import type { Amounts } from './amount.js';

/** What a call is for. Keys and values are plain text; see labels.ts for their bounds. */
export type Labels = Readonly<Record<string, string>>;

/** How a budget's window is stated. A word alone is that calendar window in UTC. `anchor` is an ISO 8601 instant. */
export type WindowInput =
  | 'lifetime'
  | 'hour'
  | 'day'
  | 'week'
  | 'month'
  | {
      readonly calendar: 'hour' | 'day' | 'week' | 'month';
      readonly timeZone?: string;
      readonly anchorDay?: number;
    }
  | { readonly every: string; readonly anchor?: string };

/** A budget as its owner states it. */
export interface BudgetSpec {
  readonly id: string;
  /** Labels it applies to; `'*'` gives each value a balance of its own; `{}` matches every hold. */
  readonly match: Labels;
  readonly unit: string;
  /** Per window. null: metered only, never denies. 0: always exhausted. */
  readonly limit: bigint | null;
  readonly window: WindowInput;
  /** The most that one hold may take. */
  readonly perHoldMax?: bigint;
  /** The most that open holds together may take; absent or 0 = no cap. */
  readonly heldMax?: bigint;
  /** 1 … 100; the verdict is `near` from this share of the limit spent. Default 80. */
  readonly warnAtPercent?: number;
  /** `pause`: the settlement that uses the budget up pauses it in the same step. Default `refuse`. */
  readonly onExhausted?: 'refuse' | 'pause';
}

export type BudgetStatus = 'active' | 'paused' | 'closed';
export type OnExpiry = 'release' | 'charge' | { readonly charge: Amounts };
export type OverrunPolicy =
  | 'record'
  | 'reject'
  | 'forbid'
  | { readonly cap: { readonly tolerancePercent: number } };
export type HoldEnding = 'completed' | 'failed' | 'cancelled' | 'unknown';

/** The caller's own lease, under which a hold is opened and must be handled (rules H8, H9). */
export interface Lease {
  readonly authorityId: string;
  readonly leaseId: string;
  readonly epoch: number;
}

/** Caps that a request brings itself, from a signed capability (rule H1). An absent cap is unchecked; equality passes. */
export interface GrantCaps {
  readonly capability: string;
  readonly grant: string;
  readonly unit: string;
  readonly maxCalls?: number;
  readonly maxPerHold?: bigint;
  readonly maxTotal?: bigint;
}

/** One alternative of an authorisation; what it leaves out is as in the request itself. */
export interface Candidate {
  readonly labels?: Labels;
  readonly amounts?: Amounts;
}

interface WithCommandId {
  readonly commandId?: string;
}

interface WithNote {
  /**
   * Text of the caller's own, journalled with the command and shown with its event: prices used, a reference. At most
   * 4,096 bytes of UTF-8. No decision looks at it.
   */
  readonly note?: string;
}

export interface Authorize extends WithCommandId, WithNote {
  readonly holdId: string;
  readonly labels: Labels;
  /** Worst-case amounts. `calls` is 1 unless stated. */
  readonly amounts: Amounts;
  /** Default 600 000 (ten minutes); at most 30 days. */
  readonly ttlMs?: number;
  readonly onExpiry?: OnExpiry;
  readonly overrun?: OverrunPolicy;
  /** Tried in order instead of the request itself; each one's labels are laid over the request's. */
  readonly candidates?: readonly Candidate[];
  /** Label keys for each of which some matching budget must have a limit, else `no_budget`. */
  readonly require?: readonly string[];
  readonly grants?: readonly GrantCaps[];
  readonly authority?: Lease;
}

/** What every later command on a hold may state, and is then checked against (rules H7, H8). */
export interface OnHold extends WithCommandId {
  readonly holdId: string;
  readonly labels?: Labels;
  readonly grant?: { readonly capability: string; readonly grant: string };
  readonly authority?: Lease;
}

export interface Extend extends OnHold {
  /** From now; must end later than the hold does. */
  readonly ttlMs?: number;
  /** Amounts to add to what is held, checked like a new authorisation. */
  readonly add?: Amounts;
}

export interface Release extends OnHold {
  /** What to give back; all that is held when absent. */
  readonly amounts?: Amounts;
}

export interface Reverse extends OnHold {}

/** The counts of a usage, in the order of the journal: appended to, never reordered. */
export const USAGE_FIELDS = [
  'inputTokens',
  'outputTokens',
  'cacheReadTokens',
  'cacheWriteTokens',
  'reasoningTokens',
  'toolCalls',
] as const;

/** Token and tool counts of a call, as journalled with its settlement. Unknown ones are left out. */
export type Usage = { readonly [field in (typeof USAGE_FIELDS)[number]]?: number };

export interface Settle extends OnHold, WithNote {
  /** What the call cost, for every unit held; `calls` stays as held unless stated. */
  readonly amounts: Amounts;
  /** States the exposure (rule H6): refused unless it equals what is still held. */
  readonly exposure?: Amounts;
  readonly usage?: Usage;
  readonly outcome?: HoldEnding;
}

export interface Correct extends OnHold, WithNote {
  /** The final amounts; a unit left out stays as charged. */
  readonly amounts: Amounts;
  readonly reason: string;
}

export interface RecordSpend extends WithCommandId, WithNote {
  readonly labels: Labels;
  readonly amounts: Amounts;
  /** The instant that it was spent, now when absent; booked to that instant's windows. */
  readonly occurredAt?: number;
  readonly usage?: Usage;
}

/**
 * Takes spend back that should not have been recorded, off every balance that the labels match, in the windows of
 * `occurredAt`; all of it or nothing. What a hold was charged is corrected on the hold.
 */
export interface CreditSpend extends WithCommandId {
  readonly labels: Labels;
  /** Never more than a matching balance has spent. `calls` only where stated. */
  readonly amounts: Amounts;
  /** The instant of the spend that is taken back, now when absent. */
  readonly occurredAt?: number;
  readonly reason: string;
}

/** Names one balance family: a budget, and the values of its wildcard labels (empty when it has none). */
export interface AccountRef {
  readonly budgetId: string;
  /** Values of the budget's `'*'` labels; absent for a budget without wildcards. */
  readonly values?: Labels;
}

export interface TopUp extends AccountRef, WithCommandId {
  readonly amount: bigint;
}

export interface SetBudgetStatus extends AccountRef, WithCommandId {
  readonly status: BudgetStatus;
}

export interface Exhaust extends AccountRef, WithCommandId {
  /** Until this instant; until the open window ends when absent. */
  readonly until?: number;
}

export interface SetBalanceLimit extends AccountRef, WithCommandId {
  /** The override; `'default'` returns to the budget's own limit. */
  readonly limit: bigint | null | 'default';
}

/** Names that share one quota: label key → stated value → canonical value (rule P6). */
export type Aliases = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Definitions put in one step: units and aliases are added or replaced, budgets put, and those in `close` closed. */
export interface PutDefinitions extends WithCommandId {
  readonly units?: readonly { readonly name: string; readonly scale: number }[];
  readonly aliases?: Aliases;
  readonly budgets?: readonly BudgetSpec[];
  readonly close?: readonly string[];
}

/** Records the facts that ride with it, and nothing else. */
export interface RecordFacts extends WithCommandId {}

/** A command as `submit` takes it. */
export type Command =
  | ({ readonly command: 'authorize_hold' } & Authorize)
  | ({ readonly command: 'extend_hold' } & Extend)
  | ({ readonly command: 'release_hold' } & Release)
  | ({ readonly command: 'reverse_hold' } & Reverse)
  | ({ readonly command: 'settle_hold' } & Settle)
  | ({ readonly command: 'correct_hold' } & Correct)
  | ({ readonly command: 'record_spend' } & RecordSpend)
  | ({ readonly command: 'credit_spend' } & CreditSpend)
  | ({ readonly command: 'top_up' } & TopUp)
  | ({ readonly command: 'set_budget_status' } & SetBudgetStatus)
  | ({ readonly command: 'exhaust_budget' } & Exhaust)
  | ({ readonly command: 'set_balance_limit' } & SetBalanceLimit)
  | ({ readonly command: 'put_definitions' } & PutDefinitions);

/** A command as `run` and `runAll` take it. */
export type LedgerCommand = Command | ({ readonly command: 'record_facts' } & RecordFacts);
