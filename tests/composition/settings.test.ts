// The configuration file: what it says, its defaults, every way in which it can be wrong, and that its page is complete.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { PROVIDER_ALIASES_DEFAULT } from '#bursar/budgets/providers.js';
import type { Settings } from '#bursar/composition/settings/settings-file.js';
import {
  BudgetFileError,
  defaultSettings,
  parseSettings,
} from '#bursar/composition/settings/settings-file.js';
import { usd } from '#bursar/core/amount.js';

const EXAMPLE = readFileSync(new URL('../../examples/bursar.yaml', import.meta.url), 'utf8');
const PAGE = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');

const OPENAI = 'openai: { dialect: openai, baseUrl: https://api.openai.com }';
const ANTHROPIC = 'anthropic: { dialect: anthropic, baseUrl: https://api.anthropic.com }';

function read(text: string): Settings {
  return parseSettings(text, 'f');
}

/** What is wrong with a text: `line: field: problem`. */
function problemsOf(text: string): string[] {
  try {
    read(text);
  } catch (error) {
    expect(error).toBeInstanceOf(BudgetFileError);
    return (error as Error).message.split('\n').map((line) => line.replace(/^f:/, ''));
  }
  return [];
}

describe('a sound file', () => {
  test('settings: the example file is read as it is meant', () => {
    const settings = parseSettings(EXAMPLE, 'bursar.yaml');
    expect(settings.providers.map(({ name, baseUrl, keyFrom }) => [name, baseUrl, keyFrom])).toEqual([
      ['openai', 'https://api.openai.com', 'OPENAI_API_KEY'],
      ['openai-eu', 'https://eu.api.openai.com', 'OPENAI_API_KEY'],
      ['anthropic', 'https://api.anthropic.com', 'ANTHROPIC_API_KEY'],
      ['local', 'http://127.0.0.1:11434', null],
    ]);
    expect(settings.providers[3]).toMatchObject({ firstByteTimeoutMs: 120_000, idleTimeoutMs: 30_000 });
    expect(settings.routes[2]).toEqual({
      model: 'house-model',
      candidates: [
        { provider: 'local', model: 'qwen3:8b' },
        { provider: 'openai', model: 'gpt-5-mini' },
      ],
    });
    expect(settings.definitions.budgets.map(({ id }) => id)).toEqual([
      ...['acme-day', 'acme-user-day', 'acme-agent-calls'],
      ...['provider/openai/hour', 'provider/openai/day', 'provider/anthropic/day'],
    ]);
  });

  test('settings: a section that is not stated has its defaults', () => {
    const settings = read(`budgets: []`);
    expect(settings).toEqual({
      listen: { host: '127.0.0.1', port: 8420 },
      providers: [],
      routes: [],
      prices: [],
      signatures: defaultSettings().signatures,
      gateway: {
        require: ['tenant'],
        outputTokensUnstated: null,
        outputTokensLeast: 32_000,
        outputSharePercent: 50,
        clampOutput: false,
        cutStreams: false,
        exhaustedStatus: 402,
        holdTtlMs: 120_000,
        openCallsMax: 10_000,
        readOnMs: 30_000,
        readOnCallsMax: 1_000,
        failedAttempts: 'provider',
        bodyBytesMax: 33_554_432,
        toolCallsUnstated: 25,
        toolRounds: 2,
        toolRoundTokens: 10_000,
        storedInputTokens: 50_000,
        userLabel: null,
      },
      chats: { turnTimeoutMs: 300_000, watchdogIntervalMs: 60_000 },
      goals: { textLengthMax: 400 },
      notices: { reach: 'public' },
      reconciliation: [],
      aliases: PROVIDER_ALIASES_DEFAULT,
      definitions: { units: [], budgets: [], aliases: PROVIDER_ALIASES_DEFAULT },
    });
    expect(read('aliases: {}').aliases).toEqual({});
  });

  test('reconciliation: the report APIs have their own places and variables unless others are stated', () => {
    const { reconciliation } = read(`
reconciliation:
  openai: { api: openai }
  claude: { api: anthropic, baseUrl: "https://proxy.example/anthropic/", keyFrom: CLAUDE_ADMIN }
`);
    expect(reconciliation).toEqual([
      { provider: 'openai', api: 'openai', baseUrl: 'https://api.openai.com', keyFrom: 'OPENAI_ADMIN_KEY' },
      {
        provider: 'claude',
        api: 'anthropic',
        baseUrl: 'https://proxy.example/anthropic',
        keyFrom: 'CLAUDE_ADMIN',
      },
    ]);
  });

  test('settings: without a file → the demonstration, in both dialects, priced, routed and budgeted', () => {
    const settings = defaultSettings();
    expect(settings.providers.map(({ dialect, baseUrl, pricedAs }) => [dialect, baseUrl, pricedAs])).toEqual([
      ['openai', null, 'demo'],
      ['anthropic', null, 'demo'],
    ]);
    expect(settings.routes.map(({ model }) => model)).toEqual(['demo-small', 'demo-large']);
    expect(settings.prices.map(({ model, rates }) => [model, rates.output?.[0].perMillion])).toEqual([
      ['demo-small', usd('0.60')],
      ['demo-large', usd('10')],
    ]);
    expect(
      settings.definitions.budgets.map(({ match, unit, limit, window }) => [match, unit, limit, window]),
    ).toEqual([
      [{ tenant: 'demo' }, 'usd', usd('10'), 'day'],
      [{ tenant: 'demo', user: '*' }, 'usd', usd('2'), 'day'],
    ]);
  });

  test('providers: caps of an alias stand under the canonical name (P6)', () => {
    const { definitions, providers } = read(`providers: { ${ANTHROPIC.replace(' }', ', dayLimit: "5" }')} }`);
    expect(definitions.budgets).toEqual([
      {
        id: 'provider/claude-code/day',
        match: { provider: 'claude-code' },
        unit: 'usd',
        limit: usd('5'),
        window: 'day',
      },
    ]);
    expect(providers[0]).toMatchObject({ name: 'anthropic', caps: { dayLimit: usd('5') } });
  });

  test('providers: none as a cap lifts it; an empty one does not', () => {
    const withCap = (cap: string) => `providers: { ${OPENAI.replace(' }', `, hourLimit: ${cap} }`)} }`;
    expect(read(withCap('none')).definitions.budgets[0]).toMatchObject({
      id: 'provider/openai/hour',
      limit: null,
    });
    expect(problemsOf(withCap(''))[0]).toContain('providers.openai.hourLimit: null is not a decimal amount');
  });

  test('prices: tokens by the million and calls by the thousand are held by the million, tiers in order', () => {
    const [price] = read(`
providers: { ${OPENAI} }
prices:
  - provider: openai
    model: gpt-*
    from: "2026-02-01T12:00:00+02:00"
    input: "1.25"
    output: 10
    webSearch: "10"
    tiers:
      - { fromInputTokens: 200000, input: "2.5" }
      - { fromInputTokens: 400000, input: "5", output: "20" }`).prices;
    expect(price).toEqual({
      provider: 'openai',
      model: 'gpt-*',
      from: Date.UTC(2026, 1, 1, 10),
      rates: {
        input: [
          { fromInputTokens: 0, perMillion: usd('1.25') },
          { fromInputTokens: 200_000, perMillion: usd('2.5') },
          { fromInputTokens: 400_000, perMillion: usd('5') },
        ],
        output: [
          { fromInputTokens: 0, perMillion: usd('10') },
          { fromInputTokens: 400_000, perMillion: usd('20') },
        ],
        web_search: [{ fromInputTokens: 0, perMillion: usd('10000') }],
      },
      contextWindow: null,
      outputTokensMax: null,
    });
  });

  test('gateway: every field is taken as stated', () => {
    const { gateway } = read(`
gateway:
  require: []
  outputTokensUnstated: 100
  clampOutput: true
  cutStreams: true
  exhaustedStatus: 429
  holdTtl: 30s
  openCallsMax: 5
  readOn: 0s
  readOnCallsMax: 7
  failedAttempts: caller
  bodyBytesMax: 2048
  toolCallsUnstated: 1
  toolRounds: 0
  toolRoundTokens: 500
  storedInputTokens: 900
  outputTokensLeast: 50
  outputSharePercent: 100
  userLabel: user`);
    expect(gateway).toEqual({
      ...{
        require: [],
        outputTokensUnstated: 100,
        clampOutput: true,
        cutStreams: true,
        exhaustedStatus: 429,
      },
      ...{ readOnMs: 0, readOnCallsMax: 7, failedAttempts: 'caller' },
      ...{ holdTtlMs: 30_000, openCallsMax: 5, bodyBytesMax: 2_048, toolCallsUnstated: 1 },
      userLabel: 'user',
      ...{
        toolRounds: 0,
        toolRoundTokens: 500,
        storedInputTokens: 900,
        outputTokensLeast: 50,
        outputSharePercent: 100,
      },
    });
  });
});

