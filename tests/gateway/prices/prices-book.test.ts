// The price book against the data itself, the package that the data is from, and a user's own prices: which price a name
// has at an instant, and that a name which has none is not given another's.

import { readFileSync } from 'node:fs';
import { calcPrice, type ModelInfo, waitForUpdate } from '@pydantic/genai-prices';
import { describe, expect, test } from 'vitest';
import { parseSettings } from '#bursar/composition/settings/settings-file.js';
import { usd } from '#bursar/core/amount.js';
import { costOf } from '#bursar/gateway/prices/cost.js';
import { ratesOf, stepsOf } from '#bursar/gateway/prices/data-rates.js';
import type { OwnPrice } from '#bursar/gateway/prices/price.js';
import { openPriceBook } from '#bursar/gateway/prices/price-book.js';

const AT = Date.parse('2026-11-01T12:00:00Z');
const BOOK = openPriceBook([]);
const PROVIDERS = (await waitForUpdate()) ?? [];

const flat = (perMillion: bigint) => [{ fromInputTokens: 0, perMillion }];

function own(model: string, inputUsd: string, more: Partial<OwnPrice> = {}): OwnPrice {
  const rates = { input: flat(usd(inputUsd)), output: flat(usd(inputUsd)) };
  return { provider: 'openai', model, from: 0, rates, contextWindow: null, outputTokensMax: null, ...more };
}

const inputOf = (book: typeof BOOK, model: string, at = AT) =>
  book.price({ provider: 'openai', model, at })?.rates.input?.[0].perMillion;

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return `${(error as { code: string }).code}: ${(error as Error).message}`;
  }
  return 'taken';
}

/** Every name that a clause of the data spells out. */
function spelledOut(match: ModelInfo['match']): string[] {
  if ('or' in match) return match.or.flatMap(spelledOut);
  return 'equals' in match ? [match.equals] : [];
}

describe('price book: the data', () => {
  test('price book: a known model → its rates as exact steps, its tiers above their start, its window', () => {
    expect(BOOK.price({ provider: 'anthropic', model: 'claude-sonnet-4-5-20250929', at: AT })).toEqual({
      provider: 'anthropic',
      model: 'claude-sonnet-4-5',
      source: 'genai-prices',
      contextWindow: 200_000,
      outputTokensMax: null,
      rates: {
        input: [...flat(usd('3')), { fromInputTokens: 200_001, perMillion: usd('6') }],
        cache_read: [...flat(usd('0.3')), { fromInputTokens: 200_001, perMillion: usd('0.6') }],
        cache_write: [...flat(usd('3.75')), { fromInputTokens: 200_001, perMillion: usd('7.5') }],
        cache_write_1h: [...flat(usd('6')), { fromInputTokens: 200_001, perMillion: usd('12') }],
        output: [...flat(usd('15')), { fromInputTokens: 200_001, perMillion: usd('22.5') }],
        web_search: flat(usd('10000')),
      },
    });
  });

  test('price book: every name that the data spells out → the model and the cost that the package gives, or no price', () => {
    const usage = { input_tokens: 300_000, cache_read_tokens: 120_000, output_tokens: 7_000 };
    let priced = 0;
    for (const { id: provider, models } of PROVIDERS) {
      for (const name of models.flatMap(({ id, match }) => [id, ...spelledOut(match)])) {
        const price = BOOK.price({ provider, model: name, at: AT });
        if (price?.rates.output === undefined) continue;
        const theirs = calcPrice(usage, name, { providerId: provider, timestamp: new Date(AT) });
        expect([name, theirs?.provider.id, theirs?.model.id]).toEqual([name, price.provider, price.model]);
        const ours = costOf(price.rates, { input: 180_000, cache_read: 120_000, output: 7_000 }, 300_000);
        expect(Math.abs(Number(ours.total) / 1e8 - (theirs?.total_price ?? 0))).toBeLessThan(1e-6);
        priced += 1;
      }
    }
    expect(priced).toBeGreaterThan(3_000);
  });

  test('price book: each model with dated prices → at each of its instants the price that the package gives', () => {
    const dated = PROVIDERS.flatMap(({ id: provider, models }) =>
      models.filter(({ prices }) => Array.isArray(prices)).map((model) => ({ provider, model })),
    );
    let compared = 0;
    for (const { provider, model } of dated) {
      const constraints = (
        model.prices as { constraint?: { start_date?: string; start_time?: string; end_time?: string } }[]
      )
        .flatMap(({ constraint }) => [constraint?.start_date, constraint?.start_time, constraint?.end_time])
        .filter((edge) => edge !== undefined)
        .map((edge) => Date.parse(edge.includes(':') ? `2026-11-01T${edge}` : `${edge}T00:00:00Z`));
      for (const at of constraints.flatMap((edge) => [edge - 1, edge, edge + 1])) {
        const price = BOOK.price({ provider, model: model.id, at });
        if (price === null) continue;
        const theirs = calcPrice({}, model.id, { providerId: provider, timestamp: new Date(at) });
        expect(price.rates).toEqual(ratesOf(theirs?.model_price ?? {}));
        compared += 1;
      }
    }
    expect(compared).toBeGreaterThan(60);
  });

  test('price book: a price that changes at an instant → changes for a name that was asked for before', () => {
    const before = Date.parse('2025-06-10T00:00:00Z') - 1;
    expect([before, before + 1, before].map((at) => inputOf(BOOK, 'o3', at))).toEqual([
      usd('10'),
      usd('2'),
      usd('10'),
    ]);
  });
});

