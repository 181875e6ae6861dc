// The worst case is never below what a call within its bounds can cost, and never above what some call does cost by more
// than the rounding: too low overspends, too high refuses what would fit.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { usd } from '#bursar/core/amount.js';
import type { RequestFacts } from '#bursar/gateway/metering/request-facts.js';
import type { Component, Quantities } from '#bursar/gateway/metering/usage.js';
import { costOf } from '#bursar/gateway/prices/cost.js';
import type { ModelPrice, Rates } from '#bursar/gateway/prices/price.js';
import { worstCaseOf } from '#bursar/gateway/prices/worst-case.js';

const FACTS: RequestFacts = {
  endpoint: 'chat_completions',
  model: 'm',
  stream: false,
  inputTokensMax: 1_000,
  inputTokensHeld: 1_000,
  inputIsUnbounded: false,
  conversationIsStored: false,
  inputTokensEstimate: 500,
  inputAudioTokensMax: 0,
  inputImageTokensMax: 0,
  cacheWrite: 'none',
  outputTokensStated: 100,
  choices: 1,
  outputAudio: false,
  outputImage: false,
  billedTools: {},
  inputReads: 1,
  unmetered: [],
  inputIsStored: false,
  thinkingAsked: null,
  usageAsked: true,
  user: null,
};
const LIMITS = {
  outputTokens: 100,
  toolRounds: 2,
  toolRoundTokens: 20,
  storedInputTokens: 90,
  longContext: false,
};

function priced(rates: Rates, contextWindow: number | null = null): ModelPrice {
  return { provider: 'p', model: 'm', source: 'own', rates, contextWindow, outputTokensMax: null };
}

const flat = (perMillion: bigint) => [{ fromInputTokens: 0, perMillion }];
const PLAIN = priced({ input: flat(usd('3')), output: flat(usd('15')) });

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'taken';
}

// ---------------------------------------------------------------------------------------------------------------------
// A price, a request and a usage within its bounds, all small, so that tiers and rounding matter in most of them.

const rate = fc.oneof(fc.constantFrom(0n, 1n, 999_999n, 1_000_000n, 1_000_001n), fc.bigInt(0n, 40_000_000n));
const tiers = fc
  .tuple(rate, fc.array(fc.tuple(fc.integer({ min: 1, max: 70 }), rate), { maxLength: 3 }))
  .map(([base, more]) => {
    const byStart = new Map(more);
    const above = [...byStart].sort(([left], [right]) => left - right);
    return [
      ...flat(base),
      ...above.map(([fromInputTokens, perMillion]) => ({ fromInputTokens, perMillion })),
    ];
  });
const rates: fc.Arbitrary<Rates> = fc.record(
  {
    input: tiers,
    output: tiers,
    cache_read: tiers,
    cache_write: tiers,
    cache_write_1h: tiers,
    input_audio: tiers,
    cache_read_audio: tiers,
    input_image: tiers,
    reasoning: tiers,
    output_audio: tiers,
    output_image: tiers,
    request: tiers,
    web_search: tiers,
  },
  { requiredKeys: ['input', 'output', 'web_search'] },
);

const bound = fc.integer({ min: 0, max: 80 });
const facts: fc.Arbitrary<RequestFacts> = fc
  .record({
    inputTokensMax: fc.option(bound, { freq: 5 }),
    inputAudioTokensMax: bound,
    inputImageTokensMax: bound,
    cacheWrite: fc.constantFrom('none' as const, 'short' as const, 'hour' as const),
    inputReads: fc.option(fc.integer({ min: 1, max: 3 })),
    choices: fc.integer({ min: 1, max: 3 }),
    outputAudio: fc.boolean(),
    outputImage: fc.boolean(),
    webSearches: fc.option(fc.integer({ min: 0, max: 9 })),
  })
  .map(({ webSearches, ...drawn }) => ({
    ...FACTS,
    ...drawn,
    inputTokensHeld: drawn.inputTokensMax ?? 0,
    inputIsUnbounded: drawn.inputTokensMax === null,
    billedTools: { web_search: webSearches },
  }));

const CONTEXT_WINDOW = 90;

