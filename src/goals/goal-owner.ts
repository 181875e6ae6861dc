// Whose goals a caller may make and see: those of its tenant (rule T8), and where the key fixes the label `user`, those of
// that user alone. A goal of another owner is answered exactly like a goal that does not exist. Called by goals.ts.

import { labelsOfCall } from '../access/labels.js';
import { tenantProblem } from '../access/tenant-ids.js';
import { LABEL_VALUE_LENGTH_MAX, quoted, textProblem } from '../core/labels.js';
import type { Labels } from '../core/requests.js';
import type { Caller } from '../kit/caller.js';
import { invalid, RefusedError } from '../kit/refusals.js';
import type { GoalOwner, GoalOwners, GoalRecord } from './goals-facts.js';

/** As a request states it: the platform names a tenant, a key without a user names whose goal it is. */
export interface RequestedOwner {
  readonly tenant?: string | undefined;
  readonly owner?: string | undefined;
}

/** Whose goal it shall be; of the key's user unless stated. @throws RefusedError invalid_request, label_forbidden */
export function ownerOf(caller: Caller, wanted: RequestedOwner): GoalOwner {
  const { tenant, owner } = ownersSeen(caller, wanted);
  if (tenant === null) throw invalid('tenant', 'is required: this key is no tenant’s');
  if (owner === null) throw invalid('owner', 'is required: the key does not fix the label user');
  const problem = textProblem(owner, LABEL_VALUE_LENGTH_MAX);
  if (problem !== null) throw invalid('owner', `${quoted(owner)} ${problem}`);
  const ofTenant = textProblem(tenant, LABEL_VALUE_LENGTH_MAX) ?? tenantProblem(tenant);
  if (ofTenant !== null) throw invalid('tenant', `${quoted(tenant)} ${ofTenant}`);
  return { tenant, owner };
}

/** Whose goals are asked for. @throws RefusedError label_forbidden for an owner that the key may not name */
export function ownersSeen(caller: Caller, { tenant, owner }: RequestedOwner): GoalOwners {
  if (owner !== undefined && caller.tenant === null && tenant === undefined)
    throw invalid('owner', 'is stated together with tenant');
  const user = userOf(caller);
  if (caller.tenant !== null && tenant !== undefined && tenant !== caller.tenant) throw forbidden('tenant');
  if (user !== null && owner !== undefined && owner !== user) throw forbidden('owner');
  return { tenant: caller.tenant ?? tenant ?? null, owner: user ?? owner ?? null };
}

export function mayUse(caller: Caller, { tenant, owner }: GoalOwner): boolean {
  const user = userOf(caller);
  return (caller.tenant === null || caller.tenant === tenant) && (user === null || user === owner);
}

/** The labels of a turn of a goal: the budgets of the key count it too, as they would a call with it. */
export function labelsWith(caller: Caller, { tenant, id }: Pick<GoalRecord, 'tenant' | 'id'>): Labels {
  const labels = labelsOfCall(caller);
  if (Object.hasOwn(labels, 'goal') && labels.goal !== id)
    throw new RefusedError('label_forbidden', 'the label "goal" is fixed by the key to another value', {
      field: 'labels.goal',
    });
  return { ...labels, tenant, goal: id };
}

function userOf({ labels }: Caller): string | null {
  return Object.hasOwn(labels, 'user') ? labels.user : null;
}

function forbidden(field: string): RefusedError {
  return new RefusedError('label_forbidden', `${field}: the key is fixed to another`, { field });
}
