// Providers and models that get no calls for a while (rule P9). An exhausted account stops all calls to its provider. A
// provider with caps is exhausted in the ledger, durably and under its canonical name (rule P5); one without caps is remembered
// in memory until its reset. A throttle stops the calls to one model of a provider and is kept in memory: after a restart the
// provider is asked again. Written by front/, read by routing-table.ts; one instance lives across reloads.

import type { Ledger } from '../../authority/api.js';
import {
  canonicalProvider,
  exhaustProvider,
  providerCapOf,
  providerVerdict,
} from '../../budgets/providers.js';
import { THROTTLE_GROWTH_MAX } from './signatures.js';

/** The configuration names at most 1,000 providers, each under its own name and a canonical one. */
const REMEMBERED_MAX = 2_000;
/** Calls that are throttled at the same time state resets some milliseconds apart: one of them is written. */
const LATER_MIN_MS = 1_000;

/** Callers choose model names where routes are patterns: beyond this number the oldest pair is forgotten. */
const PAIRS_MAX = 10_000;

interface Pair {
  readonly provider: string;
  /** The provider's name for the model. */
  readonly model: string;
}

interface Waiting {
  readonly until: number;
  /** The next throttle without a stated reset lasts so many times as long as the first. */
  readonly growth: number;
}

/**
 * A throttled pair waits until the reset that the provider stated. Without a stated reset it waits for a short time, which
 * doubles with each repetition and halves with each call that succeeds.
 */
class ThrottledPairs {
  readonly #waiting = new Map<string, Waiting>();

  /** @returns until when the pair is left alone now; never shortens what is in force */
  throttle(pair: Pair, reset: { readonly until: number; readonly stated: boolean }, now: number): number {
    const key = keyOf(pair);
    const known = this.#waiting.get(key) ?? { until: 0, growth: 1 };
    if (reset.stated) {
      const until = Math.max(known.until, reset.until);
      this.#remember(key, { until, growth: known.growth });
      return until;
    }
    // Calls that ran at the same time report the same throttle: that is no repetition.
    if (known.until > now) return known.until;
    const until = now + (reset.until - now) * known.growth;
    this.#remember(key, { until, growth: Math.min(THROTTLE_GROWTH_MAX, known.growth * 2) });
    return until;
  }

  until(pair: Pair, now: number): number | null {
    if (this.#waiting.size === 0) return null;
    const waiting = this.#waiting.get(keyOf(pair));
    return waiting !== undefined && waiting.until > now ? waiting.until : null;
  }

  /** A call to the pair succeeded. A call that succeeds while the throttle lasts began before it, and changes nothing. */
  worked(pair: Pair, now: number): void {
    if (this.#waiting.size === 0) return;
    const key = keyOf(pair);
    const known = this.#waiting.get(key);
    if (known === undefined || known.until > now) return;
    if (known.growth <= 2) this.#waiting.delete(key);
    else this.#waiting.set(key, { ...known, growth: known.growth / 2 });
  }

  #remember(key: string, waiting: Waiting): void {
    this.#waiting.delete(key);
    if (this.#waiting.size >= PAIRS_MAX) this.#waiting.delete(this.#waiting.keys().next().value ?? '');
    this.#waiting.set(key, waiting);
  }
}

function keyOf({ provider, model }: Pair): string {
  return `${provider}\n${model}`;
}

export class ThrottledProviders {
  readonly #pairs = new ThrottledPairs();
  /** Instants by provider name. */
  readonly #until = new Map<string, number>();

  /** A restart forgets the instants, not the exhaustion: those of providers with caps are read back. */
  constructor(readonly ledger: Ledger) {
    for (const { id, forcedExhaustedUntil } of ledger.budgets()) {
      const named = providerCapOf(id);
      if (named !== null && forcedExhaustedUntil !== null)
        this.#remember(named.provider, forcedExhaustedUntil, 0);
    }
  }

  /**
   * Exhausts a provider until an instant after `now`; never shortens what is in force already, nor writes again for less
   * than a second more. Durable for a provider with caps when the promise resolves; what routes calls sees it at once.
   */
  async throttle(provider: string, until: number, now: number): Promise<void> {
    const known = this.until(provider, now);
    if (until <= now || (known !== null && until < known + LATER_MIN_MS)) return;
    this.#remember(provider, until, now);
    this.#remember(canonicalProvider(this.ledger.aliases(), provider), until, now);
    if (providerVerdict(this.ledger, provider).verdict !== 'uncapped')
      await exhaustProvider(this.ledger, provider, until);
  }

  /**
   * Leaves one model of a provider alone, under the provider's own and its canonical name. @returns until when: the stated
   * instant, else longer with each repetition
   */
  throttlePair(pair: Pair, reset: { readonly until: number; readonly stated: boolean }, now: number): number {
    const provider = canonicalProvider(this.ledger.aliases(), pair.provider);
    if (provider !== pair.provider) this.#pairs.throttle({ ...pair, provider }, reset, now);
    return this.#pairs.throttle(pair, reset, now);
  }

  /** Until when a model of a provider is left alone; null when it is not. */
  pairUntil(pair: Pair, now: number): number | null {
    return this.#pairs.until(pair, now);
  }

  /** A call succeeded: throttles of the pair become shorter again. Asked for each call. */
  worked(pair: Pair, now: number): void {
    this.#pairs.worked(pair, now);
  }

  /** Until when a provider was told to wait, by its own or its canonical name; null when it was not, or that is over. */
  until(provider: string, now: number): number | null {
    const until = this.#until.get(provider);
    if (until === undefined) return null;
    if (until > now) return until;
    this.#until.delete(provider);
    return null;
  }

  #remember(provider: string, until: number, now: number): void {
    const known = this.until(provider, now) ?? 0;
    this.#until.delete(provider);
    // The oldest word goes first: the provider will say it again if it still holds.
    if (this.#until.size >= REMEMBERED_MAX) this.#until.delete(this.#until.keys().next().value ?? '');
    this.#until.set(provider, Math.max(known, until));
  }
}
