// The high-water file `<ledger>-head`: how far the journal was durable, written after each commit while a writer is
// open. SQLite takes a damaged or missing write-ahead log for one that ends earlier, in silence; this file tells. It
// is never synced and need not be kept: a power cut leaves it behind the journal, which only weakens the check.

import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { JournalCorruptError } from '../../core/errors.js';

/** Digest of the ledger's id (16) ‖ sequence (8, big-endian) ‖ CRC-32 of those (4): a half-written file is ignored. */
const SEQUENCE_AT = 16;
const CHECK_AT = SEQUENCE_AT + 8;
const FILE_BYTES = CHECK_AT + 4;

/** A file that an earlier ledger of the same name left behind says nothing about this one. */
function ledgerTag(ledgerId: string): Buffer {
  return createHash('sha256').update('bursar/head/1\0').update(ledgerId).digest().subarray(0, SEQUENCE_AT);
}

export function highWaterPath(ledgerPath: string): string {
  return `${ledgerPath}-head`;
}

/** The writer's side. */
export class HighWater {
  readonly #path: string;
  readonly #file: number;
  readonly #bytes = Buffer.alloc(FILE_BYTES);

  constructor(ledgerPath: string, ledgerId: string) {
    this.#path = highWaterPath(ledgerPath);
    this.#file = openSync(this.#path, 'w');
    this.#bytes.set(ledgerTag(ledgerId));
  }

  write(sequence: number): void {
    this.#bytes.writeBigUInt64BE(BigInt(sequence), SEQUENCE_AT);
    this.#bytes.writeUInt32BE(crc32(this.#bytes.subarray(0, CHECK_AT)), CHECK_AT);
    try {
      writeSync(this.#file, this.#bytes, 0, FILE_BYTES, 0);
    } catch {
      // The batch is durable already. A failed write leaves an older number in the file, which is still true.
    }
  }

  /** `remove` once the ledger file itself says how far it goes. */
  close(afterwards: 'keep' | 'remove'): void {
    closeSync(this.#file);
    if (afterwards === 'remove') rmSync(this.#path, { force: true });
  }
}

/** How far the file says that this ledger was durable; 0 when it says nothing. */
export function readHighWater(ledgerPath: string, ledgerId: string): number {
  let bytes: Buffer;
  try {
    bytes = readFileSync(highWaterPath(ledgerPath));
  } catch {
    return 0;
  }
  if (bytes.byteLength !== FILE_BYTES) return 0;
  if (bytes.readUInt32BE(CHECK_AT) !== crc32(bytes.subarray(0, CHECK_AT))) return 0;
  if (!bytes.subarray(0, SEQUENCE_AT).equals(ledgerTag(ledgerId))) return 0;
  return Number(bytes.readBigUInt64BE(SEQUENCE_AT));
}

/** Throws JournalCorruptError when the journal ends before what was durable. */
export function assertReaches(headSequence: number, durableSequence: number, ledgerPath: string): void {
  if (headSequence >= durableSequence) return;
  throw new JournalCorruptError(
    headSequence + 1,
    `the journal ends at ${headSequence}, but was durable up to ${durableSequence}: its end, or its write-ahead log ` +
      `${ledgerPath}-wal, is damaged or missing. If an older copy was put here on purpose, delete ${highWaterPath(ledgerPath)}`,
  );
}
