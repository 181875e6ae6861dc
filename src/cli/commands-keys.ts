// The commands on access keys: over a server, or with `--data` in its folder, for an operator who has no key any more.

import type { Command } from 'commander';
import type { KeyIssued, KeyView } from '../access/keys-api.js';
import { SCOPES, type Scope } from '../kit/caller.js';
import { textTable } from '../kit/text-table.js';
import { addRouteCommand, field } from './command-table.js';
import type { CliContext, GlobalOptions } from './context.js';
import {
  DURATION,
  instantOption,
  labelsOf,
  type Pairs,
  pairOption,
  someOf,
  textsOption,
  UsageError,
} from './options.js';

interface KeyOptions extends GlobalOptions {
  readonly data?: string;
}

export function addKeyCommands(program: Command, cli: CliContext): void {
  const keys = program
    .command('keys')
    .description('access keys of a server: over --url, or create and list in its folder with --data');
  addCreate(keys, cli);
  addList(keys, cli);
  addRouteCommand(keys, cli, {
    name: 'rotate',
    route: 'rotateKey',
    about: 'a new secret, shown once; the one before stays valid for the overlap; needs --url',
    args: { id: 'id of the key, the part between the first two _' },
    body: {
      overlapMs: field(
        '--overlap <duration>',
        'how long both are valid, for example 1h (default 24h)',
        DURATION,
      ),
    },
    text: ({ key }) => key,
    note: issuedNote,
  });
  addRouteCommand(keys, cli, {
    name: 'revoke',
    route: 'revokeKey',
    about: 'refuse a key from now on, for good; needs --url',
    args: { id: 'id of the key' },
    text: (row) => keyTable([row]),
  });
}

interface CreateOptions extends KeyOptions {
  readonly name: string;
  readonly scope?: readonly Scope[];
  readonly label?: Pairs;
  readonly callerLabel?: readonly string[];
  readonly expiresAt?: string;
  readonly amountMaxUsd?: string;
}

function addCreate(keys: Command, cli: CliContext): void {
  keys
    .command('create')
    .description('a new key, shown once; with --data it is an admin key')
    .requiredOption('--name <name>', 'for people: whose it is, and what for')
    .option('--scope <scope>', `${SCOPES.join(', ')}; repeatable`, someOf(SCOPES).read?.('--scope') as never)
    .option(
      '--label <key=value>',
      'a label of every call with it, such as tenant=acme; repeatable',
      pairOption('--label'),
    )
    .option(
      '--caller-label <name>',
      'a label that its callers may add, such as user; repeatable',
      textsOption,
    )
    .option(
      '--expires-at <instant>',
      'for example 2027-01-01T00:00:00Z; never when absent',
      instantOption('--expires-at'),
    )
    .option('--amount-max-usd <usd>', 'the most that one command with it may state (default 1000000)')
    .option('--data <dir>', 'the folder of the server, which may be running')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<CreateOptions>();
      const { name, label, callerLabel, expiresAt, amountMaxUsd } = options;
      const scopes = [...(options.scope ?? [])];
      if (options.data !== undefined) {
        const powers = [options.scope, label, callerLabel, expiresAt, amountMaxUsd];
        if (powers.some((power) => power !== undefined))
          throw new UsageError(
            '--data',
            'makes an admin key, which has no other options; make others over --url with it',
          );
        return printIssued(cli, options, await cli.parts.createKeyIn(options.data, name));
      }
      if (scopes.length === 0) throw new UsageError('--scope', `state at least one of ${SCOPES.join(', ')}`);
      const issued = await cli.client(options).keys.create({
        name,
        scopes,
        ...(label === undefined ? {} : { labels: labelsOf(label) }),
        ...(callerLabel === undefined ? {} : { callerLabels: [...callerLabel] }),
        ...(expiresAt === undefined ? {} : { expiresAt }),
        ...(amountMaxUsd === undefined ? {} : { amountMaxUsd }),
      });
      printIssued(cli, options, issued);
    });
}

function addList(keys: Command, cli: CliContext): void {
  keys
    .command('list')
    .description('keys without their secrets, the oldest first')
    .option('--data <dir>', 'the folder of the server, which may be running')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<KeyOptions>();
      const rows: KeyView[] = [];
      if (options.data !== undefined) rows.push(...(await cli.parts.keysIn(options.data)));
      else for await (const row of cli.client(options).keys.all()) rows.push(row);
      cli.answer(options, rows, () => keyTable(rows));
    });
}

/** Prints the key alone to the standard output, so that `KEY=$(bursar keys create …)` is the key; notes go elsewhere. */
function printIssued(cli: CliContext, options: GlobalOptions, issued: KeyIssued): void {
  cli.answer(options, issued, () => issued.key);
  if (options.json !== true) cli.note(issuedNote(issued));
}

function issuedNote({ id }: KeyIssued): string {
  return `This key is shown this once; its id is ${id}.`;
}

function keyTable(rows: readonly KeyView[]): string {
  if (rows.length === 0) return 'no keys';
  return textTable(
    ['id', 'name', 'scopes', 'labels', 'callers may add', 'created at', 'ends'],
    rows.map((row) => [
      row.id,
      row.name ?? '',
      row.scopes.join(' '),
      Object.entries(row.labels)
        .map(([name, value]) => `${name}=${value}`)
        .join(' '),
      row.callerLabels.join(' '),
      row.createdAt,
      row.revokedAt === null ? (row.expiresAt ?? '') : `revoked ${row.revokedAt}`,
    ]),
  );
}
