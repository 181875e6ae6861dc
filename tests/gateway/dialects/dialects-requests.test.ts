// What each dialect makes of a request: the facts that its cost is bounded by, and what is refused because its cost cannot be.

import { describe, expect, test } from 'vitest';
import { dialects } from '#bursar/gateway/dialects/dialects.js';
import { parseBody } from '#bursar/gateway/dialects/request-body.js';
import type { Endpoint } from '#bursar/gateway/metering/endpoints.js';
import type { RequestFacts } from '#bursar/gateway/metering/request-facts.js';
import { RefusedError } from '#bursar/kit/refusals.js';

type Fields = Record<string, unknown>;

const BASE: Readonly<Partial<Record<Endpoint, Fields>>> = {
  chat_completions: { model: 'm', messages: [{ role: 'user', content: 'hello' }] },
  responses: { model: 'm', input: 'hello' },
  embeddings: { model: 'm', input: 'hello' },
  messages: { model: 'm', max_tokens: 10, messages: [{ role: 'user', content: 'hello' }] },
  count_tokens: { model: 'm', messages: [{ role: 'user', content: 'hello' }] },
};

function read(endpoint: Endpoint, fields: Fields = {}): RequestFacts {
  const dialect =
    endpoint === 'messages' || endpoint === 'count_tokens' ? dialects.anthropic : dialects.openai;
  const body = Buffer.from(JSON.stringify({ ...BASE[endpoint], ...fields }));
  return dialect.readRequest(endpoint, parseBody(body)).facts;
}

/** What a provider whose profile lets no further field pass refuses. */
function refusal(endpoint: Endpoint, fields: Fields) {
  try {
    const [unmetered] = read(endpoint, fields).unmetered;
    if (unmetered !== undefined)
      return { code: 'not_meterable', field: unmetered.field, message: unmetered.why };
  } catch (error) {
    if (error instanceof RefusedError)
      return { code: error.code, field: error.about.field, message: error.message };
    throw error;
  }
  return { code: 'passed', field: undefined, message: '' };
}

describe('limits and other plain fields', () => {
  test.each<[Endpoint, Fields, number | null]>([
    ['chat_completions', {}, null],
    ['chat_completions', { max_tokens: 7 }, 7],
    ['chat_completions', { max_completion_tokens: 8 }, 8],
    ['chat_completions', { max_tokens: 9, max_completion_tokens: 8 }, 9],
    ['responses', { max_output_tokens: 16 }, 16],
    ['messages', { max_tokens: 0 }, 0],
    ['embeddings', {}, 0],
    ['count_tokens', {}, 0],
  ])('%s with %j → output stated %j', (endpoint, fields, stated) => {
    expect(read(endpoint, fields).outputTokensStated).toBe(stated);
  });

  test.each<[Endpoint, string, unknown]>([
    ['chat_completions', 'max_tokens', 0],
    ['chat_completions', 'max_tokens', -1],
    ['chat_completions', 'max_completion_tokens', 1.5],
    ['chat_completions', 'max_tokens', '100'],
    ['chat_completions', 'max_tokens', 10_000_001],
    ['chat_completions', 'max_tokens', [5]],
    ['chat_completions', 'n', 0],
    ['chat_completions', 'n', 129],
    ['chat_completions', 'stream', 'true'],
    ['chat_completions', 'messages', 'hello'],
    ['chat_completions', 'model', ''],
    ['chat_completions', 'model', 'a\r\nx-injected: b'],
    ['chat_completions', 'model', 'm'.repeat(257)],
    ['chat_completions', 'stream_options', [true]],
    ['responses', 'max_output_tokens', 0],
    ['responses', 'max_tool_calls', 0],
    ['messages', 'max_tokens', -1],
    ['messages', 'tools', { type: 'custom' }],
  ])('%s with %s as %j → invalid_request that names it', (endpoint, field, value) => {
    const stream = field === 'stream_options' ? { stream: true } : {};
    const { code, field: named, message } = refusal(endpoint, { ...stream, [field]: value });
    expect([code, named]).toEqual(['invalid_request', field]);
    expect(message).toContain(field);
    expect(message.length).toBeLessThan(300);
  });

  test('n choices → each may use the limit', () => {
    expect(read('chat_completions', { n: 5 }).choices).toBe(5);
  });

  test('usage of a stream → asked for only where the caller did so', () => {
    const asked = (fields: Fields) => read('chat_completions', fields).usageAsked;
    expect(asked({ stream: true })).toBe(false);
    expect(asked({ stream: true, stream_options: { include_usage: true } })).toBe(true);
    expect(asked({ stream: true, stream_options: { include_usage: false } })).toBe(false);
    expect(read('responses', { stream: true }).usageAsked).toBe(true);
  });

  test('count_tokens → costs nothing, whatever it counts', () => {
    expect(read('count_tokens', { tools: [{ type: 'code_execution_20250825' }] })).toMatchObject({
      inputTokensMax: 0,
      inputTokensEstimate: 0,
    });
  });

  test('rule Q5: estimate = bytes/4 + 100, 10 % more, and a surcharge for each image, tools and web search', () => {
    const bytes = (fields: Fields) => JSON.stringify({ ...BASE.responses, ...fields }).length;
    const text = (size: number) => Math.ceil((Math.ceil(size / 4) + 100) * 1.1);
    expect(read('responses').inputTokensEstimate).toBe(text(bytes({})));
    const searched = { tools: [{ type: 'web_search' }], input: [] };
    expect(read('responses', searched).inputTokensEstimate).toBe(text(bytes(searched)) + 500 + 500);
    const shown = { input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'https://a/b' }] }] };
    expect(read('responses', shown).inputTokensEstimate).toBe(text(bytes(shown)) + 1_000);
  });
});

