// The fields of a budget: everything the rest of the code must know of each field, in one table. A new field of BudgetSpec does
// not compile until it stands here; a new kind does not compile until every reader and writer of budgets knows it.

import type { BudgetSpec } from './requests.js';
import { parseWindow, windowLabel } from './window.js';

/** How a field's value is read, compared and written. */
export type BudgetFieldKind =
  /** The budget's own name. */
  | 'id'
  /** Labels, each with a value or `'*'`. */
  | 'match'
  /** The name of a unit of the ledger. */
  | 'unit'
  /** An amount in steps of the budget's unit; null = metered only. */
  | 'limit'
  | 'window'
  /** An amount in steps of the budget's unit. */
  | 'cap'
  /** A cap that is none when it is 0. */
  | 'cap_above_zero'
  /** A whole number from 1 to 100. */
  | 'percent'
  /** One of the field's `choices`. */
  | 'choice';

export type BudgetField = BudgetFieldDecisions &
  (
    | { readonly kind: Exclude<BudgetFieldKind, 'choice'> }
    | { readonly kind: 'choice'; readonly choices: readonly string[] }
  );

interface BudgetFieldDecisions {
  readonly required: boolean;
  /**
   * What a definition that states another value does to a budget in force: `fixed` = it is a conflict, since figures are
   * booked in these; `version` = it makes a new version. The id is what the budget is found by.
   */
  readonly change: 'identity' | 'fixed' | 'version';
  /** The value that is meant where the field is left out; absent where that has a meaning of its own. */
  readonly absent?: bigint | number | string;
}

/** In the order in which definitions are written. */
export const BUDGET_FIELDS = {
  id: { kind: 'id', required: true, change: 'identity' },
  match: { kind: 'match', required: true, change: 'fixed' },
  unit: { kind: 'unit', required: true, change: 'fixed' },
  limit: { kind: 'limit', required: true, change: 'version' },
  window: { kind: 'window', required: true, change: 'fixed' },
  perHoldMax: { kind: 'cap', required: false, change: 'version' },
  heldMax: { kind: 'cap_above_zero', required: false, change: 'version', absent: 0n },
  warnAtPercent: { kind: 'percent', required: false, change: 'version' },
  onExhausted: {
    kind: 'choice',
    required: false,
    change: 'version',
    choices: ['refuse', 'pause'],
    absent: 'refuse',
  },
} as const satisfies Record<keyof BudgetSpec, BudgetField>;

export type BudgetFieldName = keyof typeof BUDGET_FIELDS;

/** The table as a list, for code that treats all fields alike. */
export const BUDGET_FIELD_LIST = Object.entries(BUDGET_FIELDS) as readonly (readonly [
  BudgetFieldName,
  BudgetField,
])[];

type FixedField = {
  [N in BudgetFieldName]: (typeof BUDGET_FIELDS)[N]['change'] extends 'fixed' ? N : never;
}[BudgetFieldName];

/** In the order in which a conflict names them: of several, journals hold the first. */
const FIXED_FIELDS: { readonly [N in FixedField]: true } = { unit: true, window: true, match: true };

/** The first part of a budget that no definition may change and that this one states otherwise; null when there is none. */
export function fixedFieldThatDiffers(known: BudgetSpec, spec: BudgetSpec): BudgetFieldName | null {
  const names = Object.keys(FIXED_FIELDS) as FixedField[];
  return names.find((name) => !isSame(name, known, spec)) ?? null;
}

/** Whether two definitions of one budget differ in a way that makes a new version (rule L1). */
export function makesNewVersion(known: BudgetSpec, spec: BudgetSpec): boolean {
  return BUDGET_FIELD_LIST.some(([name, { change }]) => change === 'version' && !isSame(name, known, spec));
}

function isSame(name: BudgetFieldName, left: BudgetSpec, right: BudgetSpec): boolean {
  const { kind, absent }: BudgetField = BUDGET_FIELDS[name];
  switch (kind) {
    case 'match':
      return sameRecord(left.match, right.match);
    case 'window':
      return labelOf(left) === labelOf(right);
    default:
      return (left[name] ?? absent) === (right[name] ?? absent);
  }
}

function labelOf({ window }: BudgetSpec): string {
  return windowLabel(parseWindow(window, 'window'));
}

export function sameRecord(
  left: Readonly<Record<string, string>>,
  right: Readonly<Record<string, string>>,
): boolean {
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length && keys.every((key) => left[key] === right[key]);
}
