// The candidates of a call with their prices: the limit of output that the forwarded request states, the worst case that is
// held, and the floor that rule Q9 charges when nobody knows the usage. Called by calls.ts.

import type { Amounts } from '../../core/amount.js';
import { RefusedError } from '../../kit/refusals.js';
import type { RequestChanges, RequestReading } from '../dialects/dialect.js';
import { type Endpoint, FREE_ENDPOINTS } from '../metering/endpoints.js';
import type { RequestFacts } from '../metering/request-facts.js';
import { priceHeld } from '../prices/modifiers.js';
import type { ModelPrice, PriceBook } from '../prices/price.js';
import { type WorstCase, worstCaseOf } from '../prices/worst-case.js';
import type { RequestProfile } from '../profiles/profile.js';
import { traitsOf } from '../profiles/profiles.js';
import type { RoutedCandidate } from '../routing/route.js';
import type { ProviderSettings } from '../routing/route-settings.js';
import type { GatewaySettings } from './calls-settings.js';
import { floorOf, OUTPUT_TOKENS_FLOOR, type UnseenOutput, unseenOf } from './floor.js';

/** A model of a provider. */
export type ProviderModel = Pick<PricedCandidate, 'provider' | 'model'>;

/** A candidate with its price, and with what a call to it holds and changes. */
export interface PricedCandidate {
  readonly provider: ProviderSettings;
  /** The provider's name for the model. */
  readonly model: string;
  readonly price: ModelPrice;
  /** The label `model`: its canonical name. */
  readonly canonical: string;
  /** The request as this model counts it: images have other sizes in other models. */
  readonly facts: RequestFacts;
  /** The most output tokens that the model gives; null when unknown. */
  readonly outputTokensOwn: number | null;
  readonly longContext: boolean;
  /** Output tokens of one choice that the forwarded request asks for at most; 0 for endpoints without output. */
  readonly outputTokensMax: number;
  readonly worst: WorstCase;
  /** What is held: usd and tokens at worst, one call. */
  readonly held: { readonly usd: bigint; readonly tokens: bigint };
  readonly unseen: UnseenOutput;
  /** Rule Q9: what the call costs where nobody ever says how it ended. */
  readonly floor: { readonly usd: bigint; readonly tokens: bigint };
  readonly changes: RequestChanges;
}

interface Pricing {
  readonly prices: PriceBook;
  readonly gateway: GatewaySettings;
  /** Epoch ms: the price in force then. */
  readonly at: number;
  /** Whether the caller asks for the long context, by a header. */
  readonly longContext: boolean;
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
  { provider, model, outputTokensUnstated }: RoutedCandidate,
  reading: RequestReading,
  { prices, gateway, at, longContext }: Pricing,
): PricedCandidate {
  refuseUnmetered(reading.facts, provider);
  const known = prices.price({ provider: provider.pricedAs, model, at });
  const isFree = FREE_ENDPOINTS.has(reading.facts.endpoint);
  const price = known ?? (isFree ? unpriced(provider.pricedAs, model) : null);
  if (price === null) {
    throw new RefusedError(
      'price_unknown',
      `No price is known for the model ${model} of ${provider.name}; state one under prices in the configuration.`,
      { field: 'model' },
    );
  }
  const facts = reading.factsFor(model, provider.profile);
  const outputTokensOwn = price.outputTokensMax ?? traitsOf(provider.profile, model).outputTokensMax;
  const canonical = prices.canonicalModel({ provider: provider.pricedAs, model }) ?? model;
  const of = { provider, model, canonical, price, facts, outputTokensOwn, longContext };
  const unstated = outputTokensUnstated === undefined ? gateway : { ...gateway, outputTokensUnstated };
  return candidateWith(of, gateway, facts.outputTokensStated ?? unstatedLimit(of, unstated));
}

