// Bursar's server as the comparisons start it: on a file on the disk, with a provider where there is one, and with a
// tenant whose budgets never end.

import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NODE_FLAGS, startProgram } from './processes.mjs';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

/** What a busy tenant's call counts towards. Prices are of no real model: they come before the price data. */
const configuration = (providerPort) => ({
  listen: { host: '127.0.0.1', port: 0 },
  budgets: [
    { id: 'month', match: { tenant: 'bench' }, unit: 'usd', limit: '10000000000', window: 'month' },
    { id: 'users', match: { tenant: 'bench', user: '*' }, unit: 'usd', limit: '10000000000', window: 'day' },
    { id: 'tokens', match: { tenant: 'bench' }, unit: 'tokens', limit: null, window: 'day' },
  ],
  ...(providerPort === undefined
    ? {}
    : {
        providers: { fake: { dialect: 'openai', baseUrl: `http://127.0.0.1:${providerPort}` } },
        routes: MODELS.map((model) => ({ model, candidates: [{ provider: 'fake' }] })),
        prices: MODELS.map((model) => ({ provider: 'fake', model, ...PRICE })),
      }),
});
const MODELS = ['gpt-4o-mini', 'slow'];
const PRICE = {
  input: '0.15',
  cacheRead: '0.075',
  output: '0.60',
  contextWindow: 128_000,
  outputTokensMax: 16_384,
};

/** A running server: `origin`, `port`, and the first key, which may do everything. */
export async function startBursar(folder, { providerPort } = {}) {
  const file = join(folder, 'bursar.yaml');
  writeFileSync(file, JSON.stringify(configuration(providerPort)));
  const args = [...NODE_FLAGS, MAIN, 'serve', '--config', file, '--data', join(folder, 'data')];
  const program = await startProgram(args, { folder, ready: /bur_[\w-]+\s[\s\S]*http:\/\/\S+\/v1\s/ });
  const [origin, port] = /http:\/\/127\.0\.0\.1:(\d+)/.exec(program.output);
  return { ...program, origin, port: Number(port), adminKey: /bur_[\w-]+/.exec(program.output)[0] };
}

/** A request of the API, with a body and an answer in JSON. */
export async function call(origin, key, method, path, body) {
  const response = await fetch(origin + path, {
    method,
    headers: {
      ...{ 'content-type': 'application/json', authorization: `Bearer ${key}` },
      'idempotency-key': randomUUID(),
    },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return JSON.parse(text);
}

/** A key of the tenant `bench`, which may spend. */
export async function benchKey({ origin, adminKey }) {
  const { key } = await call(origin, adminKey, 'POST', '/v1/keys', {
    name: 'bench',
    scopes: ['spend'],
    labels: { tenant: 'bench', user: 'u1' },
    callerLabels: ['agent'],
  });
  return key;
}
