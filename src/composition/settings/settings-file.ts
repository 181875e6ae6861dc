// The configuration file, read into the settings in force: `bursar.yaml`, YAML or JSON, every section optional. A file
// with problems gives nothing but all its problems, each with its line. docs/configuration.md states every field.
// Called at the start and at each reload.

import { DefinitionsReader } from '../../budgets/budget-file.js';
import { PROVIDER_ALIASES_DEFAULT } from '../../budgets/providers.js';
import { CHAT_SETTINGS } from '../../chats/chats-settings.js';
import { GATEWAY_SETTINGS } from '../../gateway/calls/calls-settings.js';
import { ownPrices } from '../../gateway/prices/prices-settings.js';
import { SIGNATURE_SETTINGS } from '../../gateway/routing/error-settings.js';
import { readProviders, routesTo } from '../../gateway/routing/route-settings.js';
import { GOAL_SETTINGS } from '../../goals/goal.js';
import { readFile, readSettings } from '../../kit/file-value.js';
import { NOTICE_SETTINGS } from '../../notices/notice.js';
import { readReconciliation } from '../../reconciliation/report-source.js';
import { DEMONSTRATION_FILE } from './demonstration.js';
import { LISTEN_SETTINGS } from './listen.js';

export { BudgetFileError, type BudgetFileProblem } from '../../kit/located-values.js';

const SECTIONS = [
  ...['listen', 'units', 'aliases', 'budgets', 'providers', 'routes', 'prices', 'errors', 'gateway'],
  ...['goals', 'notices'],
  ...['conversations', 'reconciliation'],
];

/** The configuration in force. Secrets are not here: a provider names the environment variable that holds its key. */
export type Settings = Readonly<ReturnType<typeof parseSettings>>;

/** @throws BudgetFileError listing everything that is wrong, by line and field */
export function parseSettings(text: string, fileName: string) {
  const file = readFile(text, fileName);
  const sections = file.section(SECTIONS);
  const reader = new DefinitionsReader(PROVIDER_ALIASES_DEFAULT);
  reader.readDefinitions(sections);
  const providers = readProviders(sections.at('providers'), reader);
  const pricedAs = [...new Set(providers.map((provider) => provider.pricedAs))];
  /** Units, aliases, budgets and the providers' caps: what the ledger is given at the start and at each reload. */
  const definitions = reader.definitions();
  const settings = {
    definitions,
    aliases: definitions.aliases,
    listen: readSettings(sections.at('listen'), LISTEN_SETTINGS),
    providers,
    routes: sections.read('routes', routesTo(providers)) ?? [],
    prices: sections.read('prices', ownPrices(pricedAs)) ?? [],
    signatures: readSettings(sections.at('errors'), SIGNATURE_SETTINGS),
    gateway: readSettings(sections.at('gateway'), GATEWAY_SETTINGS),
    goals: readSettings(sections.at('goals'), GOAL_SETTINGS),
    notices: readSettings(sections.at('notices'), NOTICE_SETTINGS),
    chats: readSettings(sections.at('conversations'), CHAT_SETTINGS),
    reconciliation: readReconciliation(sections.at('reconciliation')),
  };
  file.findings.throwIfAny();
  return settings;
}

/** What is in force without a file: the built-in demonstration provider, its prices, and budgets of the tenant `demo`. */
export function defaultSettings(): Settings {
  return parseSettings(DEMONSTRATION_FILE, 'built-in settings');
}
