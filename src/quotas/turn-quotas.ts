// Turns that a policy counts (rules Q6–Q9): one authorisation whose candidates are the tiers, one settlement. Which tier a
// turn got, by which policy, and what was estimated stand in the hold's labels and amounts, so nothing is kept here between
// the two, and a settlement is the same whenever it is asked. Called by conversations, as their QuotaBudget.

import type { Clock, Ledger } from '../authority/api.js';
import type { TurnUsage } from '../chats/turn.js';
import type { HeldTurn, QuotaBudget, TurnToHold, TurnToSettle } from '../chats/turn-budget.js';
import type { Amounts } from '../core/amount.js';
import type { Settlement } from '../core/outcomes.js';
import type { OnExpiry, Usage } from '../core/requests.js';
import { RefusedError } from '../kit/refusals.js';
import { QUOTA_UNITS } from './buckets.js';
import { type Charge, type ChargeTerms, chargeOf, estimateOf } from './charge.js';
import type { Policies } from './policies.js';
import { CREDITS, type QuotaRules } from './policy.js';
import { assertNotCounted, type Reserve, reasonsFor, reservesOf } from './reserve.js';

export interface QuotaParts {
  readonly ledger: Ledger;
  readonly clock: Clock;
  /** Told of what somebody should look at: an end that nobody knows (rule Q9). */
  readonly onAlert: (what: string) => void;
}

/** A settlement with what rules Q8 and Q9 mark; of a rejected one, what was tried. */
export type QuotaSettlement = Settlement & Pick<Charge, 'estimated' | 'overshoot' | 'alert'>;

export class TurnQuotas implements QuotaBudget {
  constructor(
    private readonly parts: Pick<QuotaParts, 'ledger' | 'onAlert'>,
    private readonly policies: Policies,
  ) {}

  get isActive(): boolean {
    return this.policies.active !== null;
  }

  isCounted(unit: string): boolean {
    return QUOTA_UNITS.has(unit);
  }

  /** @throws RefusedError conflict when no policy is active; model_not_found or invalid_request for the wish */
  async hold({ holdId, labels, ttlMs, note, textBytes, wish }: TurnToHold): Promise<HeldTurn> {
    const rules = this.policies.active;
    if (rules === null) throw new RefusedError('conflict', 'no policy is active');
    const further = wish.amounts ?? {};
    assertNotCounted(further);
    const asked = reservesOf(rules, { ...wish, textBytes });
    const { reserves } = asked;
    const decision = await this.parts.ledger.authorize({
      holdId,
      labels,
      amounts: { ...further, ...reserves[0].amounts },
      candidates: reserves.map(({ labels, amounts }) => ({ labels, amounts: { ...further, ...amounts } })),
      ttlMs,
      // Rule Q8 is about credits alone: what else was used is booked as it was, so the charge is worked out in charge.ts.
      overrun: 'record',
      onExpiry: expiryOf(rules, reserves[0], further),
      note: JSON.stringify({ ...note, policy: rules.version, candidates: reserves.map(priceOf) }),
    });
    if (decision.outcome !== 'authorized') return { decision };
    const place = decision.candidate ?? 0;
    const { model, amounts } = reserves[place];
    const terms = {
      decisionId: decision.decisionId,
      held: { ...further, ...amounts },
      policy: rules.version,
      tier: model.tier,
      model: model.name,
      reasons: reasonsFor(asked, place),
    };
    return { decision, terms };
  }

  async settle({
    holdId,
    commandId,
    terms,
    end,
    usage,
    amounts,
    note,
  }: TurnToSettle): Promise<QuotaSettlement> {
    const rules = terms.policy === undefined ? null : this.policies.rules(terms.policy);
    const model = rules?.models.get(terms.model ?? '') ?? null;
    const charge = chargeOf(end, usage, { held: terms.held, model, ...toleranceOf(rules) });
    const { estimated, overshoot, alert, outcome } = charge;
    if (alert)
      this.parts.onAlert(`how the turn of the hold ${holdId} ended is not known; its estimate was charged`);
    const settlement = await this.parts.ledger.settle({
      holdId,
      commandId,
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
    });
    return { ...settlement, estimated, overshoot, alert };
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
function usageOf({ webSearches = 0, codeInterpreterCalls = 0, ...tokens }: TurnUsage): Usage {
  const toolCalls = webSearches + codeInterpreterCalls;
  return toolCalls === 0 ? tokens : { ...tokens, toolCalls };
}
