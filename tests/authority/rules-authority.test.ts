// Rules H7 to H11: the order of checks, leases of callers, the evidence on outcomes, and the order of lists.

import { describe, expect, test } from 'vitest';
import { METERING_PROFILE } from '#bursar/index.js';
import { inEachPlace, memoryPlace, onStage, type Stage, scenario } from '../scenario/scenario.js';

async function eventsOf({ ledger }: Stage, holdId?: string) {
  await ledger.verify();
  const found = [];
  for await (const event of ledger.events(holdId === undefined ? {} : { holdId })) found.push(event);
  return found;
}

describe('H7: the order of checks on a hold', () => {
  scenario(
    'order: replay, unknown hold, labels or grant, not open, amount, authority; a refusal writes no figures',
    `
    budget B match tenant=acme unit usd limit 100
    hold   H1 tenant=acme usd 10 grant c/0 usd lease a/l/5
    hold   H2 tenant=acme usd 10 lease a/l/5
    settle H2 usd 10 lease a/l/5 id s2
    settle H2 usd 10 lease a/l/5 id s2                    -> settled replayed
    settle H9 usd -1 for tenant=other of x/9 lease z/z/9  -> rejected hold_not_found
    settle H2 usd -1 for tenant=other lease z/z/9         -> rejected labels_mismatch
    settle H2 usd -1 of x/9 lease z/z/9                   -> rejected grant_mismatch
    settle H2 usd -1 lease z/z/9                          -> rejected hold_already_settled
    settle H1 usd -1 lease z/z/9                          -> rejected invalid_amount
    settle H1 tokens 1 lease z/z/9                        -> rejected unit_not_held
    release H1 usd 11 lease z/z/9                         -> rejected release_exceeds_held
    extend  H1 add usd 91 lease z/z/9                     -> rejected extension_denied
    settle H1 usd 5 exposure usd 9 lease z/z/9            -> rejected exposure_mismatch
    settle H1 usd 5 lease z/z/9                           -> rejected authority_other
    balance B                                             -> held 10 spent 10 openHolds 1
    settle H1 usd 5 for tenant=acme of c/0 lease a/l/5    -> settled
    `,
  );

  scenario(
    'order: labels are checked as stated, whatever their order, and may be left out',
    `
    hold    H1 tenant=acme user=u1 usd 10
    release H1 usd 1 for tenant=acme                      -> rejected labels_mismatch
    release H1 usd 1 for user=u1 tenant=acme              -> done
    release H1 usd 1                                      -> done
    `,
  );
});

describe('H8: a hold under a lease', () => {
  for (const verb of ['settle H1 usd 5', 'release H1', 'reverse H1', 'extend H1 ttl 1h']) {
    scenario(
      `lease: "${verb}" needs the same authority, lease and epoch, and says what differs`,
      `
      hold H1 a=b usd 10 ttl 1m lease a/l/5
      ${verb}                     -> rejected authority_missing
      ${verb} lease b/l/5         -> rejected authority_other
      ${verb} lease a/m/5         -> rejected lease_other
      ${verb} lease a/l/4         -> rejected epoch_older
      ${verb} lease a/l/6         -> rejected epoch_newer
      ${verb} lease b/m/6         -> rejected authority_other
      show H1                     -> open held usd 10 expiresIn 60000
      ${verb} lease a/l/5         -> term a:5
      `,
    );
  }

  scenario(
    'lease: a hold opened without one → authority_unexpected; corrections are checked as well',
    `
    hold    H1 a=b usd 10
    settle  H1 usd 5 lease a/l/5          -> rejected authority_unexpected
    hold    H2 a=b usd 10 lease a/l/5
    settle  H2 usd 5 lease a/l/5
    correct H2 usd 6                      -> rejected authority_missing
    correct H2 usd 6 lease a/l/5          -> settled charged usd 6
    `,
  );

  scenario(
    'lease: the ledger’s own expiry needs none, and a late settlement does',
    `
    hold    H1 a=b usd 10 ttl 1s lease a/l/5
    tick    1s
    settle  H1 usd 5                      -> rejected authority_missing
    settle  H1 usd 5 lease a/l/5          -> settled late
    `,
  );
});

