// Which budgets a hold counts towards, caps, windows, definitions and what is done to budgets.

import { describe, expect } from 'vitest';
import { scenario } from '../scenario/scenario.js';

describe('matching', () => {
  scenario(
    'match: a hold counts towards every budget whose labels it has, whatever the shape',
    `
    budget ALL  match all unit usd limit 100
    budget T    match tenant=acme unit usd limit 50
    budget TU   match tenant=acme user=* unit usd limit 20
    budget U    match user=u1 unit usd limit 10
    budget PROV match provider=openai unit usd limit 5
    hold   H1 tenant=acme user=u1 usd 4                   -> lines 4 ALL.remaining 96 T.remaining 46 TU.remaining 16 U.remaining 6
    hold   H2 tenant=acme usd 4                           -> lines 2 T.remaining 42
    hold   H3 tenant=other user=u1 provider=openai usd 4  -> lines 3 U.remaining 2 PROV.remaining 1
    hold   H4 user=u1 tenant=acme provider=openai usd 3   -> denied held U.violations limit PROV.violations limit ALL.violations none
    balance ALL                                           -> held 12 openHolds 3
    `,
  );

  scenario(
    'match: each value of a wildcard has its own balance, made at first use and shared by concurrent first uses',
    `
    budget B match tenant=acme user=* agent=* unit usd limit 10
    hold   H1 tenant=acme user=u1 usd 4            -> lines 0
    hold   H2 tenant=acme user=u1 agent=a usd 4    -> remaining 6
    hold   H3 tenant=acme user=u2 agent=a usd 10   -> remaining 0
    hold   H4 tenant=acme user=u1 agent=b usd 10   -> remaining 0
    define B                                       -> balances 3
    `,
    async ({ ledger }) => {
      const holds = Array.from({ length: 40 }, (_, index) =>
        ledger.authorize({
          holdId: `N${index}`,
          labels: { tenant: 'acme', user: 'new', agent: 'a' },
          amounts: { usd: 50_000_000n },
        }),
      );
      const outcomes = (await Promise.all(holds)).map(({ outcome }) => outcome);
      expect(outcomes.filter((outcome) => outcome === 'authorized')).toHaveLength(20);
      expect(ledger.balances({ values: { user: 'new' } })).toHaveLength(1);
    },
  );

  scenario(
    'match: values are compared whole, and the label value * is a value like others',
    `
    budget B match tenant=acme unit usd limit 1
    budget W match tenant=* unit usd limit 5
    hold   H1 tenant=acme2 usd 2      -> lines 1
    hold   H2 tenant=* usd 2          -> lines 1 W.remaining 3
    hold   H3 tenant=ACME usd 2       -> lines 1
    hold   H4 tenant=acme usd 2       -> denied too_large B.violations limit W.violations none
    `,
  );

  scenario(
    'caps: every violated cap of every budget is gathered, and the reason is the one that lasts longest',
    `
    budget A match tenant=acme unit usd limit 10 perHold 4 heldMax 5
    budget B match tenant=acme unit calls limit 1
    budget C match tenant=acme unit usd limit 3 window day
    hold   H1 tenant=acme usd 2
    settle H1 usd 2
    hold   H2 tenant=acme usd 12      -> denied too_large A.violations per_hold_max,limit,held_max B.violations limit C.violations limit
    hold   H3 tenant=acme usd 2       -> denied exhausted A.violations none B.violations limit C.violations limit
    balance A                         -> held 0 spent 2
    `,
  );

  scenario(
    'caps: lowered below what is spent → the verdict is exhausted; raised again → calls pass',
    `
    budget B match tenant=acme unit usd limit 10
    record tenant=acme usd 6
    budget B match tenant=acme unit usd limit 5    -> done
    check  tenant=acme                             -> exhausted remaining -1
    hold   H1 tenant=acme usd 1                    -> denied exhausted
    budget B match tenant=acme unit usd limit 10
    hold   H1 tenant=acme usd 1                    -> authorized remaining 3 version 3
    `,
  );

  scenario(
    'unit: a budget whose unit the hold does not state refuses it: unit_missing, in every window',
    `
    unit   credits scale 2
    budget B match tenant=acme unit credits limit none window day
    hold   H1 tenant=acme usd 5                    -> denied unit_missing violations unit_missing retry none
    hold   H1 tenant=acme usd 5 credits 0          -> authorized
    tick   1d
    hold   H2 tenant=acme usd 5                    -> denied unit_missing
    record tenant=acme usd 5                       -> settled violations unit_missing spent 0
    `,
  );

  scenario(
    'require: a limiting budget must exist for each stated label, and a metered one does not count',
    `
    budget M match tenant=acme user=* unit usd limit none
    budget T match tenant=acme unit usd limit 10
    hold   H1 tenant=acme user=u1 usd 1 require tenant        -> authorized
    hold   H2 tenant=acme user=u1 usd 1 require tenant,user   -> denied no_budget unmet user
    hold   H3 tenant=other usd 1 require tenant               -> denied no_budget unmet tenant lines 0
    hold   H4 tenant=other usd 1                              -> authorized lines 0
    limit  M user=u1 5
    hold   H5 tenant=acme user=u1 usd 1 require tenant,user   -> authorized
    `,
  );

  scenario(
    'calls: every hold carries one call unless it says otherwise',
    `
    budget C match tenant=acme unit calls limit 5
    hold   H1 tenant=acme usd 1                    -> held 1
    hold   H2 tenant=acme usd 1 calls 3            -> held 4
    hold   H3 tenant=acme usd 1 calls 0            -> held 4
    settle H2 usd 1                                -> spent 3 held 1
    settle H1 usd 1 calls 0                        -> spent 3 held 0 remaining 2
    record tenant=acme usd 1                       -> spent 4
    hold   H4 tenant=acme usd 1 calls 2            -> denied exhausted
    `,
  );
});

