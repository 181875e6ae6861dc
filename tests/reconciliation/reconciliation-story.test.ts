// The whole story: calls through the server to a provider that keeps a count of its own and serves it as its usage report,
// byte for byte in the report API's form; then calls that pass Bursar by, the gap, and its posting. By command line.

import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BursarClient } from '#bursar/client/index.js';
import { BursarFolder } from '../setup/bursar-process.js';
import { type InProcess, runInProcess, startInProcess } from '../setup/server-in-process.js';

const DAY_MS = 86_400_000;
const ADMIN_KEY = 'sk-admin-of-the-story';

/** It bills 2 usd a million tokens of input and 10 of output, in microcents, and counts by day. */
class BillingProvider {
  readonly #days = new Map<number, { usd: bigint; input: number; output: number; requests: number }>();
  readonly #server: Server = createServer((request, response) => void this.#serve(request, response));
  readonly keys: (string | undefined)[] = [];

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const { pathname } = new URL(request.url ?? '', 'http://provider');
    response.writeHead(200, { 'content-type': 'application/json' });
    if (pathname === '/v1/chat/completions') response.end(this.#answer(Buffer.concat(pieces).length));
    else {
      this.keys.push(request.headers.authorization);
      response.end(pathname.endsWith('/costs') ? this.#costs() : this.#usage(pathname));
    }
  }

  #answer(bytes: number): string {
    const input = 100 + (bytes % 7);
    const output = 33;
    const start = Math.floor(Date.now() / DAY_MS) * DAY_MS;
    const day = this.#days.get(start) ?? { usd: 0n, input: 0, output: 0, requests: 0 };
    this.#days.set(start, {
      usd: day.usd + BigInt(input) * 200n + BigInt(output) * 1_000n,
      input: day.input + input,
      output: day.output + output,
      requests: day.requests + 1,
    });
    const usage = { prompt_tokens: input, completion_tokens: output, total_tokens: input + output };
    const message = { role: 'assistant', content: 'Hello.' };
    return JSON.stringify({
      id: 'c1',
      object: 'chat.completion',
      created: 1,
      model: 'story-1-2026-01-31',
      choices: [{ index: 0, message, finish_reason: 'stop' }],
      usage,
    });
  }

  // Written by hand: an amount as a number with the digits that the provider prints.
  #costs(): string {
    const buckets = [...this.#days].map(([start, { usd }]) => {
      const value = `${usd / 100_000_000n}.${String(usd % 100_000_000n).padStart(8, '0')}0000`;
      return `{"object":"bucket","start_time":${start / 1_000},"end_time":${(start + DAY_MS) / 1_000},"results":[{"object":"organization.costs.result","amount":{"value":${value},"currency":"usd"},"line_item":"story-1-2026-01-31, input","project_id":null}]}`;
    });
    return `{"object":"page","data":[${buckets.join()}],"has_more":false,"next_page":null}`;
  }

  #usage(path: string): string {
    const days = path.endsWith('/completions') ? [...this.#days] : [];
    const data = days.map(([start, { input, output, requests }]) => ({
      object: 'bucket',
      start_time: start / 1_000,
      end_time: (start + DAY_MS) / 1_000,
      results: [
        {
          object: 'organization.usage.completions.result',
          input_tokens: input,
          output_tokens: output,
          num_model_requests: requests,
          model: 'story-1-2026-01-31',
        },
      ],
    }));
    return JSON.stringify({ object: 'page', data, has_more: false, next_page: null });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const provider = new BillingProvider();
const from = new Date().toISOString().slice(0, 10);
const to = new Date(Date.now() + DAY_MS).toISOString().slice(0, 10);
let folder: BursarFolder;
let providerUrl = '';
let server: InProcess;
let key = '';

beforeAll(async () => {
  folder = await BursarFolder.make();
  providerUrl = await provider.start();
  const config = folder.file('bursar.yaml');
  await writeFile(
    config,
    `
budgets:
  - { id: acme, match: { tenant: acme }, unit: usd, limit: "10", window: lifetime }
  - { id: account, match: { provider: main }, unit: usd, limit: null, window: lifetime }
providers:
  main: { dialect: openai, baseUrl: "${providerUrl}", keyFrom: MAIN_KEY }
routes:
  - { model: story-1, candidates: [{ provider: main }] }
prices:
  - { provider: main, model: story-1, input: "2", output: "10", contextWindow: 100000, outputTokensMax: 1000 }
reconciliation:
  main: { api: openai, baseUrl: "${providerUrl}", keyFrom: STORY_ADMIN_KEY }
`,
  );
  const secrets = { MAIN_KEY: 'sk-main', STORY_ADMIN_KEY: ADMIN_KEY };
  server = await startInProcess({ dataPath: folder.file('data'), config, secrets });
  const client = new BursarClient({ baseUrl: server.url, apiKey: server.adminKey });
  key = (await client.keys.create({ name: 'acme', scopes: ['spend'], labels: { tenant: 'acme' } })).key;
});
afterAll(async () => {
  await server.stop();
  await provider.close();
  await folder.remove();
});

const CALL = { model: 'story-1', max_tokens: 100 };

async function ask(url: string, content: string): Promise<number> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...CALL, messages: [{ role: 'user', content }] }),
  });
  await response.text();
  return response.status;
}

