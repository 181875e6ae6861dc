// Which thresholds an event of the journal has reached: by the figures of its lines, so that every command that spends,
// corrects, or lowers a limit is looked at alike. Pure; called by the follower for each event.

import type { BudgetLine, LedgerEvent } from '../../core/outcomes.js';
import type { Account } from '../access/budget-tenants.js';
import type { Crossing, Thresholds } from './notice.js';

/** Thresholds by the budget that they are on. */
export type ThresholdsByBudget = ReadonlyMap<string, readonly Thresholds[]>;

/** The tenant whose figures an account's are; null: the platform's. */
export type TenantOf = (account: Account) => string | null;

/** Of each line and threshold that is reached, by ascending share. What was granted nothing reaches no share of it. */
export function crossingsIn(
  event: LedgerEvent,
  thresholds: ThresholdsByBudget,
  tenantOf: TenantOf,
): readonly Crossing[] {
  let found: Crossing[] | null = null;
  for (const line of event.lines) {
    const stated = thresholds.get(line.budgetId);
    if (stated === undefined || line.granted === null || line.granted <= 0n) continue;
    for (const { tenant, percents } of stated) {
      // A tenant's are on its own figures, also where the budget has an account for each.
      if (tenant !== null && tenantOf(line) !== tenant) continue;
      for (const percent of percents) {
        if (line.spent * 100n < line.granted * BigInt(percent)) break;
        found ??= [];
        found.push(crossing({ ...event, line, granted: line.granted, tenant, percent }));
      }
    }
  }
  return found ?? NONE;
}

const NONE: readonly Crossing[] = [];

type Found = Pick<LedgerEvent, 'sequence' | 'eventId' | 'at'> &
  Pick<Crossing, 'tenant' | 'percent' | 'granted'> & { readonly line: BudgetLine };

function crossing({ line, tenant, percent, granted, sequence, eventId, at }: Found): Crossing {
  const { budgetId, values, unit, window, spent, held } = line;
  const { start: windowStart, end: windowEnd } = window;
  return {
    ...{ tenant, budgetId, values, percent, unit, windowStart, windowEnd },
    ...{ granted, spent, held, sequence, eventId, at },
  };
}