describe('price book: a name that the data does not know', () => {
  test.each([
    ['openai', 'gpt-4-foo-unknown'],
    ['openai', 'gpt-4o-'],
    ['openai', 'gpt-4o-2031-01-01'],
    ['openai', 'gpt-5-nano-pro'],
    ['openai', 'ft:gpt-4.1-2025-04-14:acme::x1'],
    ['openai', ' gpt-4o'],
    ['openai', 'gpt-4o\u0000'],
    ['openai', 'ɡpt-4o'],
    ['anthropic', 'claude-hai\u212au-4-5'],
    ['openai', ''],
    ['openai', 'constructor'],
    ['openai', '__proto__'],
    ['openai', `gpt-5-nano-${'9'.repeat(1_000_000)}`],
    ['anthropic', 'claude-9'],
    ['anthropic', 'claude-sonnet-5-7'],
    ['anthropic', 'claude-sonnet-5-7-20270101'],
    ['anthropic', 'claude-opus-4-5-ultra'],
    ['anthropic', 'my-claude-v2-clone'],
    ['aws', 'amazon.nova-lite-v2:0'],
    ['google', 'gemini-3.6-flash-ultra'],
    ['__proto__', 'gpt-4o'],
    ['constructor', 'gpt-4o'],
    ['my-openai', 'gpt-4o'],
    ['', 'gpt-4o'],
  ])('price book: %j %j → no price', (provider, model) => {
    expect(BOOK.price({ provider, model, at: AT })).toBeNull();
  });

  test('price book: a model that the data prices by the hour of audio → a rate for each second, and for nothing else', () => {
    const price = BOOK.price({ provider: 'openai', model: 'whisper-1', at: AT });
    // 0.36 USD an hour are 0.0001 USD a second.
    expect(price?.rates.audio_second).toEqual([{ fromInputTokens: 0, perMillion: 10_000n * 1_000_000n }]);
    expect(() => costOf(price?.rates ?? {}, { output: 1 }, 0)).toThrow('no price for output');
  });

  test("price book: OpenAI's image models, whose output is images → the data's rate of output is theirs", () => {
    const price = BOOK.price({ provider: 'openai', model: 'gpt-image-1', at: AT });
    const { total } = costOf(
      price?.rates ?? {},
      { input: 1, input_image: 1, cache_read_image: 1, output_image: 1 },
      3,
    );
    // 5 + 10 + 2.5 + 40 USD for a million of each.
    expect(total).toBe(500n + 1_000n + 250n + 4_000n);
  });

  test.each([
    ['openai', 'gpt-4o-2024-08-06', 'gpt-4o'],
    ['openai', 'GPT-4o', 'gpt-4o'],
    ['openai', 'gpt-5.6-sol-2026-05-01', 'gpt-5.6-sol'],
    ['openai', 'gpt-4o-realtime-preview-2024-12-17', 'gpt-4o-realtime-preview'],
    ['openai', 'ft:gpt-4o-mini-2024-07-18:acme:suffix:x1', 'ft:gpt-4o-mini'],
    ['anthropic', 'claude-3-5-haiku-latest', 'claude-3-5-haiku-latest'],
    ['anthropic', 'claude-sonnet-4-20250514', 'claude-sonnet-4-0'],
    ['google', 'claude-sonnet-4-5@20250929', 'claude-sonnet-4-5'],
    ['google', 'gemini-2.0-flash-001', 'gemini-2.0-flash'],
    ['azure', 'gpt-5.2', 'gpt-5.2'],
  ])(
    'price book: %j %j, a name or dated variant that the data states → the price of %j',
    (provider, model, priced) => {
      expect(BOOK.price({ provider, model, at: AT })?.model).toBe(priced);
    },
  );
});

