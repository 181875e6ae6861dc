// Chats in the service's file: the statements, and which of them a caller may see (rule T8). Called by chats.ts.

import type { ServiceStore } from '../store/service-store.js';
import type { Chat } from './turn.js';

/** Whose chats a caller sees: null where it is everybody's. */
export interface Owners {
  readonly tenant: string | null;
  readonly user: string | null;
}

/** A chat with its place in the table. */
export interface ChatRow extends Chat {
  readonly number: number;
}

interface Row {
  readonly number: number;
  readonly id: string;
  readonly tenant: string;
  readonly user: string;
  readonly title: string | null;
  readonly created_at: number;
}

const COLUMNS = 'number, id, tenant, user, title, created_at';

export class ChatTable {
  readonly #insert;
  readonly #byId;
  readonly #remove;
  readonly #forget;
  readonly #page;
  readonly #pageOfTenant;
  readonly #pageOfUser;

  constructor(store: ServiceStore) {
    this.#insert = store.prepare<[string, string, string, string | null, number]>(
      'INSERT INTO chats (id, tenant, user, title, created_at) VALUES (?, ?, ?, ?, ?)',
    );
    this.#byId = store.prepare<[string], Row>(
      `SELECT ${COLUMNS} FROM chats WHERE id = ? AND deleted_at IS NULL`,
    );
    this.#remove = store.prepare<[number, number]>('UPDATE chats SET deleted_at = ? WHERE number = ?');
    this.#forget = store.prepare<[string]>(
      'DELETE FROM chats WHERE id = ? AND number NOT IN (SELECT chat FROM turns WHERE chat = chats.number)',
    );
    const page = (where: string) =>
      `SELECT ${COLUMNS} FROM chats WHERE deleted_at IS NULL AND ${where} number < ? ORDER BY number DESC LIMIT ?`;
    this.#page = store.prepare<[number, number], Row>(page(''));
    this.#pageOfTenant = store.prepare<[string, number, number], Row>(page('tenant = ? AND'));
    this.#pageOfUser = store.prepare<[string, string, number, number], Row>(
      page('tenant = ? AND user = ? AND'),
    );
  }

  insert({ id, tenant, user, title, createdAt }: Chat): void {
    this.#insert.run(id, tenant, user, title, createdAt);
  }

  /** The chat, if these owners may see it; undefined for one of others, or deleted. */
  find(id: string, owners: Owners): ChatRow | undefined {
    const row = this.#byId.get(id);
    if (row === undefined) return undefined;
    const isTheirs =
      (owners.tenant === null || owners.tenant === row.tenant) &&
      (owners.user === null || owners.user === row.user);
    return isTheirs ? chatOf(row) : undefined;
  }

  remove(number: number, at: number): void {
    this.#remove.run(at, number);
  }

  /** Of a chat without turns. */
  forget(id: string): void {
    this.#forget.run(id);
  }

  /** Newest first, older than the row `before`. */
  page({ tenant, user }: Owners, before: number, max: number): ChatRow[] {
    if (tenant === null) return this.#page.all(before, max).map(chatOf);
    if (user === null) return this.#pageOfTenant.all(tenant, before, max).map(chatOf);
    return this.#pageOfUser.all(tenant, user, before, max).map(chatOf);
  }
}

function chatOf(row: Row): ChatRow {
  const { number, id, tenant, user, title, created_at: createdAt } = row;
  return { number, id, tenant, user, title, createdAt };
}
