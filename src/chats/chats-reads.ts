// Reads the view of chats: rows of chats, turns and messages, and which chats a caller may see (rule T8). Used by
// everything in this folder.

import type { Amounts } from '../core/amount.js';
import type { Caller } from '../kit/caller.js';
import { notFound, RefusedError } from '../kit/refusals.js';
import type { ViewDatabase } from '../views/view.js';
import type { StepTexts } from './chats-facts.js';
import { type Chat, type Message, messageId, ROLES, type Role, type Turn } from './turn.js';

/** A chat with its place in the list, and the digest of its title in place of the title. */
export interface ChatRow extends Omit<Chat, 'title'> {
  readonly number: number;
  readonly titleDigest: string | null;
}

export interface ChatToStart extends Pick<ChatRow, 'number' | 'tenant' | 'user' | 'model'> {
  /** The id of the turn that runs. */
  readonly running: string | null;
  /** Whether a turn has this request id, also one that was deleted. */
  readonly wasAsked: boolean;
}

export interface TurnRow extends Turn {
  readonly number: number;
  /** The number of its chat. */
  readonly chat: number;
  readonly user: string;
  readonly endDigest: string | null;
  readonly holdExpiresAt: number | null;
  readonly isDeleted: boolean;
}

/** A message with its place in the list, without its text. */
export interface MessageRow extends Omit<Message, 'text'> {
  readonly place: number;
  /** Of the text in the vault, which must be the one that the fact names. */
  readonly digest: string;
}

/** Rows of a list, and the place after which the next ones come; null at the end. */
export interface RowPage<T> {
  readonly rows: readonly T[];
  readonly next: number | null;
}

export interface PageAsked {
  /** The place of the last row that was given; 0 at the beginning. */
  readonly after: number;
  readonly max: number;
}

/** Whose chat it is: the platform states both, a tenant's key the user where the key does not fix one. */
export interface OwnerAsked {
  readonly tenant?: string | undefined;
  readonly user?: string | undefined;
}

/**
 * A row by place: naming its columns takes SQLite four times as long as finding it. The fields that the values are put into
 * say what they are.
 */
type Values = readonly never[];

const CHATS = `SELECT number, id, tenant, user, title_digest, model, is_temporary, created_at,
    max(updated_at, coalesce((SELECT max(started_at, coalesce(ended_at, 0)) FROM turns
      WHERE turns.chat = chats.number ORDER BY turns.number DESC LIMIT 1), 0))
  FROM chats WHERE deleted_at IS NULL`;

function chatOf(row: Values): ChatRow {
  return {
    number: row[0],
    id: row[1],
    tenant: row[2],
    user: row[3],
    titleDigest: row[4],
    model: row[5],
    isTemporary: isSet(row[6]),
    createdAt: row[7],
    updatedAt: row[8],
  };
}

const TURNS = `SELECT turns.number, turns.id, turns.chat, chats.id, chats.tenant, chats.user, request_id, state, ended_as,
    metered_by, hold_id, hold_expires_at, decision_id, charged, is_late, end_digest, response_id, replaces, started_at,
    progress_at, ended_at, turns.deleted_at IS NOT NULL, held, policy, tier, turns.model, reasons
  FROM turns JOIN chats ON chats.number = turns.chat`;

function turnOf(row: Values): TurnRow {
  return {
    number: row[0],
    id: row[1],
    chat: row[2],
    chatId: row[3],
    tenant: row[4],
    user: row[5],
    requestId: row[6],
    state: row[7],
    end: row[8],
    meteredBy: row[9],
    holdId: row[10],
    holdExpiresAt: row[11],
    decisionId: row[12],
    charged: row[13] === null ? null : amountsOf(row[13]),
    isLate: isSet(row[14]),
    endDigest: row[15],
    responseId: row[16],
    replaces: row[17],
    startedAt: row[18],
    progressAt: row[19],
    endedAt: row[20],
    isDeleted: isSet(row[21]),
    terms: {
      held: amountsOf(row[22]),
      ...(row[23] === null ? {} : { policy: row[23], reasons: JSON.parse(row[26] ?? '[]') as string[] }),
      ...(row[24] === null ? {} : { tier: row[24] }),
      ...(row[25] === null ? {} : { model: row[25] }),
    },
  };
}

function turnOrNone(row: Values | undefined): TurnRow | undefined {
  return row === undefined ? undefined : turnOf(row);
}

/** A message's place in its chat: by turn, and by role in a turn. */
const PLACE = `messages.turn * ${ROLES.length} + messages.role`;
const MESSAGES = `SELECT ${PLACE}, turns.id, request_id, model, response_id, role, is_cut, web_search, input_tokens,
    output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, messages.created_at, messages.digest
  FROM turns JOIN messages ON messages.turn = turns.number`;

