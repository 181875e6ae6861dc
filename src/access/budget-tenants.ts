// Whose figures a budget's are: the tenant's that its match names, or the platform's where the match names none and
// other tenants' spend is among them. A budget's match never changes (definition_conflict), so it is learnt once.

import type { LedgerReads } from '../authority/api.js';
import type { Labels } from '../core/requests.js';
import { GRANT_BUDGET_PREFIX } from '../core/state.js';
import { TENANT_PREFIX, tenantPrefix } from './tenant-ids.js';

/** What names one account's figures: a line, a balance, or an account in a request. */
export interface Account {
  readonly budgetId: string;
  readonly values?: Labels;
}

export class BudgetTenants {
  readonly #matches = new Map<string, Labels>();
  /** Budgets below each tenant's prefix, closed ones included: they stay in the books. */
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

  /** How many budgets have ids below a tenant's prefix. Each budget is looked at once in all. */
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

  /** The one tenant whose spend the figures are; null: the platform's, or of no tenant. */
  tenantOf({ budgetId, values }: Account): string | null {
    // A grant's figures are named by its capability, which a tenant's own prefix begins.
    if (budgetId.startsWith(GRANT_BUDGET_PREFIX)) return tenantIn(values?.capability ?? '');
    const tenant = own(this.matchOf(budgetId), 'tenant');
    return (tenant === '*' ? own(values, 'tenant') : tenant) ?? null;
  }

  /** Whether every tenant has an account of its own in the budget, or the budget is this tenant's alone. */
  appliesTo(budgetId: string, tenant: string): boolean {
    const matched = own(this.matchOf(budgetId), 'tenant');
    return matched === '*' || matched === tenant;
  }
}

function own(labels: Labels | undefined, name: string): string | undefined {
  return labels !== undefined && Object.hasOwn(labels, name) ? labels[name] : undefined;
}

/** `tenant/<encoded tenant>/`, where a text begins so; else null. */
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
    // Another spelling of the same name was not written by tenantPrefix, and is nobody's.
    return tenantPrefix(tenant) === prefix ? tenant : null;
  } catch {
    return null;
  }
}
