// The configuration file, read into the settings in force: `bursar.yaml`, YAML or JSON, every section optional. A file
// with problems gives nothing but all its problems, each with its line. docs/configuration.md states every field.
// Called at the start and at each reload.

import { DefinitionsReader } from '../../budgets/budget-file-reader.js';
import { PROVIDER_ALIASES_DEFAULT } from '../../budgets/providers.js';
import { readConversations } from '../../chats/chats-settings.js';
import { readGateway } from '../../gateway/calls/calls-settings.js';
import { readPrices } from '../../gateway/prices/prices-settings.js';
import { readSignatures } from '../../gateway/routing/error-settings.js';
import { readKeyFrom, readProviders, readRoutes, readUrl } from '../../gateway/routing/route-settings.js';
import { readGoals } from '../../goals/goal.js';
import { readLocated } from '../../kit/located-values.js';
import { Section } from '../../kit/settings-section.js';
import { readNotices } from '../../notices/notice.js';
import { readReconciliation } from '../../reconciliation/reconciliation-settings.js';
import { DEMONSTRATION_FILE } from './demonstration.js';
import { readListen } from './listen.js';
import type { Settings } from './settings.js';

export { BudgetFileError, type BudgetFileProblem } from '../../kit/located-values.js';

const SECTIONS = [
  ...['listen', 'units', 'aliases', 'budgets', 'providers', 'routes', 'prices', 'errors', 'gateway'],
  ...['goals', 'notices'],
  ...['conversations', 'reconciliation'],
];
/** @throws BudgetFileError listing everything that is wrong, by line and field */
export function parseSettings(text: string, fileName: string): Settings {
  const { root, findings } = readLocated(text, fileName);
  const sections = Section.read(root, '', SECTIONS, findings);
  const definitions = new DefinitionsReader(findings, PROVIDER_ALIASES_DEFAULT);
  definitions.readDefinitions(sections.entries);
  const providers = readProviders(sections.node('providers'), definitions, findings);
  const settings: Omit<Settings, 'definitions' | 'aliases'> = {
    listen: readListen(sections.node('listen'), findings),
    providers,
    routes: readRoutes(sections, providers, findings),
    prices: readPrices(sections, [...new Set(providers.map(({ pricedAs }) => pricedAs))], findings),
    signatures: readSignatures(sections.node('errors'), findings),
    gateway: readGateway(sections.node('gateway'), findings),
    goals: readGoals(sections.node('goals'), findings),
    notices: readNotices(sections.node('notices'), findings),
    conversations: readConversations(sections.node('conversations'), findings),
    reconciliation: readReconciliation(sections.node('reconciliation'), findings, {
      readBaseUrl: (node, field) => readUrl(node, field, findings),
      readKeyFrom,
    }),
  };
  findings.throwIfAny();
  const read = definitions.definitions();
  return { ...settings, definitions: read, aliases: read.aliases };
}

/** What is in force without a file: the built-in demonstration provider, its prices, and budgets of the tenant `demo`. */
export function defaultSettings(): Settings {
  return parseSettings(DEMONSTRATION_FILE, 'built-in settings');
}
