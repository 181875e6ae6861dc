// Rules H1 to H11: grants, replays, later commands on a hold, authority, and the evidence on every outcome.

import { describe, expect, test } from 'vitest';
import type { CommandOutcome, LedgerEvent } from '#bursar/index.js';
import { memoryPlace, onStage, type Stage, scenario } from '../scenario/scenario.js';

const GRANT_LINE = { capability: 'cap-1', grant: '0' };

async function eventsOf(stage: Stage, holdId?: string): Promise<LedgerEvent[]> {
  await stage.ledger.verify();
  const found: LedgerEvent[] = [];
  for await (const event of stage.ledger.events(holdId === undefined ? {} : { holdId })) found.push(event);
  return found;
}

describe('H1: grants', () => {
  scenario(
    'grant: equality passes each cap, one more does not',
    `
    hold H1 a=b usd 60 grant cap-1/0 usd calls 3 perHold 60 total 100   -> authorized
    hold H2 a=b usd 61 grant cap-1/0 usd calls 3 perHold 60             -> denied too_large
    hold H3 a=b usd 41 grant cap-1/0 usd total 100                      -> denied held
    hold H4 a=b usd 40 grant cap-1/0 usd calls 3 perHold 60 total 100   -> authorized
    hold H5 a=b usd 0 tokens 1 grant cap-1/0 usd calls 3 total 100      -> authorized
    hold H6 a=b usd 0 tokens 1 grant cap-1/0 usd calls 3                -> denied held
    balance grant/usd capability=cap-1 grant=0                          -> held 100 spent 0
    balance grant/calls capability=cap-1 grant=0                        -> held 3
    `,
  );

  scenario(
    'grant: an absent cap is unchecked, and the figures accumulate all the same',
    `
    hold   H1 a=b usd 900 grant cap-1/0 usd          -> authorized grant/usd.remaining none
    settle H1 usd 900
    hold   H2 a=b usd 200 grant cap-1/0 usd total 1000   -> denied exhausted
    hold   H3 a=b usd 100 grant cap-1/0 usd total 1000   -> authorized grant/usd.remaining 0
    `,
  );

  scenario(
    'grant: caps are evaluated as each request states them',
    `
    hold   H1 a=b usd 50 grant cap-1/0 usd total 100
    settle H1 usd 50
    hold   H2 a=b usd 1 grant cap-1/0 usd total 50     -> denied exhausted
    hold   H3 a=b usd 50 grant cap-1/0 usd total 100   -> authorized
    hold   H4 a=b usd 50 grant cap-1/1 usd total 50    -> authorized
    hold   H5 a=b usd 50 grant cap-2/0 usd total 50    -> authorized
    `,
  );

  scenario(
    'grant: a hold counts towards all its grants and budgets at once, or towards none',
    `
    budget  B match tenant=acme unit usd limit 10
    hold    H1 tenant=acme usd 5 grant c/0 usd total 5 grant d/0 usd total 4   -> denied too_large
    balance B                                          -> held 0
    balance grant/usd capability=c grant=0             -> none
    hold    H1 tenant=acme usd 4 grant c/0 usd total 5 grant d/0 usd total 4   -> authorized
    settle  H1 usd 3
    balance B                                          -> spent 3 held 0
    balance grant/usd capability=c grant=0             -> spent 3 held 0
    balance grant/usd capability=d grant=0             -> spent 3 held 0
    `,
  );

  scenario(
    'grant: a hold that does not state the unit of its grant → unit_missing',
    `hold H1 a=b tokens 5 grant c/0 usd total 5        -> denied unit_missing`,
  );

  scenario(
    'grant: an excess must fit the total under reject, and an extension every cap',
    `
    hold    H1 a=b usd 60 overrun reject grant c/0 usd perHold 80 total 100
    settle  H1 usd 101                                 -> rejected overrun
    extend  H1 add usd 21                              -> rejected extension_denied
    extend  H1 add usd 20                              -> done
    hold    H2 a=b usd 20 overrun reject grant c/0 usd total 100
    extend  H2 add usd 1                               -> rejected extension_denied
    settle  H2 usd 20
    settle  H1 usd 80                                  -> settled
    `,
  );

  test('grant: named twice in one request → refused or counted once, never twice', () =>
    onStage(memoryPlace, async ({ ledger }) => {
      const caps = { ...GRANT_LINE, unit: 'usd', maxTotal: 100n };
      const request = { holdId: 'H', labels: {}, amounts: { usd: 60n }, grants: [caps, caps] };
      await ledger.authorize(request).catch(() => undefined);
      for (const view of ledger.grants()) expect(view.held).toBeLessThanOrEqual(60n);
    }));

  scenario(
    'grant: caps may come from a budget on the labels instead, per grant',
    `
    budget G match capability=* grant=* unit usd limit 100 perHold 60
    budget N match capability=* grant=* unit calls limit 2
    hold   H1 capability=c grant=0 usd 60              -> authorized
    hold   H2 capability=c grant=0 usd 61              -> denied too_large
    hold   H3 capability=c grant=0 usd 40              -> authorized
    hold   H4 capability=c grant=0 usd 0 tokens 1      -> denied held N.violations limit
    hold   H5 capability=c grant=1 usd 60              -> authorized
    `,
  );
});

