// Rule P10: which candidates a call has, in which order and why; and P9's exhaustion of throttled providers.

import { describe, expect, test } from 'vitest';
import { providerVerdict } from '#bursar/budgets/providers.js';
import { applySettings } from '#bursar/composition/settings/apply-settings.js';
import { parseSettings } from '#bursar/composition/settings/settings-file.js';
import { usd } from '#bursar/core/amount.js';
import { RoutingTable } from '#bursar/gateway/routing/routing-table.js';
import { ThrottledProviders } from '#bursar/gateway/routing/throttled.js';
import { memoryPlace, onStage, START, type Stage } from '../../scenario/scenario.js';

const HOUR_MS = 3_600_000;
const DAY_END = Date.UTC(2026, 0, 16);

const FILE = `
aliases: { provider: { eu: us } }
providers:
  us: { dialect: openai, baseUrl: https://us.example, hourLimit: 1, dayLimit: 2 }
  eu: { dialect: openai, baseUrl: https://eu.example }
  capped: { dialect: openai, baseUrl: https://capped.example, hourLimit: 1 }
  free: { dialect: openai, baseUrl: https://free.example }
  claude: { dialect: anthropic, baseUrl: https://claude.example }
routes:
  - { model: gpt-5, candidates: [{ provider: us }, { provider: capped, model: gpt-5-2025 }, { provider: free }] }
  - { model: gpt-*, candidates: [{ provider: eu }, { provider: claude, model: claude-x }] }
  - { model: "*", candidates: [{ provider: free, model: any }] }
`;

const ONLY = FILE.replace(', { provider: free }] }', '] }');

interface Routed extends Stage {
  readonly table: RoutingTable;
  readonly throttled: ThrottledProviders;
}

const withRoutes = (body: (stage: Routed) => Promise<void>, file = FILE) =>
  onStage(memoryPlace, async (stage) => {
    const settings = parseSettings(file, 'f');
    await applySettings(stage.ledger, settings);
    const throttled = new ThrottledProviders(stage.ledger);
    await body(
      Object.assign(stage, { throttled, table: new RoutingTable(settings, stage.ledger, throttled) }),
    );
  });

const spend = ({ ledger }: Stage, provider: string, amount: string) =>
  ledger.record({ labels: { provider }, amounts: { usd: usd(amount) } });

function routed({ table, clock }: Routed, model = 'gpt-5', dialect: 'openai' | 'anthropic' = 'openai') {
  const routing = table.route({ dialect, model }, clock.at);
  return (
    routing && {
      candidates: routing.candidates.map((each) => `${each.provider.name} ${each.model}`),
      placements: routing.placements.map((each) => `${each.provider} ${each.verdict} ${each.placed}`),
      resetsAt: routing.resetsAt,
    }
  );
}

describe('routes', () => {
  test('route: the first that matches and has a candidate of the dialect counts', () =>
    withRoutes(async (stage) => {
      expect(routed(stage, 'gpt-4')?.candidates).toEqual(['eu gpt-4']);
      expect(routed(stage, 'gpt-5', 'anthropic')?.candidates).toEqual(['claude claude-x']);
      expect(routed(stage, 'o5')?.candidates).toEqual(['free any']);
      expect(routed(stage, 'o5', 'anthropic')).toBe(null);
      expect(routed(stage, '__proto__')?.candidates).toEqual(['free any']);
      expect(stage.table.routes('openai').map(({ pattern }) => pattern)).toEqual(['gpt-5', 'gpt-*', '*']);
      expect(stage.table.routes('anthropic').map(({ pattern }) => pattern)).toEqual(['gpt-*']);
    }));
});

