// Where calls go when a provider fails: the next candidate under its own price, a throttled provider left alone until it
// resets, no fallback that skips the budgets, and one charge at most (rules P9, P10; field problem 25).

import { afterEach, describe, expect, test } from 'vitest';
import {
  type Answer,
  chatAnswer,
  chatChunk,
  DONE,
  events,
  type Gateway,
  json,
  startGateway,
} from '../gateway-fixture.js';

const BUDGETS = `
  - { id: day, match: { tenant: acme }, unit: usd, limit: "10", window: day }
  - { id: calls, match: { tenant: acme }, unit: calls, limit: "100", window: day }
`;
const CHAT = { model: 'both', messages: [{ role: 'user', content: 'hi' }] };
const USED = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const MORNING = Date.parse('2027-03-01T09:00:00Z');

let gateway: Gateway;
afterEach(() => gateway.close());

const chat = (more: object = {}) => gateway.post('/openai/v1/chat/completions', { ...CHAT, ...more });

/** The provider `spare` lives below `/spare` and answers; the other does as it is told. */
function main(answer: Answer): void {
  gateway.provider.answer = (call, response) =>
    call.path.startsWith('/spare/') ? json(chatAnswer(USED))(call, response) : answer(call, response);
}

const tried = () => gateway.provider.calls.map(({ path }) => (path.startsWith('/spare/') ? 'spare' : 'main'));

