// What a provider's error means for the calls after it (rule P9): which provider is left alone, and what its operator is
// told. One instance for the gateway, asked for each attempt that failed.

import type { Clock } from '../../authority/api.js';
import type { ErrorClass } from '../../service/routing/route.js';
import { compileSignatures, type ProviderError, type Signatures } from '../../service/routing/signatures.js';
import { UnknownErrors } from '../../service/routing/unknown-errors.js';
import type { ProviderSettings, Settings } from '../../service/settings/settings.js';
import type { GatewayParts } from './parts.js';

type Parts = Pick<GatewayParts, 'settings' | 'throttled' | 'logger'> & { readonly clock: Clock };

export class ProviderErrors {
  readonly #parts: Parts;
  readonly #unknown = new UnknownErrors();
  #compiled: { readonly settings: Settings; readonly signatures: Signatures } | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  // Compiled again only when the settings have been reloaded.
  #signatures(): Signatures {
    const settings = this.#parts.settings();
    if (this.#compiled?.settings !== settings)
      this.#compiled = { settings, signatures: compileSignatures(settings.signatures) };
    return this.#compiled.signatures;
  }

  classify({ name }: ProviderSettings, error: ProviderError): ErrorClass {
    const { clock, logger, throttled } = this.#parts;
    const now = clock.now();
    const found = this.#signatures().classify(error, now);
    if (found.class === 'throttle') {
      logger.warn({ provider: name, until: new Date(found.until).toISOString() }, 'a provider throttles');
      throttled.throttle(name, found.until, now).catch((fault) => {
        logger.error({ err: fault, provider: name }, 'a throttled provider could not be exhausted');
      });
    } else if (found.class === 'unknown') {
      const start = this.#unknown.firstSeen(name, error.status, error.text);
      if (start !== null)
        logger.warn({ provider: name, error: start }, 'a provider gave an error that no pattern knows');
    }
    return found;
  }
}