const readsOf = (of: RequestFacts) => Math.min(of.inputReads ?? 3, LIMITS.toolRounds + 1);
/** Each reading has what the rounds of tools before it found, and none more than the window. */
const inputOf = (of: RequestFacts) => {
  const once = of.inputTokensMax ?? CONTEXT_WINDOW;
  const readings = Array.from({ length: readsOf(of) }, (_, round) => once + round * LIMITS.toolRoundTokens);
  return readings.reduce((sum, tokens) => sum + Math.min(tokens, CONTEXT_WINDOW), 0);
};
const searchesOf = (of: RequestFacts) =>
  Math.min(of.billedTools.web_search ?? LIMITS.toolRounds, readsOf(of) - 1);

/** Any split of any input and output that the request allows, and of the tools that it may use. */
function usageWithin(
  of: RequestFacts,
  outputTokens: number,
): fc.Arbitrary<{ quantities: Quantities; input: number }> {
  const text: Component[] = ['input', 'cache_read'];
  if (of.cacheWrite !== 'none') text.push('cache_write');
  if (of.cacheWrite === 'hour') text.push('cache_write_1h');
  const anything = of.inputTokensMax === null;
  const reads = readsOf(of);
  const total = inputOf(of);
  const output: Component[] = ['output', 'reasoning'];
  if (of.outputAudio) output.push('output_audio');
  if (of.outputImage) output.push('output_image');
  return fc
    .record({
      input: fc.oneof(fc.constant(total), fc.integer({ min: 0, max: total })),
      kinds: fc.array(fc.constantFrom<Component>(...text, 'input_audio', 'cache_read_audio', 'input_image'), {
        minLength: 1,
        maxLength: 90,
      }),
      output: fc.oneof(
        fc.constant(outputTokens * of.choices),
        fc.integer({ min: 0, max: outputTokens * of.choices }),
      ),
      outputKinds: fc.array(fc.constantFrom(...output), { minLength: 1, maxLength: 90 }),
      searches: fc.integer({ min: 0, max: searchesOf(of) }),
    })
    .map((drawn) => {
      const quantities: Partial<Record<Component, number>> = { web_search: drawn.searches };
      const left = {
        audio: anything ? Number.POSITIVE_INFINITY : of.inputAudioTokensMax * reads,
        image: anything ? Number.POSITIVE_INFINITY : of.inputImageTokensMax * reads,
      };
      const add = (component: Component) => {
        quantities[component] = (quantities[component] ?? 0) + 1;
      };
      for (let token = 0; token < drawn.input; token += 1) {
        const kind = drawn.kinds[token % drawn.kinds.length];
        const share = kind.endsWith('audio') ? 'audio' : kind.endsWith('image') ? 'image' : null;
        if (share === null) add(kind);
        else if (left[share] > 0) {
          left[share] -= 1;
          add(kind);
        } else add('input');
      }
      for (let token = 0; token < drawn.output; token += 1)
        add(drawn.outputKinds[token % drawn.outputKinds.length]);
      return { quantities, input: drawn.input };
    });
}

const calls = fc
  .tuple(rates, facts, fc.integer({ min: 0, max: 40 }))
  .chain(([drawnRates, drawnFacts, outputTokens]) =>
    fc.record({
      price: fc.constant(priced(drawnRates, CONTEXT_WINDOW)),
      facts: fc.constant(drawnFacts),
      outputTokens: fc.constant(outputTokens),
      usage: usageWithin(drawnFacts, outputTokens),
    }),
  );

