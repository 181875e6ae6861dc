// Puts the definitions of a configuration in force: units, aliases, budgets and the providers' caps, in one durable step
// or not at all. Budgets that were made through the API are never touched. Called at the start and at each reload; a reload
// that fails here keeps the earlier settings.

import type { Ledger } from '../../authority/api.js';
import { type Change, planApply, renderPlan } from '../../budgets/budget-diff.js';
import type { BudgetFile } from '../../budgets/budget-file.js';
import {
  canonicalProvider,
  PROVIDER_WINDOWS,
  providerBudgetId,
  providerCapOf,
} from '../../budgets/providers.js';
import type { BudgetView } from '../../core/outcomes.js';
import type { BudgetSpec } from '../../core/requests.js';
import type { Settings } from './settings-file.js';

export type SettingsApplied =
  | {
      readonly applied: true;
      /** What was created or changed; nothing when the ledger had it all. */
      readonly changes: readonly Change[];
      /** The same for people, one line each. */
      readonly text: readonly string[];
      /** What stays in force although the configuration no longer states it, and why. */
      readonly warnings: readonly string[];
    }
  | {
      readonly applied: false;
      /** What cannot be changed, or why the ledger refused; nothing was changed. */
      readonly problems: readonly string[];
    };

/**
 * Puts the definitions of the settings. With the `previous` settings: caps of providers that have left the file are lifted
 * (their spend is still metered), and budgets and aliases that have left it stay in force, with a warning. At a start the
 * earlier file is not known, so that everything stays in force.
 */
export async function applySettings(
  ledger: Ledger,
  settings: Settings,
  previous?: Settings,
): Promise<SettingsApplied> {
  const inForce = { units: ledger.units(), aliases: ledger.aliases(), budgets: ledger.budgets() };
  const views = new Map(inForce.budgets.map((view) => [view.id, view]));
  const isClosed = (id: string) => views.get(id)?.status === 'closed';
  const { definitions } = settings;
  const stated: BudgetFile = {
    ...definitions,
    budgets: [
      ...definitions.budgets.filter(({ id }) => !isClosed(id)),
      ...liftedCaps(settings, previous, views),
    ],
  };
  const plan = planApply(stated, inForce);
  const conflicts = plan.changes.filter(({ kind }) => kind === 'conflict');
  if (conflicts.length > 0) return { applied: false, problems: linesOf(conflicts) };
  if (plan.request !== null) {
    const outcome = await ledger.putDefinitions(plan.request);
    if (outcome.outcome === 'rejected')
      return { applied: false, problems: [`${outcome.code}: ${outcome.message}`] };
  }
  const changes = plan.changes.filter(({ kind }) => kind !== 'left_alone');
  const closed = definitions.budgets.filter(({ id }) => isClosed(id));
  const warnings = [
    ...closed.map(
      ({ id }) => `budget ${id} is closed for good, and stays so; give it another id, or take it out`,
    ),
    ...leftBehind(settings, previous, views),
    ...unstatedCaps(settings, stated, views),
  ];
  return { applied: true, changes, text: linesOf(changes), warnings };
}

function linesOf(changes: readonly Change[]): string[] {
  if (changes.length === 0) return [];
  return renderPlan({ changes, unchangedBudgets: 0, request: null }).split('\n');
}

/** Caps that have left the settings. They are metered from now on, since a closed budget would refuse every call for good. */
function liftedCaps(
  settings: Settings,
  previous: Settings | undefined,
  views: ReadonlyMap<string, BudgetView>,
): BudgetSpec[] {
  return budgetsThatLeft(settings, previous).flatMap((spec) => {
    const view = views.get(spec.id);
    const isInForce = view !== undefined && view.status !== 'closed' && view.limit !== null;
    return providerCapOf(spec.id) !== null && isInForce ? [{ ...spec, limit: null }] : [];
  });
}

function budgetsThatLeft(settings: Settings, previous: Settings | undefined): readonly BudgetSpec[] {
  const now = new Set(settings.definitions.budgets.map(({ id }) => id));
  return (previous?.definitions.budgets ?? []).filter(({ id }) => !now.has(id));
}

function leftBehind(
  settings: Settings,
  previous: Settings | undefined,
  views: ReadonlyMap<string, BudgetView>,
): string[] {
  const budgets = budgetsThatLeft(settings, previous)
    .filter(({ id }) => providerCapOf(id) === null && views.has(id) && views.get(id)?.status !== 'closed')
    .map(
      ({ id }) => `budget ${id} has left the configuration and stays in force; close it to refuse its calls`,
    );
  const aliases = Object.entries(previous?.aliases ?? {}).flatMap(([key, names]) =>
    Object.keys(names)
      .filter((name) => !Object.hasOwn(settings.aliases[key] ?? {}, name))
      .map((name) => `alias ${key} ${name} has left the configuration and stays in force`),
  );
  return [...budgets, ...aliases];
}

/** Caps in force of configured providers that the file does not mention, because it was changed between two starts. */
function unstatedCaps(
  settings: Settings,
  stated: BudgetFile,
  views: ReadonlyMap<string, BudgetView>,
): string[] {
  const ids = new Set(stated.budgets.map(({ id }) => id));
  return settings.providers.flatMap(({ name }) =>
    PROVIDER_WINDOWS.filter((window) => {
      const view = views.get(providerBudgetId(canonicalProvider(settings.aliases, name), window));
      return view !== undefined && view.status !== 'closed' && view.limit !== null && !ids.has(view.id);
    }).map(
      (window) =>
        `provider ${name}: a cap for each ${window} is in force that the configuration does not state; state ${window}Limit, "none" to lift it`,
    ),
  );
}
