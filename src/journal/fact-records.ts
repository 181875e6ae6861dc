// The journal as the followers of a ledger read it: the records that carry facts, in order, each with the outcome that
// its caller was given. Batches without facts are skipped after a look at the flags of their records.

import type { Actor, Fact } from '../core/facts.js';
import type { CommandOutcome, Head } from '../core/outcomes.js';
import { BatchReader } from './batch-reader.js';
import { CHAIN_START, checkChain, fromHex, lastSequence, sameBytes, toHead } from './chain.js';
import { FLAGS_AT, HAS_FACTS } from './format.js';
import type { JournalReader } from './port.js';
import { replayOf } from './recorded.js';

/** A record whose facts are durable. */
export interface FactRecord {
  readonly sequence: number;
  readonly at: number;
  readonly commandId: string | null;
  readonly actor: Actor | null;
  /** Never empty. */
  readonly facts: readonly Fact[];
  /** The outcome as the caller got it. Read from the journal it is the same, marked as a replay. */
  readonly outcome: CommandOutcome;
}

/** The facts of one batch (often none), and the journal's head after it. */
export interface FactBatch {
  readonly records: readonly FactRecord[];
  readonly head: Head;
}

export const EMPTY_HEAD: Head = toHead(CHAIN_START);

/**
 * The batches after a head, with the hash chain checked on the way. The head must be of this journal: see `isOnChain`.
 *
 * @example
 * for (const { records, head } of factBatches(reader, EMPTY_HEAD)) apply(records, head);
 *
 * @throws JournalCorruptError at the first batch that is not what was written
 */
export function* factBatches(reader: JournalReader, after: Head): IterableIterator<FactBatch> {
  const point = { sequence: after.sequence, hash: fromHex(after.hash) };
  for (const batch of checkChain(reader.batches(after.sequence + 1), point)) {
    const head = toHead({ sequence: lastSequence(batch), hash: batch.hash });
    yield { records: [...factRecords(batch.bytes, batch.firstSequence)], head };
  }
}

/** Whether a head is a place that this journal's chain has passed: false for one of another history, or one beyond it. */
export function isOnChain(reader: JournalReader, head: Head): boolean {
  if (head.sequence === 0) return head.hash === EMPTY_HEAD.hash;
  if (head.sequence > reader.head().sequence) return false;
  for (const batch of reader.batches(head.sequence))
    return lastSequence(batch) === head.sequence && sameBytes(batch.hash, fromHex(head.hash));
  return false;
}

function* factRecords(bytes: Uint8Array, firstSequence: number): IterableIterator<FactRecord> {
  const records = new BatchReader(bytes, firstSequence);
  let left = recordsUpToFacts(records);
  // All of them are read: one with facts names labels and balances that an earlier one spelt out.
  for (; left > 0 && records.next(); left -= 1) {
    const { sequence, at, command, rider } = records;
    if (rider.facts.length === 0) continue;
    const { commandId } = command;
    yield { sequence, at, commandId, ...rider, outcome: replayOf(records, 'open') };
  }
}

/** How many records there are up to the last one with facts. */
function recordsUpToFacts({ bytes, start, recordCount }: BatchReader): number {
  let upTo = 0;
  for (let record = 0, at = start; record < recordCount && at + FLAGS_AT < bytes.length; record += 1) {
    if (bytes[at + FLAGS_AT] & HAS_FACTS) upTo = record + 1;
    at += bytes.readUInt32LE(at) + 4;
  }
  return upTo;
}
