// Budgets that match a model by a name that no call of the gateway has. Calls carry the canonical name of their model: a budget
// for another spelling would count nothing, and a cap would be skipped in silence. Asked at the start, at each reload, and by
// `bursar check`.

import { quoted } from '../../core/labels.js';
import type { Labels } from '../../core/requests.js';
import type { PriceCatalogue } from '../../gateway/prices/price-book.js';
import type { Settings } from './settings.js';

interface Matching {
  readonly id: string;
  readonly match: Labels;
}

/** One line for each such budget, with the name to match instead. A name that no provider has a price for is none of ours. */
export function misnamedModels(
  budgets: readonly Matching[],
  { providers }: Pick<Settings, 'providers'>,
  prices: Pick<PriceCatalogue, 'canonicalModel'>,
): string[] {
  return budgets.flatMap(({ id, match }) => {
    const { model, provider } = match;
    if (model === undefined || model === '*') return [];
    const named = providers.filter(
      ({ name }) => provider === undefined || provider === '*' || provider === name,
    );
    const asked = named.length > 0 ? named : providers;
    const names = new Set(
      asked.flatMap(({ pricedAs }) => prices.canonicalModel({ provider: pricedAs, model }) ?? []),
    );
    if (names.size === 0 || names.has(model)) return [];
    const canonical = [...names].map(quoted).join(' or ');
    return [
      `budget ${id} matches the model ${quoted(model)}, which no call has: the price book calls it ${canonical}. Match model: ${canonical}, or requested_model: ${quoted(model)} for what callers write`,
    ];
  });
}
