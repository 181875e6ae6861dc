// What a ledger answers. Expected outcomes are values of these closed unions; only faults and misuse throw.

import type { Amounts, Unit } from './amount.js';
import type { Actor } from './facts.js';
import type { RejectionCode } from './rejections.js';
import type {
  Aliases,
  BudgetSpec,
  BudgetStatus,
  HoldEnding,
  Labels,
  Lease,
  LedgerCommand,
} from './requests.js';

/** The state of a balance, mildest first; a set of balances has its worst (rule P2). */
export const VERDICTS = ['uncapped', 'within', 'near', 'exhausted'] as const;
export type VerdictLevel = (typeof VERDICTS)[number];

/** What a decision rests on, weakest first. */
export type Guarantee = 'advisory_posthoc' | 'single_node_atomic' | 'partition_escrowed' | 'ha_linearizable';

export const METERING_PROFILE = 'pre_authorize_maximum_then_reconcile_actual';

/** The cap of a budget line that a request breaks. */
export type Violation =
  | 'limit'
  | 'per_hold_max'
  | 'held_max'
  | 'unit_missing'
  | 'paused'
  | 'closed'
  | 'forced_exhausted';

/** Why a whole request is denied: of its violations' causes the one that lasts longest. */
export type DenialReason =
  | 'no_budget'
  | 'unit_missing'
  | 'closed'
  | 'too_large'
  | 'paused'
  | 'exhausted'
  | 'held';

/** A window's bounds, epoch ms, start included and end not; null = unbounded (a lifetime). */
export interface WindowBounds {
  readonly start: number | null;
  readonly end: number | null;
}

/** One balance's part in an answer: its figures after the command (before it, when denied). */
export interface BudgetLine {
  readonly budgetId: string;
  readonly budgetVersion: number;
  /** Values of the budget's wildcard labels. */
  readonly values: Labels;
  readonly unit: string;
  readonly window: WindowBounds;
  /** The limit in force; null = metered only. `granted` = limit + top-ups. */
  readonly limit: bigint | null;
  readonly granted: bigint | null;
  readonly spent: bigint;
  readonly held: bigint;
  /** granted − spent − held; null when metered. Negative when spend passed the limit. */
  readonly remaining: bigint | null;
  readonly requested: bigint;
  /** The first of `violations`; null when it passes. */
  readonly violated: Violation | null;
  /** Every cap of the budget that the request breaks. */
  readonly violations: readonly Violation[];
  /** The end of the window, epoch ms. In `check`, of a budget that is forced exhausted: when that is over. */
  readonly resetsAt: number | null;
  readonly verdict: VerdictLevel;
}

/** What every outcome carries (rule H9). */
export interface Evidence {
  /** The journal sequence number of the command; also in `eventId`. */
  readonly sequence: number;
  readonly eventId: string;
  /** The commit position: how many commands had changed something, this one included; null when it changed nothing. */
  readonly position: number | null;
  /** When it was decided, epoch ms, by the ledger's clock. */
  readonly at: number;
  readonly guarantee: Guarantee;
  readonly metering: typeof METERING_PROFILE;
  /** `authorityId:epoch` of the caller's lease, else of the ledger. */
  readonly term: string;
  /** True when this is the first answer to the same command id, given again. */
  readonly replayed: boolean;
}

export interface SkippedCandidate {
  readonly candidate: number;
  readonly reason: DenialReason;
  readonly lines: readonly BudgetLine[];
}

export interface Authorized extends Evidence {
  readonly outcome: 'authorized';
  readonly holdId: string;
  readonly decisionId: string;
  /** Which of the candidates is held; null when the request named none. */
  readonly candidate: number | null;
  readonly skipped: readonly SkippedCandidate[];
  readonly lines: readonly BudgetLine[];
  readonly verdict: VerdictLevel;
  readonly expiresAt: number;
  /** The hold's status now: `open`, unless this is a replay of a hold that has ended since; null when it left memory. */
  readonly holdStatus: HoldStatus | null;
}

export interface Denied extends Evidence {
  readonly outcome: 'denied';
  readonly holdId: string;
  readonly decisionId: string;
  readonly reason: DenialReason;
  /** When to try again; absent when waiting does not help. */
  readonly retryAfterMs?: number;
  /** Every line that the (last) candidate matched, those that it violates marked. */
  readonly lines: readonly BudgetLine[];
  readonly skipped: readonly SkippedCandidate[];
  /** Label keys of `require` for which no budget has a limit. */
  readonly unmet: readonly string[];
  readonly verdict: VerdictLevel;
  readonly position: null;
}

