// Calls whose caller takes no more, and whose provider is read on for the usage that it states at its end (rule Q9): else a
// caller who leaves just before would pay for what it saw, and the provider bills more. Bounded in time and in number; a
// call beyond either is stopped, and charged the larger of what was seen and the floor. One for the gateway.

import type { GatewaySettings } from '../calls/calls-settings.js';
import { EndedByBursar } from './upstreams.js';

/** The part of an exchange that is read on. */
interface WithoutCaller {
  /** Stops the provider; the call is charged what is known by then. */
  stop(why: EndedByBursar): void;
}

export class CallsReadOn {
  /** Until when, epoch ms. A map: few calls are left, and their order is that of their time. */
  readonly #until = new Map<WithoutCaller, number>();

  constructor(
    private readonly limits: () => Pick<GatewaySettings, 'readOnMs' | 'readOnCallsMax'>,
    private readonly now: () => number,
  ) {}

  /** Takes a call in, to be read on from now; false where there is no time or no room for it. */
  admits(exchange: WithoutCaller): boolean {
    const { readOnMs, readOnCallsMax } = this.limits();
    if (readOnMs === 0 || this.#until.size >= readOnCallsMax) return false;
    this.#until.set(exchange, this.now() + readOnMs);
    return true;
  }

  /** It has ended, or is no longer read on. False where it was not read on. */
  remove(exchange: WithoutCaller): boolean {
    return this.#until.delete(exchange);
  }

  /** Stops those whose time is up. */
  sweep(): void {
    const now = this.now();
    for (const [exchange, until] of this.#until) {
      if (until <= now) exchange.stop(new EndedByBursar('read_on_over'));
    }
  }
}
