// What a provider of the configuration states of itself: profiles by name, by host and by what it is priced as, every part
// overridden, and everything that can be wrong with it, by field and value.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseSettings } from '#bursar/composition/settings/settings-file.js';
import { timesOf } from '#bursar/gateway/prices/modifiers.js';
import { azureOpenAi } from '#bursar/gateway/profiles/azure-openai.js';
import { patternProblem } from '#bursar/gateway/profiles/error-patterns.js';
import type { ProviderProfile } from '#bursar/gateway/profiles/profile.js';
import { PROFILES, profileNamed, traitsOf, unseenThinking } from '#bursar/gateway/profiles/profiles.js';
import { requestPath } from '#bursar/gateway/profiles/request-place.js';
import type { ProviderSettings } from '#bursar/gateway/routing/route-settings.js';

function provider(fields: string): ProviderSettings {
  return parseSettings(`providers: { p: { ${fields} } }`, 'f').providers[0];
}

function problemsOf(fields: string): string[] {
  try {
    provider(`dialect: openai, baseUrl: "https://llm.example.com", ${fields}`);
  } catch (error) {
    return (error as Error).message.split('\n').map((line) => line.replace(/^f:1: providers\.p\.?/, ''));
  }
  return [];
}

describe('which profile a provider has', () => {
  test.each([
    ['https://api.openai.com', 'openai', 'openai'],
    ['https://eu.api.openai.com', 'openai', 'openai'],
    ['https://acme.openai.azure.com', 'openai', 'azure-openai'],
    ['https://acme.openai.azure.com/openai/v1', 'openai', 'azure-openai'],
    ['https://api.anthropic.com', 'anthropic', 'anthropic'],
    ['https://generativelanguage.googleapis.com/v1beta/openai', 'openai', 'google'],
    ['https://api.mistral.ai/v1', 'openai', 'mistral'],
    ['https://api.deepseek.com', 'openai', 'deepseek'],
    ['https://api.groq.com/openai/v1', 'openai', 'groq'],
    ['https://api.moonshot.ai/v1', 'openai', 'moonshot'],
    ['https://openrouter.ai/api/v1', 'openai', 'openrouter'],
    ['https://api.together.xyz', 'openai', 'together'],
    ['https://api.fireworks.ai/inference/v1', 'openai', 'fireworks'],
    ['https://us-east-1.api.x.ai/v1', 'openai', 'xai'],
    ['http://127.0.0.1:11434', 'openai', 'ollama'],
    ['http://127.0.0.1:8000', 'openai', 'openai-compatible'],
    ['https://llm.example.com', 'openai', 'openai-compatible'],
    ['https://api.openai.com.example.com', 'openai', 'openai-compatible'],
    ['https://notapi.openai.com', 'openai', 'openai-compatible'],
    // The same company's endpoint in the other dialect.
    ['https://api.deepseek.com/anthropic', 'anthropic', 'anthropic-compatible'],
  ])('%s, %s → %s', (baseUrl, dialect, name) => {
    expect(provider(`dialect: ${dialect}, baseUrl: "${baseUrl}"`).profile.name).toBe(name);
  });

  test('one that is named comes before the host, and says the dialect', () => {
    const { dialect, profile } = provider('profile: vllm, baseUrl: "https://api.openai.com"');
    expect([dialect, profile.name]).toEqual(['openai', 'vllm']);
    expect(provider('profile: anthropic, baseUrl: "http://127.0.0.1:1"').dialect).toBe('anthropic');
  });

  test('a host that is not known, priced as a known provider → its models and tiers, not its wire', () => {
    const { profile } = provider('dialect: openai, baseUrl: "http://proxy:4000", pricedAs: openai');
    expect(profile.name).toBe('openai-compatible');
    expect(traitsOf(profile, 'gpt-4.1').outputTokensMax).toBe(32_768);
    expect(profile.modifiers).toEqual(profileNamed('openai')?.modifiers);
    expect(profile.usage.at).toContain('choices.*.usage');
  });
});

