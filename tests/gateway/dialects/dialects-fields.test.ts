// Which fields of a request pass, and which are refused: what costs nothing goes through, also where Bursar never heard of
// it; what can cost and is not metered does not, unless the provider's settings say so; and no key may be read in two ways.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dialects } from '#bursar/gateway/dialects/dialects.js';
import { parseBody } from '#bursar/gateway/dialects/request-body.js';
import type { Endpoint } from '#bursar/gateway/metering/endpoints.js';
import type { RequestFacts } from '#bursar/gateway/metering/request-facts.js';
import { compatible } from '#bursar/gateway/profiles/compatible.js';
import { RefusedError } from '#bursar/kit/refusals.js';
import { chatAnswer, type Gateway, json, startGateway } from '../gateway-fixture.js';

type Fields = Record<string, unknown>;

const BASE: Readonly<Record<string, Fields>> = {
  chat_completions: { model: 'm', messages: [{ role: 'user', content: 'hello' }] },
  responses: { model: 'm', input: 'hello' },
  embeddings: { model: 'm', input: 'hello' },
  messages: { model: 'm', max_tokens: 10, messages: [{ role: 'user', content: 'hello' }] },
};

function reading(endpoint: Endpoint, fields: Fields) {
  const body = Buffer.from(JSON.stringify({ ...BASE[endpoint], ...fields }));
  return dialects[endpoint === 'messages' ? 'anthropic' : 'openai'].readRequest(endpoint, parseBody(body));
}

const unmetered = (endpoint: Endpoint, fields: Fields) =>
  reading(endpoint, fields).facts.unmetered.map(({ field }) => field);

