// Bursar's real server process for the runs: `dist/main.js serve` on a bursar.yaml, with a provider of each dialect on this
// machine. Gives each run a tenant of its own, with a day's budget and a key, and reads back what its calls held and cost.

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const START_MS_MAX = 20_000;
/** A call is settled after its last byte, which its client does not wait for. */
const SETTLED_MS_MAX = 10_000;
const STEP_MS = 25;

/**
 * USD for a million tokens, and for a thousand searches: the providers' list prices on 2026-12-01, as the price data has
 * them. Written here again, so that what is charged is compared with figures that Bursar did not work out.
 */
export const PRICES = {
  'gpt-5.5': { input: 5, cacheRead: 0.5, cacheWrite: 5, output: 30, searches: 10 },
  'gpt-6-sol': { input: 2, cacheRead: 0.2, cacheWrite: 2, output: 10, searches: 10 },
  'gpt-5.4-nano': { input: 0.2, cacheRead: 0.02, cacheWrite: 0.2, output: 1.25, searches: 10 },
  'claude-sonnet-5': { input: 2, cacheRead: 0.2, cacheWrite: 2.5, output: 10, searches: 10 },
  'claude-opus-5-5': { input: 4, cacheRead: 0.2, cacheWrite: 5, output: 20, searches: 10 },
  'claude-haiku-4-5': { input: 1, cacheRead: 0.1, cacheWrite: 1.25, output: 5, searches: 10 },
};

const configuration = (providerUrl) => `
listen: { host: 127.0.0.1, port: 0 }
providers:
  openai: { dialect: openai, baseUrl: "${providerUrl}", keyFrom: OPENAI_API_KEY }
  anthropic: { dialect: anthropic, baseUrl: "${providerUrl}", keyFrom: ANTHROPIC_API_KEY }
routes:
  - { model: gpt-*, candidates: [{ provider: openai }] }
  - { model: claude-*, candidates: [{ provider: anthropic }] }
`;

export class Server {
  static async start({ folder, providerUrl }) {
    writeFileSync(join(folder, 'bursar.yaml'), configuration(providerUrl));
    const args = [MAIN, 'serve', '--config', 'bursar.yaml', '--data', 'data'];
    const child = spawn(process.execPath, args, {
      cwd: folder,
      env: { PATH: process.env.PATH, OPENAI_API_KEY: 'sk-openai', ANTHROPIC_API_KEY: 'sk-anthropic' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    process.on('exit', () => child.kill());
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    await until(() => {
      if (child.exitCode !== null) throw new Error(`the server did not start:\n${output}`);
      return /"msg":"listening"/.test(output);
    }, START_MS_MAX);
    const server = new Server();
    server.child = child;
    server.url = /"url":"(http:\/\/[^"]+)","data"/.exec(output)[1];
    server.adminKey = /admin key +(bur_\S+)/.exec(output)[1];
    server.tenants = 0;
    return server;
  }

  async stop() {
    const exit = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await exit;
  }

  async api(method, path, body) {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${this.adminKey}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(path.startsWith('/v1/holds') && method === 'POST' ? { 'idempotency-key': randomUUID() } : {}),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? null : JSON.parse(text);
  }

  /** @param limit usd a day */
  async tenant(limit) {
    this.tenants += 1;
    const name = `run-${this.tenants}`;
    const budget = { match: { tenant: name }, unit: 'usd', limit, window: 'day' };
    await this.api('PUT', `/v1/budgets/${name}`, budget);
    const labels = { tenant: name };
    const { key } = await this.api('POST', '/v1/keys', { name, scopes: ['spend', 'read'], labels });
    return { name, key };
  }

  /** Another call of the tenant's, which holds that much. @returns what gives it back as if it had never been */
  async holdBeside({ name }, usd) {
    const holdId = `beside-${name}`;
    await this.api('POST', '/v1/holds', { holdId, labels: { tenant: name }, amounts: { usd } });
    return () => this.api('POST', `/v1/holds/${holdId}/reverse`, {});
  }

  /** Every hold of a tenant, in the order in which they were opened, once none is open. */
  async holds({ name }) {
    let items = [];
    await until(async () => {
      ({ items } = await this.api(
        'GET',
        `/v1/holds?label=${encodeURIComponent(`tenant=${name}`)}&limit=1000`,
      ));
      return items.every(({ status }) => status !== 'open');
    }, SETTLED_MS_MAX);
    return items;
  }
}

/** What a provider bills for an answer, in microcents, worked out from what it stated. */
export function billed({ path, body, usage }) {
  const price = PRICES[Object.keys(PRICES).find((model) => body.model.startsWith(model))];
  // OpenAI states no writes to its cache; that part is plain input there.
  const cacheWrite = path === '/v1/messages' ? usage.cacheWrite : 0;
  const tokens = {
    input: usage.input - usage.cacheRead - cacheWrite,
    cacheRead: usage.cacheRead,
    cacheWrite,
    output: usage.output,
  };
  const steps = (usdText, quantity, per) => Math.ceil((Number(usdText) * 1e8 * quantity) / per);
  let sum = steps(price.searches, usage.searches, 1_000);
  for (const [part, quantity] of Object.entries(tokens)) sum += steps(price[part], quantity, 1_000_000);
  return sum;
}

export async function until(isTrue, withinMs) {
  const end = Date.now() + withinMs;
  while (!(await isTrue())) {
    if (Date.now() > end) throw new Error(`not within ${withinMs} ms: ${isTrue}`);
    await pause(STEP_MS);
  }
}
