// Rules L1 to L7: reserve, commit, release.

import { describe, expect } from 'vitest';
import type { Outcome } from '#bursar/index.js';
import { inEachPlace, onStage, scenario } from '../scenario/scenario.js';

describe('L1: creating a balance', () => {
  scenario(
    'create: the same lifetime balance twice → changes nothing and is no top-up',
    `
    budget  B match tenant=acme unit tokens limit 100   -> done position 1
    topup   B 50                                        -> granted 150
    again                                               -> granted 200
    budget  B match tenant=acme unit tokens limit 100   -> done position null
    balance B                                           -> granted 200 held 0 spent 0 remaining 200
    define  B                                           -> version 1
    `,
  );

  scenario(
    'create: a grant of zero is allowed, and a negative one is refused',
    `
    budget B0 match tenant=zero unit tokens limit 0     -> done
    balance B0                                          -> granted 0 remaining 0 verdict exhausted
    budget B1 match tenant=acme unit tokens limit -1    -> invalid budgets[0].limit
    define B1                                           -> none
    `,
  );

  scenario(
    'create: the same id with another limit → a new version, top-ups stay on top',
    `
    budget  B match tenant=acme unit tokens limit 100
    topup   B 50
    budget  B match tenant=acme unit tokens limit 10    -> done
    balance B                                           -> limit 10 granted 60 remaining 60
    define  B                                           -> version 2
    `,
  );
});

describe('L2: top-up', () => {
  scenario(
    'top-up: granted and remaining rise equally, spent and held stay',
    `
    budget  B match tenant=acme unit tokens limit 100
    hold    H1 tenant=acme tokens 30
    settle  H1 tokens 20
    hold    H2 tenant=acme tokens 10
    topup   B 7                       -> balance_topped_up granted 107 held 10 spent 20 remaining 77
    `,
  );

  scenario(
    'top-up: zero or less → invalid_amount, before anything else is looked at',
    `
    budget B match tenant=acme unit tokens limit 100
    topup  B 0                        -> rejected invalid_amount
    topup  B -5                       -> rejected invalid_amount
    topup  NO 0                       -> rejected invalid_amount
    topup  NO 5                       -> rejected budget_not_found
    balance B                         -> granted 100 remaining 100
    `,
  );

  scenario(
    'top-up: a balance that was never used → balance_not_found, and none is made',
    `
    budget B match tenant=acme user=* unit tokens limit 100
    topup  B user=u1 5                -> rejected balance_not_found
    define B                          -> balances 0
    hold   H tenant=acme user=u1 tokens 1
    topup  B user=u1 5                -> granted 105
    topup  B 5                        -> rejected values_mismatch
    `,
  );

  scenario(
    'top-up: a sum past 2^63−1 → amount_overflow, nothing changed',
    `
    budget  B match tenant=acme unit tokens limit max-10
    topup   B 11                      -> rejected amount_overflow
    balance B                         -> granted 9223372036854775797 remaining 9223372036854775797
    topup   B 10                      -> granted 9223372036854775807
    topup   B 1                       -> rejected amount_overflow
    topup   B max                     -> rejected amount_overflow
    `,
  );

  scenario(
    'top-up: a metered budget has nothing to top up → budget_metered',
    `
    budget B match tenant=acme unit tokens limit none
    topup  B 5                        -> rejected budget_metered
    `,
  );
});

