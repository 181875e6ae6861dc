// The unit of each budget, by the ledger's id: what amounts in requests about it are in. A budget's unit never changes,
// so it is learnt once.

import { findableId } from '../access/tenant-ids.js';
import type { LedgerReads } from '../authority/api.js';
import type { Caller } from '../kit/caller.js';

/** As the tenancy will refuse a budget that is not there, its amounts are read as any would be. */
const UNIT_OF_UNKNOWN = 'usd';

export class BudgetUnits {
  readonly #units = new Map<string, string>();

  constructor(private readonly ledger: Pick<LedgerReads, 'budget'>) {}

  unitOf(caller: Caller, budgetId: string): string {
    const id = findableId(caller, budgetId);
    if (id === null) return UNIT_OF_UNKNOWN;
    const known = this.#units.get(id);
    if (known !== undefined) return known;
    const budget = this.ledger.budget(id);
    if (budget === undefined) return UNIT_OF_UNKNOWN;
    this.#units.set(id, budget.unit);
    return budget.unit;
  }
}