describe('a file with problems', () => {
  test('problems: all of them are reported at once, by line and field', () => {
    expect(
      problemsOf(`listn: {}
budgets:
  - { id: b, match: {}, unit: usd, limit: "-1", window: day }
providers:
  openai: { dialect: opnai, baseUrl: https://api.openai.com, dayLimit: x }
routes:
  - { model: gpt-*, candidates: [{ provider: openia }] }
gateway: { holdTtl: 5 }`),
    ).toEqual([
      '1: unknown field "listn"; did you mean "listen"?',
      '3: budgets[0].limit: "-1" is not a decimal amount such as "12" or "0.25"',
      '5: providers.openai.dayLimit: "x" is not a decimal amount such as "12" or "0.25"',
      '5: providers.openai.dialect: "opnai" is not one of openai, anthropic',
      '7: routes[0].candidates[0].provider: "openia" is no provider of this file; did you mean "openai"?',
      '8: gateway.holdTtl: 5 is not a duration from 10s to 1h, such as 500ms, 30s, 10m or 2h',
    ]);
  });

  test.each([
    ['ftp://api.openai.com', 'begins with ftp:; http and https are taken'],
    ['https://me:s3cret@api.openai.com', 'has credentials in it'],
    ['https://api.openai.com?key=s3cret', 'has a query or a fragment'],
    ['api.openai.com', 'is no URL'],
  ])('base URL: %s is refused, and not shown', (url, problem) => {
    const problems = problemsOf(`providers: { p: { dialect: openai, baseUrl: "${url}" } }`);
    expect(problems).toEqual([expect.stringContaining(`providers.p.baseUrl: ${problem}`)]);
    expect(problems[0]).not.toContain('s3cret');
  });

  test.each([
    ['{}', 'reconciliation.p.api: is required'],
    ['{ api: xai }', 'reconciliation.p.api: "xai" is not one of openai, anthropic'],
    ['{ api: openai, baseUrl: demo }', 'reconciliation.p.baseUrl: is no URL'],
    ['{ api: openai, baseUrl: "https://me:s3cret@x.example" }', 'reconciliation.p.baseUrl: has credentials'],
    ['{ api: openai, keyFrom: sk-admin-s3cret }', 'reconciliation.p.keyFrom: names an environment variable'],
    ['{ api: openai, key: x }', 'reconciliation.p: unknown field "key"'],
  ])('reconciliation: %s is refused, and no secret is shown', (section, problem) => {
    const problems = problemsOf(`reconciliation: { p: ${section} }`);
    expect(problems).toEqual([expect.stringContaining(problem)]);
    expect(problems[0]).not.toContain('s3cret');
  });

  test.each([['sk-proj-12345678'], ['KEY\\r\\nX-Evil: 1'], ['lower'], ['1KEY'], ['A'.repeat(129)]])(
    'keyFrom: %j is no name of a variable, and not shown',
    (name) => {
      const problems = problemsOf(
        `providers: { p: { dialect: openai, baseUrl: https://x.example, keyFrom: "${name}" } }`,
      );
      expect(problems).toEqual([
        expect.stringContaining('keyFrom: names an environment variable (A–Z, 0–9 and _'),
      ]);
      expect(problems[0]).not.toContain(name);
    },
  );

  const routed = (routes: string) => `providers: { ${OPENAI}, ${ANTHROPIC} }\nroutes: ${routes}`;
  const to = (provider: string) => `candidates: [{ provider: ${provider} }]`;

  test.each([
    ['a star inside', `[{ model: "g*t", ${to('openai')} }]`, 'a "*" stands at the end only'],
    ['no candidates', `[{ model: m, candidates: [] }]`, 'is empty; a route names at least one provider'],
    ['candidates missing', `[{ model: m }]`, 'routes[0].candidates: is required'],
    [
      'a hidden route',
      `[{ model: gpt-*, ${to('openai')} }, { model: gpt-5*, ${to('openai')} }]`,
      'routes[1].model: "gpt-5*" is never reached: the route "gpt-*" above matches first',
    ],
    [
      'too many candidates',
      `[{ model: m, candidates: [${'{ provider: openai },'.repeat(17)}] }]`,
      'has 17 entries; at most 16 are taken',
    ],
  ])('routes: %s', (_what, routes, problem) => {
    expect(problemsOf(routed(routes))).toEqual([expect.stringContaining(problem)]);
  });

  test('routes: the same model in the other dialect, or under a wider pattern below, is no problem', () => {
    expect(problemsOf(routed(`[{ model: m, ${to('openai')} }, { model: m, ${to('anthropic')} }]`))).toEqual(
      [],
    );
    expect(problemsOf(routed(`[{ model: m, ${to('openai')} }, { model: "*", ${to('openai')} }]`))).toEqual(
      [],
    );
  });

  const priced = (fields: string) =>
    `providers: { ${OPENAI} }\nprices: [{ provider: openai, model: m, ${fields} }]`;

  test.each([
    ['no input', 'output: 1', 'prices[0].input: is required; "0" for a model that costs nothing'],
    ['more digits than a step', 'input: "0.123456789"', 'has 9 decimal digits; at most 8 fit'],
    ['a negative price', 'input: "-1"', '"-1" is not a decimal amount'],
    ['an exponent', 'input: "1e3"', '"1e3" is not a decimal amount'],
    ['overflow by the thousand', 'input: 1, request: "99999999"', 'is more than can be charged'],
    ['a date that is none', 'input: 1, from: "2026-02-30"', '"2026-02-30" is no date or instant'],
    [
      'tiers that do not ascend',
      'input: 1, tiers: [{ fromInputTokens: 9, input: 2 }, { fromInputTokens: 9, input: 3 }]',
      'tiers[1].fromInputTokens: 9 is not a whole number from 10 to 1000000000',
    ],
    [
      'a tier of what has no price',
      'input: 1, tiers: [{ fromInputTokens: 9, output: 2 }]',
      'prices[0].tiers[0].output: has no price for less input; state output beside tiers too',
    ],
  ])('prices: %s', (_what, fields, problem) => {
    expect(problemsOf(priced(fields))).toEqual([expect.stringContaining(problem)]);
  });

  test('prices: one stated twice, and one of a provider that is not there', () => {
    const twice = '{ provider: openai, model: m, input: 1 }';
    expect(problemsOf(`providers: { ${OPENAI} }\nprices:\n  - ${twice}\n  - ${twice}`)).toEqual([
      '4: prices[1]: stands on line 3 already: same provider, model and from',
    ]);
    expect(problemsOf(`providers: { ${OPENAI} }\nprices: [${twice.replace('openai', 'opnai')}]`)).toEqual([
      '2: prices[0].provider: no provider is priced as "opnai"; did you mean "openai"?',
    ]);
  });

  test('providers: two names of one canonical provider do not both state a cap', () => {
    const both = `aliases: { provider: { anthropic: openai } }
providers:
  ${OPENAI.replace(' }', ', dayLimit: 5 }')}
  ${ANTHROPIC.replace(' }', ', dayLimit: 6 }')}`;
    expect(problemsOf(both)).toEqual([
      '4: providers.anthropic: the id "provider/openai/day" stands on lines 3 and 4; each budget has its own',
    ]);
  });

  test('a provider called __proto__, or a model of one, is refused', () => {
    const one = 'dialect: openai, baseUrl: https://x.example';
    expect(problemsOf(`providers: { __proto__: { ${one} } }`)[0]).toContain('is a reserved name');
    expect(problemsOf(`providers: { "a/b": { ${one} } }`)[0]).toContain('names a model of "a"');
  });

  test.each([
    ['listen: { port: 65536 }', 'listen.port: 65536 is not a whole number from 0 to 65535'],
    ['listen: { host: "a b" }', 'listen.host: "a b" is no host name or address'],
    ['gateway: { exhaustedStatus: 409 }', 'gateway.exhaustedStatus: 409 is not 402 or 429'],
    ['gateway: { clampOutput: yes }', 'gateway.clampOutput: "yes" is not true or false'],
    ['gateway: { require: ["a b"] }', 'gateway.require[0]: the label name "a b" may contain only'],
    ['gateway: { userLabel: tenant }', 'gateway.userLabel: "tenant" is not a label that a caller may state'],
    ['gateway: { userLabel: "a b" }', 'gateway.userLabel: "a b" is not a label that a caller may state'],
    ['gateway: { userLabel: true }', 'gateway.userLabel: true is not a label that a caller may state'],
    ['gateway: { openCallsMax: 0 }', 'gateway.openCallsMax: 0 is not a whole number from 1 to 100000'],
    ['errors: { throttleDefault: 2d }', 'errors.throttleDefault: "2d" is not a duration from 1s to 1d'],
    ['errors: { throttle: limit }', 'errors.throttle: "limit" is not a list'],
  ])('bounds: %s', (text, problem) => {
    expect(problemsOf(text)).toEqual([expect.stringContaining(problem)]);
  });
});