const throughBursar = (content: string) => ask(`${server.url}/openai/v1/chat/completions`, content);
const pastBursar = (content: string) => ask(`${providerUrl}/v1/chat/completions`, content);

async function reconcile(more = '') {
  const line = `reconcile --provider main --from ${from} --to ${to} --json ${more}`.trim();
  const { code, stdout, stderr } = await runInProcess(line, { url: server.url, key: server.adminKey });
  return { code, stderr, view: stdout === '' ? null : JSON.parse(stdout) };
}

describe('the ledger beside the provider’s own count', () => {
  test('every call went through Bursar → no gap, to the microcent, and exit code 0', async () => {
    const contents = ['a', 'some words', 'and some more', 'x'.repeat(500)];
    for (const content of contents) expect(await throughBursar(content)).toBe(200);
    const { code, view } = await reconcile();
    expect(view).toMatchObject({ gapUsd: '0', deviationUsd: '0', isWithin: true, causes: [] });
    expect(view.rows).toMatchObject([
      { item: 'story-1', ledgerCalls: 4, reportCalls: 4, ledgerUsd: view.reportUsd, gapUsd: '0' },
    ]);
    expect(view.rows[0].ledgerTokens).toBe(view.rows[0].reportTokens);
    expect([code, provider.keys[0]]).toEqual([0, `Bearer ${ADMIN_KEY}`]);
  });

  test('calls that passed Bursar by → the gap, its cause, and exit code 2; a tolerance above it → 0', async () => {
    for (const content of ['past', 'the', 'authority']) await pastBursar(content);
    const { code, view } = await reconcile('--tolerance 1%');
    expect([code, view.isWithin, view.rows[0].ledgerCalls, view.rows[0].reportCalls]).toEqual([
      2,
      false,
      4,
      7,
    ]);
    expect(view.causes[0]).toMatchObject({ cause: 'calls_not_in_ledger', calls: 3 });
    expect((await reconcile(`--tolerance ${view.gapUsd}`)).code).toBe(0);
    const table = await runInProcess(`reconcile --provider main --from ${from} --to ${to}`, {
      url: server.url,
      key: server.adminKey,
    });
    expect(table.stdout).toMatch(/story-1 .*3 calls that are not in the ledger/);
    expect(table.stdout).toContain('BEYOND the tolerance');
  });

  test('--post → booked to the provider’s budget alone, no gap left; again → nothing', async () => {
    const client = new BursarClient({ baseUrl: server.url, apiKey: server.adminKey });
    const spentOn = async (budgetId: string) => (await client.balances.list({ budgetId })).items[0]?.spent;
    const acme = await spentOn('acme');
    const { code, view } = await reconcile('--post');
    expect([code, view.isWithin, view.gapLeftUsd, view.posting.recorded]).toEqual([
      0,
      true,
      '0',
      { count: 1, usd: view.gapUsd },
    ]);
    expect([await spentOn('acme'), await spentOn('account')]).toEqual([acme, view.reportUsd]);
    const again = await reconcile('--post');
    expect([again.code, again.view.gapUsd, again.view.posting.recorded.count]).toEqual([0, '0', 0]);
    expect(await spentOn('account')).toBe(view.reportUsd);
  });

  test('the metrics have the gap and when it was looked for; the past results can be read; the key is nowhere', async () => {
    const headers = { authorization: `Bearer ${server.adminKey}` };
    const metrics = await (await fetch(`${server.url}/metrics`, { headers })).text();
    expect(metrics).toMatch(/^bursar_reconciliation_gap_usd\{provider="main"\} 0$/m);
    expect(metrics).toMatch(/^bursar_reconciliation_run_timestamp_seconds\{provider="main"\} \d{10}/m);
    const client = new BursarClient({ baseUrl: server.url, apiKey: server.adminKey });
    const { items } = await client.reconciliations.list({ limit: 2 });
    expect(items).toHaveLength(2);
    const whole = await client.reconciliations.get(items[1]?.id ?? '');
    expect(whole).toMatchObject({ ...items[1], rows: [{ item: 'story-1' }] });
    expect(JSON.stringify(items) + server.stdout.text + server.stderr.text).not.toContain(ADMIN_KEY);
  });

  test('the same on the ledger file while the server holds it, with the key in the environment', async () => {
    const line = `reconcile --provider main --from ${from} --to ${to} --api openai --api-url ${providerUrl} --key-from MY_KEY --json`;
    const ledger = { ledger: folder.file('data/ledger.db') };
    const { code, stdout, stderr } = await runInProcess(line, ledger, { secrets: { MY_KEY: ADMIN_KEY } });
    expect([code, JSON.parse(stdout).gapUsd, stderr]).toEqual([0, '0', '']);
    const without = await runInProcess(line, ledger);
    expect([without.code, without.stderr]).toEqual([
      1,
      'bursar: MY_KEY: set this environment variable to an admin key of the organization\n',
    ]);
  });
});
