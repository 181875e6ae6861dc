// What the routes of the ledger's own API are made of. Given by http/.

import type { Tenancy } from '../access/tenancy.js';
import type { Ledger, LedgerReads } from '../authority/api.js';
import type { Labels } from '../core/requests.js';
import type { Scales } from '../kit/amounts.js';
import type { Caller } from '../kit/caller.js';
import type { UnitScales } from '../kit/unit-scales.js';
import type { BudgetUnits } from './budget-units.js';

/** What lists are made of: also of a ledger in a file, for the command line. */
export interface ListParts {
  readonly ledger: LedgerReads;
  readonly tenancy: Tenancy;
  readonly scales: Scales;
}

export interface LedgerParts extends ListParts {
  readonly ledger: Ledger;
  readonly tenancy: Tenancy;
  readonly scales: UnitScales;
  readonly units: BudgetUnits;
}

/** Refuses labels that name a goal of another owner. @throws RefusedError not_found */
export type GoalCheck = (caller: Caller, labels: Labels) => void;
