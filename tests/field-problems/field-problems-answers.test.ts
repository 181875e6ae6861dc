// What goes wrong in systems of this kind, continued: windows, answers, and ways round a budget.

import { describe, expect, test } from 'vitest';
import type { Decision } from '#bursar/index.js';
import { memoryPlace, onStage, scenario } from '../scenario/scenario.js';

describe('windows', () => {
  scenario(
    'problem 26: spend that crosses a reset → is charged to the window that it was authorised in',
    `
    budget B match tenant=acme unit usd limit 10 window day
    goto   2026-01-15T23:59:59.999Z
    hold   H1 tenant=acme usd 8
    goto   2026-01-16T00:00:00Z
    settle H1 usd 6                        -> settled not late spent 6
    balance B at -1ms                      -> spent 6 remaining 4
    hold   H2 tenant=acme usd 10           -> authorized
    release H2
    correct H1 usd 7                       -> spent 7
    balance B                              -> spent 0 held 0
    `,
  );

  scenario(
    'problem 27: after the reset → free at once, and enforced again in the new window',
    `
    budget B match tenant=acme unit usd limit 10 window hour
    record tenant=acme usd 10
    hold   H1 tenant=acme usd 1            -> denied exhausted retry 3600000
    tick   59m59s
    hold   H1 tenant=acme usd 1            -> denied exhausted retry 1000
    tick   1s
    hold   H1 tenant=acme usd 10           -> authorized
    hold   H2 tenant=acme usd 1            -> denied held
    settle H1 usd 10
    hold   H3 tenant=acme usd 1            -> denied exhausted
    tick   5h
    hold   H4 tenant=acme usd 10           -> authorized
    `,
  );

  scenario(
    'problem 28: a new budget over old spend → begins at zero, also with a past record',
    `
    record tenant=acme usd 50
    budget B match tenant=acme unit usd limit 10 window day   -> done
    hold   H1 tenant=acme usd 10           -> authorized spent 0
    record tenant=acme usd 5 at -1d        -> spent 5
    balance B                              -> spent 0 held 10
    `,
  );

  scenario(
    'problem 29: a restart → refills nothing, in whatever window',
    `
    budget L match tenant=acme unit usd limit 10
    budget D match tenant=acme unit usd limit 9 window day
    budget E match tenant=acme unit usd limit 8 every PT5H
    record tenant=acme usd 3
    hold   H1 tenant=acme usd 2
    reopen
    check  tenant=acme                     -> L.remaining 5 D.remaining 4 E.remaining 3
    checkpoint
    reopen
    reopen
    check  tenant=acme                     -> L.remaining 5 D.remaining 4 E.remaining 3
    settle H1 usd 1
    check  tenant=acme                     -> L.remaining 6 D.remaining 5 E.remaining 4
    `,
  );

  scenario(
    'problem 30: calendar and fixed-length windows, in time zones, over a change of clocks',
    `
    goto   2026-03-28T22:30:00Z
    budget Z match tenant=acme unit usd limit 10 window day zone Europe/Berlin
    budget E match tenant=acme unit usd limit 10 every PT5H from 2026-03-28T20:00:00Z
    budget M match tenant=acme unit usd limit 100 window month zone Europe/Berlin day 29
    hold   H1 tenant=acme usd 10 ttl 7d           -> Z.remaining 0 E.remaining 0 M.remaining 90
    goto   2026-03-28T23:00:00Z
    hold   H2 tenant=acme usd 10 ttl 7d           -> denied held Z.violations none E.violations limit
    goto   2026-03-29T01:00:00Z
    hold   H3 tenant=acme usd 10 ttl 7d           -> authorized Z.remaining 0 E.remaining 0 M.remaining 90
    goto   2026-03-29T21:59:59.999Z        # the day of 23 hours
    hold   H4 tenant=acme usd 1            -> denied held Z.violations limit E.violations none
    goto   2026-03-29T22:00:00Z
    hold   H5 tenant=acme usd 10 ttl 7d           -> authorized
    reopen
    hold   H6 tenant=acme usd 1            -> denied held
    `,
  );

  scenario(
    'window: a leap day and a month’s end are where the calendar has them',
    `
    goto   2028-02-28T23:00:00Z
    budget D match tenant=acme unit usd limit 1 window day
    budget M match tenant=acme unit usd limit 9 window month
    record tenant=acme usd 1
    goto   2028-02-29T00:00:00Z
    hold   H1 tenant=acme usd 1            -> authorized M.remaining 7
    goto   2028-03-01T00:00:00Z
    hold   H2 tenant=acme usd 1            -> authorized M.remaining 8
    back   5d
    hold   H3 tenant=acme usd 1            -> denied held
    record tenant=acme usd 1               -> M.spent 1
    `,
  );
});

