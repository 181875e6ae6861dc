// Tiers, places and speeds: what they make of a price, exactly; which values nobody can price; and own prices before profiles.

import { describe, expect, test } from 'vitest';
import { parseSettings } from '#bursar/composition/settings/settings-file.js';
import { usd } from '#bursar/core/amount.js';
import { costOf } from '#bursar/gateway/prices/cost.js';
import { parseTimes, priceHeld, priceOfAnswer, timesOf } from '#bursar/gateway/prices/modifiers.js';
import type { ModelPrice } from '#bursar/gateway/prices/price.js';
import { openPriceBook } from '#bursar/gateway/prices/price-book.js';
import { profileNamed } from '#bursar/gateway/profiles/profiles.js';
import { RefusedError } from '#bursar/kit/refusals.js';

const book = openPriceBook([]);
const AT = Date.parse('2026-11-01T00:00:00Z');

function priceOf(provider: string, model: string) {
  const price = book.price({ provider, model, at: AT }) as ModelPrice;
  const profile = profileNamed(provider === 'x-ai' ? 'xai' : provider);
  if (price === null || profile === null) throw new Error(`${provider} ${model}`);
  return { price, model, profile };
}

/** Steps for 1,000 tokens in and out. */
const thousandOf = ({ rates }: ModelPrice) => costOf(rates, { input: 1_000, output: 1_000 }, 1_000).total;

describe('what an answer states', () => {
  test.each([
    ['openai', 'gpt-4o-mini', { service_tier: 'default' }, 75_000n],
    ['openai', 'gpt-4o-mini', { service_tier: 'priority' }, 125_000n],
    ['openai', 'gpt-4o-mini', { service_tier: 'flex' }, 37_500n],
    ['openai', 'gpt-4o', { service_tier: 'priority' }, 2_125_000n],
    ['openai', 'gpt-4.1', { service_tier: 'priority' }, 1_750_000n],
    ['openai', 'gpt-5', { service_tier: 'priority' }, 2_250_000n],
    ['openai', 'gpt-5-mini', { service_tier: 'priority' }, 405_000n],
    ['openai', 'o4-mini', { service_tier: 'priority' }, 1_000_000n],
    ['openai', 'gpt-5', { service_tier: 'batch' }, 562_500n],
    ['anthropic', 'claude-opus-4-6', { service_tier: 'standard' }, 3_000_000n],
    ['anthropic', 'claude-opus-4-6', { inference_geo: 'us' }, 3_300_000n],
    ['anthropic', 'claude-sonnet-4-6', { inference_geo: 'us' }, 1_980_000n],
    ['anthropic', 'claude-opus-4-6', { inference_geo: 'global' }, 3_000_000n],
    ['anthropic', 'claude-opus-4-5', { inference_geo: 'us' }, 3_000_000n],
    ['anthropic', 'claude-opus-4-5-20251101', { inference_geo: 'not_available' }, 3_000_000n],
    ['anthropic', 'claude-opus-4-6', { speed: 'fast' }, 18_000_000n],
    ['anthropic', 'claude-opus-4-8', { speed: 'fast' }, 6_000_000n],
    ['anthropic', 'claude-opus-4-6', { speed: 'fast', inference_geo: 'us' }, 19_800_000n],
    ['anthropic', 'claude-opus-4-6', { service_tier: 'batch', inference_geo: 'us' }, 1_650_000n],
    ['anthropic', 'claude-opus-4-6', { service_tier: 'STANDARD' }, 3_000_000n],
  ])('%s %s %j → %s steps for 1,000 tokens in and out', (provider, model, stated, steps) => {
    const { price, unpriced } = priceOfAnswer(priceOf(provider, model), stated, undefined);
    expect(thousandOf(price)).toBe(steps);
    expect(unpriced).toEqual([]);
  });

  test('the cache is multiplied too, fees for calls are not', () => {
    const { price } = priceOfAnswer(
      priceOf('anthropic', 'claude-opus-4-6'),
      { inference_geo: 'us' },
      undefined,
    );
    const { components } = costOf(
      price.rates,
      { cache_read: 1_000_000, cache_write: 1_000_000, cache_write_1h: 1_000_000, web_search: 1_000 },
      3_000_000,
    );
    expect(components.map(({ component, cost }) => [component, cost])).toEqual([
      ['cache_read', usd('0.55')],
      ['cache_write', usd('6.875')],
      ['cache_write_1h', usd('11')],
      ['web_search', usd('10')],
    ]);
  });

  test('the answer comes before the request; where it is silent, the request counts', () => {
    const of = priceOf('openai', 'gpt-4o-mini');
    const asked = { service_tier: 'priority' };
    expect(thousandOf(priceOfAnswer(of, { service_tier: 'default' }, asked).price)).toBe(75_000n);
    expect(thousandOf(priceOfAnswer(of, undefined, asked).price)).toBe(125_000n);
    expect(thousandOf(priceOfAnswer(of, { service_tier: 'priority' }, { service_tier: 'auto' }).price)).toBe(
      125_000n,
    );
  });

  test('a value that nobody can price → the usual price, and it is named', () => {
    const answer = priceOfAnswer(priceOf('openai', 'o1'), { service_tier: 'scale' }, undefined);
    expect(answer.unpriced).toEqual(['service_tier scale']);
    expect(thousandOf(answer.price)).toBe(7_500_000n);
    expect(
      priceOfAnswer(priceOf('anthropic', 'claude-opus-4-6'), { service_tier: 'priority' }, undefined)
        .unpriced,
    ).toEqual(['service_tier priority']);
    expect(
      priceOfAnswer(priceOf('anthropic', 'claude-sonnet-4-5'), { speed: 'fast' }, undefined).unpriced,
    ).toEqual(['speed fast']);
  });

  test('a fraction that does not divide → each rate is rounded up to a step', () => {
    const own: ModelPrice = {
      provider: 'p',
      model: 'm',
      source: 'own',
      rates: {
        input: [{ fromInputTokens: 0, perMillion: 10n }],
        output: [{ fromInputTokens: 0, perMillion: 11n }],
      },
      contextWindow: null,
      outputTokensMax: null,
      modifiers: { service_tier: { odd: '1/3' } },
    };
    const profile = { modifiers: [] };
    const { price } = priceOfAnswer({ price: own, model: 'm', profile }, { service_tier: 'odd' }, undefined);
    expect([price.rates.input?.[0].perMillion, price.rates.output?.[0].perMillion]).toEqual([4n, 4n]);
  });
});

