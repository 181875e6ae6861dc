// Rules L8 and L9: the examples of the rule book, and races. L10 is the property test's.

import { describe, expect } from 'vitest';
import { AMOUNT_MAX } from '#bursar/index.js';
import { inEachPlace, onStage, scenario } from '../scenario/scenario.js';

describe('L8: examples', () => {
  scenario(
    'example: grant 100 M, hold 25 M, settle 20 M → remaining 80 M',
    `
    budget B match tenant=acme unit tokens limit 100M
    hold   H1 tenant=acme tokens 25M            -> remaining 75000000
    settle H1 tokens 20M                        -> remaining 80000000 spent 20000000
    `,
  );

  scenario(
    'example: grant 10 M, hold 7 M, settle 11 M under reject → overrun, remaining 3 M; release → 10 M',
    `
    budget  B match tenant=acme unit tokens limit 10M
    hold    H1 tenant=acme tokens 7M overrun reject
    settle  H1 tokens 11M                       -> rejected overrun
    balance B                                   -> remaining 3000000 held 7000000
    release H1                                  -> remaining 10000000
    `,
  );

  scenario(
    'example: holds 30 M and 20 M, the first settled at 25 M, the second released → remaining 75 M',
    `
    budget  B match tenant=acme unit tokens limit 100M
    hold    H1 tenant=acme tokens 30M
    hold    H2 tenant=acme tokens 20M           -> remaining 50000000
    settle  H1 tokens 25M
    release H2                                  -> remaining 75000000 spent 25000000
    `,
  );
});

describe('L9: races', () => {
  const labels = { tenant: 'acme' };

  inEachPlace(
    'race: 100 holds of 1 M on 100 M, and as many again → exactly 100 succeed, 0 remains',
    (place) =>
      onStage(place, async ({ ledger }) => {
        await ledger.putBudget({
          id: 'B',
          match: labels,
          unit: 'tokens',
          limit: 100_000_000n,
          window: 'day',
        });
        const holds = Array.from({ length: 200 }, (_, index) =>
          ledger.authorize({ holdId: `H${index}`, labels, amounts: { tokens: 1_000_000n } }),
        );
        const outcomes = await Promise.all(holds);
        expect(outcomes.filter(({ outcome }) => outcome === 'authorized')).toHaveLength(100);
        expect(outcomes.filter(({ outcome }) => outcome === 'denied')).toHaveLength(100);
        expect(ledger.balances()[0]).toMatchObject({ remaining: 0n, held: 100_000_000n, openHolds: 100 });
      }),
  );

  inEachPlace('race: 32 holds of 80 k under an exposure cap of 100 k → exactly 1', (place) =>
    onStage(place, async ({ ledger }) => {
      const caps = { limit: AMOUNT_MAX, heldMax: 100_000n };
      await ledger.putBudget({ id: 'B', match: labels, unit: 'tokens', window: 'lifetime', ...caps });
      const holds = Array.from({ length: 32 }, (_, index) =>
        ledger.authorize({ holdId: `H${index}`, labels, amounts: { tokens: 80_000n } }),
      );
      const outcomes = await Promise.all(holds);
      expect(outcomes.filter(({ outcome }) => outcome === 'authorized')).toHaveLength(1);
    }),
  );

  inEachPlace('race: 20 holds each settled at 3× under reject → never below zero', (place) =>
    onStage(place, async ({ ledger }) => {
      await ledger.putBudget({ id: 'B', match: labels, unit: 'tokens', limit: 2_500n, window: 'lifetime' });
      const settlements = Array.from({ length: 20 }, async (_, index) => {
        const holdId = `H${index}`;
        await ledger.authorize({ holdId, labels, amounts: { tokens: 100n }, overrun: 'reject' });
        const settled = await ledger.settle({ holdId, amounts: { tokens: 300n } });
        expect(ledger.balances()[0]?.remaining).toBeGreaterThanOrEqual(0n);
        return settled.outcome;
      });
      const outcomes = await Promise.all(settlements);
      // Room for 500 beyond what is held: two settle in full, the rest stay open and whole.
      expect(outcomes.filter((outcome) => outcome === 'settled')).toHaveLength(2);
      expect(ledger.balances()[0]).toMatchObject({ spent: 600n, held: 1_800n, remaining: 100n });
    }),
  );
});
