// `reconcile`: the ledger beside what a provider says that it billed. On a ledger file it asks the provider itself, with a
// key from the environment; behind a server, the server does, with what its configuration names.

import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Command, Option } from 'commander';
import type { LedgerReads } from '../authority/api.js';
import { baseUrlProblem, plainBaseUrl } from '../kit/base-url.js';
import { DAY_MS, dayOf, dayRange } from '../reconciliation/days.js';
import { type Post, reconcile } from '../reconciliation/reconcile.js';
import { type ReconciliationView, reconciliationOut } from '../reconciliation/reconciliation-api.js';
import { reconciliationText } from '../reconciliation/reconciliation-text.js';
import { reportReader } from '../reconciliation/report-pages.js';
import {
  REPORT_API_NAMES,
  REPORT_APIS,
  type ReportApiName,
  type ReportSource,
} from '../reconciliation/report-source.js';
import { parseTolerance } from '../reconciliation/tolerance.js';
import type { CliContext, GlobalOptions } from './context.js';
import { EXIT } from './exit-codes.js';
import { labelsOf, type Pairs, pairOption, stated, UsageError } from './options.js';
import { showProgress } from './progress.js';

/** A server reads its journal and the provider's pages meanwhile. */
const SERVER_TIMEOUT_MS = 3_600_000;

interface ReconcileCommandOptions extends GlobalOptions {
  readonly provider: string;
  readonly from?: string;
  readonly to?: string;
  readonly tolerance: string;
  readonly csv?: string;
  readonly api?: ReportApiName;
  readonly apiUrl?: string;
  readonly keyFrom?: string;
  readonly post?: boolean;
  readonly label?: Pairs;
}

export function addReconcileCommand(program: Command, cli: CliContext): void {
  program
    .command('reconcile')
    .description('compare the ledger with what a provider says that it billed, by UTC day and model')
    .requiredOption('--provider <name>', 'as the label provider has it')
    .option('--from <day>', 'the first UTC day, such as 2026-11-01 (default yesterday)')
    .option('--to <day>', 'the last UTC day, included (default yesterday)')
    .option('--tolerance <gap>', 'a percentage of the bill, such as 1%, or usd, such as 0.50', '0')
    .option('--csv <file>', 'a report as CSV: day,usd[,model,…], or a cost export of OpenAI or Anthropic')
    .addOption(
      new Option('--api <name>', 'the report API (default the provider’s name)').choices(REPORT_API_NAMES),
    )
    .option('--api-url <url>', 'where that API is, without /v1')
    .option(
      '--key-from <variable>',
      'the environment variable with the admin key (default OPENAI_ADMIN_KEY, …)',
    )
    .option('--post', 'book the difference; the same report books it once')
    .option('--label <key=value>', 'a further label of what is booked; repeatable', pairOption('--label'))
    .addHelpText('after', '\nExit code 2: the gap is larger than the tolerance.')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ReconcileCommandOptions>();
      if (options.label !== undefined && options.post !== true)
        throw new UsageError('--label', 'goes with --post: it is a label of what is booked');
      const view = 'url' in cli.placeOf(options) ? await onServer(cli, options) : await onFile(cli, options);
      cli.answer(options, view, () => reconciliationText(view));
      if (!view.isWithin) cli.exitCode = EXIT.apart;
    });
}

/** @throws UsageError for what only the server's configuration can state */
async function onServer(cli: CliContext, options: ReconcileCommandOptions): Promise<ReconciliationView> {
  for (const [option, value] of [
    ['--api', options.api],
    ['--api-url', options.apiUrl],
    ['--key-from', options.keyFrom],
  ])
    if (value !== undefined)
      throw new UsageError(String(option), 'is for a ledger file; a server has it in its configuration');
  const { provider, tolerance, post, label } = options;
  const csv = options.csv === undefined ? undefined : await readFile(options.csv, 'utf8');
  const { from, to } = daysOf(cli, options);
  const labels = label === undefined ? undefined : labelsOf(label);
  return cli
    .client(options)
    .reconciliations.run(
      { provider, from, to, tolerance, ...stated({ post, csv, labels }) },
      { timeoutMs: SERVER_TIMEOUT_MS },
    );
}

async function onFile(cli: CliContext, options: ReconcileCommandOptions): Promise<ReconciliationView> {
  const { provider } = options;
  const { from, to } = daysOf(cli, options);
  const range = dayRange(from, to);
  const tolerance = parseTolerance(options.tolerance);
  const now = cli.parts.clock.now();
  return cli.interruptible(async (signal) => {
    const source = sourceOf(cli, options, signal);
    const run = async (ledger: LedgerReads, post: Post | null) => {
      const progress = showProgress('reconcile', cli.parts.stderr);
      try {
        const asked = { provider, range, source, tolerance, now, progress: progress.report, signal };
        return reconciliationOut('local', await reconcile(ledger, asked, post));
      } finally {
        progress.end();
      }
    };
    if (options.post !== true) return cli.withLocalReader(options, (reader) => run(reader, null));
    const labels = labelsOf(options.label);
    return cli.withLocalLedger(options, (ledger) => run(ledger, { ledger, actor: null, labels }));
  });
}

function daysOf(cli: CliContext, { from, to }: ReconcileCommandOptions): { from: string; to: string } {
  const yesterday = dayOf(cli.parts.clock.now() - DAY_MS);
  return { from: from ?? to ?? yesterday, to: to ?? yesterday };
}

function sourceOf(cli: CliContext, options: ReconcileCommandOptions, signal: AbortSignal): ReportSource {
  const { csv, provider, apiUrl } = options;
  if (csv !== undefined) {
    if (options.api !== undefined)
      throw new UsageError('--csv', 'goes without --api: one report is compared');
    return { csv: createReadStream(csv, 'utf8'), name: basename(csv) };
  }
  const api = options.api ?? REPORT_API_NAMES.find((known) => known === provider);
  if (api === undefined)
    throw new UsageError(
      '--api',
      `state ${REPORT_API_NAMES.join(' or ')}, or a --csv file, for ${JSON.stringify(provider)}`,
    );
  const problem = apiUrl === undefined ? null : baseUrlProblem(apiUrl);
  if (problem !== null) throw new UsageError('--api-url', problem);
  const from = options.keyFrom ?? REPORT_APIS[api].keyFrom;
  const secret = cli.parts.secretOf(from);
  if (secret === undefined || secret === '')
    throw new UsageError(from, 'set this environment variable to an admin key of the organization');
  const baseUrl = apiUrl === undefined ? REPORT_APIS[api].baseUrl : plainBaseUrl(apiUrl);
  const reader = reportReader(() => cli.parts.clock.now());
  return { api, access: { baseUrl, key: { secret, from }, reader, signal } };
}
