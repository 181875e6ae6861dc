// Chats, their turns and messages (rules T1–T8): made, listed, changed and deleted here; their turns are turns.ts's. A tenant
// sees its own chats; a key that fixes the label `user` sees the chats of that user alone. A chat of another tenant is
// answered exactly like a chat that does not exist. Opened by the composition root, used by the HTTP API and the gateway.

import { labelsOfCall } from '../access/labels.js';
import { tenantProblem } from '../access/tenant-ids.js';
import { quoted, textProblem } from '../core/labels.js';
import { actorOf, type Caller } from '../kit/caller.js';
import { newId } from '../kit/new-id.js';
import { invalid, RefusedError } from '../kit/refusals.js';
import type { SweepRule } from '../vault/vault.js';
import { type ChatBody, chatsFact } from './chats-facts.js';
import { type ChatsNeeds, ChatsParts } from './chats-parts.js';
import type { ChatRow, OwnerAsked, PageAsked, RowPage } from './chats-reads.js';
import { itemOf, VAULT_PREFIX } from './chats-texts.js';
import { Recorder } from './recorder.js';
import { type Chat, MODEL_LENGTH_MAX, TITLE_LENGTH_MAX } from './turn.js';
import { TurnSettler } from './turn-settler.js';
import { Turns } from './turns.js';
import { Watchdog } from './watchdog.js';

export interface NewChat extends OwnerAsked, ChatChange {}

/** What of a chat can be changed; null takes it away. */
export interface ChatChange {
  readonly title?: string | null | undefined;
  readonly model?: string | null | undefined;
  readonly temporary?: boolean | undefined;
}

export class Chats {
  readonly turns: Turns;
  readonly recorder: Recorder;
  readonly watchdog: Watchdog;
  readonly sweepRule: SweepRule;
  readonly #parts: ChatsParts;