describe('H9: evidence', () => {
  inEachPlace('evidence: guarantee, metering, position, event id and term on every outcome', (place) =>
    onStage(place, async (stage) => {
      const { ledger } = stage;
      await ledger.putBudget({ id: 'B', match: {}, unit: 'usd', limit: 10n, window: 'lifetime' });
      const labels = {};
      const outcomes = [
        await ledger.authorize({ holdId: 'H1', labels, amounts: { usd: 5n } }),
        await ledger.authorize({ holdId: 'H2', labels, amounts: { usd: 50n } }),
        await ledger.extend({ holdId: 'H1', add: { usd: 1n } }),
        await ledger.release({ holdId: 'H1', amounts: { usd: 1n } }),
        await ledger.settle({ holdId: 'H1', amounts: { usd: 4n } }),
        await ledger.correct({ holdId: 'H1', amounts: { usd: 3n }, reason: 'invoice' }),
        await ledger.reverse({ holdId: 'H1' }),
        await ledger.topUp({ budgetId: 'B', amount: 1n }),
        await ledger.setBudgetStatus({ budgetId: 'B', status: 'paused' }),
      ];
      const recorded = await ledger.record({ labels, amounts: { usd: 1n } });
      for (const outcome of outcomes) {
        expect(outcome).toMatchObject({
          guarantee: 'single_node_atomic',
          metering: METERING_PROFILE,
          term: ledger.term,
          eventId: `evt-${outcome.sequence}`,
          at: stage.clock.at,
        });
      }
      expect(outcomes.map(({ position }) => position)).toEqual([2, null, 3, 4, 5, 6, null, 7, 8]);
      expect(recorded).toMatchObject({ guarantee: 'advisory_posthoc', position: 9 });
      const events = await eventsOf(stage);
      for (const outcome of [...outcomes, recorded]) {
        const event = events.find(({ sequence }) => sequence === outcome.sequence);
        expect(event).toMatchObject({
          eventId: outcome.eventId,
          position: outcome.position,
          term: outcome.term,
        });
      }
      expect(ledger.term).toMatch(/^bursar:\d+$/);
    }),
  );

  scenario(
    'evidence: the term is that of the ledger’s epoch, one higher after each opening',
    `
    hold H1 a=b usd 1   -> term bursar:1
    reopen
    hold H2 a=b usd 1   -> term bursar:2
    hold H3 a=b usd 1 lease me/l/77   -> term me:77
    `,
  );
});

describe('H10: order of lists', () => {
  test('order: usage lists the newest first, then capability, then grant; events in journal order', () =>
    onStage(memoryPlace, async (stage) => {
      const { ledger } = stage;
      const use = (holdId: string, ...ids: string[]) =>
        ledger.authorize({
          holdId,
          labels: {},
          amounts: { usd: 1n },
          grants: ids.map((id) => ({
            capability: id.slice(0, 1),
            grant: id.slice(1),
            unit: 'usd',
            maxTotal: 9n,
          })),
        });
      await use('H1', 'c1', 'a2', 'a1', 'b1');
      await use('H2', 'b1');
      const usage = ledger.grants().filter(({ unit }) => unit === 'usd');
      expect(usage.map(({ values }) => `${values.capability}${values.grant}`)).toEqual([
        'b1',
        'a1',
        'a2',
        'c1',
      ]);
      expect(usage[0]).toMatchObject({ held: 2n });
      const sequences = (await eventsOf(stage)).map(({ sequence }) => sequence);
      expect(sequences).toEqual(sequences.map((_sequence, index) => index + 1));
    }));
});

describe('H11: the example', () => {
  scenario(
    'example: authorise 100 and settle 75 under caps → positions 1 and 2, two events with their authority',
    `
    hold    H1 agent=a usd 100 grant cap/0 usd calls 4 perHold 100 total 1000 lease auth/lease/3   -> authorized position 1
    balance grant/usd capability=cap grant=0           -> held 100 spent 0
    settle  H1 usd 75 of cap/0 lease auth/lease/3      -> settled position 2 grant/usd.spent 75 grant/usd.held 0
    balance grant/usd capability=cap grant=0           -> held 0 spent 75
    `,
    async (stage) => {
      const events = await eventsOf(stage, 'H1');
      expect(events.map(({ type, position, term }) => ({ type, position, term }))).toEqual([
        { type: 'hold_authorized', position: 1, term: 'auth:3' },
        { type: 'hold_settled', position: 2, term: 'auth:3' },
      ]);
      for (const { details } of events)
        expect(
          JSON.stringify(details, (_key, value) => (typeof value === 'bigint' ? `${value}` : value)),
        ).toContain('"authorityId":"auth"');
    },
  );

  scenario(
    'example: 150 over a cap of 100 a call → denied, figures 0/0, position null, one event, no balance made',
    `
    hold    H1 agent=a usd 150 grant cap/0 usd calls 4 perHold 100 total 1000   -> denied too_large position null grant/usd.held 0 grant/usd.spent 0
    balance grant/usd capability=cap grant=0           -> none
    `,
    async (stage) => {
      expect((await eventsOf(stage, 'H1')).map(({ type }) => type)).toEqual(['hold_denied']);
      expect(stage.ledger.grants()).toEqual([]);
    },
  );

  scenario(
    'grant: a settlement with room left is not called exhausted',
    `
    hold    H1 agent=a usd 100 grant cap/0 usd calls 4 total 1000     -> verdict within
    settle  H1 usd 75                                  -> settled grant/usd.spent 75
    `,
    ({ last }) => {
      expect(last?.outcome === 'settled' && ['uncapped', 'within']).toContain(
        last?.outcome === 'settled' ? last.verdict : '',
      );
    },
  );
});
