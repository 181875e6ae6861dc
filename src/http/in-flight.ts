// The commands with an Idempotency-Key that are being decided. A second request with the same key is refused meanwhile,
// instead of waiting behind the first. Afterwards the ledger itself remembers the outcome.

import { RefusedError } from '../kit/refusals.js';
import { IN_FLIGHT_MAX } from './limits.js';

export class InFlight {
  readonly #ids = new Set<string>();

  /** @throws RefusedError idempotency_key_in_flight, or overloaded */
  begin(commandId: string): void {
    if (this.#ids.has(commandId))
      throw new RefusedError(
        'idempotency_key_in_flight',
        'the first request with this Idempotency-Key is still being decided; ask again in a moment',
        { field: 'Idempotency-Key' },
      );
    if (this.#ids.size >= IN_FLIGHT_MAX)
      throw new RefusedError('overloaded', `${IN_FLIGHT_MAX} commands are being decided; try again later`);
    this.#ids.add(commandId);
  }

  end(commandId: string): void {
    this.#ids.delete(commandId);
  }
}
