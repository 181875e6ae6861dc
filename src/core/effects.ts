// What a command does. Decide returns an effect, apply carries it out, and the journal records it. A closed union.

import type { LineSet } from './lines.js';
import type { DenialReason } from './outcomes.js';
import type { RejectionCode } from './rejections.js';
import type { Quantities, UnitSet } from './units.js';

/** A candidate that did not fit, with its own lines. */
export interface Skip {
  readonly candidate: number;
  readonly reason: DenialReason;
  readonly amounts: Quantities;
  readonly lines: LineSet;
}

export interface HoldAuthorized {
  readonly type: 'hold_authorized';
  readonly slot: number;
  /** -1 when the request named no candidates. */
  readonly candidate: number;
  readonly labels: string;
  readonly amounts: Quantities;
  readonly expiresAt: number;
  readonly skipped: readonly Skip[];
}

export interface HoldDenied {
  readonly type: 'hold_denied';
  readonly candidate: number;
  readonly reason: DenialReason;
  /** 0 = waiting does not help. */
  readonly retryAfterMs: number;
  readonly amounts: Quantities;
  readonly unmet: readonly string[];
  readonly skipped: readonly Skip[];
}

export interface HoldExtended {
  readonly type: 'hold_extended';
  readonly slot: number;
  readonly expiresAt: number;
  /** The hold's units; amounts below are in its order. */
  readonly set: UnitSet;
  /** Steps added; null = none. */
  readonly added: readonly bigint[] | null;
}

/** A part given back; `ends` when nothing is left. */
export interface HoldReleased {
  readonly type: 'hold_released';
  readonly slot: number;
  readonly set: UnitSet;
  readonly returned: readonly bigint[];
  readonly ends: boolean;
}

export interface HoldReversed {
  readonly type: 'hold_reversed';
  readonly slot: number;
  readonly set: UnitSet;
  readonly returned: readonly bigint[];
}

/**
 * A hold was settled, corrected or expired: its charge becomes `charged`, whatever it was before, and `returned`
 * leaves held.
 */
export interface HoldCharged {
  readonly type: 'hold_settled' | 'hold_corrected' | 'hold_expired';
  readonly slot: number;
  readonly set: UnitSet;
  readonly charged: readonly bigint[];
  readonly returned: readonly bigint[];
  readonly late: boolean;
  readonly ending: number;
  /** Bit for each unit place whose charge stopped at the hold. */
  readonly cappedPlaces: number;
  /** Lines whose account is used up and thereby paused. */
  readonly pausedLines: readonly number[];
}

export interface SpendRecorded {
  readonly type: 'spend_recorded';
  readonly amounts: Quantities;
  readonly pausedLines: readonly number[];
}

/** Recorded spend that was taken back: by place of `set`. */
export interface SpendCredited {
  readonly type: 'spend_credited';
  readonly set: UnitSet;
  readonly returned: readonly bigint[];
}

/** A refusal with its code, the value that was refused and the bound. The words are in rejections.ts. */
export interface CommandRejected {
  readonly type: 'command_rejected';
  readonly code: RejectionCode;
  readonly value: string;
  readonly bound: string;
}

/** The command itself says what was done. `changes` is false where nothing changed. */
export interface Administration {
  readonly type:
    | 'balance_topped_up'
    | 'budget_status_set'
    | 'budget_exhausted'
    | 'balance_limit_set'
    | 'definitions_put'
    | 'snapshot_restored'
    | 'snapshot_taken'
    | 'window_opened'
    | 'ledger_opened'
    | 'facts_recorded';
  readonly changes: boolean;
  /** For `budget_exhausted`: until when. Else 0. */
  readonly until: number;
}

/** Not an outcome: these budgets' windows for this instant must be opened before the command can be decided. */
export interface WindowsDue {
  readonly type: 'windows_due';
  readonly budgetIds: readonly string[];
  readonly instant: number;
}

export type Effect =
  | HoldAuthorized
  | HoldDenied
  | HoldExtended
  | HoldReleased
  | HoldReversed
  | HoldCharged
  | SpendRecorded
  | SpendCredited
  | CommandRejected
  | Administration;

/** Whether the command was carried out. If it was not, the facts that ride with it are not written. */
export function isCarriedOut(effect: Effect): boolean {
  return effect.type !== 'hold_denied' && effect.type !== 'command_rejected';
}

/** A refusal with the value that was refused and the bound that it broke. */
export function rejected(
  code: RejectionCode,
  value: bigint | number | string = '',
  bound: bigint | number | string = '',
): CommandRejected {
  return { type: 'command_rejected', code, value: String(value), bound: String(bound) };
}
