// To which tenant the figures of a budget belong: to the one that the budget's match names, or to the platform where the match
// names none, since the figures then contain the spend of all tenants. A budget's match never changes (a new version with
// another is refused as definition_conflict), so each is looked up once.

import type { LedgerReads } from '../authority/api.js';
import type { AccountRef, Labels } from '../core/requests.js';
import { GRANT_BUDGET_PREFIX } from '../core/state.js';
import { TENANT_PREFIX, tenantPrefix } from './tenant-ids.js';

export class BudgetTenants {
  readonly #matches = new Map<string, Labels>();
  /** How many budgets have ids below each tenant's prefix. Closed ones count, since the ledger keeps them. */
  readonly #counts = new Map<string, number>();
  #lastCounted: string | undefined;

  constructor(private readonly ledger: Pick<LedgerReads, 'budget' | 'budgets'>) {}

  /** A budget's match, or undefined when the ledger has no such budget. */
  matchOf(budgetId: string): Labels | undefined {
    const known = this.#matches.get(budgetId);
    if (known !== undefined) return known;
    const match = this.ledger.budget(budgetId)?.match;
    if (match !== undefined) this.#matches.set(budgetId, match);
    return match;
  }

  /** How many budgets have ids below a tenant's prefix. Looks only at budgets that were defined since the last call. */
  countBelow(prefix: string): number {
    for (const { id } of this.ledger.budgets(
      this.#lastCounted === undefined ? {} : { after: this.#lastCounted },
    )) {
      const below = prefixIn(id);
      if (below !== null) this.#counts.set(below, (this.#counts.get(below) ?? 0) + 1);
      this.#lastCounted = id;
    }
    return this.#counts.get(prefix) ?? 0;
  }

  /** The tenant whose spend alone the figures of a line or balance show; null where they are the platform's. */
  tenantOf({ budgetId, values }: AccountRef): string | null {
    // The figures of a grant are found by its capability, which begins with the prefix of its tenant.
    if (budgetId.startsWith(GRANT_BUDGET_PREFIX)) return tenantIn(values?.capability ?? '');
    const tenant = own(this.matchOf(budgetId), 'tenant');
    return (tenant === '*' ? own(values, 'tenant') : tenant) ?? null;
  }

  /** Whether the tenant has figures of its own in the budget: the match names the tenant, or gives each tenant an account. */
  appliesTo(budgetId: string, tenant: string): boolean {
    const matched = own(this.matchOf(budgetId), 'tenant');
    return matched === '*' || matched === tenant;
  }
}

function own(labels: Labels | undefined, name: string): string | undefined {
  return labels !== undefined && Object.hasOwn(labels, name) ? labels[name] : undefined;
}

/** The prefix `tenant/<encoded tenant>/` that a text begins with, or null. */
function prefixIn(text: string): string | null {
  if (!text.startsWith(TENANT_PREFIX)) return null;
  const end = text.indexOf('/', TENANT_PREFIX.length);
  return end === -1 ? null : text.slice(0, end + 1);
}

function tenantIn(text: string): string | null {
  const prefix = prefixIn(text);
  if (prefix === null) return null;
  try {
    const tenant = decodeURIComponent(prefix.slice(TENANT_PREFIX.length, -1));
    // tenantPrefix encodes each name in one way only. A prefix in another spelling belongs to no tenant.
    return tenantPrefix(tenant) === prefix ? tenant : null;
  } catch {
    return null;
  }
}
