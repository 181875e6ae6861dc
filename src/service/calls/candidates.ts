// What each place that a call may go to would cost: its price, the limit of output that the forwarded request states, the
// worst case that is held, and the charge that rule Q9 has for calls whose usage nobody knows. Called by calls.ts.

import type { Amounts } from '../../core/amount.js';
import type { RequestChanges, RequestFacts, RequestReading } from '../dialects/dialect.js';
import { priceHeld } from '../prices/modifiers.js';
import type { ModelPrice, PriceBook } from '../prices/price.js';
import { type WorstCase, worstCaseOf } from '../prices/worst-case.js';
import type { RequestProfile } from '../profiles/profile.js';
import { RefusedError } from '../refusals.js';
import type { RoutedCandidate } from '../routing/route.js';
import type { GatewaySettings, ProviderSettings } from '../settings/settings.js';
import { floorOf, OUTPUT_TOKENS_FLOOR, type Unseen, unseenOf } from './floor.js';

/** A candidate with its price, and with what a call to it holds and changes. */
export interface PricedCandidate {
  readonly provider: ProviderSettings;
  /** The provider's name for the model. */
  readonly model: string;
  readonly price: ModelPrice;
  /** The request as this model counts it: images have other sizes in other models. */
  readonly facts: RequestFacts;
  /** Output tokens of one choice that the forwarded request asks for at most; 0 for endpoints without output. */
  readonly outputTokensMax: number;
  readonly worst: WorstCase;
  /** What is held: usd and tokens at worst, one call. */
  readonly held: { readonly usd: bigint; readonly tokens: bigint };
  readonly unseen: Unseen;
  /** Rule Q9: what the call costs where nobody ever says how it ended. */
  readonly floor: { readonly usd: bigint; readonly tokens: bigint };
  readonly changes: RequestChanges;
}

export interface Pricing {
  readonly prices: PriceBook;
  readonly gateway: GatewaySettings;
  /** Epoch ms: the price in force then. */
  readonly at: number;
}

/**
 * The candidates that have a price, in their order; the others are dropped (field problems 32: unknown is not free).
 * @throws RefusedError of the first one when none has: `price_unknown` or `not_meterable`
 */
export function pricedCandidates(
  routed: readonly RoutedCandidate[],
  reading: RequestReading,
  pricing: Pricing,
): PricedCandidate[] {
  const priced: PricedCandidate[] = [];
  let firstRefusal: RefusedError | null = null;
  for (const candidate of routed) {
    try {
      priced.push(pricedCandidate(candidate, reading, pricing));
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      firstRefusal ??= error;
    }
  }
  if (priced.length === 0 && firstRefusal !== null) throw firstRefusal;
  return priced;
}

function pricedCandidate(
  { provider, model }: RoutedCandidate,
  reading: RequestReading,
  { prices, gateway, at }: Pricing,
): PricedCandidate {
  const price = prices.price({ provider: provider.pricedAs, model, at });
  if (price === null) {
    throw new RefusedError(
      'price_unknown',
      `No price is known for the model ${model} of ${provider.name}; state one under prices in the configuration.`,
      { field: 'model' },
    );
  }
  const facts = reading.factsFor(model);
  const outputTokensMax =
    facts.outputTokensStated ??
    Math.min(gateway.outputTokensUnstated, price.outputTokensMax ?? Number.MAX_SAFE_INTEGER);
  return candidateWith({ provider, model, price, facts }, gateway, outputTokensMax);
}

/** Counting tokens costs nothing, and uses none. */
const FREE: WorstCase = {
  quantities: {},
  cost: { total: 0n, components: [] },
  inputTokens: 0,
  outputTokens: 0,
};

/** The candidate, asking for at most so many output tokens a choice. */
function candidateWith(
  { provider, model, price, facts }: Pick<PricedCandidate, 'provider' | 'model' | 'price' | 'facts'>,
  gateway: GatewaySettings,
  outputTokensMax: number,
): PricedCandidate {
  const { toolCallsUnstated } = gateway;
  const isFree = facts.endpoint === 'count_tokens';
  const asked = priceHeld({ price, model, profile: provider.profile }, facts.modifiersAsked);
  const worst = isFree
    ? FREE
    : worstCaseOf(asked, facts, { outputTokens: outputTokensMax, toolCallsUnstated });
  const held = { usd: worst.cost.total, tokens: BigInt(worst.inputTokens + worst.outputTokens) };
  const unseen = unseenOf(facts, provider.profile, model);
  return {
    provider,
    model,
    price,
    facts,
    outputTokensMax,
    worst,
    held,
    unseen,
    floor: floorOf({ facts, price: asked, worst, held, unseen }),
    changes: changesOf({ facts, model, request: provider.profile.request }, outputTokensMax, gateway),
  };
}

function changesOf(
  { facts, model, request }: Pick<PricedCandidate, 'facts' | 'model'> & { readonly request: RequestProfile },
  outputTokensMax: number,
  gateway: GatewaySettings,
): RequestChanges {
  const toolsUnbounded = facts.inputReads === null || Object.values(facts.billedTools).includes(null);
  const changes: { -readonly [Change in keyof RequestChanges]: RequestChanges[Change] } = {};
  if (model !== facts.model) changes.model = model;
  if (outputTokensMax !== facts.outputTokensStated || isMoved(facts, request))
    changes.outputTokensMax = outputTokensMax;
  if (facts.stream && facts.endpoint === 'chat_completions' && facts.usageAsked !== request.asksUsage)
    changes.askUsage = request.asksUsage;
  if (toolsUnbounded) changes.toolCallsMax = gateway.toolCallsUnstated;
  return changes;
}

/** Whether the caller stated a limit only in fields that this provider does not keep to. */
function isMoved({ outputLimitFields = [] }: RequestFacts, request: RequestProfile): boolean {
  const { outputLimit, outputLimitAlso } = request;
  return outputLimitFields.some((field) => !outputLimit.includes(field) && !outputLimitAlso.includes(field));
}

/** What a hold on the candidate is for. */
export function heldAmounts({ held }: PricedCandidate): Amounts {
  return { usd: held.usd, tokens: held.tokens, calls: 1n };
}

/**
 * The candidate with the largest limit of output, from the floor up to its own, for which `fits` is true; null when not
 * even the floor fits. A worst case grows with its output, so that halving finds it.
 */
export function clampedToFit(
  candidate: PricedCandidate,
  gateway: GatewaySettings,
  fits: (candidate: PricedCandidate) => boolean,
): PricedCandidate | null {
  if (candidate.outputTokensMax < OUTPUT_TOKENS_FLOOR) return null;
  let best = candidateWith(candidate, gateway, OUTPUT_TOKENS_FLOOR);
  if (!fits(best)) return null;
  let tooMany = candidate.outputTokensMax;
  while (tooMany - best.outputTokensMax > 1) {
    const middle = Math.floor((best.outputTokensMax + tooMany) / 2);
    const tried = candidateWith(candidate, gateway, middle);
    if (fits(tried)) best = tried;
    else tooMany = middle;
  }
  return best;
}