describe('L3: authorise', () => {
  scenario(
    'authorise: a negative amount, or amounts that are all zero → invalid_amount',
    `
    budget B match tenant=acme unit tokens limit 100
    hold H1 tenant=acme tokens -1               -> rejected invalid_amount
    hold H1 tenant=acme tokens 0                -> rejected invalid_amount
    hold H1 tenant=acme tokens 0 usd 0 calls 0  -> rejected invalid_amount
    hold H1 tenant=acme tokens 5 usd -1         -> rejected invalid_amount
    hold H1 tenant=acme tokens 5 usd 0          -> authorized
    balance B                                   -> held 5 openHolds 1
    `,
  );

  scenario(
    'authorise: amounts of every candidate are checked, the implied call apart',
    `
    hold H1 tenant=acme tokens 5 or tokens 0           -> rejected invalid_amount
    hold H1 tenant=acme tokens 5 calls 1 or tokens 0   -> rejected invalid_amount
    hold H1 tenant=acme tokens 5 or calls 0            -> rejected invalid_amount
    hold H1 tenant=acme tokens 5 or tokens -1          -> rejected invalid_amount
    `,
  );

  scenario(
    'authorise: 2^63−1 fully held and one more → amount_overflow, not exhausted',
    `
    budget B match tenant=acme unit tokens limit max heldMax max
    hold   H1 tenant=acme tokens max            -> authorized remaining 0
    hold   H2 tenant=acme tokens 1              -> rejected amount_overflow
    settle H1 tokens max                        -> settled spent 9223372036854775807 remaining 0
    hold   H2 tenant=acme tokens 1              -> denied exhausted
    `,
  );

  scenario(
    'authorise: overflow is told before the exposure cap, the exposure cap together with the amount',
    `
    budget B match tenant=acme unit tokens limit 100 heldMax 50
    hold   H1 tenant=acme tokens 40
    hold   H2 tenant=acme tokens max            -> rejected amount_overflow
    hold   H2 tenant=acme tokens 70             -> denied violations limit,held_max
    hold   H2 tenant=acme tokens 20             -> denied held violations held_max
    balance B                                   -> held 40 remaining 60
    `,
  );

  scenario(
    'authorise: validity is told before existence, and an id is used once',
    `
    budget B match tenant=acme unit tokens limit 100
    hold   H1 tenant=acme tokens 40
    hold   H1 tenant=acme tokens -1             -> rejected invalid_amount
    hold   H1 tenant=acme tokens 40             -> rejected hold_already_exists
    release H1
    hold   H1 tenant=acme tokens 40             -> rejected hold_already_exists
    balance B                                   -> held 0 remaining 100
    `,
  );
});

describe('L4: the exposure cap', () => {
  scenario(
    'exposure cap: bounds the sum of open holds, not what is spent',
    `
    budget B match tenant=acme unit tokens limit 1000 heldMax 50
    hold   H1 tenant=acme tokens 30
    hold   H2 tenant=acme tokens 20             -> authorized held 50
    hold   H3 tenant=acme tokens 1              -> denied held violations held_max
    settle H1 tokens 30
    hold   H3 tenant=acme tokens 30             -> authorized
    hold   H4 tenant=acme tokens 51             -> denied too_large
    `,
  );

  scenario(
    'exposure cap: zero or less, or absent → none',
    `
    budget Z match tenant=z unit tokens limit 100 heldMax 0
    budget N match tenant=n unit tokens limit 100 heldMax -5
    budget A match tenant=a unit tokens limit 100
    hold   HZ tenant=z tokens 100               -> authorized
    hold   HN tenant=n tokens 100               -> authorized
    hold   HA tenant=a tokens 100               -> authorized
    `,
  );

  scenario(
    'exposure cap: set before the balance exists → bounds its first hold',
    `
    budget B match tenant=acme user=* unit tokens limit none window day heldMax 10
    define B                                    -> balances 0
    hold   H1 tenant=acme user=u1 tokens 11     -> denied too_large
    hold   H1 tenant=acme user=u1 tokens 10     -> authorized
    hold   H2 tenant=acme user=u1 tokens 1      -> denied held
    hold   H2 tenant=acme user=u2 tokens 1      -> authorized
    `,
  );
});

