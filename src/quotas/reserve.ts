// The reserve of a request (rules Q5, Q6): for each tier that may serve it, what to hold by that tier's own price. Pure.
// Called by turn-quotas.ts to hold it, and by preflight.ts to say what would be held.

import type { Amounts } from '../core/amount.js';
import type { Labels } from '../core/requests.js';
import { RefusedError } from '../kit/refusals.js';
import { QUOTA_LABELS, QUOTA_UNITS } from './buckets.js';
import { cascadeOf, type Downgrade, type Wish } from './cascade.js';
import { creditsOf, inputTokensOf, type RequestSize } from './credits.js';
import { CREDITS, INPUT_TOKENS, type PolicyModel, type QuotaRules, UNIT_OF_TOOL } from './policy.js';

export interface QuotaRequest extends Wish, RequestSize {
  /** What the caller limits the answer to; the model's own limit when absent. */
  readonly outputTokensMax?: number;
}

/** One tier's part: what the ledger is asked to hold there. */
export interface Reserve {
  readonly model: PolicyModel;
  readonly amounts: Amounts;
  readonly labels: Labels;
}

export interface Reserves {
  /** The best tier first; never empty. */
  readonly reserves: readonly Reserve[];
  /** Why better ones are not among them. */
  readonly reasons: readonly Downgrade[];
}

/** @throws RefusedError model_not_found or invalid_request */
export function reservesOf(rules: QuotaRules, request: QuotaRequest): Reserves {
  const { models, reasons } = cascadeOf(rules, request);
  const { outputTokensMax } = request;
  if (outputTokensMax !== undefined && (!Number.isSafeInteger(outputTokensMax) || outputTokensMax < 1))
    throw new RefusedError(
      'invalid_request',
      `outputTokensMax: ${outputTokensMax} is no whole number from 1 up`,
      {
        field: 'outputTokensMax',
      },
    );
  const inputTokens = inputTokensOf(request, rules.document.estimate);
  const reserves = models.map((model) => {
    const outputTokens = Math.min(model.outputTokensMax, outputTokensMax ?? model.outputTokensMax);
    return {
      model,
      labels: { ...QUOTA_LABELS, policy: String(rules.version), tier: model.tier, model: model.name },
      amounts: {
        [CREDITS]: creditsOf({ inputTokens, outputTokens }, model),
        tokens: BigInt(inputTokens + outputTokens),
        [INPUT_TOKENS]: BigInt(inputTokens),
        calls: 1n,
        [UNIT_OF_TOOL.webSearches]: BigInt(request.webSearches ?? 0),
        [UNIT_OF_TOOL.codeInterpreterCalls]: BigInt(request.codeInterpreterCalls ?? 0),
      },
    };
  });
  return { reserves, reasons };
}

/** Why this tier and not the ones before: what the policy says, and that those did not fit. */
export function reasonsFor({ reasons }: Reserves, place: number): Downgrade[] {
  return place === 0 ? [...reasons] : [...reasons, 'premium_quota_exhausted'];
}

/** Amounts that a caller holds beside a policy's. @throws RefusedError invalid_request for a unit that the policy counts */
export function assertNotCounted(further: Amounts): void {
  for (const unit of Object.keys(further)) {
    if (QUOTA_UNITS.has(unit))
      throw new RefusedError('invalid_request', `amounts.${unit}: is counted by the policy`, {
        field: `amounts.${unit}`,
      });
  }
}
