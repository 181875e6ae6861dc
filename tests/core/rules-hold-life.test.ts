// The life of a hold: candidates, extension, expiry, late settlement, corrections, records, overruns.

import { describe, expect, test } from 'vitest';
import { memoryPlace, onStage, scenario } from '../scenario/scenario.js';

describe('candidates', () => {
  scenario(
    'candidates: the first that fits is held, and the decision says why each earlier one was not',
    `
    budget B match model=big unit usd limit 5
    budget S match model=small unit usd limit 5
    hold   H1 tenant=t model=big usd 6 or model=small usd 6 or model=tiny usd 1   -> authorized candidate 2 skipped too_large,too_large lines 0
    hold   H2 tenant=t model=big usd 5 or model=small   -> authorized candidate 0 skipped none B.remaining 0
    hold   H3 tenant=t model=big usd 3 or model=small   -> authorized candidate 1 skipped held S.remaining 2
    hold   H4 tenant=t model=big usd 3 or model=small   -> denied held skipped held S.violations limit
    show   H3                                           -> open held usd 3
    balance B                                           -> held 5 openHolds 1
    `,
    async ({ ledger, last }) => {
      expect(ledger.hold('H3')?.labels).toEqual({ tenant: 't', model: 'small' });
      if (last?.outcome !== 'denied') throw new Error('H4 is denied');
      expect(last.skipped[0]?.lines[0]).toMatchObject({
        budgetId: 'B',
        violated: 'limit',
        held: 500_000_000n,
      });
    },
  );

  for (const [what, amounts, charged] of [
    ['more units than the request', 'usd 3 tokens 7', 'charged usd 2 charged tokens 7'],
    ['a declared unit', 'usd 3 credits 7', 'charged usd 2 charged credits 7'],
    ['less than the stated charge', 'usd 1', 'charged usd 1'],
    ['none of the units of the charge', 'credits 7', 'charged credits 7'],
  ] as const) {
    scenario(
      `candidates: a stated charge on expiry, and a candidate with ${what} → charged by unit, the rest as held`,
      `
      unit   credits scale 0
      budget B match model=big unit usd limit 1
      hold   H1 model=big usd 9 ttl 1s onExpiry charge:usd:2 or model=other ${amounts}   -> authorized candidate 1
      tick   1s
      show   H1                       -> expired ${charged}
      hold   H2 model=other usd 1     -> authorized
      reopen
      `,
    );
  }
});

describe('extend', () => {
  scenario(
    'extend: a later expiry, a larger amount, or both; a denial changes neither',
    `
    budget B match tenant=acme unit usd limit 10 perHold 8 heldMax 9
    hold   H1 tenant=acme usd 4 ttl 1m
    extend H1 ttl 2m                     -> hold_extended
    extend H1 ttl 2m                     -> rejected expiry_not_later
    extend H1 ttl 1m add usd 1           -> rejected expiry_not_later
    show   H1                            -> held usd 4 expiresIn 120000
    extend H1 add usd 4                  -> held 8 remaining 2
    extend H1 ttl 3m add usd 0.5         -> rejected extension_denied
    show   H1                            -> held usd 8 expiresIn 120000
    hold   H2 tenant=acme usd 1
    extend H2 add usd 0.5                -> rejected extension_denied
    extend H2 add usd -1                 -> rejected invalid_amount
    extend H2 add tokens 1               -> rejected unit_not_held
    extend H2                            -> invalid ttlMs
    tick   1m59s
    show   H1                            -> open
    tick   1s
    show   H1                            -> expired
    `,
  );

  scenario(
    'extend: past 2^63−1 → amount_overflow, the hold is whole',
    `
    budget B match tenant=acme unit tokens limit none
    hold   H1 tenant=acme tokens max-5
    extend H1 add tokens 6               -> rejected amount_overflow
    extend H1 add tokens max             -> rejected amount_overflow
    extend H1 add tokens 5               -> done
    balance B                            -> held 9223372036854775807
    `,
  );

  scenario(
    'extend: in a later window the addition is booked to the window of the hold',
    `
    budget B match tenant=acme unit usd limit 10 window hour
    hold   H1 tenant=acme usd 4 ttl 3h
    tick   1h
    extend H1 add usd 6                  -> held 10 remaining 0
    hold   H2 tenant=acme usd 10         -> authorized
    extend H1 add usd 1                  -> rejected extension_denied
    `,
  );
});

