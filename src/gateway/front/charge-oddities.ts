// What of charges an operator should know, told once for each provider, model and kind: answers longer than their limit of
// output, and prices that nobody knows. One instance for the gateway, asked for each call that ends: most of them pass through
// two comparisons.

import type { PricedCandidate } from '../calls/candidates.js';
import type { CallCharge } from '../calls/charge.js';
import type { GatewayParts } from './parts.js';

/** Kinds remembered; beyond that the oldest are forgotten, and told once more. */
const REMEMBERED_MAX = 1_000;

export class ChargeOddities {
  readonly #told = new Set<string>();

  constructor(private readonly logger: GatewayParts['logger']) {}

  observe(candidate: PricedCandidate, charge: CallCharge): void {
    if (isOverLimit(candidate, charge)) this.#tellOverLimit(candidate, charge);
    if (charge.unpriced.length > 0) this.#tellUnpriced(candidate, charge.unpriced);
  }

  #tellOverLimit(candidate: PricedCandidate, charge: CallCharge): void {
    const { provider, model, outputTokensMax } = candidate;
    if (!this.#isFirst(`limit\n${provider.name}\n${model}`)) return;
    const about = {
      provider: provider.name,
      model,
      outputTokensMax,
      outputTokens: charge.usage.outputTokens,
    };
    this.logger.warn(
      about,
      `an answer was longer than its limit of output, and is charged in full; the field that the provider keeps to is stated by providers.${provider.name}.outputLimit`,
    );
  }

  #tellUnpriced({ provider, model }: PricedCandidate, unpriced: readonly string[]): void {
    for (const what of unpriced) {
      if (!this.#isFirst(`price\n${provider.name}\n${model}\n${what}`)) continue;
      this.logger.warn(
        { provider: provider.name, model, unpriced: what },
        'an answer states what no price is known for, and its charge is marked estimated; a price can state it, or its modifiers',
      );
    }
  }

  #isFirst(kind: string): boolean {
    if (this.#told.has(kind)) return false;
    if (this.#told.size >= REMEMBERED_MAX) this.#told.delete(this.#told.values().next().value ?? '');
    this.#told.add(kind);
    return true;
  }
}

// Where the provider runs tools, each of its rounds has an output of its own.
function isOverLimit(
  { facts, worst, outputTokensMax }: PricedCandidate,
  { usage, estimated }: CallCharge,
): boolean {
  const { outputTokens } = usage;
  if (estimated || outputTokens === undefined || worst.outputTokens === 0) return false;
  return (facts.inputReads ?? 1) === 1 && outputTokens > outputTokensMax * facts.choices;
}