describe('fields: what costs nothing passes', () => {
  test.each<[string, Endpoint, Fields]>([
    ['Codex', 'responses', { client_metadata: { 'x-codex-installation-id': 'a', 'x-codex-tools': 'shell' } }],
    ['Codex', 'responses', { access_programs: { cyber: 'blue' } }],
    ['OpenRouter', 'chat_completions', { usage: { include: true }, transforms: ['middle-out'] }],
    ['OpenRouter', 'chat_completions', { session_id: 's', trace: { trace_name: 'tool run' } }],
    ['Claude’s cache', 'chat_completions', { cache_control: { type: 'ephemeral' } }],
    ['Claude’s cache', 'messages', { cache_control: { type: 'ephemeral', ttl: '1h' } }],
    ['vLLM', 'chat_completions', { guided_json: { type: 'object' }, cache_salt: 's', priority: 3 }],
    ['vLLM', 'chat_completions', { structured_outputs: { choice: ['a'] }, stop_token_ids: [1] }],
    ['Groq', 'chat_completions', { documents: [{ text: 'a' }], citation_options: 'enabled' }],
    ['Mistral', 'chat_completions', { safe_prompt: true, random_seed: 7 }],
    ['xAI, searches off', 'chat_completions', { search_parameters: { mode: 'off' } }],
    ['Google', 'chat_completions', { extra_body: { google: { thinking_config: { thinking_budget: 0 } } } }],
    ['LiteLLM', 'chat_completions', { litellm_metadata: { model_group: 'a' }, tags: ['a'] }],
    ['Anthropic', 'messages', { metadata: { user_id: 'u' }, diagnostics: {}, user_profile_id: 'u' }],
    ['nobody yet', 'responses', { client_context: { installation: 'a', window: { width: 3 } } }],
    ['nobody yet', 'responses', { turn_attributes: ['first', 'interactive'] }],
    ['nobody yet', 'chat_completions', { sampler_settings: { eta: 0.1, tau: [1, 2] } }],
    ['nobody yet', 'chat_completions', { request_metadata: { tool: 'x', model: 'y' } }],
    ['nobody yet', 'chat_completions', { disable_search: true, no_tools: true }],
    ['nobody yet', 'messages', { display_hints: { locale: 'de', rtl: false } }],
    ['nobody yet', 'embeddings', { input_kind: 'query', normalize: true }],
  ])('%s, %s: %j → passes', (_who, endpoint, fields) => {
    expect(unmetered(endpoint, fields)).toEqual([]);
  });

  test.each<[Endpoint, Fields]>([
    ['chat_completions', { plugins: [{ id: 'web' }] }],
    ['chat_completions', { search_parameters: { mode: 'auto' } }],
    ['chat_completions', { models: ['dear'] }],
    ['chat_completions', { compound_custom: { tools: { enabled_tools: ['web_search'] } } }],
    ['chat_completions', { chat_template: '{% for i in range(9999) %}x{% endfor %}' }],
    ['chat_completions', { enable_code_interpreter: true }],
    ['chat_completions', { webSearch: { depth: 3 } }],
    ['chat_completions', { something: [{ type: 'web_search' }] }],
    ['chat_completions', { something: { deep: [{ fallback_models: ['dear'] }] } }],
    ['chat_completions', { num_generations: 4 }],
    ['chat_completions', { maxTokens: 100_000 }],
    ['chat_completions', { max_new_tokens: 100_000 }],
    ['chat_completions', { options: { num_predict: 100_000 } }],
    ['chat_completions', { api_base: 'https://elsewhere.example' }],
    ['chat_completions', { extra_body: { max_tokens: 100_000 } }],
    ['chat_completions', { extra_body: { google: { tools: [{ google_search: {} }] } } }],
    ['responses', { connectors: [{ id: 'drive' }] }],
    ['responses', { background: true }],
    ['embeddings', { images: ['https://example.com/a.png'] }],
    ['messages', { mcp_servers: [{ url: 'https://a' }] }],
    ['messages', { agents: { planner: {} } }],
    ['messages', { context_management: { edits: [{ type: 'compact_20260112' }] } }],
  ])('%s: %j → can cost, and is named', (endpoint, fields) => {
    expect(unmetered(endpoint, fields).length).toBeGreaterThan(0);
  });

  test('what a field holds, however deep and large → is walked once', () => {
    const deep = { list: Array.from({ length: 50_000 }, (_, n) => ({ key: n, name: `n${n}` })) };
    const began = performance.now();
    expect(unmetered('chat_completions', { unheard_of: deep })).toEqual([]);
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});

describe('fields: at the gateway', () => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await startGateway({
      budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "100", window: day }',
      providers:
        '\n  loose: { dialect: openai, baseUrl: "PROVIDER", pricedAs: main, passFields: [plugins] }\n',
      routes:
        '\n  - { model: loose, candidates: [{ provider: loose, model: small }] }' +
        '\n  - { model: either, candidates: [{ provider: main, model: small }, { provider: loose, model: small }] }',
    });
    gateway.provider.answer = json(chatAnswer({ prompt_tokens: 10, completion_tokens: 5 }));
  });
  afterAll(() => gateway.close());
  const plugins = [{ id: 'web' }];
  const chat = (model: string, fields: Fields) =>
    gateway.post('/openai/v1/chat/completions', { ...BASE.chat_completions, model, ...fields });

  test('a field that can cost → refused with the setting that would let it through, and nothing goes out', async () => {
    const before = gateway.provider.calls.length;
    const response = await chat('small', { plugins });
    expect(response.status).toBe(400);
    expect(response.headers.get('x-should-retry')).toBe('false');
    const { error } = (await response.json()) as { error: Fields };
    expect(error).toMatchObject({ code: 'not_meterable', param: 'plugins' });
    expect(error.message).toContain('plugins are billed beside the tokens');
    expect(error.message).toContain('providers.main.passFields');
    expect(gateway.provider.calls.length).toBe(before);
  });

  test('the setting names it → it goes out as it came; and of several candidates the one that takes it is called', async () => {
    for (const model of ['loose', 'either']) {
      const response = await chat(model, { plugins });
      expect(response.status).toBe(200);
      expect(response.headers.get('bursar-provider')).toBe('loose');
      expect(gateway.provider.calls.at(-1)?.body.plugins).toEqual(plugins);
    }
    expect((await chat('loose', { models: ['dear'] })).status).toBe(400);
  });

  test('Codex’s own fields → go out byte for byte', async () => {
    const body = { model: 'small', input: 'hi', max_output_tokens: 50, client_metadata: { a: 'b' } };
    gateway.provider.answer = json({ id: 'r', output: [], usage: { input_tokens: 1, output_tokens: 1 } });
    expect((await gateway.post('/openai/v1/responses', body)).status).toBe(200);
    expect(gateway.provider.calls.at(-1)?.text).toBe(JSON.stringify(body));
  });
});

