// Every error of the HTTP API as a problem (RFC 9457): what was thrown, denied or rejected, with the figures of the
// budget that decided. Statuses come from statuses.ts and gateway/calls/denial.ts.

import type { Tenancy } from '../access/tenancy.js';
import { hasFigures, type VisibleDenied, type VisibleLine } from '../access/visible.js';
import type { LedgerReads } from '../authority/api.js';
import { deniedOut, evidenceOut } from '../budgets/outcomes-out.js';
import type { Problem } from '../budgets/outcomes-schema.js';
import { InvalidInputError, OverloadedError } from '../core/errors.js';
import type { Denied, Rejected } from '../core/outcomes.js';
import { REJECTIONS } from '../core/rejections.js';
import { denialAnswer, type PerHoldCap } from '../gateway/calls/denial.js';
import { lineFigures } from '../gateway/calls/figures.js';
import { isLedgerFault } from '../gateway/calls/refusals.js';
import { amountOut, type Scales } from '../kit/amounts.js';
import type { Caller } from '../kit/caller.js';
import { REFUSALS, RETRY_AFTER_MS, type RefusalCode, RefusedError } from '../kit/refusals.js';
import { QUOTA_BUDGETS } from '../quotas/buckets.js';
import { REFUSAL_STATUS, REJECTION_STATUS } from './statuses.js';

interface ProblemWords {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
}

function problem({ status, code, title, detail }: ProblemWords, more: Partial<Problem> = {}): Problem {
  return { type: `urn:bursar:${code}`, title, status, code, detail, ...more };
}

/** A refusal that has no RefusedError behind it. */
export function refusal(code: RefusalCode, detail: string, more: Partial<Problem> = {}): Problem {
  return problem({ status: REFUSAL_STATUS[code], code, title: REFUSALS[code].meaning, detail }, more);
}

/** The native API answers 402 for exhaustion; the switch to 429 is the gateway's. */
const EXHAUSTED_STATUS = 402;

/** What outcomes are answered by. */
export interface AnswerParts {
  readonly ledger: Pick<LedgerReads, 'budget'>;
  readonly tenancy: Tenancy;
  readonly scales: Scales;
}

/** A denial: what it means is the same on every surface, the figures are those that the caller may see. */
export function deniedProblem(
  api: AnswerParts,
  caller: Caller,
  denied: Denied,
  shown: VisibleDenied,
): Problem {
  const answer = denialAnswer(denied, {
    exhaustedStatus: EXHAUSTED_STATUS,
    budgetOf: (id) => api.ledger.budget(id),
    quotas: QUOTA_BUDGETS,
  });
  const { status, code, sentence, retryAfterMs, line, cap } = answer;
  const title = `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.`;
  const decisive = line === null ? null : api.tenancy.lines(caller, [line])[0];
  const detail = decisive === null ? title : `${title} ${figuresText(decisive, api.scales, cap)}`;
  return problem(
    { status, code, title, detail },
    {
      ...(decisive === null ? {} : lineFigures(decisive, api.scales, answer)),
      ...(cap === null || cap.tool === null ? {} : { field: cap.tool }),
      ...deniedOut(shown, api.scales),
      ...(retryAfterMs === null ? {} : { retryAfterMs }),
    },
  );
}

function figuresText(line: VisibleLine, scales: Scales, cap: PerHoldCap | null): string {
  if (!hasFigures(line)) return `It is ${line.budgetId}, a budget of the platform's.`;
  const shown = (steps: bigint) => `${amountOut(steps, line.unit, scales)} ${line.unit}`;
  if (cap !== null)
    return `${cap.tool ?? line.budgetId}: ${shown(line.requested)} asked; at most ${shown(cap.max)} ${cap.tool === null ? 'a hold' : 'a turn'}.`;
  const granted = line.granted === null ? 'no limit' : shown(line.granted);
  return `${line.budgetId}: ${shown(line.requested)} asked; of ${granted} granted, ${shown(line.spent)} are spent and ${shown(line.held)} held.`;
}

/** A reused command id is an Idempotency-Key that came with another body; all else keeps the ledger's own code. */
export function rejectedProblem(outcome: Rejected): Problem {
  const reused = outcome.code === 'command_id_reused';
  const code = reused ? 'idempotency_key_reused' : outcome.code;
  const title = reused ? REFUSALS.idempotency_key_reused.meaning : REJECTIONS[outcome.code].meaning;
  const status = REJECTION_STATUS[outcome.code];
  const detail = reused ? title : outcome.message;
  return problem({ status, code, title, detail }, { outcome: 'rejected', ...evidenceOut(outcome) });
}

/** The problem of something thrown; null for what is a bug and must be logged. */
export function problemOf(error: unknown): Problem | null {
  if (error instanceof RefusedError) {
    const { field, retryAfterMs = waitOf(error.code) } = error.about;
    return refusal(error.code, error.message, {
      ...(field === undefined ? {} : { field }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }
  if (error instanceof InvalidInputError)
    return refusal('invalid_request', error.message, { field: error.field });
  if (error instanceof OverloadedError) return refusal('overloaded', error.message, WAIT);
  return isLedgerFault(error)
    ? refusal('ledger_unavailable', REFUSALS.ledger_unavailable.meaning, WAIT)
    : null;
}

const WAIT = { retryAfterMs: RETRY_AFTER_MS };

function waitOf(code: RefusalCode): number | undefined {
  const status = REFUSAL_STATUS[code];
  return status === 503 || code === 'idempotency_key_in_flight' ? RETRY_AFTER_MS : undefined;
}

/** A bug: what it was stands in the log, under the request's id. */
export function bugProblem(): Problem {
  const title = 'Something went wrong in the server.';
  return problem({
    status: 500,
    code: 'internal_error',
    title,
    detail: 'The log has it under the request id.',
  });
}
