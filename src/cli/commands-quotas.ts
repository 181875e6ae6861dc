// The commands on policies and quotas of a server. What a server answers is shown as it says it.

import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import { parse } from 'yaml';
import type { BursarClient } from '../client/index.js';
import { grouped, textTable } from '../kit/text-table.js';
import type { CliContext, GlobalOptions } from './context.js';
import { EXIT } from './exit-codes.js';
import { type Pairs, pairOption, stated, UsageError, wholeOption } from './options.js';

type Policy = Awaited<ReturnType<BursarClient['policies']['get']>>;
type PolicyRequest = Parameters<BursarClient['policies']['put']>[0];
type Status = Awaited<ReturnType<BursarClient['quotas']['get']>>;
type Limits = Parameters<BursarClient['quotas']['putLimits']>[1];
type Gauge = Status['tokens']['daily'];

export function addQuotaCommands(program: Command, cli: CliContext): void {
  const policies = program.command('policies').description('policies of quotas, as versions; needs --url');
  addPolicyReads(policies, cli);
  addPolicyChanges(policies, cli);
  const quota = program.command('quota').description("users' quotas under the policy in force; needs --url");
  addStatus(quota, cli);
  addLimits(quota, cli);
  addPreflight(quota, cli);
}

function addPolicyReads(policies: Command, cli: CliContext): void {
  policies
    .command('list', { isDefault: true })
    .description('every version, the oldest first')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const rows: Policy[] = [];
      for await (const row of cli.client(options).policies.all()) rows.push(row);
      cli.answer(options, rows, () => policyTable(rows));
    });
  policies
    .command('show')
    .description('one version, as JSON')
    .argument('<number>', 'its number', policyNumber)
    .action(async (number: number, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const policy = await cli.client(options).policies.get(number);
      cli.answer(options, policy, () => JSON.stringify(policy.document, null, 2));
    });
  policies
    .command('compare')
    .description('what differs from one version to another')
    .argument('<from>', 'its number', policyNumber)
    .argument('<to>', 'its number', policyNumber)
    .action(async (from: number, to: number, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const compared = await cli.client(options).policies.compare(from, to);
      cli.answer(options, compared, () => {
        const rows = compared.differences.map((one) => [one.path, one.from ?? '', one.to ?? '']);
        return rows.length === 0
          ? 'they say the same'
          : textTable(['field', `policy ${from}`, `policy ${to}`], rows);
      });
    });
}

function addPolicyChanges(policies: Command, cli: CliContext): void {
  policies
    .command('put')
    .description('a new version; it is in force once it is activated')
    .argument('<file>', 'YAML or JSON')
    .action(async (file: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const policy = await cli.client(options).policies.put(policyFile(file));
      cli.answer(options, policy, () => `policy ${policy.number} · ${policy.digest}`);
    });
  policies
    .command('activate')
    .description('put a version in force, an older one too; turns that run keep theirs')
    .argument('<number>', 'its number', policyNumber)
    .action(async (number: number, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const policy = await cli.client(options).policies.activate(number);
      cli.answer(options, policy, () => policyTable([policy]));
    });
}

// What is wrong in it the server says, field by field.
function policyFile(file: string): PolicyRequest {
  try {
    return parse(readFileSync(file, 'utf8')) as PolicyRequest;
  } catch (error) {
    if (error instanceof Error && error.name === 'YAMLParseError') throw new UsageError(file, error.message);
    throw error;
  }
}

interface UserOptions extends GlobalOptions {
  readonly tenant?: string;
}

const TENANT = ['--tenant <tenant>', 'whose user it is; only with a key of the platform'] as const;

function ofTenant({ tenant }: UserOptions): { tenant?: string } {
  return tenant === undefined ? {} : { tenant };
}

function addStatus(quota: Command, cli: CliContext): void {
  quota
    .command('status')
    .description('what a user has used and has left, by period and bucket')
    .argument('<user>', 'as the label `user` has it')
    .option(...TENANT)
    .action(async (user: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<UserOptions>();
      const status = await cli.client(options).quotas.get(user, ofTenant(options));
      cli.answer(options, status, () => statusTable(status));
    });
}

interface LimitOptions extends UserOptions {
  readonly daily?: Pairs;
  readonly monthly?: Pairs;
  readonly webSearches?: number;
  readonly codeInterpreterCalls?: number;
}

function addLimits(quota: Command, cli: CliContext): void {
  const toolLimit = (option: string) => wholeOption(option, { min: 0, max: 1_000_000_000 });
  quota
    .command('limits')
    .description("give a user limits of its own; what is left out is the policy's again")
    .argument('<user>', 'as the label `user` has it')
    .option(
      '--daily <bucket=credits>',
      'such as total=5, tier:premium=1 or total=none; repeatable',
      pairOption('--daily'),
    )
    .option('--monthly <bucket=credits>', 'as --daily', pairOption('--monthly'))
    .option('--web-searches <count>', 'a day', toolLimit('--web-searches'))
    .option('--code-interpreter-calls <count>', 'a day', toolLimit('--code-interpreter-calls'))
    .option(...TENANT)
    .action(async (user: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<LimitOptions>();
      const { daily, monthly, webSearches, codeInterpreterCalls } = options;
      const limits: Limits = {
        limits: stated({ daily: limitsOf(daily), monthly: limitsOf(monthly) }),
        toolLimits: stated({ webSearches, codeInterpreterCalls }),
      };
      const status = await cli.client(options).quotas.putLimits(user, limits, ofTenant(options));
      cli.answer(options, status, () => statusTable(status));
    });
}

