// Notes on commands: journalled, shown, part of what a command id stands for, and of no weight in any decision. What a
// server reads beside: totals for metrics, and reads that wait for the disk without blocking.

import { describe, expect, test } from 'vitest';
import type { Ledger } from '#bursar/authority/api.js';
import { openLedger } from '#bursar/authority/open.js';
import { InvalidInputError } from '#bursar/core/errors.js';
import { MATCHES_WEIGHT_MAX, Matcher } from '#bursar/core/matcher.js';
import type { LedgerEvent } from '#bursar/core/outcomes.js';
import type { Command } from '#bursar/core/requests.js';
import { BatchReader } from '#bursar/journal/batch-reader.js';
import { batchHash } from '#bursar/journal/chain.js';
import { MemoryStore, openMemoryJournal } from '#bursar/journal/memory/journal.js';

const NOW = Date.parse('2026-01-10T12:00:00Z');
const A = { tenant: 'a' };
const NOTE = '{"prices":"2026-01-01","end":"größer ✓"}';

function openOn(store: MemoryStore): Promise<Ledger> {
  const journal = (options: Parameters<typeof openMemoryJournal>[1]) => openMemoryJournal(store, options);
  return openLedger({ path: ':memory:', clock: { now: () => NOW }, journal });
}

async function withBudget(): Promise<{ store: MemoryStore; ledger: Ledger }> {
  const store = new MemoryStore();
  const ledger = await openOn(store);
  await ledger.putBudget({ id: 'b', match: A, unit: 'usd', limit: 100n, window: 'lifetime' });
  return { store, ledger };
}

async function eventsOf(ledger: Ledger): Promise<LedgerEvent[]> {
  const events: LedgerEvent[] = [];
  for await (const event of ledger.events()) events.push(event);
  return events;
}

/** Each kind of command that takes a note; run in order, each does something. */
function noted(note: string | undefined): Command[] {
  const more = note === undefined ? {} : { note };
  return [
    { command: 'authorize_hold', holdId: 'h', labels: A, amounts: { usd: 10n }, ...more },
    { command: 'settle_hold', holdId: 'h', amounts: { usd: 8n }, ...more },
    { command: 'correct_hold', holdId: 'h', amounts: { usd: 7n }, reason: 'invoice', ...more },
    { command: 'record_spend', labels: A, amounts: { usd: 1n }, ...more },
    { command: 'authorize_hold', holdId: 'i', labels: A, amounts: { usd: 93n }, ...more },
    { command: 'settle_hold', holdId: 'i', amounts: { usd: 1n }, ...more },
  ];
}

describe('notes', () => {
  test('every command that takes one, also in a group → shown by its event and explanation, after a restart too', async () => {
    const { store, ledger } = await withBudget();
    const [first, ...rest] = noted(NOTE);
    const decision = await ledger.authorize(first as Extract<Command, { command: 'authorize_hold' }>);
    await ledger.submit(rest);
    await ledger.close();

    const again = await openOn(store);
    const events = await eventsOf(again);
    const shown = events.filter((event) => event.details.note !== undefined);
    expect(shown.map((event) => event.type)).toEqual([
      ...['hold_authorized', 'hold_settled', 'hold_corrected', 'spend_recorded'],
      ...['hold_denied', 'command_rejected'],
    ]);
    expect(new Set(shown.map((event) => event.details.note))).toEqual(new Set([NOTE]));
    const { event } = await again.explain(`evt-${decision.sequence}`);
    expect(event.details.note).toBe(NOTE);
    expect(await again.verify()).toMatchObject({ ok: true });
    await again.close();
  });

  test('with or without them → the same outcomes and the same books', async () => {
    const runs = [];
    for (const note of [undefined, NOTE, '']) {
      const { ledger } = await withBudget();
      const outcomes = await ledger.submit(noted(note));
      runs.push({ outcomes, books: ledger.snapshot().digest });
      await ledger.close();
    }
    expect(runs[1]).toEqual(runs[0]);
    expect(runs[2]).toEqual(runs[0]);
  });

  test('a command id used again: the same note replays, another or none is a conflict', async () => {
    const { ledger } = await withBudget();
    for (const [index, command] of noted(NOTE).entries()) {
      const commandId = `c-${index}`;
      await ledger.submit([{ ...command, commandId }]);
      const bare = { ...noted(undefined)[index], commandId } as Command;
      const answers = await ledger.submit([
        { ...command, commandId },
        { ...command, commandId, note: 'other' } as Command,
        bare,
      ]);
      expect(answers.map((one) => (one.replayed ? 'replayed' : 'code' in one ? one.code : one))).toEqual([
        'replayed',
        'command_id_reused',
        'command_id_reused',
      ]);
    }
    await ledger.close();
  });

  test.each<[string, unknown, RegExp]>([
    ['null', null, /^note: expected text, got null/],
    ['an object', {}, /^note: expected text, got an object/],
    ['a byte too many', 'x'.repeat(4_097), /^note: has 4097 bytes of UTF-8; at most 4096/],
    ['too many bytes in fewer characters', '✓'.repeat(1_366), /^note: has 4098 bytes of UTF-8; at most 4096/],
    ['NUL', 'a\0b', /^note: contains the character NUL/],
    ['a lone surrogate', 'a\ud800', /^note: is not well-formed/],
  ])(
    '%s → refused by every command that takes one, and nothing is journalled',
    async (_what, note, message) => {
      const { ledger } = await withBudget();
      const { sequence } = ledger.head();
      for (const command of noted(undefined)) {
        const call = ledger.submit([{ ...command, note } as Command]);
        await expect(call).rejects.toThrow(InvalidInputError);
        await expect(call).rejects.toThrow(message);
      }
      expect(ledger.head().sequence).toBe(sequence);
      await ledger.close();
    },
  );

  test('4,096 bytes, controls and line breaks → taken as they are', async () => {
    const { ledger } = await withBudget();
    const notes = ['x'.repeat(4_096), `${'✓'.repeat(1_365)}x`, 'a\nb\u001f\u202e', '\u001f7'];
    for (const note of notes) await ledger.record({ labels: A, amounts: { usd: 1n }, note });
    const events = await eventsOf(ledger);
    expect(events.slice(-notes.length).map((event) => event.details.note)).toEqual(notes);
    await ledger.close();
  });

  test('10,000 commands with long notes in one group → refused before the first is done', async () => {
    const { ledger } = await withBudget();
    const command = { command: 'record_spend', labels: A, amounts: { usd: 0n }, note: 'x'.repeat(4_096) };
    const group = new Array<Command>(10_000).fill(command as Command);
    await expect(ledger.submit(group)).rejects.toThrow(/characters of labels and notes; at most 8388608/);
    await ledger.close();
  });

  test('a record with a flag that this version does not know → refused, not misread', async () => {
    const { store, ledger } = await withBudget();
    await ledger.record({ labels: A, amounts: { usd: 1n } });
    await ledger.close();
    const batch = store.batches.at(-1);
    if (batch === undefined) throw new Error('there is a batch');
    const records = new BatchReader(batch.bytes, batch.firstSequence);
    records.next();
    const bytes = batch.bytes.slice();
    bytes[records.start + 9] |= 32;
    store.batches[store.batches.length - 1] = { ...batch, bytes, hash: batchHash(batch.previousHash, bytes) };
    await expect(openOn(store)).rejects.toThrow(/has unknown flags \(3[0-9]\)/);
  });
});

