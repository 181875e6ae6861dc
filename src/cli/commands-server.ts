// The commands on a server's surroundings: providers, prices, reload. What a server answers is shown as it says it.

import type { Command } from 'commander';
import type { Answer } from '../client/calls.js';
import type { ItemOf } from '../client/pages.js';
import { grouped, textTable } from '../kit/text-table.js';
import { firstOf } from './cli-ledger.js';
import { addListCommand, addMaxOption, addRouteCommand, field } from './command-table.js';
import type { CliContext, GlobalOptions } from './context.js';
import { INSTANT, instantOption, stated } from './options.js';

/** Rows that a table shows unless told otherwise. */
const ROWS_DEFAULT = 1_000;

type ProviderRow = Answer<'getProvider'>;
type PriceRow = ItemOf<'listPrices'>;

export function addServerCommands(program: Command, cli: CliContext): void {
  const providers = program
    .command('providers')
    .description('how providers stand by their caps; needs --url');
  addListCommand(providers, cli, {
    name: 'list',
    isDefault: true,
    route: 'listProviders',
    about: 'every provider that has a cap in force',
    text: providerTable,
  });
  addRouteCommand(providers, cli, {
    name: 'exhaust',
    route: 'exhaustProvider',
    about: 'take a provider out of routing until its windows roll, or until an instant',
    args: { name: { shown: 'provider', help: 'its name, or another name for it' } },
    body: { until: field('--until <instant>', 'for example 2026-03-01T12:00:00Z', INSTANT) },
    text: (row) => providerTable([row]),
  });
  addPrices(program, cli);
  addRouteCommand(program, cli, {
    name: 'reload',
    route: 'reload',
    about: 'make a server read its configuration again; a file that is wrong changes nothing; needs --url',
    text: ({ message }) => message,
  });
}

function providerTable(rows: readonly ProviderRow[]): string {
  if (rows.length === 0) return 'no providers with caps';
  const used = (line: ProviderRow['hour']) =>
    line === null ? '' : `${grouped(line.spent ?? '')} of ${grouped(line.granted ?? '')}`;
  return textTable(
    [
      'provider',
      'verdict',
      'by',
      'resets at',
      { title: 'hour, usd', figure: true },
      { title: 'day, usd', figure: true },
    ],
    rows.map((row) => [
      row.provider,
      row.verdict,
      row.window ?? '',
      row.resetsAt ?? '',
      used(row.hour),
      used(row.day),
    ]),
  );
}

interface PricesOptions extends GlobalOptions {
  readonly provider?: string;
  readonly model?: string;
  readonly at?: string;
  readonly max: number;
}

function addPrices(program: Command, cli: CliContext): void {
  const command = program
    .command('prices')
    .description('the prices in force, and the version of the price book; needs --url')
    .option('--provider <name>', 'only of this provider')
    .option('--model <name>', 'only of this model')
    .option(
      '--at <instant>',
      'as of then, for example 2026-03-01T12:00:00Z; now when absent',
      instantOption('--at'),
    );
  addMaxOption(command, ROWS_DEFAULT).action(async () => {
    const options = command.optsWithGlobals<PricesOptions>();
    const { provider, model, at, max } = options;
    const { prices } = cli.client(options);
    const query = stated({ provider, model, at });
    const rows = await firstOf(prices.all(query), max);
    const { version } = await prices.list({ ...query, limit: 1 });
    cli.answer(options, { version, prices: rows }, () => `price book ${version}\n${priceTable(rows)}`);
  });
}

function priceTable(rows: readonly PriceRow[]): string {
  if (rows.length === 0) return 'no prices';
  return textTable(
    ['provider', 'model', 'source', 'usd for a million tokens'],
    rows.map((row) => [row.provider, row.model, row.source, ratesText(row)]),
  );
}

/** In usd; tools by the thousand calls, all else by the million tokens. */
function ratesText(row: PriceRow): string {
  return row.rates
    .map(({ component, per, fromInputTokens, usd }) => {
      const from = fromInputTokens === 0 ? '' : ` from ${grouped(fromInputTokens)} tokens`;
      return `${component} ${usd}${per === 'thousand_calls' ? ' a thousand' : ''}${from}`;
    })
    .join(', ');
}