describe('expiry', () => {
  scenario(
    'expiry: never early, in order of expiry, and in the instant that it is due',
    `
    budget B match tenant=acme unit usd limit 3
    hold   H1 tenant=acme usd 1 ttl 30s
    hold   H2 tenant=acme usd 1 ttl 10s
    hold   H3 tenant=acme usd 1 ttl 20s
    tick   9s
    hold   H4 tenant=acme usd 1         -> denied held
    tick   1s
    hold   H4 tenant=acme usd 1         -> authorized
    extend H1 ttl 5s                    -> rejected expiry_not_later
    tick   1h
    balance B                           -> held 0 openHolds 0
    `,
    async ({ ledger }) => {
      await ledger.verify();
      const expired = [];
      for await (const event of ledger.events({ type: 'hold_expired' })) expired.push(event.holdId);
      expect(expired).toEqual(['H2', 'H3', 'H1', 'H4']);
    },
  );

  scenario(
    'expiry: release gives back and leaves the call counted; charge spends what is held, or the stated estimate',
    `
    budget B match tenant=acme unit usd limit 100
    budget C match tenant=acme unit calls limit 100
    hold   H1 tenant=acme usd 10 ttl 10s
    hold   H2 tenant=acme usd 20 ttl 10s onExpiry charge
    hold   H3 tenant=acme usd 30 ttl 10s onExpiry charge:usd:4
    hold   H4 tenant=acme usd 40 ttl 10s onExpiry charge:usd:4
    release H4 usd 38
    hold   H5 tenant=acme usd 1 onExpiry charge:usd:1.5     -> invalid onExpiry.charge.usd
    tick   10s
    balance B                           -> held 0 spent 26 remaining 74
    balance C                           -> held 0 spent 4
    show   H1                           -> expired charged usd 0 charged calls 1
    show   H3                           -> expired charged usd 4
    settle H2 usd 5                     -> settled late charged usd 5 B.spent 11
    settle H1 usd 7                     -> settled late B.spent 18
    settle H3 usd 0                     -> settled late B.spent 14 C.spent 4
    `,
  );

  scenario(
    'expiry: charge takes an extension into account',
    `
    budget B match tenant=acme unit usd limit 100
    hold   H1 tenant=acme usd 10 ttl 10s onExpiry charge
    extend H1 add usd 5
    tick   10s
    balance B                           -> held 0 spent 15
    `,
  );
});

describe('late settlement', () => {
  scenario(
    'settle: hold expired → spend is booked as late, to the pinned windows, whatever the policy says',
    `
    budget B match tenant=acme unit usd limit 10 window hour
    hold   H1 tenant=acme usd 4 ttl 30m overrun forbid
    tick   1h
    hold   H2 tenant=acme usd 10        -> authorized
    settle H1 usd 25                    -> settled late spent 25 remaining -15 verdict exhausted
    balance B                           -> held 10 spent 0
    balance B at -1h                    -> spent 25 remaining -15
    certify                             -> balanced
    settle H1 usd 25                    -> rejected hold_already_settled
    show   H1                           -> settled late charged usd 25
    correct H1 usd 3                    -> settled late spent 3
    `,
  );

  scenario(
    'settle: late after the budget was closed or paused → booked all the same',
    `
    budget B match tenant=acme unit usd limit 10
    hold   H1 tenant=acme usd 4 ttl 1s
    tick   1s
    close  B
    settle H1 usd 4                     -> settled late spent 4
    `,
  );
});

describe('overrun policies', () => {
  scenario(
    'overrun record: books it all, remaining below zero, verdict exhausted',
    `
    budget B match tenant=acme unit usd limit 10
    hold   H1 tenant=acme usd 4
    settle H1 usd 25                    -> charged usd 25 remaining -15 verdict exhausted capped none
    hold   H2 tenant=acme usd 1         -> denied exhausted
    certify                             -> balanced
    `,
  );

  scenario(
    'overrun reject: debits the difference when it fits, else refuses and leaves the hold whole',
    `
    budget B match tenant=acme unit usd limit 10
    hold   H1 tenant=acme usd 4 overrun reject
    hold   H2 tenant=acme usd 4
    settle H1 usd 6.00000001            -> rejected overrun
    settle H1 usd 6                     -> settled remaining 0 spent 6
    `,
  );

  scenario(
    'overrun forbid: actual above held is refused, also where there is room',
    `
    budget B match tenant=acme unit usd limit 10
    hold   H1 tenant=acme usd 4 tokens 5 overrun forbid
    settle H1 usd 4.00000001 tokens 0   -> rejected overrun_forbidden
    settle H1 usd 0 tokens 6            -> rejected overrun_forbidden
    show   H1                           -> open held usd 4 held tokens 5
    settle H1 usd 4 tokens 5            -> settled
    `,
  );

  scenario(
    'overrun cap: up to the tolerance is booked; beyond it the charge stops at held, flagged; by unit',
    `
    budget B match tenant=acme unit usd limit 100
    hold   H1 tenant=acme usd 10 overrun cap:10
    settle H1 usd 11                    -> charged usd 11 capped none
    hold   H2 tenant=acme usd 10 overrun cap:10
    settle H2 usd 11.00000001           -> charged usd 10 capped usd spent 21
    hold   H3 tenant=acme usd 10 tokens 10 overrun cap:0
    settle H3 usd 10 tokens 11          -> charged tokens 10 charged usd 10 capped tokens
    hold   H4 tenant=acme usd 69 overrun cap:10
    settle H4 usd 69.5                  -> charged usd 69 capped usd remaining 0
    `,
  );

  scenario(
    'overrun: a correction obeys the policy of its hold',
    `
    budget  B match tenant=acme unit usd limit 20
    hold    H1 tenant=acme usd 10 overrun forbid
    settle  H1 usd 5
    correct H1 usd 10                   -> settled spent 10
    correct H1 usd 11                   -> rejected overrun_forbidden
    hold    H2 tenant=acme usd 10 overrun reject
    settle  H2 usd 10
    correct H1 usd 0                    -> settled spent 10
    correct H2 usd 21                   -> rejected overrun
    correct H2 usd 20                   -> settled remaining 0
    correct H2 usd -1                   -> rejected invalid_amount
    `,
  );
});