describe('gateway: the next candidate', () => {
  test.each<[string, Answer]>([
    ['an error of its own', json({ error: { message: 'oh' } }, 500)],
    ['overload', json({ error: { message: 'overloaded' } }, 529)],
    ['a quota of its own', json({ error: { message: 'rate limited' } }, 429)],
    ['a connection that breaks', (_call, response) => void response.destroy()],
    [
      'an error before the stream',
      events([{ error: { message: 'the server is overloaded', type: 'server_error' } }]),
    ],
  ])('%s → the next candidate answers, charged once and by its own price', async (_what, answer) => {
    gateway = await startGateway({ budgets: BUDGETS });
    main(answer);
    const response = await chat({ stream: true });
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('Hello there.');
    await gateway.settled();
    expect(tried()).toEqual(['main', 'spare']);
    expect(gateway.provider.calls[1].body.model).toBe('large');
    expect(response.headers.get('bursar-provider')).toBe('spare');
    // 10 × 2 and 5 × 20 USD a million.
    expect(gateway.ledger.holds().map(({ status, charged }) => [status, charged?.usd])).toEqual([
      ['reversed', 0n],
      ['settled', 12_000n],
    ]);
    expect(gateway.ledger.balances({ budgetId: 'calls' })[0].spent).toBe(1n);
    expect(gateway.ledger.balances({ budgetId: 'day' })[0]).toMatchObject({ spent: 12_000n, held: 0n });
  });

  test('a request that the provider refuses → is not tried elsewhere', async () => {
    gateway = await startGateway({ budgets: BUDGETS });
    main(json({ error: { message: 'max_tokens is too large' } }, 400));
    const response = await chat();
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ error: { message: 'max_tokens is too large' } });
    expect(tried()).toEqual(['main']);
  });

  test('every candidate answers an error → the last error, and nothing is charged', async () => {
    gateway = await startGateway({ budgets: BUDGETS });
    gateway.provider.answer = json({ error: { message: 'oh' } }, 503);
    expect((await chat()).status).toBe(503);
    expect(tried()).toEqual(['main', 'spare']);
    expect(gateway.ledger.holds().map(({ status }) => status)).toEqual(['reversed', 'released']);
  });

  test('the budgets have nothing for the next candidate → the error passes, nothing stays held or charged', async () => {
    gateway = await startGateway({
      budgets: `${BUDGETS}  - { id: dear, match: { model: large }, unit: usd, limit: "0.0001", window: day }`,
    });
    main(json({ error: { message: 'overloaded' } }, 529));
    const response = await chat();
    expect(response.status).toBe(529);
    expect(response.headers.get('bursar-cost')).toBe('0');
    expect(tried()).toEqual(['main']);
    expect(gateway.ledger.balances({ budgetId: 'day' })[0]).toMatchObject({ spent: 0n, held: 0n });
  });

  test('the first candidate is too dear for the budgets → the next one is authorised instead', async () => {
    gateway = await startGateway({
      budgets: `${BUDGETS}  - { id: cheap, match: { model: small }, unit: usd, limit: "0.0001", window: day }`,
    });
    main(json(chatAnswer(USED)));
    const response = await chat();
    expect(response.status).toBe(200);
    expect(tried()).toEqual(['spare']);
    expect(gateway.ledger.holds()[0].charged?.usd).toBe(12_000n);
  });

  test('problem 34: the decision says why the call went where it went, and by which prices', async () => {
    gateway = await startGateway({ budgets: BUDGETS });
    main(json(chatAnswer(USED)));
    await chat();
    const [authorized] = await gateway.events('hold_authorized');
    const [settled] = await gateway.events('hold_settled');
    const why = JSON.parse(String(authorized.details.note));
    const how = JSON.parse(String(settled.details.note));
    expect(why.route).toEqual([
      { provider: 'main', model: 'small', verdict: 'uncapped', placed: 'tried' },
      { provider: 'spare', model: 'large', verdict: 'uncapped', placed: 'tried' },
    ]);
    expect(why.candidates[1]).toMatchObject({ provider: 'spare', model: 'large' });
    expect(why.candidates[1].cost[1]).toEqual(['output', 8_000, '20', '0.16']);
    expect(why.prices).toMatch(/^genai-prices@/);
    // What the authorisation's note says is not said again.
    expect(Object.keys(how)).toEqual(['cost', 'estimated', 'end']);
    expect(how.cost).toEqual([
      ['input', 10, '1', '0.00001'],
      ['output', 5, '10', '0.00005'],
    ]);
  });

  test('every command of a call carries the key that asked: the hold, the next attempt, the settlement', async () => {
    gateway = await startGateway({ budgets: BUDGETS });
    main((_call, response) => void response.writeHead(503).end());
    expect((await chat()).status).toBe(200);
    await gateway.settled();
    const key = gateway.keyRing.authenticate(gateway.key)?.keyId;
    const asked = (await gateway.events()).filter(({ type }) => type.startsWith('hold_'));
    expect(asked.map(({ type, actor }) => [type, actor])).toEqual(
      ['hold_authorized', 'hold_reversed', 'hold_authorized', 'hold_settled'].map((type) => [
        type,
        { key, address: null },
      ]),
    );
  });
});

