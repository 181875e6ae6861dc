// Rules S1 to S5: snapshots, restoring them, conservation, digests and certificates.

import { describe, expect, test } from 'vitest';
import { canonicalText, conservationFailure } from '#bursar/core/books.js';
import type { Snapshot, SnapshotBalance } from '#bursar/index.js';
import { AMOUNT_MAX } from '#bursar/index.js';
import { digestOf } from '#bursar/journal/chain.js';
import { inEachPlace, memoryPlace, onStage, START, scenario, TestClock } from '../scenario/scenario.js';

const ROW: SnapshotBalance = {
  id: 'A',
  budgetId: 'A',
  values: {},
  unit: 'usd',
  window: { start: null, end: null },
  granted: 100n,
  held: 0n,
  spent: 40n,
  remaining: 60n,
  openHolds: 0,
  mayBeNegative: false,
};

const SNAPSHOT: Snapshot = {
  version: 7,
  head: { sequence: 9, hash: '0'.repeat(64) },
  units: [],
  aliases: {},
  accounts: [],
  at: START,
  budgets: ['A', 'B'].map((id) => ({
    id,
    match: { id },
    unit: 'usd',
    limit: 100n,
    window: 'lifetime' as const,
  })),
  openHolds: 0,
  spent: { usd: 80n, tokens: 0n, calls: 2n },
  balances: [ROW, { ...ROW, id: 'B', budgetId: 'B' }],
  digest: '',
};

describe('S1: snapshots', () => {
  scenario(
    'snapshot: balances sorted by id with their figures and open holds, each version one higher',
    `
    budget Z match tenant=acme unit usd limit 100
    budget U match tenant=acme user=* unit usd limit 50
    budget A match tenant=acme unit tokens limit none
    hold   H1 tenant=acme user=u2 usd 10 tokens 3
    hold   H2 tenant=acme user=u1 usd 4 tokens 3
    settle H2 usd 1 tokens 1
    snapshot   -> version 1 openHolds 1 balances 4 spent usd 1 spent calls 1
    reopen
    snapshot   -> version 2
    certify    -> balanced version 3
    snapshot   -> version 4
    `,
    ({ ledger }) => {
      const { balances } = ledger.snapshot();
      expect(balances.map(({ id }) => id)).toEqual(['A', 'U|u1', 'U|u2', 'Z']);
      expect(balances[0]).toMatchObject({
        granted: null,
        held: 3n,
        spent: 1n,
        remaining: null,
        openHolds: 1,
      });
      const z = { granted: 10_000_000_000n, held: 1_000_000_000n, spent: 100_000_000n, openHolds: 1 };
      expect(balances[3]).toMatchObject({ ...z, remaining: 8_900_000_000n });
    },
  );
});