describe('what a provider states instead', () => {
  test('every part takes the place of the profile’s; the rest stays', () => {
    const { profile, charge } = provider(`
      profile: openrouter, baseUrl: "https://llm.example.com/api/", charge: provider-cost,
      pathPrefix: /x/, paths: { responses: /answers }, query: { api-version: "7" }, keyHeader: Api-Key,
      headers: { X-Title: Bursar }, outputLimit: [num_predict], asksUsage: true, passFields: [tags], thinkingOff: [mode.think],
      usage: { at: [meta.*.usage], cacheRead: [hits], inputIncludesCache: false, cost: [usd, { at: ticks, scale: 10, when: is_final }] },
      modifiers: { service_tier: { prices: [{ models: [a*], times: { Turbo: "5/3" } }], noDearer: [night] }, lane: { stated: [meta.lane], prices: [] } },
      models: [{ models: [a*], outputTokensMax: 10, thinking: shown }],
      errors: { billed: ["^400 .*filter"] }`);
    const known = profileNamed('openrouter') as ProviderProfile;
    expect(charge).toBe('provider-cost');
    expect(profile.request).toEqual({
      pathPrefix: '/x',
      paths: { responses: '/answers' },
      query: { 'api-version': '7' },
      key: { header: 'api-key', prefix: '' },
      headers: { 'x-title': 'Bursar' },
      outputLimit: ['num_predict'],
      outputLimitAlso: [],
      asksUsage: true,
      passFields: ['tags'],
      thinkingOff: ['mode.think'],
    });
    expect(profile.usage).toEqual({
      ...known.usage,
      at: ['meta.*.usage'],
      cacheRead: ['hits'],
      inputIncludesCache: false,
      cost: [
        { at: 'usd', scale: 0, when: null },
        { at: 'ticks', scale: 10, when: 'is_final' },
      ],
    });
    expect(profile.modifiers).toEqual([
      {
        name: 'service_tier',
        stated: known.modifiers[0].stated,
        prices: [{ models: ['a*'], times: { turbo: '5/3' } }],
        noDearer: ['night'],
      },
      { name: 'lane', stated: ['meta.lane'], prices: [], noDearer: [] },
    ]);
    expect(traitsOf(profile, 'abc')).toMatchObject({
      outputTokensMax: 10,
      thinking: 'shown',
      thinksUnasked: true,
    });
    expect(profile.errors).toEqual({ ...known.errors, billed: ['^400 .*filter'] });
  });

  test('a base URL that names a version is complete: no prefix, no path and no query of the profile', () => {
    const request = (baseUrl: string, more = '') =>
      provider(`profile: azure-openai, baseUrl: "https://a.example.com${baseUrl}"${more}`).profile.request;
    expect(request('')).toMatchObject({
      pathPrefix: '/openai',
      query: { 'api-version': '2025-04-01-preview' },
    });
    expect(request('/openai/v1')).toMatchObject({ pathPrefix: '', paths: {}, query: {} });
    expect(request('/openai/v1', ', query: { api-version: preview }').query).toEqual({
      'api-version': 'preview',
    });
    expect(request('/openai').pathPrefix).toBe('');
  });
});

