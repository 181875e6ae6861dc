// What the gateway answers when money runs out, and that no race, missing limit or unknown price gets round a budget
// (docs/gateway.md, "Answers"; field problems 1, 5, 8, 32, 35 to 38).

import { afterEach, describe, expect, test } from 'vitest';
import { explanationText } from '#bursar/cli/explanation.js';
import { LocalReads } from '#bursar/cli/local-ledger.js';
import { chatAnswer, type Gateway, type GatewayOptions, json, startGateway } from '../gateway-fixture.js';

const CHAT = { model: 'small', messages: [{ role: 'user', content: 'hi' }] };
const MESSAGE = { model: 'claude', max_tokens: 100, messages: [{ role: 'user', content: 'hi' }] };
const USED = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };

let gateway: Gateway;
afterEach(() => gateway.close());

async function start(options: GatewayOptions): Promise<void> {
  gateway = await startGateway(options);
  gateway.provider.answer = json(chatAnswer(USED));
}

const chat = (more: object = {}) => gateway.post('/openai/v1/chat/completions', { ...CHAT, ...more });

describe('gateway: answers when money runs out', () => {
  test('problem 1, 13: 200 callers at once on a budget of 50 calls → exactly 50 reach the provider and are booked, nobody sees a 409', async () => {
    await start({
      budgets: '  - { id: calls, match: { tenant: acme }, unit: calls, limit: "50", window: day }',
    });
    const statuses = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const response = await chat();
        await response.text();
        return response.status;
      }),
    );
    expect(gateway.provider.calls.length).toBe(50);
    expect(statuses.filter((status) => status === 200)).toHaveLength(50);
    expect(statuses.filter((status) => status === 402 || status === 429)).toHaveLength(150);
    expect(gateway.ledger.balances({ budgetId: 'calls' })[0]).toMatchObject({ spent: 50n, held: 0n });
  });

  test('an exhausted budget → 402 that client libraries do not retry, with figures that add up', async () => {
    await start({ budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "1", window: day }' });
    await gateway.ledger.record({ labels: { tenant: 'acme' }, amounts: { usd: 99_000_000n } });
    const response = await chat();
    expect(response.status).toBe(402);
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(response.headers.get('bursar-remaining')).toBe('0.01');
    expect(response.headers.get('bursar-cost')).toBe('0');
    const { error } = (await response.json()) as { error: Record<string, string> };
    expect(error).toMatchObject({ code: 'budget_exhausted', type: 'insufficient_quota', budget_id: 'day' });
    expect(error).toMatchObject({ scope: 'tenant', limit: '1', spent: '0.99', held: '0', param: null });
    expect(Number(error.requested)).toBeGreaterThan(
      Number(error.limit) - Number(error.spent) - Number(error.held),
    );
    expect(error.resets_at).toMatch(/T00:00:00.000Z$/);
    expect(error.decision_id).toBe(response.headers.get('bursar-decision-id'));
    expect(error.message).toContain('"day"');
    expect(gateway.provider.calls).toEqual([]);
  });

  test('an exhausted budget in the other dialect → its billing error', async () => {
    await start({ budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "0", window: day }' });
    const response = await gateway.post('/anthropic/v1/messages', MESSAGE);
    expect(response.status).toBe(402);
    expect(await response.json()).toMatchObject({
      type: 'error',
      error: { type: 'billing_error', code: 'budget_exhausted', budget_id: 'day' },
      request_id: expect.any(String),
    });
  });

  test('exhaustedStatus 429 → 429 for exhaustion, still not retried; other refusals keep their status', async () => {
    await start({
      budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "1", window: day }',
      more: 'gateway: { exhaustedStatus: 429 }',
    });
    const tooLarge = await chat({ max_tokens: 1_000_000 });
    expect(tooLarge.status).toBe(402);
    await gateway.ledger.exhaust({ budgetId: 'day' });
    const exhausted = await chat();
    expect(exhausted.status).toBe(429);
    expect(exhausted.headers.get('x-should-retry')).toBe('false');
  });

  test('a request that the budget can never allow, and one that fits once others end → told apart', async () => {
    await start({
      budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "0.06", window: day }',
    });
    const tooLarge = await chat({ max_tokens: 100_000 });
    expect(tooLarge.status).toBe(402);
    expect(await tooLarge.json()).toMatchObject({ error: { code: 'request_exceeds_budget' } });

    let answer: (() => void) | undefined;
    gateway.provider.answer = (call, response) => {
      answer = () => void json(chatAnswer(USED))(call, response);
    };
    const first = chat({ max_tokens: 4_000 });
    while (answer === undefined) await new Promise((resolve) => setTimeout(resolve, 2));
    const held = await chat({ max_tokens: 4_000 });
    expect(held.status).toBe(429);
    expect(held.headers.get('x-should-retry')).toBe(null);
    expect(Number(held.headers.get('retry-after-ms'))).toBeGreaterThan(0);
    expect(Number(held.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await held.json()).toMatchObject({ error: { code: 'budget_held' } });
    answer();
    expect((await first).status).toBe(200);
  });

  /** Starts so many calls at once, waits until each has reached the provider, and answers them. */
  async function together(calls: readonly (() => Promise<Response>)[]): Promise<Response[]> {
    const waiting: (() => void)[] = [];
    gateway.provider.answer = (call, response) => {
      waiting.push(() => void json(chatAnswer(USED))(call, response));
    };
    const all = Promise.all(calls.map((call) => call()));
    while (waiting.length < calls.length) await new Promise((resolve) => setTimeout(resolve, 2));
    for (const answer of waiting) answer();
    return all;
  }

  test('problem 8: a call without max_tokens → the model’s own limit is held, and nothing is added to the request', async () => {
    await start({ budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "10", window: day }' });
    const response = await chat();
    expect(response.headers.get('bursar-output-tokens-max')).toBe(null);
    expect(gateway.provider.calls[0].text).toBe(JSON.stringify(CHAT));
    // 8,000 tokens at 10 USD a million, and the input.
    expect(gateway.ledger.holds()[0].authorized.usd).toBeGreaterThan(8_000_000n);
    expect(gateway.ledger.holds()[0].authorized.usd).toBeLessThan(8_100_000n);
  });

  test('problem 8: on a small budget a call without max_tokens → takes a share of what is left, so that two fit at once', async () => {
    await start({
      budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "0.09", window: day }',
    });
    const [first, second] = await together([chat, chat]);
    expect([first.status, second.status]).toEqual([200, 200]);
    // Half of 0.09 USD, less the input, at 10 USD a million.
    expect(first.headers.get('bursar-output-tokens-max')).toBe('4468');
    expect(gateway.provider.calls[0].body.max_completion_tokens).toBe(4_468);
  });

  test('a call without max_tokens → never less than the least that is configured, where it fits', async () => {
    await start({
      budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "0.2", window: day }',
      more: 'gateway: { outputTokensLeast: 6000 }',
    });
    const waiting: (() => void)[] = [];
    gateway.provider.answer = (call, response) => {
      waiting.push(() => void json(chatAnswer(USED))(call, response));
    };
    const first = chat();
    while (waiting.length < 1) await new Promise((resolve) => setTimeout(resolve, 2));
    // Half of the 0.12 USD that are left would be less than 6,000 tokens with the input.
    const second = chat();
    while (waiting.length < 2) await new Promise((resolve) => setTimeout(resolve, 2));
    for (const answer of waiting) answer();
    const limits = (await Promise.all([first, second])).map(({ headers }) =>
      headers.get('bursar-output-tokens-max'),
    );
    expect(limits).toEqual([null, '6000']);
  });

  test('the limit for calls that state none → the configured one, where it is below the model’s own', async () => {
    await start({
      budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "10", window: day }',
      more: 'gateway: { outputTokensUnstated: 700 }',
    });
    expect((await chat()).headers.get('bursar-output-tokens-max')).toBe('700');
    expect(gateway.provider.calls[0].body.max_completion_tokens).toBe(700);
  });

  test('the limit of a route → comes before the gateway’s', async () => {
    await start({
      budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "10", window: day }',
      more: 'gateway: { outputTokensUnstated: 700 }',
      routes:
        '\n  - { model: brief, outputTokensUnstated: 300, candidates: [{ provider: main, model: small }] }',
    });
    await chat({ model: 'brief' });
    await chat();
    expect(gateway.provider.calls.map(({ body }) => body.max_completion_tokens)).toEqual([300, 700]);
  });

  test('a model whose own limit nobody knows → enough to think and answer, within its context window', async () => {
    await start({
      budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "10", window: day }',
      routes: '\n  - { model: free-*, candidates: [{ provider: main }] }',
      prices:
        '  - { provider: main, model: free-wide, input: "1", output: "10" }\n' +
        '  - { provider: main, model: free-small, input: "1", output: "10", contextWindow: 8192 }\n',
    });
    await chat({ model: 'free-wide' });
    await chat({ model: 'free-small' });
    const [wide, small] = gateway.provider.calls.map(({ body }) => body.max_completion_tokens as number);
    expect(wide).toBe(32_000);
    expect(small).toBeGreaterThan(7_000);
    expect(small).toBeLessThan(8_192 - 256);
  });

  test('a stated max_tokens → goes out as it came, without a header', async () => {
    await start({ budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "10", window: day }' });
    const response = await chat({ max_tokens: 77 });
    expect(response.headers.get('bursar-output-tokens-max')).toBe(null);
    expect(gateway.provider.calls[0].text).toBe(JSON.stringify({ ...CHAT, max_tokens: 77 }));
  });

  test('problem 32: a model without a price → 400, nothing is held and nothing goes out', async () => {
    await start({ budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "10", window: day }' });
    const response = await chat({ model: 'unpriced' });
    expect(response.status).toBe(400);
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(await response.json()).toMatchObject({ error: { code: 'price_unknown', param: 'model' } });
    expect(gateway.provider.calls).toEqual([]);
    expect(gateway.ledger.holds()).toEqual([]);
  });

  test('a tenant without a limited budget → refused before anything is spent', async () => {
    await start({
      budgets: '  - { id: other, match: { tenant: other }, unit: usd, limit: "10", window: day }',
    });
    const response = await chat();
    expect(response.status).toBe(402);
    expect(await response.json()).toMatchObject({ error: { code: 'no_budget' } });
    expect(gateway.provider.calls).toEqual([]);
  });

  test('a budget in a unit that was declared through the API → figures in that unit, not in its steps', async () => {
    await start({ budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "1", window: day }' });
    const eur = { id: 'eur', match: { tenant: 'acme' }, unit: 'eur', limit: 1_230n, window: 'day' } as const;
    await gateway.ledger.putDefinitions({ units: [{ name: 'eur', scale: 2 }], budgets: [eur] });
    expect(await (await chat()).json()).toMatchObject({
      error: { code: 'unit_missing', limit: '12.3', unit: 'eur' },
    });
  });

  interface Refused {
    readonly message: string;
    readonly requested: string;
    readonly hold: readonly { readonly part: string; readonly tokens: string; readonly usd: string }[];
  }
  const refused = async (response: Response): Promise<Refused> =>
    ((await response.json()) as { error: Refused }).error;
  const steps = (decimal: string) => BigInt(Math.round(Number(decimal) * 1e8));
  const sum = (hold: Refused['hold']) => hold.reduce((total, { usd }) => total + steps(usd), 0n);

  test('a denial in either dialect → names the parts of the hold, which add up to what was requested, and what to change', async () => {
    await start({
      budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "0.05", window: day }',
      more: 'gateway: { require: [] }',
    });
    const large = await refused(await chat({ max_tokens: 7_000 }));
    expect(large.hold.map(({ part }) => part)).toEqual(['input', 'output']);
    expect(large.hold[1]).toEqual({ part: 'output', tokens: '7000', usd: '0.07' });
    expect(sum(large.hold)).toBe(steps(large.requested));
    expect(large.message).toContain('output 0.07 usd (7000 tokens), input 0.0');
    expect(large.message).toContain('To hold less: state a smaller max_completion_tokens (or max_tokens),');

    const long = { ...MESSAGE, messages: [{ role: 'user', content: 'x'.repeat(60_000) }] };
    const read = await refused(await gateway.post('/anthropic/v1/messages', long));
    expect(Number(read.hold[0].tokens)).toBeGreaterThan(60_000);
    expect(sum(read.hold)).toBe(steps(read.requested));
    expect(read.message).toContain('To hold less: send less input.');

    // The whole window is held for it: no setting makes that less.
    const stored = { model: 'small', input: 'hi', previous_response_id: 'resp_x', max_output_tokens: 10 };
    const goesOn = await refused(await gateway.post('/openai/v1/responses', stored));
    expect(goesOn.message).toContain('To hold less: send the conversation instead of naming what');
  });

  test('a denial of a request whose output no field limits → says what makes that request smaller', async () => {
    await start({
      budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "0.01", window: day }',
      more: 'gateway: { require: [] }',
      routes: '\n  - { model: house-*, candidates: [{ provider: main }] }',
      prices: [
        '  - { provider: main, model: house-tokens, input: "1", output: "40" }\n',
        '  - { provider: main, model: house-piece, input: "0", image: "40" }\n',
        '  - { provider: main, model: house-voice, input: "1", outputAudio: "400", output: "1" }\n',
      ].join(''),
    });
    const images = (model: string) =>
      gateway.post('/openai/v1/images/generations', { model, prompt: 'a cat' });
    for (const model of ['house-tokens', 'house-piece']) {
      const { hold, message, requested } = await refused(await images(model));
      expect(hold.map(({ part }) => part)).toContain('output');
      expect(sum(hold)).toBe(steps(requested));
      expect(message).toContain('To hold less: ask for fewer images (n) or a lower quality.');
    }
    const speech = { model: 'house-voice', voice: 'alloy', input: 'x'.repeat(3_000) };
    const { message } = await refused(await gateway.post('/openai/v1/audio/speech', speech));
    expect(message).toContain('To hold less: send a shorter text.');
  });

  test('a denial of a call with tools that the provider runs → their rounds are a part of their own, with what bounds them', async () => {
    await start({
      budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "0.05", window: day }',
      more: 'gateway: { require: [] }',
      routes: '\n  - { model: seeker, candidates: [{ provider: claude }] }',
      prices:
        '  - { provider: claude, model: seeker, input: "3", output: "15", webSearch: "10", contextWindow: 200000 }\n',
    });
    const tools = [{ type: 'web_search_20250305', name: 'web_search', max_uses: 8 }];
    const { hold, message, requested } = await refused(
      await gateway.post('/anthropic/v1/messages', { ...MESSAGE, model: 'seeker', tools }),
    );
    expect(hold.map(({ part }) => part)).toEqual(['input', 'tool_rounds', 'output']);
    // Two rounds of the eight: the input again, 10,000 and 20,000 tokens found, and two searches at a cent.
    const [once, rounds] = hold.map(({ tokens }) => Number(tokens));
    expect(rounds).toBe(2 * once + 30_000);
    expect(sum(hold)).toBe(steps(requested));
    expect(message).toContain('lower max_uses of the tools');
  });

  test('a denial by tokens → the parts add up to the tokens; by calls → there are none', async () => {
    await start({
      budgets: `  - { id: tokens, match: { tenant: acme }, unit: tokens, limit: "1000", window: day }
  - { id: calls, match: { tenant: acme, team: x }, unit: calls, limit: "0", window: day }`,
    });
    const { hold, requested } = await refused(await chat({ max_tokens: 2_000 }));
    expect(hold.reduce((total, { tokens }) => total + Number(tokens), 0)).toBe(Number(requested));
    const none = await gateway.post(
      '/openai/v1/chat/completions',
      { ...CHAT, max_tokens: 10 },
      {
        'bursar-label-team': 'x',
      },
    );
    expect(await refused(none)).not.toHaveProperty('hold');
  });

  test('explain: a call that was refused → prints the parts of what it would have held', async () => {
    await start({
      budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "0.05", window: day }',
    });
    const { headers } = await chat({ max_tokens: 7_000 });
    const reads = new LocalReads(gateway.ledger);
    const explanation = await reads.explain(headers.get('bursar-decision-id') as string);
    expect(explanationText(explanation)).toMatch(
      /held for main small: output 0\.07 usd \(7000 tokens\), input 0\.0\d+ usd \(\d+ tokens\)/,
    );
  });

  test('a decision → its note keeps the parts of the hold, and says where they are what is expected', async () => {
    await start({ budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "10", window: day }' });
    await chat({ max_tokens: 100 });
    await gateway.settled();
    const [event] = await gateway.events('hold_authorized');
    const { candidates } = JSON.parse(event.details.note as string);
    expect(candidates[0].parts).toEqual([
      ['input', expect.any(Number), expect.any(String)],
      ['output', 100, '0.001'],
    ]);
    expect(candidates[0]).not.toHaveProperty('expected');
    const file = { type: 'file', file: { file_id: 'file_1' } };
    await chat({ max_tokens: 100, messages: [{ role: 'user', content: [file] }] });
    await gateway.settled();
    const stored = (await gateway.events('hold_authorized'))[1];
    const [noted] = JSON.parse(stored.details.note as string).candidates;
    expect(noted.expected).toBe(true);
    expect(noted.parts[0][1]).toBeGreaterThan(50_000);
  });

  test("a budget of the platform's refuses → named, without what others spent", async () => {
    await start({
      budgets: `  - { id: all, match: {}, unit: usd, limit: "1", window: day }
  - { id: day, match: { tenant: acme }, unit: usd, limit: "10", window: day }`,
    });
    await gateway.ledger.record({ labels: { tenant: 'other' }, amounts: { usd: 99_999_999n } });
    const response = await chat();
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({
      error: { code: 'budget_exhausted', budget_id: 'all', scope: 'platform' },
    });
    expect(text).not.toContain('0.99999999');
    expect(JSON.stringify([...response.headers])).not.toContain('"all"');
    expect(response.headers.get('bursar-remaining-budget')).toBe('day');
  });

  test('an answer → carries its cost, the tightest budget, and RateLimit fields of all', async () => {
    await start({
      budgets: `  - { id: day, match: { tenant: acme }, unit: usd, limit: "10", window: day }
  - { id: calls, match: { tenant: acme }, unit: calls, limit: "4", window: hour }`,
    });
    const { headers } = await chat();
    expect(headers.get('bursar-cost')).toBe('0.00006');
    expect(headers.get('bursar-remaining')).toBe('3');
    expect(headers.get('bursar-remaining-unit')).toBe('calls');
    expect(headers.get('bursar-remaining-budget')).toBe('calls');
    expect(headers.get('bursar-decision-id')).toMatch(/^dec-\d+$/);
    expect(headers.get('ratelimit')).toMatch(/"day";r=999994000;t=\d+/);
    expect(headers.get('ratelimit')).toMatch(/"calls";r=3;t=\d+/);
    expect(headers.get('ratelimit-policy')).toMatch(
      /"day";q=1000000000;w=86400;bursar-unit="usd";bursar-scale=8/,
    );
    expect(headers.get('ratelimit-policy')).toContain('"calls";q=4;w=3600;bursar-unit="calls"');
  });
});

