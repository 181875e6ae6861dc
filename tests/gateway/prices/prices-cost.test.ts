// What quantities cost, to the step; and that nothing used is free, counted twice, or negative.

import { describe, expect, test } from 'vitest';
import { usd } from '#bursar/core/amount.js';
import { COMPONENTS, type Component, type Quantities } from '#bursar/gateway/metering/usage.js';
import { costNote, costOf } from '#bursar/gateway/prices/cost.js';
import type { Rates } from '#bursar/gateway/prices/price.js';

const flat = (perMillion: bigint) => [{ fromInputTokens: 0, perMillion }];

const SONNET: Rates = {
  input: flat(usd('3')),
  cache_read: flat(usd('0.3')),
  cache_write: flat(usd('3.75')),
  output: flat(usd('15')),
  web_search: flat(usd('10000')),
};

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'taken';
}

const stepsOf = (rates: Rates, quantities: Quantities, inputTokens = 0) =>
  Object.fromEntries(
    costOf(rates, quantities, inputTokens).components.map(({ component, cost }) => [component, cost]),
  );

describe('cost: a component costs its own rate', () => {
  test('problem 31: cached and written tokens → each is priced once, at its own rate', () => {
    const cost = costOf(
      SONNET,
      { input: 1_000, cache_read: 100_000, cache_write: 2_000, output: 500, web_search: 2 },
      103_000,
    );
    expect(JSON.parse(costNote(cost))).toEqual([
      ['input', 1_000, '3', '0.003'],
      ['cache_read', 100_000, '0.3', '0.03'],
      ['cache_write', 2_000, '3.75', '0.0075'],
      ['output', 500, '15', '0.0075'],
      ['web_search', 2, '10000', '0.02'],
    ]);
    expect(cost.total).toBe(usd('0.068'));
  });

  test('cost: a step and a bit in three components → each is rounded up by itself', () => {
    const rates: Rates = { input: flat(1_000_001n), cache_read: flat(1n), output: flat(1_999_999n) };
    expect(stepsOf(rates, { input: 1, cache_read: 1, output: 1 })).toEqual({
      input: 2n,
      cache_read: 1n,
      output: 2n,
    });
    expect(costOf(rates, { input: 1, cache_read: 1, output: 1 }, 2).total).toBe(5n);
  });

  test('cost: a component without a rate → the rate of what covers it, through every link', () => {
    const plain: Rates = { input: flat(7_000_000n), output: flat(9_000_000n) };
    const tokens = COMPONENTS.filter(
      (component) => !/request|search|interpreter|character|second|^image/.test(component),
    );
    const ofOutput = new Set<Component>(['output', 'reasoning', 'output_audio', 'output_image']);
    for (const component of tokens) {
      expect(stepsOf(plain, { [component]: 1 })).toEqual({ [component]: ofOutput.has(component) ? 9n : 7n });
    }
    const cached: Rates = { ...plain, cache_read: flat(2_000_000n), cache_write: flat(3_000_000n) };
    expect(stepsOf(cached, { cache_write_1h: 1, cache_read_audio: 1 })).toEqual({
      cache_write_1h: 3n,
      cache_read_audio: 2n,
    });
  });

  test('cost: a tool, or output of a model without output, that has no rate → price_unknown, not zero', () => {
    expect(refusal(() => costOf(SONNET, { code_interpreter: 1 }, 0))).toBe('price_unknown');
    expect(refusal(() => costOf({ input: flat(1n) }, { input: 1, output: 1 }, 1))).toBe('price_unknown');
    expect(costOf(SONNET, { code_interpreter: 0, input: 0 }, 0)).toEqual({ total: 0n, components: [] });
  });

  test('cost: a fee for each call → counted once unless stated otherwise, and absent where the model has none', () => {
    const fee: Rates = { ...SONNET, request: flat(usd('5000')) };
    expect(costOf(fee, {}, 0).total).toBe(usd('0.005'));
    expect(costOf(fee, { request: 0 }, 0).total).toBe(0n);
    expect(costOf(SONNET, { request: 1 }, 0).total).toBe(0n);
  });

  test('cost: rates of zero → costs zero, and the quantities are still told', () => {
    const cost = costOf({ input: flat(0n), output: flat(0n) }, { input: 5, output: 6 }, 5);
    expect(JSON.parse(costNote(cost))).toEqual([
      ['input', 5, '0', '0'],
      ['output', 6, '0', '0'],
    ]);
  });
});

describe('cost: tiers go by the whole input', () => {
  const rates: Rates = {
    input: [...flat(1_000_000n), { fromInputTokens: 200_001, perMillion: 2_000_000n }],
    cache_read: flat(0n),
    output: [
      ...flat(10_000_000n),
      { fromInputTokens: 200_001, perMillion: 30_000_000n },
      { fromInputTokens: 500_000, perMillion: 5_000_000n },
    ],
  };
  test.each([
    [200_000, 1n, 10n],
    [200_001, 2n, 30n],
    [499_999, 2n, 30n],
    [500_000, 2n, 5n],
  ])(
    'cost: %d tokens of input, most of them cached → %d for an input token, %d for an output token',
    (total, input, output) => {
      expect(stepsOf(rates, { input: 1, cache_read: total - 1, output: 1 }, total)).toMatchObject({
        input,
        output,
      });
    },
  );
});

describe('cost: a provider that reports nonsense', () => {
  test('cost: more cached tokens than tokens → the negative rest counts as none', () => {
    expect(costOf(SONNET, { input: -50, cache_read: 150, output: 1 }, 100)).toEqual(
      costOf(SONNET, { cache_read: 150, output: 1 }, 100),
    );
  });

  test.each([0.5, Number.NaN, Number.POSITIVE_INFINITY, 1e300, 1_000_000_000_001])(
    'cost: %d tokens → not_meterable',
    (tokens) => {
      expect(refusal(() => costOf(SONNET, { input: tokens }, 0))).toBe('not_meterable');
    },
  );

  test('cost: the largest amount is taken, one step more is not_meterable', () => {
    const rates: Rates = { input: flat(9_223_372_036_854_775_807n), output: flat(1n) };
    expect(costOf(rates, { input: 1_000_000 }, 0).total).toBe(9_223_372_036_854_775_807n);
    expect(refusal(() => costOf(rates, { input: 1_000_000, output: 1 }, 0))).toBe('not_meterable');
  });
});
