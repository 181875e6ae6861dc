// Rules Q4 and Q5: credits and estimates against a naive model in rational numbers, at their bounds and between them; and
// whatever turns do, the figures of their buckets stay within what was reserved.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RefusedError } from '#bursar/kit/refusals.js';
import { ceilDiv, creditsOf, inputTokensOf, MULTIPLIER_MAX, TOKENS_MAX } from '#bursar/quotas/credits.js';
import { ESTIMATE_DEFAULT } from '#bursar/quotas/policy.js';
import { BARE, modelOf, QuotasStage } from './quotas-setup.js';

/** A rational number, kept as a fraction and rounded by counting whole parts. */
class Fraction {
  constructor(
    readonly over: bigint,
    readonly under: bigint,
  ) {}
  plus(other: Fraction): Fraction {
    return new Fraction(this.over * other.under + other.over * this.under, this.under * other.under);
  }
  times(factor: bigint): Fraction {
    return new Fraction(this.over * factor, this.under);
  }
  /** The least whole number that is not smaller. */
  ceil(): bigint {
    const whole = this.over / this.under;
    return whole * this.under === this.over ? whole : whole + 1n;
  }
}

const tokens = fc.oneof(
  fc.integer({ min: 0, max: TOKENS_MAX }),
  fc.constantFrom(0, 1, TOKENS_MAX - 1, TOKENS_MAX),
);
const multiplier = fc.oneof(
  fc.integer({ min: 1, max: MULTIPLIER_MAX }),
  fc.constantFrom(1, 999_999, 1_000_000, 1_000_001, MULTIPLIER_MAX),
);

test('Q4: credits are each component rounded up by itself, as rational numbers have it', () => {
  fc.assert(
    fc.property(
      tokens,
      tokens,
      multiplier,
      multiplier,
      (inputTokens, outputTokens, inputMultiplier, outputMultiplier) => {
        const part = (count: number, by: number) =>
          new Fraction(BigInt(count), 1_000_000n).times(BigInt(by)).ceil();
        const expected = part(inputTokens, inputMultiplier) + part(outputTokens, outputMultiplier);
        expect(creditsOf({ inputTokens, outputTokens }, { inputMultiplier, outputMultiplier })).toBe(
          expected,
        );
      },
    ),
    { numRuns: 2_000 },
  );
});

test.each([
  [0, 1, 0n],
  [1, 1, 1n],
  [1_000_000, 1, 1n],
  [1_000_001, 1, 2n],
  [3, 333_333, 1n],
  [3, 333_334, 2n],
  [TOKENS_MAX, MULTIPLIER_MAX, 100_000_000_000n],
])('Q4: %i tokens at %i → %i micro-credits of each component', (count, by, credits) => {
  const price = { inputMultiplier: by, outputMultiplier: by };
  expect(creditsOf({ inputTokens: count, outputTokens: 0 }, price)).toBe(credits);
  expect(creditsOf({ inputTokens: count, outputTokens: count }, price)).toBe(2n * credits);
});

test.each([
  [{ inputTokens: TOKENS_MAX + 1 }, {}],
  [{ outputTokens: TOKENS_MAX + 1 }, {}],
  [{ inputTokens: -1 }, {}],
  [{ outputTokens: 0.5 }, {}],
  [{ inputTokens: Number.NaN }, {}],
  [{}, { inputMultiplier: 0 }],
  [{}, { inputMultiplier: MULTIPLIER_MAX + 1 }],
  [{}, { outputMultiplier: 1.5 }],
])('Q4: out of bounds is refused: tokens %j, price %j', (used, price) => {
  const of = { inputTokens: 1, outputTokens: 1, ...used };
  const by = { inputMultiplier: 1, outputMultiplier: 1, ...price };
  expect(() => creditsOf(of, by)).toThrow(RefusedError);
});

const small = fc.integer({ min: 0, max: 1_000 });