describe('overrides', () => {
  scenario(
    'override: one balance has its own limit, in this window and the next; default returns to the budget’s',
    `
    budget B match user=* unit usd limit 10 window day
    hold   H1 user=u1 usd 4
    limit  B user=u1 3                  -> done
    balance B user=u1                   -> limit 3 granted 3 remaining -1
    hold   H2 user=u1 usd 1             -> denied held
    hold   H3 user=u2 usd 10            -> authorized
    budget B match user=* unit usd limit 20 window day   -> done
    balance B user=u1                   -> limit 3
    balance B user=u2                   -> limit 20 remaining 10
    limit  B user=u9 1
    tick   1d
    hold   H4 user=u9 usd 2             -> denied too_large
    hold   H5 user=u1 usd 4             -> denied too_large
    limit  B user=u1 default
    hold   H5 user=u1 usd 4             -> authorized remaining 16
    limit  B user=u1 none
    hold   H6 user=u1 usd 400           -> authorized verdict uncapped
    limit  B user=u1 0
    hold   H7 user=u1 usd 1             -> denied exhausted
    limit  B user=u1 -1                 -> invalid limit
    `,
  );

  scenario(
    'override: a top-up stays on top of a changed limit, for its window only',
    `
    budget B match user=* unit usd limit 10 window day
    hold   H1 user=u1 usd 1
    topup  B user=u1 5                  -> granted 15
    limit  B user=u1 20
    balance B user=u1                   -> granted 25 remaining 24
    tick   1d
    hold   H2 user=u1 usd 1             -> granted 20
    `,
  );
});

describe('definitions', () => {
  scenario(
    'definition: a change makes a new version at once, and open holds stay',
    `
    budget B match tenant=acme unit usd limit 10 perHold 8
    hold   H1 tenant=acme usd 8            -> version 1
    budget B match tenant=acme unit usd limit 9 perHold 2
    define B                               -> version 2
    hold   H2 tenant=acme usd 3            -> denied too_large
    settle H1 usd 8                        -> settled spent 8 version 2
    budget B match tenant=acme unit usd limit 9 perHold 2   -> position null
    define B                               -> version 2
    budget B match tenant=acme unit usd limit none
    hold   H3 tenant=acme usd 1k           -> authorized verdict uncapped
    budget B match tenant=acme unit usd limit 9
    balance B                              -> remaining -999
    `,
  );

  scenario(
    'definition: match, unit, window and scale cannot be changed → definition_conflict, nothing of the step is done',
    `
    unit   credits scale 2
    budget B match tenant=acme unit usd limit 10 window day
    budget B match tenant=other unit usd limit 10 window day       -> rejected definition_conflict
    budget B match tenant=acme user=* unit usd limit 10 window day -> rejected definition_conflict
    budget B match tenant=acme unit tokens limit 10 window day     -> rejected definition_conflict
    budget B match tenant=acme unit usd limit 10 window hour       -> rejected definition_conflict
    unit   credits scale 3                                         -> rejected definition_conflict
    define B                                                       -> version 1
    `,
    async ({ ledger }) => {
      const spec = { match: {}, unit: 'usd', limit: 1n, window: 'day' } as const;
      const conflict = { ...spec, id: 'B', match: { a: 'b' } };
      const outcome = await ledger.putDefinitions({ budgets: [{ ...spec, id: 'NEW' }, conflict] });
      expect(outcome).toMatchObject({ code: 'definition_conflict' });
      expect(ledger.budgets().map(({ id }) => id)).toEqual(['B']);
    },
  );

  scenario(
    'definition: a limit raised so far that granted passes 2^63−1 → amount_overflow',
    `
    budget B match tenant=acme unit tokens limit 10
    topup  B 5
    budget B match tenant=acme unit tokens limit max   -> rejected amount_overflow
    budget B match tenant=acme unit tokens limit max-5 -> done
    balance B                                          -> granted 9223372036854775807
    `,
  );

  scenario(
    'definition: the same unit twice with different scales in one step → refused',
    'unit credits scale 2',
    async ({ ledger }) => {
      const units = [
        { name: 'x', scale: 1 },
        { name: 'x', scale: 2 },
      ];
      const done = await ledger.putDefinitions({ units }).then(
        ({ outcome }) => outcome,
        () => 'invalid',
      );
      expect(done).not.toBe('done');
    },
  );
});