describe('problems', () => {
  test.each([
    ['profile: mistrel', 'profile: "mistrel" is no profile of a provider; did you mean "mistral"?'],
    ['profile: [a]', 'profile: a list is no profile of a provider'],
    ['profile: anthropic', 'dialect: is openai; the profile anthropic speaks anthropic'],
    ['charge: invoice', 'charge: "invoice" is not one of prices, provider-cost'],
    ['pathPrefix: v1', 'pathPrefix: "v1" is not a path'],
    ['pathPrefix: "/v1?a=b"', 'pathPrefix: "/v1?a=b" is not a path'],
    ['paths: { chat: /x }', 'paths: "chat" is not an endpoint: chat_completions'],
    ['paths: { responses: "/x y" }', 'paths.responses: "/x y" is not a path'],
    ['paths: { responses: "/{deployment}" }', 'paths.responses: "/{deployment}" is not a path'],
    ['query: { api-key: a }', 'query: "api-key" looks like a secret; a key is named by keyFrom'],
    ['query: { "a b": a }', 'query: "a b" is not the name of a query parameter'],
    ['keyHeader: "a b"', 'keyHeader: "a b" is not the name of a header'],
    ['keyHeader: host', 'keyHeader: "host" is set by Bursar'],
    ['keyPrefix: "a b"', 'keyPrefix: "a b" is not a word'],
    ['headers: { Authorization: a }', 'headers: "Authorization" is set by Bursar, or looks like a secret'],
    ['headers: { X-Api-Key: a }', 'headers: "X-Api-Key" is set by Bursar, or looks like a secret'],
    ['headers: { Content-Length: "1" }', 'headers: "Content-Length" is set by Bursar'],
    ['headers: { "X-A: b": c }', 'headers: "X-A: b" is not the name of a header'],
    ['headers: { X-A: "a\\u00e9" }', 'headers.X-A: the value (not shown) is not printable ASCII'],
    ['headers: { X-A: "Bearer s3cretS3cret" }', 'headers.X-A: the value (not shown) looks like a secret'],
    ['headers: { X-A: sk-s3cretS3cretS3cret }', 'headers.X-A: the value (not shown) looks like a secret'],
    ['headers: [a]', 'headers: a list is not a map'],
    ['outputLimit: max_tokens', 'outputLimit: "max_tokens" is not a list'],
    ['outputLimit: ["a.b"]', 'outputLimit[0]: "a.b" is not a field of the body'],
    ['asksUsage: maybe', 'asksUsage: "maybe" is not true or false'],
    ['passFields: [7]', 'passFields[0]: 7 is a number'],
    ['usage: { cacheReads: [a] }', 'usage: unknown field "cacheReads"; did you mean "cacheRead"?'],
    ['usage: { at: ["a..b"] }', 'usage.at[0]: "a..b" is not a path of fields'],
    ['usage: { at: ["a.*"] }', 'usage.at[0]: "a.*" is not a path of fields'],
    ['usage: { input: ["a.*.b"] }', 'usage.input[0]: "a.*.b" is not a path of fields'],
    ['usage: { cost: [{ scale: 2 }] }', 'usage.cost[0].at: is required'],
    ['usage: { cost: [{ at: a, scale: 19 }] }', 'usage.cost[0].scale: 19 is not a whole number from 0 to 18'],
    ['usage: { inputIncludesCache: 1 }', 'usage.inputIncludesCache: 1 is not true or false'],
    ['modifiers: [a]', 'modifiers: a list is not a map'],
    ['modifiers: { tier: { prices: [{ models: [a] }] } }', 'modifiers.tier.prices[0].times: is required'],
    [
      'modifiers: { tier: { prices: [{ times: { a: "-1" } }] } }',
      'modifiers.tier.prices[0].times.a: "-1" is not how many times the usual price',
    ],
    [
      'modifiers: { tier: { prices: [{ times: { a: "1001" } }] } }',
      'modifiers.tier.prices[0].times.a: "1001" is not how many times the usual price',
    ],
    [
      'modifiers: { tier: { prices: [{ models: ["a*b"], times: {} }] } }',
      'prices[0].models[0]: "a*b": a "*" stands',
    ],
    ['models: [{ thinking: never }]', 'models[0].models: is required'],
    [
      'models: [{ models: [a], thinking: often }]',
      'models[0].thinking: "often" is not one of never, shown, unseen',
    ],
    [
      'models: [{ models: [a], outputTokensMax: 0 }]',
      'models[0].outputTokensMax: 0 is not a whole number from 1',
    ],
    ['errors: { billed: ["("] }', 'errors.billed[0]: the pattern "(" does not compile'],
    ['errors: { fatal: [a] }', 'errors: unknown field "fatal"'],
  ])('%s', (fields, problem) => {
    const problems = problemsOf(fields);
    expect(problems).toEqual([expect.stringContaining(problem)]);
    expect(problems[0]).not.toContain('s3cret');
  });
});

