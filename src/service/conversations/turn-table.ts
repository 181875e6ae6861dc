// Turns in the service's file: the statements, and a turn's row as the service reads it. Beside the states of rule T1 a
// row has two of its own: `starting` (intended, the ledger has not held yet: no reader sees it) and an `ending` on a running
// turn (its end is decided, the ledger has not settled yet). Called by turns.ts, recovery.ts and recorder.ts.

import type { Amounts } from '../../core/amount.js';
import type { ServiceStore } from '../store/service-store.js';
import { amountsFromJson, amountsToJson } from './amounts-json.js';
import type { MeteredBy, Turn, TurnEnd, TurnState, TurnTerms, TurnUsage } from './turn.js';

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

export interface NewTurn {
  readonly id: string;
  readonly chat: number;
  readonly requestId: string;
  readonly meteredBy: MeteredBy;
  readonly holdId: string;
  readonly replaces: number | null;
  readonly at: number;
}

interface Row {
  readonly number: number;
  readonly id: string;
  readonly chat: number;
  readonly chat_id: string;
  readonly tenant: string;
  readonly user: string;
  readonly request_id: string;
  readonly state: TurnState | 'starting';
  readonly metered_by: MeteredBy;
  readonly hold_id: string;
  readonly replaces: number | null;
  readonly terms: string | null;
  readonly ending: string | null;
  readonly response_id: string | null;
  readonly charged: string | null;
  readonly started_at: number;
  readonly progress_at: number;
  readonly hold_expires_at: number | null;
  readonly ended_at: number | null;
  readonly deleted_at: number | null;
}