describe('status', () => {
  scenario(
    'pause: refuses holds until resumed, books settlements and records, whole or for one account',
    `
    budget B match user=* unit usd limit 10
    hold   H1 user=u1 usd 2
    pause  B user=u1                    -> done
    hold   H2 user=u1 usd 1             -> denied paused violations paused retry none
    hold   H3 user=u2 usd 1             -> authorized
    extend H1 add usd 1                 -> rejected extension_denied
    extend H1 ttl 2h                    -> done
    settle H1 usd 2                     -> settled
    record user=u1 usd 1                -> settled
    pause  B                            -> done
    resume B user=u1
    hold   H4 user=u1 usd 1             -> denied paused
    reopen
    hold   H5 user=u2 usd 1             -> denied paused
    resume B
    hold   H6 user=u1 usd 1             -> authorized
    pause  NO                           -> rejected budget_not_found
    `,
  );

  scenario(
    'close: a closed budget refuses for good, books what was held, and cannot be opened or defined again',
    `
    budget B match tenant=acme unit usd limit 10
    hold   H1 tenant=acme usd 2
    close  B
    hold   H2 tenant=acme usd 1                    -> denied closed retry none
    settle H1 usd 2                                -> settled spent 2
    resume B                                       -> rejected budget_closed
    pause  B                                       -> rejected budget_closed
    close  B                                       -> rejected budget_closed
    topup  B 5                                     -> rejected budget_closed
    limit  B 5                                     -> rejected budget_closed
    exhaust B                                      -> rejected budget_closed
    budget B match tenant=acme unit usd limit 99   -> rejected budget_closed
    budget B match tenant=acme unit usd limit 10   -> rejected budget_closed
    reopen
    hold   H2 tenant=acme usd 1                    -> denied closed
    define B                                       -> closed
    `,
  );

  scenario(
    'close: one account of a budget → the others go on',
    `
    budget B match user=* unit usd limit 10
    close  B user=u1
    hold   H1 user=u1 usd 1             -> denied closed
    resume B user=u1                    -> rejected budget_closed
    hold   H2 user=u2 usd 1             -> authorized
    `,
  );
});

describe('G3: onExhausted pause', () => {
  scenario(
    'pause: budget 100, a turn of 200 → paused in the same step as the settlement',
    `
    budget G match goal=g unit tokens limit 100 onExhausted pause
    hold   H1 goal=g tokens 50
    hold   H2 goal=g tokens 50
    settle H1 tokens 200                -> settled paused G remaining -150
    hold   H3 goal=g tokens 0 usd 1     -> denied paused violations paused,limit
    settle H2 tokens 1                  -> settled paused none
    resume G                            -> rejected budget_used_up
    topup  G 101                        -> granted 201
    resume G                            -> rejected budget_used_up
    topup  G 1
    resume G                            -> done
    hold   H4 goal=g tokens 1           -> authorized
    `,
    async ({ ledger }) => {
      const paused = [];
      for await (const event of ledger.events({ holdId: 'H1', type: 'hold_settled' })) paused.push(event);
      expect(paused).toHaveLength(1);
    },
  );

  scenario(
    'pause: by recorded spend, by an expiry charge and by a correction as well, each account for itself',
    `
    budget G match goal=* unit tokens limit 100 onExhausted pause
    record goal=g1 tokens 100                      -> paused G
    hold   H2 goal=g2 tokens 100 ttl 1s onExpiry charge
    tick   1s
    hold   H3 goal=g2 tokens 1                     -> denied paused
    hold   H4 goal=g3 tokens 50
    settle H4 tokens 50                            -> paused none
    correct H4 tokens 100                          -> paused G
    hold   H5 goal=g4 tokens 1                     -> authorized
    hold   H6 goal=g1 tokens 1                     -> denied paused
    reopen
    hold   H6 goal=g1 tokens 1                     -> denied paused
    `,
  );

  scenario(
    'pause: late spend of an earlier window pauses nothing, and a new window does not resume by itself',
    `
    budget G match goal=g unit tokens limit 100 window hour onExhausted pause
    hold   H1 goal=g tokens 100 ttl 2h
    tick   1h
    settle H1 tokens 100                           -> paused none
    hold   H2 goal=g tokens 100
    settle H2 tokens 100                           -> paused G
    tick   1h
    hold   H3 goal=g tokens 1                      -> denied paused
    resume G                                       -> done
    hold   H3 goal=g tokens 1                      -> authorized
    `,
  );
});
