// The commands on a server's surroundings: providers, prices, reload. What a server answers is shown as it says it.

import type { Command } from 'commander';
import type { BursarClient } from '../client/index.js';
import { grouped, textTable } from '../kit/text-table.js';
import type { CliContext, GlobalOptions } from './context.js';
import { instantOption, wholeOption } from './options.js';

/** Rows that a table shows unless told otherwise; the last line says when there are more. */
const ROWS_DEFAULT = 1_000;
const ROWS_MAX = 1_000_000;

type ProviderRow = Awaited<ReturnType<BursarClient['providers']['get']>>;
type PriceRow = Awaited<ReturnType<BursarClient['prices']['list']>>['items'][number];

export function addServerCommands(program: Command, cli: CliContext): void {
  const providers = program
    .command('providers')
    .description('how providers stand by their caps; needs --url');
  addProviderList(providers, cli);
  addProviderExhaust(providers, cli);
  addPrices(program, cli);
  addReload(program, cli);
}

function addProviderList(providers: Command, cli: CliContext): void {
  providers
    .command('list', { isDefault: true })
    .description('every provider that has a cap in force')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const rows: ProviderRow[] = [];
      for await (const row of cli.client(options).providers.all()) rows.push(row);
      cli.answer(options, rows, () => providerTable(rows));
    });
}

function addProviderExhaust(providers: Command, cli: CliContext): void {
  providers
    .command('exhaust')
    .description('take a provider out of routing until its windows roll, or until an instant')
    .argument('<provider>', 'its name, or another name for it')
    .option('--until <instant>', 'for example 2026-03-01T12:00:00Z', instantOption('--until'))
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { until?: number }>();
      const request = options.until === undefined ? {} : { until: options.until };
      const row = await cli.client(options).providers.exhaust(name, request);
      cli.answer(options, row, () => providerTable([row]));
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
  readonly at?: number;
  readonly max: number;
}

function addPrices(program: Command, cli: CliContext): void {
  program
    .command('prices')
    .description('the prices in force, and the version of the price book; needs --url')
    .option('--provider <name>', 'only of this provider')
    .option('--model <name>', 'only of this model')
    .option(
      '--at <instant>',
      'as of then, for example 2026-03-01T12:00:00Z; now when absent',
      instantOption('--at'),
    )
    .option('--max <rows>', `at most so many (default ${ROWS_DEFAULT})`, rowsOption, ROWS_DEFAULT)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<PricesOptions>();
      const { provider, model, at, max } = options;
      const { prices } = cli.client(options);
      const query = {
        ...(provider === undefined ? {} : { provider }),
        ...(model === undefined ? {} : { model }),
        ...(at === undefined ? {} : { at: new Date(at).toISOString() }),
      };
      const rows: PriceRow[] = [];
      for await (const row of prices.all(query)) {
        rows.push(row);
        if (rows.length >= max) break;
      }
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

function addReload(program: Command, cli: CliContext): void {
  program
    .command('reload')
    .description(
      'make a server read its configuration again; a file that is wrong changes nothing; needs --url',
    )
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const reloaded = await cli.client(options).reload();
      cli.answer(options, reloaded, () => reloaded.message);
    });
}

function rowsOption(text: string): number {
  return wholeOption('--max', { min: 1, max: ROWS_MAX })(text);
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