const SELECT =
  'SELECT turns.*, chats.id AS chat_id, chats.tenant, chats.user FROM turns JOIN chats ON chats.number = turns.chat';

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
  readonly #silent;
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
    this.#intendEnd = store.prepare<[string, string | null, number, number]>(
      `UPDATE turns SET ending = ?, response_id = ?, ended_at = ?
       WHERE number = ? AND state = 'running' AND ending IS NULL`,
    );
    this.#finish = store.prepare<[string, string | null, number]>(
      "UPDATE turns SET state = ?, charged = ? WHERE number = ? AND state = 'running'",
    );
    this.#remove = store.prepare<[number, number]>(
      'UPDATE turns SET deleted_at = ? WHERE number = ? AND deleted_at IS NULL',
    );
    this.#byNumber = store.prepare<[number], Row>(`${SELECT} WHERE turns.number = ?`);
    this.#byId = store.prepare<[string], Row>(`${SELECT} WHERE turns.id = ?`);
    this.#byRequest = store.prepare<[number, string], Row>(
      `${SELECT} WHERE turns.chat = ? AND turns.request_id = ?`,
    );
    this.#open = store.prepare<[number], Row>(
      `${SELECT} WHERE turns.chat = ? AND turns.state IN ('starting', 'running')`,
    );
    const seen = "turns.chat = ? AND turns.deleted_at IS NULL AND turns.state <> 'starting'";
    this.#last = store.prepare<[number], Row>(`${SELECT} WHERE ${seen} ORDER BY turns.number DESC LIMIT 1`);
    this.#page = store.prepare<[number, number, number], Row>(
      `${SELECT} WHERE ${seen} AND turns.number > ? ORDER BY turns.number LIMIT ?`,
    );
    this.#silent = store.prepare<[number, number], Row>(
      // The states as the index has them, or SQLite does not see that it fits.
      `${SELECT} WHERE turns.state IN ('starting', 'running') AND turns.state = 'running' AND turns.ending IS NULL
       AND turns.metered_by <> 'gateway' AND turns.progress_at <= ? ORDER BY turns.progress_at LIMIT ?`,
    );
    this.#unfinished = store.prepare<[number, number], Row>(
      `${SELECT} WHERE turns.state IN ('starting', 'running') AND turns.number > ? ORDER BY turns.number LIMIT ?`,
    );
  }

  /** @returns the turn's number */
  insert({ id, chat, requestId, meteredBy, holdId, replaces, at }: NewTurn): number {
    return Number(this.#insert.run(id, chat, requestId, meteredBy, holdId, replaces, at, at).lastInsertRowid);
  }

  /** Of a turn that the ledger never held; its messages must be gone. */
  forget(number: number): void {
    this.#forget.run(number);
  }

  /** The hold is there: readers see the turn from now on. Again where the gateway holds for another provider. */
  run(number: number, terms: TurnTerms, holdExpiresAt: number): void {
    this.#run.run(JSON.stringify({ ...terms, held: amountsToJson(terms.held) }), holdExpiresAt, number);
  }

  progress(number: number, at: number, holdExpiresAt: number | null): void {
    this.#extended.run(at, holdExpiresAt, number);
  }

  setHold(number: number, holdId: string): void {
    this.#rehold.run(holdId, number);
  }

  /** Decides how a turn ends; false when it is decided already (rule T2: exactly one wins). */
  intendEnd(number: number, ending: Ending, responseId: string | null, at: number): boolean {
    const { amounts } = ending;
    const text = JSON.stringify({ ...ending, amounts: amounts && amountsToJson(amounts) });
    return this.#intendEnd.run(text, responseId, at, number).changes === 1;
  }

  finish(number: number, state: TurnState, charged: Amounts | null): void {
    this.#finish.run(state, charged && JSON.stringify(amountsToJson(charged)), number);
  }

  remove(number: number, at: number): void {
    this.#remove.run(at, number);
  }

  byNumber(number: number): TurnRow | undefined {
    return turnOrNone(this.#byNumber.get(number));
  }
  byId(id: string): TurnRow | undefined {
    return turnOrNone(this.#byId.get(id));
  }
  byRequest(chat: number, requestId: string): TurnRow | undefined {
    return turnOrNone(this.#byRequest.get(chat, requestId));
  }
  /** The one turn of a chat that is not final. */
  open(chat: number): TurnRow | undefined {
    return turnOrNone(this.#open.get(chat));
  }
  /** The newest by start, without deleted ones (rule T3). */
  last(chat: number): TurnRow | undefined {
    return turnOrNone(this.#last.get(chat));
  }

  /** In the order of their start, after the row `after`. */
  page(chat: number, after: number, max: number): SeenTurn[] {
    return this.#page.all(chat, after, max).map((row) => turnOf(row) as SeenTurn);
  }

  /** Running turns that showed no progress since this instant, the longest silent first. */
  silentSince(at: number, max: number): TurnRow[] {
    return this.#silent.all(at, max).map(turnOf);
  }

  /** Turns that are not final, after the row `after`. */
  unfinished(after: number, max: number): TurnRow[] {
    return this.#unfinished.all(after, max).map(turnOf);
  }
}

function turnOrNone(row: Row | undefined): TurnRow | undefined {
  return row === undefined ? undefined : turnOf(row);
}

function turnOf(row: Row): TurnRow {
  const terms = row.terms === null ? null : (JSON.parse(row.terms) as Record<string, unknown>);
  const ending = row.ending === null ? null : (JSON.parse(row.ending) as Record<string, unknown>);
  const endingRead = ending && ({ ...ending, amounts: amountsFromJson(ending.amounts) } as Ending);
  return {
    number: row.number,
    id: row.id,
    chat: row.chat,
    chatId: row.chat_id,
    tenant: row.tenant,
    user: row.user,
    requestId: row.request_id,
    state: row.state,
    meteredBy: row.metered_by,
    holdId: row.hold_id,
    replaces: row.replaces,
    terms: terms && ({ ...terms, held: amountsFromJson(terms.held) ?? {} } as TurnTerms),
    ending: endingRead,
    end: row.state === 'starting' || row.state === 'running' ? null : (endingRead?.end ?? null),
    responseId: row.response_id,
    charged: row.charged === null ? null : amountsFromJson(JSON.parse(row.charged)),
    startedAt: row.started_at,
    progressAt: row.progress_at,
    holdExpiresAt: row.hold_expires_at,
    endedAt: row.state === 'running' ? null : row.ended_at,
    isDeleted: row.deleted_at !== null,
  };
}
