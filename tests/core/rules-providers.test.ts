// Rules P1 to P8: providers as budgets with an hour and a day window, their verdicts, aliases and forced exhaustion.

import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  exhaustProvider,
  openLedger,
  openReader,
  PROVIDER_ALIASES_DEFAULT,
  parseBudgetFile,
  providerBudgets,
  providers,
  providerVerdict,
  recordProviderSpend,
  usd,
} from '#bursar/index.js';
import { inEachPlace, memoryPlace, onStage, type Stage, scenario } from '../scenario/scenario.js';

const HOUR_MS = 3_600_000;

/** A stage with these provider budgets and the default aliases. */
const withProviders = (
  caps: Record<string, { hour?: string; day?: string }>,
  body: (stage: Stage) => Promise<void>,
  place = memoryPlace,
) =>
  onStage(place, async (stage) => {
    const budgets = Object.entries(caps).flatMap(([name, { hour, day }]) =>
      providerBudgets(name, {
        ...(hour === undefined ? {} : { hourLimit: usd(hour) }),
        ...(day === undefined ? {} : { dayLimit: usd(day) }),
      }),
    );
    await stage.ledger.putDefinitions({ budgets, aliases: PROVIDER_ALIASES_DEFAULT });
    await body(stage);
  });

const HOUR = 'budget provider/p/hour match provider=p unit usd limit 1 window hour';
const DAY = 'budget provider/p/day match provider=p unit usd limit 1.5 window day';

describe('P1: an hour cap and a day cap', () => {
  scenario(
    'provider: both windows move together, in one step',
    `
    ${HOUR}
    ${DAY}
    hold    H1 provider=p usd 0.4   -> provider/p/hour.held 0.4 provider/p/day.held 0.4
    settle  H1 usd 0.3              -> provider/p/hour.spent 0.3 provider/p/day.spent 0.3
    hold    H2 provider=p usd 0.8   -> denied exhausted provider/p/hour.violations limit provider/p/day.violations none
    balance provider/p/day          -> held 0 spent 0.3
    `,
  );

  test('provider: budgets as the budget file states them and as caps state them are the same', () => {
    const file = parseBudgetFile(
      'providers: { p: { hourLimit: "1", dayLimit: "1.5", warnAtPercent: 70 }, q: { dayLimit: 2 } }',
      'f',
    );
    const caps = { hourLimit: usd(1), dayLimit: usd('1.5'), warnAtPercent: 70 };
    expect(file.budgets).toEqual([
      ...providerBudgets('p', caps),
      ...providerBudgets('q', { dayLimit: usd(2) }),
    ]);
    expect(file.budgets.map(({ id }) => id)).toEqual(['provider/p/hour', 'provider/p/day', 'provider/q/day']);
  });

  inEachPlace('provider: no reader sees one window without the other while spend is booked', (place) =>
    withProviders(
      { p: { hour: '100', day: '100' } },
      async ({ ledger }) => {
        const spends = Array.from({ length: 50 }, () => recordProviderSpend(ledger, 'p', usd('0.01')));
        for (const spend of spends) {
          const { hour, day } = providerVerdict(ledger, 'p');
          expect(hour?.spent).toBe(day?.spent);
          await spend;
        }
      },
      place,
    ),
  );
});

