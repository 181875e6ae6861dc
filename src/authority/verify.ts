// Proof of a journal. The walk follows the chain, decides every command again, works every figure out again, and
// compares the resulting bytes with those stored. It reports the first position that differs, and how.

import { apply } from '../core/apply.js';
import { newState } from '../core/apply-account.js';
import { decide } from '../core/decide.js';
import { JournalCorruptError } from '../core/errors.js';
import { stateProblem } from '../core/invariants.js';
import type { VerifyReport } from '../core/outcomes.js';
import type { State } from '../core/state.js';
import { BatchReader } from '../journal/batch-reader.js';
import { BatchWriter } from '../journal/batch-writer.js';
import { CHAIN_START, checkChain, digestOf, sameBytes, toHead } from '../journal/chain.js';
import { encodeCheckpoint } from '../journal/checkpoint-codec.js';
import type { Checkpoint, JournalReader, StoredBatch } from '../journal/port.js';
import { eventOf } from '../journal/recorded.js';
import type { Progress } from './api.js';

/** The event loop gets a turn after so many commands: about 50 ms. */
const COMMANDS_PER_TURN = 25_000;

export async function verifyJournal(
  reader: JournalReader,
  seed: number,
  progress?: Progress,
): Promise<VerifyReport> {
  const state = newState({ seed });
  const writer = new BatchWriter();
  const checkpoints = new Map(
    [...reader.checkpoints()].map((checkpoint) => [checkpoint.sequence, checkpoint]),
  );
  const total = reader.head().sequence;
  let batches = 0;
  let turn = 0;
  let point = CHAIN_START;
  let failure: VerifyReport['failure'] = null;
  try {
    for (const batch of checkChain(reader.batches())) {
      verifyBatch(state, writer, batch);
      batches += 1;
      point = { sequence: state.sequence, hash: batch.hash };
      verifyCheckpoint(state, batch, checkpoints.get(state.sequence));
      if (state.sequence - turn >= COMMANDS_PER_TURN) {
        turn = state.sequence;
        progress?.(state.sequence, total);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    const problem = stateProblem(state);
    if (problem !== null) failure = { sequence: state.sequence, what: problem };
  } catch (error) {
    if (!(error instanceof JournalCorruptError)) throw error;
    failure = { sequence: error.sequence, what: error.problem };
  }
  if (failure === null && point.sequence < total) {
    failure = { sequence: point.sequence + 1, what: `the journal ends here, but its head is ${total}` };
  }
  progress?.(state.sequence, total);
  return {
    ok: failure === null,
    head: toHead(point),
    batches,
    commands: state.sequence,
    failure,
    stateDigest: digestOf(encodeCheckpoint(state)),
  };
}

function verifyBatch(state: State, writer: BatchWriter, batch: StoredBatch): void {
  const records = new BatchReader(batch.bytes, batch.firstSequence, 'command');
  writer.begin(state, batch.bytes.length, records.version);
  try {
    while (records.next()) decideAgain(state, writer, records);
  } catch (error) {
    // When a record cannot be decided again, the cause may be an earlier record of the batch that differs.
    throw firstDifference(writer.take(), batch, records.sequence) ?? error;
  }
  const again = writer.take();
  if (sameBytes(again, batch.bytes)) return;
  throw (
    firstDifference(again, batch, records.sequence) ??
    new JournalCorruptError(batch.firstSequence, 'the batch is written otherwise than its records lead to')
  );
}

function decideAgain(state: State, writer: BatchWriter, records: BatchReader): void {
  const { command, at, sequence } = records;
  const { holds } = state;
  const first = holds.expiry.first();
  const isDue = first !== -1 && holds.expiresAt[first] <= at;
  if (command.kind === 'expire_hold' ? command.slot !== first : isDue) {
    throw new JournalCorruptError(
      sequence,
      `hold ${holds.ids[first] ?? '(none)'} was due to expire before this`,
    );
  }
  try {
    const effect = decidedAgain(state, records);
    if (effect.type === 'windows_due') {
      throw new JournalCorruptError(
        sequence,
        `the windows of ${effect.budgetIds.join(', ')} were not opened before this`,
      );
    }
    writer.record(state, command, effect, apply(state, command, effect, at), records.rider);
  } catch (error) {
    if (error instanceof JournalCorruptError) throw error;
    throw new JournalCorruptError(
      sequence,
      `deciding it again fails: ${error instanceof Error ? error.message : error}`,
    );
  }
}

// In earlier versions a metered balance did not stop at the largest figure: a command that would have passed it was refused.
function decidedAgain(state: State, { command, at, wasRejected }: BatchReader): ReturnType<typeof decide> {
  const effect = decide(state, command, at);
  if (!wasRejected || effect.type === 'command_rejected' || effect.type === 'windows_due') return effect;
  state.metersSaturate = false;
  try {
    return decide(state, command, at);
  } finally {
    state.metersSaturate = true;
  }
}

// Compares the records as events, field by field: what was recorded, and what deciding again gives.
function firstDifference(again: Uint8Array, batch: StoredBatch, upTo: number): JournalCorruptError | null {
  const decided = new BatchReader(again, batch.firstSequence);
  const recorded = new BatchReader(batch.bytes, batch.firstSequence);
  while (recorded.sequence < upTo && recorded.next() && decided.next()) {
    const difference = fieldDifference(flattened(eventOf(recorded)), flattened(eventOf(decided)));
    if (difference !== null) return new JournalCorruptError(recorded.sequence, difference);
  }
  return null;
}

function fieldDifference(recorded: Map<string, string>, decided: Map<string, string>): string | null {
  for (const [path, value] of recorded) {
    if (decided.get(path) !== value) {
      return `${path} is recorded as ${value}; deciding again gives ${decided.get(path) ?? 'nothing'}`;
    }
  }
  for (const [path, value] of decided) {
    if (!recorded.has(path)) return `${path} is not recorded; deciding again gives ${value}`;
  }
  return null;
}

function flattened(value: unknown, path = '', into = new Map<string, string>()): Map<string, string> {
  if (value !== null && typeof value === 'object') {
    for (const [key, part] of Object.entries(value))
      flattened(part, path === '' ? key : `${path}.${key}`, into);
  } else {
    into.set(path, String(value));
  }
  return into;
}

function verifyCheckpoint(state: State, batch: StoredBatch, checkpoint: Checkpoint | undefined): void {
  if (checkpoint === undefined) return;
  if (!sameBytes(checkpoint.chainHash, batch.hash)) {
    throw new JournalCorruptError(state.sequence, 'the checkpoint here is of another history');
  }
  if (!sameBytes(encodeCheckpoint(state), checkpoint.bytes)) {
    throw new JournalCorruptError(
      state.sequence,
      'the checkpoint here is not the state that the journal leads to',
    );
  }
}
