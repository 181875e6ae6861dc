// The commands on chats of a server: chats are listed, changed and shown, turns started and ended. Exit code 2 where the
// budgets refuse a turn, as for a hold.

import type { Command } from 'commander';
import type { BursarClient } from '../client/index.js';
import { textTable } from '../kit/text-table.js';
import type { CliContext, GlobalOptions } from './context.js';
import { EXIT } from './exit-codes.js';
import { type Pairs, pairOption, wholeOption } from './options.js';

/** Rows shown unless told otherwise. */
const ROWS_DEFAULT = 100;
const ROWS_MAX = 1_000_000;
/** Characters of a message in a table. */
const TEXT_SHOWN_MAX = 80;

type ChatRow = Awaited<ReturnType<BursarClient['chats']['get']>>;
type TurnsOf = ReturnType<BursarClient['chats']['turns']>;
type StartedTurn = Awaited<ReturnType<TurnsOf['start']>>;
type TurnRow = Awaited<ReturnType<TurnsOf['get']>>;

export function addChatCommands(program: Command, cli: CliContext): void {
  const chats = program
    .command('chats')
    .description('chats of a server, their turns and messages; needs --url');
  addList(chats, cli);
  addCreate(chats, cli);
  addChange(chats, cli);
  addShow(chats, cli);
  addDelete(chats, cli);
  addStart(chats, cli);
  addRetry(chats, cli);
  addEdit(chats, cli);
  addProgress(chats, cli);
  addComplete(chats, cli);
  addCancel(chats, cli);
  addFail(chats, cli);
}

interface OwnerOptions extends GlobalOptions {
  readonly tenant?: string;
  readonly user?: string;
  readonly title?: string;
  readonly model?: string;
  readonly temporary?: boolean;
  readonly max: number;
}

function addList(chats: Command, cli: CliContext): void {
  chats
    .command('list', { isDefault: true })
    .description('chats, the newest first')
    .option('--tenant <name>', 'only of this tenant')
    .option('--user <name>', 'only of this user')
    .option('--max <rows>', `at most so many (default ${ROWS_DEFAULT})`, rowsOption, ROWS_DEFAULT)
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<OwnerOptions>();
      const rows = await firstOf(cli.client(options).chats.all(ownerOf(options)), options.max);
      cli.answer(options, rows, () => chatTable(rows));
    });
}

function addCreate(chats: Command, cli: CliContext): void {
  chats
    .command('create')
    .description('a new chat; the user and the tenant where the key does not say them')
    .option('--tenant <name>', 'whose chat it is')
    .option('--user <name>', 'whose chat it is')
    .option('--title <text>', 'for people')
    .option('--model <name>', 'what its turns ask for when they state no model')
    .option('--temporary', 'a mark that the list can be filtered by')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<OwnerOptions>();
      const row = await cli.client(options).chats.create({ ...ownerOf(options), ...changeOf(options) });
      cli.answer(options, row, () => chatTable([row]));
    });
}

function addChange(chats: Command, cli: CliContext): void {
  chats
    .command('change')
    .description('change what is stated of a chat; an empty --title or --model takes it away')
    .argument('<chat>', 'id of the chat')
    .option('--title <text>', 'for people')
    .option('--model <name>', 'what its turns ask for when they state no model')
    .option('--temporary', 'a mark that the list can be filtered by')
    .option('--no-temporary', 'takes the mark away')
    .action(async (id: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<OwnerOptions>();
      const { title, model, ...rest } = changeOf(options);
      const row = await cli.client(options).chats.change(id, {
        ...rest,
        ...(title === undefined ? {} : { title: title || null }),
        ...(model === undefined ? {} : { model: model || null }),
      });
      cli.answer(options, row, () => chatTable([row]));
    });
}

function changeOf({ title, model, temporary }: OwnerOptions) {
  return {
    ...(title === undefined ? {} : { title }),
    ...(model === undefined ? {} : { model }),
    ...(temporary === undefined ? {} : { temporary }),
  };
}

