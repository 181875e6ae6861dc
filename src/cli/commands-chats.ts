// The commands on chats of a server: chats are listed, changed and shown, turns started and ended. Exit code 2 where the
// budgets refuse a turn, as for a hold.

import type { Command } from 'commander';
import type { Answer } from '../client/calls.js';
import type { StartedTurn } from '../client/index.js';
import { textTable } from '../kit/text-table.js';
import { firstOf } from './cli-ledger.js';
import { addListCommand, addRouteCommand, field, required } from './command-table.js';
import type { CliContext, GlobalOptions } from './context.js';
import { PAIRS, type Reader, rowsReader } from './options.js';

const ROWS_DEFAULT = 100;
/** Characters of a message in a table. */
const TEXT_SHOWN_MAX = 80;

type ChatRow = Answer<'getChat'>;
type TurnRow = Answer<'getTurn'>;

const CHAT = { id: { shown: 'chat', help: 'id of the chat' } };
const TURN = { ...CHAT, turn: 'id of the turn' };
const LAST_TURN = { ...CHAT, turn: 'id of the last turn' };

const WISH = {
  requestId: required('--request <id>', 'names the request: the same one never runs twice in a chat'),
  model: field('--model <name>', 'the model that is wished for'),
  tier: field('--tier <name>', 'the tier that is wished for'),
  amounts: field('--amount <unit=amount>', 'to hold, such as usd=0.25; repeatable', PAIRS),
};
const RESULT = {
  amounts: field('--amount <unit=amount>', 'what it cost, such as usd=0.12; repeatable', PAIRS),
  responseId: field('--response-id <id>', 'the id that the provider gave its answer'),
};
/** Why some fields have no option: who calls a model and knows its usage is a program, and uses a client. */
const BY_PROGRAMS = 'stated by a program that calls the model itself; a person states amounts';
const WISH_LEFT_OUT = {
  inputTokens: BY_PROGRAMS,
  outputTokensMax: BY_PROGRAMS,
  webSearch: BY_PROGRAMS,
  webSearches: BY_PROGRAMS,
  codeInterpreterCalls: BY_PROGRAMS,
  images: BY_PROGRAMS,
  tools: BY_PROGRAMS,
  labels: BY_PROGRAMS,
};
const WISH_WITH_TEXT_LEFT_OUT = { ...WISH_LEFT_OUT, systemText: BY_PROGRAMS };
const RESULT_LEFT_OUT = { usage: BY_PROGRAMS };
const MODEL = field('--model <name>', 'what its turns ask for when they state no model');
/** An empty text takes away what was stated. */
const TEXT_OR_NULL: Reader = { finish: (text) => (text === '' ? null : text) };
/** A flag that says that the provider was not reached. */
const BEFORE: Reader = { finish: (before) => before !== true };

export function addChatCommands(program: Command, cli: CliContext): void {
  const chats = program
    .command('chats')
    .description('chats of a server, their turns and messages; needs --url');
  addListCommand(chats, cli, {
    name: 'list',
    isDefault: true,
    route: 'listChats',
    about: 'chats, the newest first',
    query: {
      tenant: field('--tenant <name>', 'only of this tenant'),
      user: field('--user <name>', 'only of this user'),
    },
    rows: ROWS_DEFAULT,
    text: chatTable,
  });
  addRouteCommand(chats, cli, {
    name: 'create',
    route: 'createChat',
    about: 'a new chat; the user and the tenant where the key does not say them',
    body: {
      tenant: field('--tenant <name>', 'whose chat it is'),
      user: field('--user <name>', 'whose chat it is'),
      title: field('--title <text>', 'for people'),
      model: MODEL,
      temporary: field('--temporary', 'a mark that the list can be filtered by'),
    },
    text: (row) => chatTable([row]),
  });
  addRouteCommand(chats, cli, {
    name: 'change',
    route: 'changeChat',
    about: 'change what is stated of a chat; an empty --title or --model takes it away',
    args: CHAT,
    body: {
      title: { ...field('--title <text>', 'for people'), reader: TEXT_OR_NULL },
      model: { ...MODEL, reader: TEXT_OR_NULL },
      temporary: {
        ...field('--temporary', 'a mark that the list can be filtered by'),
        negated: 'takes the mark away',
      },
    },
    text: (row) => chatTable([row]),
  });
  addShow(chats, cli);
  addDelete(chats, cli);
  addStartCommands(chats, cli);
  addEndCommands(chats, cli);
}

function addStartCommands(chats: Command, cli: CliContext): void {
  addRouteCommand(chats, cli, {
    name: 'start',
    route: 'startTurn',
    about: 'start a turn and hold for it; a request that completed earlier gives its stored answer',
    args: CHAT,
    body: { ...WISH, text: required('--text <text>', 'what the user says') },
    leftOut: WISH_WITH_TEXT_LEFT_OUT,
    text: startedText,
  });
  addRouteCommand(chats, cli, {
    name: 'retry',
    route: 'retryTurn',
    about: 'the last turn again, as a new one in its place; what it cost stays spent',
    args: LAST_TURN,
    body: WISH,
    leftOut: WISH_LEFT_OUT,
    text: startedText,
  });
  addRouteCommand(chats, cli, {
    name: 'edit',
    route: 'editTurn',
    about: 'as retry, with another text',
    args: LAST_TURN,
    body: { ...WISH, text: required('--text <text>', 'what the user says instead') },
    leftOut: WISH_WITH_TEXT_LEFT_OUT,
    text: startedText,
  });
}

function addEndCommands(chats: Command, cli: CliContext): void {
  const ofOne = (turn: TurnRow) => turnTable([turn]);
  addRouteCommand(chats, cli, {
    name: 'progress',
    route: 'noteProgress',
    about: 'say that a turn runs still, so that the watchdog leaves it',
    args: TURN,
    text: ofOne,
  });
  addRouteCommand(chats, cli, {
    name: 'complete',
    route: 'completeTurn',
    about: 'end a turn with its answer, and settle it',
    args: TURN,
    body: { ...RESULT, text: required('--text <text>', 'the answer') },
    leftOut: RESULT_LEFT_OUT,
    text: ofOne,
  });
  addRouteCommand(chats, cli, {
    name: 'cancel',
    route: 'cancelTurn',
    about: 'end a turn that its user stopped; charged as far as it came',
    args: TURN,
    body: { ...RESULT, text: field('--text <text>', 'what came of the answer') },
    leftOut: RESULT_LEFT_OUT,
    text: ofOne,
  });
  addRouteCommand(chats, cli, {
    name: 'fail',
    route: 'failTurn',
    about: 'end a turn that failed',
    args: TURN,
    body: {
      ...RESULT,
      reachedProvider: field('--before', 'the provider was never reached: nothing is charged', BEFORE),
    },
    leftOut: { ...RESULT_LEFT_OUT, text: 'a failed turn rarely has an answer; a program states it' },
    text: ofOne,
  });
}

function startedText(started: StartedTurn): string {
  return 'message' in started ? started.message : turnTable([started]);
}

function addShow(chats: Command, cli: CliContext): void {
  chats
    .command('show')
    .description('a chat, its turns and what was said')
    .argument('<chat>', 'id of the chat')
    .option('--max <rows>', `at most so many of each (default ${ROWS_DEFAULT})`, rowsReader, ROWS_DEFAULT)
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
