// The part of the edge that takes authorisations: amounts, candidates, expiry, overrun policy, grants and leases.

import type { Amounts } from '../core/amount.js';
import type { AuthorizeHold } from '../core/commands.js';
import { InvalidInputError } from '../core/errors.js';
import {
  type HoldExtras,
  NO_EXTRAS,
  OVERRUN_CAP,
  OVERRUN_FORBID,
  OVERRUN_RECORD,
  OVERRUN_REJECT,
} from '../core/holds.js';
import { assertText, LABEL_VALUE_LENGTH_MAX } from '../core/labels.js';
import type { Authorize, Candidate, GrantCaps, OverrunPolicy } from '../core/requests.js';
import type { State } from '../core/state.js';
import { CALLS, type Quantities } from '../core/units.js';
import { assertList, assertObject, commandIdIn, noteIn, stepsIn, wholeIn } from './checks.js';
import { labelsIn, leaseIn, quantities, TTL_MAX_MS, unitIn } from './intake-parts.js';

/** Ten minutes: longer than model calls last, short enough that a lost caller does not hold money for long. */
export const TTL_DEFAULT_MS = 600_000;
export const CANDIDATES_MAX = 16;
export const GRANTS_MAX = 16;

export function authorizeCommand(state: State, request: Authorize): AuthorizeHold {
  assertObject(request, 'request');
  assertText(request.holdId, 'holdId');
  const labels = labelsIn(state, request.labels, 'labels');
  const amounts = quantities(state, request.amounts, 'amounts', true);
  const candidates =
    request.candidates === undefined ? null : candidatesIn(state, request, request.candidates);
  const { onExpiry } = request;
  return {
    kind: 'authorize_hold',
    commandId: commandIdIn(request.commandId),
    holdId: request.holdId,
    labels,
    amounts,
    callsStated: Object.hasOwn(request.amounts, 'calls'),
    ttlMs: request.ttlMs === undefined ? TTL_DEFAULT_MS : wholeIn(request.ttlMs, 'ttlMs', 1, TTL_MAX_MS),
    overrun: overrunIn(request.overrun),
    chargeOnExpiry: chargesOnExpiry(onExpiry),
    extras: extrasIn(state, request, amounts),
    candidates,
    require: request.require === undefined ? NO_KEYS : requireIn(request.require),
    note: noteIn(request.note),
  };
}

const NO_KEYS: readonly string[] = [];

function chargesOnExpiry(onExpiry: Authorize['onExpiry']): boolean {
  if (onExpiry === undefined || onExpiry === 'release') return false;
  if (onExpiry === 'charge') return true;
  assertObject(onExpiry, 'onExpiry', "'release', 'charge' or {charge: amounts}");
  return true;
}

function overrunIn(overrun: OverrunPolicy | undefined): number {
  if (overrun === undefined || overrun === 'record') return OVERRUN_RECORD;
  if (overrun === 'reject') return OVERRUN_REJECT;
  if (overrun === 'forbid') return OVERRUN_FORBID;
  assertObject(overrun, 'overrun', "'record', 'reject', 'forbid' or {cap: {tolerancePercent}}");
  assertObject(overrun.cap, 'overrun.cap');
  return OVERRUN_CAP;
}

function extrasIn(state: State, request: Authorize, amounts: Quantities): HoldExtras {
  const { authority, grants, onExpiry, overrun } = request;
  const plain =
    authority === undefined &&
    grants === undefined &&
    typeof onExpiry !== 'object' &&
    typeof overrun !== 'object';
  if (plain) return NO_EXTRAS;
  return {
    lease: authority === undefined ? null : leaseIn(authority),
    grants: grants === undefined ? [] : grantsIn(state, grants),
    expiryCharge:
      typeof onExpiry === 'object'
        ? expiryChargeIn(state, onExpiry.charge, amounts, request.candidates !== undefined)
        : null,
    tolerancePercent:
      typeof overrun === 'object'
        ? wholeIn(overrun.cap.tolerancePercent, 'overrun.cap.tolerancePercent', 0, 1_000)
        : 0,
  };
}

// Charged at expiry, up to what is held then; so a candidate with other amounts needs no charge of its own.
function expiryChargeIn(state: State, charge: Amounts, held: Quantities, hasCandidates: boolean): Quantities {
  const stated = quantities(state, charge, 'onExpiry.charge', false);
  for (let place = 0; place < stated.steps.length; place += 1) {
    const unit = stated.set.units[place];
    const name = `onExpiry.charge.${state.units.name(unit)}`;
    if (unit === CALLS)
      throw new InvalidInputError(name, 'cannot be stated: the call of an expired hold stays counted');
    if (stated.steps[place] < 0n) throw new InvalidInputError(name, `${stated.steps[place]} is negative`);
    if (hasCandidates) continue;
    if (held.set.placeOf[unit] < 0)
      throw new InvalidInputError(name, 'is in a unit that the hold does not have');
    const ceiling = held.steps[held.set.placeOf[unit]];
    if (stated.steps[place] > ceiling) {
      throw new InvalidInputError(name, `${stated.steps[place]} is not between 0 and the ${ceiling} held`);
    }
  }
  return stated;
}

function candidatesIn(
  state: State,
  request: Authorize,
  candidates: readonly Candidate[],
): AuthorizeHold['candidates'] {
  assertList(candidates, 'candidates', CANDIDATES_MAX);
  if (candidates.length === 0)
    throw new InvalidInputError('candidates', 'is empty; leave it out or name at least one');
  return candidates.map((candidate, index) => {
    assertObject(candidate, `candidates[${index}]`);
    const labels = { ...request.labels, ...candidate.labels };
    return {
      labels: labelsIn(state, labels, `candidates[${index}].labels`),
      amounts: quantities(state, candidate.amounts ?? request.amounts, `candidates[${index}].amounts`, true),
      callsStated: Object.hasOwn(candidate.amounts ?? request.amounts, 'calls'),
    };
  });
}

function requireIn(keys: readonly string[]): readonly string[] {
  assertList(keys, 'require', 32);
  for (const [index, key] of keys.entries()) assertText(key, `require[${index}]`);
  return [...keys];
}

function grantsIn(state: State, grants: readonly GrantCaps[]): GrantCaps[] {
  assertList(grants, 'grants', GRANTS_MAX);
  return grants.map((grant, index) => {
    const field = `grants[${index}]`;
    assertObject(grant, field);
    assertText(grant.capability, `${field}.capability`, LABEL_VALUE_LENGTH_MAX);
    assertText(grant.grant, `${field}.grant`, LABEL_VALUE_LENGTH_MAX);
    unitIn(state, grant.unit, `${field}.unit`);
    return {
      capability: grant.capability,
      grant: grant.grant,
      unit: grant.unit,
      ...(grant.maxCalls === undefined
        ? {}
        : { maxCalls: wholeIn(grant.maxCalls, `${field}.maxCalls`, 0, Number.MAX_SAFE_INTEGER) }),
      ...(grant.maxPerHold === undefined
        ? {}
        : { maxPerHold: stepsIn(grant.maxPerHold, `${field}.maxPerHold`) }),
      ...(grant.maxTotal === undefined ? {} : { maxTotal: stepsIn(grant.maxTotal, `${field}.maxTotal`) }),
    };
  });
}
