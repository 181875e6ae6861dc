// What several families of commands are made of: labels, amounts, leases, usage. Each is checked here and nowhere else.

import type { Amounts } from '../core/amount.js';
import { AMOUNT_MAX } from '../core/amount.js';
import { InvalidInputError } from '../core/errors.js';
import { assertLabels, assertText, labelText, quoted } from '../core/labels.js';
import { type Labels, type Lease, USAGE_FIELDS, type Usage } from '../core/requests.js';
import type { State } from '../core/state.js';
import type { Quantities } from '../core/units.js';
import { CALLS } from '../core/units.js';
import { assertObject, wholeIn } from './checks.js';

/** Thirty days: whoever needs an amount for longer wants a budget, not a hold. */
export const TTL_MAX_MS = 30 * 86_400_000;

export function leaseIn(lease: Lease): Lease {
  assertObject(lease, 'authority');
  assertText(lease.authorityId, 'authority.authorityId');
  assertText(lease.leaseId, 'authority.leaseId');
  const epoch = wholeIn(lease.epoch, 'authority.epoch', 0, Number.MAX_SAFE_INTEGER);
  return { authorityId: lease.authorityId, leaseId: lease.leaseId, epoch };
}

export function usageIn(usage: Usage): Usage {
  assertObject(usage, 'usage');
  const counts: Record<string, number> = {};
  for (const key of Object.keys(usage)) {
    const value = usage[key as keyof Usage];
    if (value === undefined) continue;
    if (!USAGE_FIELDS.includes(key as (typeof USAGE_FIELDS)[number])) {
      throw new InvalidInputError(`usage.${quoted(key)}`, `is none of ${USAGE_FIELDS.join(', ')}`);
    }
    counts[key] = wholeIn(value, `usage.${key}`, 0, Number.MAX_SAFE_INTEGER);
  }
  return counts;
}

/** Canonical label text; labels whose matches are remembered have been checked before. */
export function labelsIn(state: State, labels: Labels, field: string): string {
  if (isTextRecord(labels)) {
    const text = labelText(labels);
    const known = state.matcher.known(text);
    if (known !== undefined && known.labelCount === Object.keys(labels).length) return text;
  }
  assertLabels(labels, field);
  return labelText(labels);
}

function isTextRecord(labels: unknown): labels is Labels {
  if (labels === null || typeof labels !== 'object' || Array.isArray(labels)) return false;
  for (const key of Object.keys(labels)) {
    if (typeof (labels as Labels)[key] !== 'string') return false;
  }
  return true;
}

const steps: bigint[] = [];

/** Amounts by unit as a list; `calls` is 1 unless stated where a call is implied. Signs are the core's to judge. */
export function quantities(state: State, amounts: Amounts, field: string, withCall: boolean): Quantities {
  assertObject(amounts, field);
  let mask = 0;
  for (const name of Object.keys(amounts)) {
    const unit = state.units.index(name);
    if (unit === -1) throw unknownUnit(state, `${field}.${quoted(name)}`);
    const value = amounts[name];
    if (typeof value !== 'bigint') {
      throw new InvalidInputError(
        `${field}.${name}`,
        `expected a bigint number of steps, got ${quoted(value)} (${typeof value})`,
      );
    }
    if (value > AMOUNT_MAX || value < -AMOUNT_MAX) {
      throw new InvalidInputError(`${field}.${name}`, `${value} is beyond 2^63−1 steps`);
    }
    mask |= 1 << unit;
    steps[unit] = value;
  }
  if (withCall && (mask & (1 << CALLS)) === 0) {
    mask |= 1 << CALLS;
    steps[CALLS] = 1n;
  }
  const set = state.units.set(mask);
  const listed = new Array<bigint>(set.units.length);
  for (let place = 0; place < listed.length; place += 1) listed[place] = steps[set.units[place]];
  return { set, steps: listed };
}

function unknownUnit(state: State, field: string): InvalidInputError {
  return new InvalidInputError(
    field,
    `the ledger has no such unit; it has ${state.units.units.map((unit) => unit.name).join(', ')}`,
  );
}

export function unitIn(state: State, name: unknown, field: string): number {
  const unit = typeof name === 'string' ? state.units.index(name) : -1;
  if (unit === -1) throw unknownUnit(state, field);
  return unit;
}
