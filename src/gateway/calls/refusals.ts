// Why a call does not go out: the ledger denied it, no provider takes it, or it was refused before the ledger was asked. A
// ledger that cannot decide is a refusal too, so that nothing goes out without a decision (fail closed). Made by calls.ts.

import { providerCapOf } from '../../budgets/providers.js';
import {
  FencedError,
  InvalidInputError,
  JournalCorruptError,
  JournalUnavailableError,
  LedgerClosedError,
  OverloadedError,
} from '../../core/errors.js';
import type { BudgetLine, Denied } from '../../core/outcomes.js';
import type { GrantCaps } from '../../core/requests.js';
import { GRANT_BUDGET_PREFIX } from '../../core/state.js';
import { type RefusalCode, RefusedError } from '../../kit/refusals.js';
import type { PricedCandidate } from './candidates.js';

/** After a fault of the ledger: long enough for an operator's restart to begin, short enough to be tried within a request. */
export const UNAVAILABLE_RETRY_MS = 1_000;

export type CallRefusal = DeniedCall | UndecidedCall;

/** The ledger denied every candidate. */
export interface DeniedCall {
  readonly refusal: 'denied';
  readonly denied: Denied;
  /** What was asked for, in the ledger's order. */
  readonly candidates: readonly PricedCandidate[];
}

/** No budget refused the call: it was refused before the ledger decided, or no provider takes it. */
interface UndecidedCall {
  readonly refusal: RefusalCode;
  readonly message: string;
  readonly retryAfterMs: number | null;
  readonly field: string | null;
  /** The decision that the ledger journalled, where no provider takes the call. */
  readonly decision: NoProvider | null;
}

const LEDGER_FAULTS = [
  LedgerClosedError,
  FencedError,
  JournalUnavailableError,
  JournalCorruptError,
  OverloadedError,
];

/** Whether the ledger cannot decide now, or ever again. */
export function isLedgerFault(error: unknown): boolean {
  return LEDGER_FAULTS.some((fault) => error instanceof fault);
}

/** The refusal that something thrown is; `null` for a bug, which is thrown on. */
export function refusalOf(error: unknown): UndecidedCall | null {
  if (error instanceof RefusedError) {
    const { code, message, about } = error;
    const { retryAfterMs = null, field = null } = about;
    return { refusal: code, message, retryAfterMs, field, decision: null };
  }
  if (error instanceof InvalidInputError) {
    const { message, field } = error;
    return { refusal: 'invalid_request', message, retryAfterMs: null, field, decision: null };
  }
  if (!isLedgerFault(error)) return null;
  const message = 'The ledger cannot make a decision durable; nothing was sent.';
  const retryAfterMs = UNAVAILABLE_RETRY_MS;
  return { refusal: 'ledger_unavailable', message, retryAfterMs, field: null, decision: null };
}

/**
 * A cap of no calls, which a request brings with it when every candidate of its route is exhausted, throttled, paused or
 * closed (rule P10). So the ledger refuses the call itself: the refusal is journalled with the budgets of every candidate,
 * and no race lets the call out.
 */
export const NO_CALLS: readonly GrantCaps[] = [
  { capability: 'route', grant: 'no_provider', unit: 'calls', maxCalls: 0 },
];

/** The decision on a call that no provider takes. */
export interface NoProvider {
  readonly decisionId: string;
  /** The budgets that the (last) candidate counts towards, without the cap that the request brought. */
  readonly lines: readonly BudgetLine[];
  /** The provider's budget that is out, of several the one that resets first; null where none has a budget. */
  readonly line: BudgetLine | null;
  /** When the first provider takes calls again, epoch ms; null where none does by itself. */
  readonly resetsAt: number | null;
}

export function noProvider(denied: Denied, resetsAt: number | null): NoProvider {
  let line: BudgetLine | null = null;
  for (const { lines } of [...denied.skipped, denied]) {
    for (const one of lines) {
      // A call that costs nothing fits a budget that is used up.
      const refuses = one.violated !== null || one.verdict === 'exhausted';
      if (!refuses || providerCapOf(one.budgetId) === null) continue;
      if (line === null || (one.resetsAt ?? 0) < (line.resetsAt ?? 0)) line = one;
    }
  }
  const lines = denied.lines.filter(({ budgetId }) => !budgetId.startsWith(GRANT_BUDGET_PREFIX));
  return { decisionId: denied.decisionId, lines, line, resetsAt };
}
