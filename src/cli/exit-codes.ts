// What the process ends with, and the one place where the CLI maps rejection codes. Scripts rely on these numbers.

import type { CommandOutcome } from '../client/index.js';
import type { RejectionCode } from '../core/rejections.js';

export const EXIT = {
  /** Done, authorised, fits, verified. */
  done: 0,
  /** Rejected, misuse, a fault, or evidence that is wrong. */
  error: 1,
  /** A budget said no. */
  denied: 2,
  /** The ledger and a provider's report are further apart than the tolerance. */
  apart: 2,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

// Total on purpose: a new rejection code does not compile until it is decided here what scripts see.
const EXIT_OF_REJECTION: Readonly<Record<RejectionCode, ExitCode>> = {
  invalid_amount: EXIT.error,
  amount_overflow: EXIT.error,
  too_many_budgets: EXIT.error,
  unit_not_held: EXIT.error,
  unit_not_stated: EXIT.error,
  budget_not_found: EXIT.error,
  budget_closed: EXIT.error,
  budget_metered: EXIT.error,
  budget_used_up: EXIT.error,
  values_mismatch: EXIT.error,
  balance_not_found: EXIT.error,
  hold_not_found: EXIT.error,
  hold_already_exists: EXIT.error,
  hold_already_settled: EXIT.error,
  hold_already_released: EXIT.error,
  hold_already_reversed: EXIT.error,
  hold_already_expired: EXIT.error,
  hold_not_settled: EXIT.error,
  hold_touched: EXIT.error,
  labels_mismatch: EXIT.error,
  grant_mismatch: EXIT.error,
  release_exceeds_held: EXIT.error,
  credit_exceeds_spent: EXIT.error,
  calls_not_released: EXIT.error,
  exposure_mismatch: EXIT.error,
  expiry_not_later: EXIT.error,
  overrun: EXIT.denied,
  overrun_forbidden: EXIT.error,
  extension_denied: EXIT.denied,
  authority_missing: EXIT.error,
  authority_unexpected: EXIT.error,
  authority_other: EXIT.error,
  lease_other: EXIT.error,
  epoch_older: EXIT.error,
  epoch_newer: EXIT.error,
  command_id_reused: EXIT.error,
  occurred_in_future: EXIT.error,
  occurred_too_early: EXIT.error,
  until_not_later: EXIT.error,
  definition_conflict: EXIT.error,
  ledger_not_empty: EXIT.error,
  open_holds: EXIT.error,
  duplicate_balance: EXIT.error,
  ghost_hold: EXIT.error,
  negative_figure: EXIT.error,
  books_unbalanced: EXIT.error,
};

export function exitCodeOf(outcome: CommandOutcome): ExitCode {
  if (outcome.outcome === 'denied') return EXIT.denied;
  return outcome.outcome === 'rejected' ? EXIT_OF_REJECTION[outcome.code] : EXIT.done;
}
