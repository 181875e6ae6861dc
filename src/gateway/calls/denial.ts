// How a surface answers a denial: the status, the code, when to try again, and the one budget line that explains it. One
// place for both dialects of the gateway and for the native API. A reason that is missing here does not compile. The
// statuses follow from what client libraries try again (docs/gateway.md).

import { providerCapOf } from '../../budgets/providers.js';
import type {
  BudgetLine,
  BudgetView,
  DenialReason,
  Denied,
  SkippedCandidate,
  Violation,
} from '../../core/outcomes.js';
import type { GatewaySettings } from './calls-settings.js';

export type DenialCode =
  | 'budget_exhausted'
  | 'request_exceeds_budget'
  | 'budget_held'
  | 'quota_exceeded'
  | 'no_budget'
  | 'unit_missing'
  | 'budget_closed'
  | 'budget_paused';

export interface DenialAnswer {
  readonly status: 402 | 429;
  readonly code: DenialCode;
  /** Why, in a sentence; the budget and its figures are the line's. */
  readonly sentence: string;
  /** When another try may pass; null when waiting does not help. */
  readonly retryAfterMs: number | null;
  /** Whether the answer forbids client libraries to try again. */
  readonly final: boolean;
  readonly reason: DenialReason;
  /** The line that refused; null where no budget did (`no_budget`). */
  readonly line: BudgetLine | null;
  /** When the line resets, epoch ms: the end of its window, or of a forced exhaustion. */
  readonly resetsAt: number | null;
  /** Where one request is larger than any may be: that is what to look at, and not what is left. */
  readonly cap: PerHoldCap | null;
  /** Of the request's candidates, which one this is about; 0 for a request that names none. */
  readonly candidate: number;
}

export interface PerHoldCap {
  /** The most of one hold, in steps of the line's unit. */
  readonly max: bigint;
  /** The field of the request, where a policy limits what one turn may use of a tool (rule Q10). */
  readonly tool: string | null;
}

/** What the ledger says of a budget now. */
export type BudgetOf = (id: string) => Pick<BudgetView, 'version' | 'perHoldMax'> | undefined;

/** What the quotas of users say of a budget, by its id. */
export interface QuotaBudgets {
  isQuota(budgetId: string): boolean;
  /** The field of the request that says how much of a tool is used, where the budget limits that tool. */
  toolOf(budgetId: string): string | null;
}

/** By which a denial is explained. */
export interface DenialTerms extends Pick<GatewaySettings, 'exhaustedStatus'> {
  readonly budgetOf: BudgetOf;
  readonly quotas: QuotaBudgets;
}

interface DenialStatus {
  readonly code: DenialCode;
  readonly status: 402 | 429;
  readonly sentence: string;
}

const STATUSES: Readonly<Record<DenialReason, DenialStatus>> = {
  held: {
    code: 'budget_held',
    status: 429,
    sentence: 'other calls hold what this one needs; it fits once they end',
  },
  exhausted: { code: 'budget_exhausted', status: 402, sentence: 'the budget is exhausted' },
  too_large: {
    code: 'request_exceeds_budget',
    status: 402,
    sentence: 'this one request may cost more than the budget ever allows',
  },
  paused: { code: 'budget_paused', status: 402, sentence: 'the budget is paused' },
  closed: { code: 'budget_closed', status: 402, sentence: 'the budget is closed' },
  unit_missing: {
    code: 'unit_missing',
    status: 402,
    sentence: 'the budget counts a unit that the request does not state',
  },
  no_budget: { code: 'no_budget', status: 402, sentence: 'no budget with a limit applies to this call' },
};

/** Mildest first: a call that has several candidates is refused for what can be had soonest. */
const SOONEST: readonly DenialReason[] = [
  'held',
  'exhausted',
  'paused',
  'too_large',
  'closed',
  'unit_missing',
  'no_budget',
];