function addShow(chats: Command, cli: CliContext): void {
  chats
    .command('show')
    .description('a chat, its turns and what was said')
    .argument('<chat>', 'id of the chat')
    .option('--max <rows>', `at most so many of each (default ${ROWS_DEFAULT})`, rowsOption, ROWS_DEFAULT)
    .action(async (id: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { max: number }>();
      const client = cli.client(options).chats;
      const chat = await client.get(id);
      const turns = await firstOf(client.turns(id).all(), options.max);
      const messages = await firstOf(client.messages(id).all(), options.max);
      cli.answer(options, { ...chat, turns, messages }, () => {
        const said = messages.map(({ role, requestId, text }) => [requestId, role, oneLine(text)]);
        const texts = said.length === 0 ? 'no messages' : textTable(['request', 'role', 'text'], said);
        return `${chatTable([chat])}\n${turnTable(turns)}\n${texts}`;
      });
    });
}

function addDelete(chats: Command, cli: CliContext): void {
  chats
    .command('delete')
    .description('hide a chat, or one turn of it')
    .argument('<chat>', 'id of the chat')
    .argument('[turn]', 'id of the turn')
    .action(async (id: string, turn: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const client = cli.client(options).chats;
      await (turn === undefined ? client.delete(id) : client.turns(id).delete(turn));
      cli.answer(options, {}, () => 'deleted');
    });
}

interface WishOptions extends GlobalOptions {
  readonly request: string;
  readonly model?: string;
  readonly tier?: string;
  readonly amount?: Pairs;
}

type TextOptions = WishOptions & { readonly text: string };

function startCommand(chats: Command, name: string, description: string): Command {
  return chats
    .command(name)
    .description(description)
    .argument('<chat>', 'id of the chat')
    .requiredOption('--request <id>', 'names the request: the same one never runs twice in a chat')
    .option('--model <name>', 'the model that is wished for')
    .option('--tier <name>', 'the tier that is wished for')
    .option('--amount <unit=amount>', 'to hold, such as usd=0.25; repeatable', pairOption('--amount'));
}

function addStart(chats: Command, cli: CliContext): void {
  const description =
    'start a turn and hold for it; a request that completed earlier gives its stored answer';
  startCommand(chats, 'start', description)
    .requiredOption('--text <text>', 'what the user says')
    .action(async (id: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<TextOptions>();
      const turns = cli.client(options).chats.turns(id);
      printStarted(cli, options, await turns.start({ ...wishOf(options), text: options.text }));
    });
}

function addRetry(chats: Command, cli: CliContext): void {
  startCommand(chats, 'retry', 'the last turn again, as a new one in its place; what it cost stays spent')
    .argument('<turn>', 'id of the last turn')
    .action(async (id: string, turn: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<WishOptions>();
      const turns = cli.client(options).chats.turns(id);
      printStarted(cli, options, await turns.retry(turn, wishOf(options)));
    });
}

function addEdit(chats: Command, cli: CliContext): void {
  startCommand(chats, 'edit', 'as retry, with another text')
    .argument('<turn>', 'id of the last turn')
    .requiredOption('--text <text>', 'what the user says instead')
    .action(async (id: string, turn: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<TextOptions>();
      const turns = cli.client(options).chats.turns(id);
      printStarted(cli, options, await turns.edit(turn, { ...wishOf(options), text: options.text }));
    });
}

function addProgress(chats: Command, cli: CliContext): void {
  chats
    .command('progress')
    .description('say that a turn runs still, so that the watchdog leaves it')
    .argument('<chat>', 'id of the chat')
    .argument('<turn>', 'id of the turn')
    .action(async (id: string, turn: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      printTurn(cli, options, await cli.client(options).chats.turns(id).progress(turn));
    });
}

function wishOf({ request: requestId, model, tier, amount }: WishOptions) {
  return {
    requestId,
    ...(model === undefined ? {} : { model }),
    ...(tier === undefined ? {} : { tier }),
    ...amountsOf(amount),
  };
}

function printStarted(cli: CliContext, options: GlobalOptions, started: StartedTurn): void {
  if (started.outcome === 'denied') cli.exitCode = EXIT.denied;
  else if (started.outcome === 'rejected') cli.exitCode = EXIT.error;
  cli.answer(options, started, () => ('message' in started ? started.message : turnTable([started])));
}

