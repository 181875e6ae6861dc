// What the routes of the ledger's own API are made of. Given by http/.

import type { Tenancy } from '../access/tenancy.js';
import type { Ledger } from '../authority/api.js';
import type { Labels } from '../core/requests.js';
import type { Caller } from '../kit/caller.js';
import type { UnitScales } from '../kit/unit-scales.js';
import type { BudgetUnits } from './budget-units.js';

export interface LedgerParts {
  readonly ledger: Ledger;
  readonly tenancy: Tenancy;
  readonly scales: UnitScales;
  readonly units: BudgetUnits;
}

/** Refuses labels that name a goal of another owner. @throws RefusedError not_found */
export type GoalCheck = (caller: Caller, labels: Labels) => void;
