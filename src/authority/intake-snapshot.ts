// The part of the edge that takes a snapshot back. Its shape is checked in full here, so that nothing half-formed reaches
// the state; whether its books can be restored (rule S2) is the core's to decide.

import { AMOUNT_MAX } from '../core/amount.js';
import { grantBudget } from '../core/apply-account.js';
import { balanceId } from '../core/budgets.js';
import type { RestoreSnapshot } from '../core/commands.js';
import { InvalidInputError } from '../core/errors.js';
import { assertLabels, quoted } from '../core/labels.js';
import { valuesText } from '../core/matcher.js';
import type { Snapshot, SnapshotAccount, SnapshotBalance } from '../core/outcomes.js';
import type { BudgetSpec, Labels } from '../core/requests.js';
import type { State } from '../core/state.js';
import { BEGINNING_MS, NEVER_MS } from '../core/window.js';
import { assertList, assertObject, INSTANT_MAX_MS, stepsIn, wholeIn } from './checks.js';
import { definitionsCommand } from './intake-definitions.js';

/** A snapshot is one record of the journal. */
const BALANCES_MAX = 100_000;
const STATUSES = ['active', 'paused', 'closed'];

export function restoreCommand(state: State, snapshot: Snapshot): RestoreSnapshot {
  assertObject(snapshot, 'snapshot');
  const { accounts = [], units: ownUnits = [], aliases: ownAliases = {} } = snapshot;
  assertList(accounts, 'snapshot.accounts', BALANCES_MAX);
  assertList(snapshot.balances, 'snapshot.balances', BALANCES_MAX);
  assertObject(snapshot.spent, 'snapshot.spent');
  if (typeof snapshot.digest !== 'string')
    throw new InvalidInputError('snapshot.digest', `${quoted(snapshot.digest)} is no digest`);
  const { units, aliases, budgets } = definitionsCommand(state, {
    command: 'put_definitions',
    units: ownUnits,
    aliases: ownAliases,
    budgets: snapshot.budgets,
  } as Parameters<typeof definitionsCommand>[1]);
  const unitNames = new Set([...state.units.units, ...units].map((unit) => unit.name));
  // Balances may also be those of grants, whose budgets every ledger has.
  const specs = new Map([...budgets, ...[...unitNames].map(grantBudget)].map((spec) => [spec.id, spec]));
  return {
    kind: 'restore_snapshot',
    commandId: null,
    snapshot: {
      version: wholeIn(snapshot.version, 'snapshot.version', 0, Number.MAX_SAFE_INTEGER),
      head: headIn(snapshot.head),
      at: wholeIn(snapshot.at, 'snapshot.at', 0, INSTANT_MAX_MS),
      units,
      aliases: aliases ?? {},
      budgets,
      accounts: accounts.map((row, index) => accountIn(row, `snapshot.accounts[${index}]`, specs)),
      openHolds: wholeIn(snapshot.openHolds, 'snapshot.openHolds', 0, Number.MAX_SAFE_INTEGER),
      spent: spentIn(snapshot.spent, unitNames),
      balances: snapshot.balances.map((row, index) => balanceIn(row, `snapshot.balances[${index}]`, specs)),
      digest: snapshot.digest,
    },
  };
}

function headIn(head: Snapshot['head']): Snapshot['head'] {
  assertObject(head, 'snapshot.head');
  if (typeof head.hash !== 'string')
    throw new InvalidInputError('snapshot.head.hash', `${quoted(head.hash)} is no hash`);
  return {
    sequence: wholeIn(head.sequence, 'snapshot.head.sequence', 0, Number.MAX_SAFE_INTEGER),
    hash: head.hash,
  };
}

function spentIn(spent: Snapshot['spent'], units: ReadonlySet<string>): Record<string, bigint> {
  const checked: Record<string, bigint> = {};
  for (const [unit, steps] of Object.entries(spent)) {
    const field = `snapshot.spent.${quoted(unit)}`;
    if (!units.has(unit)) throw new InvalidInputError(field, 'is no unit of the snapshot');
    // The ledger's own sum has no bound, unlike a balance.
    if (typeof steps !== 'bigint' || steps < 0n)
      throw new InvalidInputError(field, `${quoted(steps)} is no sum of steps`);
    checked[unit] = steps;
  }
  return checked;
}

