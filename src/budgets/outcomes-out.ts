// The ledger's outcomes as the wire has them, once the tenancy has taken out what the caller may not see.

import { visibleId } from '../access/tenant-ids.js';
import {
  hasFigures,
  type VisibleAuthorized,
  type VisibleDenied,
  type VisibleDone,
  type VisibleLine,
  type VisibleSettled,
  type VisibleSkip,
  type VisibleVerdict,
} from '../access/visible.js';
import { formatAmount } from '../core/amount.js';
import type {
  Evidence,
  Authorized as LedgerAuthorized,
  Done as LedgerDone,
  Settled as LedgerSettled,
  WindowBounds,
} from '../core/outcomes.js';
import { amountsOut, type Scales } from '../kit/amounts.js';
import type { Caller } from '../kit/caller.js';
import { instantOut, instantOutOrNull } from '../kit/instants.js';
import type { BriefOutcome, CheckAnswer } from './holds-api.js';
import type { Authorized, Done, Line, Problem, Settled, Skipped } from './outcomes-schema.js';

/** Bounds of windows as they were written last: the ledger gives the same ones in every line of a window. */
const windows = new WeakMap<WindowBounds, Line['window']>();

export function windowOut(bounds: WindowBounds): Line['window'] {
  const known = windows.get(bounds);
  if (known !== undefined) return known;
  const window = { start: instantOutOrNull(bounds.start), end: instantOutOrNull(bounds.end) };
  windows.set(bounds, window);
  return window;
}

export function lineOut(line: VisibleLine, scales: Scales): Line {
  const { unit } = line;
  const window = windowOut(line.window);
  // A line resets when its window ends.
  const resetsAt = line.resetsAt === line.window.end ? window.end : instantOutOrNull(line.resetsAt);
  const violations = line.violations as Line['violations'];
  if (!hasFigures(line))
    return {
      budgetId: line.budgetId,
      scope: line.scope,
      unit,
      window,
      resetsAt,
      violated: line.violated,
      violations,
    };
  const scale = scales.get(unit) ?? 0;
  const { limit, granted, remaining } = line;
  const grantedText = granted === null ? null : formatAmount(granted, scale);
  return {
    budgetId: line.budgetId,
    scope: line.scope,
    unit,
    window,
    resetsAt,
    violated: line.violated,
    violations,
    budgetVersion: line.budgetVersion,
    values: line.values,
    // Without top-ups they are one figure.
    limit: limit === null ? null : limit === granted ? grantedText : formatAmount(limit, scale),
    granted: grantedText,
    spent: formatAmount(line.spent, scale),
    held: formatAmount(line.held, scale),
    remaining: remaining === null ? null : formatAmount(remaining, scale),
    requested: formatAmount(line.requested, scale),
    verdict: line.verdict,
  };
}

export function linesOut(lines: readonly VisibleLine[], scales: Scales): Line[] {
  const shown = new Array<Line>(lines.length);
  for (let index = 0; index < shown.length; index += 1) shown[index] = lineOut(lines[index], scales);
  return shown;
}

function skippedOut(skipped: readonly VisibleSkip[], scales: Scales): Skipped[] {
  return skipped.map(({ candidate, reason, lines }) => ({
    candidate,
    reason,
    lines: linesOut(lines, scales),
  }));
}

export function authorizedOut(outcome: VisibleAuthorized, scales: Scales): Authorized {
  return {
    outcome: 'authorized',
    holdId: outcome.holdId,
    decisionId: outcome.decisionId,
    candidate: outcome.candidate,
    skipped: skippedOut(outcome.skipped, scales),
    lines: linesOut(outcome.lines, scales),
    verdict: outcome.verdict,
    expiresAt: instantOut(outcome.expiresAt),
    holdStatus: outcome.holdStatus,
    sequence: outcome.sequence,
    eventId: outcome.eventId,
    position: outcome.position,
    at: instantOut(outcome.at),
    guarantee: outcome.guarantee,
    metering: outcome.metering,
    term: outcome.term,
    replayed: outcome.replayed,
  };
}

export function doneOut(outcome: VisibleDone, scales: Scales): Done {
  return { ...outcome, at: instantOut(outcome.at), lines: linesOut(outcome.lines, scales) };
}

export function settledOut(outcome: VisibleSettled, scales: Scales): Settled {
  return {
    outcome: 'settled',
    event: outcome.event,
    holdId: outcome.holdId,
    late: outcome.late,
    charged: amountsOut(outcome.charged, scales),
    returned: amountsOut(outcome.returned, scales),
    capped: [...outcome.capped],
    paused: [...outcome.paused],
    lines: linesOut(outcome.lines, scales),
    verdict: outcome.verdict,
    ...evidenceOut(outcome),
  };
}

/** An outcome without its lines: what succeeded, of a batch. */
export function briefOut(
  caller: Caller,
  outcome: LedgerAuthorized | LedgerSettled | LedgerDone,
  scales: Scales,
): BriefOutcome {
  const { sequence, replayed } = outcome;
  const holdId = outcome.holdId === null ? null : visibleId(caller, outcome.holdId);
  switch (outcome.outcome) {
    case 'authorized': {
      const { decisionId, candidate } = outcome;
      const expiresAt = instantOut(outcome.expiresAt);
      return { outcome: 'authorized', holdId, sequence, replayed, decisionId, candidate, expiresAt };
    }
    case 'settled': {
      const charged = amountsOut(outcome.charged, scales);
      const returned = amountsOut(outcome.returned, scales);
      return { outcome: 'settled', holdId, sequence, replayed, charged, returned };
    }
    case 'done':
      return { outcome: 'done', holdId, sequence, replayed };
  }
}

/** What a denial adds to the problem that it is answered as. */
export function deniedOut(outcome: VisibleDenied, scales: Scales): Partial<Problem> {
  const { retryAfterMs } = outcome;
  return {
    ...evidenceOut(outcome),
    outcome: 'denied',
    holdId: outcome.holdId,
    decision_id: outcome.decisionId,
    reason: outcome.reason,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    lines: linesOut(outcome.lines, scales),
    skipped: skippedOut(outcome.skipped, scales),
    unmet: [...outcome.unmet],
    verdict: outcome.verdict,
  };
}

export function evidenceOut(evidence: Evidence): Pick<Done, keyof Evidence> {
  const { sequence, eventId, position, at, guarantee, metering, term, replayed } = evidence;
  return { sequence, eventId, position, at: instantOut(at), guarantee, metering, term, replayed };
}

export function verdictOut(verdict: VisibleVerdict, scales: Scales): CheckAnswer {
  const { worst, lines, fits, reason } = verdict;
  return {
    verdict: verdict.verdict,
    fits,
    reason,
    worst: worst === null ? null : lineOut(worst, scales),
    lines: linesOut(lines, scales),
  };
}