interface EndOptions extends GlobalOptions {
  readonly text?: string;
  readonly responseId?: string;
  readonly amount?: Pairs;
  readonly before?: true;
}

function endCommand(chats: Command, name: string, description: string): Command {
  return chats
    .command(name)
    .description(description)
    .argument('<chat>', 'id of the chat')
    .argument('<turn>', 'id of the turn')
    .option('--amount <unit=amount>', 'what it cost, such as usd=0.12; repeatable', pairOption('--amount'))
    .option('--response-id <id>', 'the id that the provider gave its answer');
}

function addComplete(chats: Command, cli: CliContext): void {
  endCommand(chats, 'complete', 'end a turn with its answer, and settle it')
    .requiredOption('--text <text>', 'the answer')
    .action(async (id: string, turn: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<EndOptions & { text: string }>();
      const result = { ...resultOf(options), text: options.text };
      printTurn(cli, options, await cli.client(options).chats.turns(id).complete(turn, result));
    });
}

function addCancel(chats: Command, cli: CliContext): void {
  endCommand(chats, 'cancel', 'end a turn that its user stopped; charged as far as it came')
    .option('--text <text>', 'what came of the answer')
    .action(async (id: string, turn: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<EndOptions>();
      printTurn(cli, options, await cli.client(options).chats.turns(id).cancel(turn, resultOf(options)));
    });
}

function addFail(chats: Command, cli: CliContext): void {
  endCommand(chats, 'fail', 'end a turn that failed')
    .option('--before', 'the provider was never reached: nothing is charged')
    .action(async (id: string, turn: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<EndOptions>();
      const result = { ...resultOf(options), reachedProvider: options.before !== true };
      printTurn(cli, options, await cli.client(options).chats.turns(id).fail(turn, result));
    });
}

function resultOf({ text, responseId, amount }: EndOptions) {
  return {
    ...(text === undefined ? {} : { text }),
    ...(responseId === undefined ? {} : { responseId }),
    ...amountsOf(amount),
  };
}

function amountsOf(amount: Pairs | undefined): { amounts?: Record<string, string> } {
  return amount === undefined ? {} : { amounts: Object.fromEntries(amount) };
}

function ownerOf({ tenant, user }: OwnerOptions): { tenant?: string; user?: string } {
  return { ...(tenant === undefined ? {} : { tenant }), ...(user === undefined ? {} : { user }) };
}

async function firstOf<T>(all: AsyncIterable<T>, max: number): Promise<T[]> {
  const rows: T[] = [];
  for await (const row of all) {
    rows.push(row);
    if (rows.length >= max) break;
  }
  return rows;
}

function rowsOption(text: string): number {
  return wholeOption('--max', { min: 1, max: ROWS_MAX })(text);
}

function printTurn(cli: CliContext, options: GlobalOptions, turn: TurnRow): void {
  cli.answer(options, turn, () => turnTable([turn]));
}

function chatTable(rows: readonly ChatRow[]): string {
  if (rows.length === 0) return 'no chats';
  return textTable(
    ['id', 'tenant', 'user', 'title', 'created at'],
    rows.map(({ id, tenant, user, title, createdAt }) => [id, tenant, user, title ?? '', createdAt]),
  );
}

function turnTable(rows: readonly Omit<TurnRow, 'messages'>[]): string {
  if (rows.length === 0) return 'no turns';
  return textTable(
    ['turn', 'request', 'state', 'end', 'model', 'held', 'charged', 'started at'],
    rows.map((row) => [
      row.id,
      row.requestId,
      row.state,
      row.end ?? '',
      row.model ?? '',
      amountsText(row.held),
      amountsText(row.charged),
      row.startedAt,
    ]),
  );
}

function amountsText(amounts: Readonly<Record<string, string>> | null): string {
  return Object.entries(amounts ?? {})
    .map(([unit, amount]) => `${amount} ${unit}`)
    .join(', ');
}

// A message may hold anything, and a terminal obeys control characters.
function oneLine(text: string): string {
  const plain = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');
  return plain.length > TEXT_SHOWN_MAX ? `${plain.slice(0, TEXT_SHOWN_MAX)}…` : plain;
}