test('Q5: the estimate is the text and the fixed part with the safety, and a part for each thing, rounded up twice', () => {
  const rules = fc.record({
    bytesPerToken: fc.integer({ min: 1, max: 9 }),
    fixedTokens: small,
    safetyPercent: fc.integer({ min: 0, max: 200 }),
    imageTokens: small,
    toolTokens: small,
    webSearchTokens: small,
    codeInterpreterTokens: small,
    outputTokensMin: small,
  });
  const size = fc.record({
    textBytes: fc.integer({ min: 0, max: 2_000_000 }),
    images: fc.integer({ min: 0, max: 50 }),
    tools: fc.integer({ min: 0, max: 50 }),
    webSearches: fc.integer({ min: 0, max: 50 }),
    codeInterpreterCalls: fc.integer({ min: 0, max: 50 }),
  });
  fc.assert(
    fc.property(rules, size, (by, of) => {
      const text = new Fraction(BigInt(of.textBytes), BigInt(by.bytesPerToken)).ceil();
      const safe = new Fraction(text, 1n)
        .plus(new Fraction(BigInt(by.fixedTokens), 1n))
        .times(BigInt(100 + by.safetyPercent));
      const things =
        of.images * by.imageTokens +
        of.tools * by.toolTokens +
        of.webSearches * by.webSearchTokens +
        of.codeInterpreterCalls * by.codeInterpreterTokens;
      const expected = new Fraction(safe.over, safe.under * 100n).ceil() + BigInt(things);
      expect(BigInt(inputTokensOf(of, by))).toBe(expected);
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  [{ textBytes: 0 }, 110],
  [{ textBytes: 1 }, 112],
  [{ textBytes: 4_000 }, 1_210],
  [{ textBytes: 4_001 }, 1_212],
  [{ textBytes: 9_999, inputTokens: 1_000 }, 1_210],
  [{ textBytes: 0, images: 2 }, 2_110],
  [{ textBytes: 0, tools: 1 }, 610],
  [{ textBytes: 0, webSearches: 1 }, 610],
  [{ textBytes: 0, codeInterpreterCalls: 1 }, 1_110],
])('Q5: by the defaults, %j is estimated at %i tokens', (size, expected) => {
  expect(inputTokensOf(size, ESTIMATE_DEFAULT)).toBe(expected);
});

test('Q5: more than ten million tokens, or a count that is none, is refused', () => {
  const bare = { ...ESTIMATE_DEFAULT, ...BARE };
  expect(inputTokensOf({ textBytes: 0, inputTokens: TOKENS_MAX }, bare)).toBe(TOKENS_MAX);
  expect(() => inputTokensOf({ textBytes: 0, inputTokens: TOKENS_MAX + 1 }, bare)).toThrow(RefusedError);
  expect(() => inputTokensOf({ textBytes: 0, images: 2 ** 52 }, bare)).toThrow(RefusedError);
  expect(() => inputTokensOf({ textBytes: -1 }, bare)).toThrow(RefusedError);
  expect(() => inputTokensOf({ textBytes: 0, tools: 0.1 }, bare)).toThrow(RefusedError);
});

test.each([
  [undefined, 1_000, 1_110],
  [1_001, 1_000, 1_110],
  [999, 1_000, 1_109],
])(
  'Q5: the reserve is the estimate and the smaller output limit: the caller’s %s, the model’s %i → %i tokens',
  async (own, of, held) => {
    const stage = await QuotasStage.open({ tiers: ['one'], models: [modelOf('m', 'one', 1_000_000, of)] });
    const { terms } = (await stage.hold(own === undefined ? {} : { outputTokensMax: own })) as {
      terms: { held: unknown };
    };
    expect(terms.held).toMatchObject({ tokens: BigInt(held), credits: BigInt(held), input_tokens: 110n });
  },
);

test('rounding up divides exactly where it can', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 2n ** 70n }),
      fc.bigInt({ min: 1n, max: 2n ** 40n }),
      (over, under) => {
        const rounded = ceilDiv(over, under);
        expect(rounded * under >= over && (rounded - 1n) * under < over).toBe(true);
      },
    ),
  );
});
