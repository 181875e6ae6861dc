// Which tiers and models a request may get, in order, and why not those before (rule Q6): kill switches first; what does
// not fit is the ledger's to say. Pure. Called by reserve.ts.

import { quoted } from '../core/labels.js';
import { RefusedError } from '../kit/refusals.js';
import type { PolicyModel, QuotaRules } from './policy.js';

/** Why a request gets less than it wished for. `premium_quota_exhausted`: a better tier did not fit. */
export const DOWNGRADES = [
  'premium_quota_exhausted',
  'force_standard_tier',
  'disable_premium_tier',
  'model_disabled',
] as const;
export type Downgrade = (typeof DOWNGRADES)[number];

export interface Wish {
  readonly model?: string;
  readonly tier?: string;
}

export interface Cascade {
  /** One for each tier that may serve it, the best first; never empty. */
  readonly models: readonly PolicyModel[];
  readonly reasons: readonly Downgrade[];
}

/** @throws RefusedError model_not_found, or invalid_request for a tier that is none or is not the model's */
export function cascadeOf(rules: QuotaRules, wish: Wish): Cascade {
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

function wishedModel(rules: QuotaRules, { model: name, tier }: Wish): PolicyModel | null {
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

function invalid(field: string, problem: string): RefusedError {
  return new RefusedError('invalid_request', `${field}: ${problem}`, { field });
}