describe('gateway: a hold that expired while the process stood still', () => {
  let now: number;
  const start = async (limit: string) => {
    now = MORNING;
    gateway = await startGateway({
      budgets: BUDGETS.replace('"10"', `"${limit}"`),
      clock: { now: () => now },
      more: 'gateway: { holdTtl: 10s }',
    });
  };
  /** The provider refuses with a status once the hold of its call has expired. */
  const refusesLate =
    (status: number): Answer =>
    async (call, response) => {
      now += 11_000;
      while (gateway.ledger.holds()[0].status !== 'expired') await new Promise((on) => setTimeout(on, 5));
      json({ error: { message: 'no' } }, status)(call, response);
    };
  const day = () => gateway.ledger.balances({ budgetId: 'day' })[0];
  const calls = () => gateway.ledger.balances({ budgetId: 'calls' })[0];

  test('the next candidate → its estimate is taken back first, and the call is charged once', async () => {
    // The dearer candidate's hold fits, and would not beside the estimate of the first.
    await start('0.083');
    main(refusesLate(503));
    expect((await chat()).status).toBe(200);
    await gateway.settled();
    expect(gateway.ledger.holds().map(({ status, late, charged }) => [status, late, charged?.usd])).toEqual([
      ['settled', true, 0n],
      ['settled', false, 12_000n],
    ]);
    expect(day()).toMatchObject({ spent: 12_000n, held: 0n });
    expect(calls()).toMatchObject({ spent: 1n, held: 0n });
  });

  test('the hold expires while the step to the next candidate waits → charged once all the same', async () => {
    await start('10');
    main(json({ error: { message: 'oh' } }, 503));
    const { submit } = gateway.ledger;
    gateway.ledger.submit = (commands) => {
      if (commands[0].command === 'reverse_hold') now += 11_000;
      return submit.call(gateway.ledger, commands);
    };
    expect((await chat()).status).toBe(200);
    await gateway.settled();
    expect(await gateway.events('hold_expired')).toHaveLength(1);
    expect(day()).toMatchObject({ spent: 12_000n, held: 0n });
    expect(calls()).toMatchObject({ spent: 1n, held: 0n });
    expect(gateway.logged.map(({ message }) => message)).not.toContain('a hold could not be given back');
  });

  test('a renewed hold → its call is counted once, by the candidate that answered', async () => {
    await start('10');
    main(async (call, response) => {
      now += 8_000;
      while ((await gateway.events('hold_extended')).length === 0)
        await new Promise((on) => setTimeout(on, 5));
      json({ error: { message: 'oh' } }, 503)(call, response);
    });
    expect((await chat()).status).toBe(200);
    await gateway.settled();
    expect(day()).toMatchObject({ spent: 12_000n, held: 0n });
    expect(calls()).toMatchObject({ spent: 1n, held: 0n });
  });

  test('the provider refuses → nothing is charged, the call is counted', async () => {
    await start('10');
    main(refusesLate(400));
    expect((await chat()).status).toBe(400);
    await gateway.settled();
    expect(gateway.ledger.holds()[0]).toMatchObject({ status: 'settled', late: true });
    expect(day()).toMatchObject({ spent: 0n, held: 0n });
    expect(calls()).toMatchObject({ spent: 1n, held: 0n });
  });
});