describe('input that the request does not bound', () => {
  test.each<[Endpoint, string, Fields]>([
    ['responses', 'a response before it', { previous_response_id: 'resp_1' }],
    ['responses', 'a conversation', { conversation: 'conv_1' }],
    ['responses', 'a stored prompt', { prompt: { id: 'pmpt_1' } }],
    ['responses', 'a reference', { input: [{ type: 'item_reference', id: 'msg_1' }] }],
    ['responses', 'reasoning by its id', { input: [{ type: 'reasoning', id: 'rs_1', summary: [] }] }],
    [
      'responses',
      'a file',
      { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'file_1' }] }] },
    ],
    ['chat_completions', 'a PDF', { messages: [pdf('data:application/pdf;base64,JVBERi0=')] }],
    ['chat_completions', 'earlier audio', { messages: [{ role: 'assistant', audio: { id: 'audio_1' } }] }],
    [
      'chat_completions',
      'a video',
      { messages: [{ content: [{ type: 'video_url', video_url: 'https://a' }] }] },
    ],
    ['chat_completions', 'a PDF as an image', { messages: [{ content: [pdfImage()] }] }],
    [
      'messages',
      'a PDF',
      { messages: [document({ type: 'base64', media_type: 'application/pdf', data: 'JV' })] },
    ],
    ['messages', 'a file', { messages: [document({ type: 'file', file_id: 'file_1' })] }],
    ['messages', 'a new kind of block', { messages: [{ role: 'user', content: [{ type: 'hologram' }] }] }],
  ])('%s: %s → bounded by the context window alone', (endpoint, _, fields) => {
    expect(read(endpoint, fields).inputTokensMax).toBeNull();
  });

  test('plain text as a document → bounded by its bytes', () => {
    const source = { type: 'text', media_type: 'text/plain', data: 'x'.repeat(1_000) };
    expect(read('messages', { messages: [document(source)] }).inputTokensMax).toBeGreaterThan(1_000);
    const file = read('chat_completions', {
      messages: [pdf(`data:text/plain;base64,${'eHh4'.repeat(500)}`)],
    });
    expect(file.inputTokensMax).toBeGreaterThan(1_500);
  });

  test('encrypted reasoning → bounded by its bytes, so that stateless agents are', () => {
    const items = [{ type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'g'.repeat(2_000) }];
    expect(read('responses', { input: items }).inputTokensMax).toBeGreaterThan(2_000);
  });
});

