// What is likely wrong with a configuration whose file has no problems: keys that are not set, routes without prices, budgets that
// no call can count towards. Called by `bursar check`, which needs no server.

import { canonicalProvider, providerCapOf } from '../../budgets/providers.js';
import { quoted } from '../../core/labels.js';
import type { BudgetSpec } from '../../core/requests.js';
import { coversPattern, isModelPattern, matchesModel } from '../../gateway/prices/model-pattern.js';
import type { PriceCatalogue } from '../../gateway/prices/price-book.js';
import type { ProviderSettings, RouteSettings } from '../../gateway/routing/route-settings.js';
import type { Settings } from './settings-file.js';

export interface SettingsCheck {
  /** Why a server would not start with it. */
  readonly problems: readonly string[];
  /** What would not work as it is, or not yet. */
  readonly warnings: readonly string[];
}

export interface CheckParts {
  readonly prices: PriceCatalogue;
  /** Environment variables. @throws InvalidInputError for a value that is no key */
  readonly secretOf: (name: string) => string | undefined;
  /** Epoch ms: prices are those in force then. */
  readonly now: number;
}

export function checkSettings(settings: Settings, withParts: CheckParts): SettingsCheck {
  return {
    problems: misnamedModels(settings.definitions.budgets, settings, withParts.prices),
    warnings: [
      ...requiredWarnings(settings),
      ...settings.providers.flatMap((provider) => keyWarnings(provider, withParts.secretOf)),
      ...settings.providers.flatMap((provider) => unusedWarnings(provider, settings)),
      ...settings.routes.flatMap((route) => priceWarnings(route, settings, withParts)),
      ...settings.definitions.budgets.flatMap((budget) => budgetWarnings(budget, settings, withParts)),
    ],
  };
}

function keyWarnings({ name, keyFrom }: ProviderSettings, secretOf: CheckParts['secretOf']): string[] {
  if (keyFrom === null) return [];
  try {
    return secretOf(keyFrom) === undefined
      ? [
          `provider ${name}: the environment variable ${keyFrom} is not set; its calls go to their next candidate`,
        ]
      : [];
  } catch (error) {
    return [`provider ${name}: ${(error as Error).message}`];
  }
}

// Budgets can come through the API too.
function requiredWarnings({ gateway, definitions }: Settings): string[] {
  const limited = definitions.budgets.filter(({ limit }) => limit != null);
  return gateway.require
    .filter((label) => !limited.some(({ match }) => Object.hasOwn(match, label)))
    .map(
      (label) =>
        `gateway.require: no budget of this file limits the label ${quoted(label)}; calls are refused until one does, here or through the API`,
    );
}

function unusedWarnings({ name }: ProviderSettings, { routes }: Settings): string[] {
  const isUsed = routes.some(({ candidates }) => candidates.some(({ provider }) => provider === name));
  return isUsed ? [] : [`provider ${name}: no route leads to it`];
}

function priceWarnings(
  { model: pattern, candidates }: RouteSettings,
  settings: Settings,
  { prices, now }: CheckParts,
) {
  return candidates.flatMap(({ provider: name, model }) => {
    const provider = settings.providers.find((one) => one.name === name)?.pricedAs ?? name;
    const asked = model ?? pattern;
    const isPriced = isModelPattern(asked)
      ? hasPricesBelow(asked, provider, settings, prices)
      : prices.price({ provider, model: asked, at: now }) !== null;
    if (isPriced) return [];
    const what = isModelPattern(asked) ? 'any model like' : 'the model';
    return [
      `route ${quoted(pattern)}: no price is known for ${what} ${quoted(asked)} of ${name} (priced as ${provider}); its calls are refused`,
    ];
  });
}

function hasPricesBelow(
  pattern: string,
  provider: string,
  settings: Settings,
  prices: PriceCatalogue,
): boolean {
  const own = settings.prices.filter((price) => price.provider === provider);
  const meets = own.some(({ model }) => coversPattern(pattern, model) || coversPattern(model, pattern));
  return meets || prices.models(provider).some((model) => matchesModel(pattern, model));
}

function budgetWarnings(
  { id, match }: BudgetSpec,
  { providers, aliases }: Settings,
  { prices }: CheckParts,
): string[] {
  const warnings: string[] = [];
  const { provider, model } = match;
  const names = providers.map(({ name }) => canonicalProvider(aliases, name));
  const isOwn = providerCapOf(id) !== null;
  if (!isOwn && isStated(provider) && !names.includes(canonicalProvider(aliases, provider)))
    warnings.push(`budget ${id} matches the provider ${quoted(provider)}, which is none of this file`);
  const isKnown = (name: string) =>
    providers.some(({ pricedAs }) => prices.canonicalModel({ provider: pricedAs, model: name }) !== null);
  if (isStated(model) && providers.length > 0 && !isKnown(model))
    warnings.push(
      `budget ${id} matches the model ${quoted(model)}, for which no provider of this file has a price`,
    );
  return warnings;
}

function isStated(value: string | undefined): value is string {
  return value !== undefined && value !== '*';
}

/**
 * Budgets that match a model by a name that no call of the gateway has: calls carry the canonical name of their model, so that
 * such a budget would count nothing. One line for each, with the name to match instead; a name that no provider has a price
 * for is left alone. Also asked at the start and at each reload.
 */
export function misnamedModels(
  budgets: readonly Pick<BudgetSpec, 'id' | 'match'>[],
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
