// The commands `backtest`, and `demo`, which is the same on the traces and example budgets that come with the project.
// Both write a real ledger, close it, open it again as a reader, verify it, and print its head.

import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import type { Ledger } from '../authority/api.js';
import { runBacktest, TraceClock } from '../backtest/backtest.js';
import { type CostModel, EXAMPLE_COSTS, pricedModels } from '../backtest/backtest-costs.js';
import type { BacktestReport } from '../backtest/backtest-report.js';
import { backtestText } from '../backtest/backtest-text.js';
import { mergeTraces, readTrace, TRACE_REQUESTS_MAX, type Trace } from '../backtest/trace.js';
import { generateTrace } from '../backtest/trace-generated.js';
import type { SpreadOptions } from '../backtest/trace-spread.js';
import { planApply } from '../budgets/budget-diff.js';
import { parseBudgetFile } from '../budgets/budget-file.js';
import type { VerifyReport } from '../core/outcomes.js';
import { grouped } from '../kit/text-table.js';
import { addModelOptions, type BacktestModelOptions, costsOf } from './backtest-options.js';
import { verifyShown, verifyText } from './commands-evidence.js';
import type { CliContext, GlobalOptions } from './context.js';
import { EXIT } from './exit-codes.js';
import { stated, textsOption, UsageError, wholeOption } from './options.js';
import { showProgress } from './progress.js';

/** The measured traces that the demo replays where it is told their folder. */
const DEMO_TRACES = ['azure-llm-code-2023.csv', 'azure-llm-conv-2023.csv'];
const DEMO_BUDGETS = fileURLToPath(new URL('../../examples/budgets-backtest.yaml', import.meta.url));

/** About as many as the real traces have. */
const DEMO_GENERATED_REQUESTS = 28_000;

const GENERATE_BOUNDS = { min: 10, max: TRACE_REQUESTS_MAX };

interface BacktestCommandOptions extends GlobalOptions, BacktestModelOptions {
  readonly trace?: readonly string[];
  readonly generate?: number;
  readonly budgets: string;
  readonly foresight: boolean;
  readonly into?: string;
  readonly keep?: boolean;
}

export function addBacktestCommands(program: Command, cli: CliContext): void {
  addBacktest(program, cli);
  addDemo(program, cli);
}

function addBacktest(program: Command, cli: CliContext): void {
  const command = program
    .command('backtest')
    .description(
      'what would these budgets have done? Replays a trace of requests through them, in its own time',
    )
    .option(
      '--trace <file>',
      'CSV with timestamp, context tokens, generated tokens, and perhaps tenant, user, model; repeatable',
      textsOption,
    )
    .option(
      '--generate <requests>',
      'a generated trace of so many requests instead',
      wholeOption('--generate', GENERATE_BOUNDS),
    )
    .requiredOption('--budgets <file>', 'the budgets, as for apply')
    .option('--no-foresight', 'leave out the second replay, in which every final cost is known beforehand')
    .option('--into <file>', 'write the ledger here and keep it; the file must be new')
    .option('--keep', 'keep the temporary ledger');
  addModelOptions(command).action(async (_options: unknown, self: Command) => {
    const options = self.optsWithGlobals<BacktestCommandOptions>();
    const { costs, spread } = modelOf(options);
    await backtestAndPrint(cli, {
      options,
      costs,
      trace: await traceOf(options, spread),
      budgetsPath: options.budgets,
    });
  });
}

function addDemo(program: Command, cli: CliContext): void {
  const command = program
    .command('demo')
    .description(
      'the backtest with example budgets, on a generated trace, or on the Azure traces of 2023 in --data',
    )
    .option('--data <dir>', 'folder of the Azure traces, which are not part of this package')
    .option(
      '--generate <requests>',
      'size of the generated trace',
      wholeOption('--generate', GENERATE_BOUNDS),
      DEMO_GENERATED_REQUESTS,
    )
    .option('--no-foresight', 'leave out the second replay, in which every final cost is known beforehand')
    .option('--keep', 'keep the temporary ledger');
  addModelOptions(command).action(async (_options: unknown, self: Command) => {
    const options = self.optsWithGlobals<BacktestCommandOptions & { data?: string; generate: number }>();
    const { costs, spread } = modelOf(options);
    const { data } = options;
    const paths =
      data === undefined
        ? []
        : DEMO_TRACES.map((name) => join(data, name)).filter((path) => existsSync(path));
    if (paths.length === 0) {
      const why = data === undefined ? 'without --data' : `${DEMO_TRACES.join(' and ')} are not in ${data}`;
      cli.note(`${why}: this is a GENERATED trace, not a measured one`);
    }
    const trace =
      paths.length > 0
        ? await readTrace(paths, spread)
        : mergeTraces(generateTrace({ requests: options.generate, seed: spread.seed }), spread);
    await backtestAndPrint(cli, { options, costs, trace, budgetsPath: DEMO_BUDGETS });
  });
}