  constructor(needs: ChatsNeeds) {
    const parts = new ChatsParts(needs);
    const ends = new TurnSettler(parts);
    this.#parts = parts;
    this.turns = new Turns(parts, ends);
    this.recorder = new Recorder(parts, ends);
    this.watchdog = new Watchdog(parts, ends);
    this.sweepRule = { prefix: VAULT_PREFIX, isNamed: (id) => this.#isNamed(id) };
  }

  /** Ends the calls of the gateway that died with the last process. Once, before anybody calls. */
  async start(): Promise<number> {
    const ended = await this.watchdog.sweep(this.#parts.clock.now());
    this.watchdog.start();
    return ended;
  }

  /** Before the ledger, the views and the vault are closed. */
  close(): Promise<void> {
    return this.watchdog.stop();
  }

  /** @throws RefusedError label_forbidden; invalid_request where tenant or user is neither stated nor fixed by the key */
  async create(
    caller: Caller,
    { title = null, model = null, temporary = false, ...owner }: NewChat,
  ): Promise<Chat> {
    const { clock, texts, ledger, reads } = this.#parts;
    const { tenant, user } = ownerOf(caller, owner);
    assertChange({ title, model });
    const createdAt = clock.now();
    const id = newId(createdAt);
    const titleDigest = await texts.putTitle(id, title);
    const body: ChatBody = {
      ...{ id, tenant, user, titleDigest, model, isTemporary: temporary, createdAt, updatedAt: createdAt },
      deletedAt: null,
    };
    await ledger.run(
      { command: 'record_facts' },
      { actor: actorOf(caller), facts: [chatsFact('chat_created', body)] },
    );
    return { ...reads.chat(caller, id), title };
  }

  /** Newest first. @throws RefusedError label_forbidden for an owner that the key does not let its caller name */
  async list(
    caller: Caller,
    asked: OwnerAsked & { readonly temporary?: boolean },
    page: PageAsked,
  ): Promise<RowPage<Chat>> {
    const { rows, next } = this.#parts.reads.chats(caller, asked, page);
    return { rows: await this.#titled(rows), next };
  }

  /** @throws RefusedError not_found, also for a chat of somebody else */
  async get(caller: Caller, id: string): Promise<Chat> {
    const [chat] = await this.#titled([this.#parts.reads.chat(caller, id)]);
    return chat;
  }

  /** @throws RefusedError not_found; invalid_request */
  async change(caller: Caller, id: string, { title, model, temporary }: ChatChange): Promise<Chat> {
    assertChange({ title, model });
    const { queue, reads, texts, clock, ledger } = this.#parts;
    return queue.run(id, async () => {
      const before = reads.chat(caller, id);
      const titleDigest = title === undefined ? before.titleDigest : await texts.putTitle(id, title);
      const body: ChatBody = {
        ...bodyOf(before),
        titleDigest,
        model: model === undefined ? before.model : model,
        isTemporary: temporary ?? before.isTemporary,
        updatedAt: clock.now(),
      };
      await ledger.run(
        { command: 'record_facts' },
        { actor: actorOf(caller), facts: [chatsFact('chat_changed', body)] },
      );
      if (before.titleDigest !== titleDigest) await texts.deleteTitle(id, before.titleDigest);
      return this.get(caller, id);
    });
  }

  /** What was said in it is gone for good; what its turns cost stays. @throws RefusedError not_found; conflict while a turn runs */
  async remove(caller: Caller, id: string): Promise<void> {
    const { queue, reads, texts, clock, ledger } = this.#parts;
    await queue.run(id, async () => {
      const chat = reads.chat(caller, id);
      const running = reads.runningTurn(chat.number);
      if (running !== undefined)
        throw new RefusedError('conflict', `the turn ${running} of this chat is running: cancel it first`);
      const body = { ...bodyOf(chat), deletedAt: clock.now() };
      await ledger.run(
        { command: 'record_facts' },
        { actor: actorOf(caller), facts: [chatsFact('chat_deleted', body)] },
      );
      await texts.deleteAll(id);
    });
  }

  async #titled(rows: readonly ChatRow[]): Promise<Chat[]> {
    const titles = await this.#parts.texts.titles(rows);
    return rows.map((row) => ({ ...row, title: titles.get(row.id) ?? null }));
  }

  #isNamed(itemId: string): boolean {
    const { reads } = this.#parts;
    const item = itemOf(itemId);
    if (item === null) return false;
    if ('turnId' in item) return reads.hasMessage(item.turnId, item.role);
    return reads.titleDigest(item.chatId)?.startsWith(item.title) === true;
  }
}

function bodyOf(chat: ChatRow): ChatBody {
  const { id, tenant, user, titleDigest, model, isTemporary, createdAt, updatedAt } = chat;
  return { id, tenant, user, titleDigest, model, isTemporary, createdAt, updatedAt, deletedAt: null };
}

function assertChange({ title, model }: ChatChange): void {
  for (const [field, text, lengthMax] of [
    ['title', title, TITLE_LENGTH_MAX],
    ['model', model, MODEL_LENGTH_MAX],
  ] as const) {
    const problem = text === undefined || text === null ? null : textProblem(text, lengthMax);
    if (problem !== null) throw invalid(field, `${quoted(text)} ${problem}`);
  }
}

function ownerOf(caller: Caller, asked: OwnerAsked): { tenant: string; user: string } {
  const named = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
  const { tenant, user } = labelsOfCall(caller, named as Record<string, string>);
  if (tenant === undefined) throw invalid('tenant', 'is required: this key is no tenant’s');
  if (user === undefined) throw invalid('user', 'is required: the key does not fix the label user');
  // In the account of a budget it stands for nobody, as quotas have it.
  if (user === '*') throw invalid('user', '"*" names nobody');
  const problem = tenantProblem(tenant);
  if (problem !== null) throw invalid('tenant', `${quoted(tenant)} ${problem}`);
  return { tenant, user };
}
