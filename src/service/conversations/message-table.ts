// Messages in the service's file: one of each role a turn (rule T5). The assistant's is written with the decision that ends
// its turn and shown once the turn has ended; those of deleted turns are not shown. Called by turns.ts and recorder.ts.

import type { ServiceStore } from '../store/service-store.js';
import type { Message, MessageTokens, Role } from './turn.js';

export interface NewMessage extends Partial<MessageTokens> {
  readonly chat: number;
  readonly turn: number;
  readonly role: Role;
  readonly text: string;
  readonly isCut?: boolean | undefined;
  readonly webSearch?: boolean | undefined;
  readonly at: number;
}

interface Row {
  readonly number: number;
  readonly turn_id: string;
  readonly request_id: string;
  readonly role: Role;
  readonly text: string;
  readonly is_cut: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_read_tokens: number;
  readonly cache_write_tokens: number;
  readonly reasoning_tokens: number;
  readonly web_search: number;
  readonly created_at: number;
}

export interface MessageRow extends Message {
  readonly number: number;
}

const SELECT =
  'SELECT messages.*, turns.id AS turn_id, turns.request_id FROM messages JOIN turns ON turns.number = messages.turn';
const SHOWN = "turns.state <> 'starting' AND (messages.role <> 'assistant' OR turns.state <> 'running')";

export class MessageTable {
  readonly #insert;
  readonly #forget;
  readonly #ofTurn;
  readonly #textOf;
  readonly #page;

  constructor(store: ServiceStore) {
    this.#insert = store.prepare<Record<string, string | number>[]>(
      `INSERT INTO messages (chat, turn, role, text, is_cut, input_tokens, output_tokens, cache_read_tokens,
        cache_write_tokens, reasoning_tokens, web_search, created_at)
       VALUES (@chat, @turn, @role, @text, @isCut, @inputTokens, @outputTokens, @cacheReadTokens,
        @cacheWriteTokens, @reasoningTokens, @webSearch, @at)`,
    );
    this.#forget = store.prepare<[number]>('DELETE FROM messages WHERE turn = ?');
    this.#ofTurn = store.prepare<[number], Row>(
      `${SELECT} WHERE messages.turn = ? AND ${SHOWN} ORDER BY messages.number`,
    );
    this.#textOf = store.prepare<[number, Role], { text: string }>(
      'SELECT text FROM messages WHERE turn = ? AND role = ?',
    );
    this.#page = store.prepare<[number, number, number], Row>(
      `${SELECT} WHERE messages.chat = ? AND messages.number > ? AND turns.deleted_at IS NULL AND ${SHOWN}
       ORDER BY messages.number LIMIT ?`,
    );
  }

  insert(message: NewMessage): void {
    const { chat, turn, role, text, at, isCut = false, webSearch = false } = message;
    this.#insert.run({
      chat,
      turn,
      role,
      text,
      at,
      isCut: isCut ? 1 : 0,
      webSearch: webSearch ? 1 : 0,
      inputTokens: message.inputTokens ?? 0,
      outputTokens: message.outputTokens ?? 0,
      cacheReadTokens: message.cacheReadTokens ?? 0,
      cacheWriteTokens: message.cacheWriteTokens ?? 0,
      reasoningTokens: message.reasoningTokens ?? 0,
    });
  }

  /** Of a turn that never came to be. */
  forget(turn: number): void {
    this.#forget.run(turn);
  }

  ofTurn(turn: number): MessageRow[] {
    return this.#ofTurn.all(turn).map(messageOf);
  }

  textOf(turn: number, role: Role): string | undefined {
    return this.#textOf.get(turn, role)?.text;
  }

  /** In the order in which they were said, after the row `after`. */
  page(chat: number, after: number, max: number): MessageRow[] {
    return this.#page.all(chat, after, max).map(messageOf);
  }
}

function messageOf(row: Row): MessageRow {
  return {
    number: row.number,
    turnId: row.turn_id,
    requestId: row.request_id,
    role: row.role,
    text: row.text,
    isCut: row.is_cut === 1,
    inputTokens: row.input_tokens,
    outputTokens: row.output_tokens,
    cacheReadTokens: row.cache_read_tokens,
    cacheWriteTokens: row.cache_write_tokens,
    reasoningTokens: row.reasoning_tokens,
    webSearch: row.web_search === 1,
    createdAt: row.created_at,
  };
}