function modelOf(options: BacktestModelOptions): { costs: CostModel; spread: SpreadOptions } {
  const costs = costsOf(options, EXAMPLE_COSTS);
  const { tenants, users, seed } = options;
  return { costs, spread: { tenants, users, seed, models: pricedModels(costs.prices) } };
}

async function traceOf(options: BacktestCommandOptions, spread: SpreadOptions): Promise<Trace> {
  if ((options.trace === undefined) === (options.generate === undefined)) {
    throw new UsageError('--trace', 'give either --trace FILE or --generate REQUESTS');
  }
  if (options.trace !== undefined) return readTrace(options.trace, spread);
  return mergeTraces(generateTrace({ requests: options.generate!, seed: options.seed }), spread);
}

interface BacktestRun {
  readonly options: BacktestCommandOptions;
  readonly costs: CostModel;
  readonly trace: Trace;
  readonly budgetsPath: string;
}

async function backtestAndPrint(cli: CliContext, run: BacktestRun): Promise<void> {
  const { options } = run;
  if (options.into !== undefined && existsSync(options.into)) {
    throw new UsageError('--into', `${JSON.stringify(options.into)} exists; a backtest writes a new ledger`);
  }
  const folder = options.into === undefined ? await mkdtemp(join(tmpdir(), 'bursar-backtest-')) : null;
  const path = options.into ?? join(folder!, 'ledger.db');
  const kept = folder === null || options.keep === true;
  try {
    const { report, seconds } = await replayInto(cli, path, run);
    const verification = await cli.withReader({ ledger: path }, (reader) => verifyShown(cli, reader));
    printReport(cli, { options, report, verification, path, kept, seconds, budgetsPath: run.budgetsPath });
    if (!verification.ok) cli.exitCode = EXIT.error;
  } finally {
    if (!kept && folder !== null) await rm(folder, { recursive: true, force: true });
  }
}

async function replayInto(
  cli: CliContext,
  path: string,
  run: BacktestRun,
): Promise<{ report: BacktestReport; seconds: number }> {
  const { trace, costs } = run;
  const file = parseBudgetFile(await readFile(run.budgetsPath, 'utf8'), basename(run.budgetsPath));
  const main = await openOnTrace(cli, path, trace);
  const foresight = run.options.foresight ? await openOnTrace(cli, ':memory:', trace) : undefined;
  const progress = showProgress('replay', cli.parts.stderr);
  const startedAt = performance.now();
  try {
    const { ledger } = main;
    const inForce = { units: ledger.units(), aliases: ledger.aliases(), budgets: ledger.budgets() };
    const { request } = planApply(file, inForce);
    const report = await cli.interruptible((signal) =>
      runBacktest({
        ...main,
        trace,
        costs,
        ...stated({ definitions: request ?? undefined, foresight }),
        progress: progress.report,
        signal,
      }),
    );
    return { report, seconds: (performance.now() - startedAt) / 1_000 };
  } finally {
    progress.end();
    await main.ledger.close();
    await foresight?.ledger.close();
  }
}

async function openOnTrace(
  cli: CliContext,
  path: string,
  trace: Trace,
): Promise<{ ledger: Ledger; clock: TraceClock }> {
  const clock = new TraceClock(trace.requests[0].at);
  return { clock, ledger: await cli.parts.openLedger({ path, clock, authorityId: 'backtest' }) };
}

interface Printed {
  readonly options: BacktestCommandOptions;
  readonly report: BacktestReport;
  readonly verification: VerifyReport;
  readonly path: string;
  readonly kept: boolean;
  readonly seconds: number;
  readonly budgetsPath: string;
}

function printReport(cli: CliContext, printed: Printed): void {
  const { report, verification, path, kept } = printed;
  if (printed.options.json === true) {
    cli.print(JSON.stringify({ report, verification, ledger: kept ? path : null }, null, 2));
    return;
  }
  const commands = grouped(report.totals.requests + report.totals.settled);
  const place = kept ? `${path} (kept)` : `${path} (temporary, now deleted)`;
  cli.print(`Backtest of ${printed.budgetsPath}\n`);
  cli.print(backtestText(report));
  cli.print(
    `\n${commands} commands made durable, in ${printed.seconds.toFixed(1)} s in all; ledger ${place}`,
  );
  cli.print(verifyText(verification));
}
