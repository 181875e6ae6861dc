// Pairs of provider and model that are throttled (rule P9). A pair waits until the reset that the provider stated; without one
// it waits for a short time, which doubles with each repetition and halves with each call that succeeds. Kept in memory only:
// after a restart the provider is simply asked again. Owned by throttled.ts.

import { THROTTLE_GROWTH_MAX } from './signatures.js';

/** Names of models come from callers where routes are patterns: beyond this the oldest pair is forgotten. */
const REMEMBERED_MAX = 10_000;

export interface Pair {
  readonly provider: string;
  /** The provider's name for the model. */
  readonly model: string;
}

interface Waiting {
  readonly until: number;
  /** How many times as long as at first the next throttle without a reset lasts. */
  readonly growth: number;
}

export class ThrottledPairs {
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
    // Calls that were under way together say the same thing: that is no repetition.
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

  /** A call to the pair succeeded. One that began before the throttle says nothing of it. */
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
    if (this.#waiting.size >= REMEMBERED_MAX) this.#waiting.delete(this.#waiting.keys().next().value ?? '');
    this.#waiting.set(key, waiting);
  }
}

function keyOf({ provider, model }: Pair): string {
  return `${provider}\n${model}`;
}