describe('P2: verdicts', () => {
  scenario(
    'verdict: no cap uncapped, cap zero exhausted, from the warn percentage near, from the cap exhausted',
    `
    budget M match provider=m unit usd limit none window hour
    budget Z match provider=z unit usd limit 0 window hour
    ${HOUR}
    budget W match provider=w unit usd limit 1 window hour warnAt 50
    check  provider=none       -> uncapped fits worst none
    check  provider=m          -> uncapped
    check  provider=z          -> exhausted worst Z
    check  provider=p          -> within
    record provider=p usd 0.79999999
    check  provider=p          -> within
    record provider=p usd 0.00000001
    check  provider=p          -> near
    record provider=p usd 0.19999999
    check  provider=p          -> near
    record provider=p usd 0.00000001
    check  provider=p          -> exhausted
    record provider=w usd 0.5
    check  provider=w          -> near
    hold   H provider=m usd 5  -> authorized verdict uncapped
    settle H usd 5             -> verdict uncapped
    record provider=m usd 5    -> verdict uncapped
    check  provider=m          -> uncapped
    `,
  );

  scenario(
    'verdict: what is held is not spent: a provider with open holds is not called exhausted',
    `
    ${HOUR}
    hold   H1 provider=p usd 1     -> verdict within remaining 0
    check  provider=p              -> within
    check  provider=p usd 0.1      -> within refused held
    `,
  );

  test('verdict: a set has its worst, and on a tie the shorter window is named', () =>
    withProviders({ p: { hour: '1', day: '1' }, q: { hour: '9', day: '1' } }, async ({ ledger }) => {
      expect(providerVerdict(ledger, 'p')).toMatchObject({ verdict: 'within', window: 'hour', open: true });
      await recordProviderSpend(ledger, 'p', usd('0.9'));
      expect(providerVerdict(ledger, 'p')).toMatchObject({ verdict: 'near', window: 'hour' });
      await recordProviderSpend(ledger, 'q', usd(2));
      expect(providerVerdict(ledger, 'q')).toMatchObject({
        verdict: 'exhausted',
        window: 'day',
        open: false,
      });
      const { worst } = ledger.check({ labels: { provider: 'p' } });
      expect(worst?.budgetId).toBe('provider/p/hour');
    }));
});

describe('P3: windows roll', () => {
  scenario(
    'window: a new hour and a new day start at zero, and a check changes nothing',
    `
    ${HOUR}
    ${DAY}
    goto   2026-01-15T23:30:00Z
    record provider=p usd 1
    check  provider=p              -> exhausted worst provider/p/hour
    goto   2026-01-15T23:59:59.999Z
    check  provider=p              -> exhausted
    goto   2026-01-16T00:00:00Z
    check  provider=p              -> within provider/p/hour.spent 0 provider/p/day.spent 0
    balance provider/p/hour        -> none
    hold   H1 provider=p usd 1     -> authorized provider/p/day.remaining 0.5
    `,
  );

  test('check: leaves no record in the journal', () =>
    withProviders({ p: { hour: '1' } }, async ({ ledger, clock }) => {
      const head = ledger.head();
      for (let hours = 0; hours < 3; hours += 1) {
        providerVerdict(ledger, 'p');
        ledger.check({ labels: { provider: 'p' }, amounts: { usd: 5n } });
        providers(ledger);
        clock.at += HOUR_MS;
      }
      await ledger.verify();
      expect(ledger.head()).toEqual(head);
    }));

  scenario(
    'window: a late record for an earlier hour books there and never wipes the current one',
    `
    ${HOUR}
    record  provider=p usd 0.2
    record  provider=p usd 0.9 at -1h      -> spent 0.9 verdict near
    balance provider/p/hour                -> spent 0.2 current
    balance provider/p/hour at -1h         -> spent 0.9 not current
    record  provider=p usd 0.3 at -1h      -> spent 1.2 remaining -0.2 verdict exhausted
    check   provider=p                     -> within spent 0.2
    tick    1h
    record  provider=p usd 0.1 at -1h      -> spent 0.3
    check   provider=p                     -> within spent 0
    `,
  );
});

describe('P4: an unknown provider', () => {
  test('unknown provider: uncapped; recording and exhausting it is no error', () =>
    withProviders({ p: { hour: '1' } }, async ({ ledger }) => {
      const uncapped = { verdict: 'uncapped', window: null, open: true, hour: null, day: null };
      expect(providerVerdict(ledger, 'nobody')).toMatchObject({ provider: 'nobody', ...uncapped });
      expect(await recordProviderSpend(ledger, 'nobody', usd(3))).toMatchObject({ outcome: 'settled' });
      expect(await exhaustProvider(ledger, 'nobody')).toEqual([]);
      expect(providerVerdict(ledger, 'nobody')).toMatchObject(uncapped);
      expect(ledger.snapshot().spent.usd).toBe(usd(3));
      expect(providers(ledger).map(({ provider }) => provider)).toEqual(['p']);
    }));
});