describe('S2: restoring', () => {
  const broken: [string, Snapshot, string][] = [];
  const rows = (...balances: SnapshotBalance[]): Snapshot => ({ ...SNAPSHOT, balances });
  // Each has the faults of all that come after it as well: the order of the refusals is the rule's.
  const unbalanced = { ...ROW, remaining: 61n };
  const negative = { ...unbalanced, spent: -40n };
  const ghost = { ...negative, held: 5n };
  broken.push(['open holds', { ...rows(ghost, ghost), openHolds: 1 }, 'open_holds']);
  broken.push(['open holds of a balance', rows(ghost, { ...ghost, openHolds: 1 }), 'open_holds']);
  broken.push(['a balance twice', rows(ghost, ghost), 'duplicate_balance']);
  broken.push(['held without holds', rows(ghost), 'ghost_hold']);
  broken.push(['a negative figure', rows(negative), 'negative_figure']);
  broken.push(['books that do not balance', rows(unbalanced), 'books_unbalanced']);
  broken.push([
    'sums past 2^63−1',
    rows(
      { ...ROW, granted: AMOUNT_MAX, remaining: AMOUNT_MAX - 40n },
      { ...ROW, id: 'B', budgetId: 'B', granted: AMOUNT_MAX, remaining: AMOUNT_MAX - 40n },
    ),
    'books_unbalanced',
  ]);

  test.each(broken)(
    'restore: %s → refused as the rule orders, and nothing is changed',
    (_what, snapshot, code) =>
      onStage(memoryPlace, async ({ ledger }) => {
        expect(await ledger.restoreSnapshot(snapshot)).toMatchObject({ outcome: 'rejected', code });
        expect(ledger.budgets()).toEqual([]);
        expect(ledger.snapshot().version).toBe(1);
      }),
  );

  inEachPlace('restore: figures as they were, and the version continues from it', (place) =>
    onStage(place, async ({ ledger }) => {
      expect(await ledger.restoreSnapshot(SNAPSHOT)).toMatchObject({ outcome: 'done' });
      const restored = ledger.snapshot();
      expect(restored.version).toBe(8);
      expect(restored.balances).toEqual(SNAPSHOT.balances);
      expect(restored.spent).toEqual(SNAPSHOT.spent);
      expect(await ledger.restoreSnapshot(SNAPSHOT)).toMatchObject({ code: 'ledger_not_empty' });
    }),
  );

  test('restore: a snapshot of a used ledger, in another one → the same figures, windows and refusals', () =>
    onStage(memoryPlace, async (stage) => {
      await stage.play(`
        unit   credits scale 2
        budget D match tenant=acme user=* unit credits limit 5 window day
        budget L match tenant=acme unit usd limit 10
        hold   H1 tenant=acme user=u1 usd 8 credits 4
        settle H1 usd 8 credits 4
      `);
      const taken = stage.ledger.snapshot();
      await onStage(memoryPlace, async (other) => {
        expect(await other.ledger.restoreSnapshot(taken)).toMatchObject({ outcome: 'done' });
        expect(other.ledger.snapshot().balances).toEqual(taken.balances);
        await other.play(`
          hold H2 tenant=acme user=u1 usd 1 credits 2   -> denied exhausted D.violations limit L.violations none
          hold H3 tenant=acme user=u2 usd 3 credits 2   -> denied exhausted L.violations limit D.violations none
          tick 1d
          hold H4 tenant=acme user=u1 usd 1 credits 2   -> authorized
        `);
      });
    }));

  test('restore: what was paused, closed, overridden or aliased → is not undone by it', () =>
    onStage(memoryPlace, async (stage) => {
      await stage.play(`
        alias  provider anthropic claude-code
        budget C match a=c unit usd limit 10
        budget P match a=p unit usd limit 10
        budget O match a=o user=* unit usd limit 10 window day
        limit  O user=u1 1
        hold   H1 a=o user=u1 usd 1
        settle H1 usd 1
        pause  P
        close  C
      `);
      const taken = stage.ledger.snapshot();
      await onStage(memoryPlace, async (other) => {
        const outcome = await other.ledger.restoreSnapshot(taken);
        if (outcome.outcome === 'rejected') return;
        await other.play(`
          hold H2 a=c usd 1           -> denied
          hold H3 a=p usd 1           -> denied
          tick 1d
          hold H4 a=o user=u1 usd 2   -> denied
        `);
      });
    }));

  test('restore: a window that begins after this ledger’s clock → is used when its time comes', () =>
    onStage(memoryPlace, async (stage) => {
      await stage.play(`
        budget H match tenant=acme unit usd limit 10 window hour
        record tenant=acme usd 4
      `);
      const taken = stage.ledger.snapshot();
      const clock = new TestClock(START - 5_000);
      const behind = await memoryPlace().open({ clock });
      expect(await behind.restoreSnapshot(taken)).toMatchObject({ outcome: 'done' });
      clock.at = START + 5_000;
      const request = { holdId: 'H1', labels: { tenant: 'acme' }, amounts: { usd: 1n } };
      const decision = await behind.authorize(request);
      expect(decision).toMatchObject({ outcome: 'authorized', lines: [{ spent: 400_000_000n }] });
      await behind.close();
    }));
});

describe('S3: the conservation check', () => {
  test('conservation: names the first balance that fails, by id, and by how much', () => {
    const good = { ...ROW, id: 'a' };
    expect(conservationFailure([good, { ...ROW, id: 'b' }])).toBeNull();
    const failing = [good, { ...ROW, id: 'b', remaining: 57n }, { ...ROW, id: 'c', remaining: 1n }];
    expect(conservationFailure(failing)).toEqual({ kind: 'unbalanced', balanceId: 'b', by: 3n });
  });

  test('conservation: a negative remaining fails where the policy forbids it, and only there', () => {
    const below = { ...ROW, spent: 130n, remaining: -30n };
    expect(conservationFailure([below])).toEqual({ kind: 'negative_remaining', balanceId: 'A', by: -30n });
    expect(conservationFailure([{ ...below, mayBeNegative: true }])).toBeNull();
  });

  test('conservation: a sum past 2^63−1 → aggregate_overflow, never balanced', () => {
    const most = { ...ROW, granted: AMOUNT_MAX, remaining: AMOUNT_MAX - 40n };
    expect(conservationFailure([most])).toBeNull();
    const failure = conservationFailure([most, { ...ROW, id: 'B', granted: 1n, spent: 0n, remaining: 1n }]);
    expect(failure).toEqual({ kind: 'aggregate_overflow', unit: 'usd' });
  });

  scenario(
    'conservation: a ledger whose sums pass 2^63−1 is certified as unbalanced',
    `
    budget A match a=1 unit tokens limit max
    certify                        -> balanced
    budget B match a=2 unit tokens limit max
    certify                        -> unbalanced
    `,
  );

  scenario(
    'conservation: spend beyond a limit that the policy records → balanced, and shown as negative',
    `
    budget A match a=1 unit usd limit 10
    record a=1 usd 12              -> remaining -2 verdict exhausted
    certify                        -> balanced
    `,
  );
});