describe('gateway: a throttled provider', () => {
  const CAPPED = `
  limited: { dialect: openai, baseUrl: "PROVIDER", pricedAs: main, dayLimit: "100" }
`;
  const LIMITED = `
  - { model: capped, candidates: [{ provider: limited, model: small }, { provider: spare, model: large }] }
  - { model: limited, candidates: [{ provider: limited, model: small }] }
`;

  test.each([
    ['with caps', 'capped'],
    ['without caps', 'both'],
  ])('%s → left alone until the time that it states, then tried again', async (_what, model) => {
    let now = MORNING;
    gateway = await startGateway({
      budgets: BUDGETS,
      clock: { now: () => now },
      providers: CAPPED,
      routes: LIMITED,
    });
    main(json({ error: { message: 'Usage limit reached: resets in 4h' } }, 429));
    expect((await chat({ model })).status).toBe(200);
    now += 3 * 3_600_000;
    expect((await chat({ model })).status).toBe(200);
    expect(tried()).toEqual(['main', 'spare', 'spare']);
    now += 3_600_001;
    main(json(chatAnswer(USED)));
    expect((await chat({ model })).status).toBe(200);
    expect(tried()).toEqual(['main', 'spare', 'spare', 'main']);
  });

  test('every provider throttled → 429 with the time of the first reset, and nothing goes out', async () => {
    let now = MORNING;
    gateway = await startGateway({
      budgets: BUDGETS,
      clock: { now: () => now },
      providers: CAPPED,
      routes: LIMITED,
    });
    main(json({ error: { message: 'slow down; resets in 4h' } }, 429));
    const first = await chat({ model: 'limited' });
    expect(first.status).toBe(429);
    // The provider said it in its message alone.
    expect(first.headers.get('retry-after')).toBe(String(4 * 3_600));
    expect(first.headers.get('retry-after-ms')).toBe(String(4 * 3_600_000));
    now += 60_000;
    const second = await chat({ model: 'limited' });
    expect(second.status).toBe(429);
    expect(second.headers.get('retry-after')).toBe(String(4 * 3_600 - 60));
    expect(await second.json()).toMatchObject({ error: { code: 'quota_exceeded' } });
    expect(tried()).toEqual(['main']);
  });

  test('the provider that throttles says when in a header → it passes as it is', async () => {
    gateway = await startGateway({ budgets: BUDGETS, clock: { now: () => MORNING } });
    main(json({ error: { message: 'slow down; resets in 4h' } }, 429, { 'retry-after': '7' }));
    const response = await chat({ model: 'small' });
    expect(response.headers.get('retry-after')).toBe('7');
    expect(response.headers.get('retry-after-ms')).toBeNull();
  });

  test('every provider exhausted → the refusal is a decision that names the budget and explains itself', async () => {
    let now = MORNING;
    gateway = await startGateway({
      budgets: BUDGETS,
      clock: { now: () => now },
      providers: `${CAPPED}  other: { dialect: openai, baseUrl: "PROVIDER", pricedAs: main, hourLimit: "1" }\n`,
      routes: `${LIMITED}  - { model: pair, candidates: [{ provider: other, model: small }, { provider: limited, model: small }] }\n`,
    });
    main(json({ error: { message: 'insufficient_quota; resets in 4h' } }, 429));
    expect((await chat({ model: 'limited' })).status).toBe(429);
    await gateway.ledger.record({ labels: { provider: 'other' }, amounts: { usd: 100_000_000n } });
    now += 600_000;
    const before = gateway.ledger.head().sequence;
    const refused = await chat({ model: 'pair' });
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe(String(50 * 60));
    const { error } = (await refused.json()) as { error: Record<string, string> };
    expect(error).toMatchObject({
      code: 'quota_exceeded',
      budget_id: 'provider/other/hour',
      scope: 'platform',
      resets_at: '2027-03-01T10:00:00.000Z',
      decision_id: `dec-${before + 1}`,
      message:
        'Every provider of "pair" is exhausted. Budget of the platform "provider/other/hour"; resets at 2027-03-01T10:00:00.000Z.',
    });
    expect(refused.headers.get('bursar-decision-id')).toBe(error.decision_id);
    const { event, lines, sentence } = await gateway.ledger.explain(error.decision_id);
    expect(event.type).toBe('hold_denied');
    expect(JSON.parse(String(event.details.note)).route).toEqual([
      { provider: 'other', model: 'small', verdict: 'exhausted', placed: 'dropped_exhausted' },
      { provider: 'limited', model: 'small', verdict: 'exhausted', placed: 'dropped_exhausted' },
    ]);
    const violated = lines.filter(({ line }) => line.violated !== null);
    expect(violated.map(({ line, addsUp }) => [line.budgetId, line.violated, addsUp])).toContainEqual([
      'provider/limited/day',
      'forced_exhausted',
      true,
    ]);
    expect(sentence).toContain('provider/limited/day (forced exhausted)');
    expect(gateway.ledger.holds({ status: 'open' })).toEqual([]);
    expect(gateway.ledger.balances({ budgetId: 'day' })[0]).toMatchObject({ spent: 0n, held: 0n });
    expect(tried()).toEqual(['main']);
  });

  test('every provider without caps throttled → the refusal is a decision too, and says when the first is back', async () => {
    let now = MORNING;
    // A budget that a call to the provider would fit: the refusal does not rest on its absence.
    gateway = await startGateway({
      budgets: `${BUDGETS}  - { id: each, match: { provider: "*" }, unit: usd, limit: "10", window: day }`,
      clock: { now: () => now },
    });
    gateway.provider.answer = (call, response) =>
      json({ error: { message: `slow down; resets in ${call.path.startsWith('/spare/') ? 2 : 4}h` } }, 429)(
        call,
        response,
      );
    expect((await chat()).status).toBe(429);
    now += 60_000;
    const refused = await chat();
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe(String(2 * 3_600 - 60));
    const { error } = (await refused.json()) as { error: Record<string, string> };
    expect(error).toMatchObject({ code: 'quota_exceeded', resets_at: '2027-03-01T11:00:00.000Z' });
    const { event } = await gateway.ledger.explain(error.decision_id);
    expect(event.type).toBe('hold_denied');
    expect(String(event.details.note)).toContain('dropped_throttled');
    expect(tried()).toEqual(['main', 'spare']);
  });

  test('a call that costs nothing, and a paused provider → do not go out either', async () => {
    gateway = await startGateway({
      budgets: BUDGETS,
      clock: { now: () => MORNING },
      providers: '\n  capped: { dialect: anthropic, baseUrl: "PROVIDER", pricedAs: claude, dayLimit: "1" }\n',
      routes: '\n  - { model: capped, candidates: [{ provider: capped, model: claude }] }\n',
    });
    gateway.provider.answer = json({ input_tokens: 9 });
    const count = () =>
      gateway.post('/anthropic/v1/messages/count_tokens', {
        model: 'capped',
        messages: [{ role: 'user', content: 'hi' }],
      });
    expect((await count()).status).toBe(200);
    await gateway.ledger.record({ labels: { provider: 'capped' }, amounts: { usd: 100_000_000n } });
    const exhausted = await count();
    expect(exhausted.status).toBe(429);
    expect(await exhausted.json()).toMatchObject({ error: { budget_id: 'provider/capped/day' } });
    await gateway.ledger.setBudgetStatus({ budgetId: 'provider/capped/day', status: 'paused' });
    const paused = await count();
    expect(paused.status).toBe(402);
    expect(await paused.json()).toMatchObject({
      error: { code: 'no_provider', budget_id: 'provider/capped/day', decision_id: expect.any(String) },
    });
    expect(gateway.provider.calls).toHaveLength(1);
  });

  test('an hour cap that one call passes → 429 until the hour ends', async () => {
    gateway = await startGateway({
      budgets: BUDGETS,
      clock: { now: () => MORNING },
      providers: '\n  limited: { dialect: openai, baseUrl: "PROVIDER", pricedAs: main, hourLimit: "0.05" }\n',
      routes: LIMITED,
    });
    main(json(chatAnswer({ prompt_tokens: 10, completion_tokens: 1_000 })));
    expect((await chat({ model: 'limited', max_tokens: 4_096 })).status).toBe(200);
    const response = await chat({ model: 'limited', max_tokens: 4_096 });
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('3600');
    expect(await response.json()).toMatchObject({ error: { code: 'quota_exceeded' } });
    expect(tried()).toEqual(['main']);
  });

  test('an unknown error → logged once for each provider, without what looks like a key', async () => {
    gateway = await startGateway({ budgets: BUDGETS });
    gateway.provider.answer = json({ error: { message: 'no such thing for sk-live-abcdefgh1234' } }, 418);
    await chat();
    await chat();
    const found = gateway.logged.filter(({ message }) => message.includes('no pattern knows'));
    expect(found).toHaveLength(1);
    expect(JSON.stringify(found)).toContain('no such thing');
    expect(JSON.stringify(gateway.logged)).not.toContain('abcdefgh1234');
  });

  test('a stream that turns into an error → passes to its caller, and throttles the provider', async () => {
    gateway = await startGateway({ budgets: BUDGETS, clock: { now: () => MORNING } });
    main(events([chatChunk('Hi'), { error: { message: 'rate limit reached, resets in 2h' } }, DONE]));
    const text = await (await chat({ stream: true })).text();
    expect(text).toContain('Hi');
    expect(text).toContain('rate limit');
    await chat();
    expect(tried()).toEqual(['main', 'spare']);
  });
});

