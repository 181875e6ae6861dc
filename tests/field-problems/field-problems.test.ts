// What goes wrong in systems of this kind, and does not here: the reports by their number, as far as the ledger is concerned.

import { describe, expect, test } from 'vitest';
import type { Decision } from '#bursar/index.js';
import { openLedger } from '#bursar/index.js';
import { MemoryStore, openMemoryJournal } from '#bursar/testing.js';
import { filePlace, inEachPlace, memoryPlace, onStage, scenario } from '../scenario/scenario.js';

const TENANT = { tenant: 'acme' };

describe('overspending by races', () => {
  inEachPlace(
    'problem 1, 2, 4: parallel first calls of a new user → share one balance, none passes unchecked',
    (place) =>
      onStage(place, async ({ ledger }) => {
        await ledger.putBudget({ id: 'U', match: { user: '*' }, unit: 'usd', limit: 100n, window: 'day' });
        const calls = Array.from({ length: 30 }, (_, index) =>
          ledger.authorize({ holdId: `H${index}`, labels: { user: 'new' }, amounts: { usd: 30n } }),
        );
        const outcomes = (await Promise.all(calls)).map(({ outcome }) => outcome);
        expect(outcomes.filter((outcome) => outcome === 'authorized')).toHaveLength(3);
        expect(ledger.balances()).toHaveLength(1);
        expect(ledger.balances()[0]).toMatchObject({ held: 90n, remaining: 10n, openHolds: 3 });
      }),
  );

  test('problem 3: two openers of one ledger → the second is refused, so that a budget is never spent twice', () =>
    onStage(filePlace, async (stage) => {
      await expect(stage.place.open({ clock: stage.clock })).rejects.toMatchObject({ code: 'ledger_held' });
    }));

  scenario(
    'problem 5: an estimate above the headroom → refused whole, never cut to the headroom',
    `
    budget B match tenant=acme unit usd limit 10
    hold   H1 tenant=acme usd 7
    hold   H2 tenant=acme usd 5            -> denied held requested 5
    balance B                              -> held 7 openHolds 1
    show   H2                              -> unknown
    extend H1 add usd 5                    -> rejected extension_denied
    show   H1                              -> held usd 7
    `,
  );

  scenario(
    'problem 6: figures after any length of idling, a restart and a checkpoint → the same, no stale copy',
    `
    budget B match tenant=acme unit usd limit 10
    hold   H1 tenant=acme usd 7 ttl 30d
    settle H1 usd 7
    tick   29d
    checkpoint
    reopen
    tick   300d
    balance B                              -> spent 7 remaining 3
    hold   H2 tenant=acme usd 4            -> denied exhausted
    `,
  );
});

describe('false refusals', () => {
  scenario(
    'problem 7: reservations that nobody ends → come back when their time is up, without a restart',
    `
    budget B match tenant=acme unit usd limit 10
    hold   H1 tenant=acme usd 10 ttl 10s
    hold   H2 tenant=acme usd 10           -> denied held retry 1000
    tick   10s
    hold   H3 tenant=acme usd 10           -> authorized
    reverse H3
    hold   H4 tenant=acme usd 10           -> authorized
    `,
  );

  scenario(
    'problem 9: a settlement replaces the maximum that was held, it is not added to it',
    `
    budget B match tenant=acme unit usd limit 10
    hold   H1 tenant=acme usd 9
    settle H1 usd 1                        -> spent 1 held 0 remaining 9
    hold   H2 tenant=acme usd 9            -> authorized
    `,
  );

  scenario(
    'problem 11: cleaning up twice, or after an expiry → counted once; what was spent stays spent',
    `
    budget B match tenant=acme unit usd limit 10
    hold   H1 tenant=acme usd 4 ttl 10s
    release H1 id r
    release H1 id r                        -> replayed
    release H1                             -> rejected hold_already_released
    hold   H2 tenant=acme usd 4 ttl 10s
    settle H2 usd 3
    tick   20s
    release H2                             -> rejected hold_already_settled
    budget B match tenant=acme unit usd limit 10   -> position null
    balance B                              -> held 0 spent 3 remaining 7
    `,
  );

  scenario(
    'problem 37: too large, used up and briefly held → three reasons, and when to come again',
    `
    budget B match tenant=acme unit usd limit 10 window day
    hold   H1 tenant=acme usd 11           -> denied too_large retry none
    hold   H2 tenant=acme usd 6
    hold   H3 tenant=acme usd 6            -> denied held retry 1000
    settle H2 usd 6
    hold   H4 tenant=acme usd 6            -> denied exhausted retry 50400000
    `,
  );

  test('problem 36, 37: one budget used up until the hour, another briefly held → the wait is until the hour', () =>
    onStage(memoryPlace, async (stage) => {
      await stage.play(`
        budget H match tenant=acme unit usd limit 5 window hour
        budget M match team=t unit usd limit 10 window month
        hold   H1 team=t usd 9
        record tenant=acme usd 5
        hold   H2 tenant=acme team=t usd 2   -> denied exhausted H.violations limit M.violations limit
      `);
      expect(stage.last).toMatchObject({ retryAfterMs: 3_600_000 });
    }));
});

