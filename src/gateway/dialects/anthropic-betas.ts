// Which of a caller's betas go out to Anthropic. A beta changes what a request costs by a field of the body, which
// anthropic.ts reads; the long context alone does so by its header: beyond the usual context window all tokens may cost
// more. Called by the gateway for each request that goes out.

import { COMPONENTS } from '../metering/usage.js';
import type { ModelPrice } from '../prices/price.js';

const LONG_CONTEXT = 'context-1m-';
const LONG_CONTEXT_TOKENS = 1_000_000;
/** The context window of models that know the beta; their dearer rates are for inputs above it. */
const USUAL_CONTEXT_TOKENS = 200_000;

export interface BetaFacts {
  readonly price: Pick<ModelPrice, 'rates' | 'contextWindow'>;
  /** Of the request; null where only the context window bounds it. */
  readonly inputTokensMax: number | null;
}

/** Whether a caller's betas, as its header states them, ask for the long context. */
export function asksLongContext(stated: string | readonly string[] | undefined): boolean {
  return typeof stated === 'string' && stated.includes(LONG_CONTEXT);
}

/**
 * The header as it goes out: all betas but the long context where its cost is not held; null when none is left. Without it
 * the provider takes the request up to its usual window, and refuses a larger one.
 */
export function sentBetas(stated: string, facts: BetaFacts): string | null {
  if (!stated.includes(LONG_CONTEXT) || coversLongContext(facts)) return stated;
  const left = stated.split(',').filter((beta) => !beta.trim().startsWith(LONG_CONTEXT));
  return left.length === 0 ? null : left.join(',').trim();
}

// A price that knows the whole window has its rates; else it must have a rate beyond the usual one, and the request's own
// bytes must bound the input.
function coversLongContext({ price, inputTokensMax }: BetaFacts): boolean {
  if ((price.contextWindow ?? 0) >= LONG_CONTEXT_TOKENS) return true;
  const hasDearer = COMPONENTS.some((component) =>
    price.rates[component]?.some(({ fromInputTokens }) => fromInputTokens >= USUAL_CONTEXT_TOKENS),
  );
  return hasDearer && inputTokensMax !== null;
}
