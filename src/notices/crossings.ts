// Which thresholds are reached: by the figures of the lines of an event, so that every command that spends or corrects is
// looked at alike, or by those that accounts have now. Pure; called by the finder.

import type { BudgetLine, LedgerEvent } from '../core/outcomes.js';
import type { AccountRef } from '../core/requests.js';
import type { Crossing, Thresholds } from './notice.js';

/** Thresholds by the budget that they are on. */
export type ThresholdsByBudget = ReadonlyMap<string, readonly Thresholds[]>;

/** The tenant whose figures an account's are; null: the platform's. */
export type TenantOf = (account: AccountRef) => string | null;

/** An account's figures: of an event's line, or of a balance. */
export type Figures = Pick<
  BudgetLine,
  'budgetId' | 'values' | 'unit' | 'window' | 'granted' | 'spent' | 'held'
>;

/** What the figures are of: the event that they come after, or the journal's last. */
export type Moment = Pick<LedgerEvent, 'sequence' | 'eventId' | 'at'>;

/** Of each line and threshold that is reached, by ascending share. A line that was granted nothing reaches no threshold. */
export function crossingsIn(
  lines: readonly Figures[],
  moment: Moment,
  thresholds: ThresholdsByBudget,
  tenantOf: TenantOf,
): readonly Crossing[] {
  let found: Crossing[] | null = null;
  for (const line of lines) {
    const stated = thresholds.get(line.budgetId);
    if (stated === undefined || line.granted === null || line.granted <= 0n) continue;
    for (const { tenant, percents } of stated) {
      // A tenant's are on its own figures, also where the budget has an account for each.
      if (tenant !== null && tenantOf(line) !== tenant) continue;
      for (const percent of percents) {
        if (line.spent * 100n < line.granted * BigInt(percent)) break;
        found ??= [];
        found.push(crossing({ moment, line, granted: line.granted, tenant, percent }));
      }
    }
  }
  return found ?? NONE;
}

const NONE: readonly Crossing[] = [];

type Found = Pick<Crossing, 'tenant' | 'percent' | 'granted'> & {
  readonly line: Figures;
  readonly moment: Moment;
};

function crossing({ line, moment, tenant, percent, granted }: Found): Crossing {
  const { sequence, eventId, at } = moment;
  const { budgetId, values, unit, window, spent, held } = line;
  const { start: windowStart, end: windowEnd } = window;
  return {
    ...{ tenant, budgetId, values, percent, unit, windowStart, windowEnd },
    ...{ granted, spent, held, sequence, eventId, at },
  };
}