function specOf(budgetId: unknown, field: string, specs: ReadonlyMap<string, BudgetSpec>): BudgetSpec {
  const spec = typeof budgetId === 'string' ? specs.get(budgetId) : undefined;
  if (spec === undefined)
    throw new InvalidInputError(`${field}.budgetId`, `${quoted(budgetId)} is no budget of the snapshot`);
  return spec;
}

/** The values of exactly the budget's wildcard labels, and their text. */
function valuesIn(values: Labels, field: string, spec: BudgetSpec): { labels: Labels; text: string } {
  assertLabels(values, `${field}.values`);
  const wildcards = Object.keys(spec.match)
    .filter((key) => spec.match[key] === '*')
    .sort();
  const text = valuesText(values, wildcards);
  if (text === null || Object.keys(values).length !== wildcards.length) {
    throw new InvalidInputError(
      `${field}.values`,
      `are not those of ${wildcards.join(', ') || 'a budget without wildcards'}`,
    );
  }
  return { labels: { ...values }, text };
}

function accountIn(
  row: SnapshotAccount,
  field: string,
  specs: ReadonlyMap<string, BudgetSpec>,
): SnapshotAccount {
  assertObject(row, field);
  const spec = specOf(row.budgetId, field, specs);
  if (!STATUSES.includes(row.status))
    throw new InvalidInputError(`${field}.status`, `${quoted(row.status)} is none of ${STATUSES.join(', ')}`);
  const { exhaustedUntil, limit } = row;
  return {
    budgetId: spec.id,
    values: row.values === null ? null : valuesIn(row.values, field, spec).labels,
    status: row.status,
    exhaustedUntil:
      exhaustedUntil === null ? null : wholeIn(exhaustedUntil, `${field}.exhaustedUntil`, 0, INSTANT_MAX_MS),
    limit: limit === null || limit === 'default' ? limit : stepsIn(limit, `${field}.limit`),
  };
}

function balanceIn(
  row: SnapshotBalance,
  field: string,
  specs: ReadonlyMap<string, BudgetSpec>,
): SnapshotBalance {
  assertObject(row, field);
  assertObject(row.window, `${field}.window`);
  const spec = specOf(row.budgetId, field, specs);
  const { labels, text } = valuesIn(row.values, field, spec);
  const start = boundIn(row.window.start, `${field}.window.start`, BEGINNING_MS);
  const end = boundIn(row.window.end, `${field}.window.end`, NEVER_MS);
  if (start >= end || (spec.window === 'lifetime') !== (row.window.start === null)) {
    throw new InvalidInputError(`${field}.window`, 'is no window of its budget');
  }
  const id = balanceId(spec.id, text, start);
  if (row.id !== id) throw new InvalidInputError(`${field}.id`, `${quoted(row.id)} is not ${quoted(id)}`);
  if (row.unit !== spec.unit)
    throw new InvalidInputError(`${field}.unit`, `${quoted(row.unit)} is not ${spec.unit}`);
  if ((row.granted === null) !== (row.remaining === null)) {
    throw new InvalidInputError(`${field}.remaining`, 'is null exactly when granted is');
  }
  return {
    id,
    budgetId: spec.id,
    values: labels,
    unit: spec.unit,
    window: { start: row.window.start, end: row.window.end },
    granted: row.granted === null ? null : figureIn(row.granted, `${field}.granted`),
    held: figureIn(row.held, `${field}.held`),
    spent: figureIn(row.spent, `${field}.spent`),
    remaining: row.remaining === null ? null : figureIn(row.remaining, `${field}.remaining`),
    openHolds: wholeIn(row.openHolds, `${field}.openHolds`, 0, Number.MAX_SAFE_INTEGER),
    mayBeNegative: row.mayBeNegative === true,
  };
}

function boundIn(bound: number | null, field: string, unbounded: number): number {
  return bound === null ? unbounded : wholeIn(bound, field, BEGINNING_MS, NEVER_MS);
}

// Signs are the core's to judge: a negative figure has a code of its own.
function figureIn(steps: unknown, field: string): bigint {
  if (typeof steps !== 'bigint' || steps > AMOUNT_MAX || steps < -AMOUNT_MAX) {
    throw new InvalidInputError(field, `${quoted(steps)} is no bigint within 2^63−1`);
  }
  return steps;
}