describe('S4: digests', () => {
  const digest = (snapshot: Snapshot) => digestOf(canonicalText(snapshot));

  test('digest: domain-tagged, sorted, and independent of the order of balances', () => {
    const reversed = { ...SNAPSHOT, balances: [...SNAPSHOT.balances].reverse() };
    expect(digest(reversed)).toBe(digest(SNAPSHOT));
    expect(canonicalText(SNAPSHOT)).toMatch(/^bursar\/ledger-digest\/1\n/);
    const spent = { calls: 2n, tokens: 0n, usd: 80n };
    expect(digest({ ...SNAPSHOT, spent })).toBe(digest(SNAPSHOT));
  });

  test('digest: changes with any figure and with the version', () => {
    const changes: Partial<SnapshotBalance>[] = [
      { id: 'A2' },
      { unit: 'tokens' },
      { granted: 101n },
      { granted: null },
      { held: 1n },
      { spent: 41n },
      { remaining: 61n },
      { openHolds: 1 },
      { mayBeNegative: true },
      { window: { start: null, end: START } },
    ];
    const digests = changes.map((change) => digest({ ...SNAPSHOT, balances: [{ ...ROW, ...change }] }));
    digests.push(digest({ ...SNAPSHOT, balances: [ROW] }), digest({ ...SNAPSHOT, version: 8 }));
    digests.push(digest({ ...SNAPSHOT, openHolds: 1 }), digest({ ...SNAPSHOT, spent: { usd: 81n } }));
    digests.push(digest(SNAPSHOT));
    expect(new Set(digests).size).toBe(digests.length);
  });

  test('digest: text in an id cannot imitate another balance', () => {
    const forged = { ...ROW, id: 'A" usd 1 0 0 1 0 - never_negative\n"B' };
    expect(canonicalText({ ...SNAPSHOT, balances: [forged] }).split('\n')).toHaveLength(8);
  });

  test('digest: two ledgers that did the same in another order → the same digest', async () => {
    const digests: string[] = [];
    for (const order of [
      ['u1', 'u2'],
      ['u2', 'u1'],
    ]) {
      await onStage(memoryPlace, async (stage) => {
        await stage.play('budget B match tenant=acme user=* unit usd limit 5');
        for (const user of order) await stage.play(`record tenant=acme user=${user} usd 1`);
        digests.push(stage.ledger.snapshot().digest);
      });
    }
    expect(digests[0]).toBe(digests[1]);
  });
});

describe('S5: certificates', () => {
  scenario(
    'certificate: totals 150, 100, 200 → 150, 0, 50 since the last; the baseline only rises',
    `
    budget  B match tenant=acme unit usd limit 1000
    hold    H1 tenant=acme usd 150
    settle  H1 usd 150
    certify                        -> balanced since usd 150 since calls 1
    correct H1 usd 100
    certify                        -> balanced since usd 0 since calls 0
    reopen
    record  tenant=acme usd 100
    certify                        -> balanced since usd 50 since calls 1
    certify                        -> balanced since usd 0
    `,
  );

  test('certificate: binds digest, status, version and head of one frozen snapshot', () =>
    onStage(memoryPlace, async (stage) => {
      await stage.play('budget B match tenant=acme unit usd limit 1000\nrecord tenant=acme usd 3');
      const certificate = stage.ledger.certify();
      expect(certificate).toMatchObject({ status: 'balanced', failure: null, version: 1 });
      expect(certificate.head).toEqual(stage.ledger.head());
      const snapshot = stage.ledger.snapshot();
      expect(digestOf(canonicalText({ ...snapshot, version: 1 }))).toBe(certificate.digest);
      expect(snapshot.digest).not.toBe(certificate.digest);
    }));
});