describe('worst case: bounds what a call costs', () => {
  test('worst case: any price, any request, any usage within its bounds → costs at most the worst case', () => {
    fc.assert(
      fc.property(calls, ({ price, facts: of, outputTokens, usage }) => {
        const worst = worstCaseOf(price, of, { ...LIMITS, outputTokens });
        expect(costOf(price.rates, usage.quantities, usage.input).total).toBeLessThanOrEqual(
          worst.cost.total,
        );
      }),
      { numRuns: 3_000 },
    );
  });

  test('worst case: any price, any request → some usage within its bounds costs as much, but for the rounding', () => {
    fc.assert(
      fc.property(calls, ({ price, facts: of, outputTokens }) => {
        const worst = worstCaseOf(price, of, { ...LIMITS, outputTokens });
        const { web_search: searches = 0, ...tokens } = worst.quantities;
        const sum = (names: RegExp) =>
          Object.entries(tokens).reduce((total, [name, count]) => total + (names.test(name) ? count : 0), 0);
        const input = sum(/^(input|cache)/);
        expect(input).toBeLessThanOrEqual(inputOf(of));
        expect(sum(/^(output|reasoning)/)).toBeLessThanOrEqual(outputTokens * of.choices);
        expect(searches).toBe(searchesOf(of));
        // At most seven components of input and four of output: six and three more places to round up in.
        expect(worst.cost.total - costOf(price.rates, worst.quantities, input).total).toBeLessThanOrEqual(9n);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('worst case: cases that were thought of', () => {
  const worst = (price: ModelPrice, of: Partial<RequestFacts> = {}) => {
    const held = of.inputTokensMax ?? FACTS.inputTokensHeld;
    return worstCaseOf(price, { ...FACTS, inputTokensHeld: held, ...of }, LIMITS);
  };

  test('worst case: a plain request → its whole input and output at their rates, and a step for each split', () => {
    expect(worst(PLAIN)).toMatchObject({
      quantities: { input: 1_000, output: 100 },
      inputTokens: 1_000,
      outputTokens: 100,
    });
    // Input may be plain or cached, output text or reasoning: a step for each beside 0.0045 USD.
    expect(worst(PLAIN).cost.total).toBe(usd('0.0045') + 2n);
  });

  test('worst case: a small input in a dearer tier → what the small input costs', () => {
    const price = priced({
      input: [...flat(usd('10')), { fromInputTokens: 900, perMillion: usd('1') }],
      output: flat(usd('15')),
    });
    const { quantities, inputTokens } = worst(price);
    expect(quantities).toEqual({ input: 899, output: 100 });
    expect(inputTokens).toBe(1_000);
    expect(worst(price, { inputTokensMax: 900 }).quantities).toEqual({ input: 899, output: 100 });
  });

  test('worst case: a large input in a dearer tier → the output at that tier too', () => {
    const price = priced({
      input: flat(usd('1')),
      output: [...flat(usd('15')), { fromInputTokens: 1_000, perMillion: usd('30') }],
    });
    expect(worst(price).cost.components.at(-1)?.perMillion).toBe(usd('30'));
    expect(worst(price, { inputTokensMax: 999 }).cost.components.at(-1)?.perMillion).toBe(usd('15'));
  });

  test('worst case: a request that writes the cache → the dearest writing that it may do', () => {
    const price = priced({ ...PLAIN.rates, cache_write: flat(usd('3.75')), cache_write_1h: flat(usd('6')) });
    expect(worst(price).quantities).toEqual({ input: 1_000, output: 100 });
    expect(worst(price, { cacheWrite: 'short' }).quantities).toEqual({ cache_write: 1_000, output: 100 });
    expect(worst(price, { cacheWrite: 'hour' }).quantities).toEqual({ cache_write_1h: 1_000, output: 100 });
  });

  test('worst case: a provider that runs tools → the rounds that are expected, each with what was found before it', () => {
    const audio = { inputAudioTokensMax: 10 };
    const price = priced({ ...PLAIN.rates, input_audio: flat(usd('40')) });
    // 1,000, then 1,020, then 1,040.
    const quantities = { input: 3_030, input_audio: 30, output: 100 };
    expect(worst(price, { ...audio, inputReads: 3 })).toMatchObject({ quantities, inputTokens: 3_060 });
    for (const inputReads of [4, 1_000, null])
      expect(worst(price, { inputReads }).inputTokens, String(inputReads)).toBe(3_060);
    expect(worst(price, { inputReads: 2 })).toMatchObject({
      ...{ inputTokens: 2_020, inputTokensOnce: 1_000, isExpected: true },
    });
  });

  test('worst case: more bytes than the context window has tokens → the window, at each reading', () => {
    const price = priced(PLAIN.rates, 1_010);
    const bytes = { inputTokensMax: 400_439 };
    expect(worst(price, bytes)).toMatchObject({ inputTokens: 1_010, isExpected: false });
    expect(worst(price, { ...bytes, inputReads: 3 }).inputTokens).toBe(3_030);
    expect(worst(price, { inputReads: 3 }).inputTokens).toBe(1_000 + 1_010 + 1_010);
  });

  test('worst case: the long context → the bytes, where the price has rates beyond its window, else the window', () => {
    const beyond = { inputTokensMax: 3_000 };
    const tiered = priced(
      { ...PLAIN.rates, input: [...flat(usd('3')), { fromInputTokens: 1_501, perMillion: usd('6') }] },
      1_500,
    );
    const asked = (price: ModelPrice, longContext: boolean) =>
      worstCaseOf(price, { ...FACTS, ...beyond, inputTokensHeld: 3_000 }, { ...LIMITS, longContext })
        .inputTokens;
    expect(asked(tiered, true)).toBe(3_000);
    expect(asked(tiered, false)).toBe(1_500);
    expect(asked(priced(PLAIN.rates, 1_500), true)).toBe(1_500);
  });

  test('worst case: a document whose bytes bound nothing → what they let expect, at most the window', () => {
    const pages = { inputTokensMax: null, inputTokensHeld: 7_000 };
    expect(worst(priced(PLAIN.rates, 128_000), pages)).toMatchObject({
      inputTokens: 7_000,
      isExpected: true,
    });
    expect(worst(priced(PLAIN.rates, 5_000), pages)).toMatchObject({ inputTokens: 5_000, isExpected: false });
  });

  test('worst case: three choices → the input once, the output three times', () => {
    expect(worst(PLAIN, { choices: 3 }).quantities).toEqual({ input: 1_000, output: 300 });
  });

  test('worst case: searches → as many as rounds are expected; without a price → price_unknown', () => {
    const price = priced({ ...PLAIN.rates, web_search: flat(usd('10000')) });
    const searches = (web_search: number | null, inputReads: number | null) =>
      worst(price, { billedTools: { web_search }, inputReads }).quantities.web_search;
    expect(searches(null, null)).toBe(2);
    expect(searches(8, 10)).toBe(2);
    expect(searches(1, 3)).toBe(1);
    expect(refusal(() => worst(PLAIN, { billedTools: { web_search: 1 }, inputReads: 2 }))).toBe(
      'price_unknown',
    );
  });

  test('worst case: a conversation that the provider keeps → the context window; without one, nothing can be held', () => {
    const stored = { inputTokensMax: null, inputIsUnbounded: true, conversationIsStored: true };
    expect(worst(priced(PLAIN.rates, 128_000), stored)).toMatchObject({
      ...{ inputTokens: 128_000, isExpected: false },
    });
    expect(refusal(() => worst(PLAIN, stored))).toBe('not_meterable');
  });

  test('worst case: input that the provider stores → what is expected of it, at most the context window', () => {
    const stored = { inputTokensMax: null, inputIsUnbounded: true };
    expect(worst(priced(PLAIN.rates, 128_000), stored)).toMatchObject({
      ...{ quantities: { input: 1_090, output: 100 }, isExpected: true },
    });
    expect(worst(PLAIN, stored).inputTokens).toBe(1_090);
    expect(worst(priced(PLAIN.rates, 1_050), stored)).toMatchObject({
      inputTokens: 1_050,
      isExpected: false,
    });
    const audio = priced({ ...PLAIN.rates, input_audio: flat(usd('40')) }, 128_000);
    expect(worst(audio, stored).quantities).toEqual({ input_audio: 1_090, output: 100 });
  });

  test('worst case: a price of zero → exactly zero, so that an exhausted budget is no obstacle of rounding', () => {
    const cost = worst(priced({ input: flat(0n), output: flat(0n) }), { cacheWrite: 'hour' }).cost;
    expect(cost.total).toBe(0n);
  });

  test('worst case: an embedding, without output or a rate for it → the input alone', () => {
    const price = priced({ input: flat(usd('0.02')) });
    expect(
      worstCaseOf(price, { ...FACTS, endpoint: 'embeddings' }, { ...LIMITS, outputTokens: 0 }).quantities,
    ).toEqual({ input: 1_000 });
    expect(refusal(() => worst(price))).toBe('price_unknown');
  });

  test('worst case: output without end → not_meterable', () => {
    expect(refusal(() => worstCaseOf(PLAIN, FACTS, { ...LIMITS, outputTokens: 1e13 }))).toBe('not_meterable');
  });
});
