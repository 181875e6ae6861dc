// The ids that a tenant gives its things, as the ledger has them: `tenant/<encoded tenant>/<id>`. A tenant never sees the
// prefix and cannot write one, so its ids can neither be nor look like those of another tenant (rule T8). The platform sees
// and uses full ids.

import { ID_LENGTH_MAX, quoted, textProblem } from '../core/labels.js';
import type { Caller } from '../kit/caller.js';
import { RefusedError } from '../kit/refusals.js';

/** The ids of every tenant begin with it. */
export const TENANT_PREFIX = 'tenant/';

/**
 * Ids of holds that the gateway opens for a tenant begin with it, below the tenant's prefix. The tenant sees these holds,
 * but only the gateway commands them: a tenant that could release or correct them would have its calls for nothing.
 */
export const CALL_PREFIX = 'call/';
/** As CALL_PREFIX, for the holds of turns, which only the end of the turn ends. */
export const TURN_PREFIX = 'turn/';

/** Half of an id, so that 64 characters remain for the tenant: a UUID with a readable name before it. */
export const TENANT_PREFIX_LENGTH_MAX = ID_LENGTH_MAX / 2;

/** An encoded name contains no `/`, so of the prefixes of two tenants neither begins with the other. */
export function tenantPrefix(tenant: string): string {
  const known = prefixes.get(tenant);
  if (known !== undefined) return known;
  if (prefixes.size >= PREFIXES_MAX) prefixes.clear();
  const prefix = `${TENANT_PREFIX}${encodeURIComponent(tenant)}/`;
  prefixes.set(tenant, prefix);
  return prefix;
}

/** Each call needs its tenant's prefix several times, so this many are kept, of about 200 bytes each. */
const PREFIXES_MAX = 10_000;
const prefixes = new Map<string, string>();

/** Why a text cannot be the name of a tenant with keys, or null. */
export function tenantProblem(tenant: string): string | null {
  // In the match of a budget, '*' is every tenant.
  if (tenant === '*') return 'stands for every tenant and names none';
  const { length } = tenantPrefix(tenant);
  if (length <= TENANT_PREFIX_LENGTH_MAX) return null;
  const over = length - TENANT_PREFIX_LENGTH_MAX;
  return `is ${over} characters too long: percent-encoded, at most ${TENANT_NAME_LENGTH_MAX} are allowed`;
}

const TENANT_NAME_LENGTH_MAX = TENANT_PREFIX_LENGTH_MAX - TENANT_PREFIX.length - 1;

/**
 * The ledger's id for a new thing of the caller's.
 * @throws RefusedError invalid_request naming `field`: no id, too long for what the prefix leaves, or below a prefix
 */
export function toLedgerId(caller: Caller, id: string, field = 'id'): string {
  const prefix = caller.tenant === null ? '' : tenantPrefix(caller.tenant);
  const left = ID_LENGTH_MAX - prefix.length;
  const problem = textProblem(id, left);
  if (problem !== null) {
    const why = prefix === '' ? '' : ` (${ID_LENGTH_MAX}, less the ${prefix.length} that name the tenant)`;
    throw new RefusedError('invalid_request', `${field}: ${quoted(id)} ${problem}${why}`, { field });
  }
  if (prefix !== '' && id.startsWith(TENANT_PREFIX))
    throw new RefusedError('invalid_request', `${field}: ids that begin with ${TENANT_PREFIX} are reserved`, {
      field,
    });
  return prefix + id;
}

/** The ledger's id for the hold of a gateway call. `unique` has at most 59 characters; a UUID has 36. */
export function callHoldId(caller: Caller, unique: string): string {
  return toLedgerId(caller, CALL_PREFIX + unique, 'holdId');
}

/** Whether the hold that a tenant names so is one that only the gateway or a turn ends. */
export function isOfGateway(caller: Caller, id: string): boolean {
  return caller.tenant !== null && (id.startsWith(CALL_PREFIX) || id.startsWith(TURN_PREFIX));
}

/** The ledger's id for a thing that the caller names, or null where no thing of the caller can have this id. */
export function findableId(caller: Caller, id: string): string | null {
  if (caller.tenant === null) return textProblem(id, ID_LENGTH_MAX) === null ? id : null;
  const prefix = tenantPrefix(caller.tenant);
  const possible = textProblem(id, ID_LENGTH_MAX - prefix.length) === null && !id.startsWith(TENANT_PREFIX);
  return possible ? prefix + id : null;
}

/** The caller's own id for a ledger id, or null when it is not below the caller's tenant. */
export function fromLedgerId(caller: Caller, ledgerId: string): string | null {
  if (caller.tenant === null) return ledgerId;
  const prefix = tenantPrefix(caller.tenant);
  return ledgerId.startsWith(prefix) ? ledgerId.slice(prefix.length) : null;
}

/** A ledger id as the caller sees it: without the prefix of the caller's tenant, else unchanged. */
export function visibleId(caller: Caller, ledgerId: string): string {
  return fromLedgerId(caller, ledgerId) ?? ledgerId;
}

/** Whether an id lies below the prefix of another tenant than this one. Ids of the platform lie below none. */
export function isOfAnotherTenant(ledgerId: string, tenant: string | undefined): boolean {
  if (!ledgerId.startsWith(TENANT_PREFIX)) return false;
  return tenant === undefined || !ledgerId.startsWith(tenantPrefix(tenant));
}
