// The commands on agents of a server: roots are made with an administrator's key, children with their parent's.

import type { Command } from 'commander';
import type { BursarClient } from '../client/index.js';
import { grouped, textTable } from '../kit/text-table.js';
import type { CliContext, GlobalOptions } from './context.js';
import {
  durationOption,
  instantOption,
  labelsOf,
  type Pairs,
  pairOption,
  textsOption,
  UsageError,
} from './options.js';

type AgentRow = Awaited<ReturnType<BursarClient['agents']['get']>>;

export function addAgentCommands(program: Command, cli: CliContext): void {
  const agents = program
    .command('agents')
    .description('agents that hand budgets to agents, each with a key of its own; needs --url');
  addCreate(agents, cli);
  addRaise(agents, cli);
  addRenewKey(agents, cli);
  addList(agents, cli);
  addOne(
    agents,
    cli,
    'show',
    'what an agent was given, has used and has left; "self" is the one whose key asks',
    'get',
  );
  addOne(agents, cli, 'close', 'let nothing new begin, and give back what is left', 'close');
  addOne(agents, cli, 'revoke', 'end an agent and all below it at once', 'revoke');
}

interface CreateOptions extends GlobalOptions {
  readonly name: string;
  readonly mode?: string;
  readonly limit?: Pairs;
  readonly ttl?: number;
  readonly expiresAt?: number;
  readonly scope?: readonly string[];
  readonly label?: Pairs;
  readonly callerLabel?: readonly string[];
  readonly commandId?: string;
}

function addCreate(agents: Command, cli: CliContext): void {
  agents
    .command('create')
    .description('a root, or with an agent’s key a child of it; its key is shown once')
    .requiredOption('--name <name>', 'for people: what it does')
    .option('--mode <mode>', 'of a child: carved (its limits are set aside) or shared (capped)')
    .option('--limit <unit=amount>', 'such as usd=2.50; repeatable', pairOption('--limit'))
    .option('--ttl <duration>', 'how long it lives, for example 2h', durationOption('--ttl'))
    .option('--expires-at <instant>', 'instead of --ttl', instantOption('--expires-at'))
    .option('--scope <scope>', 'spend, read; repeatable', textsOption)
    .option('--label <key=value>', 'a label of all its calls; repeatable', pairOption('--label'))
    .option('--caller-label <name>', 'a label that it may add to a call; repeatable', textsOption)
    .option('--command-id <id>', 'makes a repeat give the same agent again, without its key')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<CreateOptions>();
      const { name, mode, limit, ttl, expiresAt, scope, label, callerLabel, commandId } = options;
      const request = {
        name,
        ...(mode === undefined ? {} : { mode: modeOf(mode) }),
        ...(limit === undefined ? {} : { limits: labelsOf(limit) }),
        ...(ttl === undefined ? {} : { ttlMs: ttl }),
        ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() }),
        ...(scope === undefined ? {} : { scopes: scope.map(scopeOf) }),
        ...(label === undefined ? {} : { labels: labelsOf(label) }),
        ...(callerLabel === undefined ? {} : { callerLabels: [...callerLabel] }),
      };
      const once = commandId === undefined ? undefined : { idempotencyKey: commandId };
      const issued = await cli.client(options).agents.create(request, once);
      printIssued(cli, options, issued);
    });
}

function addRaise(agents: Command, cli: CliContext): void {
  agents
    .command('raise')
    .description('raise an agent’s limits to these; a child’s come out of what those above it have left')
    .argument('<id>', 'id of the agent')
    .requiredOption('--limit <unit=amount>', 'such as usd=2.50; repeatable', pairOption('--limit'))
    .action(async (id: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { limit: Pairs }>();
      const row = await cli.client(options).agents.raise(id, labelsOf(options.limit));
      cli.answer(options, row, () => agentTable([row]));
    });
}

function addRenewKey(agents: Command, cli: CliContext): void {
  agents
    .command('key')
    .description('a new secret for an agent’s key, shown once; the one before stays valid for the overlap')
    .argument('<id>', 'id of the agent')
    .option(
      '--overlap <duration>',
      'how long both are valid, for example 1h (default 24h)',
      durationOption('--overlap'),
    )
    .action(async (id: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { overlap?: number }>();
      const request = options.overlap === undefined ? {} : { overlapMs: options.overlap };
      const issued = await cli.client(options).agents.renewKey(id, request);
      printIssued(cli, options, issued);
    });
}

/** The key alone on the standard output, so that a script takes it as it is; what is said of it beside. */
function printIssued(
  cli: CliContext,
  options: GlobalOptions,
  issued: { readonly key: string | null; readonly id: string },
): void {
  const { key, id } = issued;
  const shownThen = `The agent ${id} was made by this request earlier; its key was shown then. A new one: agents key ${id}`;
  cli.answer(options, issued, () => key ?? shownThen);
  if (key !== null && options.json !== true) cli.note(`This key is shown this once; the agent is ${id}.`);
}

function addList(agents: Command, cli: CliContext): void {
  agents
    .command('list')
    .description('the tree below the key, each agent before its children')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const rows: AgentRow[] = [];
      for await (const row of cli.client(options).agents.all()) rows.push(row);
      cli.answer(options, rows, () => agentTable(rows));
    });
}

function addOne(
  agents: Command,
  cli: CliContext,
  name: string,
  description: string,
  method: 'get' | 'close' | 'revoke',
): void {
  agents
    .command(name)
    .description(description)
    .argument('<id>', 'id of the agent')
    .action(async (id: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const row = await cli.client(options).agents[method](id);
      cli.answer(options, row, () => agentTable([row]));
    });
}

function modeOf(text: string): 'carved' | 'shared' {
  if (text === 'carved' || text === 'shared') return text;
  throw new UsageError('--mode', `${JSON.stringify(text)} is not carved or shared`);
}

function scopeOf(text: string): 'spend' | 'read' {
  if (text === 'spend' || text === 'read') return text;
  throw new UsageError('--scope', `${JSON.stringify(text)} is not spend or read`);
}

function agentTable(rows: readonly AgentRow[]): string {
  if (rows.length === 0) return 'no agents';
  const figure = (title: string) => ({ title, figure: true });
  return textTable(
    [
      'agent',
      'name',
      'mode',
      'state',
      'unit',
      ...['limit', 'used', 'held', 'left', 'returned', 'available'].map(figure),
    ],
    rows.flatMap((row) =>
      row.figures.map(({ unit, limit, used, held, left, returned, available }) => [
        `${'  '.repeat(row.depth)}${row.id}`,
        row.name,
        row.mode,
        row.state,
        unit,
        ...[limit, used, held, left, returned, available].map((text) => (text === null ? '' : grouped(text))),
      ]),
    ),
  );
}