export function denialAnswer(
  denied: Denied,
  { exhaustedStatus, budgetOf, quotas }: DenialTerms,
): DenialAnswer {
  const { reason, lines, candidate } = soonestOf(denied);
  const line = lineOf(lines, reason);
  const { code, status, sentence } = STATUSES[reason];
  const retryAfterMs =
    reason === denied.reason ? (denied.retryAfterMs ?? null) : waitFor(reason, line, denied.at);
  const isForced = line?.violations.includes('forced_exhausted') === true && reason === 'exhausted';
  // Lines have the ends of their windows; until when one is forced exhausted, the ledger's time to wait says.
  const resetsAt = isForced && retryAfterMs !== null ? denied.at + retryAfterMs : (line?.resetsAt ?? null);
  const quota = reason === 'exhausted' && line !== null ? quotaOf(line, quotas) : null;
  if (quota !== null) {
    const sentence = `the quota of the ${quota} is exhausted`;
    const told = { status: 429, code: 'quota_exceeded', sentence, retryAfterMs } as const;
    return { ...told, final: false, reason, line, resetsAt, cap: null, candidate };
  }
  const cap = line === null ? null : capOf(line, { budgetOf, quotas });
  return {
    status: reason === 'exhausted' ? exhaustedStatus : status,
    code,
    sentence: cap === null ? sentence : sentenceOf(cap),
    retryAfterMs,
    final: status === 402,
    reason,
    line,
    resetsAt,
    cap,
    candidate,
  };
}

// Null where the definition is another one by now: what was the most then is not known.
function capOf(
  { budgetId, budgetVersion, violations }: BudgetLine,
  { budgetOf, quotas }: Pick<DenialTerms, 'budgetOf' | 'quotas'>,
): PerHoldCap | null {
  if (!violations.includes('per_hold_max')) return null;
  const { version, perHoldMax } = budgetOf(budgetId) ?? {};
  if (version !== budgetVersion || perHoldMax === undefined) return null;
  return { max: perHoldMax, tool: quotas.toolOf(budgetId) };
}

function sentenceOf({ tool }: PerHoldCap): string {
  return tool === null
    ? 'this one request is larger than the budget allows any to be'
    : `one turn may not use so much of a tool (${tool})`;
}

// These reset soon: the caps of a provider's hour and day, which are no one caller's, and a user's day and month.
function quotaOf({ budgetId }: BudgetLine, quotas: QuotaBudgets): 'provider' | 'user' | null {
  if (providerCapOf(budgetId) !== null) return 'provider';
  return quotas.isQuota(budgetId) ? 'user' : null;
}

/** Why one candidate was not to be had. */
interface CandidateRefusal {
  readonly reason: DenialReason;
  readonly lines: readonly BudgetLine[];
  readonly candidate: number;
}

function soonestOf(denied: Denied): CandidateRefusal {
  const { reason, lines } = denied;
  // The ledger concludes on the candidate behind those that it skipped.
  let soonest: CandidateRefusal = { reason, lines, candidate: denied.skipped.length };
  for (const skipped of denied.skipped as readonly SkippedCandidate[]) {
    if (SOONEST.indexOf(skipped.reason) < SOONEST.indexOf(soonest.reason)) soonest = skipped;
  }
  return soonest;
}

/** What to wait where the ledger said it of another candidate: calls end within seconds, windows when they do. */
const HELD_RETRY_MS = 1_000;

function waitFor(reason: DenialReason, line: BudgetLine | null, at: number): number | null {
  if (reason === 'held') return HELD_RETRY_MS;
  if (reason !== 'exhausted' || line === null || line.resetsAt === null) return null;
  return Math.max(HELD_RETRY_MS, line.resetsAt - at);
}

/** The line that bears the reason; of several the one that resets last, since it is the one to wait for. */
function lineOf(lines: readonly BudgetLine[], reason: DenialReason): BudgetLine | null {
  const violated = lines.filter((line) => line.violated !== null);
  const bearing = violated.filter((line) => reasonOfLine(line) === reason);
  let chosen: BudgetLine | null = null;
  for (const line of bearing.length > 0 ? bearing : violated) {
    if (chosen === null || end(line) > end(chosen)) chosen = line;
  }
  return chosen;
}

function end({ resetsAt }: BudgetLine): number {
  return resetsAt ?? Number.POSITIVE_INFINITY;
}

// As core/decide-authorize.ts judges a line. An exposure cap that one hold passes by itself cannot be told from the line.
function reasonOfLine({ violations, requested, granted, spent }: BudgetLine): DenialReason {
  const has = (violation: Violation) => violations.includes(violation);
  if (has('unit_missing')) return 'unit_missing';
  if (has('closed')) return 'closed';
  const limit = granted ?? 0n;
  if (has('per_hold_max') || (has('limit') && limit > 0n && requested > limit)) return 'too_large';
  if (has('paused')) return 'paused';
  if (has('forced_exhausted')) return 'exhausted';
  return has('limit') && (limit === 0n || requested > limit - spent) ? 'exhausted' : 'held';
}