export interface Rejected extends Evidence {
  readonly outcome: 'rejected';
  readonly code: RejectionCode;
  readonly message: string;
  readonly position: null;
}

export interface Done extends Evidence {
  readonly outcome: 'done';
  /** The event's name, for example `hold_released`. */
  readonly event: EventType;
  readonly holdId: string | null;
  readonly lines: readonly BudgetLine[];
}

export type Decision = Authorized | Denied | Rejected;
export type Outcome = Done | Rejected;

export interface Settled extends Evidence {
  readonly outcome: 'settled';
  readonly event: 'hold_settled' | 'hold_corrected' | 'spend_recorded' | 'spend_credited';
  readonly holdId: string | null;
  /** Booked after the hold had expired, to its own windows. */
  readonly late: boolean;
  /** What is charged in all. */
  readonly charged: Amounts;
  /** What went back to remaining: from held, or, where spend was credited, from spent. */
  readonly returned: Amounts;
  /** Units whose charge stopped at the hold by the overrun policy `cap`. */
  readonly capped: readonly string[];
  readonly lines: readonly BudgetLine[];
  readonly verdict: VerdictLevel;
  /** Budgets that this settlement used up and thereby paused. */
  readonly paused: readonly string[];
}

export type Settlement = Settled | Rejected;
export type CommandOutcome = Decision | Outcome | Settlement;

/** The outcome that a command has, by its `command` word. */
export type OutcomeOf<C extends Pick<LedgerCommand, 'command'>> = C extends { command: 'authorize_hold' }
  ? Decision
  : C extends { command: 'settle_hold' | 'correct_hold' | 'record_spend' | 'credit_spend' }
    ? Settlement
    : Outcome;

/** What became of an all-or-nothing group: every command's outcome, or the one refusal that stopped it. */
export type GroupOutcome =
  | { readonly carriedOut: true; readonly outcomes: readonly CommandOutcome[] }
  | { readonly carriedOut: false; readonly index: number; readonly outcome: Denied | Rejected };

export type HoldStatus = 'open' | 'settled' | 'released' | 'reversed' | 'expired';

