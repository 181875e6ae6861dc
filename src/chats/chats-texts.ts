// The texts of chats in the vault: titles, and messages by turn and role. A text is on disk before the fact that names it
// is written, and a fact has its SHA-256 alone. A text that no fact names any more is deleted, here or by the sweep.

import { hash } from 'node:crypto';
import { provenText, type Vault } from '../vault/vault.js';
import type { MessageRow } from './chats-reads.js';
import { type Message, ROLES, type Role } from './turn.js';

const PREFIX = 'chats/';
/** As many hexadecimal digits of a title's digest as tell a chat's titles apart. */
const TITLE_DIGITS = 16;

/** Hex SHA-256 of a text: what the journal has of it. */
export function digestOf(text: string): string {
  return hash('sha256', text, 'hex');
}

function proven(text: string | undefined, digest: string): string | undefined {
  return provenText(text, (found) => digestOf(found) === digest);
}

/** The place of a turn's texts. */
export interface TurnPlace {
  readonly chatId: string;
  readonly id: string;
}

export class ChatsTexts {
  constructor(
    private readonly vault: Vault,
    private readonly onFault: (what: string, error: unknown) => void,
  ) {}

  /** Resolves when the texts of a turn's messages are on disk. @throws RefusedError store_unavailable */
  put(turn: TurnPlace, said: readonly { readonly role: Role; readonly text: string }[]): Promise<void> {
    return this.vault.put(said.map(({ role, text }) => ({ id: messageTextId(turn, role), body: text })));
  }

  /** A changed title is another item, so that the fact decides which one the chat has. */
  async putTitle(chatId: string, title: string | null): Promise<string | null> {
    if (title === null) return null;
    const digest = digestOf(title);
    await this.vault.put([{ id: titleTextId(chatId, digest), body: title }]);
    return digest;
  }

  /** Titles by chat id. */
  async titles(
    chats: readonly { readonly id: string; readonly titleDigest: string | null }[],
  ): Promise<ReadonlyMap<string, string | null>> {
    const ids = chats.flatMap(({ id, titleDigest }) =>
      titleDigest === null ? [] : [titleTextId(id, titleDigest)],
    );
    const texts = ids.length === 0 ? NONE : await this.vault.get(ids);
    return new Map(
      chats.map(({ id, titleDigest }) => [
        id,
        titleDigest === null ? null : (proven(texts.get(titleTextId(id, titleDigest)), titleDigest) ?? null),
      ]),
    );
  }

  /** Messages with their texts; one that the vault no longer has is empty. */
  async messages(chatId: string, rows: readonly MessageRow[]): Promise<Message[]> {
    const ids = rows.map(({ turnId, role }) => messageTextId({ chatId, id: turnId }, role));
    const texts = ids.length === 0 ? NONE : await this.vault.get(ids);
    return rows.map(({ digest, ...row }, index) => ({
      ...row,
      text: proven(texts.get(ids[index]), digest) ?? '',
    }));
  }

  /** What was said in a turn, by role; a role whose text the vault no longer has is undefined. */
  async said(
    turn: TurnPlace,
    rows: readonly MessageRow[],
  ): Promise<{ readonly [R in Role]?: string | undefined }> {
    const ids = rows.map(({ role }) => messageTextId(turn, role));
    const texts = await this.vault.get(ids);
    return Object.fromEntries(
      rows.map(({ role, digest }, index) => [role, proven(texts.get(ids[index]), digest)]),
    );
  }

  /** Of a turn that was not held, or that nobody can read any more. Nobody waits for it: the sweep is behind it. */
  forget(turn: TurnPlace, roles: readonly Role[] = ROLES): void {
    this.vault
      .delete(roles.map((role) => messageTextId(turn, role)))
      .catch((error: unknown) => this.onFault(`texts of the turn ${turn.id} could not be deleted`, error));
  }

  /** All of a chat, or all but its present title. */
  async deleteAll(chatId: string): Promise<void> {
    const prefix = `${PREFIX}${chatId}/`;
    for (let ids = await this.vault.ids(prefix); ids.length > 0; ids = await this.vault.ids(prefix))
      await this.vault.delete(ids);
  }

  async deleteTitle(chatId: string, digest: string | null): Promise<void> {
    if (digest !== null) await this.vault.delete([titleTextId(chatId, digest)]);
  }
}

/** What an item of the vault is, by its id; null for one that no chat can have. */
export function itemOf(
  id: string,
):
  | { readonly chatId: string; readonly title: string }
  | { readonly turnId: string; readonly role: Role }
  | null {
  const [chatId, what, role] = id.slice(PREFIX.length).split('/');
  if (what?.startsWith('title-')) return { chatId, title: what.slice('title-'.length) };
  const known = ROLES.find((one) => one === role);
  return what === undefined || known === undefined ? null : { turnId: what, role: known };
}

export const VAULT_PREFIX = PREFIX;

const NONE: ReadonlyMap<string, string> = new Map();

export function messageTextId({ chatId, id }: TurnPlace, role: Role): string {
  return `${PREFIX}${chatId}/${id}/${role}`;
}

export function titleTextId(chatId: string, digest: string): string {
  return `${PREFIX}${chatId}/title-${digest.slice(0, TITLE_DIGITS)}`;
}
