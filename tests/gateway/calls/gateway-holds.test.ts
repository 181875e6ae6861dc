// What real work holds on a budget of 5 USD a day, at the prices of the price data: requests of the sizes and shapes that
// Claude Code and Codex send. The figures are stated, so that a change of what a hold rests on is seen here.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openai } from '#bursar/gateway/profiles/openai.js';
import { type Gateway, startGateway } from '../gateway-fixture.js';

type Fields = Record<string, unknown>;

let gateway: Gateway;
let waiting: (() => void)[] = [];
let users = 0;
let key = '';

beforeAll(async () => {
  gateway = await startGateway({
    models: openai.models,
    budgets: '  - { id: day, match: { tenant: acme, user: "*" }, unit: usd, limit: "5", window: day }',
    providers:
      '\n  anthropic: { profile: anthropic, baseUrl: "PROVIDER" }' +
      '\n  openai: { profile: openai, baseUrl: "PROVIDER" }\n',
    routes:
      '\n  - { model: claude-*, candidates: [{ provider: anthropic }] }' +
      '\n  - { model: gpt-*, candidates: [{ provider: openai }] }',
  });
  gateway.provider.answer = (_call, response) =>
    void waiting.push(() => {
      response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":{"message":"no"}}');
    });
});
afterAll(() => gateway.close());
beforeEach(async () => {
  // A budget of its own for each test.
  key = await gateway.makeKey({ tenant: 'acme', user: `u${users++}` });
});

/** Starts calls one by one until one is refused or there are enough of them; answers what each holds, and ends them. */
async function heldAtOnce(path: string, body: Fields, most: number): Promise<readonly number[]> {
  const running: Promise<Response>[] = [];
  const held: number[] = [];
  waiting = [];
  while (running.length < most) {
    const known = new Set(gateway.ledger.holds().map(({ holdId }) => holdId));
    const next = gateway.post(path, body, { authorization: `Bearer ${key}` });
    const reached = (async () => {
      while (waiting.length <= running.length) await new Promise((resolve) => setTimeout(resolve, 2));
      return null;
    })();
    const refused = await Promise.race([next, reached]);
    if (refused !== null) {
      waiting.push(() => undefined);
      break;
    }
    running.push(next);
    const fresh = gateway.ledger.holds().find(({ holdId }) => !known.has(holdId));
    held.push(Number(fresh?.authorized.usd ?? 0n) / 1e8);
  }
  for (const answer of waiting) answer();
  await Promise.all(running);
  await gateway.settled();
  return held;
}

const MESSAGES = '/anthropic/v1/messages';
const RESPONSES = '/openai/v1/responses';

/** As Claude Code's first request: 87 kB, its prompt and tools in the cache, 32,000 tokens of output. */
function sayHi(model: string): Fields {
  const cached = { cache_control: { type: 'ephemeral' } };
  return {
    model,
    max_tokens: 32_000,
    system: [{ type: 'text', text: 'p'.repeat(22_000), ...cached }],
    tools: [{ name: 'Bash', description: 'd'.repeat(64_500), input_schema: { type: 'object' } }],
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Say hi', ...cached }] }],
  };
}

/** As Claude Code's web search: a request of its own. */
function search(model: string): Fields {
  return {
    model,
    max_tokens: 32_000,
    system: [{ type: 'text', text: 'p'.repeat(400) }],
    messages: [{ role: 'user', content: 'Perform a web search for the query: bursar' }],
    tools: [{ type: 'web_search_20250305', name: 'web_search', max_uses: 8 }],
  };
}

/** As Codex's first turn: 41 kB, the provider's web search among its tools, no limit of output. */
function firstTurn(model: string): Fields {
  return {
    model,
    instructions: 'p'.repeat(20_000),
    input: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'x'.repeat(5_000) }] }],
    tools: [
      { type: 'function', name: 'shell', description: 'd'.repeat(15_000), parameters: { type: 'object' } },
      { type: 'web_search', external_web_access: true },
    ],
    tool_choice: 'auto',
    parallel_tool_calls: false,
    reasoning: { effort: 'medium', summary: 'auto' },
    store: false,
    stream: true,
    include: ['reasoning.encrypted_content'],
    prompt_cache_key: 'k',
    client_metadata: { 'x-codex-installation-id': 'a' },
  };
}

