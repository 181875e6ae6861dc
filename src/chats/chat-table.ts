// Chats in the service's file: the statements, and which of them a caller may see (rule T8). Called by chats.ts.

import type { ServiceStore } from '../kit/service-store.js';
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

/** By place, as SQLite gives it. */
type Row = readonly [
  number: number,
  id: string,
  tenant: string,
  user: string,
  title: string | null,
  createdAt: number,
];

/** In the order of `Row`. */
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
    const select = <Bound extends unknown[]>(where: string) =>
      store.prepare<Bound, Row>(`SELECT ${COLUMNS} FROM chats WHERE deleted_at IS NULL AND ${where}`).raw();
    this.#byId = select<[string]>('id = ?');
    this.#remove = store.prepare<[number, number]>('UPDATE chats SET deleted_at = ? WHERE number = ?');
    this.#forget = store.prepare<[string]>(
      'DELETE FROM chats WHERE id = ? AND number NOT IN (SELECT chat FROM turns WHERE chat = chats.number)',
    );
    const newest = 'number < ? ORDER BY number DESC LIMIT ?';
    this.#page = select<[number, number]>(newest);
    this.#pageOfTenant = select<[string, number, number]>(`tenant = ? AND ${newest}`);
    this.#pageOfUser = select<[string, string, number, number]>(`tenant = ? AND user = ? AND ${newest}`);
  }

  insert({ id, tenant, user, title, createdAt }: Chat): void {
    this.#insert.run(id, tenant, user, title, createdAt);
  }

  /** The chat, if these owners may see it; undefined for one of others, or deleted. */
  find(id: string, owners: Owners): ChatRow | undefined {
    const row = this.#byId.get(id);
    if (row === undefined) return undefined;
    const chat = chatOf(row);
    return isTheirs(chat, owners) ? chat : undefined;
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

export function isTheirs({ tenant, user }: Pick<Chat, 'tenant' | 'user'>, owners: Owners): boolean {
  return (owners.tenant ?? tenant) === tenant && (owners.user ?? user) === user;
}

function chatOf([number, id, tenant, user, title, createdAt]: Row): ChatRow {
  return { number, id, tenant, user, title, createdAt };
}
