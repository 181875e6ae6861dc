// Turns in the service's file: the statements, and a turn's row as the service reads it. Beside the states of rule T1 a
// row has two of its own: `starting` (intended, the ledger has not held yet: no reader sees it) and an `ending` on a running
// turn (its end is decided, the ledger has not settled yet). Called by turns.ts, recovery.ts and recorder.ts.

import type { Amounts } from '../core/amount.js';
import type { ServiceStore } from '../kit/service-store.js';
import { amountsFromJson, amountsToJson } from './amounts-json.js';
import type { ChatRow } from './chat-table.js';
import type { FinalState, HeldTerms, MeteredBy, Turn, TurnEnd, TurnState, TurnUsage } from './turn.js';

/** The end that a turn has or will have, with all that settling it again takes. */
export interface Ending {
  readonly end: TurnEnd;
  /** SHA-256 of what the caller said: a repeat of the same end is known by it. Null for the watchdog's and the gateway's. */
  readonly digest: string | null;
  readonly usage: TurnUsage | null;
  /** What it cost, where the caller states it; in steps. */
  readonly amounts: Amounts | null;
  /** SHA-256 of the assistant's text; null when there is none. */
  readonly textDigest: string | null;
  /** Of the gateway's turns: the ledger's command that ends the hold. */
  readonly command: string | null;
  /** When it was decided. */
  readonly at: number;
}

export interface TurnRow extends Omit<Turn, 'state'> {
  readonly number: number;
  readonly chat: number;
  readonly state: TurnState | 'starting';
  readonly user: string;
  readonly ending: Ending | null;
  /** The turn whose place this one takes (retry, edit). */
  readonly replaces: number | null;
  readonly holdExpiresAt: number | null;
  readonly isDeleted: boolean;
}

/** A turn that readers may see. */
export type SeenTurn = TurnRow & Turn;

/** A turn whose end is decided. */
export type EndingTurn = SeenTurn & { readonly ending: Ending };

export function isEnding(turn: TurnRow): turn is EndingTurn {
  return turn.ending !== null;
}

export interface NewTurn {
  readonly id: string;
  readonly chat: ChatRow;
  readonly requestId: string;
  readonly meteredBy: MeteredBy;
  readonly holdId: string;
  readonly replaces: number | null;
  readonly at: number;
}

/** A row as SQLite gives it, by place: naming its columns each time costs more than finding it. */
type Row = readonly [
  number: number,
  id: string,
  chat: number,
  chatId: string,
  tenant: string,
  user: string,
  requestId: string,
  state: TurnState | 'starting',
  meteredBy: MeteredBy,
  holdId: string,
  replaces: number | null,
  terms: string | null,
  ending: string | null,
  responseId: string | null,
  charged: string | null,
  startedAt: number,
  progressAt: number,
  holdExpiresAt: number | null,
  deletedAt: number | null,
];

/** In the order of `Row`. */
const COLUMNS = `turns.number, turns.id, turns.chat, chats.id, chats.tenant, chats.user, turns.request_id, turns.state,
  turns.metered_by, turns.hold_id, turns.replaces, turns.terms, turns.ending, turns.response_id, turns.charged,
  turns.started_at, turns.progress_at, turns.hold_expires_at, turns.deleted_at`;
const SELECT = `SELECT ${COLUMNS} FROM turns JOIN chats ON chats.number = turns.chat`;

export class TurnTable {
  readonly #insert;
  readonly #forget;
  readonly #run;
  readonly #extended;
  readonly #rehold;
  readonly #intendEnd;
  readonly #finish;
  readonly #remove;
  readonly #byNumber;
  readonly #byId;
  readonly #byRequest;
  readonly #open;
  readonly #last;
  readonly #page;
  readonly #unfinished;