describe('what a server reads', () => {
  test('totals: each charge once, however many budgets it counts towards; a restart keeps them', async () => {
    const { store, ledger } = await withBudget();
    await ledger.putBudget({ id: 'all', match: {}, unit: 'usd', limit: null, window: 'day' });
    await ledger.submit(noted(undefined));
    await ledger.authorize({ holdId: 'open', labels: A, amounts: { usd: 5n } });
    const totals = { spent: { usd: 8n, tokens: 0n, calls: 2n }, openHolds: 1 };
    expect(ledger.totals()).toEqual(totals);
    await ledger.close();
    const again = await openOn(store);
    expect(again.totals()).toEqual(totals);
    await again.close();
  });

  test('whenDurable: reads at once without blocking, and gives it only when the disk has it', async () => {
    const { store, ledger } = await withBudget();
    store.holdAppends();
    const decided = ledger.authorize({ holdId: 'h', labels: A, amounts: { usd: 5n } });
    let given = false;
    const read = ledger.whenDurable(() => ({ hold: ledger.hold('h'), balances: ledger.balances() }));
    read.then(() => {
      given = true;
    });
    const later = ledger.release({ holdId: 'h' });
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(given).toBe(false);
    store.releaseAppends();
    const { hold, balances } = await read;
    expect(hold).toMatchObject({ status: 'open', held: { usd: 5n } });
    expect(balances).toMatchObject([{ held: 5n }]);
    await Promise.all([decided, later]);
    expect(ledger.hold('h')).toMatchObject({ status: 'released' });
    await ledger.close();
  });

  test('whenDurable: the journal fails first → rejected; what the read throws is thrown, and later reads wait again', async () => {
    const { store, ledger } = await withBudget();
    const fails = ledger.whenDurable(() => {
      throw new RangeError('mine');
    });
    await expect(fails).rejects.toThrow('mine');
    store.failNextAppend();
    const decided = ledger.authorize({ holdId: 'h', labels: A, amounts: { usd: 5n } });
    const read = ledger.whenDurable(() => ledger.hold('h'));
    await expect(decided).rejects.toMatchObject({ code: 'journal_unavailable' });
    await expect(read).rejects.toMatchObject({ code: 'journal_unavailable' });
    expect(() => ledger.totals()).toThrow('append failed');
  });

  test('matches of label sets that never come again are forgotten by what they weigh', () => {
    const matcher = new Matcher();
    const long = 'v'.repeat(64 * 1024);
    const sets = (2 * MATCHES_WEIGHT_MAX) / long.length + 2;
    for (let turn = 0; turn < sets; turn += 1) {
      matcher.matched(`turn\u001f${turn}${long}`);
    }
    expect(matcher.known(`turn\u001f0${long}`)).toBeUndefined();
    expect(matcher.known(`turn\u001f${sets - 1}${long}`)).toBeDefined();
  });
});
