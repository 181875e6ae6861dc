// The configuration in force and what is made of it: the price book and the routing table. A reload replaces all three
// at once, or, when anything about the file is wrong, nothing. Made by serve.ts.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Logger } from 'pino';
import type { Ledger } from '../authority/api.js';
import { InvalidInputError } from '../core/errors.js';
import { openPriceBook, type PriceCatalogue } from '../gateway/prices/price-book.js';
import { RoutingTable } from '../gateway/routing/routing-table.js';
import type { ThrottledProviders } from '../gateway/routing/throttled.js';
import { RefusedError } from '../kit/refusals.js';
import { applySettings } from './settings/apply-settings.js';
import {
  type CheckParts,
  checkSettings,
  misnamedModels,
  type SettingsCheck,
} from './settings/check-settings.js';
import { BudgetFileError, defaultSettings, parseSettings, type Settings } from './settings/settings-file.js';

/** Looked for where the server is started, when no other is named. */
const CONFIG_FILE_DEFAULT = 'bursar.yaml';

export class SettingsInForce {
  #settings: Settings;
  #prices: PriceCatalogue;
  #routing: RoutingTable;
  /** Reloads wait for one another. */
  #reloading: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly parts: SettingsParts,
    settings: Settings,
  ) {
    this.#settings = settings;
    this.#prices = openPriceBook(settings.prices);
    this.#routing = new RoutingTable(settings, parts.ledger, parts.throttled);
  }

  /** Puts a configuration that was read in force. @throws InvalidInputError when the ledger does not take it */
  static async open(parts: SettingsParts, settings: Settings): Promise<SettingsInForce> {
    checkModels(settings, openPriceBook(settings.prices));
    await applied(parts, settings, undefined);
    return new SettingsInForce(parts, settings);
  }

  get settings(): Settings {
    return this.#settings;
  }
  get prices(): PriceCatalogue {
    return this.#prices;
  }
  get routing(): RoutingTable {
    return this.#routing;
  }

  /** Reads the file again. @returns what has changed, for people. @throws what is wrong; then all is as it was */
  reload(): Promise<string> {
    const reloaded = this.#reloading.then(() => this.#reload());
    this.#reloading = reloaded.catch(() => undefined);
    return reloaded;
  }

  async #reload(): Promise<string> {
    const settings = await readSettings(this.parts.configPath);
    const prices = openPriceBook(settings.prices);
    checkModels(settings, prices);
    const changes = await applied(this.parts, settings, this.#settings);
    this.#settings = settings;
    this.#prices = prices;
    this.#routing = new RoutingTable(settings, this.parts.ledger, this.parts.throttled);
    return changes.length === 0 ? 'reloaded; no budget has changed' : `reloaded\n${changes.join('\n')}`;
  }
}

export interface SettingsParts {
  /** As found by `configPathOf`; null: the built-in settings. */
  readonly configPath: string | null;
  readonly ledger: Ledger;
  readonly throttled: ThrottledProviders;
  readonly logger: Logger;
  /** Starts what a configuration needs, before it is put in force. */
  readonly prepare: (settings: Settings) => Promise<void>;
}

/** The file that is named, else the one that lies here, else none. @throws InvalidInputError */
export function configPathOf(named: string | undefined): string | null {
  if (named !== undefined) {
    if (!existsSync(named))
      throw new InvalidInputError('configuration', `there is no file ${JSON.stringify(named)}`);
    return named;
  }
  return existsSync(CONFIG_FILE_DEFAULT) ? CONFIG_FILE_DEFAULT : null;
}

/** What `bursar check` tells of a configuration. @throws InvalidInputError when the file that is named is not there */
export async function checkConfiguration(
  named: string | undefined,
  environment: Omit<CheckParts, 'prices'>,
): Promise<SettingsCheck & { readonly file: string | null }> {
  const file = configPathOf(named);
  try {
    const settings = await readSettings(file);
    const prices = openPriceBook(settings.prices);
    return { file, ...checkSettings(settings, { ...environment, prices }) };
  } catch (error) {
    if (error instanceof BudgetFileError || error instanceof RefusedError)
      return { file, problems: error.message.split('\n'), warnings: [] };
    throw error;
  }
}

/** @throws BudgetFileError listing everything that is wrong, by line and field */
export async function readSettings(configPath: string | null): Promise<Settings> {
  if (configPath === null) return defaultSettings();
  return parseSettings(await readFile(configPath, 'utf8'), basename(configPath));
}

async function applied(
  { ledger, logger, prepare }: SettingsParts,
  settings: Settings,
  previous: Settings | undefined,
): Promise<readonly string[]> {
  await prepare(settings);
  const result = await applySettings(ledger, settings, previous);
  if (!result.applied) throw new InvalidInputError('configuration', result.problems.join('; '));
  for (const warning of result.warnings) logger.warn(warning);
  // Those that came through the API: what they count is their makers' to change.
  const stated = new Set(settings.definitions.budgets.map(({ id }) => id));
  const others = ledger.budgets().filter(({ id, status }) => status !== 'closed' && !stated.has(id));
  for (const problem of misnamedModels(others, settings, openPriceBook(settings.prices)))
    logger.error(problem);
  return result.text;
}

/** @throws InvalidInputError for a budget that would count no call: better no start than a cap that is skipped in silence */
function checkModels(settings: Settings, prices: PriceCatalogue): void {
  const problems = misnamedModels(settings.definitions.budgets, settings, prices);
  if (problems.length > 0) throw new InvalidInputError('budgets', problems.join('; '));
}