function limitsOf(pairs: Pairs | undefined): Record<string, string | null> | undefined {
  return (
    pairs && Object.fromEntries(pairs.map(([bucket, limit]) => [bucket, limit === 'none' ? null : limit]))
  );
}

interface PreflightOptions extends UserOptions {
  readonly model?: string;
  readonly tier?: string;
  readonly textBytes?: number;
  readonly outputTokensMax?: number;
  readonly webSearches?: number;
  readonly codeInterpreterCalls?: number;
  readonly amount?: Pairs;
}

function addPreflight(quota: Command, cli: CliContext): void {
  const whole = (option: string) => wholeOption(option, { min: 0, max: Number.MAX_SAFE_INTEGER });
  quota
    .command('preflight')
    .description('the tier and model that a request would get now, and why; holds nothing')
    .argument('<user>', 'as the label `user` has it')
    .option('--model <name>', 'the model wished for')
    .option('--tier <name>', 'the best tier wished for')
    .option('--text-bytes <count>', 'of all that would be sent', whole('--text-bytes'))
    .option('--output-tokens-max <count>', 'what the answer is limited to', whole('--output-tokens-max'))
    .option('--web-searches <count>', 'at most', whole('--web-searches'))
    .option('--code-interpreter-calls <count>', 'at most', whole('--code-interpreter-calls'))
    .option(
      '--amount <unit=amount>',
      'held beside the credits, such as usd=0; repeatable',
      pairOption('--amount'),
    )
    .option(...TENANT)
    .action(async (user: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<PreflightOptions>();
      const { model, tier, textBytes, outputTokensMax, webSearches, codeInterpreterCalls } = options;
      const amounts = options.amount && Object.fromEntries(options.amount);
      const request = { model, tier, textBytes, outputTokensMax, webSearches, codeInterpreterCalls, amounts };
      const answer = await cli
        .client(options)
        .quotas.preflight({ user, ...ofTenant(options), ...stated(request) });
      if (!answer.fits) cli.exitCode = EXIT.denied;
      cli.answer(options, answer, () => preflightText(answer));
    });
}

function preflightText(answer: Awaited<ReturnType<BursarClient['quotas']['preflight']>>): string {
  const why = answer.reasons.length === 0 ? '' : ` · ${answer.reasons.join(', ')}`;
  if (answer.fits)
    return `${answer.tier} ${answer.model} · reserve ${grouped(answer.reserve?.credits ?? '')} credits · policy ${answer.policy}${why}`;
  const { budgetId, reason, resetsAt, tool } = answer.denial ?? {};
  if (tool)
    return `denied: ${tool.name}: ${tool.requested} asked, at most ${tool.perTurn} a turn · policy ${answer.policy}${why}`;
  return `denied: ${reason} by ${budgetId ?? 'no budget'}${resetsAt ? `, resets at ${resetsAt}` : ''} · policy ${answer.policy}${why}`;
}

function policyTable(rows: readonly Policy[]): string {
  if (rows.length === 0) return 'no policies';
  return textTable(
    [{ title: 'policy', figure: true }, 'in force', 'created at', 'by', 'activated at', 'tiers', 'digest'],
    rows.map(({ number, active, createdAt, author, activatedAt, document, digest }) => [
      String(number),
      active ? 'yes' : '',
      createdAt,
      author,
      activatedAt ?? '',
      document.tiers.join(' '),
      digest.slice(0, 12),
    ]),
  );
}

function statusTable(status: Status): string {
  if (status.policy === null) return 'no policy is active';
  const { buckets, webSearches, codeInterpreterCalls, tokens, calls } = status;
  const row = (period: string, what: string, { used, left, limit, state, resetsAt }: Gauge) => [
    period,
    what,
    grouped(used),
    left === null ? '' : grouped(left),
    limit === null ? '' : grouped(limit),
    state,
    resetsAt ?? '',
  ];
  const figure = (title: string) => ({ title, figure: true });
  const table = textTable(
    ['period', 'bucket', figure('used'), figure('left'), figure('limit'), 'state', 'resets at'],
    [
      ...buckets.map((bucket) => row(bucket.period, `${bucket.bucket}, credits`, bucket)),
      row('daily', 'web searches', webSearches.daily),
      row('daily', 'code interpreter calls', codeInterpreterCalls.daily),
      row('daily', 'tokens', tokens.daily),
      row('monthly', 'tokens', tokens.monthly),
      row('daily', 'calls', calls.daily),
      row('monthly', 'calls', calls.monthly),
    ],
  );
  return `${status.user} of ${status.tenant} · policy ${status.policy}\n${table}`;
}

function policyNumber(text: string): number {
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`${JSON.stringify(text.slice(0, 40))} is no policy's number`);
}
