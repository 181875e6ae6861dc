// The vault port: texts that must be deletable (messages, titles, goals) and secrets (of webhooks). The journal never holds
// them, because nothing in it can be deleted. A fact names a text by its id and its digest, and the text is on disk before
// that fact is written. What no fact names is swept at the start. Adapters: sqlite/. Features call this port.

import type { Head } from '../core/outcomes.js';
import { RefusedError } from '../kit/refusals.js';

/** A body is stored and read in one turn of the event loop, so it is bounded: far above the longest one, a message of 512 KiB. */
export const BODY_BYTES_MAX = 16 * 1024 * 1024;

/** Items of one call, as many as a journal's command has facts at most. */
export const ITEMS_MAX = 10_000;

/** An id is FEATURE/REST: `chats/…`, `goals/…`. Bounded because SQLite keeps it twice, in the row and in the index. */
export const ITEM_ID_CHARS_MAX = 512;

/** Ids of one page when the caller states no number. */
export const IDS_DEFAULT = 1_000;

/**
 * A text that no fact names may belong to a command that is still under way. Commands take seconds, so a text that is
 * older than an hour belongs to a process that ended before it could write its fact.
 */
export const SWEEP_AGE_MS = 3_600_000;

export interface VaultItem {
  readonly id: string;
  readonly body: string;
}

/** Which ledger the texts belong to, and how far it had come when it was last noted. */
export interface VaultLedger {
  /** The hash of the ledger's first batch, in hex. */
  readonly ledgerId: string;
  readonly head: Head;
}

export interface IdsFilter {
  /** Only ids after this one: the cursor. */
  readonly after?: string;
  readonly max?: number;
  /** Only items that were last put before this instant, epoch ms. */
  readonly putBeforeMs?: number;
}

export interface Vault {
  /**
   * Resolves when all items are on disk: all of one call or none. An item with a known id replaces the earlier one.
   * Callers at the same time share one sync. Items of one call at most 10,000, a body at most 16 MiB.
   * @throws RefusedError store_unavailable
   */
  put(items: readonly VaultItem[]): Promise<void>;
  /** The bodies by id; an id that the vault does not have is absent. @throws RefusedError store_unavailable */
  get(ids: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Resolves when the items are gone from the disk. An unknown id is no error. @throws RefusedError store_unavailable */
  delete(ids: readonly string[]): Promise<void>;
  /** Ids that begin with `prefix`, in the order of their bytes. @throws RefusedError store_unavailable */
  ids(prefix: string, filter?: IdsFilter): Promise<readonly string[]>;
  /** The ledger that was noted last; null in a new vault. @throws RefusedError store_unavailable */
  ledger(): Promise<VaultLedger | null>;
  /** Resolves when the note is on disk. @throws RefusedError store_unavailable */
  noteLedger(ledger: VaultLedger): Promise<void>;
  /** Finishes what was asked for, then closes. */
  close(): Promise<void>;
}

/** Which items of the vault a feature still needs. */
export interface SweepRule {
  /** What the ids of the feature's items begin with, such as `chats/`. */
  readonly prefix: string;
  /** Whether a fact names the item, as the feature's view shows it. */
  isNamed(id: string): boolean;
}

/**
 * Deletes items that no fact names and that were put more than an hour before `nowMs`. It reads one page of ids at a time
 * and lets other work run between pages, so it can run beside a server that has started.
 * @returns how many items were deleted
 */
export async function sweepVault(vault: Vault, rules: readonly SweepRule[], nowMs: number): Promise<number> {
  const putBeforeMs = nowMs - SWEEP_AGE_MS;
  let deleted = 0;
  for (const { prefix, isNamed } of rules) {
    let after = '';
    for (;;) {
      const page = await vault.ids(prefix, { after, max: IDS_DEFAULT, putBeforeMs });
      if (page.length === 0) break;
      after = page[page.length - 1];
      const unnamed = page.filter((id) => !isNamed(id));
      if (unnamed.length > 0) await vault.delete(unnamed);
      deleted += unnamed.length;
    }
  }
  return deleted;
}

/**
 * A text as a feature gives it out. `isNamed` says whether it has the digest that its fact names. Undefined where the vault no
 * longer has it. @throws RefusedError store_unavailable where the vault has another text
 */
export function provenText(text: string | undefined, isNamed: (text: string) => boolean): string | undefined {
  if (text === undefined || isNamed(text)) return text;
  throw new RefusedError(
    'store_unavailable',
    'a text in vault.db is not the one that the ledger names: put vault.db back from a backup',
  );
}