function pdf(data: string): Fields {
  return { role: 'user', content: [{ type: 'file', file: { file_data: data, filename: 'a' } }] };
}

function pdfImage(): Fields {
  return { type: 'image_url', image_url: { url: 'data:application/pdf;base64,JVBERi0=' } };
}

function document(source: Fields): Fields {
  return { role: 'user', content: [{ type: 'document', source }] };
}

describe('tools', () => {
  test.each<[Endpoint, unknown[]]>([
    [
      'chat_completions',
      [
        { type: 'function', function: { name: 'f' } },
        { type: 'custom', custom: { name: 'c' } },
      ],
    ],
    ['responses', [{ type: 'function', name: 'f' }, { type: 'custom', name: 'c' }, { type: 'apply_patch' }]],
    ['responses', [{ type: 'namespace', name: 'n', tools: [{ type: 'function', name: 'f' }] }]],
    ['responses', [{ type: 'shell', environment: { type: 'local' } }]],
    [
      'messages',
      [
        { name: 'f', input_schema: {} },
        { type: 'bash_20250124', name: 'bash' },
      ],
    ],
  ])('%s: tools that the caller runs, %j → pass, and bill nothing', (endpoint, tools) => {
    expect(read(endpoint, { tools })).toMatchObject({ billedTools: {}, inputReads: 1 });
    const more =
      (read(endpoint, { tools }).inputTokensMax ?? 0) - (read(endpoint, { tools: [] }).inputTokensMax ?? 0);
    expect(more).toBeGreaterThan(500 + JSON.stringify(tools).length - 2);
  });

  test.each<[Endpoint, Fields, Fields, number | null]>([
    ['responses', { tools: [{ type: 'web_search' }] }, { web_search: null }, null],
    ['responses', { tools: [{ type: 'web_search_preview' }], max_tool_calls: 3 }, { web_search: 3 }, 4],
    ['responses', { tools: [{ type: 'file_search' }], max_tool_calls: 2 }, { file_search: 2 }, 3],
    ['responses', { tools: [interpreter()], max_tool_calls: 2 }, { code_interpreter: 1 }, 3],
    ['chat_completions', { web_search_options: {} }, { web_search: 1 }, 2],
    ['messages', { tools: [search({ max_uses: 2 })] }, { web_search: 2 }, 4],
    ['messages', { tools: [search({})] }, { web_search: null }, 10],
    ['messages', { tools: [{ type: 'web_fetch_20250910', name: 'web_fetch', max_uses: 1 }] }, {}, 3],
  ])(
    '%s with %j → bills at most %j, reads its input at most %j times',
    (endpoint, fields, billedTools, reads) => {
      const facts = read(endpoint, fields);
      expect(facts.billedTools).toEqual(billedTools);
      expect(facts.inputReads).toBe(reads);
      expect(facts.inputTokensMax).toBeNull();
    },
  );

  test.each<[Endpoint, string, Fields]>([
    ['chat_completions', 'a tool of the provider', { tools: [{ type: 'web_search' }] }],
    ['responses', 'images', { tools: [{ type: 'image_generation' }] }],
    ['responses', 'MCP', { tools: [{ type: 'mcp', server_url: 'https://a' }] }],
    ['responses', 'a hosted shell', { tools: [{ type: 'shell', environment: { type: 'container_auto' } }] }],
    ['responses', 'MCP in a namespace', { tools: [{ type: 'namespace', tools: [{ type: 'mcp' }] }] }],
    ['responses', 'MCP in an item', { input: [{ type: 'additional_tools', tools: [{ type: 'mcp' }] }] }],
    ['responses', 'no type', { tools: [{}] }],
    ['messages', 'code execution', { tools: [{ type: 'code_execution_20250825', name: 'code_execution' }] }],
    ['messages', 'MCP', { tools: [{ type: 'mcp_toolset', mcp_server_name: 'a' }] }],
    ['messages', 'an adviser', { tools: [{ type: 'advisor_20260301', name: 'advisor' }] }],
    ['messages', 'searches from code', { tools: [search({ allowed_callers: ['code_execution_20250825'] })] }],
    [
      'messages',
      'newer searches, which run from code',
      { tools: [{ type: 'web_search_20260209', max_uses: 1 }] },
    ],
    ['messages', 'a word that is no list', { tools: ['web_search_20250305'] }],
  ])('%s: %s → not_meterable', (endpoint, _, fields) => {
    expect(refusal(endpoint, fields)).toMatchObject({ code: 'not_meterable', field: 'tools' });
  });

  test('a code interpreter with more memory → price_unknown', () => {
    const tools = [{ type: 'code_interpreter', container: { type: 'auto', memory_limit: '64g' } }];
    expect(refusal('responses', { tools })).toMatchObject({ code: 'price_unknown', field: 'tools' });
  });
});