describe('what a request asks for', () => {
  test('dearer → held at that price; cheaper → held at the usual one; auto → the usual one', () => {
    const of = priceOf('openai', 'gpt-4o-mini');
    const heldAt = (service_tier: string) => thousandOf(priceHeld(of, { service_tier }));
    expect(['priority', 'flex', 'auto', 'default'].map(heldAt)).toEqual([
      125_000n,
      75_000n,
      75_000n,
      75_000n,
    ]);
    expect(thousandOf(priceHeld(of, undefined))).toBe(75_000n);
    expect(thousandOf(priceHeld(priceOf('anthropic', 'claude-opus-4-6'), { speed: 'fast' }))).toBe(
      18_000_000n,
    );
  });

  test('a value without a price → price_unknown, naming the values that have one and the setting', () => {
    const refused = () => priceHeld(priceOf('openai', 'o1'), { service_tier: 'priority' });
    expect(refused).toThrow(RefusedError);
    expect(refused).toThrow(
      /service_tier is "priority"; for o1 the price is known for auto, default, .*modifiers/,
    );
  });

  test('a provider that is not known: a tier that is no dearer passes, another does not', () => {
    const of = {
      ...priceOf('openai', 'gpt-4o-mini'),
      profile: profileNamed('openai-compatible') ?? { modifiers: [] },
    };
    expect(thousandOf(priceHeld(of, { service_tier: 'flex' }))).toBe(75_000n);
    expect(() => priceHeld(of, { service_tier: 'priority' })).toThrow(RefusedError);
  });
});

describe('own prices', () => {
  const settings = parseSettings(
    `
providers: { openai: { dialect: openai, baseUrl: https://api.openai.com } }
prices:
  - { provider: openai, model: gpt-5, input: "1", output: "1", modifiers: { service_tier: { Priority: "3", flex: "0.25" } } }
`,
    'f',
  );
  const own = openPriceBook(settings.prices);
  const of = {
    price: own.price({ provider: 'openai', model: 'gpt-5', at: AT }) as ModelPrice,
    model: 'gpt-5',
    profile: settings.providers[0].profile,
  };

  test('their modifiers come before the profile’s, which stand in where they are silent', () => {
    expect(timesOf(of, 'service_tier', 'priority')).toEqual(parseTimes('3'));
    expect(timesOf(of, 'service_tier', 'flex')).toEqual(parseTimes('0.25'));
    expect(timesOf(of, 'service_tier', 'default')).toEqual(parseTimes('1'));
    expect(timesOf(of, 'service_tier', 'scale')).toBeNull();
  });

  test('they are a part of the book’s version', () => {
    const without = settings.prices.map(({ modifiers: _none, ...price }) => price);
    expect(openPriceBook(without).version).not.toBe(own.version);
  });

  test.each(['1.1', '0', '5/3', '1000', '0.000001'])('times %s is a factor', (text) => {
    expect(parseTimes(text)).not.toBeNull();
  });

  test.each(['', '-1', '1e2', '1/0', '1000.1', '1.1.1', 'x', '1,1', ' 1'])('times %j is none', (text) => {
    expect(parseTimes(text)).toBeNull();
  });
});
