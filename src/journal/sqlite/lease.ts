// The lease row of a ledger file: who may write, under which epoch, and how far the journal reached when the row was
// last written, so that a journal cut short later is noticed. The row carries a digest of itself: a flipped bit in an
// epoch would otherwise be believed.

import { createHash, randomUUID } from 'node:crypto';
import type Database from 'better-sqlite3';
import { JournalCorruptError } from '../../core/errors.js';
import type { Head } from '../../core/outcomes.js';
import { GENESIS_HASH, toHex } from '../chain.js';
import type { LeaseHolder } from '../port.js';
import type { ProcessIdentity } from './process-identity.js';

/** Column order of the table, without `id` and `digest`. */
interface LeaseRow {
  ledger_id: string;
  epoch: number;
  /** Empty when nobody holds the ledger. */
  lease_id: string;
  authority_id: string;
  holder: string;
  expires_at_ms: number;
  /** JSON of a ProcessIdentity. */
  process: string;
  head_sequence: number;
  head_hash: string;
}

export interface LeaseRecord {
  readonly ledgerId: string;
  readonly epoch: number;
  readonly lease: LeaseHolder | undefined;
  readonly process: ProcessIdentity | undefined;
  /** The journal reached at least this far. */
  readonly head: Head;
}

export const SELECT_LEASE = 'SELECT * FROM lease WHERE id = 1';
export const SELECT_FENCE = 'SELECT epoch, lease_id AS leaseId FROM lease WHERE id = 1';
const WRITE_LEASE = `INSERT OR REPLACE INTO lease (id, ledger_id, epoch, lease_id, authority_id, holder, expires_at_ms,
  process, head_sequence, head_hash, digest) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

function digestOf(values: readonly unknown[]): string {
  return createHash('sha256').update('bursar/lease/1\0').update(JSON.stringify(values)).digest('hex');
}

function valuesOf(row: LeaseRow): readonly (string | number)[] {
  return [
    row.ledger_id,
    row.epoch,
    row.lease_id,
    row.authority_id,
    row.holder,
    row.expires_at_ms,
    row.process,
    row.head_sequence,
    row.head_hash,
  ];
}

/** The lease row of a ledger that was never opened. */
export function insertFirstLease(db: Database.Database): void {
  writeLease(db, {
    ledgerId: randomUUID(),
    epoch: 0,
    lease: undefined,
    process: undefined,
    head: { sequence: 0, hash: toHex(GENESIS_HASH) },
  });
}

export function writeLease(db: Database.Database, record: LeaseRecord): void {
  const { lease } = record;
  const values = valuesOf({
    ledger_id: record.ledgerId,
    epoch: record.epoch,
    lease_id: lease?.leaseId ?? '',
    authority_id: lease?.authorityId ?? '',
    holder: lease?.holder ?? '',
    expires_at_ms: lease?.expiresAtMs ?? 0,
    process: record.process === undefined ? '' : JSON.stringify(record.process),
    head_sequence: record.head.sequence,
    head_hash: record.head.hash,
  });
  db.prepare(WRITE_LEASE).run(...values, digestOf(values));
}

export function readLease(select: Database.Statement): LeaseRecord {
  const row = select.get() as (LeaseRow & { digest: string }) | undefined;
  if (row === undefined || digestOf(valuesOf(row)) !== row.digest)
    throw new JournalCorruptError(0, 'the lease row is damaged');
  const lease: LeaseHolder = {
    authorityId: row.authority_id,
    leaseId: row.lease_id,
    epoch: row.epoch,
    expiresAtMs: row.expires_at_ms,
    holder: row.holder,
  };
  return {
    ledgerId: row.ledger_id,
    epoch: row.epoch,
    lease: row.lease_id === '' ? undefined : lease,
    process: row.process === '' ? undefined : (JSON.parse(row.process) as ProcessIdentity),
    head: { sequence: row.head_sequence, hash: row.head_hash },
  };
}