describe('fields: a key in another spelling', () => {
  const refusedFor = (endpoint: Endpoint, fields: Fields): string | undefined => {
    try {
      reading(endpoint, fields);
    } catch (error) {
      if (error instanceof RefusedError && error.code === 'invalid_request') return error.about.field;
      throw error;
    }
    return undefined;
  };
  const part = (fields: Fields) => ({ messages: [{ role: 'user', content: [{ type: 'text', ...fields }] }] });

  test.each<[Endpoint, Fields, string]>([
    ['chat_completions', { messages: [{ role: 'user', content: 'a', Content: 'b' }] }, 'content'],
    ['chat_completions', part({ Image_Url: { url: 'https://a' } }), 'image_url'],
    ['chat_completions', part({ image_url: { url: 'https://a', DETAIL: 'high' } }), 'detail'],
    ['chat_completions', part({ file: { FILE_ID: 'f' } }), 'file_id'],
    ['chat_completions', { stream: true, stream_options: { Include_Usage: false } }, 'include_usage'],
    ['chat_completions', { reasoning: { Effort: 'high' } }, 'effort'],
    ['chat_completions', { chat_template_kwargs: { Enable_Thinking: true } }, 'enable_thinking'],
    ['chat_completions', { 'me\u017fsages': [] }, 'messages'],
    ['chat_completions', { 'max_to\u212aens': 5 }, 'max_tokens'],
    ['chat_completions', part({ f\u0130le: {} }), 'file'],
    ['chat_completions', part({ '\ufb01le': {} }), 'file'],
    ['responses', { reasoning: { MODE: 'pro' } }, 'mode'],
    ['responses', { INPUT: [] }, 'input'],
    ['responses', { input: [{ type: 'message', role: 'user', conTent: [] }] }, 'content'],
    ['responses', { input: [{ Type: 'item_reference', id: 'a' }] }, 'type'],
    ['responses', { input: [{ type: 'additional_tools', Tools: [{ type: 'mcp' }] }] }, 'tools'],
    ['responses', { tools: [{ type: 'namespace', Tools: [] }] }, 'tools'],
    ['messages', { thinking: { type: 'disabled', Type: 'enabled' } }, 'type'],
    ['messages', { thinking: { type: 'enabled', BUDGET_TOKENS: 9 } }, 'budget_tokens'],
    ['messages', { output_config: { Effort: 'max' } }, 'effort'],
    [
      'messages',
      { system: [{ type: 'text', text: 'a', Cache_Control: { type: 'ephemeral' } }] },
      'cache_control',
    ],
    ['messages', { cache_control: { type: 'ephemeral', TTL: '1h' } }, 'ttl'],
    ['messages', { context_management: { Edits: [] } }, 'edits'],
    [
      'messages',
      {
        messages: [{ role: 'user', content: [{ type: 'document', source: { type: 'base64', DATA: 'a' } }] }],
      },
      'data',
    ],
    ['messages', { tools: [{ type: 'web_search_20250305', name: 'w', 'max_u\u017fes': 9 }] }, 'max_uses'],
  ])('%s: %j → refused, since it can be taken for %s', (endpoint, fields, name) => {
    expect(refusedFor(endpoint, fields)).toBe(name);
  });

  test.each<[Endpoint, Fields]>([
    ['chat_completions', { metadata: { Model: 'a', TYPE: 'b' } }],
    [
      'chat_completions',
      { tools: [{ type: 'function', function: { name: 'f', parameters: { properties: { Type: {} } } } }] },
    ],
    ['messages', { tools: [{ name: 'f', input_schema: { properties: { URL: {}, Content: {} } } }] }],
    [
      'messages',
      {
        messages: [
          { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'f', input: { Text: 1 } }] },
        ],
      },
    ],
    ['responses', { client_metadata: { Source: 'a', ID: 'b' } }],
    ['chat_completions', { response_format: { type: 'json_schema', json_schema: { schema: { Type: 1 } } } }],
  ])('%s: %j → passes: what callers write freely has their own names', (endpoint, fields) => {
    expect(refusedFor(endpoint, fields)).toBeUndefined();
  });

  test('another spelling beside a type → hides behind no argument of a tool', () => {
    expect(refusedFor('responses', { type: 'x', input: [{ Type: 'item_reference', id: 'a' }] })).toBe('type');
  });
});

