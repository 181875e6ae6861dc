// Which tiers and models may serve a request, in order, and what to hold for each by its own price (rules Q5, Q6). The kill
// switches are applied here; whether a tier has room is decided by the ledger. Pure. turn-quotas.ts holds the reserves,
// preflight.ts says what would be held.

import type { Amounts } from '../core/amount.js';
import { quoted } from '../core/labels.js';
import type { Labels } from '../core/requests.js';
import { invalid, RefusedError } from '../kit/refusals.js';
import { QUOTA_LABELS, QUOTA_UNITS } from './buckets.js';
import { creditsOf, inputTokensOf, type RequestSize } from './credits.js';
import { CREDITS, INPUT_TOKENS, type PolicyModel, type QuotaRules, UNIT_OF_TOOL } from './policy.js';

/** Why a request gets less than it asks for. `premium_quota_exhausted`: a better tier had no room. */
export const DOWNGRADES = [
  'premium_quota_exhausted',
  'force_standard_tier',
  'disable_premium_tier',
  'model_disabled',
] as const;
export type Downgrade = (typeof DOWNGRADES)[number];

/** The model and the tier that a request asks for. */
interface TierWish {
  readonly model?: string;
  readonly tier?: string;
}

interface Cascade {
  /** One model for each tier that may serve the request, the best tier first; never empty. */
  readonly models: readonly PolicyModel[];
  readonly reasons: readonly Downgrade[];
}

/** @throws RefusedError model_not_found, or invalid_request for a tier that does not exist or is not the model's */
function cascadeOf(rules: QuotaRules, wish: TierWish): Cascade {
  const { tiers, killSwitches } = rules.document;
  const wished = wishedModel(rules, wish);
  const reasons: Downgrade[] = [];
  const from = tiers.indexOf(wished?.tier ?? wish.tier ?? tiers[0]);
  const last = tiers.length - 1;
  let first = from;
  if (killSwitches.forceStandardTier && from < last) {
    reasons.push('force_standard_tier');
    first = last;
  } else if (killSwitches.disablePremiumTier && from === 0) {
    reasons.push('disable_premium_tier');
    first = 1;
  }
  const models: PolicyModel[] = [];
  for (const tier of tiers.slice(first)) {
    const serving = rules.document.models.filter((model) => model.tier === tier && !isDisabled(rules, model));
    const own = wished !== null && wished.tier === tier ? wished : null;
    // Another model of the same tier stands in for one that is disabled.
    if (own === null ? serving.length === 0 : isDisabled(rules, own)) addOnce(reasons, 'model_disabled');
    const model = own !== null && !isDisabled(rules, own) ? own : serving[0];
    if (model !== undefined) models.push(model);
  }
  return { models, reasons };
}

function wishedModel(rules: QuotaRules, { model: name, tier }: TierWish): PolicyModel | null {
  const { tiers } = rules.document;
  if (tier !== undefined && !tiers.includes(tier))
    throw invalid('tier', `${quoted(tier)} is none of ${tiers.join(', ')}`);
  if (name === undefined) return null;
  const model = rules.models.get(name);
  if (model === undefined)
    throw new RefusedError('model_not_found', `model: the policy has no model ${quoted(name)}`, {
      field: 'model',
    });
  if (tier !== undefined && tier !== model.tier)
    throw invalid('tier', `${quoted(name)} is a model of the tier ${model.tier}`);
  return model;
}

function isDisabled(rules: QuotaRules, { name }: PolicyModel): boolean {
  return rules.document.killSwitches.disabledModels.includes(name);
}

function addOnce(reasons: Downgrade[], reason: Downgrade): void {
  if (!reasons.includes(reason)) reasons.push(reason);
}

export interface QuotaRequest extends TierWish, RequestSize {
  /** The caller's limit for the answer; when absent, the model's. */
  readonly outputTokensMax?: number;
}

/** What the ledger is asked to hold when one tier serves the request. */
export interface Reserve {
  readonly model: PolicyModel;
  readonly amounts: Amounts;
  readonly labels: Labels;
}

export interface Reserves {
  /** One for each tier that may serve the request, the best tier first; never empty. */
  readonly reserves: readonly Reserve[];
  /** Why better tiers are not among them. */
  readonly reasons: readonly Downgrade[];
}

/** @throws RefusedError model_not_found or invalid_request */
export function reservesOf(rules: QuotaRules, request: QuotaRequest): Reserves {
  const { models, reasons } = cascadeOf(rules, request);
  const { outputTokensMax } = request;
  if (outputTokensMax !== undefined && (!Number.isSafeInteger(outputTokensMax) || outputTokensMax < 1))
    throw invalid('outputTokensMax', `${outputTokensMax} is no whole number from 1 up`);
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

/** Why the tier at this place was chosen: what the policy says, and that the tiers before it had no room. */
export function reasonsFor({ reasons }: Reserves, place: number): Downgrade[] {
  return place === 0 ? [...reasons] : [...reasons, 'premium_quota_exhausted'];
}

/** Checks the amounts that a caller holds beside the policy's. @throws RefusedError invalid_request */
export function assertNotCounted(further: Amounts): void {
  for (const unit of Object.keys(further)) {
    if (QUOTA_UNITS.has(unit)) throw invalid(`amounts.${unit}`, 'is counted by the policy');
  }
}