describe('gateway: clampOutput', () => {
  const CLAMPED = 'gateway: { clampOutput: true }';

  test('more output than the headroom pays for → cut to a share of it, said in a header, and never overspent', async () => {
    await start({
      budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "0.01", window: day }',
      more: CLAMPED,
    });
    const response = await chat({ max_tokens: 5_000 });
    expect(response.status).toBe(200);
    const asked = gateway.provider.calls[0].body.max_tokens as number;
    expect(asked).toBeGreaterThan(450);
    expect(asked).toBeLessThan(500);
    expect(response.headers.get('bursar-output-tokens-max')).toBe(String(asked));
    const [hold] = gateway.ledger.holds();
    expect(hold.authorized.usd).toBeLessThanOrEqual(500_000n);
    // One token more would have been more than half: 10 USD a million are 1,000 steps a token.
    expect(hold.authorized.usd + 1_000n).toBeGreaterThan(500_000n);
  });

  test('a share that is configured → the clamp takes no more, and the whole where that is stated', async () => {
    for (const [percent, most] of [
      [100, 1_000_000n],
      [10, 100_000n],
    ] as const) {
      await start({
        budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "0.01", window: day }',
        more: `gateway: { clampOutput: true, outputSharePercent: ${percent} }`,
      });
      expect((await chat({ max_tokens: 5_000 })).status).toBe(200);
      const { usd } = gateway.ledger.holds()[0].authorized;
      expect(usd).toBeLessThanOrEqual(most);
      expect(usd + 1_000n).toBeGreaterThan(most);
      if (percent === 100) await gateway.close();
    }
  });

  test('parallel calls that are cut → run side by side, and one that finds too little left is told to wait, never 402', async () => {
    await start({
      budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "0.01", window: day }',
      more: CLAMPED,
    });
    const waiting: (() => void)[] = [];
    gateway.provider.answer = (call, response) => {
      waiting.push(() => void json(chatAnswer(USED))(call, response));
    };
    const running: Promise<Response>[] = [];
    let refused: Response | null = null;
    while (refused === null) {
      const next = chat({ max_tokens: 5_000 });
      const sent = running.length + 1;
      const reached = (async () => {
        while (waiting.length < sent) await new Promise((resolve) => setTimeout(resolve, 2));
        return null;
      })();
      refused = await Promise.race([next, reached]);
      if (refused === null) running.push(next);
      else waiting.push(() => undefined);
    }
    expect(running.length).toBeGreaterThan(3);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('x-should-retry')).toBe(null);
    expect(await refused.json()).toMatchObject({ error: { code: 'budget_held' } });
    for (const answer of waiting) answer();
    for (const response of await Promise.all(running)) expect(response.status).toBe(200);
    expect(gateway.provider.calls.map(({ body }) => (body.max_tokens as number) >= 50)).not.toContain(false);
  });

  test('a cap for each hold → is kept as well', async () => {
    await start({
      budgets:
        '  - { id: day, match: { tenant: acme }, unit: tokens, limit: "1000000", window: day, perHoldMax: "1000" }',
      more: CLAMPED,
    });
    expect((await chat({ max_tokens: 5_000 })).status).toBe(200);
    expect(gateway.ledger.holds()[0].authorized.tokens).toBe(1_000n);
  });

  test('not even a short answer fits → refused', async () => {
    await start({
      budgets: '  - { id: day, match: { tenant: acme }, unit: usd, limit: "0.0002", window: day }',
      more: CLAMPED,
    });
    expect((await chat({ max_tokens: 5_000 })).status).toBe(402);
    expect(gateway.provider.calls).toEqual([]);
  });
});