function messageOf(row: Values): MessageRow {
  const role: Role = ROLES[row[5]];
  return {
    place: row[0],
    id: messageId(row[1], role),
    turnId: row[1],
    requestId: row[2],
    model: row[3],
    responseId: role === 'assistant' ? row[4] : null,
    role,
    isCut: isSet(row[6]),
    webSearch: isSet(row[7]),
    inputTokens: row[8],
    outputTokens: row[9],
    cacheReadTokens: row[10],
    cacheWriteTokens: row[11],
    reasoningTokens: row[12],
    createdAt: row[13],
    digest: row[14],
  };
}

function isSet(value: number): boolean {
  return value === 1;
}

function amountsOf(text: string): Amounts {
  const texts = JSON.parse(text) as StepTexts;
  const amounts: Record<string, bigint> = {};
  for (const unit of Object.keys(texts)) amounts[unit] = BigInt(texts[unit]);
  return amounts;
}

export class ChatsReads {
  readonly #chat;
  readonly #chatToStart;
  readonly #chats;
  readonly #chatsOfTenant;
  readonly #chatsOfUser;
  readonly #turn;
  readonly #turnOfRequest;
  readonly #runningTurn;
  readonly #lastTurn;
  readonly #turns;
  readonly #runningTurns;
  readonly #messagesOfTurn;
  readonly #messages;
  readonly #hasMessage;