describe('P10: candidates', () => {
  test('routing: near ones go behind the others, exhausted ones are dropped, and why is recorded', () =>
    withRoutes(async (stage) => {
      expect(routed(stage)?.candidates).toEqual(['us gpt-5', 'capped gpt-5-2025', 'free gpt-5']);
      await spend(stage, 'us', '0.9');
      expect(routed(stage)).toEqual({
        candidates: ['capped gpt-5-2025', 'free gpt-5', 'us gpt-5'],
        placements: ['us near behind_near', 'capped within tried', 'free uncapped tried'],
        resetsAt: null,
      });
      await spend(stage, 'us', '0.1');
      expect(routed(stage)).toEqual({
        candidates: ['capped gpt-5-2025', 'free gpt-5'],
        placements: ['us exhausted dropped_exhausted', 'capped within tried', 'free uncapped tried'],
        resetsAt: null,
      });
      stage.clock.at += HOUR_MS;
      expect(routed(stage)?.candidates).toEqual(['us gpt-5', 'capped gpt-5-2025', 'free gpt-5']);
    }));

  test('routing: when none is left there is no fallback, and the earliest reset is told', () =>
    withRoutes(async (stage) => {
      await spend(stage, 'us', '2');
      await spend(stage, 'capped', '1');
      expect(routed(stage)).toEqual({
        candidates: [],
        placements: ['us exhausted dropped_exhausted', 'capped exhausted dropped_exhausted'],
        resetsAt: START + HOUR_MS,
      });
      // The hour of `us` rolls, its day does not.
      stage.clock.at += HOUR_MS;
      await spend(stage, 'capped', '1');
      await stage.ledger.exhaust({ budgetId: 'provider/capped/hour', until: DAY_END + HOUR_MS });
      expect(routed(stage)).toMatchObject({ candidates: [], resetsAt: DAY_END });
    }, ONLY));

  test('routing: a provider exhausted in both windows resets when the later one does', () =>
    withRoutes(
      async (stage) => {
        await spend(stage, 'us', '2');
        expect(routed(stage)).toMatchObject({ candidates: [], resetsAt: DAY_END });
      },
      FILE.replace(', { provider: capped, model: gpt-5-2025 }, { provider: free }] }', '] }'),
    ));

  test('routing: a paused provider is dropped, and no time is told at which it comes back', () =>
    withRoutes(async (stage) => {
      await stage.ledger.setBudgetStatus({ budgetId: 'provider/us/day', status: 'paused' });
      await stage.ledger.setBudgetStatus({ budgetId: 'provider/capped/hour', status: 'paused' });
      await spend(stage, 'capped', '1');
      expect(routed(stage)).toEqual({
        candidates: [],
        placements: ['us within dropped_not_open', 'capped exhausted dropped_exhausted'],
        resetsAt: null,
      });
    }, ONLY));

  test('routing: an alias is routed by the figures of its canonical name', () =>
    withRoutes(async (stage) => {
      await spend(stage, 'us', '1');
      expect(routed(stage, 'gpt-4')).toMatchObject({
        candidates: [],
        placements: ['eu exhausted dropped_exhausted'],
      });
    }));
});