describe('P5: forced exhaustion', () => {
  test('exhaust: trips each capped window until it rolls, and leaves the spend as it was', () =>
    withProviders({ p: { hour: '1', day: '2' } }, async ({ ledger, clock }) => {
      await recordProviderSpend(ledger, 'p', usd('0.1'));
      expect(await exhaustProvider(ledger, 'p')).toMatchObject([{ outcome: 'done' }, { outcome: 'done' }]);
      const forced = providerVerdict(ledger, 'p');
      expect(forced).toMatchObject({ verdict: 'exhausted', window: 'hour', open: false });
      expect(forced.hour).toMatchObject({ spent: usd('0.1'), remaining: usd('0.9') });
      const hold = { holdId: 'H', labels: { provider: 'p' }, amounts: { usd: 1n } };
      expect(await ledger.authorize(hold)).toMatchObject({ outcome: 'denied', reason: 'exhausted' });
      clock.at += HOUR_MS;
      expect(providerVerdict(ledger, 'p')).toMatchObject({ verdict: 'exhausted', window: 'day' });
      expect(providerVerdict(ledger, 'p').hour).toMatchObject({ verdict: 'within', spent: 0n });
      clock.at += 14 * HOUR_MS;
      expect(providerVerdict(ledger, 'p')).toMatchObject({ verdict: 'within', open: true });
      expect(await ledger.authorize(hold)).toMatchObject({ outcome: 'authorized' });
    }));

  scenario(
    'exhaust: an uncapped budget stays uncapped, and real spend is neither raised nor lowered',
    `
    budget  M match provider=m unit usd limit none window hour
    ${HOUR}
    record  provider=p usd 0.4
    record  provider=m usd 0.4
    exhaust M                              -> done
    exhaust provider/p/hour                -> done
    check   provider=m                     -> uncapped
    hold    H1 provider=m usd 5            -> authorized verdict uncapped
    balance provider/p/hour                -> forced spent 0.4 remaining 0.6 verdict exhausted
    record  provider=p usd 0.1             -> spent 0.5 verdict exhausted
    balance provider/p/hour                -> forced spent 0.5 verdict exhausted
    reopen
    check   provider=p                     -> exhausted
    tick    1h
    check   provider=p                     -> within
    hold    H2 provider=p usd 1            -> authorized
    `,
  );

  test('exhaust: until a stated instant → the provider resets then, or when a window that is used up ends', () =>
    withProviders({ p: { hour: '1', day: '2' } }, async ({ ledger, clock }) => {
      const hourEnd = clock.at + HOUR_MS;
      const until = hourEnd + 1_000;
      await exhaustProvider(ledger, 'p', until);
      const forced = providerVerdict(ledger, 'p');
      expect([forced.resetsAt, forced.hour?.resetsAt, forced.day?.resetsAt]).toEqual([until, until, until]);
      expect(forced.hour?.window.end).toBe(hourEnd);
      await recordProviderSpend(ledger, 'p', usd('2'));
      const usedUp = providerVerdict(ledger, 'p');
      expect([usedUp.hour?.resetsAt, usedUp.day?.resetsAt]).toEqual([until, usedUp.day?.window.end]);
      clock.at = until;
      expect(providerVerdict(ledger, 'p').hour).toMatchObject({
        verdict: 'within',
        resetsAt: hourEnd + HOUR_MS,
      });
    }));

  scenario(
    'exhaust: until a stated instant, which must be to come; a denial says how long to wait',
    `
    ${HOUR}
    exhaust provider/p/hour until -1s      -> rejected until_not_later
    exhaust provider/p/hour until +20m     -> done
    hold    H1 provider=p usd 0.1          -> denied exhausted violations forced_exhausted retry 1200000
    tick    19m59s
    hold    H2 provider=p usd 0.1          -> denied retry 1000
    tick    1s
    hold    H3 provider=p usd 0.1          -> authorized
    exhaust provider/p/hour until +2h
    tick    1h
    hold    H4 provider=p usd 0.1          -> denied exhausted
    tick    1h
    hold    H4 provider=p usd 0.1          -> authorized
    `,
  );

  scenario(
    'exhaust: a settlement of what was held before is booked, and told as exhausted',
    `
    ${HOUR}
    hold    H1 provider=p usd 0.5
    exhaust provider/p/hour
    settle  H1 usd 0.2                     -> settled spent 0.2 remaining 0.8 verdict exhausted
    `,
  );

  scenario(
    'exhaust: the flag is of the open window: a late record for an earlier hour is judged by its own figures',
    `
    ${HOUR}
    exhaust provider/p/hour
    record  provider=p usd 0.1 at -1h      -> spent 0.1 verdict within
    `,
  );
});

