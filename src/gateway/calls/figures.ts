// The figures that answers carry: the tightest budget of a call, and a line's figures as decimal texts. Shared by both
// dialects. Lines come as the caller may see them (tenancy): one without figures is never the tightest.

import { type FullLine, hasFigures, type VisibleLine } from '../../access/visible.js';
import { amountOut, amountOutOrNull, type Scales } from '../../kit/amounts.js';
import type { DenialAnswer } from './denial.js';

/** The limited line with the smallest share left; on a tie the one that resets first. Null where nothing limits. */
export function tightestOf(lines: readonly VisibleLine[]): FullLine | null {
  let tightest: FullLine | null = null;
  for (const line of lines) {
    if (!hasFigures(line) || line.granted === null || line.remaining === null) continue;
    if (tightest === null || isTighter(line, tightest)) tightest = line;
  }
  return tightest;
}

function isTighter(line: FullLine, than: FullLine): boolean {
  // Shares compared crosswise, so that nothing is divided; a grant of nothing has nothing left.
  const left = positive(line.remaining) * atLeastOne(than.granted);
  const right = positive(than.remaining) * atLeastOne(line.granted);
  if (left !== right) return left < right;
  return (line.resetsAt ?? Number.POSITIVE_INFINITY) < (than.resetsAt ?? Number.POSITIVE_INFINITY);
}

function positive(steps: bigint | null): bigint {
  return steps === null || steps < 0n ? 0n : steps;
}

function atLeastOne(steps: bigint | null): bigint {
  return steps === null || steps < 1n ? 1n : steps;
}

/** A line in the body of an answer: which budget, whose spend, and figures that add up to the answer (field problems 35, 38). */
export interface LineFigures {
  readonly budget_id: string;
  readonly scope: 'tenant' | 'platform';
  readonly unit: string;
  readonly limit?: string | null;
  readonly spent?: string;
  readonly held?: string;
  readonly requested?: string;
  /** ISO 8601; null for a budget without a reset. */
  readonly resets_at: string | null;
}

/**
 * `resetsAt`: when the line resets, where that is another instant than the end of its window. `cap`: the most of one
 * request, where that is what decides; what was spent, and when it resets, then says nothing.
 */
export function lineFigures(
  line: VisibleLine,
  scales: Scales,
  { resetsAt, cap }: Pick<DenialAnswer, 'resetsAt' | 'cap'> = { resetsAt: line.resetsAt, cap: null },
): LineFigures {
  const { budgetId, scope, unit } = line;
  const resets_at = resetsAt === null ? null : new Date(resetsAt).toISOString();
  if (!hasFigures(line)) return { budget_id: budgetId, scope, unit, resets_at };
  const requested = amountOut(line.requested, unit, scales);
  if (cap !== null) {
    const limit = amountOut(cap.max, unit, scales);
    return { budget_id: budgetId, scope, unit, limit, requested, resets_at: null };
  }
  return {
    budget_id: budgetId,
    scope,
    unit,
    limit: amountOutOrNull(line.granted, unit, scales),
    spent: amountOut(line.spent, unit, scales),
    held: amountOut(line.held, unit, scales),
    requested,
    resets_at,
  };
}