  constructor(views: ViewDatabase) {
    const chats = <Bound extends unknown[]>(where: string) =>
      views.prepare<Bound, Values>(`${CHATS} AND ${where}`).raw();
    const turns = <Bound extends unknown[]>(where: string) =>
      views.prepare<Bound, Values>(`${TURNS} WHERE ${where}`).raw();
    this.#chat = chats<[string]>('id = ?');
    this.#chatToStart = views
      .prepare<[string, string], Values>(
        `SELECT number, tenant, user, model,
           (SELECT id FROM turns WHERE chat = chats.number AND state = 'running'),
           EXISTS (SELECT 1 FROM turns WHERE chat = chats.number AND request_id = ?)
         FROM chats WHERE id = ? AND deleted_at IS NULL`,
      )
      .raw();
    const newest = 'number < ? AND is_temporary BETWEEN ? AND ? ORDER BY number DESC LIMIT ?';
    this.#chats = chats<[...NewestBound]>(newest);
    this.#chatsOfTenant = chats<[string, ...NewestBound]>(`tenant = ? AND ${newest}`);
    this.#chatsOfUser = chats<[string, string, ...NewestBound]>(`tenant = ? AND user = ? AND ${newest}`);
    this.#turn = turns<[string]>('turns.id = ? AND chats.deleted_at IS NULL');
    this.#turnOfRequest = turns<[number, string]>('turns.chat = ? AND request_id = ?');
    this.#runningTurn = views
      .prepare<[number], string>("SELECT id FROM turns WHERE chat = ? AND state = 'running'")
      .pluck();
    this.#lastTurn = turns<[number]>(
      'turns.chat = ? AND turns.deleted_at IS NULL ORDER BY turns.number DESC LIMIT 1',
    );
    this.#turns = turns<[number, number, number]>(
      'turns.chat = ? AND turns.number > ? AND turns.deleted_at IS NULL ORDER BY turns.number LIMIT ?',
    );
    this.#runningTurns = turns<[number, number]>(
      "turns.state = 'running' AND turns.chat > ? ORDER BY turns.chat LIMIT ?",
    );
    const messages = <Bound extends unknown[]>(where: string) =>
      views.prepare<Bound, Values>(`${MESSAGES} WHERE ${where}`).raw();
    this.#messagesOfTurn = messages<[number]>('messages.turn = ? ORDER BY messages.role');
    this.#messages = messages<[number, number, number, number]>(
      `turns.chat = ? AND turns.number >= ? AND turns.deleted_at IS NULL AND ${PLACE} > ?
       ORDER BY turns.number, messages.role LIMIT ?`,
    );
    this.#hasMessage = views
      .prepare<[string, number], number>(
        `SELECT 1 FROM turns JOIN chats ON chats.number = turns.chat JOIN messages ON messages.turn = turns.number
         WHERE turns.id = ? AND messages.role = ? AND turns.deleted_at IS NULL AND chats.deleted_at IS NULL`,
      )
      .pluck();
  }

  /** A chat that the caller may see. @throws RefusedError not_found, also for one of somebody else */
  chat(caller: Caller, id: string): ChatRow {
    const row = this.#chat.get(id);
    const chat = row === undefined ? undefined : chatOf(row);
    if (chat === undefined || !isSeenBy(caller, chat)) throw notFound('id', 'chat', id);
    return chat;
  }

  /** What a start asks of a chat, in one read. @throws RefusedError not_found */
  chatToStart(caller: Caller, id: string, requestId: string): ChatToStart {
    const row = this.#chatToStart.get(requestId, id);
    if (row === undefined || !isSeenBy(caller, { tenant: row[1], user: row[2] }))
      throw notFound('id', 'chat', id);
    const [number, tenant, user, model, running, wasAsked] = row;
    return { number, tenant, user, model, running, wasAsked: isSet(wasAsked) };
  }

  /** Newest first. @throws RefusedError label_forbidden for an owner that the key does not let its caller name */
  chats(
    caller: Caller,
    asked: OwnerAsked & { readonly temporary?: boolean },
    page: PageAsked,
  ): RowPage<ChatRow> {
    const { tenant, user } = ownersSeen(caller, asked);
    const { temporary } = asked;
    const bound: NewestBound = [
      page.after === 0 ? Number.MAX_SAFE_INTEGER : page.after,
      temporary === true ? 1 : 0,
      temporary === false ? 0 : 1,
      page.max + 1,
    ];
    const rows =
      tenant === null
        ? this.#chats.all(...bound)
        : user === null
          ? this.#chatsOfTenant.all(tenant, ...bound)
          : this.#chatsOfUser.all(tenant, user, ...bound);
    return pageOf(rows.map(chatOf), page.max, ({ number }) => number);
  }

  /** A turn that the caller may see, in that chat. @throws RefusedError not_found */
  turn(caller: Caller, chatId: string, turnId: string): TurnRow {
    const turn = this.turnById(turnId);
    if (turn?.chatId === chatId && !turn.isDeleted && isSeenBy(caller, turn)) return turn;
    this.chat(caller, chatId);
    throw notFound('turn', 'turn', turnId);
  }

  /** Also one that was deleted; none of a chat that was. */
  turnById(id: string): TurnRow | undefined {
    return turnOrNone(this.#turn.get(id));
  }

  /** Also one that was deleted: its request id is used for good. */
  turnOfRequest(chat: number, requestId: string): TurnRow | undefined {
    return turnOrNone(this.#turnOfRequest.get(chat, requestId));
  }

  /** The id of the one turn of a chat that is not final. */
  runningTurn(chat: number): string | undefined {
    return this.#runningTurn.get(chat);
  }

  /** The newest by start, without deleted ones (rule T3). */
  lastTurn(chat: number): TurnRow | undefined {
    return turnOrNone(this.#lastTurn.get(chat));
  }

  /** In the order of their start. */
  turns(chat: number, { after, max }: PageAsked): RowPage<TurnRow> {
    return pageOf(this.#turns.all(chat, after, max + 1).map(turnOf), max, ({ number }) => number);
  }

  /** Running turns, one a chat at most, of chats after the number `after`. */
  runningTurns(after: number, max: number): TurnRow[] {
    return this.#runningTurns.all(after, max).map(turnOf);
  }

  messagesOfTurn(turn: number): MessageRow[] {
    return this.#messagesOfTurn.all(turn).map(messageOf);
  }

  /** In the order in which they were said. */
  messages(chat: number, { after, max }: PageAsked): RowPage<MessageRow> {
    const rows = this.#messages.all(chat, Math.floor(after / ROLES.length), after, max + 1);
    return pageOf(rows.map(messageOf), max, ({ place }) => place);
  }

  /** Whether a message is there that can still be read. */
  hasMessage(turnId: string, role: Role): boolean {
    return this.#hasMessage.get(turnId, ROLES.indexOf(role)) !== undefined;
  }

  /** The digest of a chat's title; null where it has none, or was deleted. */
  titleDigest(chatId: string): string | null {
    return this.#chat.get(chatId)?.[4] ?? null;
  }
}

/** Numbers of chats below it, the range of the mark `temporary`, and how many. */
type NewestBound = [before: number, from: number, to: number, max: number];

/** Whose chats a caller sees: null where it is everybody's. */
interface OwnersSeen {
  readonly tenant: string | null;
  readonly user: string | null;
}

/** A key that fixes the label `user` sees the chats of that user alone: these are texts, not figures. */
function ownersSeen(caller: Caller, asked: OwnerAsked): OwnersSeen {
  if (asked.user !== undefined && caller.tenant === null && asked.tenant === undefined)
    throw new RefusedError('invalid_request', 'user: is stated together with tenant', { field: 'user' });
  const own = caller.labels;
  // Seeing is no spending: any user of the tenant may be named, unless the key fixes one.
  for (const name of ['tenant', 'user'] as const) {
    const isOther = Object.hasOwn(own, name) && asked[name] !== undefined && asked[name] !== own[name];
    if (isOther)
      throw new RefusedError('label_forbidden', `the label "${name}" is fixed by the key to another value`, {
        field: name,
      });
  }
  const fixedUser = Object.hasOwn(own, 'user') ? own.user : undefined;
  return { tenant: caller.tenant ?? asked.tenant ?? null, user: fixedUser ?? asked.user ?? null };
}

/** Whether the caller may see what is of this owner. */
export function isSeenBy(caller: Caller, { tenant, user }: Pick<Chat, 'tenant' | 'user'>): boolean {
  const owners = ownersSeen(caller, {});
  return (owners.tenant ?? tenant) === tenant && (owners.user ?? user) === user;
}

/** One row more than `max` was read where there are more. */
function pageOf<T>(rows: readonly T[], max: number, placeOf: (row: T) => number): RowPage<T> {
  const taken = rows.slice(0, max);
  return { rows: taken, next: rows.length > max ? placeOf(taken[max - 1]) : null };
}
