// The units of the ledger as surfaces read and write amounts by them, remembered: asking the ledger at each amount would
// wait for its disk. A unit's scale never changes, and none goes away.

import type { Clock, LedgerReads } from '../authority/api.js';
import { BUILT_IN_UNITS } from '../core/amount.js';
import type { Scales } from './amounts.js';

/** How often a unit that nobody knows makes the ledger be asked: a flood of such requests costs nothing. */
const ASKED_EVERY_MS = 20;

export class UnitScales implements Scales {
  readonly #scales = new Map<string, number>(BUILT_IN_UNITS.map(({ name, scale }) => [name, scale]));
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly ledger: Pick<LedgerReads, 'units'>,
    private readonly clock: Clock,
  ) {}

  get(unit: string): number | undefined {
    const known = this.#scales.get(unit);
    if (known !== undefined) return known;
    const now = this.clock.now();
    // By its amount: a clock that was set back must not hide new units until it has caught up.
    if (Math.abs(now - this.#askedAt) < ASKED_EVERY_MS) return undefined;
    this.#askedAt = now;
    return this.refresh().get(unit);
  }

  /** After definitions were put. */
  refresh(): ReadonlyMap<string, number> {
    for (const { name, scale } of this.ledger.units()) this.#scales.set(name, scale);
    return this.#scales;
  }
}
