// Faults of the disk at the ledger's level, by the memory journal: an outcome is given only once it is durable, and when
// the journal fails the ledger answers nothing more (invariants 5, 7, 10). Two writers, and what leaves memory.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Ledger } from '#bursar/authority/api.js';
import { type OpenOptions, openLedger } from '#bursar/authority/open.js';
import { COMMANDS_WAITING_MAX } from '#bursar/authority/pipeline.js';
import { recover } from '#bursar/authority/recovery.js';
import { stateProblem } from '#bursar/core/invariants.js';
import type { State } from '#bursar/core/state.js';
import { MemoryStore, openMemoryJournal, openMemoryReader } from '#bursar/journal/memory/journal.js';

const HOUR_MS = 3_600_000;
const A = { tenant: 'a' };
const BUDGET = { id: 'b', match: { tenant: '*' }, unit: 'usd', limit: 100n, window: 'lifetime' } as const;

class Disk {
  readonly store = new MemoryStore();
  now = Date.parse('2026-01-10T12:00:00Z');

  open(options: Partial<OpenOptions> = {}): Promise<Ledger> {
    const journal = (lease: Parameters<typeof openMemoryJournal>[1]) => openMemoryJournal(this.store, lease);
    return openLedger({ path: ':memory:', clock: { now: () => this.now }, journal, ...options });
  }

  state(): State {
    const { state } = recover(openMemoryReader(this.store), { seed: 3 });
    expect(stateProblem(state)).toBeNull();
    return state;
  }
}

async function withBudget(): Promise<{ disk: Disk; ledger: Ledger }> {
  const disk = new Disk();
  const ledger = await disk.open();
  await ledger.putBudget(BUDGET);
  return { disk, ledger };
}

const hold = (holdId: string, usd = 10n) => ({
  holdId,
  labels: A,
  amounts: { usd },
  commandId: `cmd-${holdId}`,
});

/** Whether a promise has been answered, one way or the other, after everything that can happen has happened. */
async function isAnswered(promise: Promise<unknown>): Promise<boolean> {
  let answered = false;
  const note = () => {
    answered = true;
  };
  promise.then(note, note);
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  return answered;
}

describe('the journal fails', () => {
  test('append fails: the command is rejected, and reads and later commands throw → reopened, nothing happened', async () => {
    const { disk, ledger } = await withBudget();
    disk.store.failNextAppend();
    await expect(ledger.authorize(hold('h'))).rejects.toMatchObject({ code: 'journal_unavailable' });
    expect(() => ledger.balances()).toThrow('append failed');
    expect(() => ledger.hold('h')).toThrow('append failed');
    expect(() => ledger.check({ labels: A })).toThrow('append failed');
    expect(() => ledger.head()).toThrow('append failed');
    await expect(ledger.record({ labels: A, amounts: { usd: 1n } })).rejects.toThrow('append failed');
    expect(() => ledger.snapshot()).toThrow('append failed');
    disk.store.crash();
    const again = await disk.open();
    expect(again.hold('h')).toBeUndefined();
    expect(again.balances()).toEqual([]);
    expect(await again.authorize(hold('h'))).toMatchObject({ outcome: 'authorized', replayed: false });
  });

  test('append fails: other commands are in flight and waiting → each is rejected, none is half answered', async () => {
    const { disk, ledger } = await withBudget();
    disk.store.holdAppends();
    const first = Array.from({ length: 40 }, (_, index) => ledger.authorize(hold(`h${index}`, 1n)));
    await isAnswered(first[0]!);
    const second = Array.from({ length: 40 }, (_, index) => ledger.authorize(hold(`i${index}`, 1n)));
    disk.store.failNextAppend();
    disk.store.releaseAppends();
    const settled = await Promise.allSettled([...first, ...second]);
    expect(settled.every((one) => one.status === 'rejected')).toBe(true);
    disk.store.crash();
    expect(disk.state().holds.open).toBe(0);
  });

  test('reply is lost: the command is stored and its writer told that it failed → the same command id gets its outcome', async () => {
    const { disk, ledger } = await withBudget();
    disk.store.loseNextReply();
    await expect(ledger.authorize(hold('h'))).rejects.toMatchObject({ code: 'journal_unavailable' });
    disk.store.crash();
    const again = await disk.open();
    expect(await again.authorize(hold('h'))).toMatchObject({ outcome: 'authorized', replayed: true });
    expect(again.balances()[0]).toMatchObject({ held: 10n });
    expect((await again.verify()).ok).toBe(true);
  });

  test('disk is full: the command is rejected → with space again and reopened, it is done once', async () => {
    const { disk, ledger } = await withBudget();
    disk.store.fillDisk();
    await expect(ledger.authorize(hold('h'))).rejects.toThrow('disk is full');
    disk.store.freeDisk();
    await expect(ledger.authorize(hold('h')), 'the stopped ledger stays stopped').rejects.toThrow(
      'disk is full',
    );
    disk.store.crash();
    const again = await disk.open();
    expect(await again.authorize(hold('h'))).toMatchObject({ outcome: 'authorized', replayed: false });
    expect(again.balances()[0]).toMatchObject({ held: 10n });
  });

  test('snapshot and checkpoint: the journal fails → both throw', async () => {
    const { disk, ledger } = await withBudget();
    disk.store.fillDisk();
    expect(() => ledger.snapshot()).toThrow('disk is full');
    await expect(ledger.checkpoint()).rejects.toThrow('disk is full');
  });
});

