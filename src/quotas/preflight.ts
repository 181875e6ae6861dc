// What a request would get now (rule Q6): tier, model and reserve with reasons, or the bucket that has no room. A preflight
// holds nothing, so another request may take the room before this one. Called by quotas.ts.

import type { LedgerReads } from '../authority/api.js';
import type { Amounts } from '../core/amount.js';
import type { BudgetLine, DenialReason } from '../core/outcomes.js';
import { bucketOf, toolOf } from './buckets.js';
import type { Bucket, Period, QuotaRules, Tool } from './policy.js';
import { assertNotCounted, type Downgrade, type QuotaRequest, reasonsFor, reservesOf } from './reserve.js';
import type { QuotaAccount } from './user-limits.js';

interface PreflightParts {
  readonly policy: number;
  readonly reasons: readonly Downgrade[];
}

/** The best tier that has room. */
export interface WouldFit extends PreflightParts {
  readonly fits: true;
  readonly tier: string;
  readonly model: string;
  /** What would be held. */
  readonly reserve: Amounts;
  readonly denial: null;
}

export interface WouldNotFit extends PreflightParts {
  readonly fits: false;
  readonly tier: null;
  readonly model: null;
  readonly reserve: null;
  readonly denial: QuotaDenial;
}

/** Why the last tier has no room: the violated budget that resets last, since that is the one to wait for. */
export interface QuotaDenial {
  readonly reason: DenialReason;
  readonly budgetId: string | null;
  /** Null for a budget that is no quota, such as one that the tenant put. */
  readonly bucket: Bucket | null;
  readonly period: Period | null;
  /** Epoch ms; null when waiting does not help. */
  readonly resetsAt: number | null;
  /** Set when the turn asks for more of a tool than one turn may use. */
  readonly tool: { readonly name: Tool; readonly requested: bigint; readonly perTurn: bigint } | null;
}

export type Preflight = WouldFit | WouldNotFit;

export interface PreflightRequest {
  readonly request: QuotaRequest;
  /** Amounts that the turn would hold of units that the policy does not count, in steps. */
  readonly further: Amounts;
}

/** @throws RefusedError model_not_found or invalid_request */
export function preflightOf(
  ledger: Pick<LedgerReads, 'check'>,
  rules: QuotaRules,
  { tenant, user, request, further }: QuotaAccount & PreflightRequest,
): Preflight {
  assertNotCounted(further);
  const asked = reservesOf(rules, request);
  const policy = rules.version;
  let denial: QuotaDenial | null = null;
  for (const [place, { model, labels, amounts }] of asked.reserves.entries()) {
    const reserve = { ...further, ...amounts };
    const verdict = ledger.check({ labels: { tenant, user, ...labels }, amounts: reserve });
    if (verdict.fits) {
      const { name, tier } = model;
      return {
        fits: true,
        policy,
        reasons: reasonsFor(asked, place),
        tier,
        model: name,
        reserve,
        denial: null,
      };
    }
    denial = { reason: verdict.reason ?? 'no_budget', ...placeOf(verdict.lines, rules) };
  }
  if (denial === null) throw new Error('bug: a cascade is never empty');
  return { fits: false, policy, reasons: asked.reasons, tier: null, model: null, reserve: null, denial };
}

function placeOf(lines: readonly BudgetLine[], rules: QuotaRules): Omit<QuotaDenial, 'reason'> {
  const tooMany = lines.find(({ violations }) => violations.includes('per_hold_max'));
  const name = tooMany === undefined ? null : toolOf(tooMany.budgetId);
  const perTurn = name === null ? null : rules.document.toolLimits[name].perTurn;
  if (tooMany !== undefined && name !== null && perTurn !== null) {
    const tool = { name, requested: tooMany.requested, perTurn: BigInt(perTurn) };
    return { budgetId: tooMany.budgetId, bucket: 'total', period: null, resetsAt: null, tool };
  }
  let last: BudgetLine | null = null;
  for (const line of lines) {
    if (line.violated === null) continue;
    if (
      last === null ||
      (line.resetsAt ?? Number.POSITIVE_INFINITY) > (last.resetsAt ?? Number.POSITIVE_INFINITY)
    )
      last = line;
  }
  const place = last === null ? null : bucketOf(last.budgetId);
  return {
    budgetId: last?.budgetId ?? null,
    bucket: place?.bucket ?? null,
    period: place?.period ?? null,
    resetsAt: last?.resetsAt ?? null,
    tool: null,
  };
}
