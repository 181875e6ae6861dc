// Whose quotas a caller may see and change: a tenant's key, its own users'; a key that fixes a user, that user's alone
// (rule T8). Called by quotas.ts.

import { LABEL_VALUE_LENGTH_MAX, quoted, textProblem } from '../core/labels.js';
import type { Caller } from '../kit/caller.js';
import { RefusedError } from '../kit/refusals.js';

export interface QuotaAccount {
  readonly tenant: string;
  readonly user: string;
}

/** Whose quotas are meant: `tenant` only by keys of the platform, or repeated. */
export interface StatedAccount {
  readonly tenant?: string;
  readonly user: string;
}

/** @throws RefusedError invalid_request; not_found for another's, as for one that never was */
export function accountOf(caller: Caller, { tenant: stated, user }: StatedAccount): QuotaAccount {
  const fixed = caller.tenant ?? caller.labels.tenant;
  const tenant = fixed ?? stated;
  if (tenant === undefined)
    throw new RefusedError('invalid_request', 'tenant: is required with a key of the platform’s own', {
      field: 'tenant',
    });
  for (const [field, text] of Object.entries({ tenant, user })) {
    // A '*' in the account of a budget stands for nobody, and one that is told apart by nobody's eye is refused.
    const problem = text === '*' ? 'names nobody' : textProblem(text, LABEL_VALUE_LENGTH_MAX);
    if (problem !== null)
      throw new RefusedError('invalid_request', `${field}: ${quoted(text)} ${problem}`, { field });
  }
  const isOthers =
    (stated !== undefined && stated !== tenant) ||
    (Object.hasOwn(caller.labels, 'user') && caller.labels.user !== user);
  if (isOthers) throw new RefusedError('not_found', 'there is no such user', { field: 'user' });
  return { tenant, user };
}