  constructor(store: ServiceStore) {
    this.#insert = store.prepare<[string, number, string, MeteredBy, string, number | null, number, number]>(
      `INSERT INTO turns (id, chat, request_id, state, metered_by, hold_id, replaces, started_at, progress_at)
       VALUES (?, ?, ?, 'starting', ?, ?, ?, ?, ?)`,
    );
    this.#forget = store.prepare<[number]>("DELETE FROM turns WHERE number = ? AND state = 'starting'");
    this.#run = store.prepare<[string, number, number]>(
      `UPDATE turns SET state = 'running', terms = ?, hold_expires_at = ?
       WHERE number = ? AND state IN ('starting', 'running')`,
    );
    this.#extended = store.prepare<[number, number | null, number]>(
      'UPDATE turns SET progress_at = max(progress_at, ?), hold_expires_at = coalesce(?, hold_expires_at) WHERE number = ?',
    );
    this.#rehold = store.prepare<[string, number]>('UPDATE turns SET hold_id = ? WHERE number = ?');
    this.#intendEnd = store.prepare<[string, string | null, number]>(
      `UPDATE turns SET ending = ?, response_id = ?
       WHERE number = ? AND state = 'running' AND ending IS NULL`,
    );
    this.#finish = store.prepare<[string, string | null, number]>(
      "UPDATE turns SET state = ?, charged = ? WHERE number = ? AND state = 'running'",
    );
    this.#remove = store.prepare<[number, number]>(
      'UPDATE turns SET deleted_at = ? WHERE number = ? AND deleted_at IS NULL',
    );
    const select = <Bound extends unknown[]>(sql: string) => store.prepare<Bound, Row>(sql).raw();
    this.#byNumber = select<[number]>(`${SELECT} WHERE turns.number = ?`);
    this.#byId = select<[string]>(`${SELECT} WHERE turns.id = ? AND chats.deleted_at IS NULL`);
    this.#byRequest = select<[number, string]>(`${SELECT} WHERE turns.chat = ? AND turns.request_id = ?`);
    this.#open = store
      .prepare<[number], string>("SELECT id FROM turns WHERE chat = ? AND state IN ('starting', 'running')")
      .pluck();
    const seen = "turns.chat = ? AND turns.deleted_at IS NULL AND turns.state <> 'starting'";
    this.#last = select<[number]>(`${SELECT} WHERE ${seen} ORDER BY turns.number DESC LIMIT 1`);
    this.#page = select<[number, number, number]>(
      `${SELECT} WHERE ${seen} AND turns.number > ? ORDER BY turns.number LIMIT ?`,
    );
    this.#unfinished = select<[number, number]>(
      `SELECT ${COLUMNS} FROM turns INDEXED BY turns_open JOIN chats ON chats.number = turns.chat
       WHERE turns.state IN ('starting', 'running') AND turns.chat > ? ORDER BY turns.chat LIMIT ?`,
    );
  }

  /** @returns the turn as it would be read */
  insert({ id, chat, requestId, meteredBy, holdId, replaces, at }: NewTurn): TurnRow {
    const { lastInsertRowid } = this.#insert.run(
      id,
      chat.number,
      requestId,
      meteredBy,
      holdId,
      replaces,
      at,
      at,
    );
    return {
      number: Number(lastInsertRowid),
      id,
      chat: chat.number,
      chatId: chat.id,
      tenant: chat.tenant,
      user: chat.user,
      requestId,
      state: 'starting',
      meteredBy,
      holdId,
      replaces,
      terms: null,
      ending: null,
      end: null,
      responseId: null,
      charged: null,
      startedAt: at,
      progressAt: at,
      holdExpiresAt: null,
      endedAt: null,
      isDeleted: false,
    };
  }

  /** Of a turn that the ledger never held; its messages must be gone. */
  forget(number: number): void {
    this.#forget.run(number);
  }

  /** The hold is there: readers see the turn from now on. Again where the gateway holds for another provider. */
  run(number: number, terms: HeldTerms, holdExpiresAt: number): void {
    this.#run.run(JSON.stringify({ ...terms, held: amountsToJson(terms.held) }), holdExpiresAt, number);
  }

  progress(number: number, at: number, holdExpiresAt: number | null): void {
    this.#extended.run(at, holdExpiresAt, number);
  }

  setHold(number: number, holdId: string): void {
    this.#rehold.run(holdId, number);
  }

  /** Decides how a turn ends; false when it is decided already (rule T2: exactly one wins). */
  intendEnd(number: number, ending: Ending, responseId: string | null): boolean {
    const { amounts } = ending;
    const text = JSON.stringify({ ...ending, amounts: amounts && amountsToJson(amounts) });
    return this.#intendEnd.run(text, responseId, number).changes === 1;
  }

  finish(number: number, state: FinalState, charged: Amounts | null): void {
    this.#finish.run(state, charged && JSON.stringify(amountsToJson(charged)), number);
  }

  remove(number: number, at: number): void {
    this.#remove.run(at, number);
  }

  byNumber(number: number): TurnRow | undefined {
    return turnOrNone(this.#byNumber.get(number));
  }
  /** None of a chat that was deleted. */
  byId(id: string): TurnRow | undefined {
    return turnOrNone(this.#byId.get(id));
  }
  byRequest(chat: number, requestId: string): TurnRow | undefined {
    return turnOrNone(this.#byRequest.get(chat, requestId));
  }
  /** The id of the one turn of a chat that is not final. */
  open(chat: number): string | undefined {
    return this.#open.get(chat);
  }
  /** The newest by start, without deleted ones (rule T3). */
  last(chat: number): TurnRow | undefined {
    return turnOrNone(this.#last.get(chat));
  }

  /** In the order of their start, after the row `after`. */
  page(chat: number, after: number, max: number): SeenTurn[] {
    return this.#page.all(chat, after, max).map((row) => turnOf(row) as SeenTurn);
  }

  /** Turns that are not final, one a chat at most, of chats after the row `after`. */
  unfinished(after: number, max: number): TurnRow[] {
    return this.#unfinished.all(after, max).map(turnOf);
  }
}

function turnOrNone(row: Row | undefined): TurnRow | undefined {
  return row === undefined ? undefined : turnOf(row);
}

function turnOf([
  number,
  id,
  chat,
  chatId,
  tenant,
  user,
  requestId,
  state,
  meteredBy,
  holdId,
  replaces,
  termsText,
  endingText,
  responseId,
  chargedText,
  startedAt,
  progressAt,
  holdExpiresAt,
  deletedAt,
]: Row): TurnRow {
  const terms = termsText === null ? null : termsIn(JSON.parse(termsText));
  const ending = endingText === null ? null : endingIn(JSON.parse(endingText));
  const isOpen = state === 'starting' || state === 'running';
  return {
    number,
    id,
    chat,
    chatId,
    tenant,
    user,
    requestId,
    state,
    meteredBy,
    holdId,
    replaces,
    terms,
    ending,
    end: isOpen ? null : (ending?.end ?? null),
    responseId,
    charged: chargedText === null ? null : amountsFromJson(JSON.parse(chargedText)),
    startedAt,
    progressAt,
    holdExpiresAt,
    endedAt: isOpen ? null : (ending?.at ?? null),
    isDeleted: deletedAt !== null,
  };
}

function termsIn(terms: Record<string, unknown>): HeldTerms {
  terms.held = amountsFromJson(terms.held) ?? {};
  return terms as unknown as HeldTerms;
}

function endingIn(ending: Record<string, unknown>): Ending {
  ending.amounts = amountsFromJson(ending.amounts);
  return ending as unknown as Ending;
}