describe('docs/configuration.md', () => {
  const UNKNOWN = 'zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz: 0';
  const fieldsKnownIn = (text: string): string[] => {
    const known = /known here: (.*)$/m.exec(problemsOf(text).join('\n'))?.[1];
    return (known ?? '').split(', ');
  };

  test.each([
    ['the file', UNKNOWN],
    ['listen', `listen: { ${UNKNOWN} }`],
    ['providers', `providers: { p: { dialect: openai, baseUrl: demo, ${UNKNOWN} } }`],
    ['routes', `routes: [{ ${UNKNOWN} }]`],
    ['candidates', `routes: [{ model: m, candidates: [{ ${UNKNOWN} }] }]`],
    ['prices', `prices: [{ ${UNKNOWN} }]`],
    [
      'tiers',
      `providers: { ${OPENAI} }\nprices: [{ provider: openai, model: m, input: 1, tiers: [{ ${UNKNOWN} }] }]`,
    ],
    ['errors', `errors: { ${UNKNOWN} }`],
    ['gateway', `gateway: { ${UNKNOWN} }`],
    ['conversations', `conversations: { ${UNKNOWN} }`],
    ['goals', `goals: { ${UNKNOWN} }`],
    ['notices', `notices: { ${UNKNOWN} }`],
  ])('docs: the page describes every field of %s', (_section, text) => {
    const fields = fieldsKnownIn(text);
    expect(fields).not.toContain('');
    expect(fields.filter((field) => !PAGE.includes(`\`${field}\``))).toEqual([]);
  });

  test('docs: the first example of the page is sound, and its default patterns are those in force', () => {
    const [least, ...others] = [...PAGE.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text);
    expect(read(least).routes).toHaveLength(1);
    const patterns = others.find((text) => text.startsWith('errors:')) ?? '';
    expect(read(patterns).signatures).toEqual(defaultSettings().signatures);
  });
});