describe('the known profiles', () => {
  test.each(PROFILES.map((profile) => [profile.name, profile] as const))(
    '%s: sources are pages, patterns compile, prices are factors, places are paths',
    (_name, profile) => {
      for (const source of profile.sources) expect(new URL(source).protocol).toBe('https:');
      expect(profile.sources.length).toBeGreaterThan(0);
      for (const pattern of Object.values(profile.errors).flat()) expect(patternProblem(pattern)).toBeNull();
      for (const { prices, stated } of profile.modifiers) {
        expect(stated.length).toBeGreaterThan(0);
        for (const { times } of prices)
          for (const [value, text] of Object.entries(times)) {
            expect(value).toBe(value.toLowerCase());
            expect(text).toMatch(/^\d+(?:\.\d+)?(?:\/\d+)?$/);
          }
      }
      expect(profile.request.outputLimit.length).toBeGreaterThan(0);
      for (const model of profile.models)
        expect(model.thinksUnasked && model.thinking === 'never').toBe(false);
    },
  );

  test('names are unique, and no host means two of one dialect', () => {
    expect(new Set(PROFILES.map(({ name }) => name)).size).toBe(PROFILES.length);
    const hosts = PROFILES.flatMap(({ dialect, hosts: own }) => own.map((host) => `${dialect} ${host}`));
    expect(new Set(hosts).size).toBe(hosts.length);
  });

  test.each([
    ['openai', 'gpt-4o-mini', 16_384, 'never', false],
    ['openai', 'gpt-4.1', 32_768, 'never', false],
    ['openai', 'gpt-5', 128_000, 'unseen', true],
    ['openai', 'gpt-5-chat-latest', 16_384, 'never', false],
    ['openai', 'gpt-6-sol', 128_000, 'unseen', true],
    ['openai', 'o4-mini-2025-04-16', 100_000, 'unseen', true],
    ['anthropic', 'claude-opus-4-6', 128_000, 'unseen', false],
    ['anthropic', 'claude-opus-4-20250514', 32_000, 'unseen', false],
    ['anthropic', 'claude-sonnet-4-5-20250929', 64_000, 'unseen', false],
    ['anthropic', 'claude-3-7-sonnet-latest', 64_000, 'shown', false],
    ['anthropic', 'claude-opus-5-5', 128_000, 'unseen', true],
    ['google', 'gemini-2.5-pro', 65_536, 'unseen', true],
    ['google', 'gemini-2.0-flash', 8_192, 'never', false],
    ['deepseek', 'deepseek-reasoner', 65_536, 'shown', true],
    ['xai', 'grok-4-fast-non-reasoning', null, 'never', false],
    ['xai', 'grok-4-0709', null, 'unseen', true],
    ['groq', 'openai/gpt-oss-120b', 65_536, 'unseen', true],
    ['vllm', 'anything', null, 'shown', true],
    ['openrouter', 'anything', null, 'unknown', true],
  ])('%s %s: %s tokens at most, thinking %s', (name, model, outputTokensMax, thinking, thinksUnasked) => {
    const traits = traitsOf(profileNamed(name) as ProviderProfile, model);
    expect(traits).toMatchObject({ outputTokensMax, thinking, thinksUnasked });
    const isKnown = thinking !== 'unknown';
    const unasked = isKnown ? (thinking === 'unseen' && thinksUnasked ? 'yes' : 'no') : 'maybe';
    expect(unseenThinking(traits, null)).toBe(unasked);
    expect(unseenThinking(traits, false)).toBe('no');
    expect(unseenThinking(traits, true)).toBe(thinking === 'unseen' || !isKnown ? 'yes' : 'no');
  });

  test('a provider that is not known → its models are known by their names, a vendor’s path before them or not', () => {
    const { models } = profileNamed('openai-compatible') as ProviderProfile;
    const thinkingOf = (model: string) => traitsOf({ models }, model).thinking;
    expect(
      ['gpt-4o-mini', 'gpt-5', 'google/gemini-2.5-pro', 'anthropic/claude-3-5-haiku'].map(thinkingOf),
    ).toEqual(['never', 'unseen', 'unseen', 'never']);
    expect(['small', 'my-own', 'mistral'].map(thinkingOf)).toEqual(['unknown', 'unknown', 'unknown']);
  });

  test.each([
    ['groq', 'service_tier', 'flex', '1'],
    ['google', 'service_tier', 'flex', '0.5'],
    ['openai', 'service_tier', 'flex', '0.5'],
    ['azure-openai', 'service_tier', 'priority', null],
    ['anthropic', 'service_tier', 'priority', null],
    ['fireworks', 'service_tier', 'priority', null],
  ])('%s: %s %s costs %s times', (name, modifier, value, times) => {
    const price = {
      provider: 'p',
      model: 'm',
      source: 'own',
      rates: {},
      contextWindow: null,
      outputTokensMax: null,
    } as const;
    const found = timesOf(
      { price, model: 'm', profile: profileNamed(name) as ProviderProfile },
      modifier,
      value,
    );
    expect(found === null ? null : Number(found.numerator) / Number(found.denominator)).toBe(
      times === null ? null : Number(times),
    );
  });

  test('azure-openai: a prompt that its filter refuses is billed; a request without access is not', () => {
    const { billed } = (profileNamed('azure-openai') as ProviderProfile).errors;
    const isBilled = (text: string) => billed.some((pattern) => new RegExp(pattern, 'is').test(text));
    expect(isBilled('400 content_filter: The response was filtered')).toBe(true);
    expect(
      isBilled(
        "400 The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
      ),
    ).toBe(true);
    expect(isBilled('408 Request timed out')).toBe(true);
    expect(isBilled('401 Access denied')).toBe(false);
    expect(isBilled('429 Rate limit')).toBe(false);
  });
});