function search(fields: Fields): Fields {
  return { type: 'web_search_20250305', name: 'web_search', ...fields };
}

function interpreter(): Fields {
  return { type: 'code_interpreter', container: { type: 'auto' } };
}

describe('options that escape the metering', () => {
  test.each<[Endpoint, string, unknown, string]>([
    ['responses', 'background', true, 'not_meterable'],
    ['responses', 'background', false, 'passed'],
    ['responses', 'context_management', [{ type: 'compaction' }], 'not_meterable'],
    ['responses', 'store', true, 'passed'],
    ['chat_completions', 'prediction', { type: 'content', content: 'x' }, 'not_meterable'],
    ['chat_completions', 'models', ['dear'], 'not_meterable'],
    ['chat_completions', 'plugins', [{ id: 'web' }], 'not_meterable'],
    ['chat_completions', 'enable_search', true, 'not_meterable'],
    ['chat_completions', 'something_new', { tool: 'dear' }, 'not_meterable'],
    ['chat_completions', 'top_k', 5, 'passed'],
    ['chat_completions', 'service_tier', ['auto'], 'invalid_request'],
    ['chat_completions', 'service_tier', 'flex', 'passed'],
    ['chat_completions', 'service_tier', null, 'passed'],
    ['messages', 'service_tier', 'standard_only', 'passed'],
    ['messages', 'speed', 1, 'invalid_request'],
    ['messages', 'container', 'container_1', 'not_meterable'],
    ['messages', 'mcp_servers', [{ url: 'https://a' }], 'not_meterable'],
    ['messages', 'mcp_servers', [], 'passed'],
    ['messages', 'fallbacks', [{ model: 'dear' }], 'not_meterable'],
    ['messages', 'context_management', { edits: [{ type: 'compact_20260112' }] }, 'not_meterable'],
    ['messages', 'context_management', { edits: [{ type: 'clear_tool_uses_20250919' }] }, 'passed'],
  ])('%s with %s = %j → %s', (endpoint, field, value, outcome) => {
    const { code, field: named } = refusal(endpoint, { [field]: value });
    expect(code).toBe(outcome);
    if (code !== 'passed') expect(named).toBe(field);
  });

  test.each<[Endpoint, string, Fields, string]>([
    ['messages', 'type', { Type: 'web_search_20250305', name: 'f', input_schema: {} }, 'type'],
    ['messages', 'max_uses', { type: 'web_search_20250305', max_uses: 1, MAX_USES: 900 }, 'max_uses'],
    ['messages', 'max_uses', { type: 'web_search_20250305', max_uses: 1, 'max_u\u017fes': 900 }, 'max_uses'],
    ['chat_completions', 'type', { type: 'function', Type: 'web_search', function: {} }, 'type'],
    ['responses', 'type', { type: 'function', TYPE: 'image_generation' }, 'type'],
    [
      'responses',
      'execution',
      { type: 'tool_search', execution: 'client', Execution: 'server' },
      'execution',
    ],
    ['responses', 'type', { type: 'shell', environment: { type: 'local', Type: 'container' } }, 'type'],
    [
      'responses',
      'memory_limit',
      { type: 'code_interpreter', container: { type: 'auto', Memory_Limit: '64g' } },
      'memory_limit',
    ],
  ])('%s with a tool that spells %s in another way too → refused: %j', (endpoint, _key, tool, field) => {
    expect(refusal(endpoint, { tools: [tool] })).toMatchObject({ code: 'invalid_request', field });
  });

  test('tools that a message defines → the caller’s own pass, others are metered in tools alone', () => {
    const adding = (tool: unknown) => ({
      messages: [
        { role: 'user', content: 'hi' },
        { role: 'system', content: [{ type: 'tool_addition', tool }] },
      ],
    });
    const defining = (definition: unknown) => adding({ type: 'tool_definition', definition });
    const custom = defining({ name: 'f', input_schema: {} });
    expect(refusal('messages', custom).code).toBe('passed');
    expect(read('messages', custom).inputTokensMax).toBeGreaterThan(
      (read('messages', { messages: custom.messages.slice(0, 1) }).inputTokensMax as number) + 1_000,
    );
    expect(refusal('messages', adding({ type: 'tool_reference', name: 'f' })).code).toBe('passed');
    const search = { type: 'web_search_20250305', name: 'web_search', max_uses: 1 };
    const nested = {
      type: 'tool_result',
      content: [{ type: 'tool_addition', tool: { definition: search } }],
    };
    const compacted = {
      type: 'compaction',
      tool_changes: [{ type: 'tool_addition', tool: { type: 'tool_definition', definition: search } }],
    };
    const refused = [
      defining(search),
      adding({ definition: search }),
      defining({ type: 'advisor_20260301' }),
      defining({ type: 'mcp_toolset' }),
      adding(null),
      { messages: [{ role: 'user', content: [nested] }] },
      { messages: [{ role: 'assistant', content: [compacted] }] },
    ];
    for (const fields of refused)
      expect(refusal('messages', fields)).toMatchObject({ code: 'not_meterable', field: 'messages' });
  });

  test('breakpoints of the prompt cache, wherever they stand → the dearest of them is noted', () => {
    const short = { cache_control: { type: 'ephemeral' } };
    const hour = { cache_control: { type: 'ephemeral', ttl: '1h' } };
    const cached = (fields: Fields) => read('messages', fields).cacheWrite;
    expect(cached({})).toBe('none');
    expect(cached(short)).toBe('short');
    expect(cached({ system: [{ type: 'text', text: 'x', ...short }] })).toBe('short');
    expect(cached({ ...short, tools: [{ name: 'f', input_schema: {}, ...hour }] })).toBe('hour');
    const nested = { type: 'tool_result', content: [{ type: 'text', text: 'x', ...hour }] };
    expect(cached({ messages: [{ role: 'user', content: [nested] }] })).toBe('hour');
  });
});

describe('the pages of a document', () => {
  const held = (text: string) => {
    const data = `data:application/pdf;base64,${Buffer.from(text).toString('base64')}`;
    return read('chat_completions', { messages: [pdf(data)] }).inputTokensHeld;
  };
  const none = held('x');

  test('pages: as many as its objects show, whatever else is named alike', () => {
    const objects =
      '<< /Type /Page >> << /Type/Page/Parent 1 0 R >> << /Type /Pages /Count 2 >> /PageLabels ';
    expect(held(`%PDF-1.7 ${objects}`) - none).toBe(5_000);
  });

  test('pages: a million of their names → looked at as far as a document goes, then the size tells', () => {
    const began = performance.now();
    expect(held(`%PDF-1.7${' /Page'.repeat(1_000_000)}`)).toBeGreaterThan(600 * 5_000);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});
