// What a configuration changes in a ledger, at a start and at a reload, and what it leaves alone.

import { describe, expect, test } from 'vitest';
import { applySettings } from '#bursar/composition/settings/apply-settings.js';
import { parseSettings } from '#bursar/composition/settings/settings-file.js';
import { usd } from '#bursar/core/amount.js';
import type { Ledger } from '#bursar/index.js';
import { memoryPlace, onStage, type Stage } from '../scenario/scenario.js';

const withLedger = (body: (stage: Stage) => Promise<void>) => onStage(memoryPlace, body);
const settings = (text: string) => parseSettings(text, 'f');
const provider = (fields: string) =>
  `providers: { p: { dialect: openai, baseUrl: https://p.example${fields === '' ? '' : `, ${fields}`} } }`;
const budget = (id: string, fields = '') =>
  `{ id: ${id}, match: { tenant: ${id} }, unit: usd, limit: 5, window: day${fields} }`;
const limitOf = (ledger: Ledger, id: string) => ledger.budgets().find((view) => view.id === id)?.limit;

describe('applying settings', () => {
  test('apply: units, aliases, budgets and caps come into force in one step; again → nothing changes', () =>
    withLedger(async ({ ledger }) => {
      const stated = settings(`
units: { credits: { scale: 6 } }
aliases: { provider: { q: p } }
budgets: [${budget('a')}]
${provider('hourLimit: 1')}`);
      const first = await applySettings(ledger, stated);
      expect(first).toMatchObject({ applied: true, warnings: [] });
      expect(first.applied && first.text).toEqual([
        '+ unit credits  scale 6',
        '+ alias provider q  → p',
        '+ a  tenant=a: 5 usd each day',
        '+ provider/p/hour  provider=p: 1 usd each hour',
      ]);
      const { sequence } = ledger.head();
      expect(await applySettings(ledger, stated, stated)).toMatchObject({ applied: true, changes: [] });
      expect(ledger.head().sequence).toBe(sequence);
    }));

  test('reload: a cap that left the file is metered, whether its provider stays or leaves, and figures stay', () =>
    withLedger(async ({ ledger }) => {
      const before = settings(`${provider('hourLimit: 1, dayLimit: 3')}`);
      await applySettings(ledger, before);
      await ledger.record({ labels: { provider: 'p' }, amounts: { usd: usd('0.5') } });
      const without = settings(provider('dayLimit: 3'));
      const result = await applySettings(ledger, without, before);
      expect(result.applied && result.text).toEqual(['~ provider/p/hour  limit 1 → metered only']);
      expect([limitOf(ledger, 'provider/p/hour'), limitOf(ledger, 'provider/p/day')]).toEqual([
        null,
        usd('3'),
      ]);
      await applySettings(ledger, settings('budgets: []'), without);
      expect(limitOf(ledger, 'provider/p/day')).toBe(null);
      expect(ledger.check({ labels: { provider: 'p' } }).lines.map(({ spent }) => spent)).toEqual([
        usd('0.5'),
        usd('0.5'),
      ]);
    }));

  test('start: a cap that left the file while nothing ran stays in force, with a warning; none lifts it', () =>
    withLedger(async ({ ledger }) => {
      await applySettings(ledger, settings(provider('hourLimit: 1')));
      const result = await applySettings(ledger, settings(provider('')));
      expect(result).toMatchObject({
        changes: [],
        warnings: [expect.stringContaining('provider p: a cap for each hour is in force')],
      });
      expect(limitOf(ledger, 'provider/p/hour')).toBe(usd('1'));
      const lifted = await applySettings(ledger, settings(provider('hourLimit: none')));
      expect(lifted).toMatchObject({ applied: true, warnings: [] });
      expect(limitOf(ledger, 'provider/p/hour')).toBe(null);
    }));

  test('reload: a budget and an alias that left the file stay in force, with a warning', () =>
    withLedger(async ({ ledger }) => {
      const before = settings(`aliases: { provider: { q: p } }\nbudgets: [${budget('a')}, ${budget('b')}]`);
      await applySettings(ledger, before);
      const result = await applySettings(ledger, settings(`aliases: {}\nbudgets: [${budget('b')}]`), before);
      expect(result).toMatchObject({
        changes: [],
        warnings: [
          'budget a has left the configuration and stays in force; close it to refuse its calls',
          'alias provider q has left the configuration and stays in force',
        ],
      });
      expect(limitOf(ledger, 'a')).toBe(usd('5'));
      expect(ledger.aliases()).toEqual({ provider: { q: 'p' } });
    }));

  test('reload: budgets and caps that came through the API are not touched', () =>
    withLedger(async ({ ledger }) => {
      const stated = settings(`budgets: [${budget('a')}]`);
      await applySettings(ledger, stated);
      const own = { match: { provider: 'x' }, unit: 'usd', limit: 7n, window: 'hour' } as const;
      await ledger.putBudget({ id: 'provider/x/hour', ...own });
      await ledger.putBudget({ id: 'own', ...own });
      const result = await applySettings(ledger, settings(`budgets: [${budget('c')}]`), stated);
      expect(result.applied && result.changes.map(({ id }) => id)).toEqual(['c']);
      expect([limitOf(ledger, 'provider/x/hour'), limitOf(ledger, 'own')]).toEqual([7n, 7n]);
    }));

  test('reload: a window that cannot change fails as a whole, and nothing changes', () =>
    withLedger(async ({ ledger }) => {
      const before = settings(`budgets: [${budget('a')}]`);
      await applySettings(ledger, before);
      const changed = budget('a').replace('window: day', 'window: hour');
      const { sequence } = ledger.head();
      const result = await applySettings(ledger, settings(`budgets: [${changed}, ${budget('b')}]`), before);
      expect(result).toEqual({
        applied: false,
        problems: [expect.stringMatching(/^! a {2}window day → hour {2}window cannot change/)],
      });
      expect(ledger.head().sequence).toBe(sequence);
      expect(limitOf(ledger, 'b')).toBe(undefined);
    }));

  test('start: a budget of the file that was closed stays closed, and the rest is applied', () =>
    withLedger(async ({ ledger }) => {
      const before = settings(`budgets: [${budget('a')}]`);
      await applySettings(ledger, before);
      await ledger.setBudgetStatus({ budgetId: 'a', status: 'closed' });
      const result = await applySettings(ledger, settings(`budgets: [${budget('a')}, ${budget('b')}]`));
      expect(result).toMatchObject({
        applied: true,
        warnings: ['budget a is closed for good, and stays so; give it another id, or take it out'],
      });
      expect(limitOf(ledger, 'b')).toBe(usd('5'));
    }));
});
