// Decides which of a caller's betas go out to Anthropic. Most betas change the cost of a request by a field of the body, which
// anthropic.ts reads. Only the long context changes it by the header: beyond the usual context window all tokens may cost more.
// Called by front/ for each request that goes out.

import { COMPONENTS } from '../metering/usage.js';
import type { ModelPrice } from '../prices/price.js';

const LONG_CONTEXT = 'context-1m-';
const LONG_CONTEXT_TOKENS = 1_000_000;
/** The context window of models that know the beta; their dearer rates are for inputs above it. */
const USUAL_CONTEXT_TOKENS = 200_000;

interface BetaFacts {
  readonly price: Pick<ModelPrice, 'rates' | 'contextWindow'>;
  /** The most input tokens of the request; null where only the context window bounds them. */
  readonly inputTokensMax: number | null;
}

/** Whether the caller's header of betas asks for the long context. */
export function asksLongContext(stated: string | readonly string[] | undefined): boolean {
  return typeof stated === 'string' && stated.includes(LONG_CONTEXT);
}

/**
 * The header as it goes out: all betas, without the long context where its cost is not held; null when none is left. Without
 * that beta the provider takes requests up to its usual window and refuses larger ones.
 */
export function sentBetas(stated: string, facts: BetaFacts): string | null {
  if (!stated.includes(LONG_CONTEXT) || coversLongContext(facts)) return stated;
  const left = stated.split(',').filter((beta) => !beta.trim().startsWith(LONG_CONTEXT));
  return left.length === 0 ? null : left.join(',').trim();
}

// The price must know the whole window, or have a rate beyond the usual window while the request's own bytes bound the input.
function coversLongContext({ price, inputTokensMax }: BetaFacts): boolean {
  if ((price.contextWindow ?? 0) >= LONG_CONTEXT_TOKENS) return true;
  const hasDearer = COMPONENTS.some((component) =>
    price.rates[component]?.some(({ fromInputTokens }) => fromInputTokens >= USUAL_CONTEXT_TOKENS),
  );
  return hasDearer && inputTokensMax !== null;
}
