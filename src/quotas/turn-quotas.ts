// Turns that a policy counts (rules Q6–Q9): one authorisation whose candidates are the tiers, one settlement. Both are worked
// out here and run by the chats, which declare what they need as `QuotaBudget`. The policy's version, the tier and the model
// stand in the terms of the turn, so nothing is kept here between the two.

import type { Clock, Ledger } from '../authority/api.js';
import type { Amounts } from '../core/amount.js';
import type { Authorize, Labels, OnExpiry, Settle, Usage } from '../core/requests.js';
import { RefusedError } from '../kit/refusals.js';
import { QUOTA_UNITS } from './buckets.js';
import {
  type Charge,
  type ChargeTerms,
  chargeOf,
  estimateOf,
  type QuotaEnd,
  type QuotaUsage,
} from './charge.js';
import type { Policies } from './policies.js';
import { CREDITS, type QuotaRules } from './policy.js';
import { assertNotCounted, type QuotaRequest, type Reserve, reasonsFor, reservesOf } from './reserve.js';

export interface QuotaParts {
  readonly ledger: Ledger;
  readonly clock: Clock;
  /** Told of what somebody should look at: an end that nobody knows (rule Q9). */
  readonly onAlert: (what: string) => void;
}

/** A turn that is to be held. */
export interface QuotaTurn {
  readonly holdId: string;
  readonly labels: Labels;
  readonly ttlMs: number;
  /** What the notes of the hold and of the settlement begin with. */
  readonly note: object;
  /** Bytes of UTF-8 of the texts of this turn. */
  readonly textBytes: number;
  /** `amounts`: of units that the policy does not count, held beside the credits. */
  readonly wish: Omit<QuotaRequest, 'textBytes'> & { readonly amounts?: Amounts };
}

/** What a candidate of the authorisation gives a turn. */
export interface QuotaTerms {
  readonly held: Amounts;
  readonly policy?: number;
  readonly tier?: string;
  readonly model?: string;
  readonly reasons?: readonly string[];
}

export interface EndedTurn {
  readonly holdId: string;
  /** Those that it was held by. */
  readonly terms: QuotaTerms;
  readonly end: QuotaEnd;
  readonly usage: QuotaUsage | null;
  readonly amounts: Amounts | null;
  readonly note: object;
}

/** A settlement with what rules Q8 and Q9 mark. */
export type QuotaSettlement = { readonly request: Settle } & Pick<
  Charge,
  'estimated' | 'overshoot' | 'alert'
>;

export class TurnQuotas {
  constructor(
    private readonly parts: Pick<QuotaParts, 'onAlert'>,
    private readonly policies: Policies,
  ) {}

  get isActive(): boolean {
    return this.policies.active !== null;
  }

  isCounted(unit: string): boolean {
    return QUOTA_UNITS.has(unit);
  }

  /** @throws RefusedError conflict when no policy is active; model_not_found or invalid_request for the wish */
  hold({ holdId, labels, ttlMs, note, textBytes, wish }: QuotaTurn): {
    readonly request: Authorize;
    readonly terms: readonly QuotaTerms[];
  } {
    const rules = this.policies.active;
    if (rules === null) throw new RefusedError('conflict', 'no policy is active');
    const further = wish.amounts ?? {};
    assertNotCounted(further);
    const asked = reservesOf(rules, { ...wish, textBytes });
    const { reserves } = asked;
    const candidates = reserves.map(({ labels, amounts }) => ({
      labels,
      amounts: { ...further, ...amounts },
    }));
    const request: Authorize = {
      holdId,
      labels,
      amounts: candidates[0].amounts,
      candidates,
      ttlMs,
      // Rule Q8 is about credits alone: what else was used is booked as it was, so the charge is worked out in charge.ts.
      overrun: 'record',
      onExpiry: expiryOf(rules, reserves[0], further),
      note: JSON.stringify({ ...note, policy: rules.version, candidates: reserves.map(priceOf) }),
    };
    const terms = reserves.map(({ model }, place) => ({
      held: candidates[place].amounts,
      policy: rules.version,
      tier: model.tier,
      model: model.name,
      reasons: reasonsFor(asked, place),
    }));
    return { request, terms };
  }

  settle({ holdId, terms, end, usage, amounts, note }: EndedTurn): QuotaSettlement {
    const rules = terms.policy === undefined ? null : this.policies.rules(terms.policy);
    const model = rules?.models.get(terms.model ?? '') ?? null;
    const charge = chargeOf(end, usage, { held: terms.held, model, ...toleranceOf(rules) });
    const { estimated, overshoot, alert, outcome } = charge;
    if (alert)
      this.parts.onAlert(`how the turn of the hold ${holdId} ended is not known; its estimate was charged`);
    const request: Settle = {
      holdId,
      amounts: {
        ...furtherCharge(terms.held, end === 'failed_before' ? null : (amounts ?? {})),
        ...charge.amounts,
      },
      ...(usage === null ? {} : { usage: usageOf(usage) }),
      outcome,
      note: JSON.stringify({
        ...note,
        policy: terms.policy,
        end,
        estimated,
        ...(overshoot === null ? {} : { overshoot: overshoot.toString() }),
        ...(alert ? { alert } : {}),
      }),
    };
    return { request, estimated, overshoot, alert };
  }
}

// Where no Bursar runs to settle the turn as an orphan, its time ends it: at the estimate of the dearest tier, up to what
// is held. A settlement that comes later replaces it.
function expiryOf({ document }: QuotaRules, { amounts: held, model }: Reserve, further: Amounts): OnExpiry {
  const { outputTokensMin } = document.estimate;
  return { charge: { ...further, ...estimateOf({ held, model, outputTokensMin }) } };
}

function priceOf({ model, amounts }: Reserve): Record<string, unknown> {
  const { name, tier, inputMultiplier, outputMultiplier } = model;
  return { tier, model: name, inputMultiplier, outputMultiplier, reserve: amounts[CREDITS].toString() };
}

function toleranceOf(
  rules: QuotaRules | null,
): Pick<ChargeTerms, 'outputTokensMin' | 'overshootTolerancePercent'> {
  if (rules === null) return { outputTokensMin: 0, overshootTolerancePercent: 0 };
  const { estimate, overshootTolerancePercent } = rules.document;
  return { outputTokensMin: estimate.outputTokensMin, overshootTolerancePercent };
}

/** Units that the caller holds beside the policy's: what it says that they cost, else what is held; nothing when null. */
function furtherCharge(held: Amounts, stated: Amounts | null): Amounts {
  const units = Object.keys(held).filter((unit) => !QUOTA_UNITS.has(unit));
  return Object.fromEntries(units.map((unit) => [unit, stated === null ? 0n : (stated[unit] ?? held[unit])]));
}

/** As the ledger journals it: both kinds of tool calls in one figure. */
function usageOf({ webSearches = 0, codeInterpreterCalls = 0, ...tokens }: QuotaUsage): Usage {
  const toolCalls = webSearches + codeInterpreterCalls;
  return toolCalls === 0 ? tokens : { ...tokens, toolCalls };
}
