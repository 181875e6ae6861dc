// Messages in the service's file: one of each role a turn (rule T5). The assistant's is written with the decision that ends
// its turn and shown once the turn has ended; those of deleted turns are not shown. Called by turns.ts,
// turn-ends.ts and recorder.ts.

import type { ServiceStore } from '../kit/service-store.js';
import type { Message, MessageTokens, Role } from './turn.js';
import type { SeenTurn, TurnRow } from './turn-table.js';

export interface NewMessage extends Partial<MessageTokens> {
  readonly role: Role;
  readonly text: string;
  readonly isCut?: boolean | undefined;
  readonly webSearch?: boolean | undefined;
  readonly at: number;
}

/** By place, as SQLite gives it. */
type Row = readonly [
  number: number,
  role: Role,
  text: string,
  isCut: number,
  inputTokens: number,
  outputTokens: number,
  cacheReadTokens: number,
  cacheWriteTokens: number,
  reasoningTokens: number,
  webSearch: number,
  createdAt: number,
];
type RowOfChat = readonly [...row: Row, turnId: string, requestId: string];

export interface MessageRow extends Message {
  readonly number: number;
}

/** In the order of `Row`. */
const COLUMNS = `messages.number, role, text, is_cut, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
  reasoning_tokens, web_search, messages.created_at`;

export class MessageTable {
  readonly #insert;
  readonly #forget;
  readonly #ofTurn;
  readonly #textOf;
  readonly #page;

  constructor(store: ServiceStore) {
    this.#insert = store.prepare<(string | number)[]>(
      `INSERT INTO messages (chat, turn, role, text, is_cut, input_tokens, output_tokens, cache_read_tokens,
        cache_write_tokens, reasoning_tokens, web_search, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#forget = store.prepare<[number]>('DELETE FROM messages WHERE turn = ?');
    this.#ofTurn = store.prepare<[number], Row>(`SELECT ${COLUMNS} FROM messages WHERE turn = ?`).raw();
    this.#textOf = store
      .prepare<[number, Role], string>('SELECT text FROM messages WHERE turn = ? AND role = ?')
      .pluck();
    this.#page = store
      .prepare<[number, number, number], RowOfChat>(
        `SELECT ${COLUMNS}, turns.id, turns.request_id
         FROM messages JOIN turns ON turns.number = messages.turn
         WHERE messages.chat = ? AND messages.number > ? AND turns.deleted_at IS NULL AND turns.state <> 'starting'
         AND (role <> 'assistant' OR turns.state <> 'running')
         ORDER BY messages.number LIMIT ?`,
      )
      .raw();
  }

  /** @returns the message as it would be read */
  insert(turn: TurnRow, message: NewMessage): MessageRow {
    const { role, text, at, isCut = false, webSearch = false } = message;
    const { inputTokens = 0, outputTokens = 0, cacheReadTokens = 0, cacheWriteTokens = 0 } = message;
    const { reasoningTokens = 0 } = message;
    const { lastInsertRowid } = this.#insert.run(
      turn.chat,
      turn.number,
      role,
      text,
      isCut ? 1 : 0,
      inputTokens,
      outputTokens,
      cacheReadTokens,
      cacheWriteTokens,
      reasoningTokens,
      webSearch ? 1 : 0,
      at,
    );
    return {
      number: Number(lastInsertRowid),
      turnId: turn.id,
      requestId: turn.requestId,
      role,
      text,
      isCut,
      inputTokens,
      outputTokens,
      cacheReadTokens,
      cacheWriteTokens,
      reasoningTokens,
      webSearch,
      createdAt: at,
    };
  }

  /** Of a turn that never came to be. */
  forget(turn: number): void {
    this.#forget.run(turn);
  }

  /** What is shown of a turn that readers may see, in the order in which it was said. */
  ofTurn({ number, id, requestId, state }: SeenTurn): MessageRow[] {
    const said = this.#ofTurn.all(number).map((row) => messageOf(row, { id, requestId }));
    const shown = state === 'running' ? said.filter(({ role }) => role !== 'assistant') : said;
    return shown.sort((left, right) => left.number - right.number);
  }

  textOf(turn: number, role: Role): string | undefined {
    return this.#textOf.get(turn, role);
  }

  /** In the order in which they were said, after the row `after`. */
  page(chat: number, after: number, max: number): MessageRow[] {
    const rows = this.#page.all(chat, after, max);
    return rows.map((row) => messageOf(row, { id: row[11], requestId: row[12] }));
  }
}

function messageOf(
  [
    number,
    role,
    text,
    isCut,
    inputTokens,
    outputTokens,
    cacheReadTokens,
    cacheWriteTokens,
    reasoningTokens,
    webSearch,
    createdAt,
  ]: Row | RowOfChat,
  { id, requestId }: Pick<TurnRow, 'id' | 'requestId'>,
): MessageRow {
  return {
    number,
    turnId: id,
    requestId,
    role,
    text,
    isCut: isCut === 1,
    inputTokens,
    outputTokens,
    cacheReadTokens,
    cacheWriteTokens,
    reasoningTokens,
    webSearch: webSearch === 1,
    createdAt,
  };
}