describe('correct', () => {
  scenario(
    'correct: sets a settled hold’s final amounts by a posted difference, in its own windows, with a reason',
    `
    budget  B match tenant=acme unit usd limit 20 window hour
    hold    H1 tenant=acme usd 10 tokens 5
    correct H1 usd 5                    -> rejected hold_not_settled
    settle  H1 usd 8 tokens 4
    tick    1h
    hold    H2 tenant=acme usd 20
    correct H1 usd 9 because repriced   -> settled charged usd 9 charged tokens 4 spent 9
    correct H1 usd 2 tokens 1           -> charged usd 2 charged tokens 1 spent 2
    balance B                           -> held 20 spent 0
    balance B at -1h                    -> held 0 spent 2 remaining 18
    correct H1 calls 5                  -> charged calls 5
    `,
    async ({ ledger }) => {
      await ledger.verify();
      const reasons = [];
      for await (const event of ledger.events({ type: 'hold_corrected' })) reasons.push(event.details.reason);
      expect(reasons).toEqual(['repriced', 'invoice', 'invoice']);
      expect(ledger.snapshot().spent).toMatchObject({ usd: 200_000_000n, tokens: 1n });
      await expect(ledger.correct({ holdId: 'H1', amounts: {}, reason: '' })).rejects.toThrow('reason');
    },
  );
});

describe('record', () => {
  scenario(
    'record: never denied, booked at once; to the window of the instant that it occurred',
    `
    budget B match tenant=acme unit usd limit 10 window day perHold 1 heldMax 1
    record tenant=acme usd 15                       -> settled remaining -5 verdict exhausted
    record tenant=acme usd 2 at -11h                -> settled spent 2
    balance B at -11h                               -> spent 2 remaining 8
    balance B                                       -> spent 15
    record tenant=acme usd 1 at +1s                 -> rejected occurred_in_future
    record tenant=acme usd 1 at 2026-01-12T09:59:59Z   -> rejected occurred_too_early
    record tenant=acme usd 1 at 2026-01-12T10:00:00Z   -> settled spent 1
    record tenant=acme usd -1                       -> rejected invalid_amount
    pause  B
    record tenant=acme usd 1                        -> settled
    close  B
    record tenant=acme usd 1                        -> settled spent 17
    `,
  );
});

describe('submit', () => {
  test('submit: one group is decided in order, each command with its own outcome', () =>
    onStage(memoryPlace, async ({ ledger }) => {
      await ledger.putBudget({ id: 'B', match: {}, unit: 'usd', limit: 10n, window: 'lifetime' });
      const outcomes = await ledger.submit([
        { command: 'authorize_hold', holdId: 'H1', labels: {}, amounts: { usd: 10n } },
        { command: 'authorize_hold', holdId: 'H2', labels: {}, amounts: { usd: 1n } },
        { command: 'settle_hold', holdId: 'H1', amounts: { usd: 2n } },
        { command: 'authorize_hold', holdId: 'H2', labels: {}, amounts: { usd: 8n } },
      ]);
      expect(outcomes.map(({ outcome }) => outcome)).toEqual([
        'authorized',
        'denied',
        'settled',
        'authorized',
      ]);
      expect(await ledger.submit([])).toEqual([]);
    }));

  test('submit: one malformed command → nothing of the group is done', () =>
    onStage(memoryPlace, async ({ ledger }) => {
      const group = ledger.submit([
        { command: 'authorize_hold', holdId: 'H1', labels: {}, amounts: { usd: 10n } },
        { command: 'authorize_hold', holdId: '', labels: {}, amounts: { usd: 1n } },
        { command: 'authorize_hold', holdId: 'H3', labels: {}, amounts: { usd: 1n } },
      ]);
      await expect(group).rejects.toThrow('holdId');
      expect(ledger.holds()).toEqual([]);
    }));
});
