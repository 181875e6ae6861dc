// The commands on policies and quotas of a server. What a server answers is shown as it says it.

import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import { parse } from 'yaml';
import type { Answer, Body } from '../client/calls.js';
import { grouped, textTable } from '../kit/text-table.js';
import { addListCommand, addRouteCommand, field } from './command-table.js';
import type { CliContext, GlobalOptions } from './context.js';
import { EXIT } from './exit-codes.js';
import { COUNT, PAIRS, type Pairs, pairOption, type Reader, UsageError, whole } from './options.js';

type Policy = Answer<'getPolicy'>;
type PolicyRequest = Body<'putPolicy'>;
type Status = Answer<'getQuota'>;
type Gauge = Status['tokens']['daily'];

const POLICY_NUMBER: Reader = { read: () => policyNumber };
const POLICY = { n: { shown: 'number', help: 'its number', reader: POLICY_NUMBER } };
const USER = { user: 'as the label `user` has it' };
const TENANT = { tenant: field('--tenant <tenant>', 'whose user it is; only with a key of the platform') };
/** `none` takes a limit away. */
const LIMITS: Reader = {
  read: pairOption,
  finish: (pairs) =>
    (pairs as Pairs | undefined) &&
    Object.fromEntries((pairs as Pairs).map(([bucket, limit]) => [bucket, limit === 'none' ? null : limit])),
};
const TOOL_CALLS = whole(0, 1_000_000_000);

export function addQuotaCommands(program: Command, cli: CliContext): void {
  addPolicyCommands(program, cli);
  const quota = program.command('quota').description("users' quotas under the policy in force; needs --url");
  addRouteCommand(quota, cli, {
    name: 'status',
    route: 'getQuota',
    about: 'what a user has used and has left, by period and bucket',
    args: USER,
    query: TENANT,
    text: statusTable,
  });
  addRouteCommand(quota, cli, {
    name: 'limits',
    route: 'putQuotaLimits',
    about: "give a user limits of its own; what is left out is the policy's again",
    args: USER,
    query: TENANT,
    body: {
      'limits.daily': field(
        '--daily <bucket=credits>',
        'such as total=5, tier:premium=1 or total=none; repeatable',
        LIMITS,
      ),
      'limits.monthly': field('--monthly <bucket=credits>', 'as --daily', LIMITS),
      'toolLimits.webSearches': field('--web-searches <count>', 'a day', TOOL_CALLS),
      'toolLimits.codeInterpreterCalls': field('--code-interpreter-calls <count>', 'a day', TOOL_CALLS),
    },
    text: statusTable,
  });
  addRouteCommand(quota, cli, {
    name: 'preflight',
    route: 'preflight',
    about: 'the tier and model that a request would get now, and why; holds nothing',
    args: USER,
    body: {
      model: field('--model <name>', 'the model wished for'),
      tier: field('--tier <name>', 'the best tier wished for'),
      textBytes: field('--text-bytes <count>', 'of all that would be sent', COUNT),
      outputTokensMax: field('--output-tokens-max <count>', 'what the answer is limited to', COUNT),
      webSearches: field('--web-searches <count>', 'at most', COUNT),
      codeInterpreterCalls: field('--code-interpreter-calls <count>', 'at most', COUNT),
      amounts: field('--amount <unit=amount>', 'held beside the credits, such as usd=0; repeatable', PAIRS),
      ...TENANT,
    },
    leftOut: {
      inputTokens: '--text-bytes is what a person knows of the input',
      images: 'the program that has the images knows their number',
      tools: 'the program that offers the tools knows their number',
    },
    exit: ({ fits }) => (fits ? EXIT.done : EXIT.denied),
    text: preflightText,
  });
}

function addPolicyCommands(program: Command, cli: CliContext): void {
  const policies = program.command('policies').description('policies of quotas, as versions; needs --url');
  addListCommand(policies, cli, {
    name: 'list',
    isDefault: true,
    route: 'listPolicies',
    about: 'every version, the oldest first',
    text: policyTable,
  });
  addRouteCommand(policies, cli, {
    name: 'show',
    route: 'getPolicy',
    about: 'one version, as JSON',
    args: POLICY,
    text: ({ document }) => JSON.stringify(document, null, 2),
  });
  addRouteCommand(policies, cli, {
    name: 'compare',
    route: 'comparePolicies',
    about: 'what differs from one version to another',
    args: {
      n: { shown: 'from', help: 'its number', reader: POLICY_NUMBER },
      m: { shown: 'to', help: 'its number', reader: POLICY_NUMBER },
    },
    text: ({ from, to, differences }) =>
      differences.length === 0
        ? 'they say the same'
        : textTable(
            ['field', `policy ${from}`, `policy ${to}`],
            differences.map((one) => [one.path, one.from ?? '', one.to ?? '']),
          ),
  });
  const put = policies
    .command('put')
    .description('a new version; it is in force once it is activated')
    .argument('<file>', 'YAML or JSON');
  put.action(async (file: string) => {
    const options = put.optsWithGlobals<GlobalOptions>();
    const policy = await cli.client(options).policies.put(policyFile(file));
    cli.answer(options, policy, () => `policy ${policy.number} · ${policy.digest}`);
  });
  addRouteCommand(policies, cli, {
    name: 'activate',
    route: 'activatePolicy',
    about: 'put a version in force, an older one too; turns that run keep theirs',
    args: POLICY,
    text: (policy) => policyTable([policy]),
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

function preflightText(answer: Answer<'preflight'>): string {
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