describe('the disk is slow', () => {
  test('gate shut: no outcome is given, a replay neither, and the head stays → opened, all are given in order', async () => {
    const { disk, ledger } = await withBudget();
    const head = ledger.head();
    disk.store.holdAppends();
    const order: string[] = [];
    const answers = ['h1', 'h2', 'h3'].map((id) => ledger.authorize(hold(id)).then(() => order.push(id)));
    const replay = ledger.authorize(hold('h1'));
    expect(await isAnswered(Promise.race([...answers, replay]))).toBe(false);
    expect(ledger.head()).toEqual(head);
    const events: number[] = [];
    for await (const event of ledger.events({ after: head.sequence })) events.push(event.sequence);
    expect(events).toEqual([]);
    disk.store.releaseAppends();
    await Promise.all(answers);
    expect(order).toEqual(['h1', 'h2', 'h3']);
    expect(await replay).toMatchObject({ outcome: 'authorized', replayed: true });
  });

  test('gate shut, then killed: what was not answered is not there, and its command id is new', async () => {
    const { disk, ledger } = await withBudget();
    disk.store.holdAppends();
    const lost = ledger.authorize(hold('h'));
    expect(await isAnswered(lost)).toBe(false);
    disk.store.crash();
    const again = await disk.open();
    expect(again.hold('h')).toBeUndefined();
    expect(await again.authorize(hold('h'))).toMatchObject({ replayed: false, outcome: 'authorized' });
  });

  test('gate shut: more commands come than may wait → OverloadedError, and none of those refused is done', async () => {
    const { disk, ledger } = await withBudget();
    disk.store.holdAppends();
    let overloaded = 0;
    let done = 0;
    const count = COMMANDS_WAITING_MAX + 40_000;
    const answers: Promise<void>[] = [];
    for (let index = 0; index < count; index += 1) {
      const answer = ledger.record({ labels: { tenant: 'x' }, amounts: { usd: 1n } }).then(
        () => {
          done += 1;
        },
        (error) => {
          expect(error.code).toBe('overloaded');
          overloaded += 1;
        },
      );
      answers.push(answer);
      // The callers come in many turns, as they do.
      if (index % 10_000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await isAnswered(Promise.resolve());
    expect(overloaded).toBeGreaterThan(0);
    expect(done).toBe(0);
    disk.store.releaseAppends();
    await Promise.all(answers);
    expect(done + overloaded).toBe(count);
    expect(ledger.balances()[0]).toMatchObject({ spent: BigInt(done) });
    await ledger.close();
    expect(disk.state().spentTotal[0]).toBe(BigInt(done));
  });

  test('close: commands are in flight → they are answered, and nothing after', async () => {
    const { disk, ledger } = await withBudget();
    const answers = [ledger.authorize(hold('h1')), ledger.authorize(hold('h2'))];
    const closing = ledger.close();
    expect((await Promise.all(answers)).map((one) => one.outcome)).toEqual(['authorized', 'authorized']);
    await closing;
    await expect(ledger.authorize(hold('h3'))).rejects.toMatchObject({ code: 'ledger_closed' });
    expect(() => ledger.balances()).toThrow('closed');
    expect(disk.state().holds.open).toBe(2);
  });
});

describe('two writers', () => {
  test('second opener: the holder is alive → refused, told by whom, and the holder goes on', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bursar-two-'));
    try {
      const path = join(folder, 'ledger.db');
      const first = await openLedger({ path, authorityId: 'first' });
      await expect(openLedger({ path, authorityId: 'second' })).rejects.toMatchObject({
        code: 'ledger_held',
      });
      await expect(openLedger({ path })).rejects.toThrow(/first/);
      expect(await first.record({ labels: A, amounts: { usd: 1n } })).toMatchObject({ outcome: 'settled' });
      await first.close();
      const second = await openLedger({ path, authorityId: 'second' });
      expect(second.term).toBe('second:2');
      await second.close();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('takeover: the stale writer sends a command → FencedError, nothing changes, and it answers nothing more', async () => {
    const { disk, ledger: stale } = await withBudget();
    await stale.authorize(hold('h1'));
    const fresh = await disk.open({ takeOver: true });
    expect(fresh.term).toBe('bursar:2');
    const head = fresh.head();
    await expect(stale.settle({ holdId: 'h1', amounts: { usd: 5n } })).rejects.toMatchObject({
      code: 'fenced',
    });
    expect(fresh.head()).toEqual(head);
    expect(() => stale.balances()).toThrow();
    await expect(stale.authorize(hold('h2'))).rejects.toMatchObject({ code: 'fenced' });
    expect(() => stale.snapshot()).toThrow();
    expect(await fresh.settle({ holdId: 'h1', amounts: { usd: 6n } })).toMatchObject({ outcome: 'settled' });
    expect((await fresh.verify()).ok).toBe(true);
  });

  test('takeover: the stale writer is idle → it stops at its next renewal, and says so once', async () => {
    const disk = new Disk();
    const faults: unknown[] = [];
    const stale = await disk.open({ leaseMs: 30, onStopped: (fault) => faults.push(fault) });
    await disk.open({ takeOver: true });
    await expect.poll(() => faults).toMatchObject([{ code: 'fenced' }]);
    expect(() => stale.head()).toThrow();
    await stale.close().catch(() => undefined);
    expect(faults).toHaveLength(1);
  });

  test('close: a ledger that closes without a fault is not said to have stopped', async () => {
    const faults: unknown[] = [];
    const ledger = await new Disk().open({ onStopped: (fault) => faults.push(fault) });
    await ledger.close();
    expect(faults).toEqual([]);
  });

  test('takeover: the stale writer has commands in flight → all are refused, and the new one never sees them', async () => {
    const { disk, ledger: stale } = await withBudget();
    disk.store.holdAppends();
    const inFlight = ['h1', 'h2'].map((id) => stale.authorize(hold(id)));
    expect(await isAnswered(Promise.race(inFlight))).toBe(false);
    const opening = disk.open({ takeOver: true });
    disk.store.releaseAppends();
    const fresh = await opening;
    const answers = await Promise.allSettled(inFlight);
    for (const answer of answers)
      expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'fenced' } });
    expect(fresh.holds()).toEqual([]);
    expect((await fresh.verify()).ok).toBe(true);
  });
});

describe('memory is bounded', () => {
  test('retention: ended holds, command ids and closed windows leave memory; the journal keeps them', async () => {
    const disk = new Disk();
    const retentionMs = HOUR_MS;
    const ledger = await disk.open({ retentionMs });
    await ledger.putDefinitions({
      budgets: [
        { id: 'hour', match: { tenant: '*' }, unit: 'usd', limit: 1_000n, window: 'hour' },
        { id: 'fixed', match: {}, unit: 'usd', limit: null, window: { every: 'PT2H' } },
      ],
    });
    let most = { holds: 0, ids: 0, balances: 0, windows: 0 };
    for (let step = 0; step < 600; step += 1) {
      disk.now += 2 * 60_000;
      const holdId = `h${step}`;
      const labels = { tenant: `t${step % 5}` };
      await ledger.authorize({ holdId, labels, amounts: { usd: 2n }, commandId: `a${step}`, ttlMs: 60_000 });
      if (step % 3 > 0) await ledger.settle({ holdId, amounts: { usd: 1n }, commandId: `s${step}` });
      if (step % 100 === 99) {
        const { holds, commandIds, balances, budgets } = disk.state();
        const windows = budgets.reduce((sum, budget) => sum + budget.windows.length, 0);
        most = {
          holds: Math.max(most.holds, holds.used),
          ids: Math.max(most.ids, commandIds.size),
          balances: Math.max(most.balances, balances.used),
          windows: Math.max(most.windows, windows),
        };
      }
    }
    // An hour of holds is 30, of command ids 50; 20 hours passed.
    expect(most.holds).toBeLessThan(60);
    expect(most.ids).toBeLessThan(80);
    expect(most.balances).toBeLessThan(40);
    expect(most.windows).toBeLessThan(12);
    expect(ledger.hold('h1')).toBeUndefined();
    expect(await ledger.settle({ holdId: 'h1', amounts: { usd: 1n } })).toMatchObject({
      code: 'hold_not_found',
    });
    let settled = 0;
    for await (const event of ledger.events({ type: 'hold_settled' }))
      settled += event.position === null ? 0 : 1;
    expect(settled).toBe(400);
    expect((await ledger.verify()).ok).toBe(true);
  });

  test('retention: an ended hold beyond the maximum leaves early, an expired one stays for its late settlement', async () => {
    const disk = new Disk();
    const ledger = await disk.open({ endedHoldsMax: 2 });
    await ledger.putBudget(BUDGET);
    await ledger.authorize({ ...hold('expires', 1n), ttlMs: 10 });
    disk.now += 1_000;
    for (let index = 0; index < 10; index += 1) {
      await ledger.authorize(hold(`h${index}`, 1n));
      await ledger.settle({ holdId: `h${index}`, amounts: { usd: 1n } });
    }
    expect(ledger.holds().map((one) => one.holdId)).toEqual(['expires', 'h8', 'h9']);
    expect(await ledger.settle({ holdId: 'expires', amounts: { usd: 3n } })).toMatchObject({ late: true });
    expect(ledger.balances()[0]).toMatchObject({ spent: 13n, held: 0n });
  });

  test('late record: into a window still kept it is added, into one before the retention period it is refused', async () => {
    const disk = new Disk();
    const ledger = await disk.open({ retentionMs: 2 * HOUR_MS });
    await ledger.putBudget({ ...BUDGET, window: 'hour' });
    const first = disk.now;
    await ledger.record({ labels: A, amounts: { usd: 5n } });
    disk.now += 90 * 60_000;
    expect(await ledger.record({ labels: A, amounts: { usd: 2n } })).toMatchObject({
      lines: [{ spent: 2n }],
    });
    const late = await ledger.record({ labels: A, amounts: { usd: 3n }, occurredAt: first });
    expect(late).toMatchObject({ outcome: 'settled', lines: [{ spent: 8n, resetsAt: first + HOUR_MS }] });
    expect(ledger.balances()).toMatchObject([{ spent: 2n }]);
    disk.now = first + 2 * HOUR_MS + 1;
    const tooLate = await ledger.record({ labels: A, amounts: { usd: 3n }, occurredAt: first });
    expect(tooLate).toMatchObject({ code: 'occurred_too_early' });
    const future = await ledger.record({ labels: A, amounts: { usd: 3n }, occurredAt: disk.now + 1 });
    expect(future).toMatchObject({ code: 'occurred_in_future' });
  });

  test('settle: the windows of an open hold closed long ago → it is booked there, and they leave once it has left', async () => {
    const disk = new Disk();
    const ledger = await disk.open({ retentionMs: HOUR_MS });
    await ledger.putBudget({ ...BUDGET, window: 'hour' });
    const first = disk.now;
    await ledger.authorize({ ...hold('long', 4n), ttlMs: 100 * HOUR_MS });
    disk.now += 50 * HOUR_MS;
    await ledger.record({ labels: A, amounts: { usd: 1n } });
    const settled = await ledger.settle({ holdId: 'long', amounts: { usd: 3n } });
    expect(settled).toMatchObject({ lines: [{ spent: 3n, held: 0n, window: { start: first } }] });
    expect(ledger.balances()).toMatchObject([{ spent: 1n }]);
    for (let step = 0; step < 4; step += 1) {
      disk.now += 2 * HOUR_MS;
      await ledger.record({ labels: A, amounts: { usd: 1n } });
    }
    expect(ledger.balances({ current: false }).some((one) => one.window.start === first)).toBe(false);
    expect((await ledger.verify()).ok).toBe(true);
  });
});
