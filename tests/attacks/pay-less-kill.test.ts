// A server that is killed, or that drains, while callers have left their streams or are about to: what a provider bills for
// reasoning and stored context that nobody saw is charged all the same, by the holds as they expire, or within the drain.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { Provider } from '../gateway/gateway-fixture.js';
import { ServerProcess, type Tenant, until } from '../setup/server-process.js';
import { BillingProvider, chatScript, responseScript, type Script } from './billing-provider.js';

const PRICED = 'input: "1", output: "10", webSearch: "25", contextWindow: 400000, outputTokensMax: 32000';

let raw: Provider;
let server: ServerProcess;
beforeAll(async () => {
  raw = await Provider.start();
  // The shortest time that a hold may live, so that it expires while the test waits.
  server = await ServerProcess.start(`
providers:
  raw: { dialect: openai, baseUrl: "${raw.url}" }
  plain: { dialect: openai, baseUrl: "${raw.url}", models: [{ models: ["*"], thinking: never }] }
routes:
  - { model: thinker, candidates: [{ provider: raw }] }
  - { model: plain, candidates: [{ provider: plain }] }
prices:
  - { provider: raw, model: thinker, ${PRICED} }
  - { provider: plain, model: plain, ${PRICED} }
gateway: { holdTtl: 10s }
`);
});
afterAll(async () => {
  await server.remove();
  await raw.close();
});

const THINKS = {
  path: 'chat/completions',
  body: { model: 'thinker', messages: [{ role: 'user', content: 'hi' }] },
};
const STORED = { path: 'responses', body: { model: 'plain', input: 'hi', previous_response_id: 'resp_1' } };
const CALLS: readonly (readonly [typeof THINKS | typeof STORED, Script])[] = [
  [THINKS, chatScript(20, { thinking: 20_000 })],
  [STORED, responseScript(380_000)],
];

async function leave(tenant: Tenant, { path, body }: (typeof CALLS)[number][0]): Promise<void> {
  const leaving = new AbortController();
  const answer = await fetch(`${server.url}/openai/v1/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tenant.key}` },
    body: JSON.stringify({ ...body, stream: true }),
    signal: leaving.signal,
  });
  await answer.body?.getReader().read();
  leaving.abort();
}

test('killed while calls are read on → each is charged at least what its provider billed', async () => {
  for (const [call, script] of CALLS) {
    const tenant = await server.tenant({ usd: '1000' });
    const provider = new BillingProvider(slow(script), 'stops');
    raw.answer = provider.answer;
    await leave(tenant, call);
    await server.kill();
    await until(() => provider.isIdle);
    await server.restart();
    const hold = await tenant.only();
    expect(hold.status).toBe('expired');
    expect(Number(hold.charged?.usd)).toBeGreaterThanOrEqual(provider.bills[0].steps / 1e8);
  }
});

test('drained while calls are read on → each is charged what its provider states within the deadline', async () => {
  const tenants: [Tenant, BillingProvider][] = [];
  for (const [call, script] of CALLS) {
    const tenant = await server.tenant({ usd: '1000' });
    const provider = new BillingProvider(script, 'goes_on');
    raw.answer = provider.answer;
    await leave(tenant, call);
    tenants.push([tenant, provider]);
  }
  expect(await server.stop()).toBe(0);
  await server.restart();
  for (const [tenant, provider] of tenants) {
    const hold = await tenant.only();
    expect([hold.status, hold.ending]).toEqual(['settled', 'cancelled']);
    expect(Number(hold.charged?.usd)).toBe(provider.bills[0].steps / 1e8);
  }
});

/** The same, with so many words that a kill comes in between. */
function slow(script: Script): Script {
  return {
    ...script,
    steps: [...script.steps, ...Array.from({ length: 20 }, () => script.steps.slice(-2)).flat()],
  };
}