describe('gateway: the fault of one request', () => {
  const TOO_LARGE = {
    error: {
      message:
        'Request too large for small in organization org-1 on tokens per min (TPM): Limit 30000, Requested 52000. Please try again in 20h.',
      type: 'tokens',
      code: 'rate_limit_exceeded',
    },
  };

  test('a request that is too large for a limit → its caller alone is told, is not asked to try again, and nobody waits', async () => {
    gateway = await startGateway({ budgets: BUDGETS });
    for (let again = 0; again < 3; again += 1) {
      main(json(TOO_LARGE, 429, { 'retry-after': '60', 'retry-after-ms': '60000' }));
      const refused = await chat();
      expect(refused.status).toBe(429);
      expect(await refused.json()).toEqual(TOO_LARGE);
      expect(refused.headers.get('x-should-retry')).toBe('false');
      expect(refused.headers.get('retry-after')).toBeNull();
      expect(refused.headers.get('retry-after-ms')).toBeNull();
      expect(refused.headers.get('bursar-cost')).toBe('0');
      main(json(chatAnswer(USED)));
      expect((await chat()).headers.get('bursar-provider')).toBe('main');
    }
    expect(tried()).toEqual(Array.from({ length: 6 }, () => 'main'));
    expect(gateway.errors).toEqual(Array.from({ length: 3 }, () => ['main', 'request']));
  });

  test('a request that would pass what is left of a limit → another candidate, and the next caller is tried first again', async () => {
    gateway = await startGateway({ budgets: BUDGETS });
    main(json({ error: { message: "This request would exceed your organization's rate limit." } }, 429));
    expect((await chat()).headers.get('bursar-provider')).toBe('spare');
    main(json(chatAnswer(USED)));
    expect((await chat()).headers.get('bursar-provider')).toBe('main');
  });
});

