// Attempts that reached a provider, failed without an answer, and were followed by another candidate: the provider may bill
// them, so its own budgets are charged the floor; the caller pays for the attempt that answers (rule Q9).

import { afterEach, describe, expect, test } from 'vitest';
import { OverloadedError } from '#bursar/core/errors.js';
import { type Answer, chatAnswer, type Gateway, json, startGateway } from '../gateway-fixture.js';

const BUDGETS = `
  - { id: day, match: { tenant: acme }, unit: usd, limit: "1000", window: day }
  - { id: calls, match: { tenant: acme }, unit: calls, limit: "1000", window: day }
  - { id: user, match: { user: "*" }, unit: usd, limit: "1000", window: day }
  - { id: slow, match: { provider: slow }, unit: usd, limit: "100", window: day }
  - { id: slow_calls, match: { provider: slow }, unit: calls, limit: "100", window: day }
  - { id: each, match: { provider: "*" }, unit: tokens, limit: "1000000", window: day }
  - { id: model, match: { model: small }, unit: usd, limit: "1000", window: day }
`;
const PROVIDERS = `
  slow: { dialect: openai, baseUrl: "PROVIDER/slow", pricedAs: main, firstByteTimeout: 300ms, idleTimeout: 300ms }
`;
const ROUTES = `
  - { model: two, candidates: [{ provider: slow, model: small }, { provider: spare, model: large }] }
  - { model: down, candidates: [{ provider: nowhere, model: small }, { provider: spare, model: large }] }
`;
const USED = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };

let gateway: Gateway;
afterEach(() => gateway.close());

async function start(slow: Answer, more = ''): Promise<void> {
  gateway = await startGateway({
    budgets: BUDGETS,
    providers: `${PROVIDERS}  nowhere: { dialect: openai, baseUrl: "http://127.0.0.1:1", pricedAs: main }`,
    routes: ROUTES,
    more,
  });
  gateway.provider.answer = (call, response) =>
    (call.path.startsWith('/slow') ? slow : json(chatAnswer(USED)))(call, response);
}

async function call(model = 'two'): Promise<Response> {
  const body = { model, messages: [{ role: 'user', content: 'hi' }] };
  const response = await gateway.post('/openai/v1/chat/completions', body);
  await response.text();
  await gateway.settled();
  return response;
}

const spent = (budgetId: string, at = 0) => gateway.ledger.balances({ budgetId })[at]?.spent ?? 0n;

const never: Answer = () => undefined;