describe('price book: data that says too little', () => {
  test.each([
    ['no price at all', {}],
    ['a key that is not understood', { input_mtok: 1, output_mtok: 1, output_video_mtok: 9 }],
    ['no rate for input', { output_mtok: 1 }],
    ['a negative price', { input_mtok: -1 }],
    ['a price that is no number', { input_mtok: 'free' }],
    ['an infinite price', { input_mtok: Number.POSITIVE_INFINITY }],
    ['a tier without a start', { input_mtok: { base: 1, tiers: [{ price: 2 }] } }],
  ])('price data: %s → no price', (_what, prices) => {
    expect(ratesOf(prices)).toBeNull();
  });

  test.each([
    ['openai', 'gpt-4o-audio-preview', 'audio at the price of text'],
    ['openai', 'gpt-4o-mini-search-preview', 'searches without their fee'],
    ['openai', 'gpt-5-image', 'images at the price of text'],
    ['openai', 'moderation', 'an empty price'],
    ['openrouter', 'openai/gpt-oss-20b:free', 'an empty price'],
  ])('price book: %s %s, for which the data has %s → no price', (provider, model) => {
    expect(BOOK.price({ provider, model, at: AT })).toBeNull();
  });

  test('price data: floats → the steps of their decimal text, up where there are more digits than steps', () => {
    expect(stepsOf(0.075, 8)).toBe(7_500_000n);
    expect(stepsOf(0.18000000000000002, 8)).toBe(18_000_001n);
    expect(stepsOf(1.5e-7, 8)).toBe(15n);
    expect(stepsOf(1e-12, 8)).toBe(1n);
    expect(stepsOf(2.5, 11)).toBe(250_000_000_000n);
    expect(stepsOf(1e21, 8)).toBeNull();
  });
});

describe('price book: own prices', () => {
  test('price book: an exact name before the longest pattern before the data', () => {
    const book = openPriceBook([own('gpt-*', '7'), own('gpt-4o', '5'), own('gpt-4o*', '6'), own('*', '8')]);
    expect(inputOf(book, 'gpt-4o')).toBe(usd('5'));
    expect(inputOf(book, 'gpt-4o-mini')).toBe(usd('6'));
    expect(inputOf(book, 'gpt-9-unheard-of')).toBe(usd('7'));
    expect(inputOf(book, 'o3')).toBe(usd('8'));
    expect(inputOf(book, 'x'.repeat(256))).toBe(usd('8'));
    expect(inputOf(book, 'x'.repeat(257))).toBeUndefined();
    expect(book.price({ provider: 'anthropic', model: 'claude-opus-4-5', at: AT })?.source).toBe(
      'genai-prices',
    );
  });

  test('price book: the newest price in force counts; before the first of them the next in order does', () => {
    const book = openPriceBook([
      own('gpt-4o', '4', { from: AT }),
      own('gpt-4o', '5', { from: AT + 1_000 }),
      own('gpt-4*', '9', { from: AT - 1_000 }),
    ]);
    const inputs = [-1_001, -1_000, -1, 0, 999, 1_000].map((after) => inputOf(book, 'gpt-4o', AT + after));
    expect(inputs).toEqual(['2.5', '9', '9', '4', '4', '5'].map(usd));
  });

  test('price book: an own price is whole → no rate of the data beside it, but the context window of the model', () => {
    const price = openPriceBook([own('gpt-4o', '0')]).price({ provider: 'openai', model: 'gpt-4o', at: AT });
    expect(price).toMatchObject({
      source: 'own',
      contextWindow: 128_000,
      rates: { input: flat(0n), output: flat(0n) },
    });
    expect(Object.keys(price?.rates ?? {})).toEqual(['input', 'output']);
  });

  test('price book: the version names the package, and the own prices whatever their order', () => {
    const manifest = JSON.parse(readFileSync('node_modules/@pydantic/genai-prices/package.json', 'utf8'));
    expect(BOOK.version).toBe(`genai-prices@${manifest.version}`);
    const versions = [
      openPriceBook([own('a', '1'), own('b', '2')]),
      openPriceBook([own('b', '2'), own('a', '1')]),
      openPriceBook([own('b', '2'), own('a', '1', { from: 1 })]),
      openPriceBook([own('b', '2'), own('a', '1.1')]),
    ].map(({ version }) => version);
    expect(versions[0]).toMatch(/^genai-prices@[\d.]+\+[0-9a-f]{12}$/);
    expect(versions[1]).toBe(versions[0]);
    expect(new Set(versions).size).toBe(3);
  });

  test.each([
    ['twice', [own('a', '1'), own('a', '2')], /twice/],
    ['without a rate', [own('a', '1', { rates: {} })], /no rate/],
    [
      'a first tier above 0',
      [own('a', '1', { rates: { input: [{ fromInputTokens: 5, perMillion: 1n }] } })],
      /from 5/,
    ],
    [
      'tiers that descend',
      [own('a', '1', { rates: { input: [...flat(1n), { fromInputTokens: 0, perMillion: 1n }] } })],
      /from 0/,
    ],
    ['a negative rate', [own('a', '1', { rates: { input: flat(-1n) } })], /-1 steps/],
    [
      'nine tiers',
      [
        own('a', '1', {
          rates: { input: Array.from({ length: 9 }, (_, at) => ({ fromInputTokens: at, perMillion: 1n })) },
        }),
      ],
      /9 tiers/,
    ],
  ])('price book: an own price stated %s → refused, naming it', (_what, prices, message) => {
    expect(refusal(() => openPriceBook(prices))).toMatch(
      /^invalid_request: prices: the price of "openai\/a"/,
    );
    expect(refusal(() => openPriceBook(prices))).toMatch(message);
  });
});

