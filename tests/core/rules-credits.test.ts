// Credits: spend that should not have been recorded is taken back, off every balance that it counted towards, or nothing
// is. Who may ask for one over HTTP is in access-amounts.test.ts; what each does is checked by the property test as well.

import { describe, expect, test } from 'vitest';
import { openLedger } from '#bursar/index.js';
import { scenario } from '../scenario/scenario.js';

const FULL = '9223372036854775807';

describe('L6: credits', () => {
  scenario(
    'credit: recorded spend is taken back off every balance that its labels match, and remaining rises by it',
    `
    budget  all  match all unit tokens limit 100
    budget  each match user=* unit tokens limit 50
    record  user=u1 tokens 30
    hold    H1 user=u1 tokens 10
    credit  user=u1 tokens 20                   -> settled returned.tokens 20
    balance all                                 -> held 10 spent 10 remaining 80
    balance each user=u1                        -> held 10 spent 10 remaining 30
    snapshot                                    -> spent tokens 10
    `,
  );

  scenario(
    'credit: more than one of the balances has spent → credit_exceeds_spent, and none has changed',
    `
    budget  all  match all unit tokens limit 100
    budget  each match user=* unit tokens limit 50
    record  user=u1 tokens 30
    record  user=u2 tokens 5
    credit  user=u2 tokens 6                    -> rejected credit_exceeds_spent
    credit  user=u3 tokens 1                    -> rejected credit_exceeds_spent
    balance all                                 -> spent 35
    balance each user=u2                        -> spent 5
    `,
  );

  scenario(
    'credit: a negative amount, or nothing at all → invalid_amount',
    `
    budget  all match all unit tokens limit 100
    record  tokens 30
    credit  tokens -1                           -> rejected invalid_amount
    credit  tokens 0                            -> rejected invalid_amount
    balance all                                 -> spent 30
    `,
  );

  scenario(
    'credit: a meter that somebody has filled is lowered, and counts on from there',
    `
    budget  B match team=x unit tokens limit none
    record  team=x tokens max
    hold    H1 team=x tokens 5
    credit  team=x tokens max                   -> rejected credit_exceeds_spent
    credit  team=x tokens ${BigInt(FULL) - 5n}  -> settled verdict uncapped
    balance B                                   -> held 5 spent 0
    settle  H1 tokens 3
    record  team=x tokens 4
    balance B                                   -> held 0 spent 7
    `,
  );

  scenario(
    'credit: without an instant the windows in force give it back, with one those of the instant',
    `
    goto    2026-03-01T12:00:00Z
    budget  day  match all unit tokens limit 100 window day
    budget  ever match all unit tokens limit 100
    record  tokens 30
    tick    24h
    record  tokens 2
    credit  tokens 30                                   -> rejected credit_exceeds_spent
    credit  tokens 30 at 2026-03-01T12:00:00Z           -> settled
    balance day at 2026-03-01T12:00:00Z                 -> spent 0
    balance day                                         -> spent 2
    balance ever                                        -> spent 2
    credit  tokens 1 at 2026-03-03T12:00:00Z            -> rejected occurred_in_future
    `,
  );

  scenario(
    'credit: calls are taken back where they are stated, and a budget whose unit is not stated is left out',
    `
    budget  calls  match all unit calls  limit 10
    budget  tokens match all unit tokens limit 100
    record  tokens 30
    credit  tokens 30
    balance calls                               -> spent 1
    credit  calls 1
    balance calls                               -> spent 0
    balance tokens                              -> spent 0
    `,
  );

  scenario(
    'credit: what it has taken back already, a lower charge of a hold does not take back again',
    `
    budget  B match team=x unit tokens limit 100
    budget  M match team=x unit tokens limit none
    record  team=y tokens 1000
    hold    H1 team=x tokens 10
    settle  H1 tokens 10
    credit  team=x tokens 8
    correct H1 tokens 1                         -> rejected credit_exceeds_spent
    correct H1 tokens 8
    balance B                                   -> spent 0 remaining 100
    balance M                                   -> spent 0
    show    H1                                  -> settled charged tokens 8
    snapshot                                    -> spent tokens 1000
    `,
    ({ ledger }) => {
      expect(ledger.balances({ budgetId: 'M' })[0]).not.toHaveProperty('saturated');
    },
  );

  scenario(
    'credit: what it has taken off the total already, a lower charge of a hold does not take off again',
    `
    hold     H1 tokens 10
    settle   H1 tokens 10
    credit   tokens 8
    correct  H1 tokens 1                        -> rejected credit_exceeds_spent
    snapshot                                    -> spent tokens 2
    `,
  );

  scenario(
    'credit: spend that no budget counts is taken off the total, and never more than the total has',
    `
    record   tokens 30
    credit   tokens 31                          -> rejected credit_exceeds_spent
    credit   tokens 30                          -> settled
    snapshot                                    -> spent tokens 0
    `,
  );

  scenario(
    'credit: a budget that paused itself stays paused until somebody resumes it',
    `
    budget B match all unit tokens limit 10 onExhausted pause
    record tokens 10                            -> settled
    credit tokens 10                            -> settled
    hold   H1 tokens 1                          -> denied paused
    resume B
    hold   H1 tokens 1                          -> authorized
    `,
  );

  scenario(
    'credit: the same command id again → the first answer, and it is taken back once',
    `
    budget  B match all unit tokens limit 100
    record  tokens 30
    credit  tokens 10 id c
    credit  tokens 10 id c                      -> settled replayed
    credit  tokens 11 id c                      -> rejected command_id_reused
    balance B                                   -> spent 20
    `,
  );

  test('credit: the refusal names the balance, what was asked, and what is spent; the event has the reason', async () => {
    const ledger = await openLedger({ path: ':memory:' });
    await ledger.putBudget({
      id: 'each',
      match: { user: '*' },
      unit: 'tokens',
      limit: 50n,
      window: 'lifetime',
    });
    const labels = { user: 'u1' };
    await ledger.record({ labels, amounts: { tokens: 30n } });
    const refused = await ledger.credit({ labels, amounts: { tokens: 31n }, reason: 'typo' });
    expect(refused).toMatchObject({
      outcome: 'rejected',
      code: 'credit_exceeds_spent',
      message: 'More would be taken back than was spent there. (value 31 of each|u1, bound 30)',
      position: null,
    });
    const done = await ledger.credit({ labels, amounts: { tokens: 30n }, reason: 'typo' });
    expect(done).toMatchObject({ event: 'spend_credited', charged: {}, returned: { tokens: 30n } });
    const events = [];
    for await (const event of ledger.events({ type: 'spend_credited' })) events.push(event);
    expect(events).toMatchObject([
      {
        details: {
          command: 'credit_spend',
          labels,
          amounts: { tokens: 30n },
          returned: { tokens: 30n },
          reason: 'typo',
        },
        lines: [{ budgetId: 'each', spent: 0n, requested: 30n }],
      },
    ]);
    expect((await ledger.explain(done.eventId)).lines).toMatchObject([{ addsUp: true }]);
    await expect(ledger.credit({ labels, amounts: { tokens: 1n } } as never)).rejects.toThrow(/^reason/);
    expect(ledger.certify().failure).toBeNull();
    expect((await ledger.verify()).ok).toBe(true);
    await ledger.close();
  });
});