describe('docs/providers.md', () => {
  const page = readFileSync(new URL('../../../docs/providers.md', import.meta.url), 'utf8');

  test.each(PROFILES.map((profile) => [profile.name, profile] as const))(
    '%s: its row has its path, header and fields',
    (name, profile) => {
      const rows = page.split('\n').filter((line) => line.includes(`\`${name}\``));
      const text = rows.join('\n');
      expect(text).toContain(profile.request.pathPrefix);
      for (const field of profile.request.outputLimit) expect(text).toContain(`\`${field}\``);
      expect(text.toLowerCase()).toMatch(
        new RegExp(
          profile.request.key.header === 'authorization'
            ? 'authorization: bearer|keyfrom'
            : profile.request.key.header,
        ),
      );
    },
  );
});

describe('the paths of a provider', () => {
  test.each([
    ['chat_completions', '/v1/chat/completions', '/deployments/a%20b/chat/completions'],
    ['completions', '/v1/completions', '/deployments/a%20b/completions'],
    ['embeddings', '/v1/embeddings', '/deployments/a%20b/embeddings'],
    ['images', '/v1/images/generations', '/deployments/a%20b/images/generations'],
    ['image_edits', '/v1/images/edits', '/deployments/a%20b/images/edits'],
    ['speech', '/v1/audio/speech', '/deployments/a%20b/audio/speech'],
    ['transcriptions', '/v1/audio/transcriptions', '/deployments/a%20b/audio/transcriptions'],
    ['translations', '/v1/audio/translations', '/deployments/a%20b/audio/translations'],
    ['responses', '/v1/responses', '/responses'],
    ['input_tokens', '/v1/responses/input_tokens', '/responses/input_tokens'],
    [null, '/v1/responses/resp_1', '/responses/resp_1'],
  ] as const)('azure: %s → that of its deployment, where it has one', (endpoint, path, behind) => {
    const sent = requestPath(azureOpenAi.request, { endpoint, path, model: 'a b' });
    expect(sent).toBe(`/openai${behind}?api-version=2025-04-01-preview`);
  });
});
