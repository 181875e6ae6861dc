// All that a ledger knows at one moment. Only apply.ts changes it; replaying the journal makes the same state again
// (invariant 9). Indexes and remembered matches are derived and may differ; nothing observable depends on them.

import { BalanceTable } from './balances.js';
import type { Budget } from './budgets.js';
import { CommandIdAges } from './command-ids.js';
import { HashIndex } from './hash-index.js';
import { HoldTable } from './holds.js';
import { LineSet } from './lines.js';
import { Matcher } from './matcher.js';
import { UNITS_MAX, UnitTable } from './units.js';

export interface StateOptions {
  /** Seeds the hash indexes. */
  readonly seed: number;
}

export class State {
  /** The last journal record applied. */
  sequence = 0;
  /** How many commands have changed something. */
  position = 0;
  /** The ledger's time: that of the last record, epoch ms. Never falls. */
  time = 0;
  authorityId = '';
  epoch = 0;
  /** `authorityId:epoch`. */
  term = ':0';
  retentionMs = 0;
  /** What lies before this instant is forgotten for good, also when a later opening keeps things longer. */
  horizon = 0;
  endedHoldsMax = 0;
  readonly units = new UnitTable();
  readonly matcher = new Matcher();
  readonly budgets: Budget[] = [];
  readonly budgetById = new Map<string, Budget>();
  readonly balances = new BalanceTable();
  readonly holds: HoldTable;
  /** Command id → sequence of its record. Texts are in the journal, not here. */
  readonly commandIds: HashIndex;
  readonly commandIdAges = new CommandIdAges();
  /** Everything ever charged, by unit, once however many budgets it counts towards. No column: it has no bound. */
  readonly spentTotal: bigint[] = new Array(UNITS_MAX).fill(0n);
  /** The highest `spentTotal` that a certificate has stated (rule S5). */
  readonly certifiedTotal: bigint[] = new Array(UNITS_MAX).fill(0n);
  snapshotVersion = 0;
  /** Rises when what is known of a balance beyond its figures may have changed: a limit, a version, a slot's owner. */
  balanceGeneration = 0;
  /**
   * Whether a metered balance stops at the largest figure where it would pass it, instead of refusing the command. Only
   * `verify` sets it otherwise, for a command that was refused so before this rule was.
   */
  metersSaturate = true;
  /** The lines of the decision being taken: filled by decide, read by apply, journal and reply. */
  readonly lines = new LineSet();

  constructor(readonly options: StateOptions) {
    this.holds = new HoldTable(options.seed);
    this.commandIds = new HashIndex(options.seed, String);
  }
}

/** Whether a balance counts on at the largest figure: a metered one, but for grants, which are their own caller's. */
export function saturates(state: State, budget: Budget, slot: number): boolean {
  return state.metersSaturate && !budget.forGrants && state.balances.isMetered(slot);
}

/** Begins the ids of the ledger's own budgets, which keep the figures of grants that requests bring. */
export const GRANT_BUDGET_PREFIX = 'grant/';

export function grantBudgetId(unitName: string): string {
  return GRANT_BUDGET_PREFIX + unitName;
}
