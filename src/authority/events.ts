// Events from the journal, in its order, resumable by sequence number. Only what is durable is an event.

import type { LedgerEvent } from '../core/outcomes.js';
import { BatchReader } from '../journal/batch-reader.js';
import { assertOwnHash } from '../journal/chain.js';
import type { JournalReader } from '../journal/port.js';
import { eventOf } from '../journal/recorded.js';
import type { EventFilter } from './api.js';
import { wholeIn } from './checks.js';

/** Resolves when there may be records after this sequence number, or at once when the signal ends the wait. */
export type WaitForMore = (after: number, signal: AbortSignal | undefined) => Promise<void>;

export async function* readEvents(
  reader: JournalReader,
  filter: EventFilter,
  waitForMore: WaitForMore,
): AsyncGenerator<LedgerEvent> {
  let after = wholeIn(filter.after ?? 0, 'after', 0, Number.MAX_SAFE_INTEGER);
  for (;;) {
    for (const batch of reader.batches(after + 1)) {
      assertOwnHash(batch);
      const records = new BatchReader(batch.bytes, batch.firstSequence);
      while (records.next()) {
        if (filter.signal?.aborted) return;
        if (records.sequence <= after) continue;
        after = records.sequence;
        const event = eventOf(records);
        if (matches(event, filter)) yield event;
      }
    }
    if (!filter.follow || filter.signal?.aborted) return;
    await waitForMore(after, filter.signal);
  }
}

function matches(event: LedgerEvent, filter: EventFilter): boolean {
  if (filter.holdId !== undefined && event.holdId !== filter.holdId) return false;
  return filter.type === undefined || event.type === filter.type;
}

/** The record of a sequence number, or undefined when there is none. */
export function findRecord(reader: JournalReader, sequence: number): BatchReader | undefined {
  for (const batch of reader.batches(sequence)) {
    assertOwnHash(batch);
    const records = new BatchReader(batch.bytes, batch.firstSequence);
    while (records.next()) if (records.sequence === sequence) return records;
    return undefined;
  }
  return undefined;
}