describe('gateway: a throttled model', () => {
  const MORE = {
    budgets: BUDGETS,
    providers: '\n  limited: { dialect: openai, baseUrl: "PROVIDER", pricedAs: main, dayLimit: "100" }\n',
    routes: `
  - { model: a, candidates: [{ provider: limited, model: small }] }
  - { model: b, candidates: [{ provider: limited, model: other }] }
`,
    prices: '\n  - { provider: main, model: other, input: "1", output: "10" }\n',
  };
  const daily = json(
    {
      error: {
        message:
          'Rate limit reached for small on requests per day (RPD): Limit 200, Used 200, Requested 1. Please try again in 7h12m.',
      },
    },
    429,
  );

  test('a daily limit of one model → that model alone waits until its reset, and the ledger is not told', async () => {
    let now = MORNING;
    gateway = await startGateway({ ...MORE, clock: { now: () => now } });
    main(daily);
    expect((await chat({ model: 'a' })).status).toBe(429);
    const waits = await chat({ model: 'a' });
    expect(waits.status).toBe(429);
    expect(waits.headers.get('retry-after')).toBe(String(7 * 3_600 + 12 * 60));
    main(json(chatAnswer(USED)));
    expect((await chat({ model: 'b' })).status).toBe(200);
    expect(await gateway.events('budget_exhausted')).toEqual([]);
    now += 7.2 * 3_600_000;
    expect((await chat({ model: 'a' })).status).toBe(200);
  });

  test('no reset is stated → it waits for two seconds, then four, and a success makes it two again', async () => {
    let now = MORNING;
    gateway = await startGateway({ ...MORE, clock: { now: () => now } });
    const waits = async () => (await chat({ model: 'a' })).headers.get('retry-after-ms');
    main(json({ error: { message: 'slow down' } }, 429));
    expect(await waits()).toBe('2000');
    expect(gateway.provider.calls).toHaveLength(1);
    expect(await waits()).toBe('2000');
    expect(gateway.provider.calls).toHaveLength(1);
    now += 2_000;
    expect(await waits()).toBe('4000');
    now += 4_000;
    main(json(chatAnswer(USED)));
    expect((await chat({ model: 'a' })).status).toBe(200);
    main(json({ error: { message: 'slow down' } }, 429));
    expect(await waits()).toBe('4000');
    const logged = gateway.logged.filter(({ message }) => message === 'a provider throttles a model');
    expect(logged.map(({ about }) => about)).toMatchObject([
      { provider: 'limited', model: 'small', until: '2027-03-01T09:00:02.000Z' },
      { provider: 'limited', model: 'small' },
      { provider: 'limited', model: 'small' },
    ]);
  });

  test('the account is out → every model of the provider waits, in the ledger', async () => {
    gateway = await startGateway({ ...MORE, clock: { now: () => MORNING } });
    main(
      json(
        {
          error: {
            message: 'You exceeded your current quota, please check your plan and billing details.',
            type: 'insufficient_quota',
            code: 'insufficient_quota',
          },
        },
        429,
      ),
    );
    expect((await chat({ model: 'a' })).status).toBe(429);
    expect((await chat({ model: 'b' })).status).toBe(429);
    expect(gateway.provider.calls).toHaveLength(1);
    expect(gateway.ledger.budget('provider/limited/day')?.forcedExhaustedUntil).toBe(MORNING + 64_000);
  });
});