describe('L5: settle', () => {
  scenario(
    'settle: below the hold → the rest goes back, and zero is allowed',
    `
    budget B match tenant=acme unit tokens limit 100
    hold   H1 tenant=acme tokens 40
    settle H1 tokens 25                         -> charged tokens 25 returned tokens 15 spent 25 held 0 remaining 75
    hold   H2 tenant=acme tokens 40
    settle H2 tokens 0                          -> charged tokens 0 returned tokens 40 spent 25 remaining 75
    show   H2                                   -> settled charged calls 1
    `,
  );

  scenario(
    'settle: an excess that does not fit under reject → overrun, the hold stays open and whole',
    `
    budget  B match tenant=acme unit tokens limit 100
    hold    H1 tenant=acme tokens 70 overrun reject
    settle  H1 tokens 101                       -> rejected overrun
    balance B                                   -> held 70 spent 0 remaining 30 openHolds 1
    show    H1                                  -> open held tokens 70
    settle  H1 tokens 100                       -> settled spent 100 remaining 0
    `,
  );

  scenario(
    'settle: an excess under reject must fit every budget of the hold',
    `
    budget  A match tenant=acme unit tokens limit 1000
    budget  B match user=u1 unit tokens limit 50
    hold    H1 tenant=acme user=u1 tokens 40 overrun reject
    settle  H1 tokens 51                        -> rejected overrun
    balance A                                   -> held 40 spent 0
    balance B                                   -> held 40 spent 0
    release H1                                  -> done
    balance B                                   -> held 0 remaining 50
    `,
  );
});

describe('L6: settle, refused amounts', () => {
  scenario(
    'settle: negative actual → invalid_amount, the hold is kept',
    `
    budget  B match tenant=acme unit tokens limit 100
    hold    H1 tenant=acme tokens 40
    settle  H1 tokens -1                        -> rejected invalid_amount
    balance B                                   -> held 40 spent 0 openHolds 1
    `,
  );

  scenario(
    'settle: a lifetime spent sum past 2^63−1 → amount_overflow, the hold is kept',
    `
    budget  B match tenant=acme unit tokens limit max
    record  tenant=acme tokens max-10
    hold    H1 tenant=acme tokens 5
    settle  H1 tokens 11                        -> rejected amount_overflow
    show    H1                                  -> open held tokens 5
    settle  H1 tokens 10                        -> settled spent 9223372036854775807
    record  tenant=acme tokens 1                -> rejected amount_overflow
    `,
  );

  scenario(
    'meter: a balance without a limit that is full refuses nobody, and stops at 2^63−1',
    `
    budget  B match team=x unit tokens limit none
    record  team=x tenant=bad tokens max
    balance B                                   -> held 0 spent 9223372036854775807
    hold    H1 team=x tokens 5                  -> authorized
    balance B                                   -> held 5 spent 9223372036854775802
    extend  H1 add tokens 5                     -> done
    settle  H1 tokens 100                       -> settled
    balance B                                   -> held 0 spent 9223372036854775807
    record  team=x tokens 7                     -> settled
    hold    H2 team=x tokens 9                  -> authorized
    release H2                                  -> done
    correct H1 tokens 40                        -> settled
    hold    H3 team=x tokens max                -> authorized
    hold    H4 team=x tokens 1                  -> rejected amount_overflow
    `,
    ({ ledger }) => {
      const [balance] = ledger.balances({ budgetId: 'B' });
      expect(balance).toMatchObject({ saturated: true, granted: null });
    },
  );

  scenario(
    'meter: spend that is recorded beside held amounts, past 2^63−1 together → shown without a limit, and stopped',
    `
    budget  B match team=x unit tokens limit none
    hold    H1 team=x tokens 6                  -> authorized
    record  team=x tokens max-5                 -> settled verdict uncapped
    balance B                                   -> held 6 spent 9223372036854775801
    `,
  );

  scenario(
    'settle: the ledger’s own total past 2^63−1 → booked exactly, for no balance overflows by it',
    `
    hold   H1 tenant=acme tokens max
    hold   H2 tenant=acme tokens max
    settle H1 tokens max                        -> settled
    settle H2 tokens 1                          -> settled
    snapshot                                    -> spent tokens 9223372036854775808
    `,
  );

  scenario(
    'expiry: charges past 2^63−1 in all → the total never wraps below zero',
    `
    hold   H1 tenant=acme tokens max ttl 1s onExpiry charge
    hold   H2 tenant=acme tokens max ttl 1s onExpiry charge
    tick   2s
    show   H2                                   -> expired
    `,
    ({ ledger }) => {
      expect(ledger.snapshot().spent.tokens).toBeGreaterThanOrEqual(0n);
    },
  );

  scenario(
    'settle: a unit that the hold has must be stated, another one is refused',
    `
    hold   H1 tenant=acme tokens 40 usd 1
    settle H1 tokens 40                         -> rejected unit_not_stated
    unit   credits scale 2
    settle H1 tokens 40 usd 1 credits 1         -> rejected unit_not_held
    settle H1 tokens 40 usd 0.5                 -> settled charged usd 0.5
    `,
  );
});

