// What a provider's error means for the calls after it (rule P9): who is left alone and how long, and what its operator is
// told. One instance for the gateway, asked for each attempt that failed, and told of each call that succeeded.

import type { Clock } from '../../authority/api.js';
import type { ProviderModel } from '../calls/candidates.js';
import type { ErrorClass } from '../routing/route.js';
import { classifyError, type ProviderError } from '../routing/signatures.js';
import { plainStart, UnknownErrors } from '../routing/unknown-errors.js';
import type { GatewayParts } from './parts.js';
import { NO_PROVIDER_KEY } from './upstreams.js';

type Parts = Pick<GatewayParts, 'signatures' | 'throttled' | 'logger' | 'onProviderError'> & {
  readonly clock: Clock;
};
/** Some providers answer a wrong key with the status of a malformed request (Gemini's API). */
const KEY_NOT_VALID = /^(?:\S+: ){0,3}api key not valid/i;

/** No shorter name has a word in it that a pattern looks for. */
const CHOSEN_NAME_LENGTH_MIN = 8;

export class ProviderErrors {
  readonly #parts: Parts;
  readonly #unknown = new UnknownErrors();
  /** Providers whose key was not taken, until a call to them succeeds. */
  readonly #keyless = new Set<string>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  classify(tried: ProviderModel, error: ProviderError): ErrorClass {
    const now = this.#parts.clock.now();
    const { provider } = tried;
    const said = { ...error, text: withoutName(error.text, tried.model) };
    const byPattern = classifyError(said, {
      settings: this.#parts.signatures(),
      profile: provider.profile.errors,
      now,
    });
    const found: ErrorClass =
      byPattern.class === 'unknown' && isAboutKey(error) ? { class: 'key' } : byPattern;
    this.#parts.onProviderError?.(provider.name, found.class);
    switch (found.class) {
      case 'account':
        this.#exhaust(provider.name, found.until, now);
        return found;
      case 'throttle':
        return { ...found, until: this.#throttle(tried, found, now) };
      case 'key':
        this.#keyRefused(provider.name, error);
        return found;
      case 'unknown':
        this.#report(provider.name, error);
        return found;
      case 'request':
      case 'flake':
        return found;
    }
  }

  /** A call to it succeeded: what was held against it is over, or gets less. Asked for each call. */
  worked({ provider, model }: ProviderModel): void {
    this.#parts.throttled.worked({ provider: provider.name, model }, this.#parts.clock.now());
    if (this.#keyless.size > 0 && this.#keyless.delete(provider.name))
      this.#parts.logger.warn({ provider: provider.name }, 'a provider takes its key again');
  }

  #exhaust(provider: string, until: number, now: number): void {
    const { logger, throttled } = this.#parts;
    if ((throttled.until(provider, now) ?? 0) < until) {
      logger.warn({ provider, until: instant(until) }, 'the account at a provider is out');
    }
    throttled.throttle(provider, until, now).catch((fault) => {
      logger.error({ err: fault, provider }, 'a throttled provider could not be exhausted');
    });
  }

  #throttle(
    { provider: { name: provider }, model }: ProviderModel,
    reset: ErrorClass & { class: 'throttle' },
    now: number,
  ): number {
    const { logger, throttled } = this.#parts;
    const before = throttled.pairUntil({ provider, model }, now);
    const until = throttled.throttlePair({ provider, model }, reset, now);
    // Once for each time that it is left alone, not for each call that was under way.
    if (before !== until)
      logger.warn({ provider, model, until: instant(until) }, 'a provider throttles a model');
    return until;
  }

  #keyRefused(provider: string, { status, text }: ProviderError): void {
    if (this.#keyless.has(provider)) return;
    this.#keyless.add(provider);
    const message =
      'a provider does not take its key; calls go to their next candidate, and are tried here first';
    this.#parts.logger.error({ provider, error: plainStart(`${status} ${text}`) }, message);
  }

  #report(provider: string, { status, text }: ProviderError): void {
    const start = this.#unknown.firstSeen(provider, status, text);
    if (start !== null)
      this.#parts.logger.warn({ provider, error: start }, 'a provider gave an error that no pattern knows');
  }
}

// Messages repeat the model, whose name a caller can choose below a pattern: `ft:…:insufficient_quota:…` is no quota.
function withoutName(text: string, model: string): string {
  return model.length < CHOSEN_NAME_LENGTH_MIN ? text : text.replaceAll(model, '…');
}

// Also a 403 that no pattern takes for the request's: it is the operator's account that may not do this.
function isAboutKey({ status, text }: ProviderError): boolean {
  if (status === 401 || status === 403) return true;
  return status === 400 ? KEY_NOT_VALID.test(text) : text.startsWith(NO_PROVIDER_KEY);
}

function instant(at: number): string {
  return new Date(at).toISOString();
}