describe('spend lost or doubled', () => {
  test('problem 12: spend acknowledged before a stop → is there after it, to the last command', async () => {
    const place = filePlace();
    try {
      const ledger = await place.open();
      const spends = Array.from({ length: 500 }, () =>
        ledger.record({ labels: TENANT, amounts: { usd: 1n } }),
      );
      await ledger.close();
      const booked = (await Promise.allSettled(spends)).filter(({ status }) => status === 'fulfilled').length;
      const again = await place.open();
      expect(again.snapshot().spent.usd).toBe(BigInt(booked));
      expect(booked).toBe(500);
      await again.close();
    } finally {
      place.remove();
    }
  });

  scenario(
    'problem 14: a caller that vanishes → is charged what it stated for that case, and corrected when it returns',
    `
    budget B match tenant=acme unit usd limit 10
    hold   H1 tenant=acme usd 5 ttl 1m onExpiry charge:usd:2
    tick   1m
    balance B                              -> spent 2 held 0
    settle H1 usd 3 outcome cancelled      -> settled late spent 3
    show   H1                              -> ending cancelled
    `,
  );

  scenario(
    'problem 15: an explicit zero is a zero, not replaced by what was held',
    `
    budget B match tenant=acme unit usd limit 10
    hold   H1 tenant=acme usd 5 tokens 9
    settle H1 usd 0 tokens 0               -> charged usd 0 charged tokens 0
    balance B                              -> spent 0 remaining 10
    `,
  );

  test('problem 17: a replayed reserve → says whether its hold is still open', () =>
    onStage(memoryPlace, async ({ ledger }) => {
      const request = { holdId: 'H', labels: TENANT, amounts: { usd: 1n }, commandId: 'c' };
      await ledger.authorize(request);
      expect(await ledger.authorize(request)).toMatchObject({ replayed: true, holdStatus: 'open' });
      await ledger.release({ holdId: 'H' });
      expect(await ledger.authorize(request)).toMatchObject({ replayed: true, holdStatus: 'released' });
    }));

  scenario(
    'problem 18: a confirm after the sweep of expired holds → booked, and called late',
    `
    budget B match tenant=acme unit usd limit 10
    hold   H1 tenant=acme usd 5 ttl 1s
    tick   2d
    settle H1 usd 4                        -> settled late spent 4 remaining 6
    `,
  );

  test('problem 18: a confirm after the retention period → refused by name, never a silent success', () =>
    onStage(
      memoryPlace,
      async (stage) => {
        await stage.play(`
          budget B match tenant=acme unit usd limit 10
          hold   H1 tenant=acme usd 5 ttl 1s
          tick   1m
          hold   H2 tenant=acme usd 1
          tick   2h
          hold   H3 tenant=acme usd 1
          settle H1 usd 4                  -> rejected hold_not_found
          record tenant=acme usd 4         -> settled
        `);
      },
      { retentionMs: 3_600_000 },
    ));

  test('problem 19: the end of a hold and its balances are one step: a lost append loses both, or none', async () => {
    const store = new MemoryStore();
    const open = () => openLedger({ path: ':memory:', journal: (lease) => openMemoryJournal(store, lease) });
    const ledger = await open();
    await ledger.putBudget({ id: 'B', match: {}, unit: 'usd', limit: 10n, window: 'lifetime' });
    await ledger.authorize({ holdId: 'H', labels: {}, amounts: { usd: 5n } });
    store.failNextAppend();
    await expect(ledger.settle({ holdId: 'H', amounts: { usd: 3n } })).rejects.toThrow();
    await expect(ledger.settle({ holdId: 'H', amounts: { usd: 3n } })).rejects.toThrow();
    expect(() => ledger.balances()).toThrow();
    await ledger.close().catch(() => undefined);
    store.crash();
    const again = await open();
    expect(again.hold('H')).toMatchObject({ status: 'open', held: { usd: 5n } });
    expect(again.balances()[0]).toMatchObject({ held: 5n, spent: 0n });
    store.loseNextReply();
    await expect(again.settle({ holdId: 'H', amounts: { usd: 3n }, commandId: 's' })).rejects.toThrow();
    store.crash();
    const third = await open();
    expect(third.hold('H')).toMatchObject({ status: 'settled' });
    expect(third.balances()[0]).toMatchObject({ held: 0n, spent: 3n });
    const replay = await third.settle({ holdId: 'H', amounts: { usd: 3n }, commandId: 's' });
    expect(replay).toMatchObject({ outcome: 'settled', replayed: true });
    await third.close();
  });

  test('problem 20: a held total → always with the holds behind it', () =>
    onStage(memoryPlace, async (stage) => {
      await stage.play(`
        budget B match tenant=acme unit usd limit 100
        hold   H1 tenant=acme usd 5
        hold   H2 tenant=acme usd 7
        hold   H3 tenant=acme usd 90       -> denied held
      `);
      const denied = stage.last as Decision & { outcome: 'denied' };
      const { lines } = await stage.ledger.explain(denied.decisionId);
      expect(lines[0]).toMatchObject({ openHolds: 2, addsUp: true, line: { held: 1_200_000_000n } });
      expect(lines[0]?.holds.map(({ holdId }) => holdId)).toEqual(['H2', 'H1']);
    }));
});
