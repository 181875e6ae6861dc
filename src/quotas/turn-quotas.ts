// Turns that a policy counts (rules Q6–Q9): the requests that hold and settle them. A hold is one authorisation whose
// candidates are the tiers. The policy's number, the tier and the model stand in the terms of the turn, so nothing is kept
// here between the two. chats runs the requests, so that its own facts ride with them; it declares this as `QuotaBudget`.

import type { Amounts } from '../core/amount.js';
import type { Authorize, Labels, OnExpiry, Settle, Usage } from '../core/requests.js';
import { RefusedError } from '../kit/refusals.js';
import { QUOTA_UNITS } from './buckets.js';
import {
  type ChargeTerms,
  chargeOf,
  estimateOf,
  type QuotaCharge,
  type QuotaEnd,
  type QuotaUsage,
} from './charge.js';
import type { Policies } from './policies.js';
import { CREDITS, type QuotaRules } from './policy.js';
import { assertNotCounted, type QuotaRequest, type Reserve, reasonsFor, reservesOf } from './reserve.js';

/** A turn that is to be held. */
export interface QuotaTurn {
  readonly holdId: string;
  /** The labels of the call; tenant and user are among them. */
  readonly labels: Labels;
  readonly ttlMs: number;
  /** Fields for the journal's note (rule T7): ids and digests, no text. */
  readonly note: object;
  /** UTF-8 bytes of the turn's texts. */
  readonly textBytes: number;
  /** What the caller says of the turn. `amounts` are of units that the policy does not count, in steps. */
  readonly wish: Omit<QuotaRequest, 'textBytes'> & { readonly amounts?: Amounts };
}

/** By which terms a turn is held. A turn that no policy counts has the amounts alone. */
export interface QuotaTerms {
  readonly held: Amounts;
  readonly policy?: number;
  readonly tier?: string;
  readonly model?: string;
  readonly reasons?: readonly string[];
}

/** A turn that has ended and is to be settled. */
export interface EndedQuotaTurn {
  readonly holdId: string;
  readonly terms: QuotaTerms;
  readonly end: QuotaEnd;
  readonly usage: QuotaUsage | null;
  /** What was used of units that the policy does not count; null when nobody says. */
  readonly amounts: Amounts | null;
  readonly note: object;
}

/** The request that holds a turn, and the terms of each of its candidates, in order. */
export interface QuotaHold {
  readonly request: Authorize;
  readonly terms: readonly QuotaTerms[];
}

/** The request that settles a turn, and what rules Q8 and Q9 mark. */
export interface QuotaSettlement extends Pick<QuotaCharge, 'estimated' | 'overshoot' | 'alert'> {
  readonly request: Settle;
}

export class TurnQuotas {
  constructor(
    private readonly policies: Policies,
    /** Takes what an operator should look at: a turn whose end nobody knows (rule Q9). */
    private readonly onAlert: (what: string) => void,
  ) {}

  /** Whether a policy is in force. Where none is, turns hold what their callers state. */
  get isActive(): boolean {
    return this.policies.active !== null;
  }

  /** Whether the policy decides what a turn is charged in this unit. */
  isCounted(unit: string): boolean {
    return QUOTA_UNITS.has(unit);
  }

  /** @throws RefusedError conflict when no policy is active; model_not_found or invalid_request for the wish */
  hold({ holdId, labels, ttlMs, note, textBytes, wish }: QuotaTurn): QuotaHold {
    const rules = this.policies.active;
    if (rules === null) throw new RefusedError('conflict', 'no policy is active');
    const { amounts: further = {}, ...request } = wish;
    assertNotCounted(further);
    const asked = reservesOf(rules, { ...request, textBytes });
    const { reserves } = asked;
    const candidates = reserves.map(({ labels, amounts }) => ({
      labels,
      amounts: { ...further, ...amounts },
    }));
    const authorize: Authorize = {
      holdId,
      labels,
      amounts: candidates[0].amounts,
      candidates,
      ttlMs,
      // Rule Q8 is about credits alone, and all else is booked as it was used. So charge.ts computes the charge.
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
    return { request: authorize, terms };
  }

  /** Never throws: a turn that has ended is charged. */
  settle({ holdId, terms, end, usage, amounts, note }: EndedQuotaTurn): QuotaSettlement {
    const rules = terms.policy === undefined ? null : this.policies.rules(terms.policy);
    const model = rules?.models.get(terms.model ?? '') ?? null;
    const charge = chargeOf(end, usage, { held: terms.held, model, ...toleranceOf(rules) });
    const { estimated, overshoot, alert, outcome } = charge;
    if (alert)
      this.onAlert(`how the turn of the hold ${holdId} ended is not known; its estimate was charged`);
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

// When no Bursar runs that could settle the turn as an orphan, the hold expires at the estimate of the dearest tier, up to
// what is held. A later settlement replaces that charge.
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

/** The charge in units that the policy does not count: what the caller states, else what is held; nothing when null. */
function furtherCharge(held: Amounts, stated: Amounts | null): Amounts {
  const units = Object.keys(held).filter((unit) => !QUOTA_UNITS.has(unit));
  return Object.fromEntries(units.map((unit) => [unit, stated === null ? 0n : (stated[unit] ?? held[unit])]));
}

/** The journal has one figure for all tool calls. */
function usageOf({ webSearches = 0, codeInterpreterCalls = 0, ...tokens }: QuotaUsage): Usage {
  const toolCalls = webSearches + codeInterpreterCalls;
  return toolCalls === 0 ? tokens : { ...tokens, toolCalls };
}
