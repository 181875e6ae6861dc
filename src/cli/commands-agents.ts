// The commands on agents of a server: roots are made with an administrator's key, children with their parent's.

import type { Command } from 'commander';
import type { Answer } from '../client/calls.js';
import { grouped, textTable } from '../kit/text-table.js';
import { addListCommand, addRouteCommand, field, required } from './command-table.js';
import type { CliContext } from './context.js';
import { DURATION, INSTANT, oneOf, PAIRS, someOf, TEXTS } from './options.js';

type AgentRow = Answer<'getAgent'>;

const AGENT = { id: 'id of the agent' };
const ofOne = (row: AgentRow) => agentTable([row]);

export function addAgentCommands(program: Command, cli: CliContext): void {
  const agents = program
    .command('agents')
    .description('agents that hand budgets to agents, each with a key of its own; needs --url');
  addRouteCommand(agents, cli, {
    name: 'create',
    route: 'createAgent',
    about: 'a root, or with an agent’s key a child of it; its key is shown once',
    body: {
      name: required('--name <name>', 'for people: what it does'),
      mode: field(
        '--mode <mode>',
        'of a child: carved (its limits are set aside) or shared (capped)',
        oneOf(['carved', 'shared']),
      ),
      limits: field('--limit <unit=amount>', 'such as usd=2.50; repeatable', PAIRS),
      ttlMs: field('--ttl <duration>', 'how long it lives, for example 2h', DURATION),
      expiresAt: field('--expires-at <instant>', 'instead of --ttl', INSTANT),
      scopes: field('--scope <scope>', 'spend, read; repeatable', someOf(['spend', 'read'])),
      labels: field('--label <key=value>', 'a label of all its calls; repeatable', PAIRS),
      callerLabels: field('--caller-label <name>', 'a label that it may add to a call; repeatable', TEXTS),
    },
    commandId: 'makes a repeat give the same agent again, without its key',
    text: issuedText,
    note: issuedNote,
  });
  addRouteCommand(agents, cli, {
    name: 'raise',
    route: 'raiseAgent',
    about: 'raise an agent’s limits to these; a child’s come out of what those above it have left',
    args: AGENT,
    body: { limits: required('--limit <unit=amount>', 'such as usd=2.50; repeatable', PAIRS) },
    text: ofOne,
  });
  addRouteCommand(agents, cli, {
    name: 'key',
    route: 'renewAgentKey',
    about: 'a new secret for an agent’s key, shown once; the one before stays valid for the overlap',
    args: AGENT,
    body: {
      overlapMs: field(
        '--overlap <duration>',
        'how long both are valid, for example 1h (default 24h)',
        DURATION,
      ),
    },
    text: issuedText,
    note: issuedNote,
  });
  addListCommand(agents, cli, {
    name: 'list',
    route: 'listAgents',
    about: 'the tree below the key, each agent before its children',
    text: agentTable,
  });
  addRouteCommand(agents, cli, {
    name: 'show',
    route: 'getAgent',
    about: 'what an agent was given, has used and has left; "self" is the one whose key asks',
    args: AGENT,
    text: ofOne,
  });
  addRouteCommand(agents, cli, {
    name: 'close',
    route: 'closeAgent',
    about: 'let nothing new begin, and give back what is left',
    args: AGENT,
    text: ofOne,
  });
  addRouteCommand(agents, cli, {
    name: 'revoke',
    route: 'revokeAgent',
    about: 'end an agent and all below it at once',
    args: AGENT,
    text: ofOne,
  });
}

interface Issued {
  readonly key: string | null;
  readonly id: string;
}

/** The key alone on the standard output, so that a script takes it as it is; what is said of it beside. */
function issuedText({ key, id }: Issued): string {
  return (
    key ??
    `The agent ${id} was made by this request earlier; its key was shown then. A new one: agents key ${id}`
  );
}

function issuedNote({ key, id }: Issued): string | null {
  return key === null ? null : `This key is shown this once; the agent is ${id}.`;
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
