// What a turn is charged when it ends (rules Q8, Q9), from its hold, the policy that it started with and what is known of
// its use. Pure and the same whenever it is asked, so that an end that a crash cut is finished with the same figures.
// Called by turn-quotas.ts.

import type { Amounts } from '../core/amount.js';
import type { HoldEnding } from '../core/requests.js';
import { creditsOf, isTokenCount } from './credits.js';
import { CREDITS, INPUT_TOKENS, type PolicyModel, TOOLS, UNIT_OF_TOOL } from './policy.js';

/** How a turn ends, in the words of rule Q9; `failed_before`: the provider was never reached. */
export type QuotaEnd =
  | 'completed'
  | 'cancelled'
  | 'failed_before'
  | 'failed_at_provider'
  | 'orphaned'
  | 'unknown';

/** What the caller says that a turn used. */
export interface QuotaUsage {
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly cacheReadTokens?: number;
  readonly cacheWriteTokens?: number;
  readonly reasoningTokens?: number;
  readonly webSearches?: number;
  readonly codeInterpreterCalls?: number;
}

/** What a charge is made by: the reserve, and the price that it was made with. */
export interface ChargeTerms {
  /** What is held: the reserve. */
  readonly held: Amounts;
  /** Null when the policy or the model is not known any more: then the reserve is the charge. */
  readonly model: PolicyModel | null;
  readonly outputTokensMin: number;
  readonly overshootTolerancePercent: number;
}

export interface Charge {
  /** Of the units of quotas. */
  readonly amounts: Amounts;
  readonly outcome: HoldEnding;
  /** Nobody said what the turn used, or not all of it. */
  readonly estimated: boolean;
  /** It used more than the tolerance allows, and the charge stopped at the reserve; what it would have been. */
  readonly overshoot: bigint | null;
  /** Nobody knows how it ended: somebody should look. */
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

/** Never throws: a turn that has ended is charged, whatever is said of it. */
export function chargeOf(end: QuotaEnd, usage: QuotaUsage | null, terms: ChargeTerms): Charge {
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

// Rule Q8. Out of the bounds of rule Q4 no price is worked out: it is above any tolerance.
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

/** What is known of the use of a turn that is estimated. */
interface Known {
  readonly inputTokens?: number | undefined;
  readonly outputTokens?: number | undefined;
}

/** Rule Q9: the smaller of the reserve, and the estimated input with the least output that a generation comes to. */
export function estimateOf(
  { held, model, outputTokensMin }: Omit<ChargeTerms, 'overshootTolerancePercent'>,
  known: Known = {},
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

/** What was used is counted, whatever was reserved: a limit counts use, not a model's ability (rule Q10). */
function toolCounts(usage: QuotaUsage | null): Amounts {
  return Object.fromEntries(TOOLS.map((tool) => [UNIT_OF_TOOL[tool], BigInt(countOf(usage?.[tool] ?? 0))]));
}

/** A count as somebody says it: what is none counts as none. */
function countOf(count: number): number {
  return Number.isSafeInteger(count) && count > 0 ? count : 0;
}

function smaller(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}
