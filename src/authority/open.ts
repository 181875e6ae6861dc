// Opening a ledger: the lease is won, the state recovered, the new term written. And opening a replica of one that another
// process may hold, for reading only.

import { InvalidInputError } from '../core/errors.js';
import { assertText } from '../core/labels.js';
import { openMemoryJournal } from '../journal/memory/journal.js';
import type { JournalReader, JournalWriter } from '../journal/port.js';
import { openSqliteJournal } from '../journal/sqlite/journal.js';
import { openSqliteReader } from '../journal/sqlite/reader.js';
import type { Clock, Follower, Ledger, Progress } from './api.js';
import { wholeIn } from './checks.js';
import { newSeed, OpenLedger } from './ledger.js';
import { recover } from './recovery.js';
import { Replica } from './replica.js';

/** Three days: a retry on Monday of what failed on Friday is still known. */
export const RETENTION_DEFAULT_MS = 3 * 86_400_000;
/** Ended holds kept in memory, about 200 bytes each, so that a command on one is told how it ended; the oldest leave first. */
export const ENDED_HOLDS_DEFAULT = 100_000;
/** The holder renews its lease after each third of this. A holder that died keeps others out for this long at most. */
export const LEASE_DEFAULT_MS = 10_000;
/** Records replayed at an opening beyond which it saves a checkpoint: the next one need not replay them. */
export const CHECKPOINT_TAIL_RECORDS = 1_000_000;

export interface OpenOptions {
  /** A file, or ':memory:' for a ledger that ends with the process. */
  readonly path: string;
  readonly clock?: Clock;
  /** Who writes: appears in every outcome's term. Default `bursar`. */
  readonly authorityId?: string;
  /** How long command ids, ended holds and closed windows stay in memory. */
  readonly retentionMs?: number;
  readonly endedHoldsMax?: number;
  readonly leaseMs?: number;
  /** Takes the ledger from a holder that is alive: its next command is refused. */
  readonly takeOver?: boolean;
  readonly progress?: Progress;
  /** Told of facts as they become durable, and brought up to date before this resolves. */
  readonly follower?: Follower;
  /**
   * Told once when the ledger stops by a fault: its journal or its follower failed, or another writer took the ledger over.
   * It answers nothing any more, so the process should end and be started again.
   */
  readonly onStopped?: (fault: unknown) => void;
  /** A journal of the caller's own, instead of `path`: for tests with injected faults. */
  readonly journal?: (options: {
    authorityId: string;
    nowMs: number;
    leaseMs: number;
    takeOver: boolean;
  }) => Promise<JournalWriter>;
}

export const SYSTEM_CLOCK: Clock = { now: () => Date.now() };

/**
 * Opens a ledger for writing and makes it when the file does not exist.
 * @throws LedgerHeldError when a live process holds it; JournalCorruptError when its bytes are not what was written
 */
export async function openLedger(options: OpenOptions): Promise<Ledger> {
  const {
    clock = SYSTEM_CLOCK,
    authorityId = 'bursar',
    leaseMs = LEASE_DEFAULT_MS,
    takeOver = false,
  } = options;
  assertText(options.path, 'path', 4_096);
  assertText(authorityId, 'authorityId');
  if (authorityId.includes(':'))
    throw new InvalidInputError('authorityId', 'may not contain a colon: a term is authorityId:epoch');
  wholeIn(leaseMs, 'leaseMs', 1, 86_400_000);
  const settings = {
    retentionMs: wholeIn(
      options.retentionMs ?? RETENTION_DEFAULT_MS,
      'retentionMs',
      0,
      10 * 365 * 86_400_000,
    ),
    endedHoldsMax: wholeIn(options.endedHoldsMax ?? ENDED_HOLDS_DEFAULT, 'endedHoldsMax', 0, 100_000_000),
  };
  // A lease says whether a process lives, so it goes by the system's clock and not by the ledger's time.
  const journal = await openJournal(options, { authorityId, nowMs: SYSTEM_CLOCK.now(), leaseMs, takeOver });
  try {
    const seed = newSeed();
    const { state, replayed } = recovered(journal.reader, seed, options.progress);
    options.follower?.catchUp(journal.reader, options.progress);
    const ledger = new OpenLedger(state, journal, clock, {
      lease: { clock: SYSTEM_CLOCK, leaseMs },
      follower: options.follower ?? null,
      onStopped: options.onStopped ?? (() => undefined),
    });
    await ledger.begin({ authorityId, epoch: journal.epoch, seed, ...settings });
    if (replayed > CHECKPOINT_TAIL_RECORDS) await ledger.checkpoint();
    return ledger;
  } catch (error) {
    await journal.close().catch(() => undefined);
    throw error;
  }
}

function recovered(reader: JournalReader, seed: number, progress: Progress | undefined) {
  let from = -1;
  const { state } = recover(reader, {
    seed,
    progress: (done, total) => {
      if (from === -1) from = done;
      progress?.(done, total);
    },
  });
  return { state, replayed: from === -1 ? 0 : state.sequence - from };
}

async function openJournal(
  options: OpenOptions,
  lease: { authorityId: string; nowMs: number; leaseMs: number; takeOver: boolean },
): Promise<JournalWriter> {
  if (options.journal !== undefined) return options.journal(lease);
  return options.path === ':memory:'
    ? openMemoryJournal(undefined, lease)
    : openSqliteJournal(options.path, lease);
}

/** Opens a ledger file for reading, also while another process holds it. Shows what is durable. */
export async function openReader(
  path: string,
  options: { readonly clock?: Clock; readonly progress?: Progress } = {},
): Promise<Replica> {
  const reader = openSqliteReader(path);
  try {
    return new Replica(reader, options.clock ?? SYSTEM_CLOCK, newSeed(), options.progress);
  } catch (error) {
    reader.close();
    throw error;
  }
}