describe('P6: aliases', () => {
  test('alias: recording, checking, exhausting and authorising all use the one canonical key', () =>
    withProviders({ 'claude-code': { hour: '1', day: '2' } }, async ({ ledger }) => {
      const names = ['anthropic', 'claude-code', 'sonnet', 'opus', 'haiku', 'anthropic/claude-opus-4'];
      names.push('claude-code/sonnet', 'anthropic/a/b');
      for (const name of names) {
        expect(await recordProviderSpend(ledger, name, usd('0.05'))).toMatchObject({ lines: [{}, {}] });
        const hold = { holdId: name, labels: { provider: name }, amounts: { usd: usd('0.05') } };
        expect(await ledger.authorize(hold)).toMatchObject({ lines: [{}, {}] });
        await ledger.settle({ holdId: name, amounts: { usd: usd('0.05') } });
      }
      for (const name of names) {
        expect(providerVerdict(ledger, name)).toMatchObject({
          provider: 'claude-code',
          verdict: 'near',
          hour: { spent: usd('0.8') },
        });
      }
      expect(await exhaustProvider(ledger, 'haiku')).toHaveLength(2);
      for (const name of names) expect(providerVerdict(ledger, name).verdict).toBe('exhausted');
      expect(providers(ledger)).toHaveLength(1);
    }));

  test('alias: any other name is itself, whatever it resembles', () =>
    withProviders({ 'claude-code': { hour: '1' }, openai: { hour: '1' } }, async ({ ledger }) => {
      for (const name of [
        'Anthropic',
        'sonnet-4',
        '/anthropic',
        'gpt/sonnet',
        'constructor',
        'hasOwnProperty',
      ])
        expect(providerVerdict(ledger, name)).toMatchObject({ provider: name, verdict: 'uncapped' });
      expect(providerVerdict(ledger, 'openai/gpt-5').provider).toBe('openai');
    }));

  scenario(
    'alias: the table is configuration, and applies to budgets by wildcard and to named accounts too',
    `
    budget  P match provider=* unit usd limit 1 window day
    record  provider=mistral usd 0.4
    alias   provider mistral le-chat
    record  provider=mistral usd 0.3       -> spent 0.3
    record  provider=mistral/large usd 0.3 -> spent 0.6
    balance P provider=le-chat             -> spent 0.6
    limit   P provider=mistral 0.7
    balance P provider=le-chat             -> limit 0.7
    exhaust P provider=mistral/small
    check   provider=le-chat               -> exhausted
    reopen
    check   provider=mistral               -> exhausted
    `,
  );
});

describe('P7: restarts', () => {
  test('restart: figures and flags of both windows survive it', () =>
    withProviders({ p: { hour: '5', day: '9' } }, async (stage) => {
      await recordProviderSpend(stage.ledger, 'p', usd('1.23'));
      await exhaustProvider(stage.ledger, 'p', stage.clock.at + HOUR_MS / 2);
      const before = providers(stage.ledger);
      await stage.reopen();
      expect(providers(stage.ledger)).toEqual(before);
    }));

  test('view: a provider that is no longer configured is dropped, and its calls are refused', () =>
    withProviders({ p: { hour: '5', day: '9' }, q: { hour: '5' } }, async (stage) => {
      const { ledger } = stage;
      await ledger.putDefinitions({ close: ['provider/p/hour', 'provider/p/day'] });
      expect(providers(ledger).map(({ provider }) => provider)).toEqual(['q']);
      expect(providerVerdict(ledger, 'p').open).toBe(false);
      const hold = { holdId: 'H', labels: { provider: 'p' }, amounts: { usd: 1n } };
      expect(await ledger.authorize(hold)).toMatchObject({ outcome: 'denied', reason: 'closed' });
      expect(await exhaustProvider(ledger, 'p')).toEqual([]);
    }));

  test('restart: an unreadable state is an error, not an empty start', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bursar-providers-'));
    try {
      const path = join(folder, 'ledger.db');
      writeFileSync(path, 'this is no ledger, but somebody wrote it here all the same\n'.repeat(100));
      await expect(openLedger({ path })).rejects.toThrow();
      await expect(openReader(path)).rejects.toThrow();
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