/** Every kind of journal event, by its code. `hold_expired`, `window_opened` and `ledger_opened` are the ledger's own. */
export const EVENT_TYPES = [
  'hold_authorized',
  'hold_denied',
  'hold_extended',
  'hold_released',
  'hold_reversed',
  'hold_settled',
  'hold_corrected',
  'spend_recorded',
  'command_rejected',
  'balance_topped_up',
  'budget_status_set',
  'budget_exhausted',
  'balance_limit_set',
  'definitions_put',
  'snapshot_restored',
  'snapshot_taken',
  'hold_expired',
  'window_opened',
  'ledger_opened',
  'spend_credited',
  'facts_recorded',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export interface HoldView {
  readonly holdId: string;
  readonly status: HoldStatus;
  readonly labels: Labels;
  /** What is still held, by unit. */
  readonly held: Amounts;
  /** What was authorised, extensions included. */
  readonly authorized: Amounts;
  /** What was spent when it ended; absent while open. */
  readonly charged?: Amounts;
  readonly late: boolean;
  readonly openedAt: number;
  readonly expiresAt: number;
  readonly endedAt: number | null;
  readonly openedSequence: number;
  readonly ending: HoldEnding | null;
  readonly authority: Lease | null;
  readonly balances: readonly string[];
}

export interface BalanceView {
  /** Canonical id: budget, values and window start. */
  readonly id: string;
  readonly budgetId: string;
  readonly values: Labels;
  readonly unit: string;
  readonly window: WindowBounds;
  /** Whether the window is the one in force. */
  readonly current: boolean;
  readonly limit: bigint | null;
  readonly granted: bigint | null;
  readonly held: bigint;
  readonly spent: bigint;
  readonly remaining: bigint | null;
  /**
   * Present when the figure of a balance without a limit has stopped at the largest amount: more was spent than it
   * says.
   */
  readonly saturated?: true;
  readonly openHolds: number;
  readonly status: BudgetStatus;
  readonly forcedExhausted: boolean;
  readonly verdict: VerdictLevel;
}

export interface BudgetView extends BudgetSpec {
  readonly version: number;
  readonly status: BudgetStatus;
  readonly forcedExhaustedUntil: number | null;
  readonly window: BudgetSpec['window'];
  readonly currentWindow: WindowBounds | null;
  readonly balances: number;
}

/** `check`'s answer: the worst line, on a tie the one with the shorter window; null when nothing limits. */
export interface Verdict {
  readonly verdict: VerdictLevel;
  readonly worst: BudgetLine | null;
  readonly lines: readonly BudgetLine[];
  /** Whether a hold of the stated amounts would be authorised now. */
  readonly fits: boolean;
  readonly reason: DenialReason | null;
}

export interface Head {
  /** The last sequence number, 0 for an empty journal. */
  readonly sequence: number;
  /** Lower-case hex SHA-256 of the chain up to it. */
  readonly hash: string;
}

/** One figure row of a snapshot; amounts in steps. */
export interface SnapshotBalance {
  readonly id: string;
  readonly budgetId: string;
  readonly values: Labels;
  readonly unit: string;
  readonly window: WindowBounds;
  readonly granted: bigint | null;
  readonly held: bigint;
  readonly spent: bigint;
  readonly remaining: bigint | null;
  readonly openHolds: number;
  /** Whether recorded spend or a lowered limit may have taken `remaining` below zero. */
  readonly mayBeNegative: boolean;
}

/** What commands have set on a budget (`values` null) or on one of its accounts. */
export interface SnapshotAccount {
  readonly budgetId: string;
  readonly values: Labels | null;
  readonly status: BudgetStatus;
  readonly exhaustedUntil: number | null;
  /** `'default'` = the budget's own limit. */
  readonly limit: bigint | null | 'default';
}

export interface Snapshot {
  readonly version: number;
  readonly head: Head;
  readonly at: number;
  /** Units beyond those that every ledger has. */
  readonly units: readonly Unit[];
  readonly aliases: Aliases;
  readonly budgets: readonly BudgetSpec[];
  /** What commands have set on budgets and accounts: statuses, limits of their own, forced exhaustion. */
  readonly accounts: readonly SnapshotAccount[];
  readonly openHolds: number;
  /** All that was ever charged, by unit; a call counts once however many budgets it counts towards. */
  readonly spent: Amounts;
  readonly balances: readonly SnapshotBalance[];
  readonly digest: string;
}

export interface Certificate {
  readonly digest: string;
  readonly status: 'balanced' | 'unbalanced';
  readonly failure: ConservationFailure | null;
  readonly version: number;
  readonly head: Head;
  readonly at: number;
  /** Spent since the last certificate, by unit; never negative (rule S5). */
  readonly spentSinceLast: Amounts;
}

export type ConservationFailure =
  | { readonly kind: 'unbalanced'; readonly balanceId: string; readonly by: bigint }
  | { readonly kind: 'negative_remaining'; readonly balanceId: string; readonly by: bigint }
  | { readonly kind: 'aggregate_overflow'; readonly unit: string };

/** Sums since the ledger began. Metrics use them, because a restart does not set them back to zero. */
export interface Totals {
  /** Everything ever charged, by unit: once, however many budgets it counts towards. Corrections may lower it. */
  readonly spent: Amounts;
  readonly openHolds: number;
}

/** One journal record as its readers see it. `details` holds the command's own fields. */
export interface LedgerEvent {
  readonly sequence: number;
  readonly eventId: string;
  readonly type: EventType;
  readonly at: number;
  readonly position: number | null;
  readonly commandId: string | null;
  readonly holdId: string | null;
  readonly term: string;
  /** Who asked; null for the ledger's own commands, and where nobody was named. */
  readonly actor: Actor | null;
  readonly lines: readonly BudgetLine[];
  readonly details: Readonly<Record<string, unknown>>;
}

export interface Explanation {
  readonly decisionId: string;
  readonly event: LedgerEvent;
  /** For each line: the open holds behind its `held`, and the spend behind its `spent`. */
  readonly lines: readonly ExplainedLine[];
  readonly sentence: string;
}

export interface ExplainedLine {
  readonly line: BudgetLine;
  readonly budget: BudgetSpec;
  readonly budgetVersion: number;
  /** Open holds on this balance at the decision, largest first, at most 100; `openHolds` counts all. */
  readonly holds: readonly {
    readonly holdId: string;
    readonly amount: bigint;
    readonly labels: Labels;
    readonly expiresAt: number;
  }[];
  readonly openHolds: number;
  /** Whether granted, spent and held, recomputed from the journal, equal the line's. */
  readonly addsUp: boolean;
}

export interface VerifyReport {
  readonly ok: boolean;
  readonly head: Head;
  readonly batches: number;
  readonly commands: number;
  /** The first position that is wrong. */
  readonly failure: { readonly sequence: number; readonly what: string } | null;
  /** Digest of the state that the journal leads to. */
  readonly stateDigest: string;
}