describe('holds on 5 USD a day', () => {
  test.each([
    ['claude-sonnet-4-5', 0.81, 6],
    ['claude-opus-4-5', 1.35, 3],
  ])('Claude Code says hi on %s → holds %f USD, and %i run at once', async (model, usd, atOnce) => {
    const held = await heldAtOnce(MESSAGES, sayHi(model), 8);
    expect(held[0]).toBeCloseTo(usd, 1);
    expect(held.length).toBe(atOnce);
  });

  test('Claude Code searches the web with Opus 4.5, 8 uses → holds for two rounds, and five run at once', async () => {
    const held = await heldAtOnce(MESSAGES, search('claude-opus-4-5'), 8);
    // 0.80 for the output, 0.02 for two searches, the rest for three readings of the input and what was found.
    expect(held[0]).toBeGreaterThan(0.95);
    expect(held[0]).toBeLessThan(1.05);
    expect(held.length).toBe(5);
  });

  test('a first turn of Codex on gpt-5 → holds its input and tools for 0.22 USD, and its output as far as 5 USD go', async () => {
    const held = await heldAtOnce(RESPONSES, firstTurn('gpt-5'), 8);
    // 128,000 tokens of output are 1.28 USD: the model’s own limit, so that nothing is added to the request.
    expect(held[0]).toBeCloseTo(1.5, 1);
    expect(held.length).toBeGreaterThanOrEqual(4);
    const asked = gateway.provider.calls
      .slice(-held.length)
      .map(({ body }) => body.max_output_tokens as number);
    expect(asked[0]).toBeUndefined();
    // The later ones think with what is left, and never with less than reasoning needs.
    for (const limit of asked.slice(1)) expect(limit ?? 128_000).toBeGreaterThanOrEqual(32_000);
  });

  test('a PDF of 30 kB on Sonnet 4.5 → holds what its pages let expect, not the context window', async () => {
    const pdf = Buffer.alloc(30_000, 0x41);
    pdf.write(
      '%PDF-1.4 1 0 obj << /Type /Pages /Count 2 >> 2 0 obj << /Type /Page >> 3 0 obj <</Type/Page>>',
    );
    const document = {
      type: 'document',
      source: { type: 'base64', media_type: 'application/pdf', data: pdf.toString('base64') },
    };
    const asking = (content: unknown) => ({
      model: 'claude-sonnet-4-5',
      max_tokens: 1_000,
      messages: [{ role: 'user', content: [content] }],
    });
    // Two pages of 5,000 tokens at 3 USD a million, and 0.015 for the output.
    const [shown] = await heldAtOnce(MESSAGES, asking(document), 1);
    expect(shown).toBeGreaterThan(0.045);
    expect(shown).toBeLessThan(0.05);
    // Compressed, its pages cannot be counted: one for 10 kB.
    const closed = {
      ...document,
      source: { ...document.source, data: Buffer.alloc(30_000, 0x42).toString('base64') },
    };
    const [guessed] = await heldAtOnce(MESSAGES, asking(closed), 1);
    expect(guessed).toBeGreaterThan(0.06);
    expect(guessed).toBeLessThan(0.065);
  });

  test('400 kB of text on Sonnet 4.5 → holds no more than its context window', async () => {
    const body = {
      model: 'claude-sonnet-4-5',
      max_tokens: 100,
      messages: [{ role: 'user', content: 'x'.repeat(400_000) }],
    };
    const [held] = await heldAtOnce(MESSAGES, body, 1);
    expect(held).toBeGreaterThan(0.6);
    expect(held).toBeLessThan(0.602);
  });

  test('an item by its id, as the AI SDK sends it → holds what is expected of it, not the context window', async () => {
    const body = {
      ...firstTurn('gpt-5'),
      tools: [],
      max_output_tokens: 1_000,
      input: [{ type: 'item_reference', id: 'rs_1' }],
    };
    const [held] = await heldAtOnce(RESPONSES, body, 1);
    expect(held).toBeGreaterThan(0.0625);
    expect(held).toBeLessThan(0.11);
  });
});
