// What a turn is charged when it ends (rules Q8, Q9): computed from its hold, the policy that it started with and what is
// known of its use. Pure: the same end gives the same figures at any time. Called by turn-quotas.ts.

import type { Amounts } from '../core/amount.js';
import type { HoldEnding, Usage } from '../core/requests.js';
import { creditsOf, isTokenCount } from './credits.js';
import { CREDITS, INPUT_TOKENS, type PolicyModel, TOOLS, UNIT_OF_TOOL } from './policy.js';

/**
 * How a turn ends (rule Q9). failed_before: the provider was never reached. orphaned: nobody ended the turn within its
 * time. unknown: nobody can tell.
 */
export type QuotaEnd =
  | 'completed'
  | 'cancelled'
  | 'failed_before'
  | 'failed_at_provider'
  | 'orphaned'
  | 'unknown';

/** What a caller says that a turn used. */
export interface QuotaUsage extends Omit<Usage, 'toolCalls'> {
  readonly webSearches?: number;
  readonly codeInterpreterCalls?: number;
}

/** What a charge is computed from: the reserve, and the price of that reserve. */
export interface ChargeTerms {
  /** The reserve. */
  readonly held: Amounts;
  /** Null when the policy or the model is not known any more. The reserve is then the charge. */
  readonly model: PolicyModel | null;
  readonly outputTokensMin: number;
  readonly overshootTolerancePercent: number;
}

export interface QuotaCharge {
  /** In the units that the policy counts. */
  readonly amounts: Amounts;
  readonly outcome: HoldEnding;
  /** Nobody stated all that the turn used. */
  readonly estimated: boolean;
  /** What the turn would have been charged, where that is above the tolerance and the charge stopped at the reserve. */
  readonly overshoot: bigint | null;
  /** Nobody knows how the turn ended, so an operator should look. */
  readonly alert: boolean;
}

/** How each end is charged (rule Q9). */
const BASIS: Readonly<
  Record<QuotaEnd, { readonly by: 'usage' | 'estimate' | 'nothing'; readonly outcome: HoldEnding }>
> = {
  completed: { by: 'usage', outcome: 'completed' },
  cancelled: { by: 'usage', outcome: 'cancelled' },
  failed_before: { by: 'nothing', outcome: 'failed' },
  failed_at_provider: { by: 'usage', outcome: 'failed' },
  orphaned: { by: 'estimate', outcome: 'failed' },
  unknown: { by: 'estimate', outcome: 'unknown' },
};

/** Never throws: a turn that has ended is charged, whatever its caller states. */
export function chargeOf(end: QuotaEnd, usage: QuotaUsage | null, terms: ChargeTerms): QuotaCharge {
  const { by, outcome } = BASIS[end];
  const alert = end === 'unknown';
  if (by === 'nothing')
    return {
      amounts: { ...NOTHING, ...toolCounts(null) },
      outcome,
      estimated: false,
      overshoot: null,
      alert,
    };
  const { inputTokens, outputTokens } = by === 'usage' ? (usage ?? {}) : {};
  const tools = toolCounts(usage);
  if (inputTokens === undefined || outputTokens === undefined) {
    const amounts = { ...estimateOf(terms, { inputTokens, outputTokens }), ...tools };
    return { amounts, outcome, estimated: true, overshoot: null, alert };
  }
  const input = countOf(inputTokens);
  const output = countOf(outputTokens);
  const counted = { tokens: BigInt(input) + BigInt(output), [INPUT_TOKENS]: BigInt(input), ...tools };
  const { credits, overshoot } = creditCharge({ inputTokens: input, outputTokens: output }, terms);
  return { amounts: { [CREDITS]: credits, ...counted }, outcome, estimated: false, overshoot, alert };
}

const NOTHING: Amounts = { [CREDITS]: 0n, tokens: 0n, [INPUT_TOKENS]: 0n, calls: 0n };

// Rule Q8. Tokens out of the bounds of rule Q4 have no price, and count as above any tolerance.
function creditCharge(
  used: { readonly inputTokens: number; readonly outputTokens: number },
  { held, model, overshootTolerancePercent }: ChargeTerms,
): { readonly credits: bigint; readonly overshoot: bigint | null } {
  const reserve = held[CREDITS] ?? 0n;
  if (model === null) return { credits: reserve, overshoot: null };
  if (!isTokenCount(used.inputTokens) || !isTokenCount(used.outputTokens))
    return { credits: reserve, overshoot: reserve };
  const actual = creditsOf(used, model);
  const isWithin = actual * 100n <= reserve * BigInt(100 + overshootTolerancePercent);
  return isWithin ? { credits: actual, overshoot: null } : { credits: reserve, overshoot: actual };
}

/** The part of a turn's use that is known. */
interface KnownTokens {
  readonly inputTokens?: number | undefined;
  readonly outputTokens?: number | undefined;
}

/** Rule Q9: the smaller of the reserve, and the estimated input with the policy's `outputTokensMin`. */
export function estimateOf(
  { held, model, outputTokensMin }: Omit<ChargeTerms, 'overshootTolerancePercent'>,
  known: KnownTokens = {},
): Amounts {
  const reserve = { credits: held[CREDITS] ?? 0n, tokens: held.tokens ?? 0n };
  const input = known.inputTokens ?? Number(held[INPUT_TOKENS] ?? 0n);
  const output = known.outputTokens ?? outputTokensMin;
  const isPriced = model !== null && isTokenCount(input) && isTokenCount(output);
  const credits = isPriced ? creditsOf({ inputTokens: input, outputTokens: output }, model) : reserve.credits;
  const tokens = isPriced ? BigInt(input) + BigInt(output) : reserve.tokens;
  return {
    [CREDITS]: smaller(credits, reserve.credits),
    tokens: smaller(tokens, reserve.tokens),
    [INPUT_TOKENS]: smaller(BigInt(countOf(input)), reserve.tokens),
  };
}

/** Tool calls are counted as they were used, not as they were reserved: a limit counts use (rule Q10). */
function toolCounts(usage: QuotaUsage | null): Amounts {
  return Object.fromEntries(TOOLS.map((tool) => [UNIT_OF_TOOL[tool], BigInt(countOf(usage?.[tool] ?? 0))]));
}

/** A count that a caller states. What is no whole number above 0 counts as zero. */
function countOf(count: number): number {
  return Number.isSafeInteger(count) && count > 0 ? count : 0;
}

function smaller(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}