describe('P9: throttled providers', () => {
  test('throttle: a provider with caps is exhausted in the ledger under its canonical name, until it resets', () =>
    withRoutes(async (stage) => {
      const until = START + 3 * HOUR_MS;
      await stage.throttled.throttle('eu', until, START);
      expect(providerVerdict(stage.ledger, 'us')).toMatchObject({ verdict: 'exhausted', open: false });
      expect(routed(stage)?.candidates).toEqual(['capped gpt-5-2025', 'free gpt-5']);
      expect(routed(stage, 'gpt-4')).toMatchObject({ candidates: [], resetsAt: until });
      stage.clock.at = until - 1;
      expect(routed(stage, 'gpt-4')?.candidates).toEqual([]);
      stage.clock.at = until;
      expect(routed(stage, 'gpt-4')?.candidates).toEqual(['eu gpt-4']);
      expect(providerVerdict(stage.ledger, 'us').day?.spent).toBe(0n);
    }));

  test('throttle: a restart forgets no stated reset of a provider with caps', () =>
    withRoutes(async (stage) => {
      const until = START + 3 * HOUR_MS;
      await stage.throttled.throttle('eu', until, START);
      const throttled = new ThrottledProviders(stage.ledger);
      const table = new RoutingTable(parseSettings(FILE, 'f'), stage.ledger, throttled);
      expect(table.route({ dialect: 'openai', model: 'gpt-4' }, START)?.resetsAt).toBe(until);
    }));

  test('throttle: a provider without caps is remembered until it resets, and stays uncapped in the ledger', () =>
    withRoutes(async (stage) => {
      await stage.throttled.throttle('free', START + HOUR_MS, START);
      expect(routed(stage, 'o5')).toEqual({
        candidates: [],
        placements: ['free exhausted dropped_exhausted'],
        resetsAt: START + HOUR_MS,
      });
      expect(providerVerdict(stage.ledger, 'free').verdict).toBe('uncapped');
      stage.clock.at += HOUR_MS;
      expect(routed(stage, 'o5')?.candidates).toEqual(['free any']);
    }));

  test('throttle: aliases without caps share the memory as well', () =>
    withRoutes(
      async (stage) => {
        await stage.throttled.throttle('eu', START + HOUR_MS, START);
        expect(routed(stage)?.candidates).toEqual(['capped gpt-5-2025', 'free gpt-5']);
      },
      FILE.replace(', hourLimit: 1, dayLimit: 2', ''),
    ));

  test('throttle: an alias that changed since the configuration was read takes no provider out of the memory', () =>
    withRoutes(
      async (stage) => {
        await stage.ledger.putDefinitions({ aliases: { provider: { eu: 'elsewhere' } } });
        await stage.throttled.throttle('eu', START + HOUR_MS, START);
        expect(routed(stage, 'gpt-4')?.candidates).toEqual([]);
      },
      FILE.replace(', hourLimit: 1, dayLimit: 2', ''),
    ));

  test('throttle: a provider that is used up as well comes back when both are over', () =>
    withRoutes(async (stage) => {
      await stage.throttled.throttle('us', START + 20_000, START);
      await spend(stage, 'us', '1');
      expect(routed(stage, 'gpt-4')).toMatchObject({ candidates: [], resetsAt: START + HOUR_MS });
    }));

  test('throttle: a shorter word does not shorten what is in force, and repeated ones write nothing', () =>
    withRoutes(async (stage) => {
      await stage.throttled.throttle('capped', START + 4 * HOUR_MS, START);
      const { sequence } = stage.ledger.head();
      await stage.throttled.throttle('capped', START + 20_000, START);
      await stage.throttled.throttle('capped', START + 4 * HOUR_MS + 999, START);
      expect(stage.ledger.head().sequence).toBe(sequence);
      stage.clock.at += 3 * HOUR_MS;
      expect(routed(stage)?.candidates).toEqual(['us gpt-5', 'free gpt-5']);
    }));

  const PAIR = { provider: 'us', model: 'gpt-5' };
  const unstated = (at: number) => ({ until: at + 2_000, stated: false });

  test('throttle of a model: that pair alone is dropped until its reset, with why; other models of the provider go on', () =>
    withRoutes(async (stage) => {
      expect(stage.throttled.throttlePair(PAIR, { until: START + HOUR_MS, stated: true }, START)).toBe(
        START + HOUR_MS,
      );
      expect(routed(stage)).toEqual({
        candidates: ['capped gpt-5-2025', 'free gpt-5'],
        placements: ['us within dropped_throttled', 'capped within tried', 'free uncapped tried'],
        resetsAt: null,
      });
      // The alias `eu` serves another model of the same account.
      expect(routed(stage, 'gpt-4')?.candidates).toEqual(['eu gpt-4']);
      expect(providerVerdict(stage.ledger, 'us')).toMatchObject({ verdict: 'within', open: true });
      stage.clock.at += HOUR_MS;
      expect(routed(stage)?.candidates).toContain('us gpt-5');
    }));

  test('throttle of a model: every pair dropped → the earliest reset is told, also beside an exhausted one', () =>
    withRoutes(async (stage) => {
      stage.throttled.throttlePair(PAIR, { until: START + 30_000, stated: true }, START);
      await spend(stage, 'capped', '1');
      expect(routed(stage)).toEqual({
        candidates: [],
        placements: ['us within dropped_throttled', 'capped exhausted dropped_exhausted'],
        resetsAt: START + 30_000,
      });
    }, ONLY));

  test('throttle of a model: an alias throttles the model under the canonical name as well', () =>
    withRoutes(async (stage) => {
      stage.throttled.throttlePair({ provider: 'eu', model: 'gpt-5' }, unstated(START), START);
      expect(routed(stage)?.placements[0]).toBe('us within dropped_throttled');
    }));

  test('throttle of a model: without a reset it doubles with each repetition up to 32 times, and success halves it', () =>
    withRoutes(async ({ throttled }) => {
      let now = START;
      const next = () => {
        const until = throttled.throttlePair(PAIR, unstated(now), now);
        const waited = until - now;
        now = until;
        return waited;
      };
      expect(Array.from({ length: 8 }, next)).toEqual(
        [2, 4, 8, 16, 32, 64, 64, 64].map((seconds) => seconds * 1_000),
      );
      throttled.worked(PAIR, now);
      throttled.worked(PAIR, now);
      expect(next()).toBe(16_000);
      for (let calls = 0; calls < 5; calls += 1) throttled.worked(PAIR, now);
      expect(next()).toBe(2_000);
    }));

  test('throttle of a model: calls that were under way together are no repetition, and their success ends nothing', () =>
    withRoutes(async ({ throttled }) => {
      for (let calls = 0; calls < 100; calls += 1)
        expect(throttled.throttlePair(PAIR, unstated(START + calls), START + calls)).toBe(START + 2_000);
      throttled.worked(PAIR, START + 1_000);
      expect(throttled.pairUntil(PAIR, START + 1_999)).toBe(START + 2_000);
      expect(throttled.pairUntil(PAIR, START + 2_000)).toBe(null);
    }));

  test('throttle of a model: what is remembered is bounded, whatever names callers invent', () =>
    withRoutes(async ({ throttled }) => {
      for (let model = 0; model <= 10_000; model += 1)
        throttled.throttlePair({ provider: 'us', model: `m${model}` }, unstated(START), START);
      expect(throttled.pairUntil({ provider: 'us', model: 'm0' }, START)).toBe(null);
      expect(throttled.pairUntil({ provider: 'us', model: 'm10000' }, START)).toBe(START + 2_000);
    }));

  test('throttle: what an operator says in the ledger of a capped provider counts, not the memory', () =>
    withRoutes(async (stage) => {
      await stage.throttled.throttle('capped', START + 4 * HOUR_MS, START);
      await stage.ledger.exhaust({ budgetId: 'provider/capped/hour', until: START + 1 });
      stage.clock.at += 1;
      expect(routed(stage)?.candidates).toContain('capped gpt-5-2025');
    }));
});
