// The label `model` is one name for each model, however its caller writes it, so that no spelling avoids a budget; what the
// caller wrote is `requested_model`. And which models a caller is told of.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterEach, describe, expect, test } from 'vitest';
import { misnamedModels } from '#bursar/composition/settings/check-settings.js';
import { parseSettings } from '#bursar/composition/settings/settings-file.js';
import { openPriceBook } from '#bursar/gateway/prices/price-book.js';
import { startInProcess } from '../../setup/server-in-process.js';
import { chatAnswer, type Gateway, json, startGateway } from '../gateway-fixture.js';

const USED = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const MESSAGES = [{ role: 'user', content: 'hi' }];

let gateway: Gateway;
afterEach(() => gateway?.close());

const PROVIDERS = `
  openai: { dialect: openai, baseUrl: "PROVIDER" }
  openrouter: { dialect: openai, baseUrl: "PROVIDER" }
  anthropic: { dialect: anthropic, baseUrl: "PROVIDER" }
  own: { dialect: openai, baseUrl: "PROVIDER" }
`;
const ROUTES = `
  - { model: "openai/*", candidates: [{ provider: openrouter }] }
  - { model: "claude-*", candidates: [{ provider: anthropic }] }
  - { model: "own*", candidates: [{ provider: own }] }
  - { model: renamed, candidates: [{ provider: openai, model: o1-pro-2025-03-19 }] }
  - { model: "o1*", candidates: [{ provider: openai }] }
  - { model: "O1*", candidates: [{ provider: openai }] }
  - { model: "gpt-4o*", candidates: [{ provider: openai }] }
`;
const PRICES = `
  - { provider: own, model: "own*", input: "1", output: "10" }
  - { provider: own, model: own-exact-2025-01-01, input: "1", output: "10" }
  - { provider: openai, model: "o1-pro*", input: "1", output: "10" }
`;
const start = (budgets = '') =>
  startGateway({
    budgets: `\n  - { id: all, match: { tenant: acme }, unit: usd, limit: "100", window: day }${budgets}\n`,
    providers: PROVIDERS,
    routes: ROUTES,
    prices: PRICES,
  });

const chat = (model: string, headers: Record<string, string> = {}) =>
  gateway.post('/openai/v1/chat/completions', { model, messages: MESSAGES, max_tokens: 50 }, headers);

describe('gateway: the label model', () => {
  test.each([
    ['o1-pro', 'o1-pro'],
    ['o1-pro-2025-03-19', 'o1-pro'],
    ['O1-PRO', 'o1-pro'],
    ['gpt-4o-2024-08-06', 'gpt-4o'],
    // The data has a price of its own for this one.
    ['gpt-4o-2024-05-13', 'gpt-4o'],
    ['openai/gpt-4o', 'gpt-4o'],
    ['openai/gpt-4o-2024-05-13', 'gpt-4o'],
    ['own-thing', 'own-thing'],
    ['own-thing-20250101', 'own-thing'],
    ['own-exact-2025-01-01', 'own-exact-2025-01-01'],
    ['renamed', 'o1-pro'],
  ])('model: %s → %s, and requested_model as it was written', async (asked, canonical) => {
    gateway = await start();
    gateway.provider.answer = json(chatAnswer(USED));
    expect((await chat(asked)).status).toBe(200);
    await gateway.settled();
    expect(gateway.ledger.holds()[0].labels).toMatchObject({ model: canonical, requested_model: asked });
    // The provider is asked by the name that its route has.
    expect(gateway.provider.calls[0].body.model).toBe(asked === 'renamed' ? 'o1-pro-2025-03-19' : asked);
  });

  test('model: a budget that matches a model counts its dated variants, aliases and spellings', async () => {
    gateway = await start(
      '\n  - { id: pro, match: { model: o1-pro }, unit: usd, limit: "0.0035", window: day }',
    );
    gateway.provider.answer = json(
      chatAnswer({ prompt_tokens: 10, completion_tokens: 300, total_tokens: 310 }),
    );
    for (const name of ['o1-pro-2025-03-19', 'O1-PRO']) expect((await chat(name)).status).toBeLessThan(403);
    await gateway.settled();
    expect(gateway.ledger.balances({ budgetId: 'pro' })[0].spent).toBeGreaterThan(300_000n);
    for (const name of ['o1-pro', 'o1-pro-2025-03-19', 'renamed'])
      expect((await chat(name)).status).toBe(402);
  });

  test('model: several candidates → each has the canonical name of its own', async () => {
    gateway = await startGateway({
      budgets: '\n  - { id: all, match: { tenant: acme }, unit: usd, limit: "100", window: day }\n',
    });
    gateway.provider.answer = json({ error: { message: 'oh' } }, 503);
    await chat('both');
    expect(gateway.ledger.holds().map(({ labels }) => [labels.model, labels.requested_model])).toEqual([
      ['small', 'both'],
      ['large', 'both'],
    ]);
  });

  test('model: nobody states requested_model, as nobody states model', async () => {
    gateway = await start();
    const response = await chat('o1-pro', { 'bursar-label-requested_model': 'x' });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ error: { code: 'label_forbidden' } });
  });
});

