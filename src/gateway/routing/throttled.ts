// Providers and models that are to be left alone for a while (rule P9). When a provider's account is exhausted, no call goes to
// that provider: one with caps is exhausted in the ledger, durably and under its canonical name (rule P5); one without caps is
// remembered here until its reset, and a restart forgets it. A throttle concerns one model of a provider
// (throttled-pairs.ts). Written by the front, read by routing-table.ts; one instance lives across reloads.

import type { Ledger } from '../../authority/api.js';
import {
  canonicalProvider,
  exhaustProvider,
  providerCapOf,
  providerVerdict,
} from '../../budgets/providers.js';
import { type Pair, ThrottledPairs } from './throttled-pairs.js';

/** The configuration names at most 1,000 providers, each under its own name and a canonical one. */
const REMEMBERED_MAX = 2_000;
/** Calls that are throttled together each state a reset some milliseconds later: one word for them is enough. */
const LATER_MIN_MS = 1_000;

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
