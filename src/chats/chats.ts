// Chats: made, listed, and soft-deleted, each by who may see it. A tenant sees its own (rule T8); a key that fixes the label
// `user` sees that user's alone, since these are texts, not figures. Another's chat is what does not exist.

import { labelsOfCall } from '../access/labels.js';
import { tenantProblem } from '../access/tenant-ids.js';
import type { Clock } from '../authority/api.js';
import { quoted, textProblem } from '../core/labels.js';
import type { Caller } from '../kit/caller.js';
import { newId } from '../kit/new-id.js';
import { RefusedError } from '../kit/refusals.js';
import { type ChatRow, type ChatTable, isTheirs, type Owners } from './chat-table.js';
import type { GroupCommit } from './group-commit.js';
import { type Chat, TITLE_LENGTH_MAX } from './turn.js';
import type { TurnTable } from './turn-table.js';

/** Whose chat it shall be: the platform states both, a tenant's key the user where the key does not fix one. */
export interface StatedOwner {
  readonly tenant?: string | undefined;
  readonly user?: string | undefined;
}

export interface NewChat extends StatedOwner {
  readonly title?: string | undefined;
}

export interface RowPage<T> {
  readonly rows: readonly T[];
  /** The number of the last row where there are more; else null. */
  readonly next: number | null;
}

export class Chats {
  constructor(
    private readonly table: ChatTable,
    private readonly turns: TurnTable,
    private readonly writer: GroupCommit,
    private readonly clock: Clock,
  ) {}

  /** @throws RefusedError label_forbidden; invalid_request where tenant or user is neither stated nor fixed by the key */
  async create(caller: Caller, { title, ...owner }: NewChat): Promise<Chat> {
    const { tenant, user } = ownerOf(caller, owner);
    const problem = title === undefined ? null : textProblem(title, TITLE_LENGTH_MAX);
    if (problem !== null) throw invalid('title', `${quoted(title)} ${problem}`);
    const createdAt = this.clock.now();
    const chat = { id: newId(createdAt), tenant, user, title: title ?? null, createdAt };
    await this.writer.durably(() => this.table.insert(chat));
    return chat;
  }

  /** Within a write: of a chat that was made for a call which was then refused. */
  forget(id: string): void {
    this.table.forget(id);
  }

  /** Newest first. @throws RefusedError label_forbidden for an owner that the key does not let its caller name */
  list(caller: Caller, stated: StatedOwner, page: { before: number | null; max: number }): RowPage<ChatRow> {
    const owners = ownersSeen(caller, stated);
    const rows = this.table.page(owners, page.before ?? Number.MAX_SAFE_INTEGER, page.max + 1);
    return pageOfRows(rows, page.max);
  }

  /** @throws RefusedError not_found, also when it is another's */
  get(caller: Caller, id: string): ChatRow {
    const chat = this.table.find(id, ownersSeen(caller, {}));
    if (chat === undefined)
      throw new RefusedError('not_found', `there is no chat ${quoted(id)}`, { field: 'id' });
    return chat;
  }

  /** Whether its caller may see chats of this owner. */
  sees(caller: Caller, owner: Pick<Chat, 'tenant' | 'user'>): boolean {
    return isTheirs(owner, ownersSeen(caller, {}));
  }

  /** Soft: turns and messages stay in the file, and nobody is shown them. @throws RefusedError not_found; conflict while a turn runs */
  async remove(caller: Caller, id: string): Promise<void> {
    await this.writer.durably(() => {
      const { number } = this.get(caller, id);
      const open = this.turns.open(number);
      if (open !== undefined)
        throw new RefusedError('conflict', `the turn ${open} of this chat is running: cancel it first`);
      this.table.remove(number, this.clock.now());
    });
  }
}

export function pageOfRows<T extends { readonly number: number }>(
  rows: readonly T[],
  max: number,
): RowPage<T> {
  const taken = rows.slice(0, max);
  return { rows: taken, next: rows.length > max ? taken[max - 1].number : null };
}

function ownerOf(caller: Caller, stated: StatedOwner): { tenant: string; user: string } {
  const { tenant, user } = labelsOfCall(caller, labelsStated(stated));
  if (tenant === undefined) throw invalid('tenant', 'is required: this key is no tenant’s');
  if (user === undefined) throw invalid('user', 'is required: the key does not fix the label user');
  // In the account of a budget it stands for nobody, as quotas have it.
  if (user === '*') throw invalid('user', '"*" names nobody');
  const problem = tenantProblem(tenant);
  if (problem !== null) throw invalid('tenant', `${quoted(tenant)} ${problem}`);
  return { tenant, user };
}

function ownersSeen(caller: Caller, stated: StatedOwner): Owners {
  if (stated.user !== undefined && caller.tenant === null && stated.tenant === undefined)
    throw invalid('user', 'is stated together with tenant');
  const own = caller.labels;
  // Seeing is no spending: any user of the tenant may be named, unless the key fixes one.
  for (const name of ['tenant', 'user'] as const) {
    const isOther = Object.hasOwn(own, name) && stated[name] !== undefined && stated[name] !== own[name];
    if (isOther)
      throw new RefusedError('label_forbidden', `the label "${name}" is fixed by the key to another value`, {
        field: name,
      });
  }
  const fixedUser = Object.hasOwn(own, 'user') ? own.user : undefined;
  return { tenant: caller.tenant ?? stated.tenant ?? null, user: fixedUser ?? stated.user ?? null };
}

function labelsStated({ tenant, user }: StatedOwner): Record<string, string> {
  return { ...(tenant === undefined ? {} : { tenant }), ...(user === undefined ? {} : { user }) };
}

function invalid(field: string, problem: string): RefusedError {
  return new RefusedError('invalid_request', `${field}: ${problem}`, { field });
}