describe("gateway: a provider that does not take its operator's key", () => {
  const troubles = () =>
    gateway.logged.filter(({ message }) => message.includes('its key')).map(({ message }) => message);

  test.each<[string, number, object]>([
    ['401', 401, { message: 'Incorrect API key provided: sk-main-secret', code: 'invalid_api_key' }],
    ['403', 403, { message: 'Your API key does not have permission to use the specified resource.' }],
    ["Google's 400", 400, { message: 'API key not valid. Please pass a valid API key.' }],
  ])(
    '%s → the next candidate answers; the operator is told once, until it works again',
    async (_what, status, error) => {
      gateway = await startGateway({ budgets: BUDGETS });
      main(json({ error }, status));
      for (let calls = 0; calls < 3; calls += 1) {
        const response = await chat();
        expect(response.status).toBe(200);
        expect(response.headers.get('bursar-provider')).toBe('spare');
      }
      expect(gateway.errors).toEqual(Array.from({ length: 3 }, () => ['main', 'key']));
      expect(troubles()).toHaveLength(1);
      expect(JSON.stringify(gateway.logged)).not.toContain('sk-main-secret');
      main(json(chatAnswer(USED)));
      expect((await chat()).headers.get('bursar-provider')).toBe('main');
      main(json({ error }, status));
      await chat();
      expect(troubles()).toHaveLength(3);
      await gateway.settled();
      expect(gateway.ledger.balances({ budgetId: 'calls' })[0].spent).toBe(5n);
    },
  );

  test('no other candidate → 502, and nothing that the provider says of the key', async () => {
    gateway = await startGateway({ budgets: BUDGETS });
    for (const status of [401, 403]) {
      main(json({ error: { message: 'Incorrect API key provided: sk-ma***ret' } }, status));
      const response = await chat({ model: 'small' });
      expect(response.status).toBe(502);
      const text = await response.text();
      expect(text).toContain('provider_failed');
      expect(text).not.toContain('sk-');
      expect(response.headers.get('bursar-cost')).toBe('0');
    }
  });

  test('a key that is not set → the same, and the call never leaves', async () => {
    gateway = await startGateway({ budgets: BUDGETS, secrets: { MAIN_KEY: '' } });
    main(json(chatAnswer(USED)));
    for (let calls = 0; calls < 2; calls += 1)
      expect((await chat()).headers.get('bursar-provider')).toBe('spare');
    expect(tried()).toEqual(['spare', 'spare']);
    expect(troubles()).toHaveLength(1);
    expect(JSON.stringify(gateway.logged)).toContain('MAIN_KEY');
    expect(await (await chat({ model: 'small' })).json()).toMatchObject({
      error: { code: 'provider_failed', message: 'The provider main has no key.' },
    });
  });

  test('a 403 about the request → its caller, not the next candidate', async () => {
    gateway = await startGateway({ budgets: BUDGETS });
    main(json({ error: { message: 'Your input was flagged by moderation.' } }, 403));
    const response = await chat();
    expect(response.status).toBe(403);
    expect(await response.text()).toContain('flagged');
    expect(tried()).toEqual(['main']);
  });
});