describe('price book: the list', () => {
  test('price list: a model → its rates for a million tokens and a thousand calls', () => {
    const { prices, next, version } = BOOK.list({ at: AT, provider: 'openai', model: 'gpt-4o' });
    expect({ version, next }).toEqual({ version: BOOK.version, next: null });
    expect(prices).toEqual([
      {
        provider: 'openai',
        model: 'gpt-4o',
        source: 'genai-prices',
        contextWindow: 128_000,
        outputTokensMax: null,
        rates: [
          { component: 'input', per: 'million_tokens', fromInputTokens: 0, usd: '2.5' },
          { component: 'cache_read', per: 'million_tokens', fromInputTokens: 0, usd: '1.25' },
          { component: 'output', per: 'million_tokens', fromInputTokens: 0, usd: '10' },
          { component: 'web_search', per: 'thousand_calls', fromInputTokens: 0, usd: '10' },
          { component: 'file_search', per: 'thousand_calls', fromInputTokens: 0, usd: '2.5' },
        ],
      },
    ]);
  });

  test('price list: page by page → every price once, in order, own prices and patterns among them', () => {
    const book = openPriceBook([
      own('gpt-4*', '9'),
      own('zoo/a b%', '1'),
      own('gpt-later', '1', { from: AT + 1 }),
    ]);
    const whole = book.list({ at: AT, provider: 'openai', limit: 500 }).prices;
    const paged: (typeof whole)[number][] = [];
    let cursor: string | null | undefined;
    do {
      const page = book.list({ at: AT, provider: 'openai', limit: 7, ...(cursor ? { cursor } : {}) });
      expect(page.prices.length).toBeLessThanOrEqual(7);
      paged.push(...page.prices);
      cursor = page.next;
    } while (cursor !== null);
    expect(paged).toEqual(whole);
    const names = paged.map(({ model }) => model);
    expect(names).toEqual([...new Set(names)].sort());
    expect(names).toContain('gpt-4*');
    expect(names).toContain('zoo/a b%');
    expect(names).not.toContain('gpt-later');
    expect(paged.find(({ model }) => model === 'gpt-4o')).toMatchObject({ source: 'own' });
  });

  test.each(['x', '%E0%A4%A/a', 'a/b/c', `a/${'b'.repeat(5_000)}`])(
    'price list: the cursor %.20s → invalid_request',
    (cursor) => {
      expect(refusal(() => BOOK.list({ at: AT, cursor }))).toMatch(/^invalid_request: cursor/);
    },
  );

  test.each([0, 1_001, 1.5])('price list: a limit of %d → invalid_request', (limit) => {
    expect(refusal(() => BOOK.list({ at: AT, limit }))).toMatch(/^invalid_request: limit/);
  });
});

test('docs/prices.md: the configuration that it shows is one, and prices as it says', () => {
  const shown = /```yaml\n([\s\S]*?)```/.exec(readFileSync('docs/prices.md', 'utf8'))?.[1] ?? '';
  const book = openPriceBook(parseSettings(shown, 'bursar.yaml').prices);
  const day = Date.parse('2026-01-01');
  expect([day - 1, day].map((at) => inputOf(book, 'gpt-4o', at))).toEqual([usd('2.5'), usd('2.25')]);
  expect(inputOf(book, 'gpt-large-2')).toBe(usd('2'));
  expect(book.price({ provider: 'local', model: 'llama', at: AT })?.contextWindow).toBe(32_768);
});