describe('an attempt that another candidate follows', () => {
  test.each([
    ['times out before its first byte', never],
    ['breaks before its first byte', (_call, response) => void setTimeout(() => response.destroy(), 20)],
    [
      'breaks within its answer',
      (_call, response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' }).write('{');
        setTimeout(() => response.destroy(), 20);
      },
    ],
  ] as readonly (readonly [string, Answer])[])(
    '%s → its provider’s budgets are charged, the caller’s once',
    async (_what, slow) => {
      await start(slow);
      const response = await call();
      expect(response.status).toBe(200);
      expect(response.headers.get('bursar-cost')).toBe('0.00012');
      const [recorded] = await gateway.events('spend_recorded');
      const { amounts, labels, note } = recorded.details as {
        amounts: { usd: bigint; tokens: bigint; calls: bigint };
        labels: object;
        note: string;
      };
      // The likely input (4 bytes a token, 100 tokens, 10 %) and 50 tokens of output, at 1 and 10 USD a million.
      const bytes = Buffer.byteLength(gateway.provider.calls[0].text.replace('"small"', '"two"'));
      expect(amounts.usd).toBeGreaterThan(50n * 1_000n);
      expect(amounts.usd).toBeLessThan(BigInt(bytes + 256) * 100n + 50n * 1_000n);
      expect(amounts.calls).toBe(1n);
      expect(labels).toEqual({ provider: 'slow', metering: 'failed_attempt' });
      const [first] = gateway.ledger.holds();
      expect(JSON.parse(note)).toMatchObject({
        end: 'failed_at_provider',
        estimated: true,
        attempt: 1,
        model: 'small',
        hold: first.holdId,
      });
      expect([spent('slow'), spent('slow_calls')]).toEqual([amounts.usd, 1n]);
      expect([spent('day'), spent('user'), spent('calls'), spent('model')]).toEqual([
        12_000n,
        12_000n,
        1n,
        0n,
      ]);
      expect(gateway.ledger.holds().map(({ status }) => status)).toEqual(['reversed', 'settled']);
      expect(spent('each')).toBe(amounts.tokens);
    },
  );

  test('that was one of several → both are in one durable step, with the next hold', async () => {
    await start(never);
    await call();
    const types = (await gateway.events()).map(({ type }) => type);
    const at = types.indexOf('hold_reversed');
    expect(types.slice(at, at + 3)).toEqual(['hold_reversed', 'hold_authorized', 'spend_recorded']);
  });

  test('with failedAttempts: caller → every budget of the call is charged for both', async () => {
    await start(never, 'gateway: { failedAttempts: caller }');
    await call();
    const holds = gateway.ledger.holds();
    expect(holds.map(({ status }) => status)).toEqual(['settled', 'settled']);
    const lost = holds[0].charged?.usd ?? 0n;
    expect(lost).toBeGreaterThan(50_000n);
    expect([spent('slow'), spent('day'), spent('calls'), spent('model')]).toEqual([
      lost,
      lost + 12_000n,
      2n,
      lost,
    ]);
    expect(await gateway.events('spend_recorded')).toEqual([]);
  });

  test.each([
    ['answers an explicit error', 'two', json({ error: { message: 'overloaded' } }, 529)],
    ['was never reached', 'down', never],
  ] as const)('%s → its provider is charged nothing', async (_what, model, slow) => {
    await start(slow);
    expect((await call(model)).status).toBe(200);
    expect(await gateway.events('spend_recorded')).toEqual([]);
    expect([spent('slow'), spent('slow_calls'), spent('day')]).toEqual([0n, 0n, 12_000n]);
  });

  test('the ledger cannot take the next hold for a moment → the provider’s error is the answer, nothing is charged', async () => {
    await start(json({ error: { message: 'overloaded' } }, 529));
    const { submit } = gateway.ledger;
    gateway.ledger.submit = () => {
      gateway.ledger.submit = submit;
      return Promise.reject(new OverloadedError('full'));
    };
    expect((await call()).status).toBe(529);
    expect(gateway.ledger.holds().map(({ status }) => status)).toEqual(['released']);
    expect([spent('slow'), spent('day'), spent('calls')]).toEqual([0n, 0n, 1n]);
  });

  test('the last candidate times out too → the caller’s budgets are charged for that one', async () => {
    await start(never);
    const spare = gateway.provider.answer;
    gateway.provider.answer = (asked, response) =>
      asked.path.startsWith('/spare') ? void response.destroy() : spare(asked, response);
    expect((await call()).status).toBe(502);
    const holds = gateway.ledger.holds();
    expect(holds.map(({ status }) => status)).toEqual(['reversed', 'settled']);
    expect(spent('day')).toBe(holds[1].charged?.usd);
    expect(spent('slow')).toBeGreaterThan(0n);
  });

  test('a provider whose cap is used up by what it lost → is dropped from the next route', async () => {
    await start(never);
    await call();
    const { usd } = (await gateway.events('spend_recorded'))[0].details.amounts as { usd: bigint };
    await gateway.ledger.putDefinitions({
      budgets: [{ id: 'slow', match: { provider: 'slow' }, unit: 'usd', limit: usd, window: 'day' }],
    });
    const asked = gateway.provider.calls.length;
    await call();
    expect(gateway.provider.calls.slice(asked).map(({ path }) => path)).toEqual([
      '/spare/v1/chat/completions',
    ]);
  });
});