describe('fields: one thing said in two ways', () => {
  const stored = ({ inputIsStored, inputIsUnbounded }: RequestFacts) => ({ inputIsStored, inputIsUnbounded });
  const chat = (content: Fields) =>
    stored(reading('chat_completions', { messages: [{ role: 'user', content: [content] }] }).facts);
  const input = (content: Fields) =>
    stored(reading('responses', { input: [{ role: 'user', content: [content] }] }).facts);
  const block = (content: Fields) =>
    stored(reading('messages', { messages: [{ role: 'user', content: [content] }] }).facts);
  const BOTH = { inputIsStored: true, inputIsUnbounded: true };
  const NAMED = { inputIsStored: true, inputIsUnbounded: false };
  const INLINE = { inputIsStored: false, inputIsUnbounded: false };
  const text = 'data:text/plain;base64,eHh4';
  const png = 'data:image/png;base64,AAAA';

  test('a file by its data and by its id or address → counts as stored, the larger of the two', () => {
    expect(chat({ type: 'file', file: { file_data: text } })).toEqual(INLINE);
    expect(chat({ type: 'file', file: { file_data: text, file_id: 'f' } })).toEqual(BOTH);
    expect(chat({ type: 'file', file: { file_data: text }, file_id: 'f' })).toEqual(BOTH);
    expect(input({ type: 'input_file', file_data: text })).toEqual(INLINE);
    expect(input({ type: 'input_file', file_data: text, file_id: 'f' })).toEqual(BOTH);
    expect(input({ type: 'input_file', file_data: text, file_url: 'https://a' })).toEqual(BOTH);
    expect(chat({ type: 'input_audio', input_audio: { data: 'AAAA', format: 'mp3' } })).toEqual(INLINE);
    expect(chat({ type: 'input_audio', input_audio: { data: 'AAAA', url: 'https://a' } })).toEqual(BOTH);
  });

  test('an image by its data and by its id → counts as one that only the provider has; the larger detail counts', () => {
    expect(input({ type: 'input_image', image_url: png })).toEqual(INLINE);
    expect(input({ type: 'input_image', image_url: png, file_id: 'f' })).toEqual(NAMED);
    expect(input({ type: 'input_image', image_url: 'https://a/b.png' })).toEqual(NAMED);
    expect(
      input({ type: 'input_image', image_url: 'data:application/pdf;base64,JVBE', file_id: 'f' }),
    ).toEqual(BOTH);
    const tokens = (image_url: Fields, more: Fields = {}) =>
      reading('chat_completions', { messages: [{ content: [{ type: 'image_url', image_url, ...more }] }] })
        .facts.inputImageTokensMax;
    expect(tokens({ url: png, detail: 'low' })).toBe(2_833);
    expect(tokens({ url: png, detail: 'low' }, { detail: 'high' })).toBe(16_384);
  });

  test('a source of Anthropic’s that states two → counts as stored', () => {
    const document = (source: Fields) => block({ type: 'document', source });
    expect(document({ type: 'text', data: 'a', media_type: 'text/plain' })).toEqual(INLINE);
    expect(document({ type: 'text', data: 'a', file_id: 'f' })).toEqual(BOTH);
    expect(document({ type: 'base64', data: 'JVBE', url: 'https://a' })).toEqual(BOTH);
    const image = (source: Fields) => block({ type: 'image', source });
    expect(image({ type: 'base64', data: 'AAAA' })).toEqual(INLINE);
    expect(image({ type: 'base64', data: 'AAAA', url: 'https://a' })).toEqual(NAMED);
    expect(image({ type: 'url', url: 'https://a' })).toEqual(NAMED);
  });
});

