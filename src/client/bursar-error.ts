// What the client throws: one class for every answer that is no result, and for a server that was not reached.
// Denials and rejections of the ledger are results, and are returned.

import type { Problem } from '../budgets/outcomes-schema.js';

/** Codes of the client's own, beside those of the server's problems. */
export type ClientErrorCode = 'connection_failed' | 'timed_out' | 'answer_unreadable';

export class BursarError extends Error {
  override readonly name = 'BursarError';
  /** The HTTP status; null when no answer came. */
  readonly status: number | null;
  /** The problem's code, for programs: `forbidden`, `not_found` …, or a `ClientErrorCode`. */
  readonly code: string;
  readonly problem: Problem | null;
  /** How long the server said to wait. */
  readonly retryAfterMs: number | null;
  /** Whether the same call may succeed later: the server is busy, stopping or away, and did not say that it never will. */
  readonly retryable: boolean;

  constructor(of: {
    message: string;
    status?: number;
    code: string;
    problem?: Problem;
    retryAfterMs?: number | null;
    retryable: boolean;
    cause?: unknown;
  }) {
    super(of.message, of.cause === undefined ? undefined : { cause: of.cause });
    this.status = of.status ?? null;
    this.code = of.code;
    this.problem = of.problem ?? null;
    this.retryAfterMs = of.retryAfterMs ?? null;
    this.retryable = of.retryable;
  }
}