describe('H2: denials', () => {
  scenario(
    'denial: changes no figure and makes no balance, has an event and a number, and no position',
    `
    budget B match tenant=acme user=* unit usd limit 10
    hold   H1 tenant=acme user=u1 usd 11 grant c/0 usd   -> denied too_large position null
    define B                                             -> balances 0
    balance grant/usd capability=c grant=0               -> none
    show   H1                                            -> unknown
    `,
    async (stage) => {
      const denied = stage.last as CommandOutcome;
      const [event] = await eventsOf(stage, 'H1');
      expect(event).toMatchObject({ type: 'hold_denied', position: null, sequence: denied.sequence });
      expect(denied.eventId).toBe(event?.eventId);
      expect(event?.details.reason).toBe('too_large');
    },
  );
});

describe('H3: command ids', () => {
  scenario(
    'replay: the same id and body → the first outcome, also after a restart, denials and refusals too',
    `
    budget B match tenant=acme unit usd limit 100
    hold   H1 tenant=acme usd 60 ttl 1h id c1          -> authorized position 2 remaining 40 not replayed
    again                                              -> authorized replayed position 2 remaining 40 status open
    hold   H2 tenant=acme usd 60 id c2                 -> denied held not replayed
    settle H1 usd 10 id c3                             -> settled remaining 90 position 3
    hold   H2 tenant=acme usd 60 id c2                 -> denied held replayed remaining 40 position null
    hold   H1 tenant=acme usd 60 ttl 1h id c1          -> authorized replayed position 2 status settled
    settle H1 usd 11 id c4                             -> rejected hold_already_settled not replayed
    reopen
    again                                              -> rejected hold_already_settled replayed
    settle H1 usd 10 id c3                             -> settled replayed remaining 90 returned usd 50 position 3
    hold   H2 tenant=acme usd 60 id c2                 -> denied held replayed
    checkpoint
    reopen
    hold   H1 tenant=acme usd 60 ttl 1h id c1          -> authorized replayed position 2 status settled
    balance B                                          -> spent 10 held 0
    `,
  );

  scenario(
    'replay: every kind of command is done once',
    `
    budget  B match tenant=acme unit usd limit 100
    topup   B 5 id t1                                  -> granted 105
    again                                              -> replayed granted 105
    hold    H1 tenant=acme usd 10 grant c/0 usd calls 9 perHold 20 total 90 lease a/l/1 require tenant id h1
    again                                              -> replayed authorized
    extend  H1 ttl 1h add usd 5 lease a/l/1 id e1      -> done
    again                                              -> replayed hold_extended
    release H1 usd 3 lease a/l/1 id r1                 -> done
    again                                              -> replayed hold_released
    settle  H1 usd 9 exposure usd 12 calls 1 outcome failed lease a/l/1 id s1
    again                                              -> replayed settled
    correct H1 usd 8 lease a/l/1 id k1                 -> settled
    again                                              -> replayed settled
    record  tenant=acme usd 2 at -1h id p1             -> settled
    again                                              -> replayed settled
    hold    H2 tenant=acme usd 5 onExpiry charge:usd:2 overrun cap:10 id h2
    again                                              -> replayed authorized
    hold    H3 tenant=acme usd 500 id h3 or tenant=acme usd 4
    again                                              -> replayed authorized candidate 1 skipped too_large
    reverse H2 id v2
    again                                              -> replayed hold_reversed
    balance B                                          -> granted 105 spent 10 held 4
    `,
  );

  scenario(
    'replay: the same id with another body → a conflict that says so, and the first outcome stays',
    `
    budget B match tenant=acme unit usd limit 100
    hold   H1 tenant=acme usd 60 id c1
    hold   H1 tenant=acme usd 61 id c1                 -> rejected command_id_reused
    hold   H1 tenant=acme usd 60 ttl 1s id c1          -> rejected command_id_reused
    hold   H2 tenant=acme usd 60 id c1                 -> rejected command_id_reused
    settle H1 usd 60 id c1                             -> rejected command_id_reused
    hold   H1 tenant=acme usd 60 id c1                 -> authorized replayed
    balance B                                          -> held 60
    `,
    async ({ ledger }) => {
      const reused = await ledger.release({ holdId: 'H1', commandId: 'c1' });
      expect(reused).toMatchObject({ message: expect.stringContaining('used for a different command') });
    },
  );

  scenario(
    'replay: ids that the ledger makes are never matched against those of callers',
    `
    budget B match tenant=acme unit usd limit 100
    hold   H1 tenant=acme usd 10
    hold   H2 tenant=acme usd 10 id dec-3              -> authorized not replayed
    hold   H3 tenant=acme usd 10 id evt-3              -> authorized not replayed
    hold   H4 tenant=acme usd 10 id evt-2              -> authorized not replayed
    hold   H5 tenant=acme usd 10 id H1                 -> authorized not replayed
    `,
  );

  test('replay: of a hold that has expired meanwhile → says that the handle is dead', () =>
    onStage(memoryPlace, async ({ ledger, clock }) => {
      const request = { holdId: 'H', labels: {}, amounts: { usd: 1n }, ttlMs: 10_000, commandId: 'c' };
      expect(await ledger.authorize(request)).toMatchObject({ holdStatus: 'open', replayed: false });
      clock.at += 10_000;
      expect(await ledger.authorize(request)).toMatchObject({ holdStatus: 'expired', replayed: true });
    }));

  test('replay: the same command many times at once → done once, and all are told the same', () =>
    onStage(memoryPlace, async ({ ledger }) => {
      await ledger.putBudget({ id: 'B', match: {}, unit: 'usd', limit: 100n, window: 'lifetime' });
      const request = { holdId: 'H', labels: {}, amounts: { usd: 60n }, commandId: 'c' };
      const outcomes = await Promise.all(Array.from({ length: 50 }, () => ledger.authorize(request)));
      expect(outcomes.filter(({ replayed }) => !replayed)).toHaveLength(1);
      expect(new Set(outcomes.map(({ sequence }) => sequence)).size).toBe(1);
      const group = await ledger.submit([
        { command: 'release_hold', holdId: 'H', commandId: 'r' },
        { command: 'release_hold', holdId: 'H', commandId: 'r' },
      ]);
      expect(group.map(({ replayed }) => replayed)).toEqual([false, true]);
      expect(ledger.balances()[0]).toMatchObject({ held: 0n, remaining: 100n });
    }));
});