const ENDINGS = [
  ['settle H1 tokens 1', 'hold_already_settled'],
  ['release H1', 'hold_already_released'],
  ['reverse H1', 'hold_already_reversed'],
] as const;

describe('L7: an ended hold', () => {
  for (const [ending, code] of ENDINGS) {
    scenario(
      `end: after "${ending}" every other end is refused, and says ${code}`,
      `
      budget  B match tenant=acme unit tokens limit 100
      hold    H1 tenant=acme tokens 40
      ${ending}
      settle  H1 tokens 5                       -> rejected ${code}
      release H1                                -> rejected ${code}
      release H1 tokens 1                       -> rejected ${code}
      reverse H1                                -> rejected ${code}
      extend  H1 ttl 1h                         -> rejected ${code}
      balance B                                 -> held 0 openHolds 0
      `,
    );
  }

  scenario(
    'end: an expired hold is neither released nor reversed nor extended, only settled late',
    `
    budget  B match tenant=acme unit tokens limit 100
    hold    H1 tenant=acme tokens 40 ttl 10s
    tick    10s
    release H1                                  -> rejected hold_already_expired
    reverse H1                                  -> rejected hold_already_expired
    extend  H1 ttl 1h                           -> rejected hold_already_expired
    settle  H1 tokens 5                         -> settled late spent 5
    settle  H1 tokens 5                         -> rejected hold_already_settled
    balance B                                   -> held 0 spent 5
    `,
  );

  scenario(
    'end: an unknown hold → hold_not_found',
    `
    settle  H9 tokens 5                         -> rejected hold_not_found
    release H9                                  -> rejected hold_not_found
    reverse H9                                  -> rejected hold_not_found
    extend  H9 ttl 1h                           -> rejected hold_not_found
    correct H9 tokens 5                         -> rejected hold_not_found
    `,
  );

  inEachPlace('end: of racing ends exactly one wins, the others are told which', (place) =>
    onStage(place, async ({ ledger }) => {
      await ledger.putBudget({
        id: 'B',
        match: { tenant: 'acme' },
        unit: 'tokens',
        limit: 100n,
        window: 'lifetime',
      });
      await ledger.authorize({ holdId: 'H', labels: { tenant: 'acme' }, amounts: { tokens: 40n } });
      const ends: Promise<Outcome | { outcome: string }>[] = [
        ledger.settle({ holdId: 'H', amounts: { tokens: 30n } }),
        ledger.release({ holdId: 'H' }),
        ledger.reverse({ holdId: 'H' }),
        ledger.settle({ holdId: 'H', amounts: { tokens: 10n } }),
      ];
      const outcomes = await Promise.all(ends);
      expect(outcomes.map(({ outcome }) => outcome)).toEqual(['settled', 'rejected', 'rejected', 'rejected']);
      for (const outcome of outcomes.slice(1))
        expect(outcome).toMatchObject({ code: 'hold_already_settled' });
      expect(ledger.balances()[0]).toMatchObject({ held: 0n, spent: 30n, remaining: 70n });
    }),
  );
});