describe('answers', () => {
  test('problem 10, 35, 38: a denial → which budget, whose, what limit, what is spent and held, and when it resets', () =>
    onStage(memoryPlace, async (stage) => {
      await stage.play(`
        budget GLOBAL match all unit usd limit 1000
        budget USER match tenant=acme user=* unit usd limit 10 window day
        hold   H1 tenant=acme user=u1 usd 4
        hold   H2 tenant=acme user=u1 usd 5
        settle H2 usd 3
        hold   H3 tenant=acme user=u1 usd 5   -> denied held
      `);
      const denied = stage.last as Decision & { outcome: 'denied' };
      const violated = denied.lines.filter((line) => line.violated !== null);
      expect(violated).toHaveLength(1);
      expect(violated[0]).toMatchObject({
        budgetId: 'USER',
        values: { user: 'u1' },
        unit: 'usd',
        limit: 1_000_000_000n,
        spent: 300_000_000n,
        held: 400_000_000n,
        remaining: 300_000_000n,
        requested: 500_000_000n,
        violated: 'limit',
        resetsAt: Date.UTC(2026, 0, 16),
      });
      const explanation = await stage.ledger.explain(denied.decisionId);
      expect(explanation.lines.map(({ addsUp }) => addsUp)).toEqual([true, true]);
      expect(explanation.sentence).toContain('USER');
      expect(explanation.sentence).not.toContain('GLOBAL');
      // The same figures whenever it is asked again.
      await stage.play('settle H1 usd 4\ntopup USER user=u1 50');
      await stage.reopen();
      expect(await stage.ledger.explain(denied.decisionId)).toEqual(explanation);
    }));

  test('problem 10: enforced and recorded figures are one: explain adds up for every outcome', () =>
    onStage(memoryPlace, async (stage) => {
      await stage.play(`
        budget B match tenant=acme unit usd limit 100 window day
        budget M match tenant=acme unit usd limit none
        hold   H1 tenant=acme usd 40 ttl 1h grant c/0 usd total 90
        hold   H2 tenant=acme usd 40 ttl 1s onExpiry charge
        extend H1 add usd 5
        release H1 usd 3
        hold   H3 tenant=acme usd 90            -> denied held
        tick   1s
        settle H2 usd 41                        -> settled late
        settle H1 usd 60
        correct H1 usd 20
        record tenant=acme usd 1 at -1d
        topup  B 9
      `);
      const { sequence } = stage.ledger.head();
      for (let at = 1; at <= sequence; at += 1) {
        const { lines, event } = await stage.ledger.explain(`evt-${at}`);
        for (const line of lines)
          expect([event.type, line.line.budgetId, line.addsUp]).toEqual([
            event.type,
            line.line.budgetId,
            true,
          ]);
      }
    }));

  scenario(
    'problem 23: a budget that could not be saved → says so, and is not there',
    `
    budget B match tenant=acme unit pounds limit 10 window day   -> invalid budgets[0].unit
    define B                                                     -> none
    `,
  );
});

describe('ways round the budget', () => {
  scenario(
    'problem 22, 24: each unit that a budget counts must be stated: tokens are not counted as one a request',
    `
    budget T match tenant=acme unit tokens limit 1000
    hold   H1 tenant=acme usd 1                 -> denied unit_missing
    hold   H1 tenant=acme usd 1 tokens 900      -> remaining 100
    hold   H2 tenant=acme tokens 101            -> denied held
    `,
  );

  scenario(
    'problem 25: when every candidate is exhausted → refused, no default runs',
    `
    budget A match provider=a unit usd limit 1
    budget B match provider=b unit usd limit 1
    record provider=a usd 1
    record provider=b usd 1
    hold   H1 tenant=t provider=a usd 0.5 or provider=b   -> denied exhausted skipped exhausted
    show   H1                                             -> unknown
    `,
  );

  scenario(
    'problem 33: a limit of zero refuses everything, it does not switch the check off',
    `
    budget B match tenant=acme unit usd limit 0
    hold   H1 tenant=acme usd 0.00000001        -> denied exhausted
    hold   H1 tenant=acme usd 0 tokens 1        -> denied exhausted
    check  tenant=acme                          -> exhausted
    `,
  );

  scenario(
    'problem 39: a child’s budget binds together with its parent’s, in one step',
    `
    budget P match root=r1 unit usd limit 10
    budget C match root=r1 agent=* unit usd limit 6
    hold   H1 root=r1 agent=a usd 6
    hold   H2 root=r1 agent=b usd 6             -> denied held P.violations limit C.violations none
    hold   H3 root=r1 agent=b usd 4             -> authorized P.remaining 0 C.remaining 2
    `,
  );

  scenario(
    'problem 40: what is left → is on every answer and in a check, before any call',
    `
    budget B match tenant=acme unit usd limit 10
    check  tenant=acme usd 4                    -> within fits remaining 10
    hold   H1 tenant=acme usd 4                 -> remaining 6
    check  tenant=acme usd 7                    -> within refused held remaining 6
    settle H1 usd 1                             -> remaining 9
    `,
  );
});