// The model's own limit where it is known, so that nothing has to be added to the request. Else enough to think and answer,
// and no more than a context window of the size leaves room for.
function unstatedLimit(
  { price, facts, outputTokensOwn }: Pick<PricedCandidate, 'price' | 'facts' | 'outputTokensOwn'>,
  {
    outputTokensUnstated,
    outputTokensLeast,
  }: Pick<GatewaySettings, 'outputTokensUnstated' | 'outputTokensLeast'>,
): number {
  if (outputTokensOwn !== null) return Math.min(outputTokensOwn, outputTokensUnstated ?? outputTokensOwn);
  if (outputTokensUnstated !== null) return outputTokensUnstated;
  const room = (price.contextWindow ?? Number.MAX_SAFE_INTEGER) - facts.inputTokensHeld;
  return Math.max(OUTPUT_TOKENS_FLOOR, Math.min(outputTokensLeast, room));
}

/** Refuses what can cost and is not metered, unless the provider's profile, or its setting, lets the field pass. */
function refuseUnmetered({ unmetered }: RequestFacts, { name, profile }: ProviderSettings): void {
  for (const { field, why } of unmetered) {
    const { passFields } = profile.request;
    if (passFields.includes(field) || passFields.includes(field.split('.')[0])) continue;
    const message =
      `${field} cannot be metered: ${why}. ` +
      `Leave it out; or, where it costs nothing at ${name}, let it pass with providers.${name}.passFields.`;
    throw new RefusedError('not_meterable', message, { field });
  }
}

/** A model that is asked for nothing that costs needs no price. */
function unpriced(provider: string, model: string): ModelPrice {
  return { provider, model, source: 'own', rates: {}, contextWindow: null, outputTokensMax: null };
}

/** Counting and judging cost nothing, and use no tokens. */
const FREE: WorstCase = {
  quantities: {},
  cost: { total: 0n, components: [] },
  inputTokens: 0,
  outputTokens: 0,
  inputTokensOnce: 0,
  isExpected: false,
};

/** The candidate, asking for at most so many output tokens a choice. */
export function candidateWith(
  of: Pick<
    PricedCandidate,
    'provider' | 'model' | 'canonical' | 'price' | 'facts' | 'outputTokensOwn' | 'longContext'
  >,
  gateway: GatewaySettings,
  outputTokensMax: number,
): PricedCandidate {
  const { provider, model, canonical, price, facts, outputTokensOwn, longContext } = of;
  const { toolRounds, toolRoundTokens, storedInputTokens } = gateway;
  const isFree = FREE_ENDPOINTS.has(facts.endpoint);
  const asked = priceHeld({ price, model, profile: provider.profile }, facts.modifiersAsked);
  const worst = isFree
    ? FREE
    : worstCaseOf(asked, facts, {
        outputTokens: outputTokensMax,
        toolRounds,
        toolRoundTokens,
        storedInputTokens,
        longContext,
      });
  const held = { usd: worst.cost.total, tokens: BigInt(worst.inputTokens + worst.outputTokens) };
  const unseen = unseenOf(facts, provider.profile, model);
  return {
    provider,
    model,
    canonical,
    price,
    facts,
    outputTokensOwn,
    longContext,
    outputTokensMax,
    worst,
    held,
    unseen,
    floor: floorOf({ facts, price: asked, worst, held, unseen }),
    changes: changesOf(
      { facts, model, outputTokensOwn, request: provider.profile.request },
      outputTokensMax,
      gateway,
    ),
  };
}

/** Whose streams state their usage only where it is asked for. */
const IN_CHUNKS: ReadonlySet<Endpoint> = new Set(['chat_completions', 'completions']);

function changesOf(
  {
    facts,
    model,
    outputTokensOwn,
    request,
  }: Pick<PricedCandidate, 'facts' | 'model' | 'outputTokensOwn'> & { readonly request: RequestProfile },
  outputTokensMax: number,
  gateway: GatewaySettings,
): RequestChanges {
  const toolsUnbounded = facts.inputReads === null || Object.values(facts.billedTools).includes(null);
  const changes: { -readonly [Change in keyof RequestChanges]: RequestChanges[Change] } = {};
  if (model !== facts.model) changes.model = model;
  // The model keeps to its own limit by itself.
  const isOwn = outputTokensMax === (facts.outputTokensStated ?? outputTokensOwn);
  if (!isOwn || isMoved(facts, request)) changes.outputTokensMax = outputTokensMax;
  if (facts.stream && IN_CHUNKS.has(facts.endpoint) && facts.usageAsked !== request.asksUsage)
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