describe('fields: whether the model is asked to think', () => {
  const asked = (
    endpoint: Endpoint,
    fields: Fields,
    heeded: readonly string[] = ['reasoning_effort', 'reasoning'],
  ) => {
    const profile = { ...compatible, request: { ...compatible.request, thinkingOff: heeded } };
    return reading(endpoint, fields).factsFor('m', profile).thinkingAsked;
  };

  test.each<[Endpoint, Fields, boolean | null]>([
    ['chat_completions', {}, null],
    ['chat_completions', { reasoning_effort: 'none' }, false],
    ['chat_completions', { reasoning_effort: 'minimal' }, true],
    ['chat_completions', { reasoning_effort: 'high' }, true],
    ['chat_completions', { reasoning: { effort: 'none' } }, false],
    ['chat_completions', { reasoning: { enabled: false } }, false],
    ['chat_completions', { reasoning: { enabled: false, max_tokens: 500 } }, true],
    ['chat_completions', { reasoning: { summary: 'auto' } }, null],
    ['chat_completions', { thinking: { type: 'enabled' } }, true],
    ['chat_completions', { thinking: { type: 'adaptive' } }, true],
    ['chat_completions', { enable_thinking: true }, true],
    ['chat_completions', { chat_template_kwargs: { enable_thinking: true } }, true],
    ['chat_completions', { think: 'low' }, true],
    ['chat_completions', { prompt_mode: 'reasoning' }, true],
    ['chat_completions', { reasoning_effort: 'none', thinking: { type: 'enabled' } }, true],
    ['chat_completions', { google: { thinking_config: { thinking_budget: -1 } } }, true],
    ['responses', { reasoning: { effort: 'none' } }, false],
    ['responses', { reasoning: { effort: 'low' } }, true],
    ['responses', { reasoning: { effort: null } }, null],
    ['messages', {}, null],
    ['messages', { thinking: { type: 'disabled' } }, false],
    ['messages', { thinking: { type: 'enabled', budget_tokens: 1_024 } }, true],
    ['messages', { thinking: { type: 'adaptive' } }, true],
  ])('%s with %j → %j', (endpoint, fields, thinks) => {
    expect(asked(endpoint, fields)).toBe(thinks);
  });

  test.each<[string, Fields]>([
    ['thinking', { thinking: { type: 'disabled' } }],
    ['enable_thinking', { enable_thinking: false }],
    ['chat_template_kwargs', { chat_template_kwargs: { thinking: false } }],
    ['think', { think: false }],
    ['extra_body.google', { extra_body: { google: { thinking_config: { thinking_budget: 0 } } } }],
  ])('%s asks it not to → believed of a provider that heeds the field, and of no other', (field, fields) => {
    expect(asked('chat_completions', fields, [field])).toBe(false);
    expect(asked('chat_completions', fields)).toBe(null);
  });
});