describe('budgets for a model by another name than its calls have', () => {
  const misnamed = (match: Record<string, string>) => {
    const text = `providers:${PROVIDERS.replaceAll('PROVIDER', 'http://x.example')}\nroutes:${ROUTES}\nprices:${PRICES}`;
    const settings = parseSettings(text, 'f');
    return misnamedModels([{ id: 'b', match }], settings, openPriceBook(settings.prices));
  };

  test.each([
    ['o1-pro-2025-03-19', 'o1-pro'],
    ['GPT-4o', 'gpt-4o'],
    ['gpt-4o-2024-05-13', 'gpt-4o'],
    ['openai/gpt-4o', 'gpt-4o'],
    ['own-thing-20250101', 'own-thing'],
  ])('misnamed: %s → is told of, with %s', (model, canonical) => {
    expect(misnamed({ model })).toEqual([
      `budget b matches the model "${model}", which no call has: the price book calls it "${canonical}". Match model: "${canonical}", or requested_model: "${model}" for what callers write`,
    ]);
  });

  test('misnamed: canonical names, all models, names without a price and requested names → nothing to tell', () => {
    for (const model of [
      'o1-pro',
      'gpt-4o',
      'own-thing',
      'own-exact-2025-01-01',
      '*',
      'unheard-of-2025-01-01',
    ])
      expect(misnamed({ model })).toEqual([]);
    expect(misnamed({ requested_model: 'o1-pro-2025-03-19' })).toEqual([]);
    expect(misnamed({ tenant: 'acme' })).toEqual([]);
  });

  test('misnamed: a budget of one provider → by the prices of that one', () => {
    expect(misnamed({ provider: 'openrouter', model: 'openai/gpt-4o' })).toHaveLength(1);
    expect(misnamed({ provider: 'anthropic', model: 'own-thing-20250101' })).toEqual([]);
  });
});

describe('gateway: lists of models', () => {
  const clients = () => ({
    openai: new OpenAI({ baseURL: `${gateway.url}/openai/v1`, apiKey: gateway.key, maxRetries: 0 }),
    anthropic: new Anthropic({ baseURL: `${gateway.url}/anthropic`, apiKey: gateway.key, maxRetries: 0 }),
  });

  test('models: routes that are patterns → the names that have prices there, own ones too, as real clients list them', async () => {
    gateway = await start();
    const { openai, anthropic } = clients();
    const listed: string[] = [];
    for await (const { id } of openai.models.list()) listed.push(id);
    expect(listed).toEqual(
      expect.arrayContaining(['small', 'both', 'renamed', 'gpt-4o', 'o1-pro', 'openai/gpt-4o']),
    );
    expect(listed).toContain('own-exact-2025-01-01');
    expect(listed.filter((id) => id.includes('*') || id.startsWith('claude'))).toEqual([]);
    expect(new Set(listed).size).toBe(listed.length);
    const theirs: string[] = [];
    for await (const { id } of anthropic.models.list()) theirs.push(id);
    expect(theirs).toEqual(expect.arrayContaining(['claude', 'claude-sonnet-4-5']));
    expect(theirs.every((id) => id.startsWith('claude'))).toBe(true);
    // Every name that is listed is found by itself, and is one that a call can name.
    for (const id of listed.slice(0, 40)) expect((await openai.models.retrieve(id)).id).toBe(id);
    expect((await anthropic.models.retrieve('claude-sonnet-4-5')).display_name).toBe('claude-sonnet-4-5');
  });

  test('models: a name below a pattern that nobody has a price for → not found; one that an own pattern prices → found', async () => {
    gateway = await start();
    const { openai } = clients();
    await expect(openai.models.retrieve('gpt-4o-unheard-of')).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
    expect((await openai.models.retrieve('own-anything')).id).toBe('own-anything');
    expect((await openai.models.retrieve('openai/gpt-4o')).id).toBe('openai/gpt-4o');
  });
});

describe('a server with a budget that would count no call', () => {
  const config = (model: string) =>
    `providers: { openai: { dialect: openai, baseUrl: "http://127.0.0.1:9" } }
routes: [{ model: "gpt-*", candidates: [{ provider: openai }] }]
budgets: [{ id: cap, match: { model: "${model}" }, unit: usd, limit: "1", window: day }]
`;

  test('misnamed: at the start and at a reload → refused with the name to match, and the reload is logged', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bursar-models-'));
    const file = join(folder, 'bursar.yaml');
    const dataPath = join(folder, 'data');
    writeFileSync(file, config('gpt-4o-2024-08-06'));
    await expect(startInProcess({ dataPath, config: file })).rejects.toThrow(
      /^budgets: budget cap matches the model "gpt-4o-2024-08-06", which no call has: the price book calls it "gpt-4o"/,
    );
    writeFileSync(file, config('gpt-4o'));
    const server = await startInProcess({ dataPath, config: file });
    try {
      writeFileSync(file, config('GPT-4o'));
      const headers = { authorization: `Bearer ${server.adminKey}` };
      const reload = await fetch(`${server.url}/v1/reload`, { method: 'POST', headers });
      expect(reload.status).toBe(409);
      expect(await reload.text()).toContain('the price book calls it');
      const line = server.stdout.text.split('\n').find((one) => one.includes('was not reloaded')) ?? '';
      expect(JSON.parse(line)).toMatchObject({ level: 50 });
      expect(line).toContain('which no call has');
    } finally {
      await server.stop();
      rmSync(folder, { recursive: true });
    }
  });
});