describe('H4: reverse', () => {
  scenario(
    'reverse: an untouched hold goes back whole, and its call with it',
    `
    budget  B match tenant=acme unit usd limit 100
    budget  C match tenant=acme unit calls limit 3
    hold    H1 tenant=acme usd 10                      -> C.held 1
    reverse H1                                         -> hold_reversed
    balance B                                          -> held 0 spent 0 remaining 100
    balance C                                          -> held 0 spent 0 remaining 3
    show    H1                                         -> reversed charged usd 0
    `,
  );

  scenario(
    'reverse: a hold that was extended in amount or released in part → hold_touched',
    `
    hold    H1 a=b usd 10
    release H1 usd 1
    reverse H1                                         -> rejected hold_touched
    hold    H2 a=b usd 10
    extend  H2 add usd 1
    reverse H2                                         -> rejected hold_touched
    show    H2                                         -> open held usd 11
    `,
  );
});

describe('H5: release', () => {
  scenario(
    'release: in parts, at most what is still held; the call stays counted; released when nothing is left',
    `
    budget  B match tenant=acme unit usd limit 100
    budget  C match tenant=acme unit calls limit 3
    hold    H1 tenant=acme usd 10 tokens 5
    release H1 usd 4                                   -> B.held 6 B.remaining 94 C.held 1
    release H1 usd 7                                   -> rejected release_exceeds_held
    release H1 usd 0                                   -> rejected invalid_amount
    release H1 usd -1                                  -> rejected invalid_amount
    release H1 calls 1                                 -> rejected calls_not_released
    release H1 usd 6                                   -> done
    show    H1                                         -> open held tokens 5
    release H1                                         -> hold_released
    show    H1                                         -> released charged calls 1
    balance C                                          -> held 0 spent 1 remaining 2
    balance B                                          -> held 0 spent 0 remaining 100
    `,
  );
});

describe('H6: reconcile', () => {
  scenario(
    'reconcile: the stated exposure must be what is still held, actual at most that under forbid',
    `
    budget  B match tenant=acme unit usd limit 100
    budget  C match tenant=acme unit calls limit 3
    hold    H1 tenant=acme usd 10 overrun forbid
    release H1 usd 2
    settle  H1 usd 5 exposure usd 10                   -> rejected exposure_mismatch
    settle  H1 usd 9 exposure usd 8                    -> rejected overrun_forbidden
    settle  H1 usd 8.00000001 exposure usd 8           -> rejected overrun_forbidden
    settle  H1 usd 8 exposure usd 8                    -> settled B.spent 8 C.spent 1
    `,
  );
});
